"""Fits the model of a path (hawser.lab.model.scenario.PathModel) to the commands that a trace has of it.

The model: a command of n bytes keeps one of `slots` places busy for `fixed + n / bandwidth`, times a factor that varies; those
that find no place wait in order of arrival; the wire's latency is added to each and keeps nobody busy. Given how many slots there
are, the trace says when each command could begin: when it came, or when enough of those before it had come back. What is left is
its service, of which

- the fixed part and the time per byte are least squares through the medians of each size (so that a stall does not move them);
- the latency is what commands that found a place took longer than those that had waited for one;
- the factors are what each took against that, as quantiles, with a mean of 1.

How many slots there are is tried out: those win with which single commands differ least from the model, while next to none of
them was served in no time. Of numbers that do about as well the smallest one counts: a load that always keeps as many commands in
flight cannot tell a server that does one after the other from a slower one that does several at once.
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from hawser.core.units import KIB, NS_PER_US
from hawser.lab.model.trace_read import RecordedPath, Recording, TraceCommand

# Below so many commands nothing is said of a path by itself.
COMMANDS_MIN: Final = 20
# So many at most are looked at, of all parts of the trace.
COMMANDS_MAX: Final = 8_000
SLOTS_TRIED: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
# How much better more slots have to be, in a first round and then close to what that has found. Below a microsecond, the time of
# a turn, nothing is better than anything else.
MARGIN: Final = 0.95
MARGIN_CLOSE: Final = 0.99
CLOCK_NS: Final = 1000
# What so small a part of the commands does says nothing.
FEW: Final = 0.02
FAR_NS: Final = 1e18

# How many factors are kept, and from how many sizes on these are rounded.
QUANTILES: Final = 1000
SIZES_MAX: Final = 32

# Whether what was sent at that time counts.
When = Callable[[int], bool]


@dataclass
class PathFit:
    """`fixed_ns`, `ns_per_kib`, `latency_ns`, `slots`: as of PathModel. `factors`: quantiles of service time by that of the
    model, evenly spaced, their mean 1. `error`: how far single commands are from the model without its factors, on average, over
    the mean time that they took. `notes`: what the trace cannot tell, for people."""

    name: str
    commands: int = 0
    failed: int = 0
    fixed_ns: int = 0
    ns_per_kib: int = 0
    latency_ns: int = 0
    slots: int = 1
    factors: list[float] = field(default_factory=lambda: [1.0])
    mean_ns: float = 0.0
    error: float = 0.0
    notes: list[str] = field(default_factory=list)

    def spread(self) -> float:
        """The coefficient of variation of the factors."""
        mean = sum(self.factors) / len(self.factors)
        square = sum((factor - mean) ** 2 for factor in self.factors) / len(self.factors)
        return float(square**0.5 / mean)

    def service_ns(self, size: int) -> float:
        return self.fixed_ns + self.ns_per_kib * size / KIB

    def describe(self) -> str:
        """`53 us + 2.6 us/KiB, 4 at once, 10 us away, spread 12 %`."""
        text = f"{self.fixed_ns / NS_PER_US:.1f} us + {self.ns_per_kib / NS_PER_US:.2f} us/KiB, {self.slots} at once"
        return f"{text}, {self.latency_ns / NS_PER_US:.1f} us away, spread {100 * self.spread():.0f} %"


@dataclass
class _Seen:
    """A command that came at `at_ns` when the `ends` of those before it, in order, were still to come. `is_whole`: whether the
    trace has all of those."""

    at_ns: int
    end_ns: int
    size: int
    ends: list[int]
    is_whole: bool

    def has_waited(self, slots: int, latency_ns: float) -> bool:
        """Whether there was no place for it, if there are so many; an answer that is on its way keeps none."""
        ahead = len(self.ends)
        return ahead >= slots and self.ends[ahead - slots] > self.at_ns + latency_ns

    def took_ns(self, slots: int, latency_ns: float) -> int:
        """From when it came, or from the answer whose place it got: that has had its latency, too."""
        if self.has_waited(slots, latency_ns):
            return self.end_ns - self.ends[len(self.ends) - slots]
        return self.end_ns - self.at_ns

    def service_ns(self, slots: int, latency_ns: float) -> float:
        """How long it was served."""
        took = self.took_ns(slots, latency_ns)
        return took if self.has_waited(slots, latency_ns) else took - latency_ns


@dataclass
class _Line:
    """What a service takes, in nanoseconds."""

    fixed: float
    per_byte: float
    latency: float

    def service(self, size: int) -> float:
        return self.fixed + self.per_byte * size


def always(at_ns: int) -> bool:
    """Whenever a command was sent, it counts."""
    return True


def fit_paths(recording: Recording, paths: Sequence[RecordedPath], counts: When = always) -> list[PathFit]:
    """A model of each path, from commands that were sent when `counts` says. One that was sent too few of them gets that of
    another one, and says so; ValueError if there is none."""
    mine = {path.name: [each for each in recording.commands if each.queue == path.name] for path in paths}
    fits = [fit_path(path.name, mine[path.name], counts) for path in paths]
    told = [fit for fit in fits if fit.commands >= COMMANDS_MIN]
    if not told:
        raise ValueError(f"no path was sent {COMMANDS_MIN} commands that succeeded: too few to make a model of")
    for fit in fits:
        if fit.commands < COMMANDS_MIN:
            _borrow(fit, told)
    return fits


def fit_path(name: str, commands: Sequence[TraceCommand], counts: When = always) -> PathFit:
    """The model of one path; with fewer than COMMANDS_MIN `commands` it says nothing but that."""
    # (What was refused was never sent; what has no end, or came back late as an error, says nothing of how long it took.)
    sent = [command for command in commands if not command.outcome.startswith("refused")]
    fit = PathFit(name)
    fit.failed = sum(1 for command in sent if command.outcome)
    seen = [each for each in _seen(sent) if each.is_whole and counts(each.at_ns)]
    fit.commands = len(seen)
    if fit.commands < COMMANDS_MIN:
        return fit
    seen = seen[:: -(-len(seen) // COMMANDS_MAX)]
    fit.mean_ns = sum(each.end_ns - each.at_ns for each in seen) / len(seen)
    most = max(len(each.ends) for each in seen) + 1
    rough = _best(seen, [slots for slots in SLOTS_TRIED if slots < most] + [most], MARGIN)
    fit.slots = _best(seen, range(max(1, rough * 3 // 4), min(most, rough * 4 // 3) + 1), MARGIN_CLOSE)
    line = _line(seen, fit.slots)
    _settle(fit, seen, line)
    fit.error = _error(seen, fit.slots, line) / max(1.0, fit.mean_ns)
    _say_what_is_not_known(fit, seen)
    return fit


def _best(seen: Sequence[_Seen], tried: Iterable[int], margin: float) -> int:
    """The number of slots with which commands differ least from the model."""
    best = 0
    least = 0.0
    for slots in tried:
        line = _line(seen, slots)
        error = _error(seen, slots, line) if _is_possible(seen, slots, line) else FAR_NS
        if not best or error + CLOCK_NS < margin * (least + CLOCK_NS):
            least, best = error, slots
    return best


def _seen(commands: Sequence[TraceCommand]) -> list[_Seen]:
    """Those that have succeeded, in order."""
    found: list[_Seen] = []
    ends: list[int] = []
    # Those that have no end never give their place back.
    for command in commands:
        del ends[: bisect_right(ends, command.at_ns)]
        if command.end_ns >= 0:
            if not command.outcome:
                is_whole = command.in_flight in (0, len(ends) + 1)
                found.append(_Seen(command.at_ns, command.end_ns, command.size, ends.copy(), is_whole))
            insort(ends, command.end_ns)
    return found


def _line(seen: Sequence[_Seen], slots: int) -> _Line:
    """The second time it is known of more commands that they need not have waited."""
    return _line_with(seen, slots, _line_with(seen, slots, 0.0).latency)


def _line_with(seen: Sequence[_Seen], slots: int, latency_ns: float) -> _Line:
    """Least squares through the medians of each size, for those that found a place and for those that had waited."""
    cells: dict[tuple[int, int], list[int]] = {}
    coarse = len({each.size for each in seen}) > SIZES_MAX
    for each in seen:
        waited = each.has_waited(slots, latency_ns)
        size = _rounded(each.size) if coarse else each.size
        cells.setdefault((size, 0 if waited else 1), []).append(each.took_ns(slots, latency_ns))
    points = [(float(size), float(found), float(_median(took)), len(took)) for (size, found), took in cells.items()]
    several_sizes = len({size for size, _ in cells}) > 1
    both = len({found for _, found in cells}) > 1
    middle = round(_median([each.size for each in seen]))
    # What comes out negative is none.
    for use_size, use_latency in ((several_sizes, both), (several_sizes, False), (False, both), (False, False)):
        if use_size > several_sizes or use_latency > both:
            continue
        line = _solve(points, use_size, use_latency)
        if line is None or min(line.fixed, line.per_byte, line.latency) < 0:
            continue
        # (A wire that takes longer than the service would hide all of it: what varies is service.)
        if line.latency <= line.service(middle):
            return line
    return _Line(max(1.0, sum(took * count for _, _, took, count in points) / sum(point[3] for point in points)), 0, 0)


def _rounded(size: int) -> int:
    """To three leading bits."""
    shift = max(0, size.bit_length() - 3)
    return size >> shift << shift


def _median(values: list[int]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _solve(points: Sequence[tuple[float, float, float, int]], use_size: bool, use_latency: bool) -> _Line | None:
    """Weighted least squares: took = fixed + per_byte * size + latency * found. None when the points do not tell."""
    columns = [0] + ([1] if use_size else []) + ([2] if use_latency else [])
    # Sizes in KiB, or the equations are badly scaled.
    rows = [((1.0, size / KIB, found), took, float(count)) for size, found, took, count in points]
    matrix = [[sum(x[i] * x[j] * w for x, _, w in rows) for j in columns] for i in columns]
    right = [sum(x[i] * y * w for x, y, w in rows) for i in columns]
    solved = _eliminate(matrix, right)
    if solved is None:
        return None
    values = [0.0, 0.0, 0.0]
    for column, value in zip(columns, solved, strict=True):
        values[column] = value
    return _Line(values[0], values[1] / KIB, values[2])


def _eliminate(matrix: list[list[float]], right: list[float]) -> list[float] | None:
    """Gauss, with pivots. None when there is no single solution."""
    count = len(right)
    rows = [[*matrix[i], right[i]] for i in range(count)]
    for i in range(count):
        pivot = max(range(i, count), key=lambda row: abs(rows[row][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        if abs(rows[i][i]) < 1e-9 * (1.0 + abs(matrix[i][i])):
            return None
        for row in range(count):
            if row != i:
                ratio = rows[row][i] / rows[i][i]
                rows[row] = [value - ratio * other for value, other in zip(rows[row], rows[i], strict=True)]
    return [rows[i][count] / rows[i][i] for i in range(count)]


def _is_possible(seen: Sequence[_Seen], slots: int, line: _Line) -> bool:
    """No service takes no time: where many would have, those that came back together were served together."""
    none = sum(1 for each in seen if each.service_ns(slots, line.latency) < CLOCK_NS)
    return none <= FEW * len(seen)


def _error(seen: Sequence[_Seen], slots: int, line: _Line) -> float:
    """How far commands are from what the model says of them, on average, in nanoseconds."""
    return sum(abs(each.service_ns(slots, line.latency) - line.service(each.size)) for each in seen) / len(seen)


def _settle(fit: PathFit, seen: Sequence[_Seen], line: _Line) -> None:
    """The line, scaled so that the factors have a mean of 1, and these."""
    factors = [max(0.0, each.service_ns(fit.slots, line.latency)) / max(1.0, line.service(each.size)) for each in seen]
    mean = sum(factors) / len(factors) or 1.0
    fit.fixed_ns = max(1, round(line.fixed * mean))
    fit.ns_per_kib = round(line.per_byte * KIB * mean)
    fit.latency_ns = round(line.latency)
    ordered = sorted(factor / mean for factor in factors)
    count = min(QUANTILES, len(ordered))
    fit.factors = [ordered[(2 * place + 1) * len(ordered) // (2 * count)] for place in range(count)]
    settled = sum(fit.factors) / count or 1.0
    fit.factors = [factor / settled for factor in fit.factors]


def _say_what_is_not_known(fit: PathFit, seen: Sequence[_Seen]) -> None:
    if fit.failed:
        fit.notes.append(f"{fit.failed} commands failed, which the model never does")
    if len({each.size for each in seen}) == 1:
        fit.notes.append(f"all commands were of {seen[0].size} bytes: what others would take is not known")
    waited = sum(1 for each in seen if each.has_waited(fit.slots, fit.latency_ns))
    if waited < FEW * len(seen):
        most = max(len(each.ends) for each in seen) + 1
        fit.notes.append(
            f"hardly a command had to wait, with {most} in flight at most: whether it can do more at once is not known"
        )
    elif waited == len(seen):
        fit.notes.append("every command had to wait: what its wire adds is not known")


def _borrow(fit: PathFit, told: Sequence[PathFit]) -> None:
    """The model of another path: of those that are known the one in the middle."""
    ordered = sorted(told, key=lambda other: (other.mean_ns, other.name))
    middle = ordered[len(ordered) // 2]
    fit.fixed_ns, fit.ns_per_kib = middle.fixed_ns, middle.ns_per_kib
    fit.latency_ns, fit.slots, fit.factors = middle.latency_ns, middle.slots, middle.factors
    fit.notes.append(
        f"it was sent {fit.commands} commands that say anything, too few: it is taken for one like {middle.name}"
    )
