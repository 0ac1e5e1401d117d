"""Passage: where an ioctl of a mapped device goes that neither the block layer nor device mapper itself answers.

Linux: dm_prepare_ioctl() and dm_blk_ioctl() of drivers/md/dm.c. It goes down, device by device, as long as each table is one
target that passes such things on. A device that is not used as a whole takes them from a privileged process only.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hawser.block.device import BlockDevice
from hawser.core.units import NS_PER_MS

if TYPE_CHECKING:
    from hawser.dm.mapped_device import MappedDevice

# Whoever is told ENOTCONN asks again after this time.
RETRY_NS: Final = 10 * NS_PER_MS


class IoctlError(ValueError):
    """It goes nowhere; `errno_name` is what the ioctl gives. Only ENOTCONN passes by itself."""

    def __init__(self, errno_name: str, reason: str) -> None:
        super().__init__(reason)
        self.errno_name = errno_name


@dataclass(frozen=True)
class Passage:
    """`is_whole`: the mapped device is all of `device`, and anybody may; else CAP_SYS_RAWIO is wanted."""

    device: BlockDevice
    is_whole: bool


def passage(device: "MappedDevice") -> Passage:
    """The device just below to which an ioctl of `device` goes. IoctlError: ENOTTY, EAGAIN while it is suspended, or as its
    target says."""
    targets = device.live_targets()
    if len(targets) != 1:
        raise IoctlError("ENOTTY", f"{device.name}: has {len(targets) or 'no'} targets, and no single one to ask")
    if device.is_suspended():
        raise IoctlError("EAGAIN", f"{device.name}: is suspended")
    return targets[0].prepare_ioctl()


def straight(device: BlockDevice, offset: int, length: int) -> Passage:
    """Of a target that is `length` sectors of `device`, from `offset` on."""
    return Passage(device, offset == 0 and length == device.size_sectors)
