"""Runs pytest or the `hawser` command in a copy of the tree, after proving that the copy's engine is what is imported.

    python guard.py MODULE,MODULE... pytest|hawser WORDS...

`hawser` may be given several commands, one after the other until one fails, with `++` between.

Exit status 97 when it is not: nothing is said about a mutant that was never run. It imports nothing of the project.
"""

import importlib.util
import resource
import sys
from pathlib import Path

WRONG_SOURCE = 97
NEXT = "++"
# A mutant that allocates without end meets this, not the machine's limit.
MEMORY_MAX_BYTES = 3 << 30


def main() -> None:
    modules, program, *words = sys.argv[1:]
    source = Path.cwd().resolve() / "src"
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, MEMORY_MAX_BYTES))
    sys.path[0] = str(source)
    for module in ("hawser", *modules.split(",")):
        check(module, source)
    if program == "pytest":
        import pytest

        status = int(pytest.main(words))
    else:
        from hawser.cli.main import main as command

        status = 0
        while words and status == 0:
            end = words.index(NEXT) if NEXT in words else len(words)
            status = run(command, words[:end])
            words = words[end + 1 :]
    for module in ("hawser", *modules.split(",")):
        loaded = sys.modules.get(module)
        if loaded is not None and not Path(loaded.__file__ or "").resolve().is_relative_to(source):
            refuse(module, loaded.__file__)
    sys.stdout.flush()
    sys.exit(status)


def run(command: object, words: list[str]) -> int:
    assert callable(command)
    try:
        command(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def check(module: str, source: Path) -> None:
    """Refuse to go on unless `module` would be imported, interpreted, from below `source`."""
    found = importlib.util.find_spec(module)
    origin = found.origin if found is not None else None
    if origin is None or not origin.endswith(".py") or not Path(origin).resolve().is_relative_to(source):
        refuse(module, origin)


def refuse(module: str, origin: str | None) -> None:
    print(f"{module} comes from {origin}, not from this copy's source", file=sys.stderr)
    sys.exit(WRONG_SOURCE)


if __name__ == "__main__":
    main()
