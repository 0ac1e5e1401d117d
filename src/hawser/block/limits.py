"""QueueLimits: what a device can take, and how the limits of several devices become those of one that is stacked on them.

Linux: struct queue_limits and blk_stack_limits() (block/blk-settings.c); the rules are `seeds.md` 3.2.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

from hawser.block.ops import DISCARD, WRITE_ZEROES
from hawser.core.units import SECTOR_SHIFT

MAX_SECTORS_DEFAULT: Final = 2560
MAX_SEGMENTS_DEFAULT: Final = 128
UNLIMITED: Final = 0xFFFF_FFFF


@dataclass(frozen=True)
class QueueLimits:
    """Block sizes and I/O sizes in bytes, maxima in 512-byte sectors. A maximum of 0 for discard or write zeroes: not offered."""

    logical_block_size: int = 512
    physical_block_size: int = 512
    io_min: int = 512
    io_opt: int = 0
    max_sectors: int = MAX_SECTORS_DEFAULT
    max_segments: int = MAX_SEGMENTS_DEFAULT
    max_discard_sectors: int = 0
    max_write_zeroes_sectors: int = 0
    write_cache: bool = False
    fua: bool = False

    def max_bytes(self) -> int:
        return self.max_sectors << SECTOR_SHIFT

    def max_bytes_of(self, op: int) -> int:
        """Linux: blk_queue_get_max_sectors()."""
        if op == DISCARD:
            return self.max_discard_sectors << SECTOR_SHIFT
        return (self.max_write_zeroes_sectors if op == WRITE_ZEROES else self.max_sectors) << SECTOR_SHIFT


STACKING_START: Final = QueueLimits(
    max_sectors=UNLIMITED,
    max_segments=UNLIMITED,
    max_discard_sectors=UNLIMITED,
    max_write_zeroes_sectors=UNLIMITED,
)


def stack_limits(top: QueueLimits, below: QueueLimits) -> QueueLimits:
    """The limits of a device that may send its I/O to what `top` stands for so far, or to `below`."""
    return replace(
        top,
        logical_block_size=max(top.logical_block_size, below.logical_block_size),
        physical_block_size=max(top.physical_block_size, below.physical_block_size),
        io_min=max(top.io_min, below.io_min),
        io_opt=math.lcm(top.io_opt, below.io_opt) if top.io_opt and below.io_opt else top.io_opt or below.io_opt,
        max_sectors=min(top.max_sectors, below.max_sectors),
        max_segments=min(top.max_segments, below.max_segments),
        max_discard_sectors=min(top.max_discard_sectors, below.max_discard_sectors),
        max_write_zeroes_sectors=min(top.max_write_zeroes_sectors, below.max_write_zeroes_sectors),
        write_cache=top.write_cache or below.write_cache,
        fua=top.fua or below.fua,
    )
