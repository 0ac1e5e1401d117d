"""The patches: bugs written by hand, as diffs that any patch program applies, with a header that says what they are.

    Title: what the engine then does wrong, in one line
    Source: the kernel commit that fixed it there, or the source of the rule that it breaks
    Breaks: what a user would see
    Requirement: ids of docs/requirements.md whose rule is off with it, if there are any; of the tests that the document names for
        each one fails then (tools.requirements)
    Killed-by: the stage that should notice (unit, seeds or explore)

Lines may move below a patch; its context must be there still, once. When it is not, the patch has to be written anew, and the run
says so and stops.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.mutants.mutant import PATCH, Mutant

DIRECTORY: Final = Path(__file__).parent / "patches"
HEADERS: Final = ("Title", "Source", "Breaks", "Killed-by")
OPTIONAL: Final = "Requirement"
STAGES: Final = ("unit", "seeds", "explore")
_HUNK: Final = re.compile(r"@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@")


class PatchError(Exception):
    """A patch that cannot be read, or no longer applies."""


@dataclass(frozen=True)
class Hunk:
    """`line` is where the old lines were, counted from 1."""

    line: int
    old: list[str]
    new: list[str]


def load(root: Path, directory: Path = DIRECTORY) -> list[Mutant]:
    """Every patch, in the order of their names, applied to the texts of `root`. PatchError names all that do not apply."""
    mutants: list[Mutant] = []
    errors: list[str] = []
    for place in sorted(directory.glob("*.patch")):
        try:
            mutants.append(read_patch(place.name, place.read_text(), lambda path: (root / path).read_text()))
        except (PatchError, OSError) as error:
            errors.append(str(error))
    if errors:
        raise PatchError("\n".join(errors))
    return mutants


def read_patch(name: str, text: str, read: Callable[[str], str]) -> Mutant:
    header = _header(name, text)
    files: dict[str, str] = {}
    for path, hunks in parse_diff(text).items():
        files[path] = apply_hunks(f"{name}: {path}", read(path), hunks)
    if not files:
        raise PatchError(f"{name}: changes no file")
    key = name.removesuffix(".patch")
    ids = tuple(header.get(OPTIONAL, "").split())
    return Mutant(
        key, name, PATCH, files, header["Title"], header["Source"], header["Breaks"], header["Killed-by"], ids
    )


def _header(name: str, text: str) -> dict[str, str]:
    """The words above the diff; a line that begins with a space goes on with the one before."""
    found: dict[str, str] = {}
    last = ""
    for line in text.partition("\ndiff --git ")[0].splitlines():
        word, colon, rest = line.partition(": ")
        if colon and word in (*HEADERS, OPTIONAL):
            last = word
            found[word] = rest.strip()
        elif line.startswith(" ") and last:
            found[last] += " " + line.strip()
    missing = [word for word in HEADERS if not found.get(word)]
    if missing:
        raise PatchError(f"{name}: no {', '.join(missing)} in its header")
    if found["Killed-by"] not in STAGES:
        raise PatchError(f"{name}: Killed-by {found['Killed-by']!r}: want one of {', '.join(STAGES)}")
    return found


def parse_diff(text: str) -> dict[str, list[Hunk]]:
    """The hunks of each file of a unified diff."""
    files: dict[str, list[Hunk]] = {}
    hunks: list[Hunk] = []
    for line in text.splitlines():
        match = _HUNK.match(line)
        if line.startswith("+++ "):
            hunks = files.setdefault(line[4:].split("\t")[0].removeprefix("b/"), [])
        elif line.startswith(("--- ", "diff --git ", "index ")):
            continue
        elif match is not None:
            hunks.append(Hunk(int(match[1]), [], []))
        elif hunks:
            if line[:1] in (" ", "-", ""):
                hunks[-1].old.append(line[1:])
            if line[:1] in (" ", "+", ""):
                hunks[-1].new.append(line[1:])
    return files


def apply_hunks(what: str, source: str, hunks: list[Hunk]) -> str:
    """`source` with the hunks applied, each where its old lines are; of several such places, the nearest to where they were."""
    lines = source.splitlines()
    moved = 0
    for hunk in hunks:
        size = len(hunk.old)
        places = [start for start in range(len(lines) - size + 1) if lines[start : start + size] == hunk.old]
        expected = hunk.line - 1 + moved
        if not places:
            raise PatchError(f"{what}: does not apply any more: its lines from {hunk.line} on are not there")
        start = min(places, key=lambda place: abs(place - expected))
        lines[start : start + size] = hunk.new
        moved = start + len(hunk.new) - size - (hunk.line - 1)
    return "\n".join(lines) + "\n"
