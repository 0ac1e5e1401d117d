"""A recorded load as a scenario: its I/Os in the batches in which they came, over paths that were fitted to what they did.

Open (the default): at the recorded times, whatever is answered. Closed: a client's next batch comes when as little of its own is
open as was then, and as long after that as it took then; so that a policy which is quicker is asked for more.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hawser.core.clock import Clock
from hawser.core.histogram import Histogram
from hawser.core.trace import Life, Tracer
from hawser.core.units import NS_PER_MS, NS_PER_S, NS_PER_US, SECTOR_SHIFT
from hawser.lab.model.bench import MAP_NAME, Bench
from hawser.lab.model.meter import told
from hawser.lab.model.play import play
from hawser.lab.model.scenario import LoadModel, ManagerModel, MapModel, PathModel, Scenario
from hawser.lab.model.trace_fit import PathFit
from hawser.lab.model.trace_read import RecordedMap, RecordedPath, Recording, TraceError, TraceIo

# The course has so many windows.
WINDOWS: Final = 25
# Below this, times are those of a turn and not of a path.
CLOCK_NS: Final = 1000
SLICE_MAX_NS: Final = 20 * NS_PER_MS
SLICES_MIN: Final = 10


@dataclass
class Batch:
    """What one client asked for at one moment: a plug."""

    at_ns: int
    ios: list[TraceIo]


@dataclass
class Source:
    """What is replayed: the I/Os that came to `recorded`, by client, and the paths that it had in use."""

    recording: Recording
    recorded: RecordedMap
    paths: list[RecordedPath]
    # Of each path, its group (from 1) and the words that its selector was told.
    groups: list[int]
    words: list[str]
    left_out: list[str]
    ios: list[TraceIo]
    span_ns: int

    def map_model(self) -> MapModel:
        """The policy that was recorded."""
        recorded = self.recorded
        return MapModel(mode=recorded.mode, selector=recorded.groups[0].selector, scheduler=recorded.scheduler)


def source_of(recording: Recording, map_name: str = "") -> Source:
    """TraceError where a trace cannot be replayed, with the reason."""
    recorded = recording.map_named(map_name)
    ios = recording.asked_of(recorded)
    ended = [io for io in ios if io.end_ns >= 0]
    if not ended:
        raise TraceError(f"{recording.path}: no I/O of {recorded.name} ended while it was recorded")
    instant = sum(1 for io in ended if io.end_ns - io.at_ns < CLOCK_NS)
    if instant > len(ended) // 2:
        raise TraceError(
            f"{recording.path}: {instant} of {len(ended)} I/Os took less than a microsecond: paths that answer within the turn "
            "in which they are asked (ram:, files out of the page cache) leave nothing to make a model of; trace over servers"
        )
    known = {path.number: path for path in recording.paths_of(recorded)}
    source = Source(recording, recorded, [], [], [], [], ios, max(io.end_ns for io in ended))
    for number, group in enumerate(recorded.groups, 1):
        for path in group.paths:
            if path.state != "A":
                source.left_out.append(known[path.number].name)
                continue
            source.paths.append(known[path.number])
            source.groups.append(number)
            source.words.append(path.words)
    if not source.paths:
        raise TraceError(f"{recording.path}: map {recorded.name} had no path in use when the trace began")
    return source


def batches_of(source: Source) -> list[list[Batch]]:
    """By client, in the order of their numbers. What a client asked for in one turn is a batch; a connection cuts it where it is
    large (hawser.exports.connection)."""
    most = source.recording.batch_ios or len(source.ios)
    most_bytes = source.recording.batch_bytes
    by_client: dict[int, list[Batch]] = {io.client: [] for io in sorted(source.ios, key=lambda io: io.client)}
    for io in source.ios:
        batches = by_client[io.client]
        last = batches[-1] if batches else None
        if (
            last is None
            or last.at_ns != io.at_ns
            or len(last.ios) >= most
            or (most_bytes and sum(each.size for each in last.ios) >= most_bytes)
        ):
            last = Batch(io.at_ns, [])
            batches.append(last)
        last.ios.append(io)
    return list(by_client.values())


def gates_of(batches: Sequence[Batch]) -> tuple[list[Batch], list[tuple[int, int]]]:
    """A client that waits: its batches, and for each how many of its I/Os may be open for it to come, and how long it takes to
    come after that: since the last answer, or the batch before.

    Some clients send as many anew as were answered, so that always as many are open: for these each I/O is a batch of its own,
    and those of one moment go together if they may. Others wait until few are left, and send many. Which it was is told by what
    varied less, the number that was open behind a batch or before it.
    """
    ends = sorted(io.end_ns for batch in batches for io in batch.ios if io.end_ns >= 0)
    opens: list[int] = []
    waits: list[int] = []
    begun = ended = before_ns = 0
    for batch in batches:
        while ended < len(ends) and ends[ended] <= batch.at_ns:
            before_ns = max(before_ns, ends[ended])
            ended += 1
        opens.append(begun - ended)
        waits.append(batch.at_ns - before_ns)
        begun += len(batch.ios)
        before_ns = batch.at_ns
    windows = [is_open + len(batch.ios) for is_open, batch in zip(opens, batches, strict=True)]
    if _variance(windows) >= _variance(opens):
        return list(batches), list(zip(opens, waits, strict=True))
    single: list[Batch] = []
    gates: list[tuple[int, int]] = []
    for batch, window, wait in zip(batches, windows, waits, strict=True):
        single += [Batch(batch.at_ns, [io]) for io in batch.ios]
        gates += [(window - 1, wait)] * len(batch.ios)
    return single, gates


def _variance(values: Sequence[int]) -> float:
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


def is_waiting(source: Source) -> bool:
    """Whether it looks as if clients had waited for answers: nearly always when one asked for something, it had nearly as many
    I/Os open as ever."""
    full = total = 0
    for batches in batches_of(source):
        windows: list[int] = []
        ends = sorted(io.end_ns for batch in batches for io in batch.ios if io.end_ns >= 0)
        begun = 0
        for batch in batches:
            begun += len(batch.ios)
            windows.append(begun - bisect_right(ends, batch.at_ns))
        most = max(windows)
        full += sum(1 for window in windows if 10 * window >= 9 * most)
        total += len(windows)
    return 10 * full >= 8 * total


def scenario_of(source: Source, fits: Sequence[PathFit], is_closed: bool) -> Scenario:
    """The recorded load over the paths as they were fitted, under the recorded policy."""
    loads: list[LoadModel] = []
    for number, batches in enumerate(batches_of(source)):
        gates: list[tuple[int, int]] = []
        if is_closed:
            batches, gates = gates_of(batches)
        asked = [(batch.at_ns, [(io.op, io.sector, io.size, io.flags) for io in batch.ios]) for batch in batches]
        loads.append(LoadModel(name=f"client {number}", pattern="trace", batches=asked, gates=gates))
    return Scenario(
        name="replay",
        size_bytes=source.recorded.sectors << SECTOR_SHIFT,
        seconds=source.span_ns / NS_PER_S if is_closed else 0,
        warm_up_s=0.0,
        window_ms=window_ms(source),
        paths=[_path_model(source, place, fit) for place, fit in enumerate(fits)],
        map=source.map_model(),
        manager=ManagerModel(queue_timeout_ns=60 * NS_PER_S if source.recorded.queue_if_no_path else 0),
        loads=loads,
    )


def _path_model(source: Source, place: int, fit: PathFit) -> PathModel:
    path = source.paths[place]
    return PathModel(
        fixed_ns=fit.fixed_ns,
        ns_per_kib=fit.ns_per_kib,
        slots=fit.slots,
        latency_ns=fit.latency_ns,
        depth=path.depth,
        weight=path.weight,
        group=source.groups[place],
        words=source.words[place],
        scheduler=path.scheduler,
        factors=fit.factors,
    )


def under(scenario: Scenario, policy: MapModel, warm_up_s: float) -> Scenario:
    """The same under another policy. What the table told the recorded selector of each path is not for others."""
    paths = scenario.paths
    if policy.selector != scenario.map.selector:
        paths = [replace(path, words=None) for path in paths]
    if policy.scheduler != scenario.map.scheduler or policy.mode != scenario.map.mode:
        paths = [replace(path, scheduler="none") for path in paths]
    return replace(scenario, map=policy, paths=paths, warm_up_s=warm_up_s)


def slower(scenario: Scenario, times: float) -> Scenario:
    """The same over paths whose service takes so many times as long."""
    paths = [
        replace(path, fixed_ns=round(path.fixed_ns * times), ns_per_kib=round(path.ns_per_kib * times))
        for path in scenario.paths
    ]
    return replace(scenario, paths=paths)


def slice_ns(source: Source) -> int:
    """How long the slices are of which every other one is learnt from, and the ones between are what that is tested on."""
    return max(1, min(SLICE_MAX_NS, source.span_ns // SLICES_MIN))


def recorded_latencies(source: Source, from_ns: int, every_other_ns: int = 0) -> Histogram:
    """Of I/Os that were answered, well, from `from_ns` on; only of those that began in the second, fourth, ... slice of such a
    length, if it is not 0."""
    histogram = Histogram()
    for io in source.ios:
        is_meant = not every_other_ns or io.at_ns // every_other_ns % 2 == 1
        if is_meant and not io.outcome and io.end_ns >= from_ns:
            histogram.record(io.end_ns - io.at_ns)
    return histogram


class _Timed(Life):
    def __init__(self, slices: "_Slices", bio: object) -> None:
        self.slices = slices
        self.bio = bio
        self.at_ns = slices.clock.now_ns

    def note(self, step: str, detail: str) -> None:
        """Only how long it takes is asked for."""

    def ended(self, bio: object, status: int) -> None:
        if bio is self.bio:
            self.slices.ended(self.at_ns)


class _Slices(Tracer):
    """Times I/Os of clients that begin in every other slice."""

    def __init__(self, length_ns: int, from_ns: int) -> None:
        self.clock = Clock()
        self.length_ns = length_ns
        self.from_ns = from_ns
        self.latencies = Histogram()

    def born(self, bio: object, device: str) -> Life | None:
        is_meant = device == MAP_NAME and self.clock.now_ns // self.length_ns % 2 == 1
        return _Timed(self, bio) if is_meant else None

    def sent(self, request: object, queue: str, in_flight: int) -> None:
        """Commands are counted elsewhere."""

    def returned(self, request: object, queue: str, in_flight: int, outcome: str) -> None:
        """The same."""

    def ended(self, at_ns: int) -> None:
        if self.clock.now_ns >= self.from_ns:
            self.latencies.record(self.clock.now_ns - at_ns)


def play_sliced(scenario: Scenario, seed: int, every_other_ns: int) -> dict[str, Any]:
    """The outcome of hawser.lab.model.play; if `every_other_ns` is not 0 with `between_us`, latencies of I/Os that began in the
    second, fourth, ... slice of that length."""
    if not every_other_ns:
        return play(scenario, seed)
    slices = _Slices(every_other_ns, round(scenario.warm_up_s * NS_PER_S))
    bench = Bench(scenario, seed, slices)
    slices.clock = bench.clock
    bench.run()
    return {**bench.outcome(), "between_us": told(slices.latencies)}


def recorded_shares(source: Source) -> list[float]:
    """Of the commands that were sent, each path's part."""
    counts = {path.name: 0 for path in source.paths}
    for command in source.recording.commands:
        if command.queue in counts and not command.outcome.startswith("refused"):
            counts[command.queue] += 1
    total = sum(counts.values()) or 1
    return [count / total for count in counts.values()]


def window_ms(source: Source) -> float:
    """How finely the course is kept."""
    return max(1, source.span_ns // WINDOWS // NS_PER_MS)


def recorded_course(source: Source) -> list[tuple[float, float]]:
    """Seconds from the beginning, and the p99 in microseconds of what was answered in that window."""
    window_ns = int(window_ms(source) * NS_PER_MS)
    windows: dict[int, Histogram] = {}
    for io in source.ios:
        if io.end_ns >= 0 and not io.outcome:
            windows.setdefault(io.end_ns // window_ns, Histogram()).record(io.end_ns - io.at_ns)
    return [(place * window_ns / NS_PER_S, windows[place].quantile(0.99) / NS_PER_US) for place in sorted(windows)]
