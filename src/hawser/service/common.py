"""Common: what belongs to a process rather than to one of its disks.

One loop and its turn; one registry, so that names and numbers are unique over all disks; dmsetup's verbs, which see all devices;
what is set for all maps; the fence agent; the addresses that several disks may listen at.
"""

from typing import TYPE_CHECKING, Final

from hawser import plugins
from hawser.core.log import LogSink
from hawser.dm import targets
from hawser.dm.control import Control
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.registry import DeviceRegistry
from hawser.exports.addresses import Addresses
from hawser.multipath import target as multipath_target
from hawser.service.fence_agent import CommandAgent
from hawser.service.loop import Loop
from hawser.service.options import ProcessOptions
from hawser.service.path_numbers import PathNumbers

if TYPE_CHECKING:
    from hawser.service.gateway import Gateway

TARGET_MODULES: Final = (targets, multipath_target)
MAP_MAJOR: Final = 254


class Common:
    """Made within a running asyncio loop. `addresses` None: every address leads to all exports of the one disk."""

    def __init__(self, options: ProcessOptions, log: LogSink, addresses: Addresses | None = None) -> None:
        plugins.offer()
        self.log = log
        self.loop = Loop()
        self.registry: DeviceRegistry = DeviceRegistry(MAP_MAJOR)
        for text in options.parameters:
            self.registry.parameters.assign(text)
        self.control = Control(self.registry, log, self.new_device)
        self.agent = CommandAgent(options.fence_agent, self.loop, log) if options.fence_agent else None
        self.addresses = addresses
        # One for each disk, in the order of the options.
        self.gateways: list[Gateway] = []
        self.numbers = PathNumbers(self.registry)

    def new_device(self, name: str, devt: str) -> MappedDevice:
        """A mapped device that nobody knows yet."""
        return MappedDevice(name, devt, self.loop.turn, self.loop.clock, self.loop.timers, self.log)

    def label(self, name: str) -> str:
        """What stands before a log line about a disk, where there are several."""
        return f"disk {name}: " if len(self.gateways) > 1 else ""
