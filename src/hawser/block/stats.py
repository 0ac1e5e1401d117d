"""DiskStats: what a device has done, in the fields of /proc/diskstats, and how long it took.

Linux: struct disk_stats (include/linux/part_stat.h), blk_account_io_start(), blk_account_io_done(), bdev_start_io_acct();
Documentation/admin-guide/iostats.rst. A request counts when it ends, and once, however many bios were merged into it; each bio
that was merged counts as a merge. A bio-based device has no requests: there each piece that is mapped counts.

Operations fall into three groups, as the kernel's op_stat_group() has it: discards, writes (write zeroes among them) and the
rest. So an empty flush counts as a write where a client asked for it, and as a read where it is a command of its own: on the
path that a request-based device sends it to (transcript 63). What the flush machine of a queue has sent counts in `flushes`.

Linux has no histogram of latencies there; people attach one by BPF (biolatency).

A flush takes as long as there is to write back, and says nothing of how fast a device is. So what was a flush, or waited for
one, is also counted apart, for who compares devices by their means (hawser.manager.latency).
"""

from typing import Final

from mypy_extensions import i64

from hawser.core.histogram import Histogram
from hawser.core.units import NS_PER_MS


class Counters:
    """Of one group of I/Os. `ns` is the time that they took together, `latencies` how it was spread."""

    def __init__(self) -> None:
        self.ios: i64 = 0
        self.merges: i64 = 0
        self.sectors: i64 = 0
        self.ns = 0
        self._histogram = Histogram()
        # I/Os of one batch end together and took equally long: those are counted here, and entered when another time comes.
        self._last_ns = 0
        self._alike = 0

    def done(self, sectors: i64, ns: int) -> None:
        """An I/O has ended which took `ns`."""
        self.ios += 1
        self.sectors += sectors
        self.ns += ns
        if ns != self._last_ns:
            self._enter()
            self._last_ns = ns
        self._alike += 1

    def latencies(self) -> Histogram:
        """Of all I/Os so far, in nanoseconds."""
        self._enter()
        return self._histogram

    def _enter(self) -> None:
        if self._alike:
            self._histogram.record_many(self._last_ns, self._alike)
            self._alike = 0


class Tally:
    """How many I/Os, and how long they took together."""

    def __init__(self) -> None:
        self.ios = 0
        self.ns = 0

    def add(self, ns: int) -> None:
        self.ios += 1
        self.ns += ns


# Which of the numbers is no count of the past.
IN_FLIGHT_FIELD: Final = 8


class DiskStats:
    """What is in flight counts here where there is no queue that counts it."""

    def __init__(self) -> None:
        self.reads = Counters()
        self.writes = Counters()
        self.discards = Counters()
        self.flushes = Counters()
        # What in `reads` and `writes` was, or waited for, a flush.
        self.flush_reads = Tally()
        self.flush_writes = Tally()
        self.reads_in_flight: i64 = 0
        self.writes_in_flight: i64 = 0
        # For how long the device was busy, and since when it is.
        self.busy_ns = 0
        self.busy_since_ns = 0

    def fields(self, now_ns: int, in_flight: int) -> list[int]:
        """The seventeen numbers of /sys/block/*/stat, times in milliseconds, while so many are in flight."""
        busy_ns = self.busy_ns + (now_ns - self.busy_since_ns if in_flight else 0)
        weighted_ns = self.reads.ns + self.writes.ns + self.discards.ns + self.flushes.ns
        middle = [in_flight, busy_ns // NS_PER_MS, weighted_ns // NS_PER_MS]
        flushes = [int(self.flushes.ios), self.flushes.ns // NS_PER_MS]
        return [*_four(self.reads), *_four(self.writes), *middle, *_four(self.discards), *flushes]


def _four(group: Counters) -> list[int]:
    return [int(group.ios), int(group.merges), int(group.sectors), group.ns // NS_PER_MS]
