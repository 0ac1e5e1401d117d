"""`historical-service-time`: the path whose I/O has been quickest of late, by an average that forgets, times what is in flight.

Linux: drivers/md/dm-ps-historical-service-time.c; `seeds.md` 3.16. Fixed point of 10 bits: 1024 is one. The average of a path, in
such nanoseconds, moves with each I/O that ends: the longer that took, the more it counts (`weights_of`). A path of which nothing
has been heard for as long as its I/O should take is *stale*, and what is known of it counts less: when idle it is tried again.

Arguments of the selector: the weight of the history per bucket of service time (0 to 1023, 972 if not given), and how many times
as slow another path must be to count as slower at all (0 if not given).

Unlike the kernel: a clone that a full path has refused says nothing of how long I/O takes there; products do not wrap.
"""

from typing import Final

from hawser.core.clock import NEVER
from hawser.dm.arguments import NOT_A_NUMBER, scan_uint
from hawser.dm.target import TableError
from hawser.multipath.path import Path, PathInfo
from hawser.multipath.selectors.base import PathSelector, RepeatingSelector, register_selector

NAME: Final = "historical-service-time"

SHIFT: Final = 10
ONE: Final = 1 << SHIFT
_HALF: Final = ONE >> 1
# 95 % of ONE.
BASE_WEIGHT_DEFAULT: Final = 972
# 2^24 ns, 16.8 ms. Of what took 63 of them or more the history is nothing.
BUCKET_SHIFT: Final = 24
BUCKETS: Final = 64
SERVICE_TIME_MAX: Final = (1 << 54) - 1
COUNT_MAX: Final = (1 << 64) - 1
# From so many in flight on averages are compared in whole nanoseconds.
MANY_IN_FLIGHT: Final = 1024


class PathHistory(PathInfo):
    """`average` in 1/1024 ns; `last_finish_ns` and `stale_after_ns` on the clock's scale."""

    def __init__(self) -> None:
        self.average: int = ONE
        self.outstanding = 0
        self.last_finish_ns: int = 0
        self.stale_after_ns: int = 0


def weights_of(base: int) -> list[int]:
    """How much the history counts (of ONE) against a new service time, by the bucket of the latter: base to the power of 1, 2 and
    so on, and 0 for the last."""
    return [_power(base, exponent) for exponent in range(1, BUCKETS)] + [0]


def _power(base: int, exponent: int) -> int:
    """By squaring, each product rounded: so that the results are the kernel's to the last bit."""
    result = ONE
    while exponent:
        if exponent & 1:
            result = (result * base + _HALF) >> SHIFT
        base = (base * base + _HALF) >> SHIFT
        exponent >>= 1
    return result


class HistoricalServiceTime(RepeatingSelector):
    name = NAME

    def __init__(self, base_weight: int, threshold: int) -> None:
        super().__init__()
        self.info_args = 3
        self.is_timed = True
        self.base_weight = base_weight
        self.threshold: int = threshold
        self.weights = weights_of(base_weight)

    def add_path(self, path: Path, words: list[str]) -> None:
        if len(words) > 1:
            raise TableError(f"{NAME} ps: incorrect number of arguments")
        if words and scan_uint(words[0]) == NOT_A_NUMBER:
            raise TableError(f"{NAME} ps: invalid repeat count")
        path.info = PathHistory()
        self.valid.append(path)

    def select(self, size: int) -> Path | None:
        valid = self.valid
        if not valid:
            return None
        now_ns = self.clock.now_ns
        best = valid[0]
        place = 0
        index = 0
        for path in valid:
            if index and self.compare(history(path), history(best), now_ns) < 0:
                best = path
                place = index
            index += 1
        if index > 1:
            del valid[place]
            valid.append(best)
        return best

    def compare(self, first: PathHistory, second: PathHistory, now_ns: int) -> int:
        """Negative when `first` is the better one, positive when `second` is, 0 when they are equal."""
        slower = max(first.average, second.average)
        quicker = min(first.average, second.average)
        if slower <= self.threshold * quicker:
            return first.outstanding - second.outstanding
        first_idle = first.outstanding == 0
        second_idle = second.outstanding == 0
        first_stale = first.stale_after_ns < now_ns
        second_stale = second.stale_after_ns < now_ns
        if (first_idle and first_stale) or (second_idle and second_stale) or (first_idle and second_idle):
            # An idle one, and of two the one that is stale for longer.
            return (first.stale_after_ns if second_idle else 0) - (second.stale_after_ns if first_idle else 0)
        if first.outstanding == second.outstanding:
            second_wins = first.average > second.average
        else:
            shift = SHIFT if max(first.outstanding, second.outstanding) >= MANY_IN_FLIGHT else 0
            first_load = (1 + first.outstanding) * (first.average >> shift)
            second_wins = first_load > (1 + second.outstanding) * (second.average >> shift)
        if second_stale if second_wins else first_stale:
            # The winner's history is too old to trust: no more than an equal share.
            return first.outstanding - second.outstanding
        return 1 if second_wins else -1

    def explain(self, chosen: Path, size: int) -> str:
        told = []
        for path in self.valid:
            past = history(path)
            stale = " stale" if past.stale_after_ns < self.clock.now_ns else ""
            told.append(f"{path.device.devt} {past.average >> SHIFT} ns x {1 + past.outstanding}{stale}")
        return f"{NAME}: the least of {', '.join(told)}"

    def start_io(self, path: Path, size: int) -> None:
        history(path).outstanding += 1

    def end_io(self, path: Path, size: int, start_ns: int) -> None:
        past = history(path)
        past.outstanding -= 1
        if start_ns == NEVER:
            return
        now_ns: int = self.clock.now_ns
        # What overlaps counts as if one had come after the other: a queue in the path is not counted twice.
        took_ns: int = max(now_ns - max(start_ns, past.last_finish_ns), 0)
        past.last_finish_ns = now_ns
        weight: int = self.weights[min(took_ns >> BUCKET_SHIFT, BUCKETS - 1)]
        newest = min(took_ns << SHIFT, SERVICE_TIME_MAX)
        past.average = (past.average * weight + newest * (ONE - weight) + _HALF) >> SHIFT
        past.stale_after_ns = now_ns + len(self.valid) * (past.average >> SHIFT)

    def group_words(self) -> str:
        return f"2 {self.base_weight} {self.threshold}"

    def info_words(self, path: Path) -> str:
        past = history(path)
        # (Below 0 it is where things are counted as Linux does, in 64 bits: hawser.multipath.queueing.)
        return f"{past.average} {past.outstanding & COUNT_MAX} {past.stale_after_ns}"

    def table_words(self, path: Path) -> str:
        return "0"


def history(path: Path) -> PathHistory:
    info = path.info
    assert isinstance(info, PathHistory)
    return info


def make_historical_service_time(words: list[str]) -> PathSelector:
    if len(words) > 2:
        raise ValueError("more than two arguments")
    base_weight = scan_uint(words[0]) if words else BASE_WEIGHT_DEFAULT
    threshold = scan_uint(words[1]) if len(words) > 1 else 0
    if not 0 <= base_weight < ONE or threshold == NOT_A_NUMBER:
        raise ValueError("base weight from 0 to 1023, threshold multiplier")
    return HistoricalServiceTime(base_weight, threshold)


register_selector(NAME, make_historical_service_time)
