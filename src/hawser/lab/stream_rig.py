"""StreamRig: load through the simulated devices that nobody judges: what a laboratory I/O costs, and whether memory stays flat.

The same hardware, era and order of things as a Run: four paths to two servers behind one LUN.
"""

from typing import Final

from hawser.core.clock import NEVER, Clock
from hawser.core.rng import Rng
from hawser.core.units import NS_PER_MS
from hawser.lab.devices.array import Array
from hawser.lab.devices.hardware import Hardware
from hawser.lab.devices.link import Link
from hawser.lab.devices.server import Server
from hawser.lab.era import Era
from hawser.lab.marks import Marks
from hawser.lab.plan import PathPlan, Plan, ServerPlan
from hawser.lab.stream import StreamClient
from hawser.lab.trace import Trace

PATHS: Final = 4
SERVERS: Final = 2
SIZE_SECTORS: Final = 2048
# Sessions are open by then.
OPEN_NS: Final = 10 * NS_PER_MS


def stream_plan(mode: str) -> Plan:
    """Four healthy paths, used by service time."""
    paths = " ".join(f"{{p{number}}}" for number in range(PATHS))
    return Plan(
        name="stream",
        size_sectors=SIZE_SECTORS,
        mode=mode,
        tables=[f"0 {SIZE_SECTORS} multipath 2 queue_mode {mode} 0 1 1 service-time 0 {PATHS} 0 {paths}"],
        servers=[ServerPlan() for _ in range(SERVERS)],
        paths=[PathPlan(number % SERVERS, cache="lun") for number in range(PATHS)],
        manager=False,
    )


class StreamRig:
    """`run` as often as you like; virtual time goes on. `client` is the last one."""

    def __init__(self, mode: str) -> None:
        plan = stream_plan(mode)
        self.clock = Clock()
        self.trace = Trace(self.clock)
        self.hardware = Hardware(plan.seed, self.clock, self.trace, Marks())
        self.array = Array(plan.size_sectors, len(plan.servers), plan.cache)
        self.servers = [
            Server(self.hardware, [controller], plan.servers[number])
            for number, controller in enumerate(self.array.controllers)
        ]
        self.links = [
            Link(self.hardware, f"p{number}", self.servers[path.server], path) for number, path in enumerate(plan.paths)
        ]
        self.era = Era(plan, self.hardware, self.links)
        self.client: StreamClient | None = None
        while self.clock.now_ns < OPEN_NS and self._step():
            pass

    def run(self, ios: int, depth: int, seed: int) -> int:
        """Until `ios` I/Os were answered; how many of them failed."""
        client = StreamClient(self.era.device, self.era.disk, Rng(seed), ios, depth)
        self.client = client
        client.start()
        self.era.settle()
        while not client.finished():
            if not self._step():
                raise RuntimeError(f"{client.total - client.answered} I/Os are never answered")
        return client.failed

    def _step(self) -> bool:
        """The next thing that happens; False when nothing ever will."""
        hardware = self.hardware.timers
        engine = self.era.timers
        next_ns = hardware.next_deadline_ns()
        other_ns = engine.next_deadline_ns()
        if next_ns == NEVER or (other_ns != NEVER and other_ns < next_ns):
            next_ns = other_ns
        if next_ns == NEVER:
            return False
        if next_ns > self.clock.now_ns:
            self.clock.now_ns = next_ns
        hardware.advance()
        engine.advance()
        self.era.settle()
        return True
