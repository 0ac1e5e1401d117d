"""`error [DEVICE START]`: every I/O fails, in either way of I/O; it may replace any table.

With a device it has that device's limits. A flush has nothing to do here, and succeeds. Linux: drivers/md/dm-target.c (io_err).
"""

from dataclasses import replace

from hawser.block.device import BlockDevice
from hawser.block.limits import UNLIMITED, QueueLimits
from hawser.block.request import Request
from hawser.core.units import SECTOR_SIZE
from hawser.dm.arguments import NOT_A_NUMBER, find_device, scan_sector
from hawser.dm.clone import CloneBio
from hawser.dm.target import HYBRID, KILL, TableError, Target, TargetContext, register_target


class ErrorTarget(Target):
    """Takes any words, but looks at two; prints none."""

    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("error", start, length)
        self.kind = HYBRID
        self.num_flush_bios = 0
        self.num_write_zeroes_bios = 0
        # They shall fail with an error, not as something that is not supported.
        self.discards_supported = True
        self.lookup_error = "Device lookup failed"
        self.device: BlockDevice | None = None
        self.offset = 0
        if len(words) == 2:
            self.offset = scan_sector(words[1])
            if self.offset == NOT_A_NUMBER:
                raise TableError("Invalid device sector")
            self.device = find_device(context, words[0], self.lookup_error)

    def devices(self) -> list[BlockDevice]:
        return [self.device] if self.device is not None else []

    def areas(self) -> list[tuple[BlockDevice, int, int]]:
        return [(self.device, self.offset, self.length)] if self.device is not None else []

    def limits(self, below: QueueLimits) -> QueueLimits:
        return takes_any_discard(below)

    def map_bio(self, clone: CloneBio) -> int:
        return KILL

    def clone_and_map(self, request: Request) -> int:
        return KILL


def takes_any_discard(limits: QueueLimits) -> QueueLimits:
    """The hints of targets that do nothing with discards."""
    return replace(
        limits,
        max_discard_sectors=UNLIMITED,
        max_hw_discard_sectors=UNLIMITED,
        discard_granularity=SECTOR_SIZE,
    )


register_target("error", ErrorTarget, "1.7.0", wildcard=True)
