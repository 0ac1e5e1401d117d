"""Control: what can be done to mapped devices from outside, each verb with the checks and the log lines of its ioctl.

Linux: drivers/md/dm-ioctl.c (dev_create(), dev_remove(), dm_hash_rename(), table_load(), table_clear(), target_message()) and
dm_lock_for_deletion() in dm.c. What may have to wait (suspend, resume, waiting for an event) is in hawser.dm.control_waits.

A refusal is a ControlError with the errno of the ioctl. What the kernel says about it has been logged by then; the error's own
text is for people, who may have no log to look at.
"""

import re
from collections.abc import Callable
from typing import Final

from hawser.block.device import BlockDevice
from hawser.core.log import LogSink
from hawser.dm.condition import WaitingBool
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.parameters import Parameters
from hawser.dm.registry import MINORS_MAX, DeviceRegistry
from hawser.dm.suspension import ControlError
from hawser.dm.table import TableLine
from hawser.dm.target import TARGETS, DeviceFinder, MessageError, TableError

# Linux: DM_NAME_LEN, DM_UUID_LEN.
NAME_MAX: Final = 127
UUID_MAX: Final = 128
# Linux: struct hd_geometry, whose numbers dev_set_geometry() reads as unsigned longs.
CYLINDERS_MAX: Final = 65535
HEADS_MAX: Final = 255
LONG_MAX: Final = (1 << 64) - 1
GEOMETRY_TEXT_MAX: Final = 256
_GEOMETRY: Final = re.compile(r"\s*([+-]?\d+)\s+([+-]?\d+)\s+([+-]?\d+)\s+([+-]?\d+)", re.ASCII)
RESERVED_NAMES: Final = ("control", ".", "..")

# Makes a mapped device of a name and a number.
DeviceMaker = Callable[[str, str], MappedDevice]
# Whether it went well.
Freezer = Callable[[MappedDevice], WaitingBool]


class TableFinder(DeviceFinder):
    """Finds devices for a table of `owner`: what the table before holds it may have again, whoever else wants it."""

    def __init__(self, registry: DeviceRegistry, owner: MappedDevice, read_only: bool) -> None:
        self.registry: DeviceRegistry = registry
        self.owner = owner
        self.read_only = read_only
        self._found: list[BlockDevice] = []

    def find(self, name: str) -> BlockDevice | None:
        device = self.registry.find(name)
        if device is None:
            return self._held(name)
        if self.owner.uses(device) or not self._why_not(device):
            self._found.append(device)
            return device
        return None

    def _why_not(self, device: BlockDevice) -> str:
        if self.registry.exclude_each_other(device, self._found):
            return "EBUSY"
        return self.registry.why_not(device, self.read_only)

    def _held(self, number: str) -> BlockDevice | None:
        """A device that is gone, but that a table of the owner still has. Linux: find_table_device()."""
        for table in self.owner.tables():
            for device in table.devices():
                if device.devt == number:
                    return device
        return None

    def module_parameters(self) -> Parameters:
        return self.registry.parameters

    def why(self, name: str) -> str:
        device = self.registry.find(name)
        return self.registry.why(name) if device is None else self._why_not(device)

    def cpus(self) -> int:
        return self.registry.cpus()


class Control:
    """`make` may be missing where no devices can be made. `versions` are those of the targets that there are, in the order in
    which `dmsetup targets` has them."""

    def __init__(
        self,
        registry: DeviceRegistry,
        log: LogSink | None = None,
        make: DeviceMaker | None = None,
        versions: dict[str, str] | None = None,
    ) -> None:
        self.registry: DeviceRegistry = registry
        self.log = log if log is not None else LogSink()
        self.make = make
        self._versions = versions
        # Writes out what the world still holds back of a device's data, before it is suspended.
        self.freeze: Freezer | None = None
        # Why the last thing that was refused was refused, in words for people; empty when errno says it all.
        self.reason = ""

    @property
    def versions(self) -> dict[str, str]:
        """Those of the targets that there are."""
        return self._versions if self._versions is not None else known_versions(self.registry.parameters)

    def refuse(self, errno_name: str, reason: str = "", is_logged: bool = True) -> ControlError:
        """The error to raise. `reason` goes into the kernel's log first, unless that says nothing."""
        if reason and is_logged:
            self.log.error(f"ioctl: {reason}")
        self.reason = reason
        return ControlError(reason or errno_name, errno_name)

    def refuse_table(self, error: TableError) -> ControlError:
        """The same of a table."""
        for line in error.log:
            self.log.error(line)
        self.reason = str(error)
        return ControlError(str(error), error.errno_name)

    # Devices.

    def create(self, name: str, uuid: str, minor: int = -1) -> MappedDevice:
        """A device without a table. `minor` -1: the lowest that is free."""
        self._check_name(name)
        known = self.registry
        devt = known.free_number() if minor < 0 else f"{known.major}:{minor}"
        if self.make is None or minor >= MINORS_MAX or known.by_number(devt) is not None:
            raise self.refuse("ENXIO")
        if known.mapped_name(name) is not None or (uuid and known.by_uuid(uuid) is not None):
            raise self.refuse("EBUSY")
        device = self.make(name, devt)
        device.uuid = uuid
        known.add(device)
        return device

    def _check_name(self, name: str) -> None:
        if not name:
            raise self.refuse("EINVAL", "name not supplied when creating device")
        if "/" in name:
            raise self.refuse("EINVAL", "device name cannot contain '/'")
        if name in RESERVED_NAMES:
            raise self.refuse("EINVAL", 'device name cannot be "control", ".", or ".."')

    def remove(self, device: MappedDevice, deferred: bool = False) -> bool:
        """Whether it is gone; if not, it goes with its last user, as `deferred` asks. ControlError (EBUSY) while it is open."""
        if device.in_service or self.registry.open_count(device) > 0:
            if deferred:
                device.deferred_remove = True
                return False
            raise self.refuse("EBUSY")
        self._take_away(device)
        return True

    def _take_away(self, device: MappedDevice) -> None:
        self.registry.remove(device)
        device.removed = True
        if device.table is not None:
            # Whoever waits for an event is told, and finds the device gone.
            device.raise_event()
        device.remove()

    def remove_all(self, deferred: bool = False) -> None:
        """Every device that is not open, as long as there is one."""
        left: list[MappedDevice] = []
        again = True
        while again:
            again = False
            left = []
            for device in self.registry.all_mapped():
                if device.in_service or self.registry.open_count(device) > 0:
                    device.deferred_remove = device.deferred_remove or deferred
                    left.append(device)
                else:
                    self._take_away(device)
                    again = True
                    break
        if left:
            self.log.warning(f"ioctl: remove_all left {len(left)} open device(s)")

    def reap(self) -> None:
        """Devices whose removal waited for their last user go, if that has gone. The world asks for it now and then."""
        again = True
        while again:
            again = False
            for device in self.registry.all_mapped():
                if device.deferred_remove and not device.in_service and self.registry.open_count(device) == 0:
                    self._take_away(device)
                    again = True

    def rename(self, name: str, new: str) -> MappedDevice:
        """Give the device of that name another one."""
        if not new or len(new) > NAME_MAX:
            raise self.refuse("EINVAL", "Invalid new mapped device name or uuid string supplied.")
        if new in RESERVED_NAMES:
            raise self.refuse("EINVAL", 'device name cannot be "control", ".", or ".."')
        if self.registry.mapped_name(new) is not None:
            taken = f"Unable to change name on mapped device {name} to one that already exists: {new}"
            raise self.refuse("EBUSY", taken)
        device = self.registry.mapped_name(name)
        if device is None:
            raise self.refuse("ENXIO", f"Unable to rename non-existent device, {name} to {new}")
        self.registry.rename(device, new)
        self._tell_renamed(device)
        return device

    def set_uuid(self, name: str, uuid: str) -> MappedDevice:
        """Give the device of that name a uuid, once."""
        if not uuid or len(uuid) > UUID_MAX:
            raise self.refuse("EINVAL", "Invalid new mapped device name or uuid string supplied.")
        if self.registry.by_uuid(uuid) is not None:
            taken = f"Unable to change uuid on mapped device {name} to one that already exists: {uuid}"
            raise self.refuse("EBUSY", taken)
        device = self.registry.mapped_name(name)
        if device is None:
            raise self.refuse("ENXIO", f"Unable to rename non-existent device, {name} to uuid {uuid}")
        if device.uuid:
            set_once = f"Unable to change uuid of mapped device {name} to {uuid} because uuid is already set to "
            raise self.refuse("EINVAL", set_once + device.uuid)
        device.uuid = uuid
        self._tell_renamed(device)
        return device

    def _tell_renamed(self, device: MappedDevice) -> None:
        if device.table is not None:
            device.raise_event()

    # Tables and messages.

    def load(self, device: MappedDevice, lines: list[TableLine], read_only: bool = False) -> None:
        """Make `lines` the inactive table."""
        try:
            device.load(lines, TableFinder(self.registry, device, read_only), read_only)
        except TableError as error:
            raise self.refuse_table(error) from None

    def set_geometry(self, device: MappedDevice, text: str) -> None:
        """Note cylinders, heads, sectors and the start for partitioning tools, as text. Linux: dev_set_geometry()."""
        match = _GEOMETRY.fullmatch(text)
        if match is None or len(text) > GEOMETRY_TEXT_MAX:
            raise self.refuse("EINVAL", "Unable to interpret geometry settings.")
        cylinders, heads, sectors, start = (int(number) & LONG_MAX for number in match.groups())
        if cylinders > CYLINDERS_MAX or heads > HEADS_MAX or sectors > HEADS_MAX:
            raise self.refuse("EINVAL", "Geometry exceeds range limits.")
        if start > cylinders * heads * sectors:
            # (A line of dm.c, not of dm-ioctl.c.)
            self.log.warning("core: Start sector is beyond the geometry limits.")
            raise self.refuse("EINVAL", "Start sector is beyond the geometry limits.", is_logged=False)
        device.geometry = (cylinders, heads, sectors, start)

    def message(self, device: MappedDevice, sector: int, words: list[str]) -> str:
        """Hand a message to the device itself (words that begin with @) or to its target at `sector`. Returns the reply."""
        if not words:
            raise self.refuse("EINVAL", "Empty message received.")
        if words[0].startswith("@"):
            return self._message_of_core(device, words)
        if device.table is None:
            raise self.refuse("EINVAL", "The device has no table.")
        if not 0 <= sector < device.size_sectors:
            raise self.refuse("EINVAL", "Target message sector outside device.")
        target = device.table.find(sector)
        try:
            return target.message(words)
        except MessageError as error:
            if error.is_logged and not error.of_core:
                self.log.error(f"{target.type_name}: {error}")
            raise self.refuse(error.errno_name, str(error), is_logged=error.of_core) from None

    def _message_of_core(self, device: MappedDevice, words: list[str]) -> str:
        """Linux: message_for_md(). Statistics (@stats_...) are not kept here."""
        if words[0].lower() != "@cancel_deferred_remove":
            raise self.refuse("EINVAL", f"Unsupported message sent to DM core: {words[0]}")
        if len(words) != 1:
            raise self.refuse("EINVAL", "Invalid arguments for @cancel_deferred_remove")
        device.deferred_remove = False
        return ""


def known_versions(parameters: Parameters) -> dict[str, str]:
    """Of the targets that there are here; the last one registered comes first."""
    own = {"multipath": parameters.multipath_version()}
    return {name: own.get(name, TARGETS[name].version) for name in reversed(list(TARGETS))}
