"""Disks that are not device mapper's: what the machine knows of one, and the block devices that behave as the kernel's.

Hawser's own care for data (paths that bounce what waits, answers that are final, caches that are fenced) has no place here: these
are plain devices, one cache behind all of them, whose errors are answers like any other.
"""

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio, BioOwner
from hawser.block.device import BlockDevice, QueueDevice
from hawser.block.ops import READ
from hawser.block.plug import Plug
from hawser.core.status import IOERR
from hawser.core.turn import Turn
from hawser.lab.linux.facts import Facts
from hawser.lab.linux.limits import limits_of


class QueueDisk(QueueDevice):
    """Request-based. What waits in its queue stays there when a path over it fails."""

    def bounce(self) -> None:
        """Unlike a path of hawser's own: nothing comes back undispatched."""


class PieceOwner(BioOwner):
    """Hands what became of a bio on another device back to the bio that it stands for."""

    def __init__(self, whole: Bio) -> None:
        super().__init__()
        self.whole = whole

    def bio_done(self, bio: Bio) -> None:
        whole = self.whole
        if bio.op == READ and bio.status == 0:
            whole.data = bio.data
        whole.fate = bio.fate
        whole.complete(bio.status)

    def client_of(self, bio: Bio) -> BioOwner:
        return self.whole.client()


class PartitionDevice(BlockDevice):
    """A stretch of a disk, which its bios go through. Nothing request-based stands on it. Linux: blk_partition_remap()."""

    def __init__(self, name: str, devt: str, size_sectors: int, disk: BlockDevice, start: int, turn: Turn) -> None:
        super().__init__(name, devt, size_sectors, disk.limits, turn)
        self.whole_disk = disk
        self.start_sector = start

    def start(self, bio: Bio, plug: Plug) -> None:
        piece = Bio(bio.op, bio.sector + self.start_sector, bio.size, PieceOwner(bio), bio.data, bio.flags)
        piece.segments = bio.segments
        piece.ioprio = bio.ioprio
        self.whole_disk.start(piece, plug)

    def idle(self) -> bool:
        return self.whole_disk.idle()

    def cancel_dead(self) -> None:
        self.whole_disk.cancel_dead()


@mypyc_attr(allow_interpreted_subclasses=True)
class Failing(BlockDevice):
    """What is left of a disk that was removed, for those who have it open: every bio fails."""

    def start(self, bio: Bio, plug: Plug) -> None:
        self.refuse(bio, IOERR)


class LinuxDisk:
    """A disk or partition of the header. `name` is the kernel's, `number` its `major:minor`."""

    def __init__(self, label: str, facts: Facts, device: BlockDevice) -> None:
        self.label = label
        self.facts = facts
        self.device = device
        self.name = device.name
        self.number = device.devt
        self.node = facts.text("node")
        self.kind = facts.text("kind")
        # The disk that it is a part of, or itself.
        self.whole: LinuxDisk = self
        # How often programs have it open, and who has it for himself.
        self.openers = 0
        self.claimed = 0
        self.read_only = facts.has("ro")
        self.is_gone = False

    def trouble(self) -> str:
        """The errno with which it cannot be opened, or an empty string."""
        return "ENXIO" if self.is_gone else ""


def kernel_name(facts: Facts) -> str:
    """A node's last word: what the kernel calls the device, but for device mapper's."""
    return facts.text("node").rpartition("/")[2]


__all__ = ["LinuxDisk", "PartitionDevice", "QueueDisk", "kernel_name", "limits_of"]
