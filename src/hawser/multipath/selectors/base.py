"""PathSelector: the base class of all path selectors, and their registry.

Linux: struct path_selector_type (drivers/md/dm-path-selector.h). A selector keeps its valid paths in a list whose order is part
of its rule; `seeds.md` 3.16 has the rules and golden vectors.
"""

from collections.abc import Callable
from typing import Final

from mypy_extensions import mypyc_attr

from hawser.core.log import LogSink
from hawser.dm.arguments import NOT_A_NUMBER, scan_uint
from hawser.dm.target import TableError
from hawser.multipath.path import Path


@mypyc_attr(allow_interpreted_subclasses=True)
class PathSelector:
    """`info_args` and `table_args`: how many words per path `status` and `table` print."""

    name = ""

    def __init__(self) -> None:
        self.valid: list[Path] = []
        self.failed: list[Path] = []
        self.info_args = 0
        self.table_args = 1
        self.log = LogSink()

    def add_path(self, path: Path, words: list[str]) -> None:
        """Take a path with its words of the table. TableError with the kernel's text when they are wrong."""
        raise NotImplementedError

    def select(self, size: int) -> Path | None:
        """The path for an I/O of `size` bytes, or None when no path is valid."""
        raise NotImplementedError

    def explain(self, chosen: Path, size: int) -> str:
        """Why `chosen` was the one, for people: what the selector has looked at. Asked right after `select`, only while somebody
        watches."""
        others = [path.device.devt for path in self.valid if path is not chosen]
        return f"{self.name}: its turn among {1 + len(others)}"

    def start_io(self, path: Path, size: int) -> None:
        """An I/O of `size` bytes goes down `path`."""

    def end_io(self, path: Path, size: int) -> None:
        """It came back; `size` is what `start_io` was told."""

    def fail_path(self, path: Path) -> None:
        """A failed path moves to the head of the failed list."""
        self.valid.remove(path)
        self.failed.insert(0, path)

    def reinstate_path(self, path: Path) -> None:
        """A reinstated path goes to the tail of the valid list (round-robin: to its head)."""
        self.failed.remove(path)
        self.valid.append(path)

    def group_words(self) -> str:
        """The selector's own words in `status` and `table`, with their count in front."""
        return "0"

    def info_words(self, path: Path) -> str:
        return ""

    def table_words(self, path: Path) -> str:
        return str(path.repeat_count)


SelectorMaker = Callable[[list[str]], PathSelector]
SELECTORS: Final[dict[str, SelectorMaker]] = {}


def register_selector(name: str, make: SelectorMaker) -> None:
    """Offer a selector under its name in tables. `make(words)` gets the selector's own arguments."""
    assert name not in SELECTORS
    SELECTORS[name] = make


def parse_repeat_count(selector: PathSelector, words: list[str]) -> int:
    """The first per-path word; more than 1 has no effect since Linux 4.6 and becomes 1, 0 stays."""
    count = scan_uint(words[0]) if words else 1
    if count == NOT_A_NUMBER:
        raise TableError(f"{selector.name} ps: invalid repeat count")
    if count > 1:
        selector.log.warning(f"multipath {selector.name}: repeat_count > 1 is deprecated, using 1 instead")
    return min(count, 1)
