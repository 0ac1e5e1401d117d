"""DiskStats: what a device has done, in the fields of /proc/diskstats.

Linux: struct disk_stats (include/linux/part_stat.h), blk_account_io_start(), blk_account_io_done(), bdev_start_io_acct();
Documentation/admin-guide/iostats.rst. A request counts when it ends, and once, however many bios were merged into it; each bio
that was merged counts as a merge. A bio-based device has no requests: there each piece that is mapped counts.

Operations fall into three groups, as the kernel's op_stat_group() has it: discards, writes (write zeroes among them) and the
rest. So an empty flush counts as a write where a client asked for it, and as a read where it is a command of its own: on the
path that a request-based device sends it to (transcript 63). What the flush machine of a queue has sent counts in `flush_ios`.
"""

from typing import Final

from mypy_extensions import i64

from hawser.block.ops import DISCARD, READ, WRITE, WRITE_ZEROES
from hawser.core.units import NS_PER_MS

GROUP_READ: Final = 0
GROUP_WRITE: Final = 1
GROUP_DISCARD: Final = 2


def group_of(op: int) -> int:
    """Linux: op_stat_group()."""
    if op == READ:
        return GROUP_READ
    if op == WRITE or op == WRITE_ZEROES:
        return GROUP_WRITE
    return GROUP_DISCARD if op == DISCARD else GROUP_READ


class Counters:
    """Of one group. `ns` is the time that its I/Os took together."""

    def __init__(self) -> None:
        self.ios: i64 = 0
        self.merges: i64 = 0
        self.sectors: i64 = 0
        self.ns = 0

    def done(self, sectors: i64, ns: int) -> None:
        self.ios += 1
        self.sectors += sectors
        self.ns += ns


class DiskStats:
    """`in_flight` counts reads and writes (discards among them) that were begun and have not ended."""

    def __init__(self) -> None:
        self.reads = Counters()
        self.writes = Counters()
        self.discards = Counters()
        self.flush_ios: i64 = 0
        self.flush_ns = 0
        self.reads_in_flight: i64 = 0
        self.writes_in_flight: i64 = 0
        # When the device last became busy, and for how long it was before that.
        self.busy_ns = 0
        self.busy_since_ns = 0

    def fields(self, now_ns: int) -> list[int]:
        """The seventeen numbers of /sys/block/*/stat, times in milliseconds."""
        in_flight = self.reads_in_flight + self.writes_in_flight
        busy_ns = self.busy_ns + (now_ns - self.busy_since_ns if in_flight else 0)
        groups = [self.reads, self.writes, self.discards]
        read, write, discard = (
            [int(group.ios), int(group.merges), int(group.sectors), group.ns // NS_PER_MS] for group in groups
        )
        weighted_ns = sum(group.ns for group in groups) + self.flush_ns
        middle = [int(in_flight), busy_ns // NS_PER_MS, weighted_ns // NS_PER_MS]
        return [*read, *write, *middle, *discard, int(self.flush_ios), self.flush_ns // NS_PER_MS]
