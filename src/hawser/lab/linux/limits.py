"""Limits of a device from the `queue` folder of its header, and back into the numbers that sysfs shows.

Linux: block/blk-sysfs.c. Sectors are shown in KiB or bytes, so that a limit of an odd number of sectors loses half a KiB.
"""

from typing import Final

from hawser.block.limits import MAX_SECTORS_SAFE, UNLIMITED, QueueLimits
from hawser.core.units import SECTOR_SHIFT
from hawser.lab.linux.facts import Facts

# What UINT_MAX sectors are, in KiB.
UNLIMITED_KB: Final = UNLIMITED >> 1
WRITE_BACK: Final = "write back"
WRITE_THROUGH: Final = "write through"


def limits_of(queue: Facts) -> QueueLimits:
    """The limits that make sysfs show what `queue` says."""
    block = queue.number("logical_block_size", 512)
    return QueueLimits(
        logical_block_size=block,
        physical_block_size=queue.number("physical_block_size", block),
        io_min=queue.number("minimum_io_size", block),
        io_opt=queue.number("optimal_io_size"),
        max_sectors=_sectors(queue.number("max_sectors_kb", 1280)),
        max_hw_sectors=_sectors(queue.number("max_hw_sectors_kb", UNLIMITED_KB)),
        max_segments=queue.number("max_segments", 128),
        max_segment_size=queue.number("max_segment_size", 65536),
        max_discard_sectors=queue.number("discard_max_bytes") >> SECTOR_SHIFT,
        max_hw_discard_sectors=queue.number("discard_max_hw_bytes") >> SECTOR_SHIFT,
        max_write_zeroes_sectors=queue.number("write_zeroes_max_bytes") >> SECTOR_SHIFT,
        max_discard_segments=queue.number("max_discard_segments", 1),
        discard_granularity=queue.number("discard_granularity"),
        chunk_sectors=queue.number("chunk_sectors"),
        virt_boundary_mask=queue.number("virt_boundary_mask"),
        dma_alignment=queue.number("dma_alignment", 511),
        write_cache=queue.text("write_cache") == WRITE_BACK,
        fua=queue.number("fua") != 0,
        rotational=queue.number("rotational") != 0,
        stable_writes=queue.number("stable_writes") != 0,
    )


def _sectors(kb: int) -> int:
    if kb == MAX_SECTORS_SAFE >> 1:
        # What a driver has that names no limit; half a KiB of it is not shown.
        return MAX_SECTORS_SAFE
    return UNLIMITED if kb >= UNLIMITED_KB else kb << 1


def shown(limits: QueueLimits) -> dict[str, str]:
    """What sysfs shows of `limits`."""
    numbers = {
        "chunk_sectors": limits.chunk_sectors,
        "discard_granularity": limits.discard_granularity,
        "discard_max_bytes": limits.max_discard_sectors << SECTOR_SHIFT,
        "discard_max_hw_bytes": limits.max_hw_discard_sectors << SECTOR_SHIFT,
        "dma_alignment": limits.dma_alignment,
        "fua": int(limits.fua),
        "hw_sector_size": limits.logical_block_size,
        "logical_block_size": limits.logical_block_size,
        "max_discard_segments": limits.max_discard_segments,
        "max_hw_sectors_kb": limits.max_hw_sectors >> 1,
        "max_sectors_kb": limits.max_sectors >> 1,
        "max_segment_size": limits.max_segment_size,
        "max_segments": limits.max_segments,
        "minimum_io_size": limits.io_min,
        "optimal_io_size": limits.io_opt,
        "physical_block_size": limits.physical_block_size,
        "rotational": int(limits.rotational),
        "stable_writes": int(limits.stable_writes),
        "virt_boundary_mask": limits.virt_boundary_mask,
        "write_zeroes_max_bytes": limits.max_write_zeroes_sectors << SECTOR_SHIFT,
    }
    words = {name: str(number) for name, number in numbers.items()}
    words["write_cache"] = WRITE_BACK if limits.caches() else WRITE_THROUGH
    return words
