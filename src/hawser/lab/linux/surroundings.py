"""What dmsetup sees of the simulated machine: nodes in /dev, read-ahead, time. Files with tables are somebody else's."""

from collections.abc import Callable
from typing import Final

from hawser.core.units import SECTOR_SHIFT
from hawser.dm.control import Control
from hawser.dm.dmsetup.call import Surroundings
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.linux.errnos import strerror
from hawser.lab.linux.kit import Kit
from hawser.lab.linux.nodes import MAPPER, Nodes
from hawser.lab.linux.page_cache import PAGE
from hawser.lab.linux.sysfs import Sysfs

SECTORS_PER_PAGE: Final = PAGE >> SECTOR_SHIFT


class LinuxSurroundings(Surroundings):
    def __init__(self, control: Control, kit: Kit, nodes: Nodes, sysfs: Sysfs) -> None:
        super().__init__(control)
        self.kit = kit
        self.nodes = nodes
        self.sysfs = sysfs
        # Reads files that are not the machine's.
        self.reader: Callable[[str], str | None] | None = None

    def read_file(self, path: str) -> str | None:
        return self.reader(path) if self.reader is not None else None

    def now_ns(self) -> int:
        return self.kit.clock.now_ns

    def number_of(self, path: str) -> str:
        return self.nodes.number_of(path)

    def block_name(self, number: str) -> str:
        device = self.control.registry.by_number(number)
        if isinstance(device, MappedDevice) and not device.kind:
            return ""
        return device.disk_name() if device is not None else ""

    def read_ahead(self, device: MappedDevice) -> int:
        return self.sysfs.settings_of(device).read_ahead_pages * SECTORS_PER_PAGE

    def set_read_ahead(self, device: MappedDevice, sectors: int) -> None:
        self.sysfs.settings_of(device).read_ahead_pages = sectors // SECTORS_PER_PAGE

    def why_no_read_ahead(self, device: MappedDevice) -> str:
        """libdm reads it in sysfs, where a device is from its first table on; else it opens the device."""
        if device.kind:
            return ""
        node = f"{MAPPER}/{device.name}"
        if self.nodes.number_of(node) != device.devt:
            return f"{node}: open failed: {strerror('ENOENT')}"
        return f"{node}: open failed: {strerror('ENXIO')}"

    def add_node(self, device: MappedDevice) -> None:
        self.nodes.add(f"{MAPPER}/{device.name}", device.devt)

    def remove_node(self, name: str) -> None:
        self.nodes.remove(f"{MAPPER}/{name}")

    def node_names(self) -> list[str]:
        return [name for name in self.nodes.in_mapper() if name != "control"]

    def rename_node(self, name: str, new: str) -> None:
        self.nodes.rename(f"{MAPPER}/{name}", f"{MAPPER}/{new}")
