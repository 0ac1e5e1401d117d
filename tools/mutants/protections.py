"""What protects data, and the patches that switch it off: `protections.toml`. A protection that is off has to be noticed.

Each table there has the protection's rule in a few words, and the names of patches that take the rule out, or a part of it.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("protections.toml")


@dataclass(frozen=True)
class Protection:
    name: str
    rule: str
    patches: tuple[str, ...]


def read(path: Path = FILE) -> list[Protection]:
    """ValueError when one has no rule or no patch."""
    found: list[Protection] = []
    for name, table in tomllib.loads(path.read_text()).items():
        rule, patches = table.get("rule", ""), tuple(table.get("patches", ()))
        if not rule or not patches:
            raise ValueError(f"{path.name}: {name!r}: want a rule, and patches that take it out")
        found.append(Protection(name, rule, patches))
    return found


def patch_names(protections: list[Protection]) -> set[str]:
    return {patch for protection in protections for patch in protection.patches}
