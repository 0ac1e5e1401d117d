"""Build: a machine with the devices of a transcript's header, of which nothing but the header is known."""

from typing import Final

from hawser.dm.control import Control
from hawser.dm.dmsetup.table_text import parse_table
from hawser.dm.mapped_device import MappedDevice, TableListener
from hawser.lab.linux.devices import LinuxDevices, Maker
from hawser.lab.linux.facts import FactError, Facts
from hawser.lab.linux.files import Files
from hawser.lab.linux.kit import Kit
from hawser.lab.linux.nodes import Nodes
from hawser.lab.linux.page_cache import PageCaches
from hawser.lab.linux.surroundings import LinuxSurroundings
from hawser.lab.linux.sysfs import Sysfs
from hawser.lab.linux.system import System

DM_MAJOR_DEFAULT: Final = 254


class _Swapped(TableListener):
    """A new table has brought new limits, and perhaps a longer read-ahead."""

    def __init__(self, sysfs: Sysfs, device: MappedDevice) -> None:
        self.sysfs = sysfs
        self.device = device

    def table_swapped(self) -> None:
        self.sysfs.settings_of(self.device).follow()


class Builder:
    """Makes the machine's parts, and then one device after the other."""

    def __init__(self, header: Facts) -> None:
        kit = Kit()
        nodes = Nodes()
        caches = PageCaches(kit)
        devices = LinuxDevices(header.number("dm_major", DM_MAJOR_DEFAULT), nodes)
        devices.processors = max(1, header.number("cpus", 1))
        files = Files(devices, nodes, caches)
        sysfs = Sysfs(devices, files, kit.clock, header)
        versions = header.part("targets")
        known = {name: versions.text(name) for name in versions.names()}
        control = Control(devices, kit.log, self._make_mapped, known or None)
        control.freeze = caches.freeze
        surroundings = LinuxSurroundings(control, kit, nodes, sysfs)
        self.system = System(kit, nodes, devices, caches, files, sysfs, control, surroundings)
        self.maker = Maker(kit, devices, caches)
        for label in header.part("devices").names():
            self.add(label, header.part("devices").part(label))
        kit.log.take()

    def _make_mapped(self, name: str, devt: str) -> MappedDevice:
        kit = self.system.kit
        device = MappedDevice(name, devt, kit.turn, kit.clock, kit.timers, kit.log)
        device.table_listeners.append(_Swapped(self.system.sysfs, device))
        return device

    def add(self, label: str, facts: Facts) -> None:
        """Make a device of a header, unless a step has made it. FactError."""
        system = self.system
        system.labels[label] = facts.text("node")
        number = facts.text("dev")
        major, _, minor = number.partition(":")
        if major == str(system.devices.major):
            if system.devices.by_number(number) is None:
                self._add_mapped(label, facts, int(minor))
            device = system.devices.by_number(number)
            if device is not None:
                self.maker.by_label[label] = device
        elif system.devices.by_number(number) is None:
            self.maker.make(label, facts)
        if self.maker.scsi is not None and system.sysfs.scsi is None:
            system.sysfs.scsi = self.maker.scsi
            system.sysfs.scsi_settings = facts.part("params").part("effective")

    def _add_mapped(self, label: str, facts: Facts, minor: int) -> None:
        system = self.system
        table = facts.text("table")
        if not table:
            raise FactError(f"{facts.where}: a mapped device without a table")
        name = facts.text("node").rpartition("/")[2] or label
        device = system.control.create(name, "", minor)
        system.control.load(device, parse_table(table, "of the header"))
        device.resume()
        system.surroundings.add_node(device)
        system.kit.settle()
