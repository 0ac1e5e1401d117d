"""Disks that are not device mapper's: what the machine knows of one, and the block devices that behave as the kernel's.

Hawser's own care for data (answers that are final, caches that are fenced) has no place here: these are plain devices, one cache
behind all of them, whose errors are answers like any other.
"""

from hawser.block.device import BlockDevice
from hawser.lab.linux.facts import Facts


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
        # Whether it cannot even be opened for writing. Linux: sd_open(), of a disk that is write protected.
        self.refuses_writers = self.read_only and self.kind == "scsi_debug"
        # What it stands on.
        self.backing: BlockDevice | None = None

    def trouble(self) -> str:
        """The errno with which it cannot be opened, or an empty string."""
        return "ENXIO" if self.is_gone else ""


def kernel_name(facts: Facts) -> str:
    """A node's last word: what the kernel calls the device, but for device mapper's."""
    return facts.text("node").rpartition("/")[2]
