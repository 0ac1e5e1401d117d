"""Call: one run of dmsetup, with what it was asked, what it may use, and what it has printed; and its words for errors."""

from typing import Final

from mypy_extensions import mypyc_attr

from hawser.dm.control import Control
from hawser.dm.dmsetup.arguments import Arguments
from hawser.dm.mapped_device import MappedDevice

# strerror(3) of the errnos that the ioctls of device mapper give.
STRERROR: Final = {
    "EINVAL": "Invalid argument",
    "EBUSY": "Device or resource busy",
    "ENOENT": "No such file or directory",
    "ENXIO": "No such device or address",
    "ENODEV": "No such device",
    "ENOTBLK": "Block device required",
    "EACCES": "Permission denied",
    "EROFS": "Read-only file system",
    "EIO": "Input/output error",
    "EINTR": "Interrupted system call",
    "ENOMEM": "Cannot allocate memory",
    "EEXIST": "File exists",
    "ERANGE": "Numerical result out of range",
    "EOVERFLOW": "Value too large for defined data type",
    "EOPNOTSUPP": "Operation not supported",
    "EPERM": "Operation not permitted",
    "EBADF": "Bad file descriptor",
    "ENOSPC": "No space left on device",
    "ENOTTY": "Inappropriate ioctl for device",
    "EAGAIN": "Resource temporarily unavailable",
    "ENOTCONN": "Transport endpoint is not connected",
}

READ_AHEAD_SECTORS: Final = 256


@mypyc_attr(allow_interpreted_subclasses=True)
class Surroundings:
    """What dmsetup sees of the machine besides device mapper itself: nodes in /dev, files, read-ahead, time.

    This one has a node for every device, and no files.
    """

    def __init__(self, control: Control) -> None:
        self.control = control

    def now_ns(self) -> int:
        return 0

    def number_of(self, path: str) -> str:
        """The `major:minor` of the node at `path`, or an empty string."""
        device = self.control.registry.find(path)
        return device.devt if device is not None else ""

    def block_name(self, number: str) -> str:
        """What the kernel calls the device of that `major:minor`, or an empty string."""
        device = self.control.registry.by_number(number)
        if isinstance(device, MappedDevice):
            return device.disk_name()
        return device.name if device is not None else ""

    def read_ahead(self, device: MappedDevice) -> int:
        """In sectors."""
        return READ_AHEAD_SECTORS

    def set_read_ahead(self, device: MappedDevice, sectors: int) -> None:
        """Nothing reads ahead here."""

    def why_no_read_ahead(self, device: MappedDevice) -> str:
        """Why it cannot be told, or an empty string."""
        return ""

    def read_file(self, path: str) -> str | None:
        """The text of a file; None when it cannot be read."""
        return None

    def add_node(self, device: MappedDevice) -> None:
        """Make /dev/mapper/NAME, if it is not there."""

    def remove_node(self, name: str) -> None:
        """Take /dev/mapper/NAME away, if it is there."""

    def rename_node(self, name: str, new: str) -> None:
        """The node follows its device."""


class Call:
    """`out` and `err` are what it has printed, in pieces."""

    def __init__(self, control: Control, surroundings: Surroundings, arguments: Arguments, stdin: str) -> None:
        self.control = control
        self.surroundings = surroundings
        self.arguments = arguments
        self.stdin = stdin
        self.verb = ""
        # Whether several devices are shown, so that each line says of which it is.
        self.many = False
        self.out: list[str] = []
        self.err: list[str] = []
        # What `table --concise` has gathered: all devices go on one line.
        self.concise: list[str] = []
        # What a report has gathered: words, and what they are sorted by.
        self.rows: list[list[str]] = []
        self.sort_keys: list[list[str]] = []

    def has(self, option: str) -> bool:
        return self.arguments.has(option)

    def value(self, option: str) -> str:
        return self.arguments.value(option)

    def put(self, line: str) -> None:
        """A line of standard output."""
        self.out.append(line + "\n")

    def complain(self, line: str) -> bool:
        """A line of standard error. Always False, for `return call.complain(...)`."""
        self.err.append(line + "\n")
        return False
