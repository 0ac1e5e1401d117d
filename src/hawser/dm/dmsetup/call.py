"""Call: one run of dmsetup, with what it was asked, what it may use, and what it has printed; and its words for errors."""

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from hawser.dm.control import Control
from hawser.dm.dmsetup.arguments import Arguments
from hawser.dm.dmsetup.names import (
    AUTO,
    NAME_BYTES,
    NONE,
    NameTextError,
    check_mangled_once,
    is_mangled,
    mangle,
    unmangle,
)
from hawser.dm.mapped_device import MappedDevice

if TYPE_CHECKING:
    from hawser.dm.dmsetup.report import Report

# strerror(3) of the errnos that the ioctls of device mapper give.
STRERROR: Final = {
    "EINVAL": "Invalid argument",
    "EBUSY": "Device or resource busy",
    "ENOENT": "No such file or directory",
    "ENXIO": "No such device or address",
    "ENODEV": "No such device",
    "ENOTBLK": "Block device required",
    "ENOTDIR": "Not a directory",
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
# Where udev, if there were one, would put the nodes of mapped devices.
NODES: Final = "/dev/mapper/"


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
        """The `major:minor` of the node at `path`, or an empty string. A path in `NODES` is that of the map of that name, unless
        something else is known by it."""
        known = self.control.registry
        device = known.find(path)
        if device is None and path.startswith(NODES):
            device = known.mapped_name(path[len(NODES) :])
        return device.devt if device is not None else ""

    def block_name(self, number: str) -> str:
        """What the kernel calls the device of that `major:minor`, or an empty string: one that had no table yet has no disk."""
        device = self.control.registry.by_number(number)
        if isinstance(device, MappedDevice):
            return device.disk_name() if device.kind else ""
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

    def node_names(self) -> list[str]:
        """Of all that is in /dev/mapper."""
        return []

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
        # How names are passed on and shown (hawser.dm.dmsetup.names).
        self.mangling = arguments.value("manglename").lower() or AUTO
        # Whether several devices are shown, so that each line says of which it is.
        self.many = False
        self.out: list[str] = []
        self.err: list[str] = []
        # What `table --concise` has gathered: all devices go on one line.
        self.concise: list[str] = []
        # The report that rows go to; None where text is printed at once.
        self.report: Report | None = None
        # Programs that `--exec` asks for, to be run by whoever runs this.
        self.programs: list[list[str]] = []

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

    def kept(self, text: str, what: str, complaint: str, length_max: int = NAME_BYTES) -> str | None:
        """A name or a uuid as the kernel gets it. None, after complaints of which the last is `complaint`, when it has none."""
        try:
            check_mangled_once(text, what, self.mangling)
        except NameTextError as error:
            self.complain(str(error))
            return None
        if self.mangling == NONE:
            return text
        try:
            return mangle(text, what, self.mangling, length_max)
        except NameTextError as error:
            self.complain(str(error))
            self.complain(complaint)
            return None

    def shown(self, text: str) -> str:
        """A name or a uuid of the kernel's, as people see it."""
        return text if self.mangling == NONE else unmangle(text)

    def can_show(self, name: str) -> bool:
        """Whether a name of the kernel's can be shown, after a complaint if it cannot."""
        complaint = self.why_not_shown(name)
        return not complaint or self.complain(complaint)

    def why_not_shown(self, name: str) -> str:
        """Why a name of the kernel's cannot be shown: somebody has made it who does not mangle. An empty string if it can."""
        if self.mangling == NONE:
            return ""
        try:
            check_mangled_once(name, "name", self.mangling)
        except NameTextError as error:
            return str(error)
        return (
            "" if is_mangled(name) else f'The name "{name}" should be mangled but it contains blacklisted characters.'
        )
