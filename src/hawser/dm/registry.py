"""DeviceRegistry: the block devices that exist, by name, by `major:minor` and by alias, as tables and verbs find them."""

from hawser.block.device import BlockDevice
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.target import DeviceFinder


class DeviceRegistry(DeviceFinder):
    def __init__(self) -> None:
        self._devices: dict[str, BlockDevice] = {}
        self._aliases: dict[str, BlockDevice] = {}

    def add(self, device: BlockDevice, aliases: list[str] | None = None) -> None:
        """Make a device known. ValueError when its name or number is taken."""
        for key in (device.name, device.devt):
            if key in self._aliases:
                raise ValueError(f"there is a device {key} already")
        self._devices[device.devt] = device
        for key in [device.name, device.devt, *(aliases or [])]:
            self._aliases.setdefault(key, device)

    def remove(self, device: BlockDevice) -> None:
        del self._devices[device.devt]
        self._aliases = {key: other for key, other in self._aliases.items() if other is not device}

    def find(self, name: str) -> BlockDevice | None:
        return self._aliases.get(name)

    def mapped(self, name: str) -> MappedDevice | None:
        """The mapped device of that name or number."""
        device = self._aliases.get(name)
        return device if isinstance(device, MappedDevice) else None

    def all_mapped(self) -> list[MappedDevice]:
        """Every mapped device, by name as `dmsetup ls` has them."""
        found = [device for device in self._devices.values() if isinstance(device, MappedDevice)]
        return sorted(found, key=lambda device: device.name)
