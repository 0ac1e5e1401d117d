"""What a table makes of the devices below it: the limits of the device, and whether they fit at all.

Looked at when the first table of a device is loaded, and whenever one becomes live: a table that is too long for its devices can
be loaded over a live one, and is refused at resume. Linux: dm_calculate_queue_limits() and dm_table_set_restrictions() in
drivers/md/dm-table.c.
"""

from dataclasses import replace
from typing import Final

from hawser.block.device import BlockDevice
from hawser.block.limits import STACKING_START, QueueLimits, stack_limits
from hawser.core.log import LogSink
from hawser.core.units import SECTOR_SHIFT
from hawser.dm.target import TableError, Target

# Discards come from a device below or from the target's own limits.
_NO_DEVICES: Final = replace(STACKING_START, max_discard_sectors=0)


def calculate_limits(targets: list[Target], owner: str, log: LogSink, faithful: bool) -> QueueLimits:
    """The limits of the device `owner` over these targets. TableError when a device below is too small or blocks do not fit.

    Where they are `faithful` to Linux, discards may be as large as hardware below takes, not as its administrator allows.
    """
    whole = STACKING_START
    for target in targets:
        below = _stack_devices(target, owner, log)
        part = target.limits(below)
        for device, start, length in target.areas():
            _check_area(device, start, length, part.logical_block_size, owner)
        stacked = stack_limits(whole, part)
        if _clash(stacked, whole, part, 0):
            log.warning(
                f"table: {owner}: adding target device (start sect {target.start} len {target.length}) "
                "caused an alignment inconsistency"
            )
        whole = stacked
    _check_blocks(targets, whole.logical_block_size, owner, log)
    return restrict(targets, whole, faithful)


def restrict(targets: list[Target], limits: QueueLimits, faithful: bool) -> QueueLimits:
    """`limits` without what not all of the targets offer."""
    discards = all(_supports_discards(target) for target in targets)
    write_zeroes = all(_supports_write_zeroes(target) for target in targets)
    return replace(
        limits,
        max_discard_sectors=limits.max_discard_sectors if discards else 0,
        discard_alignment=limits.discard_alignment if discards else 0,
        max_write_zeroes_sectors=limits.max_write_zeroes_sectors if write_zeroes else 0,
        nowait=limits.nowait and all(target.target_type().nowait for target in targets),
    ).settled(faithful)


def has_no_data_devices(targets: list[Target]) -> bool:
    """Whether no target has a device below, as far as it tells. Linux: dm_table_has_no_data_devices()."""
    return all(target.iterates_devices and not target.devices() for target in targets)


def _stack_devices(target: Target, owner: str, log: LogSink) -> QueueLimits:
    """Linux: dm_set_device_limits() for each."""
    areas = target.areas()
    whole = STACKING_START if areas else _NO_DEVICES
    for device, start, _ in areas:
        # A driver here need not have worked out what follows from the limits that it has named.
        below = device.limits.settled()
        first = device.first_sector + start
        stacked = stack_limits(whole, below, first)
        if _clash(stacked, whole, below, first):
            log.warning(
                f"table: {owner}: adding target device {device.disk_name()} caused an alignment inconsistency: "
                f"physical_block_size={below.physical_block_size}, logical_block_size={below.logical_block_size}, "
                f"alignment_offset={below.alignment_offset}, start={start << SECTOR_SHIFT}"
            )
        whole = stacked
    return whole


def _clash(stacked: QueueLimits, top: QueueLimits, below: QueueLimits, start: int) -> bool:
    """Whether the two that were `stacked` do not line up, whatever did not before. Linux: what blk_stack_limits() returns."""
    if not stacked.misaligned:
        return False
    return stack_limits(replace(top, misaligned=False), replace(below, misaligned=False), start).misaligned


def _supports_discards(target: Target) -> bool:
    if not target.num_discard_bios:
        return False
    return target.discards_supported or all(device.limits.max_discard_sectors for device in target.devices())


def _supports_write_zeroes(target: Target) -> bool:
    if not target.num_write_zeroes_bios or not target.iterates_devices:
        return False
    return all(device.limits.max_write_zeroes_sectors for device in target.devices())


def _check_area(device: BlockDevice, start: int, length: int, block_size: int, owner: str) -> None:
    """Refuse a stretch that the device does not have, or that blocks do not fit. Linux: device_area_is_invalid()."""
    if not device.size_sectors:
        return
    name = device.disk_name()
    if start + length > device.size_sectors:
        raise _refusal(
            f"{owner}: {name} too small for target: start={start}, len={length}, dev_size={device.size_sectors}"
        )
    block_sectors = block_size >> SECTOR_SHIFT
    if start % block_sectors:
        raise _refusal(f"{owner}: start={start} not aligned to h/w logical block size {block_size} of {name}")
    if length % block_sectors:
        raise _refusal(f"{owner}: len={length} not aligned to h/w logical block size {block_size} of {name}")


def _check_blocks(targets: list[Target], block_size: int, owner: str, log: LogSink) -> None:
    """Refuse a table where a block of the device would lie across targets, one of which has larger blocks than what it gets.

    Linux: validate_hardware_logical_block_alignment(), which stacks the devices of each target once more, and logs again.
    """
    device_block = block_size >> SECTOR_SHIFT
    begin = 0
    remaining = 0
    number = 0
    for target in targets:
        block = _stack_devices(target, owner, log).block_sectors()
        if remaining < target.length and remaining % block:
            break
        begin = (begin + target.length) % device_block
        remaining = device_block - begin if begin else 0
        number += 1
    if remaining:
        # What is behind the last line is named like a line, with the sectors of the last.
        culprit = targets[min(number, len(targets) - 1)]
        raise _refusal(
            f"{owner}: table line {number} (start sect {culprit.start} len {culprit.length}) "
            f"not aligned to h/w logical block size {block_size}"
        )


def _refusal(message: str) -> TableError:
    return TableError(message, "EINVAL", [f"table: {message}"])
