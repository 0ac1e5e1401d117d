"""Era: one life of the gateway in the laboratory, from its start to the next power loss: paths, maps, manager, clients.

The same order of things as hawser.service.gateway: devices, table, manager; the engine is the shipped one, unchanged.
"""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.block.limits import QueueLimits
from hawser.block.queue import RequestQueue
from hawser.core.clock import Timers
from hawser.core.turn import Turn
from hawser.core.units import SECTOR_SIZE
from hawser.dm import targets
from hawser.dm.mapped_device import MappedDevice, TableListener
from hawser.dm.registry import DeviceRegistry
from hawser.dm.table import parse_lines
from hawser.dm.target import TableError
from hawser.lab.devices.hardware import Hardware
from hawser.lab.devices.link import Link
from hawser.lab.log import TracingLog
from hawser.lab.plan import Plan
from hawser.lab.watched import WatchedPath
from hawser.manager.manager import Manager
from hawser.manager.policy import Policy
from hawser.multipath import target as multipath_target
from hawser.multipath.disk import PathDevice, SharedDisk
from hawser.multipath.path import Path
from hawser.multipath.state import PathEvents
from hawser.multipath.target import Multipath

TARGET_MODULES: Final = (targets, multipath_target)
MAP_NAME: Final = "mpatha"
UPPER_NAME: Final = "upper"


class _Ear(PathEvents):
    """Counts what happens to paths, and hits marks."""

    def __init__(self, hardware: Hardware) -> None:
        self.hardware = hardware
        self.failed: dict[Path, int] = {}

    def path_failed(self, path: Path, reason: str) -> None:
        self.failed[path] = self.failed.get(path, 0) + 1
        queue = path.device.queue
        if queue is not None and queue.waiting():
            self.hardware.marks.hit("bounced")

    def path_reinstated(self, path: Path) -> None:
        self.hardware.marks.hit("path reinstated")

    def path_left(self, path: Path) -> None:
        """The log tells of it."""


class _Swapped(TableListener):
    def __init__(self, era: "Era") -> None:
        self.era = era

    def table_swapped(self) -> None:
        self.era.adopt_table()


class Era:
    """`device` is what clients have open, `map` the multipath device in the middle of it."""

    def __init__(self, plan: Plan, hardware: Hardware, links: list[Link]) -> None:
        self.plan = plan
        self.hardware = hardware
        self.turn = Turn()
        self.timers = Timers(hardware.clock)
        self.log = TracingLog(hardware)
        self.registry: DeviceRegistry = DeviceRegistry()
        self.disk = SharedDisk("disk", self.log)
        self.disk.fences.unit_sectors = plan.declared_unit_sectors
        self.disk.fences.enabled = not plan.unsafe_no_fence
        self.paths = [self._make_path(number, link) for number, link in enumerate(links)]
        self.manager: Manager | None = None
        self.ear = _Ear(hardware)
        self._minor = 0
        self._words = self._make_words()
        self.map = self._map(MAP_NAME, self.table(0))
        if self.map.queue is not None:
            self.map.queue.set_scheduler(plan.scheduler)
        self.device = self._upper()
        self.adopt_table()
        # Before the manager: what it fails in a new table is counted.
        self.map.table_listeners.append(_Swapped(self))
        if plan.manager:
            policy = Policy(plan.queue_timeout_ns, plan.polling_ns)
            self.manager = Manager(self.target(), policy, self.timers, self.log)
            self.manager.follow(self.map)
        for path in self.paths:
            path.connect()

    def _make_path(self, number: int, link: Link) -> WatchedPath:
        plan = self.plan
        declared = plan.paths[number]
        limits = QueueLimits(
            logical_block_size=plan.declared_unit_sectors * SECTOR_SIZE,
            max_sectors=plan.limits.max_sectors,
            max_segments=plan.limits.max_segments,
            max_discard_sectors=plan.limits.max_discard_sectors,
            max_write_zeroes_sectors=plan.limits.max_write_zeroes_sectors,
            write_cache=True,
            fua=True,
        )
        path = WatchedPath(f"p{number}", self.hardware, self.turn, self.timers, self.log, link, declared)
        queue = RequestQueue(path.name, path, limits, self.turn, self.timers, declared.depth)
        devt = f"259:{number}"
        device = PathDevice(path.name, devt, plan.size_sectors, queue, self.turn, self.disk, declared.cache)
        path.device = device
        self.registry.add(device)
        return path

    def _make_words(self) -> dict[str, str]:
        """What the placeholders of tables and messages stand for."""
        words: dict[str, str] = {}
        for number, path in enumerate(self.paths):
            device = path.device
            assert device is not None
            found: BlockDevice = device
            if "linear-below" in self.plan.stack:
                found = self._map(f"below{number}", f"0 {self.plan.size_sectors} linear {device.devt} 0")
            words[f"{{p{number}}}"] = found.devt
        return words

    def words(self, text: str) -> str:
        """`{p0}` and its like replaced by device numbers."""
        for word, devt in self._words.items():
            text = text.replace(word, devt)
        return text

    def table(self, number: int) -> str:
        return self.words(self.plan.tables[number])

    def _map(self, name: str, table: str) -> MappedDevice:
        device = MappedDevice(name, f"254:{self._minor}", self.turn, self.hardware.clock, self.timers, self.log)
        self._minor += 1
        device.load(parse_lines(table), self.registry)
        device.resume()
        self.registry.add(device)
        return device

    def _upper(self) -> MappedDevice:
        size = self.plan.size_sectors
        half = size // 2 // self.plan.declared_unit_sectors * self.plan.declared_unit_sectors
        below = self.map.devt
        if "linear-above" in self.plan.stack:
            return self._map(UPPER_NAME, f"0 {size} linear {below} 0")
        if "split-above" in self.plan.stack:
            return self._map(UPPER_NAME, f"0 {half} linear {below} 0\n{half} {size - half} linear {below} {half}")
        if "multipath-above" in self.plan.stack:
            return self._map(UPPER_NAME, f"0 {size} multipath 1 queue_if_no_path 0 1 1 round-robin 0 1 0 {below}")
        return self.map

    def target(self) -> Multipath:
        """The live multipath target."""
        table = self.map.table
        assert table is not None
        target = table.targets[0]
        assert isinstance(target, Multipath)
        return target

    def adopt_table(self) -> None:
        """The live table is another one: the watch goes by it, as the manager does by itself."""
        target = self.target()
        self.ear = _Ear(self.hardware)
        target.state.events.append(self.ear)
        for path in self.paths:
            found = [
                candidate
                for candidate in target.state.paths
                if candidate.device is path.device or candidate.device.devt == self._words[f"{{{path.name}}}"]
            ]
            path.stands_for = found

    def reload(self, number: int) -> str:
        """Load table `number` as the inactive one; why it was refused, or nothing."""
        try:
            self.map.load(parse_lines(self.table(number)), self.registry)
        except TableError as problem:
            return str(problem)
        return ""

    def settle(self) -> None:
        """Everything that can happen without time passing."""
        while not self.turn.drain():
            pass

    def end(self) -> None:
        """The gateway is gone, all at once; what it sent is on its way still."""
        for path in self.paths:
            path.detach()
