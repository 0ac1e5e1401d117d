"""SlowPath: an experiment. Of some paths to one disk one becomes many times slower, and heals: what do clients notice, and how
long?

An open loop: I/O comes in bursts, at a rate that the healthy paths can bear, whether the one before was answered or not. So what
waits for the slow path is counted with all of its wait. The manager has its shipped policy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import READ, WRITE
from hawser.block.plug import Plug
from hawser.core.clock import NEVER, Clock, Timer
from hawser.core.rng import Rng
from hawser.core.units import NS_PER_MS, NS_PER_US
from hawser.lab.devices.array import Array
from hawser.lab.devices.hardware import Hardware
from hawser.lab.devices.link import Link
from hawser.lab.devices.server import Server
from hawser.lab.era import Era
from hawser.lab.marks import Marks
from hawser.lab.plan import PathPlan, Plan, ServerPlan, Step
from hawser.lab.trace import Trace
from hawser.manager.policy import KEEPALIVE_NS, MarginalPolicy
from hawser.multipath.path import Path

SIZE_SECTORS: Final = 2048
COUNT: Final = 8
FIXED_NS: Final = NS_PER_MS
OPEN_NS: Final = 10 * NS_PER_MS
BURST: Final = 4
GAP_NS: Final = 20 * NS_PER_MS


@dataclass
class Taken:
    """When an I/O was asked for, and how long it took (NEVER: it is not answered yet). `is_ok`: whether it succeeded."""

    at_ns: int
    took_ns: int = NEVER
    is_ok: bool = False


class _Slot(BioOwner):
    def __init__(self, clock: Clock, taken: Taken) -> None:
        super().__init__()
        self.clock = clock
        self.taken = taken

    def bio_done(self, bio: Bio) -> None:
        self.taken.took_ns = self.clock.now_ns - self.taken.at_ns
        self.taken.is_ok = bio.status == 0


class _Bursts(Timer):
    def __init__(self, rig: "SlowPath") -> None:
        super().__init__()
        self.rig = rig

    def expire(self) -> None:
        self.rig.burst()


def slow_path_plan(mode: str, selector: str, paths: int, tick_ns: int, hedge_after_ns: int = 0) -> Plan:
    """As many servers as paths, in one group."""
    names = " ".join(f"{{p{number}}}" for number in range(paths))
    return Plan(
        name="slow path",
        size_sectors=SIZE_SECTORS,
        mode=mode,
        tables=[f"0 {SIZE_SECTORS} multipath 2 queue_mode {mode} 0 1 1 {selector} 0 {paths} 0 {names}"],
        servers=[ServerPlan(fixed_ns=FIXED_NS) for _ in range(paths)],
        paths=[PathPlan(number, cache="lun", latency_ns=50 * NS_PER_US) for number in range(paths)],
        marginal_tick_ns=tick_ns,
        keepalive_ns=KEEPALIVE_NS,
        hedge_after_ns=hedge_after_ns,
    )


class SlowPath:
    """`run` it, `slow` a server down at any time in between, and ask for `p99_ns` of a stretch of time."""

    def __init__(
        self,
        mode: str,
        selector: str,
        paths: int = 4,
        write_percent: int = 30,
        tick_ns: int = MarginalPolicy().tick_ns,
        hedge_after_ns: int = 0,
    ) -> None:
        plan = slow_path_plan(mode, selector, paths, tick_ns, hedge_after_ns)
        self.clock = Clock()
        self.hardware = Hardware(plan.seed, self.clock, Trace(self.clock), Marks())
        self.array = Array(plan.size_sectors, paths, plan.cache)
        self.servers = [
            Server(self.hardware, [controller], plan.servers[number])
            for number, controller in enumerate(self.array.controllers)
        ]
        self.links = [
            Link(self.hardware, f"p{number}", self.servers[number], plan.paths[number]) for number in range(paths)
        ]
        self.era = Era(plan, self.hardware, self.links)
        self.taken: list[Taken] = []
        self._rng = Rng(paths)
        self._write_percent = write_percent
        self._bursts = _Bursts(self)
        self.run(OPEN_NS)
        self.burst()

    def burst(self) -> None:
        """Ask for a few I/Os anywhere, and for more after a while."""
        plug = Plug()
        for _ in range(BURST):
            taken = Taken(self.clock.now_ns)
            self.taken.append(taken)
            op = WRITE if self._rng.below(100) < self._write_percent else READ
            sector = self._rng.below(SIZE_SECTORS // COUNT) * COUNT
            data = bytes(COUNT * 512) if op == WRITE else None
            self.era.device.submit(Bio(op, sector, COUNT * 512, _Slot(self.clock, taken), data), plug)
        plug.finish()
        self.hardware.timers.arm(self._bursts, GAP_NS)

    def run(self, delay_ns: int) -> None:
        """Let so much time pass."""
        until_ns = self.clock.now_ns + delay_ns
        hardware, engine = self.hardware.timers, self.era.timers
        self.era.settle()
        while True:
            due = [when for when in (hardware.next_deadline_ns(), engine.next_deadline_ns()) if when != NEVER]
            if not due or min(due) > until_ns:
                break
            self.clock.now_ns = max(self.clock.now_ns, min(due))
            hardware.advance()
            engine.advance()
            self.era.settle()
        self.clock.now_ns = until_ns

    def slow(self, number: int, times: int, duration_ns: int) -> None:
        """From now on server `number` takes so many times as long."""
        self.servers[number].apply(Step(self.clock.now_ns, "slow", f"s{number}", duration_ns, times))

    def answer_late(self, number: int, late_ns: int) -> None:
        """The next read that comes to server `number` is answered so much later."""
        self.servers[number].apply(Step(self.clock.now_ns, "answer_late", f"s{number}", late_ns, 0, "read"))

    def path(self, number: int) -> Path:
        return self.era.target().state.paths[number]

    def lines(self) -> list[str]:
        """What the log says of who is used last, and who is not any more."""
        return [text for _, text in self.era.log.lines if " is used " in text]

    def between(self, start_ns: int, end_ns: int) -> Iterator[Taken]:
        """What was asked for within that time."""
        return (taken for taken in self.taken if start_ns <= taken.at_ns < end_ns)

    def p99_ns(self, start_ns: int, end_ns: int) -> int:
        """Of what was asked for within that time; what is not answered yet has waited until now."""
        return self.quantile_ns(start_ns, end_ns, 990)

    def quantile_ns(self, start_ns: int, end_ns: int, of_1000: int) -> int:
        """The same, for so many of a thousand."""
        now_ns = self.clock.now_ns
        times = sorted(
            taken.took_ns if taken.took_ns != NEVER else now_ns - taken.at_ns
            for taken in self.between(start_ns, end_ns)
        )
        return times[len(times) * of_1000 // 1000]
