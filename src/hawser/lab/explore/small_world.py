"""SmallWorld: two paths, one disk, one map, a client or two; built anew for each run and moved by choices alone (`moves`).

The engine is the shipped one. Nothing happens between two moves: a move is made, the turn is drained, the judge is asked.
"""

from dataclasses import replace
from typing import Final

from hawser.block.dispatch import DEPTH_DEFAULT
from hawser.block.limits import QueueLimits
from hawser.block.queue import RequestQueue
from hawser.core.clock import NEVER, Clock, Timers
from hawser.core.log import LogSink
from hawser.core.turn import Turn
from hawser.dm import targets
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.registry import DeviceRegistry
from hawser.dm.table import parse_lines
from hawser.lab.devices.array import CACHE_PATH, Array
from hawser.lab.explore.client import ScriptClient
from hawser.lab.explore.judge import Judge
from hawser.lab.explore.manual_path import ManualPath
from hawser.lab.explore.operator import Operator
from hawser.lab.explore.register import Automaton
from hawser.lab.explore.scenarios import MIRROR, TWIN, Scenario, Shape, parse_ops
from hawser.lab.explore.story import Story
from hawser.manager.manager import Manager
from hawser.manager.policy import Policy
from hawser.multipath import target as multipath_target
from hawser.multipath.disk import PathDevice, SharedDisk
from hawser.multipath.retained import RETAINED_BYTES_MAX
from hawser.multipath.target import Multipath

TARGET_MODULES: Final = (targets, multipath_target)
PATH_NAMES: Final = ("A", "B")
# The turn of a small world is over long before.
DRAINS_MAX: Final = 4

# Kinds of faults that are not the judge's.
RESTLESS: Final = "restless"
BROKEN: Final = "broken"


class QuietLog(LogSink):
    """Nobody reads it."""

    def emit(self, level: int, text: str) -> None:
        pass


class Budget:
    """How often what may still go wrong, of each kind and in all."""

    def __init__(self, shape: Shape) -> None:
        self.failures = shape.failures
        self.timeouts = shape.timeouts
        self.resets = shape.resets
        self.crashes = shape.crashes
        self.holes = shape.holes
        self.errors = shape.errors
        self.shorts = shape.shorts
        self.deaths = shape.deaths
        self.gives_up = shape.gives_up
        # What an operator may still do, each once.
        self.verbs = list(shape.verbs)

    def spend(self) -> None:
        """A failure happens. What cannot happen any more then is no difference between states."""
        self.failures -= 1
        if self.failures == 0:
            self.timeouts = 0
            self.resets = 0
            self.crashes = 0
            self.holes = 0
            self.errors = 0
            self.shorts = 0
            self.deaths = 0


class SmallWorld:
    """`mode`: `rq` or `bio`. `fences`: the shipped switch."""

    def __init__(
        self, scenario: Scenario, shape: Shape, mode: str, fences: bool, automaton: Automaton, story: Story
    ) -> None:
        self.scenario = scenario
        self.story = story
        self.budget = Budget(shape)
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.turn = Turn()
        self.log: LogSink = QuietLog()
        self.judge = Judge(scenario.sectors, automaton)
        # As many as clients see, for each leg of a mirror.
        self.size = scenario.sectors * (2 if scenario.above == MIRROR else 1)
        self.array = Array(
            self.size,
            len(PATH_NAMES),
            scenario.cache,
            unit_sectors=scenario.unit,
            caches_reads=scenario.caches_reads,
        )
        self.disk = SharedDisk("lab", self.log)
        self.disk.fences.enabled = fences
        self.disk.fences.unit_sectors = scenario.unit
        self.disk.retain_bytes = RETAINED_BYTES_MAX if scenario.retains else 0
        self.registry: DeviceRegistry = DeviceRegistry()
        self.paths = [self._make_path(number) for number in range(len(PATH_NAMES))]
        self.devices: list[MappedDevice] = []
        self.lines: list[str] = []
        self.maps = [self._make_map("mpatha", mode)]
        if scenario.above == TWIN:
            self.maps.append(self._make_map("mpathb", mode))
        self.device = self.maps[0]
        if scenario.above == MIRROR:
            self.device = self._make("mirror", f"0 {scenario.sectors} raid1 2 254:0 0 254:0 {scenario.sectors}")
        self.targets = [_multipath_of(device) for device in self.maps]
        self.manager: Manager | None = None
        if scenario.manager:
            self.manager = Manager(self.targets[0], Policy(queue_timeout_ns=None), self.timers, self.log)
        self.operator = Operator(self.maps[0], self.registry, self.lines[0], story)
        self.clients = self._make_clients(shape)
        self.letters = ["A"] * (len(PATH_NAMES) * len(self.maps))
        self.settle()

    def _make_path(self, number: int) -> ManualPath:
        scenario = self.scenario
        driver = ManualPath(PATH_NAMES[number], self.array.controllers[number], self.turn)
        limits = QueueLimits(write_cache=True, fua=scenario.fua)
        if scenario.max_sectors:
            limits = replace(limits, max_sectors=scenario.max_sectors)
        queue = RequestQueue(driver.name, driver, limits, self.turn, self.timers, scenario.depth or DEPTH_DEFAULT)
        queue.set_scheduler(scenario.scheduler)
        device = PathDevice(driver.name, f"259:{number}", self.size, queue, self.turn, self.disk, scenario.cache)
        driver.device = device
        driver.hole = driver.name == scenario.holed
        self.registry.add(device)
        return driver

    def _make_map(self, name: str, mode: str) -> MappedDevice:
        scenario = self.scenario
        features = f"{scenario.features} queue_mode {mode}".split()
        line = f"0 {self.size} multipath {len(features)} {' '.join(features)} 0 {scenario.groups} 1"
        if scenario.groups == 1:
            line += " round-robin 0 2 0 259:0 259:1"
        else:
            line += " round-robin 0 1 0 259:0 round-robin 0 1 0 259:1"
        return self._make(name, line)

    def _make(self, name: str, line: str) -> MappedDevice:
        device = MappedDevice(name, f"254:{len(self.devices)}", self.turn, self.clock, self.timers, self.log)
        self.lines.append(line)
        device.load(parse_lines(line), self.registry)
        if device.queue is not None:
            device.queue.set_scheduler(self.scenario.scheduler)
        device.resume()
        self.registry.add(device)
        self.devices.append(device)
        return device

    def _make_clients(self, shape: Shape) -> list[ScriptClient]:
        clients: list[ScriptClient] = []
        first = 1
        for number, text in enumerate(shape.clients):
            name = "client" if len(shape.clients) == 1 else f"client {number + 1}"
            ops = parse_ops(text)
            device = self.maps[1] if number and len(self.maps) > 1 else self.device
            clients.append(ScriptClient(name, ops, first, device, self.judge, self.story))
            first += len(ops)
        return clients

    def settle(self) -> None:
        """Drain the turn; then everything there is to judge."""
        drains = 0
        while not self.turn.drain():
            drains += 1
            if drains == DRAINS_MAX:
                self.judge.say(RESTLESS, "the engine does not come to rest")
                return
        if self.operator.has_swapped():
            self.targets = [_multipath_of(device) for device in self.maps]
        if self.scenario.durable:
            self.judge.check_power_loss(self.array.medium)
        if self.story.told:
            self._tell_what_followed()
        for path in self.paths:
            path.sent.clear()

    def _tell_what_followed(self) -> None:
        paths = [path for target in self.targets for path in target.state.paths]
        for number, path in enumerate(paths):
            if path.letter() != self.letters[number]:
                self.letters[number] = path.letter()
                word = "reinstated" if path.is_active else "failed"
                owner = f" of map {number // len(PATH_NAMES) + 1}" if len(self.maps) > 1 else ""
                self.story.tell(f"path {PATH_NAMES[number % len(PATH_NAMES)]}{owner} is {word}")
        for driver in self.paths:
            for command in driver.sent:
                self.story.tell(f"path {driver.name}: {command.name()} is sent")

    def is_done(self) -> bool:
        """Whether no client has anything to ask or to hear any more."""
        for client in self.clients:
            if not client.is_done():
                return False
        return True

    def has_failed(self, number: int) -> bool:
        """Whether a map does not use this path."""
        return any(not target.state.paths[number].is_active for target in self.targets)

    def has_own_caches(self) -> bool:
        return self.scenario.cache == CACHE_PATH

    def has_timers(self) -> bool:
        return self.timers.next_deadline_ns() != NEVER

    def roots(self) -> list[object]:
        """From where everything that decides about the future can be reached."""
        return [
            self.budget,
            [device.stack() for device in self.devices],
            [target for device in self.devices for target in device.live_targets()],
            [self.operator.state()],
            self.disk,
            self.paths,
            self.array,
            self.clients,
            self.manager,
            self.timers,
        ]


def _multipath_of(device: MappedDevice) -> Multipath:
    assert device.table is not None
    target = device.table.targets[0]
    assert isinstance(target, Multipath)
    return target
