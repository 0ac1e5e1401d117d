"""QueueLimits: what a device can take, and how the limits of several devices become those of one that is stacked on them.

Linux: struct queue_limits, blk_stack_limits() and blk_validate_limits() (block/blk-settings.c); the rules are `seeds.md` 3.2.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

from hawser.block.ops import DISCARD, WRITE_ZEROES
from hawser.core.units import KIB, SECTOR_SHIFT, SECTOR_SIZE

# Linux: BLK_DEF_MAX_SECTORS_CAP, BLK_SAFE_MAX_SECTORS, BLK_MAX_SEGMENTS, BLK_MAX_SEGMENT_SIZE, BLK_SEG_BOUNDARY_MASK.
MAX_SECTORS_DEFAULT: Final = 2560
MAX_SECTORS_SAFE: Final = 255
MAX_SEGMENTS_DEFAULT: Final = 128
SEGMENT_SIZE_DEFAULT: Final = 64 * KIB
SEGMENT_BOUNDARY_DEFAULT: Final = 0xFFFF_FFFF
UNLIMITED: Final = 0xFFFF_FFFF
SEGMENTS_UNLIMITED: Final = 0xFFFF


@dataclass(frozen=True)
class QueueLimits:
    """Block sizes, segment sizes and I/O hints in bytes, maxima in 512-byte sectors, masks as Linux has them (size - 1).

    `max_sectors` is what a read or write may have; `max_hw_sectors` what the hardware could take, `max_user_sectors` what the
    user has limited it to (0: not). A maximum of 0 for discard or write zeroes: not offered; `max_hw_discard_sectors` and
    `max_user_discard_sectors` are to `max_discard_sectors` what the others are to `max_sectors`. `max_dev_sectors` is what the
    device behind the hardware could take. `cache_off`: the user says that its write cache needs no flushes, which nobody above
    hears.
    """

    logical_block_size: int = SECTOR_SIZE
    physical_block_size: int = SECTOR_SIZE
    io_min: int = SECTOR_SIZE
    io_opt: int = 0
    max_sectors: int = MAX_SECTORS_DEFAULT
    max_segments: int = MAX_SEGMENTS_DEFAULT
    max_discard_sectors: int = 0
    max_write_zeroes_sectors: int = 0
    write_cache: bool = False
    cache_off: bool = False
    fua: bool = False
    max_hw_sectors: int = UNLIMITED
    max_dev_sectors: int = UNLIMITED
    max_user_sectors: int = 0
    max_segment_size: int = SEGMENT_SIZE_DEFAULT
    seg_boundary_mask: int = SEGMENT_BOUNDARY_DEFAULT
    virt_boundary_mask: int = 0
    chunk_sectors: int = 0
    discard_granularity: int = SECTOR_SIZE
    discard_alignment: int = 0
    max_hw_discard_sectors: int = UNLIMITED
    max_user_discard_sectors: int = UNLIMITED
    max_discard_segments: int = 1
    alignment_offset: int = 0
    dma_alignment: int = SECTOR_SIZE - 1
    rotational: bool = False
    stable_writes: bool = False
    nowait: bool = True
    misaligned: bool = False

    def caches(self) -> bool:
        """Whether what was written has to be flushed."""
        return self.write_cache and not self.cache_off

    def max_bytes(self) -> int:
        return self.max_sectors << SECTOR_SHIFT

    def max_bytes_of(self, op: int) -> int:
        """Linux: blk_queue_get_max_sectors()."""
        if op == DISCARD:
            return self.max_discard_sectors << SECTOR_SHIFT
        return (self.max_write_zeroes_sectors if op == WRITE_ZEROES else self.max_sectors) << SECTOR_SHIFT

    def block_sectors(self) -> int:
        """The logical block in sectors."""
        return self.logical_block_size >> SECTOR_SHIFT

    def settled(self, may_exceed: bool = False) -> "QueueLimits":
        """These limits with what follows from others worked out. Linux: blk_validate_limits().

        Unlike the kernel neither `max_sectors` nor, unless it `may_exceed` it, `max_discard_sectors` exceeds what it is already:
        devices below may take less than their hardware could.
        """
        physical = max(self.physical_block_size, self.logical_block_size)
        io_min = max(self.io_min, physical)
        io_opt = self.io_opt // physical * physical
        hardware = self.max_hw_sectors // self.block_sectors() * self.block_sectors()
        cap = max(io_opt, io_min) >> SECTOR_SHIFT if max(io_opt, io_min) >> SECTOR_SHIFT > MAX_SECTORS_DEFAULT else 0
        most = min(hardware, self.max_user_sectors or cap or MAX_SECTORS_DEFAULT, self.max_sectors)
        discard = min(self.max_hw_discard_sectors, self.max_user_discard_sectors)
        if not (may_exceed and self.max_discard_sectors):
            discard = min(discard, self.max_discard_sectors)
        return replace(
            self,
            physical_block_size=physical,
            io_min=io_min,
            io_opt=io_opt,
            max_hw_sectors=hardware,
            max_sectors=most // self.block_sectors() * self.block_sectors(),
            max_discard_sectors=discard,
            max_hw_discard_sectors=self.max_hw_discard_sectors if discard else 0,
            discard_granularity=max(self.discard_granularity, physical) if discard else 0,
            fua=self.fua and self.write_cache,
        )


STACKING_START: Final = QueueLimits(
    max_sectors=UNLIMITED,
    max_segments=SEGMENTS_UNLIMITED,
    max_segment_size=UNLIMITED,
    max_discard_sectors=UNLIMITED,
    max_write_zeroes_sectors=UNLIMITED,
    max_discard_segments=SEGMENTS_UNLIMITED,
)


def stack_limits(top: QueueLimits, below: QueueLimits, start: int = 0) -> QueueLimits:
    """The limits of a device that may send its I/O to what `top` stands for so far, or to `below` from sector `start` on.

    Unlike the kernel a device below that offers no discard or write zeroes takes it from the whole: dm, which decides on that
    in another place (dm_table_supports_discards()), comes to the same. `misaligned` is set, for ever, when blocks do not line up.
    """
    misaligned = top.misaligned or below.misaligned
    offset = _alignment_offset(below, start)
    if top.alignment_offset != offset:
        high = max(top.physical_block_size, top.io_min) + top.alignment_offset
        low = max(below.physical_block_size, below.io_min) + offset
        misaligned = misaligned or max(high, low) % min(high, low) != 0
    logical = max(top.logical_block_size, below.logical_block_size)
    physical = max(top.physical_block_size, below.physical_block_size)
    io_min = max(top.io_min, below.io_min)
    io_opt = lcm_not_zero(top.io_opt, below.io_opt)
    chunk = math.gcd(top.chunk_sectors, below.chunk_sectors) if below.chunk_sectors else top.chunk_sectors
    if physical % logical:
        physical, misaligned = logical, True
    if io_min % physical:
        io_min, misaligned = physical, True
    if io_opt % physical:
        io_opt, misaligned = 0, True
    if chunk % (physical >> SECTOR_SHIFT):
        chunk, misaligned = 0, True
    alignment = lcm_not_zero(top.alignment_offset, offset) % max(physical, io_min)
    misaligned = misaligned or alignment % logical != 0
    block = logical >> SECTOR_SHIFT
    granularity = max(top.discard_granularity, below.discard_granularity)
    discard_alignment = top.discard_alignment
    if below.discard_granularity:
        discard_alignment = lcm_not_zero(discard_alignment, _discard_alignment(below, start)) % granularity
    return QueueLimits(
        logical_block_size=logical,
        physical_block_size=physical,
        io_min=io_min,
        io_opt=io_opt,
        max_sectors=_round_down(min(top.max_sectors, below.max_sectors), block),
        max_segments=min(top.max_segments, below.max_segments),
        max_discard_sectors=min(top.max_discard_sectors, below.max_discard_sectors),
        max_write_zeroes_sectors=min(top.max_write_zeroes_sectors, below.max_write_zeroes_sectors),
        write_cache=top.write_cache or below.write_cache,
        fua=top.fua or below.fua,
        max_hw_sectors=_round_down(min(top.max_hw_sectors, below.max_hw_sectors), block),
        max_dev_sectors=min(top.max_dev_sectors, below.max_dev_sectors),
        max_user_sectors=min_not_zero(top.max_user_sectors, below.max_user_sectors),
        max_segment_size=min(top.max_segment_size, below.max_segment_size),
        seg_boundary_mask=min(top.seg_boundary_mask, below.seg_boundary_mask),
        virt_boundary_mask=min_not_zero(top.virt_boundary_mask, below.virt_boundary_mask),
        chunk_sectors=chunk,
        discard_granularity=granularity,
        discard_alignment=discard_alignment,
        max_hw_discard_sectors=min(top.max_hw_discard_sectors, below.max_hw_discard_sectors),
        max_user_discard_sectors=top.max_user_discard_sectors,
        max_discard_segments=min(top.max_discard_segments, below.max_discard_segments),
        alignment_offset=alignment,
        dma_alignment=max(top.dma_alignment, below.dma_alignment),
        rotational=top.rotational or below.rotational,
        stable_writes=top.stable_writes or below.stable_writes,
        nowait=top.nowait and below.nowait,
        misaligned=misaligned,
    )


def lcm_not_zero(first: int, second: int) -> int:
    """The least common multiple; where one is 0, the other."""
    return math.lcm(first, second) if first and second else first or second


def min_not_zero(first: int, second: int) -> int:
    """The smaller; where one is 0 (no limit), the other."""
    return min(first, second) if first and second else first or second


def _round_down(sectors: int, block: int) -> int:
    return max(sectors // block * block, block) if sectors else 0


def _alignment_offset(limits: QueueLimits, start: int) -> int:
    """Where physical blocks begin as seen from sector `start`, in bytes. Linux: queue_limit_alignment_offset()."""
    granularity = max(limits.physical_block_size, limits.io_min)
    alignment = (start << SECTOR_SHIFT) % granularity
    return (granularity + limits.alignment_offset - alignment) % granularity


def _discard_alignment(limits: QueueLimits, start: int) -> int:
    """The same for discards. Linux: queue_limit_discard_alignment()."""
    granularity = limits.discard_granularity >> SECTOR_SHIFT
    if not limits.max_discard_sectors or not granularity:
        return 0
    alignment = limits.discard_alignment >> SECTOR_SHIFT
    return (granularity + alignment - start % granularity) % granularity << SECTOR_SHIFT
