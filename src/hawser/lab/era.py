"""Era: one life of the gateway in the laboratory, from its start to the next power loss: paths, maps, managers, clients.

The same order of things as hawser.service.gateway: devices, table, manager; the engine is the shipped one, unchanged.
"""

from dataclasses import replace
from typing import Final

from hawser import plugins
from hawser.block.driver import Driver
from hawser.block.limits import QueueLimits
from hawser.block.queue import RequestQueue
from hawser.core.clock import Timers
from hawser.core.turn import Turn
from hawser.core.units import SECTOR_SHIFT, SECTOR_SIZE
from hawser.dm import targets
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.parameters import SEMANTICS
from hawser.dm.registry import DeviceRegistry
from hawser.dm.request_based import RequestMapper
from hawser.dm.table import parse_lines
from hawser.dm.target import TableError
from hawser.lab.devices.hardware import Hardware
from hawser.lab.devices.link import Link
from hawser.lab.devices.port_states import PortStates
from hawser.lab.log import TracingLog
from hawser.lab.map_watch import MapWatch
from hawser.lab.plan import MAP_NAME, DevicePlan, LimitsPlan, Plan
from hawser.lab.stacks import LINEAR_BELOW, devices_above, leads_to_path, top_name
from hawser.lab.watched import Host, WatchedPath
from hawser.lab.watched_queue import WatchedQueue
from hawser.manager.manager import Manager
from hawser.manager.policy import HedgePolicy, MarginalPolicy, Policy
from hawser.multipath import target as multipath_target
from hawser.multipath.disk import PathDevice, SharedDisk
from hawser.multipath.target import Multipath

TARGET_MODULES: Final = (targets, multipath_target)


class Era:
    """`device` is what clients have open, `map` the multipath device in the middle of it; `devices` are all that are mapped, by
    name, in the order in which they were made. `watches` are of the maps among them, the middle one first."""

    def __init__(
        self, plan: Plan, hardware: Hardware, links: list[Link], port_states: PortStates | None = None
    ) -> None:
        plugins.offer()
        self.plan = plan
        self.hardware = hardware
        self.turn = Turn()
        self.timers = Timers(hardware.clock)
        self.log = TracingLog(hardware)
        self.registry: DeviceRegistry = DeviceRegistry()
        self.registry.parameters.set(SEMANTICS, plan.semantics)
        self.disks = [self._make_disk(number) for number in range(plan.luns)]
        self.disk = self.disks[0]
        self._hosts = [Host(server.commands_max) for server in plan.servers]
        self.paths = [self._make_path(number, link) for number, link in enumerate(links)]
        if port_states is not None:
            port_states.world_begins()
            for number, path in enumerate(self.paths):
                port_states.join(path, plan.paths[number].server)
        self.devices: dict[str, MappedDevice] = {}
        self.words: dict[str, str] = {f"p{number}": _of(path).devt for number, path in enumerate(self.paths)}
        self._make_below()
        self.map = self._map(MAP_NAME, self.filled(plan.tables[0]), plan.scheduler)
        self._set_up_queue()
        for device in devices_above(plan):
            self._make_device(device)
        self.device = self.devices[top_name(plan)]
        others = [name for name in self.devices if name != MAP_NAME and self._is_map(name)]
        self.watches = [MapWatch(self.hardware, name, self.devices[name]) for name in [MAP_NAME, *others]]
        for watch in self.watches:
            if plan.manager and (watch.device is self.map or leads_to_path(plan, watch.name)):
                manager = Manager(watch.target(), policy_of(plan), self.timers, self.log)
                manager.follow(watch.device)
                watch.manager = manager
        for path in self.paths:
            path.connect()

    def _is_map(self, name: str) -> bool:
        return any(isinstance(target, Multipath) for target in self.devices[name].live_targets())

    # Making.

    def _make_disk(self, number: int) -> SharedDisk:
        disk = SharedDisk("disk" if self.plan.luns == 1 else f"disk{number}", self.log)
        disk.fences.unit_sectors = self.plan.declared_unit_sectors
        disk.fences.enabled = not self.plan.unsafe_no_fence
        disk.retain_bytes = self.plan.retain_bytes
        return disk

    def _make_path(self, number: int, link: Link) -> WatchedPath:
        plan = self.plan
        declared = plan.paths[number]
        limits = limits_of(plan, number)
        host = self._hosts[declared.server]
        path = WatchedPath(f"p{number}", self.hardware, self.turn, self.timers, self.log, link, declared, host)
        queue = WatchedQueue(path.name, path, limits, self.turn, self.timers, declared.depth, self.hardware.marks)
        queue.nomerges = declared.nomerges
        queue.feedback = declared.feedback
        if declared.scheduler != "none":
            queue.set_scheduler(declared.scheduler)
        disk = self.disks[declared.lun]
        device = PathDevice(path.name, f"259:{number}", plan.size_sectors, queue, self.turn, disk, declared.cache)
        path.device = device
        self.registry.add(device)
        return path

    def _make_below(self) -> None:
        if LINEAR_BELOW in self.plan.stack:
            for number in range(len(self.paths)):
                below = self._map(
                    f"below{number}", f"0 {self.plan.size_sectors} linear {self.words[f'p{number}']} 0", ""
                )
                self.words[f"p{number}"] = below.devt
        for device in self.plan.below:
            self._make_device(device)

    def _make_device(self, device: DevicePlan) -> None:
        self._map(device.name, self.filled(device.tables[0]), device.scheduler)

    def _map(self, name: str, table: str, scheduler: str) -> MappedDevice:
        devt = f"254:{len(self.devices)}"
        device = MappedDevice(name, devt, self.turn, self.hardware.clock, self.timers, self.log)
        device.make_queue = self.make_queue
        device.load(parse_lines(table), self.registry)
        device.resume()
        self.registry.add(device)
        if device.queue is not None:
            device.queue.set_scheduler(scheduler)
        self.devices[name] = device
        self.words[name] = devt
        return device

    def make_queue(
        self, name: str, driver: Driver, limits: QueueLimits, turn: Turn, timers: Timers, depth: int
    ) -> RequestQueue:
        """What a request-based device has for a queue of its own."""
        return WatchedQueue(name, driver, limits, turn, timers, depth, self.hardware.marks)

    def _set_up_queue(self) -> None:
        queue = self.map.queue
        if queue is not None:
            queue.nomerges = self.plan.nomerges
            queue.merge_deadline_ns = self.plan.merge_deadline_ns
            mapper = queue.driver
            assert isinstance(mapper, RequestMapper)
            mapper.asks = self.plan.asks

    # Names.

    def filled(self, text: str) -> str:
        """`{p0}`, `{mpatha}` and their like replaced by device numbers."""
        for word, devt in self.words.items():
            text = text.replace(f"{{{word}}}", devt)
        return text

    def tables_of(self, name: str) -> list[str]:
        """Those that the plan has for a mapped device."""
        if name == MAP_NAME:
            return self.plan.tables
        return next(device.tables for device in [*self.plan.below, *devices_above(self.plan)] if device.name == name)

    def queue_of(self, name: str) -> RequestQueue | None:
        """That of a path, or of a mapped device that has one."""
        for path in self.paths:
            if path.name == name:
                return _of(path).requests
        return self.devices[name].queue

    # What the run asks.

    def target(self) -> Multipath:
        """The live multipath target of the map in the middle."""
        return self.watches[0].target()

    def reload(self, name: str, text: str) -> str:
        """Load a table as the inactive one of a device; why it was refused, or nothing."""
        try:
            self.devices[name].load(parse_lines(self.filled(text)), self.registry)
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


def policy_of(plan: Plan) -> Policy:
    """What the plan says of how paths are looked after."""
    return Policy(
        plan.queue_timeout_ns,
        plan.polling_ns,
        marginal_policy(plan.marginal_tick_ns),
        plan.keepalive_ns,
        HedgePolicy(plan.hedge_after_ns, plan.hedge_percent) if plan.hedge_after_ns else None,
    )


def marginal_policy(tick_ns: int) -> MarginalPolicy | None:
    """The usual one at the pace of `tick_ns`: so many times as fast in everything. None when that is 0."""
    if tick_ns == 0:
        return None
    usual = MarginalPolicy()
    times = [usual.after_ns, usual.floor_ns, usual.double_failed_ns, usual.hold_ns, usual.hold_max_ns, usual.forget_ns]
    after_ns, floor_ns, double_failed_ns, hold_ns, hold_max_ns, forget_ns = (
        time_ns * tick_ns // usual.tick_ns for time_ns in times
    )
    return replace(
        usual,
        tick_ns=tick_ns,
        after_ns=after_ns,
        floor_ns=floor_ns,
        double_failed_ns=double_failed_ns,
        hold_ns=hold_ns,
        hold_max_ns=hold_max_ns,
        forget_ns=forget_ns,
    )


def limits_of(plan: Plan, number: int) -> QueueLimits:
    """What a path's queue takes."""
    path = plan.paths[number]
    own: LimitsPlan = path.limits or plan.limits
    return QueueLimits(
        logical_block_size=plan.declared_unit_sectors * SECTOR_SIZE,
        physical_block_size=max(plan.declared_unit_sectors, own.physical_sectors) * SECTOR_SIZE,
        max_sectors=own.max_sectors,
        max_segments=own.max_segments,
        max_segment_size=own.max_segment_sectors << SECTOR_SHIFT,
        max_discard_sectors=own.max_discard_sectors,
        max_write_zeroes_sectors=own.max_write_zeroes_sectors,
        chunk_sectors=own.chunk_sectors,
        discard_granularity=own.discard_granularity_sectors << SECTOR_SHIFT,
        write_cache=path.write_cache,
        fua=path.fua and path.write_cache,
    )


def _of(path: WatchedPath) -> PathDevice:
    assert path.device is not None
    return path.device
