"""Onlooker: stands before a path selector, changes nothing, and can say what it looked at when it chose: of every path what was
on its way there, and which path the other selectors would have chosen in that very state.

Of the others only that is said which can be: what depends on the paths' state (commands and bytes on their way, and how long I/O
took of late) is known whoever chose; whose turn it would be with `round-robin` is a matter of a history that never was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from hawser.multipath.path import Path, PriorityGroup
from hawser.multipath.selectors.base import PathSelector
from hawser.multipath.selectors.historical_service_time import (
    BASE_WEIGHT_DEFAULT,
    SHIFT,
    HistoricalServiceTime,
    history,
)
from hawser.multipath.selectors.queue_length import QueueLength
from hawser.multipath.selectors.service_time import ServiceTime, compare
from hawser.multipath.target import Multipath

ROUND_ROBIN: Final = "round-robin"
IO_AFFINITY: Final = "io-affinity"


@dataclass
class Standing:
    """A path when another I/O was about to be sent. `commands`, `size_bytes`: what was on its way there, as selectors count it.
    `score`: what the selector that chose made of it; where that is not known, what `dmsetup status` prints of it."""

    name: str
    number: str
    commands: int
    size_bytes: int
    weight: int
    letter: str
    score: str
    is_chosen: bool


@dataclass
class Choice:
    """Why a path was chosen: `why` in the selector's own words. `instead`: of each other selector, which path it would have
    chosen."""

    selector: str
    why: str
    standings: list[Standing] = field(default_factory=list)
    instead: list[tuple[str, str]] = field(default_factory=list)


class Onlooker(PathSelector):
    """`inner` is the selector that chooses, among the paths of `group`."""

    def __init__(self, inner: PathSelector, group: PriorityGroup) -> None:
        super().__init__()
        self.name = inner.name
        self.inner = inner
        self.group = group
        self.info_args = inner.info_args
        self.table_args = inner.table_args
        self.clock = inner.clock
        self.log = inner.log
        self.cpus = inner.cpus
        # What the others would want to know.
        self.is_timed = True
        self.asks_cpu = True
        self.valid = inner.valid
        self.failed = inner.failed
        self.before: list[Path] = []
        # What it was asked to explain last.
        self._asked = ""
        self._chosen: Path | None = None
        self._size = 0
        # What is on its way, counted as `queue-length` and `service-time` do, and what `historical-service-time` would have
        # learnt.
        self._others: list[PathSelector] = [QueueLength(), ServiceTime(), HistoricalServiceTime(BASE_WEIGHT_DEFAULT, 0)]
        self._twins: dict[Path, Path] = {}
        for place, path in enumerate(group.paths):
            twin = Path(path.device, group)
            for other in self._others:
                other.add_path(twin, other.words_for(place, path.relative_throughput))
            self._twins[path] = twin

    # The selector's own business.

    def select(self, size: int) -> Path | None:
        self.before = list(self.inner.valid)
        self._pass_on()
        return self.inner.select(size)

    def start_io(self, path: Path, size: int) -> None:
        self.inner.start_io(path, size)
        for other in self._others:
            other.start_io(self._twins[path], size)

    def end_io(self, path: Path, size: int, start_ns: int) -> None:
        self._pass_on()
        self.inner.end_io(path, size, start_ns)
        for other in self._others:
            other.clock = self.clock
            other.end_io(self._twins[path], size, start_ns)

    def fail_path(self, path: Path) -> None:
        self.inner.fail_path(path)
        for other in self._others:
            other.fail_path(self._twins[path])

    def reinstate_path(self, path: Path) -> None:
        self.inner.reinstate_path(path)
        for other in self._others:
            other.reinstate_path(self._twins[path])

    def group_words(self) -> str:
        return self.inner.group_words()

    def info_words(self, path: Path) -> str:
        return self.inner.info_words(path)

    def table_words(self, path: Path) -> str:
        return self.inner.table_words(path)

    def words_for(self, place: int, weight: int) -> list[str]:
        return self.inner.words_for(place, weight)

    def explain(self, chosen: Path, size: int) -> str:
        self._asked = self.inner.explain(chosen, size)
        self._chosen = chosen
        self._size = size
        return self._asked

    def _pass_on(self) -> None:
        self.inner.clock = self.clock
        self.inner.cpu = self.cpu

    # What it looked at.

    def choice(self, detail: str) -> Choice | None:
        """The choice that it has just explained, before its I/O is sent, if that is what `detail` tells (hawser.multipath.state);
        else None."""
        why, chosen, size = self._asked, self._chosen, self._size
        if chosen is None or why not in detail or f"to {chosen.device.devt} " not in detail:
            return None
        choice = Choice(self.name, why.removeprefix(f"{self.name}: "))
        for path in self.group.paths:
            twin = self._twins[path]
            letter = "F" if not path.is_active else "aside" if path.is_aside else "A"
            choice.standings.append(
                Standing(
                    path.device.name,
                    path.device.devt,
                    int(twin.in_flight),
                    int(twin.in_flight_bytes),
                    int(path.relative_throughput),
                    letter,
                    self._score_of(path),
                    path is chosen,
                )
            )
        for other in self._others:
            if other.name != self.name:
                choice.instead.append((other.name, self._instead(other, chosen, size)))
        if self.name != IO_AFFINITY:
            choice.instead.append((IO_AFFINITY, self._by_affinity(chosen)))
        if self.name != ROUND_ROBIN:
            choice.instead.append(
                (
                    ROUND_ROBIN,
                    "cannot be told: whose turn it is depends on all I/O before, which it would have sent other ways",
                )
            )
        return choice

    def _score_of(self, path: Path) -> str:
        """Of a path, as it was when the selector looked at it."""
        inner = self.inner
        if isinstance(inner, (QueueLength, ServiceTime, HistoricalServiceTime)):
            return _score(inner, path)
        if self.name == IO_AFFINITY:
            return f"CPU mask {inner.table_words(path)}"
        if self.name == ROUND_ROBIN:
            return f"turn {self.before.index(path) + 1}" if path in self.before else ""
        return inner.info_words(path)

    def _instead(self, other: PathSelector, chosen: Path, size: int) -> str:
        """What `other` would have chosen; among equals the path that was used longest ago."""
        twins = [self._twins[path] for path in self.before]
        if not twins:
            return "none"
        other.clock = self.clock
        kept = other.valid
        other.valid = list(twins)
        found = other.select(size)
        other.valid = kept
        assert found is not None
        equals = [twin for twin in twins if twin is not found and _is_equal(other, twin, found, size)]
        own = self._twins[chosen]
        text = "the same" if found is own else found.device.name
        if equals:
            names = " and ".join("this one" if twin is own else twin.device.name for twin in equals)
            text += f", with {names} as good"
        return f"{text}: {_score(other, found)}" + ("" if found is own else f"; here {_score(other, own)}")

    def _by_affinity(self, chosen: Path) -> str:
        """With a CPU for each path, as `hawser serve` has it."""
        paths: Sequence[Path] = self.group.paths
        cpu = self.cpu % len(paths)
        path = paths[cpu]
        whose = f"client {self.cpu} is CPU {cpu} of {len(paths)}"
        if path not in self.before:
            first = next(each for each in paths if each in self.before)
            name = "the same" if first is chosen else first.device.name
            return f"{name}, the first one in use: {whose}, whose path {path.device.name} is not"
        return f"{'the same' if path is chosen else path.device.name}: {whose}, if each path has one"


def _is_equal(other: PathSelector, first: Path, second: Path, size: int) -> bool:
    if isinstance(other, QueueLength):
        return bool(first.in_flight == second.in_flight)
    if isinstance(other, ServiceTime):
        return compare(first, second, size) == 0
    assert isinstance(other, HistoricalServiceTime)
    return other.compare(history(first), history(second), other.clock.now_ns) == 0


def _score(other: PathSelector, twin: Path) -> str:
    if isinstance(other, QueueLength):
        return f"{twin.in_flight} in flight"
    if isinstance(other, ServiceTime):
        weight = f" by weight {twin.relative_throughput}" if twin.relative_throughput != 1 else ""
        return f"{twin.in_flight_bytes} bytes in flight{weight}"
    past = history(twin)
    stale = ", stale" if past.stale_after_ns < other.clock.now_ns else ""
    return f"{past.average >> SHIFT} ns x {1 + past.outstanding}{stale}"


def look_on(target: Multipath) -> list[Onlooker]:
    """Put one before the selector of each group."""
    onlookers: list[Onlooker] = []
    for group in target.state.groups:
        onlooker = Onlooker(group.selector, group)
        group.selector = onlooker
        onlookers.append(onlooker)
    # (For `io-affinity`, which might have been asked.)
    target.state.asks_cpu = True
    return onlookers
