"""Bench: a scenario in virtual time: the engine, unchanged, over paths of the model, its clients, and what goes wrong.

The same order of things as hawser.service.gateway: paths, table, manager. One seed gives one run, on every machine.
"""

from typing import Any, Final

from hawser import plugins
from hawser.block.driver import Driver
from hawser.block.queue import RequestQueue
from hawser.core.clock import NEVER, Clock, Timer, Timers
from hawser.core.histogram import Histogram
from hawser.core.log import WARNING, LogSink
from hawser.core.rng import Rng
from hawser.core.trace import Tracer
from hawser.core.turn import Turn
from hawser.core.units import NS_PER_MS, NS_PER_S, SECTOR_SHIFT
from hawser.dm import targets
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.registry import DeviceRegistry
from hawser.dm.request_based import RequestMapper
from hawser.dm.table import parse_lines
from hawser.dm.target import TableError
from hawser.lab.model.array import ModelPath, ModelServer
from hawser.lab.model.faults import Faults
from hawser.lab.model.load import Client, OpenClient, Pattern, TraceClient
from hawser.lab.model.meter import Course, LoadMeter
from hawser.lab.model.outcome import merges_of, outcome_of
from hawser.lab.model.own import learn
from hawser.lab.model.scenario import LoadModel, PathModel, Scenario, ScenarioError
from hawser.lab.request_fn import RequestFnQueue
from hawser.lab.world import LIMITS
from hawser.manager.manager import Manager
from hawser.manager.policy import HedgePolicy, MarginalPolicy, Policy
from hawser.multipath import target as multipath_target
from hawser.multipath.disk import CACHE_LUN, PathDevice, SharedDisk
from hawser.multipath.selectors.base import find_selector
from hawser.multipath.target import Multipath

TARGET_MODULES: Final = (targets, multipath_target)

MAP_NAME: Final = "mpatha"
EVENTS_MAX: Final = 1000
# How long a load with a number of I/Os may take before it is given up.
SECONDS_MAX: Final = 3600.0
# Streams of random numbers, told apart by what is added to the seed.
_SERVERS: Final = 1 << 32
_PATHS: Final = 2 << 32
_LOADS: Final = 3 << 32


class BenchLog(LogSink):
    """Keeps what is at least a warning, with its time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.events: list[tuple[int, str]] = []

    def emit(self, level: int, text: str) -> None:
        super().emit(level, text)
        if level <= WARNING and len(self.events) < EVENTS_MAX:
            self.events.append((self.clock.now_ns, text))


class _Begin(Timer):
    def __init__(self, client: Client) -> None:
        super().__init__()
        self.client = client

    def expire(self) -> None:
        self.client.begin()


class _Window(Timer):
    def __init__(self, bench: "Bench") -> None:
        super().__init__()
        self.bench = bench

    def expire(self) -> None:
        self.bench.window_over()


class _Warm(Timer):
    def __init__(self, bench: "Bench") -> None:
        super().__init__()
        self.bench = bench

    def expire(self) -> None:
        self.bench.warmed_up()


class Bench:
    """`map` is the multipath device, `paths` what is below it, `clients` what is above. `run` it once, and ask for its `outcome`.

    ScenarioError when the engine refuses what the scenario asks for.
    """

    def __init__(self, scenario: Scenario, seed: int, tracer: Tracer | None = None) -> None:
        plugins.offer()
        learn(scenario)
        self.scenario = scenario
        self.seed = seed
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.turn = Turn()
        self.turn.tracer = tracer
        self.log = BenchLog(self.clock)
        self.registry: DeviceRegistry = DeviceRegistry()
        self.disk = SharedDisk("disk", self.log)
        self.servers: list[ModelServer] = []
        self.paths: list[ModelPath] = []
        self._make_paths()
        self.map = self._make_map()
        self.manager: Manager | None = None
        if scenario.manager.enabled:
            self.manager = Manager(self.target(), self._policy(), self.timers, self.log)
            self.manager.follow(self.map)
        self.course = Course(max(1, int(scenario.window_ms * NS_PER_MS)))
        self.warm_ns = int(scenario.warm_up_s * NS_PER_S)
        self.meters: list[LoadMeter] = []
        self.clients: list[Client] = []
        for number, load in enumerate(scenario.loads):
            self._make_load(number, load)
        self._before = [0 for _ in self.paths]
        self.marks: list[tuple[int, int, int]] = [(0, 0, 0) for _ in self.paths]
        self.busy_before = [0 for _ in self.servers]
        self._window = _Window(self)
        self.faults = Faults(self)

    # Making.

    def _make_paths(self) -> None:
        by_number: dict[int, ModelServer] = {}
        sectors = self.scenario.size_bytes >> SECTOR_SHIFT
        for number, path in enumerate(self.scenario.paths):
            server = by_number.get(path.server) if path.server is not None else None
            if server is None:
                server = self._make_server(path)
                if path.server is not None:
                    by_number[path.server] = server
            driver = ModelPath(
                f"p{number}",
                self.turn,
                self.timers,
                server,
                path.latency_ns,
                self.scenario.manager.io_timeout_ns,
                Rng(self.seed + _PATHS * (number + 1)),
            )
            driver.proof_ns = self.scenario.manager.proof_ns
            queue = RequestQueue(driver.name, driver, LIMITS, self.turn, self.timers, path.depth)
            queue.feedback = self.scenario.map.feedback
            if path.scheduler != "none":
                queue.set_scheduler(path.scheduler)
            device = PathDevice(driver.name, f"259:{number}", sectors, queue, self.turn, self.disk, CACHE_LUN)
            device.weight = path.weight
            driver.device = device
            self.registry.add(device)
            self.paths.append(driver)

    def _make_server(self, path: PathModel) -> ModelServer:
        rng = Rng(self.seed + _SERVERS * (len(self.servers) + 1))
        server = ModelServer(path.fixed_ns, path.ns_per_kib, path.slots, path.spread, rng, path.factors)
        self.servers.append(server)
        return server

    def _make_map(self) -> MappedDevice:
        device = MappedDevice(MAP_NAME, "254:0", self.turn, self.clock, self.timers, self.log)
        wanted = self.scenario.map
        if wanted.machine == "2008":
            device.make_queue = RequestFnQueue
        try:
            device.load(parse_lines(self.table()), self.registry)
            device.resume()
        except TableError as problem:
            raise ScenarioError(f"{self.scenario.name}: the table {self.table()!r} is refused: {problem}") from None
        self.registry.add(device)
        queue = device.queue
        if queue is not None:
            queue.set_scheduler(wanted.scheduler)
            queue.nomerges = wanted.nomerges
            queue.merge_deadline_ns = wanted.merge_deadline_ns
            mapper: Driver = queue.driver
            assert isinstance(mapper, RequestMapper)
            mapper.asks = wanted.asks
        elif wanted.scheduler != "none":
            # Bios of a bio-based map merge in the queues of the paths, and are sorted there.
            for path in self.paths:
                path_device = path.device
                assert path_device is not None
                path_device.requests.set_scheduler(wanted.scheduler)
        return device

    def table(self) -> str:
        """The multipath line of the scenario, as `hawser serve` would build it."""
        scenario = self.scenario
        wanted = scenario.map
        features = wanted.features.split()
        if scenario.manager.enabled and scenario.manager.queue_timeout_ns and "queue_if_no_path" not in features:
            features.append("queue_if_no_path")
        features += ["queue_mode", wanted.mode]
        groups: dict[int, list[int]] = {}
        for number, path in enumerate(scenario.paths):
            groups.setdefault(path.group, []).append(number)
        line = (
            f"0 {scenario.size_bytes >> SECTOR_SHIFT} multipath {len(features)} {' '.join(features)} 0 {len(groups)} 1"
        )
        for group in sorted(groups):
            line += self._group_words(groups[group])
        return line

    def _group_words(self, numbers: list[int]) -> str:
        selector = self.scenario.map.selector
        name, *rest = selector.split()
        make = find_selector(name)
        if make is None:
            raise ScenarioError(f"{self.scenario.name}: there is no path selector {name!r}")
        if not rest or not rest[0].isdecimal() or len(rest) != 1 + int(rest[0]):
            raise ScenarioError(
                f"{self.scenario.name}: selector {selector!r}: want its name, the number of its arguments, and these"
            )
        try:
            made = make(rest[1:])
        except ValueError as problem:
            raise ScenarioError(f"{self.scenario.name}: selector {selector!r}: {problem}") from None
        told_of: list[str] = []
        for place, number in enumerate(numbers):
            path = self.scenario.paths[number]
            words = path.words.split() if path.words is not None else made.words_for(place, path.weight)
            told_of.append(" ".join([f"259:{number}", *words]))
        return f" {selector} {len(numbers)} {len(told_of[0].split()) - 1} {' '.join(told_of)}"

    def _policy(self) -> Policy:
        wanted = self.scenario.manager
        return Policy(
            wanted.queue_timeout_ns,
            wanted.polling_ns,
            MarginalPolicy() if wanted.marginal else None,
            wanted.keepalive_ns,
            HedgePolicy(wanted.hedge_after_ns) if wanted.hedge_after_ns else None,
        )

    def _make_load(self, number: int, load: LoadModel) -> None:
        meter = LoadMeter(load.name, self.course, self.warm_ns)
        self.meters.append(meter)
        rng = Rng(self.seed + _LOADS * (number + 1))
        sectors = self.scenario.size_bytes >> SECTOR_SHIFT
        block = max(load.sizes) >> SECTOR_SHIFT
        is_sequential = load.pattern == "sequential"
        for place in range(load.clients):
            stretch = (0, sectors)
            if is_sequential:
                length = sectors // load.clients // block * block
                stretch = (place * length, length)
            if stretch[1] < block:
                raise ScenarioError(f"{self.scenario.name}: load {load.name}: the disk is too small for its I/O")
            pattern = Pattern(rng.split(), load.sizes, load.write_percent, is_sequential, stretch)
            limit = -(-load.ios // load.clients) if load.ios else 0
            client = self._make_client(load, pattern, meter, limit, rng)
            client.cpu = len(self.clients)
            self.clients.append(client)
            self.timers.arm(_Begin(client), load.start_ns)

    def _make_client(self, load: LoadModel, pattern: Pattern, meter: LoadMeter, limit: int, rng: Rng) -> Client:
        device, disk, timers = self.map, self.disk, self.timers
        if load.pattern == "trace":
            return TraceClient(device, disk, timers, pattern, meter, load.plug, load.batches, load.gates)
        if load.rate:
            rate, is_poisson = load.rate / load.clients, load.arrival == "poisson"
            return OpenClient(
                device, disk, timers, pattern, meter, load.batch, load.plug, limit, rate, is_poisson, rng.split()
            )
        return Client(device, disk, timers, pattern, meter, load.depth, load.batch, load.plug, limit)

    def target(self) -> Multipath:
        """The live multipath target."""
        found = self.map.live_targets()[0]
        assert isinstance(found, Multipath)
        return found

    # Running.

    def settle(self) -> None:
        """Everything that can happen without time passing."""
        turn = self.turn
        while not turn.drain():
            pass

    def advance(self, until_ns: int) -> None:
        """Let time pass."""
        clock, timers, turn = self.clock, self.timers, self.turn
        self.settle()
        while True:
            deadline_ns = timers.next_deadline_ns()
            if deadline_ns == NEVER or deadline_ns > until_ns:
                break
            if deadline_ns > clock.now_ns:
                clock.now_ns = deadline_ns
            timers.advance()
            while not turn.drain():
                pass
        if until_ns > clock.now_ns:
            clock.now_ns = until_ns

    def run(self) -> None:
        """Until the scenario's time is over, or all its I/Os are answered."""
        scenario = self.scenario
        if self.warm_ns:
            self.timers.arm(_Warm(self), self.warm_ns)
        self.timers.arm(self._window, self.course.window_ns)
        if scenario.seconds:
            self.advance(int(scenario.seconds * NS_PER_S))
            return
        step_ns = self.course.window_ns
        limit_ns = int(SECONDS_MAX * NS_PER_S)
        while not self.is_finished():
            if self.clock.now_ns > limit_ns:
                left = sum([client.limit - client.answered for client in self.clients])
                raise ScenarioError(f"{scenario.name}: {left} I/Os are not answered after {SECONDS_MAX:g} s")
            self.advance(self.clock.now_ns + step_ns)

    def is_finished(self) -> bool:
        return all(client.finished() for client in self.clients)

    def window_over(self) -> None:
        """The course goes on with the next one."""
        now = [path.commands for path in self.paths]
        self.course.close([after - before for after, before in zip(now, self._before, strict=True)])
        self._before = now
        self.timers.arm(self._window, self.course.window_ns)

    def warmed_up(self) -> None:
        """From now on everything counts."""
        for number, path in enumerate(self.paths):
            path.latencies = Histogram()
            path.sizes = {}
            self.marks[number] = (path.commands, path.bytes_done, merges_of(path))
        self.busy_before = [server.busy_ns for server in self.servers]

    # What it came to.

    def outcome(self) -> dict[str, Any]:
        """Plain data, the same on every machine; its words are at the head of hawser.lab.model.play."""
        return outcome_of(self)
