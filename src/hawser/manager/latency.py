"""Meter: how long a path's I/O takes, from counters that are kept anyway; and when that is an outlier among its like.

Nothing is done per I/O. Each look takes the difference of the path device's own counters (hawser.block.stats: what clones and
bios of all maps took on it, and what checks did) since the look before. Where nothing has ended since, the oldest command that
is on its way tells instead: a path that swallows everything has no mean.

Reads, writes and discards are compared with their own kind only. A mean is a good enough measure: what is looked for is a factor.
"""

from typing import Final

from hawser.block.ops import DISCARD, FLUSH, READ
from hawser.block.request import Request
from hawser.core.clock import NEVER
from hawser.manager.check_read import CheckRead
from hawser.manager.probe import Probe
from hawser.multipath.disk import PathDevice

KINDS: Final = ("reads", "writes", "discards")
READS: Final = 0
WRITES: Final = 1
DISCARDS: Final = 2
UNKNOWN_NS: Final = -1


class Slowness:
    """That a path's I/O of one kind takes, or has waited, `own_ns`, where that of the others takes `others_ns`, and how many I/Os
    say so."""

    def __init__(self, kind: int, own_ns: int, others_ns: int, samples: int, is_waiting: bool) -> None:
        self.kind = kind
        self.own_ns = own_ns
        self.others_ns = others_ns
        self.samples = samples
        self.is_waiting = is_waiting


class Meter:
    """Of one path device. `means_ns` are those of the last look that saw something end, as of `seen_ns`; `ended` is what the last
    look saw, and is empty of a kind that saw nothing. `loads_ns`, as of `loaded_ns`: of the last look that saw clients' I/O end.
    Only by these are others measured: a small check of an idle path waits for nothing, and what clients do to a busy one does."""

    def __init__(self, device: PathDevice) -> None:
        self.device = device
        self.ended = [0, 0, 0]
        self.means_ns = [UNKNOWN_NS, UNKNOWN_NS, UNKNOWN_NS]
        self.seen_ns = [NEVER, NEVER, NEVER]
        self.loads_ns = [UNKNOWN_NS, UNKNOWN_NS, UNKNOWN_NS]
        self.loaded_ns = [NEVER, NEVER, NEVER]
        self.is_used = False
        self._ios = [0, 0, 0]
        self._ns = [0, 0, 0]
        self.skip()

    def _totals(self) -> list[tuple[int, int]]:
        """Of each kind: how many have ended, and how long they took together. Without what was, or waited for, a flush."""
        stats = self.device.stats
        apart = [stats.flush_reads, stats.flush_writes, None]
        totals: list[tuple[int, int]] = []
        for counters, flushes in zip((stats.reads, stats.writes, stats.discards), apart, strict=True):
            ios, took_ns = int(counters.ios), counters.ns
            totals.append((ios, took_ns) if flushes is None else (ios - flushes.ios, took_ns - flushes.ns))
        return totals

    def skip(self) -> None:
        """What was before does not count."""
        for kind, (ios, took_ns) in enumerate(self._totals()):
            self.ended[kind] = 0
            self._ios[kind], self._ns[kind] = ios, took_ns

    def look(self, now_ns: int, is_used: bool) -> None:
        """`is_used`: whether any I/O of a client's has ended since the last look."""
        self.is_used = is_used
        for kind, (ios, took_ns) in enumerate(self._totals()):
            ended = ios - self._ios[kind]
            self.ended[kind] = ended
            if ended > 0:
                self.means_ns[kind] = (took_ns - self._ns[kind]) // ended
                self.seen_ns[kind] = now_ns
                if is_used:
                    self.loads_ns[kind] = self.means_ns[kind]
                    self.loaded_ns[kind] = now_ns
            self._ios[kind], self._ns[kind] = ios, took_ns

    def mean_ns(self, kind: int, since_ns: int) -> int:
        """The last one known, or UNKNOWN_NS when it is from before `since_ns`."""
        return self.means_ns[kind] if self.seen_ns[kind] >= since_ns else UNKNOWN_NS

    def load_ns(self, kind: int, since_ns: int) -> int:
        """The same, of the last look that saw I/O of a client's end."""
        return self.loads_ns[kind] if self.loaded_ns[kind] >= since_ns else UNKNOWN_NS

    def is_loaded(self, since_ns: int) -> bool:
        """Whether any I/O of a client's has ended since then."""
        return any(loaded_ns >= since_ns for loaded_ns in self.loaded_ns)

    def has_ended(self) -> bool:
        """Whether the last look saw anything end."""
        return any(self.ended)


def median_ns(meters: list[Meter], kind: int, since_ns: int) -> int:
    """Of their means (of two the lower one), or UNKNOWN_NS."""
    return lower_median_ns([meter.mean_ns(kind, since_ns) for meter in meters])


def lower_median_ns(times_ns: list[int]) -> int:
    """Of those that are known; of an even number the lower one of the two in the middle. UNKNOWN_NS if none is."""
    known = sorted(time_ns for time_ns in times_ns if time_ns != UNKNOWN_NS)
    return known[(len(known) - 1) // 2] if known else UNKNOWN_NS


def bound_ns(others_ns: int, factor: int, floor_ns: int) -> int:
    """What takes longer than this is an outlier. The floor: of 20 us and 300 us nobody suffers."""
    return max(others_ns * factor, floor_ns)


def find_slowness(
    meter: Meter, others: list[Meter], factor: int, floor_ns: int, now_ns: int, since_ns: int
) -> Slowness | None:
    """Why the path of `meter` is an outlier among `others` by the last look, or None when it is not, or nothing tells."""
    if not meter.has_ended():
        return _find_waiting(meter, others, factor, floor_ns, now_ns, since_ns)
    for kind in range(len(KINDS)):
        others_ns = _yardstick_ns(others, kind, since_ns, not meter.is_used)
        if meter.ended[kind] > 0 and others_ns != UNKNOWN_NS:
            own_ns = meter.means_ns[kind]
            if own_ns > bound_ns(others_ns, factor, floor_ns):
                return Slowness(kind, own_ns, others_ns, meter.ended[kind], False)
    return None


def _find_waiting(
    meter: Meter, others: list[Meter], factor: int, floor_ns: int, now_ns: int, since_ns: int
) -> Slowness | None:
    """The command that waits longest for its answer, and how many wait too long."""
    worst: Slowness | None = None
    count = 0
    for request in meter.device.outstanding():
        if request.op == FLUSH:
            # It waits for whatever there is to write back.
            continue
        others_ns = _yardstick_ns(others, _kind_of(request), since_ns, is_check(request))
        age_ns = now_ns - request.start_ns
        if others_ns != UNKNOWN_NS and age_ns > bound_ns(others_ns, factor, floor_ns):
            count += 1
            if worst is None or age_ns > worst.own_ns:
                worst = Slowness(_kind_of(request), age_ns, others_ns, count, True)
    if worst is not None:
        worst.samples = count
    return worst


def _yardstick_ns(others: list[Meter], kind: int, since_ns: int, of_check: bool) -> int:
    """What a check should take is what anything takes there; what a client's I/O should take, only what clients' I/O does."""
    if of_check:
        return median_ns(others, kind, since_ns)
    return lower_median_ns([other.load_ns(kind, since_ns) for other in others])


def is_check(request: Request) -> bool:
    """Whether it is no client's."""
    return all(isinstance(bio.client(), (CheckRead, Probe)) for bio in request.bios)


def _kind_of(request: Request) -> int:
    """As hawser.block.queue counts it."""
    if request.op == READ:
        return READS
    return DISCARDS if request.op == DISCARD else WRITES
