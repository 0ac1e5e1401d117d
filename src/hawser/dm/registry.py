"""DeviceRegistry: the block devices that exist, by name, by `major:minor` and by alias, as tables and verbs find them.

Of mapped devices it also knows what drivers/md/dm-ioctl.c keeps in its hash tables and dm.c in its map of minor numbers: names,
uuids, the lowest free minor, and who holds a device open because a table names it. What is set for all of them is here, too.
"""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.parameters import Parameters
from hawser.dm.target import DeviceFinder

MAJOR_DEFAULT: Final = 254
# Linux: 1 << MINORBITS.
MINORS_MAX: Final = 1 << 20


class DeviceRegistry(DeviceFinder):
    """`major` is that of the mapped devices that are made here."""

    def __init__(self, major: int = MAJOR_DEFAULT) -> None:
        self.major = major
        self.parameters = Parameters()
        self._devices: dict[str, BlockDevice] = {}
        self._mapped: dict[str, MappedDevice] = {}
        self._aliases: dict[str, BlockDevice] = {}

    def add(self, device: BlockDevice, aliases: list[str] | None = None) -> None:
        """Make a device known. ValueError when its name or number is taken."""
        names: dict[str, BlockDevice] = dict(self._mapped) if isinstance(device, MappedDevice) else self._aliases
        if device.name in names:
            raise ValueError(f"there is a device {device.name} already")
        if device.devt in self._devices:
            raise ValueError(f"there is a device {device.devt} already")
        self._devices[device.devt] = device
        if isinstance(device, MappedDevice):
            self._mapped[device.name] = device
        for key in [device.name, device.devt, *(aliases or [])]:
            self._aliases.setdefault(key, device)

    def remove(self, device: BlockDevice) -> None:
        del self._devices[device.devt]
        if isinstance(device, MappedDevice):
            del self._mapped[device.name]
        self._aliases = {key: other for key, other in self._aliases.items() if other is not device}

    def rename(self, device: MappedDevice, name: str) -> None:
        """ValueError when the name is taken."""
        if name in self._mapped:
            raise ValueError(f"there is a device {name} already")
        del self._mapped[device.name]
        if self._aliases.get(device.name) is device:
            del self._aliases[device.name]
        device.name = name
        self._mapped[name] = device
        self._aliases.setdefault(name, device)

    def find(self, name: str) -> BlockDevice | None:
        return self._aliases.get(name)

    def module_parameters(self) -> Parameters:
        return self.parameters

    def by_number(self, devt: str) -> BlockDevice | None:
        """The device of that `major:minor`."""
        return self._devices.get(devt)

    def mapped(self, name: str) -> MappedDevice | None:
        """The mapped device of that name or number."""
        device = self._mapped.get(name)
        if device is None:
            numbered = self._devices.get(name)
            return numbered if isinstance(numbered, MappedDevice) else None
        return device

    def mapped_name(self, name: str) -> MappedDevice | None:
        """The mapped device of that name."""
        return self._mapped.get(name)

    def why_not(self, device: BlockDevice, read_only: bool) -> str:
        """The errno with which `device` cannot be opened for a table, `read_only` or not; or an empty string."""
        return ""

    def exclude_each_other(self, device: BlockDevice, others: list[BlockDevice]) -> bool:
        """Whether who has one of `others` cannot have `device`, whoever it is."""
        return False

    def by_uuid(self, uuid: str) -> MappedDevice | None:
        for device in self._mapped.values():
            if device.uuid == uuid:
                return device
        return None

    def all_mapped(self) -> list[MappedDevice]:
        """Every mapped device, by name as `dmsetup ls` has them."""
        return sorted(self._mapped.values(), key=lambda device: device.name)

    def all_devices(self) -> list[BlockDevice]:
        """Every device, in the order in which they were made known."""
        return list(self._devices.values())

    def free_number(self) -> str:
        """The number of the next mapped device: the lowest minor that none has."""
        minor = 0
        while f"{self.major}:{minor}" in self._devices:
            minor += 1
        return f"{self.major}:{minor}"

    def holders(self, device: BlockDevice) -> list[MappedDevice]:
        """The mapped devices whose live or inactive table names `device`, in order of their numbers."""
        found = [other for other in self._mapped.values() if other.uses(device)]
        return sorted(found, key=lambda holder: holder.minor())

    def open_count(self, device: MappedDevice) -> int:
        """How often a mapped device is open: by clients, and once by each mapped device above."""
        return device.open_count + len(self.holders(device))
