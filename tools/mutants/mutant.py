"""A mutant: one wrong version of the source, as the new text of the files that it changes."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = "src/hawser"
SAMPLED = "sampled"
PATCH = "patch"


@dataclass(frozen=True)
class Mutant:
    """`files` maps paths, relative to the tree's root, to their text when mutated.

    `key` names the mutant whichever lines come and go above it: verdicts are kept by it. `name` says the line as well. A patch
    has its header's words: where the bug comes from, what it breaks, the stage that its author expects to kill it, and the ids of
    the requirements (docs/requirements.md) that the engine no longer meets with it.
    """

    key: str
    name: str
    kind: str
    files: dict[str, str] = field(repr=False)
    title: str = ""
    source: str = ""
    breaks: str = ""
    expected: str = ""
    requirements: tuple[str, ...] = ()

    def room(self) -> str:
        """The room of the house that is wrong; of a patch to several, the first."""
        return next(iter(self.files)).removeprefix(PACKAGE + "/").split("/")[0]

    def modules(self) -> list[str]:
        """The modules that are wrong, as Python imports them."""
        return [path.removeprefix("src/").removesuffix(".py").replace("/", ".") for path in self.files]

    def diff(self, read: Callable[[str], str]) -> str:
        """The mutant as a patch to the tree that `read` reads."""
        text = ""
        for path, mutated in self.files.items():
            before, after = read(path).splitlines(keepends=True), mutated.splitlines(keepends=True)
            text += "".join(difflib.unified_diff(before, after, f"a/{path}", f"b/{path}"))
        return text

    def apply(self, root: Path) -> None:
        """Change the copy of the tree at `root`, and forget what was compiled of the files before."""
        for path, mutated in self.files.items():
            place = root / path
            for stale in (place.parent / "__pycache__").glob(f"{place.stem}.*.pyc"):
                stale.unlink()
            place.write_text(mutated)
