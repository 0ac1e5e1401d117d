"""A minimal world in virtual time: clock, turn, devices of RAM whose answers and fates are scripted.

It runs the engine unchanged, as the service's event loop does: set the clock, expire timers, drain the turn. Time jumps from one
deadline to the next, so a queue timeout of a minute costs nothing.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mypy_extensions import mypyc_attr

from hawser import plugins
from hawser.block.bio import Bio, BioOwner
from hawser.block.device import BlockDevice
from hawser.block.dispatch import DEPTH_DEFAULT
from hawser.block.driver import Driver
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FLUSH, READ, WRITE, WRITE_ZEROES, Buffer, is_write_class
from hawser.block.orphan import Orphan
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.block.request import ANSWERED, UNKNOWN, Request
from hawser.core.clock import NEVER, Clock, Timer, Timers
from hawser.core.log import LogSink
from hawser.core.status import OK
from hawser.core.turn import Turn
from hawser.core.units import MIB, SECTOR_SHIFT
from hawser.dm import targets
from hawser.dm.dmsetup import brief as verbs
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.registry import DeviceRegistry
from hawser.dm.table import parse_lines
from hawser.lab.request_fn import RequestFnQueue
from hawser.multipath import target as multipath_target
from hawser.multipath.disk import CACHE_LUN, PathDevice, SharedDisk

# Whose request queue a request-based map stands on: Linux 6.12's, or that of 2.6.25 (hawser.lab.request_fn).
MACHINE_TODAY: Final = "today"
MACHINE_2008: Final = "2008"

TARGET_MODULES: Final = (targets, multipath_target)

STEPS_MAX: Final = 10_000_000
LIMITS: Final = QueueLimits(max_discard_sectors=65536, max_write_zeroes_sectors=65536, write_cache=True, fua=True)


@dataclass(frozen=True)
class Answer:
    """What a driver shall do with one request.

    After `delay_ns` it answers `status` with `good_bytes` done (None: all when OK, else none). `lands`: whether a write takes
    effect; with fate UNKNOWN it leaves an orphan, and takes effect only when `RamDriver.settle` is called, if it `lands`.
    """

    status: int = OK
    good_bytes: int | None = None
    fate: int = ANSWERED
    delay_ns: int = 0
    lands: bool = True
    silent: bool = False


class Store:
    """The bytes of a disk, shared by the paths that lead to it."""

    def __init__(self, size_bytes: int) -> None:
        self.data = bytearray(size_bytes)

    def apply(self, request: Request, size: int) -> Buffer | None:
        """Carry out the first `size` bytes of a request; a read's data."""
        start = request.sector << SECTOR_SHIFT
        if request.op == READ:
            return bytes(self.data[start : start + size])
        if request.op == WRITE:
            self.data[start : start + size] = b"".join(request.payload())[:size]
        elif request.op != FLUSH:
            self.data[start : start + size] = bytes(size)
        return None


class _Delivery(Timer):
    def __init__(self, driver: "RamDriver", request: Request, answer: Answer) -> None:
        super().__init__()
        self.driver = driver
        self.request = request
        self.answer = answer

    def expire(self) -> None:
        self.driver.deliver(self.request, self.answer)


@dataclass
class Ghost:
    """An orphaned command that has not settled."""

    orphan: Orphan
    start: int
    data: bytes
    lands: bool


@mypyc_attr(allow_interpreted_subclasses=True)
class RamDriver(Driver):
    """Answers by script: `script` is used up first, then `default` for ever. `sent` logs (op, sector, size) of what arrived."""

    def __init__(self, name: str, store: Store, turn: Turn, timers: Timers) -> None:
        super().__init__(turn)
        self.name = name
        self.store = store
        self.timers = timers
        self.script: deque[Answer] = deque()
        self.default = Answer()
        self.sent: list[tuple[int, int, int]] = []
        self.log_sent = True
        self.ghosts: list[Ghost] = []
        self.refuse = OK
        self.answers_are_final = False
        self._outstanding: dict[int, Request] = {}
        self._serial = 0

    def queue_rq(self, request: Request) -> int:
        if self.refuse != OK:
            return self.refuse
        if self.log_sent:
            self.sent.append((request.op, request.sector, request.size))
        answer = self.script.popleft() if self.script else self.default
        if answer.silent:
            self._outstanding[id(request)] = request
        elif answer.delay_ns:
            self._outstanding[id(request)] = request
            self.timers.arm(_Delivery(self, request, answer), answer.delay_ns)
        else:
            self.deliver(request, answer)
        return OK

    def deliver(self, request: Request, answer: Answer) -> None:
        """Answer a request now."""
        self._outstanding.pop(id(request), None)
        good = answer.good_bytes
        if good is None:
            good = request.size if answer.status == OK else 0
        if answer.fate == UNKNOWN and is_write_class(request.op):
            request.orphan = self._orphan(request, answer.lands)
        elif answer.lands and good:
            request.data = self.store.apply(request, good)
        request.finish(answer.status, good, answer.fate)
        self.complete(request)

    def deliver_all(self, answer: Answer) -> None:
        """Answer everything that is outstanding."""
        for request in self.outstanding():
            self.deliver(request, answer)

    def settle(self, proof: str) -> None:
        """The ghosts take effect, those that land, and are proved."""
        ghosts = self.ghosts
        self.ghosts = []
        for ghost in ghosts:
            if ghost.lands:
                self.store.data[ghost.start : ghost.start + len(ghost.data)] = ghost.data
        for ghost in ghosts:
            ghost.orphan.resolve(proof)

    def _orphan(self, request: Request, lands: bool) -> Orphan:
        orphan = request.orphaned(self.name, self.epoch)
        data = b"".join(request.payload()) if request.op == WRITE else bytes(request.size)
        self.ghosts.append(Ghost(orphan, request.sector << SECTOR_SHIFT, data, lands))
        return orphan

    def outstanding(self) -> list[Request]:
        return list(self._outstanding.values())


DriverMaker = Callable[[str, Store, Turn, Timers], RamDriver]


@mypyc_attr(allow_interpreted_subclasses=True)
class Client(BioOwner):
    """Submits bios and keeps what came back, in order."""

    def __init__(self, device: BlockDevice, disk: SharedDisk | None = None) -> None:
        super().__init__()
        self.device = device
        self.done: list[Bio] = []
        self.waiting_for_proof = 0
        if disk is not None:
            self.open_disk(disk)

    def bio_done(self, bio: Bio) -> None:
        self.done.append(bio)

    def waits_for_proof(self, count: int, size: int) -> None:
        self.waiting_for_proof += count
        assert self.waiting_for_proof >= 0

    def submit(self, bios: list[Bio]) -> list[Bio]:
        """One plug."""
        plug = Plug()
        for bio in bios:
            self.device.submit(bio, plug)
        plug.finish()
        return bios

    def read(self, sector: int, size: int) -> Bio:
        return self.submit([Bio(READ, sector, size, self)])[0]

    def write(self, sector: int, data: Buffer, flags: int = 0) -> Bio:
        return self.submit([Bio(WRITE, sector, len(data), self, data, flags)])[0]

    def flush(self) -> Bio:
        return self.submit([Bio(FLUSH, 0, 0, self)])[0]

    def discard(self, sector: int, size: int) -> Bio:
        return self.submit([Bio(DISCARD, sector, size, self)])[0]

    def write_zeroes(self, sector: int, size: int) -> Bio:
        return self.submit([Bio(WRITE_ZEROES, sector, size, self)])[0]


class World:
    """Clock, turn, log and devices; `run` lets things happen. `machine`: whose request queue maps stand on."""

    def __init__(self, machine: str = MACHINE_TODAY) -> None:
        plugins.offer()
        self.machine = machine
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.turn = Turn()
        self.log = LogSink()
        self.registry: DeviceRegistry = DeviceRegistry()
        self.disk = SharedDisk("lab", self.log)
        self._minor = 0

    def ram_path(
        self,
        name: str,
        store: Store,
        depth: int = DEPTH_DEFAULT,
        cache: str = CACHE_LUN,
        limits: QueueLimits = LIMITS,
        make_driver: DriverMaker | None = None,
    ) -> "RamPath":
        """A path to `store`, numbered 259:N in order of making."""
        make = make_driver if make_driver is not None else RamDriver
        driver = make(name, store, self.turn, self.timers)
        queue = RequestQueue(name, driver, limits, self.turn, self.timers, depth)
        devt = f"259:{self._minor}"
        self._minor += 1
        device = PathDevice(name, devt, len(store.data) >> SECTOR_SHIFT, queue, self.turn, self.disk, cache)
        self.registry.add(device)
        return RamPath(driver, device)

    def mapped(self, name: str, table: str) -> MappedDevice:
        """A mapped device with this table, of `machine`. TableError when it is refused."""
        devt = f"254:{len(self.registry.all_mapped())}"
        device = MappedDevice(name, devt, self.turn, self.clock, self.timers, self.log)
        if self.machine == MACHINE_2008:
            device.make_queue = RequestFnQueue
        device.load(parse_lines(table), self.registry)
        device.resume()
        self.registry.add(device)
        return device

    def settle(self) -> None:
        """Everything that can happen without time passing."""
        while not self.turn.drain():
            pass

    def run(self, until_ns: int = NEVER) -> None:
        """Let time pass until nothing is due any more, or up to `until_ns`."""
        self.settle()
        for _ in range(STEPS_MAX):
            deadline_ns = self.timers.next_deadline_ns()
            if deadline_ns == NEVER or (until_ns != NEVER and deadline_ns > until_ns):
                break
            self.clock.now_ns = max(self.clock.now_ns, deadline_ns)
            self.timers.advance()
            self.settle()
        else:
            raise AssertionError(f"the world did not come to rest within {STEPS_MAX} steps")
        if until_ns != NEVER:
            self.clock.now_ns = max(self.clock.now_ns, until_ns)

    def pass_time(self, delay_ns: int) -> None:
        """Let `delay_ns` pass."""
        self.run(self.clock.now_ns + delay_ns)


class RamPath:
    """A path and its driver."""

    def __init__(self, driver: RamDriver, device: PathDevice) -> None:
        self.driver = driver
        self.device = device


def make_multipath(
    world: World,
    paths: int = 2,
    mode: str = "rq",
    features: str = "",
    selector: str = "round-robin 0",
    size: int = MIB,
    groups: int = 1,
    depth: int = DEPTH_DEFAULT,
    cache: str = CACHE_LUN,
    limits: QueueLimits = LIMITS,
    make_driver: DriverMaker | None = None,
) -> "Rig":
    """`groups` groups of `paths` paths each over one store, and a client."""
    store = Store(size)
    made = [world.ram_path(f"p{n}", store, depth, cache, limits, make_driver) for n in range(groups * paths)]
    words = [*features.split(), "queue_mode", mode]
    line = f"0 {size >> SECTOR_SHIFT} multipath {len(words)} {' '.join(words)} 0 {groups} 1"
    for first in range(0, len(made), paths):
        line += f" {selector} {paths} 0" + "".join(f" {path.device.devt}" for path in made[first : first + paths])
    device = world.mapped("mpatha", line)
    return Rig(world, store, made, device, Client(device, world.disk))


@dataclass
class Rig:
    """What most scenarios need."""

    world: World
    store: Store
    paths: list[RamPath]
    device: MappedDevice
    client: Client

    def message(self, text: str) -> str:
        """`dmsetup message mpatha 0 TEXT`."""
        return self.device.message(0, text.split())

    def status(self) -> str:
        """`dmsetup status mpatha`, without its end of line."""
        return verbs.status(self.world.registry, "mpatha")[:-1]

    def letters(self) -> str:
        """A or F per path, in order: `AF`."""
        words = self.status().split()
        return "".join(words[words.index(path.device.devt) + 1] for path in self.paths)

    def at_rest(self) -> bool:
        """Whether nothing is on its way, waiting or counted as such anywhere."""
        queues_idle = all(path.device.idle() and not path.driver.outstanding() for path in self.paths)
        return self.device.idle() and queues_idle and not self.world.turn.pending()
