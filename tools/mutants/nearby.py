"""Which unit tests are run first for a mutant: those of files named after the one that is wrong, and those of the file whose test
killed it in the run that the report is about. Most mutants die of them, at a tenth of the price of all unit tests.
"""

import re
from pathlib import Path
from typing import Final

from tools.mutants.mutant import PACKAGE, Mutant

_BAR: Final = re.compile(r"(?<!\\)\|")
_KILLER: Final = re.compile(r"[a-z]+: (tests/\S+?\.py)::")
_LINE: Final = re.compile(r"\.py:\d+ ")


def last_killers(report: str) -> dict[str, str]:
    """By the mutant's key, the file of the test that killed it; those that no test killed are left out."""
    found: dict[str, str] = {}
    for line in report.splitlines():
        cells = [cell.strip() for cell in _BAR.split(line)[1:-1]]
        killer = _KILLER.match(cells[-1]) if len(cells) > 1 else None
        if killer is not None:
            found[_LINE.sub(".py ", cells[0].replace("\\|", "|"), count=1)] = killer[1]
    return found


def near_tests(root: Path, mutant: Mutant, killers: dict[str, str]) -> list[str]:
    """The files of such tests, relative to `root`, the one that killed it before first."""
    found: list[str] = []
    killer = killers.get(mutant.key)
    if killer is not None and (root / killer).is_file():
        found.append(killer)
    for path in mutant.files:
        room = path.removeprefix(PACKAGE + "/").split("/")[0]
        for place in sorted((root / "tests" / room).rglob(f"test_*{Path(path).stem}*.py")):
            name = place.relative_to(root).as_posix()
            if name not in found:
                found.append(name)
    return found
