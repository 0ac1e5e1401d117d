"""PathSelector: the base class of all path selectors, and their registry.

Linux: struct path_selector_type (drivers/md/dm-path-selector.h). A selector keeps its valid paths in a list whose order is part
of its rule; `seeds.md` 3.16 has the rules and golden vectors. How to write one: docs/selectors.md.
"""

from collections.abc import Callable, Sequence
from typing import Final

from mypy_extensions import mypyc_attr

from hawser.core.clock import Clock
from hawser.core.log import LogSink
from hawser.dm.arguments import NOT_A_NUMBER, scan_uint
from hawser.dm.target import TableError
from hawser.multipath.path import Path


class SelectorError(TableError):
    """A selector that was to be had, and is no good: the message names it and where it comes from."""


@mypyc_attr(allow_interpreted_subclasses=True)
class PathSelector:
    """The selector of one priority group. A subclass overrides `select`, and whatever else it needs; a constructor, too, if the
    selector has arguments of its own, `words`. ValueError when they are wrong, as here, where there are to be none.

    `info_args` and `table_args`: how many words per path `status` and `table` print. `valid` and `failed` are the group's paths,
    `valid` in an order that is the selector's own.

    `is_timed`: `end_io` is to know when an I/O was sent. `asks_cpu`: `cpu` is to be that of the I/O that a path is chosen for.
    Both are asked once, when a table is made, so that they cost nothing where nobody needs them; set them in the constructor.

    `clock.now_ns` is the time of the turn, in nanoseconds, of the world that this runs in: the real one, or a simulated one; from
    the first `select` on. `log` is the kernel log's counterpart. `cpus`: how many CPUs the machine has; 0 where connections of
    clients stand for CPUs, of which nobody knows how many will come. Both are set when `add_path` is called.
    """

    name = ""

    def __init__(self, words: Sequence[str] = ()) -> None:
        if words:
            raise ValueError("incorrect number of arguments")
        self.valid: list[Path] = []
        self.failed: list[Path] = []
        self.info_args = 0
        self.table_args = 0
        self.is_timed = False
        self.asks_cpu = False
        self.cpu = 0
        self.cpus = 0
        self.clock = Clock()
        self.log = LogSink()

    def add_path(self, path: Path, words: list[str]) -> None:
        """Take a path with its words of the table, of which there are none unless this is overridden, and append it to `valid`.
        TableError with the text for the log when the words are wrong; the table is then refused. What is to be kept per path goes
        into `path.info`."""
        if words:
            raise TableError(f"{self.name} ps: incorrect number of arguments")
        self.valid.append(path)

    def select(self, size: int) -> Path | None:
        """The path for an I/O of `size` bytes (a flush has none), or None when no path is valid."""
        raise NotImplementedError

    def explain(self, chosen: Path, size: int) -> str:
        """Why `chosen` was the one, for people: what the selector has looked at, of every path. Asked right after `select`, only
        while somebody watches. Where it is not overridden: what `status` prints of each path."""
        told = [f"{path.device.devt} {self.info_words(path)}".rstrip() for path in self.valid]
        return f"{self.name}: of {', '.join(told)}"

    def start_io(self, path: Path, size: int) -> None:
        """An I/O of `size` bytes goes down `path`."""

    def end_io(self, path: Path, size: int, start_ns: int) -> None:
        """It came back, well or not; called once for each `start_io`, with its `path` and `size`.

        `start_ns`: when it was sent, on the scale of `clock`; request-based that is when it was dispatched, bio-based when it was
        mapped (and, unless the selector `is_timed`, 0). NEVER: the path was full and did not take it, so that it never was on its
        way. When a path fails, `fail_path` comes first.
        """

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
        """What `status` prints of a path: `info_args` words."""
        return ""

    def table_words(self, path: Path) -> str:
        """What `table` prints of a path: `table_args` words, which `add_path` would take."""
        return ""

    def words_for(self, place: int, weight: int) -> list[str]:
        """The words that a path gets in a table that is built from options (`hawser serve --selector`). It is number `place` of
        its group, counted from 0, and `weight` is its relative throughput."""
        return []


class RepeatingSelector(PathSelector):
    """One whose paths have a repeat count, as the oldest have it."""

    def __init__(self) -> None:
        super().__init__()
        self.table_args = 1

    def table_words(self, path: Path) -> str:
        return str(path.repeat_count)

    def words_for(self, place: int, weight: int) -> list[str]:
        return ["1"]


SelectorMaker = Callable[[list[str]], PathSelector]
SELECTORS: Final[dict[str, SelectorMaker]] = {}


@mypyc_attr(allow_interpreted_subclasses=True)
class SelectorSource:
    """Where the world looks for selectors that are not here. Linux: request_module() in dm_get_path_selector()."""

    def load(self, name: str) -> None:
        """Register the selector of that name, if there is one. SelectorError when there is, but it cannot be used."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """Those that it could load."""
        raise NotImplementedError


# At most one: the engine looks nowhere by itself.
SOURCES: Final[list[SelectorSource]] = []


def register_selector(name: str, make: SelectorMaker) -> None:
    """Offer a selector under its name in tables. `make(words)` gets the selector's own arguments, and raises ValueError when they
    are wrong."""
    assert name not in SELECTORS
    SELECTORS[name] = make


def find_selector(name: str) -> SelectorMaker | None:
    """What makes the selector of that name, or None when there is none. SelectorError when it cannot be used."""
    if name not in SELECTORS:
        for source in SOURCES:
            source.load(name)
    return SELECTORS.get(name)


def selector_names() -> list[str]:
    """All that a table may name."""
    names = list(SELECTORS)
    for source in SOURCES:
        names += source.names()
    return sorted(set(names))


def parse_repeat_count(selector: PathSelector, words: list[str]) -> int:
    """The first per-path word; more than 1 has no effect since Linux 4.6 and becomes 1, 0 stays."""
    count = scan_uint(words[0]) if words else 1
    if count == NOT_A_NUMBER:
        raise TableError(f"{selector.name} ps: invalid repeat count")
    if count > 1:
        selector.log.warning_limited(f"multipath {selector.name}: repeat_count > 1 is deprecated, using 1 instead")
    return min(count, 1)
