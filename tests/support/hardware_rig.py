"""A rig for stories about simulated hardware: an array, servers, and paths whose I/O is submitted by hand, past any map."""

from hawser.block.bio import Bio, BioOwner
from hawser.block.driver import Driver, SessionListener
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FLUSH, READ, WRITE, WRITE_ZEROES
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.core.clock import NEVER, Clock, Timers
from hawser.core.log import LogSink
from hawser.core.turn import Turn
from hawser.core.units import NS_PER_MS
from hawser.lab.devices.array import Array
from hawser.lab.devices.hardware import Hardware
from hawser.lab.devices.link import Link
from hawser.lab.devices.server import Server
from hawser.lab.devices.sim_path import SimPath
from hawser.lab.marks import Marks
from hawser.lab.payload import decode, fill, write_of
from hawser.lab.plan import TCP, PathPlan, ServerPlan, Step
from hawser.lab.trace import Trace
from hawser.multipath.disk import PathDevice, SharedDisk

LIMITS = QueueLimits(max_discard_sectors=65536, max_write_zeroes_sectors=65536, write_cache=True, fua=True)
MS = NS_PER_MS


def hasty(server: int = 0, transport: str = TCP, can_fua: bool = True) -> PathPlan:
    """A path that gives commands up after half a second, and sessions a tenth later."""
    return PathPlan(server, transport, can_fua=can_fua, io_timeout_ns=500 * MS, linger_ns=100 * MS)


class Ear(SessionListener):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def session_ready(self, driver: Driver) -> None:
        self.heard.append("ready")

    def session_lost(self, driver: Driver, reason: str) -> None:
        self.heard.append(f"lost: {reason}")


class Rig(BioOwner):
    """`paths[n]` leads to `servers[plan.server]`; `go` lets time pass, in milliseconds."""

    def __init__(
        self,
        *paths: PathPlan,
        servers: int = 2,
        server: ServerPlan | None = None,
        seed: int = 1,
        cache: str = "lun",
        unit: int = 1,
        size: int = 64,
        caches_reads: bool = False,
    ) -> None:
        super().__init__()
        self.clock = Clock()
        self.trace = Trace(self.clock, keep=True)
        self.marks = Marks()
        self.hardware = Hardware(seed, self.clock, self.trace, self.marks)
        self.array = Array(size, servers, cache, unit_sectors=unit, caches_reads=caches_reads)
        self.servers = [Server(self.hardware, [one], server or ServerPlan()) for one in self.array.controllers]
        self.links = [Link(self.hardware, f"p{n}", self.servers[p.server], p) for n, p in enumerate(paths)]
        self.plans = paths
        self.size = size
        self.begin_era()

    def begin_era(self) -> None:
        """The gateway starts."""
        self.turn = Turn()
        self.timers = Timers(self.clock)
        self.log = LogSink()
        self.disk = SharedDisk("disk", self.log)
        self.paths: list[SimPath] = []
        self.ears: list[Ear] = []
        for number, link in enumerate(self.links):
            plan = self.plans[number]
            path = SimPath(link.name, self.hardware, self.turn, self.timers, self.log, link, plan)
            queue = RequestQueue(path.name, path, LIMITS, self.turn, self.timers, plan.depth)
            path.device = PathDevice(path.name, f"259:{number}", self.size, queue, self.turn, self.disk, plan.cache)
            path.listener = Ear()
            self.ears.append(path.listener)
            self.paths.append(path)
            path.connect()

    def bio_done(self, bio: Bio) -> None:
        pass

    def submit(self, path: int, *bios: Bio) -> Bio:
        plug = Plug()
        for bio in bios:
            self.paths[path].device.submit(bio, plug)
        plug.finish()
        self.settle()
        return bios[0]

    def write(self, path: int, write: int, sector: int = 0, count: int = 1, flags: int = 0) -> Bio:
        return self.submit(path, Bio(WRITE, sector, count << 9, self, fill(write, count), flags))

    def read(self, path: int, sector: int = 0, count: int = 1) -> Bio:
        return self.submit(path, Bio(READ, sector, count << 9, self))

    def flush(self, path: int) -> Bio:
        return self.submit(path, Bio(FLUSH, 0, 0, self))

    def discard(self, path: int, sector: int = 0, count: int = 1) -> Bio:
        return self.submit(path, Bio(DISCARD, sector, count << 9, self))

    def write_zeroes(self, path: int, sector: int = 0, count: int = 1) -> Bio:
        return self.submit(path, Bio(WRITE_ZEROES, sector, count << 9, self))

    def step(self, target: str, kind: str, ms: float = 0, amount: int = 0, word: str = "") -> None:
        """Let a step of a plan happen now."""
        step = Step(self.clock.now_ns, kind, target, int(ms * MS), amount, word)
        if target[0] == "s":
            self.servers[int(target[1:])].apply(step)
        else:
            self.links[int(target[1:])].apply(step)
        self.settle()

    def heal(self) -> None:
        for link in self.links:
            link.heal()
        for server in self.servers:
            server.heal()
        self.settle()

    def settle(self) -> None:
        while not self.turn.drain():
            pass

    def go(self, ms: float) -> "Rig":
        """Let time pass."""
        until_ns = self.clock.now_ns + int(ms * MS)
        self.settle()
        while True:
            due = [timers.next_deadline_ns() for timers in (self.hardware.timers, self.timers)]
            due = [at_ns for at_ns in due if at_ns != NEVER]
            if not due or min(due) > until_ns:
                self.clock.now_ns = until_ns
                return self
            self.clock.now_ns = max(self.clock.now_ns, min(due))
            self.hardware.timers.advance()
            self.timers.advance()
            self.settle()

    def stored(self, sector: int = 0, server: int = 0) -> int:
        """The number of the write that a read by way of this server would find."""
        return write_of(self.array.controllers[server].read(sector, 1)[0])

    def medium(self, sector: int = 0) -> int:
        return write_of(self.array.medium[sector])

    def story(self) -> str:
        return "\n".join(event.line() for event in self.trace.events)

    def seen(self, mark: str) -> bool:
        return self.marks.hits.get(mark, 0) > 0


def writes(bio: Bio) -> list[int]:
    """The numbers of the writes that a read has found."""
    assert bio.data is not None
    return [write_of(value) for value in decode(bio.data)]
