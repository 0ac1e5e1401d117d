"""Which disks a device leads to. A client that opens it opens them all: what each of them has lost before is not its loss."""

from hawser.block.device import BlockDevice
from hawser.block.disk import Disk
from hawser.dm.mapped_device import MappedDevice


def disks_below(device: BlockDevice) -> list[Disk]:
    """Each once. A multipath whose devices lead to no disk, or that has none, has one of its own."""
    if not isinstance(device, MappedDevice):
        return [device.disk] if device.disk is not None else []
    found: list[Disk] = []
    for target in device.live_targets():
        own = target.own_disk()
        disks = [own] if own is not None else []
        for below in target.devices():
            disks += disks_below(below)
        found += [disk for disk in dict.fromkeys(disks) if disk not in found]
    return found
