"""Run: one plan, played from its start to its end, and judged at every event.

The run has four acts. The clients work while the plan's steps happen to them. Then everything heals: servers and links work,
paths are reinstated, what is suspended resumes, queueing is on, and what became of every orphan is told; now every I/O must
come to an end (liveness). Then the whole disk is read, and everything that counts must be back at zero. At last the power
goes, and what the medium holds must be what flushes have promised.
"""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.core.clock import NEVER, Clock, Timer
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.clients import SimClient
from hawser.lab.devices.hardware import Hardware
from hawser.lab.devices.link import Link
from hawser.lab.devices.port_states import PortStates
from hawser.lab.devices.server import Server
from hawser.lab.disks import Disks
from hawser.lab.era import Era
from hawser.lab.map_verbs import MapVerbs
from hawser.lab.marks import Marks
from hawser.lab.oracles.stopwatch import Stopwatch
from hawser.lab.plan import (
    ANSWER_STEPS,
    CLIENT_STEPS,
    LINK_STEPS,
    MAP_STEPS,
    PORT_STEPS,
    QUEUE_STEPS,
    SERVER_STEPS,
    ClientPlan,
    Op,
    Plan,
    Step,
)
from hawser.lab.referee import Referee
from hawser.lab.sentinel import Sentinel
from hawser.lab.stacks import devices_beside, has_type, longest_delay_ns
from hawser.lab.trace import Event, Trace

# A wrong disk comes only when so many of the last writes can tell it.
TESTIMONIES_MIN: Final = 4
# How long the clients may take once the last step has ended, and once everything has healed.
WORK_NS: Final = 30 * NS_PER_S
HEAL_NS: Final = 120 * NS_PER_S
# A session is opened again within this, once everything works.
NOTICE_NS: Final = NS_PER_S
RECONNECT_NS: Final = 15 * NS_PER_S
# An activation, without what the array takes for a transition: two reports 2 s apart, and the delay before another round.
ACTIVATION_NS: Final = 5 * NS_PER_S
# So often an operator looks, once everything works, whether a path that nobody else looks after is to be put back.
OPERATOR_NS: Final = NS_PER_S
# What takes time, and is no reason for anything to fail.
HARMLESS: Final = ("slow", "brown_out", "write_back")
EVENTS_MAX: Final = 2_000_000


class Outcome:
    """What became of a run. `faults` is empty if everything was right; `digest` is the hash over every event."""

    def __init__(self, plan: Plan, faults: list[str], trace: Trace, marks: Marks, bios: int, end_ns: int) -> None:
        self.plan = plan
        self.faults = faults
        self.digest = trace.digest()
        self.event_count = trace.count
        self.events: list[Event] = trace.events
        self.hits = marks.hits
        self.bios = bios
        self.end_ns = end_ns


class _StepTimer(Timer):
    def __init__(self, run: "Run", step: Step) -> None:
        super().__init__()
        self.run = run
        self.step = step

    def expire(self) -> None:
        self.run.happen(self.step)


class _PowerOn(Timer):
    def __init__(self, run: "Run") -> None:
        super().__init__()
        self.run = run

    def expire(self) -> None:
        self.run.power_on()


class _Operator(Timer):
    def __init__(self, run: "Run") -> None:
        super().__init__()
        self.run = run

    def expire(self) -> None:
        self.run.reinstate()


class Run:
    """`go` once."""

    def __init__(self, plan: Plan, keep_events: bool = False) -> None:
        self.plan = plan
        clock = Clock()
        self.trace = Trace(clock, keep_events)
        self.marks = Marks()
        self.hardware = Hardware(plan.seed, clock, self.trace, self.marks)
        self.disks = Disks(plan, self.hardware)
        self.servers = [
            Server(self.hardware, self.disks.controllers(number), facts) for number, facts in enumerate(plan.servers)
        ]
        self.links = [
            Link(self.hardware, f"p{number}", self.servers[path.server], path) for number, path in enumerate(plan.paths)
        ]
        self.history = self.disks.history
        self.stopwatch = Stopwatch(clock, _bound_ns(plan))
        self.referee = Referee(self.hardware, self.history, self.stopwatch)
        for client in plan.clients:
            self.referee.shifts[client.device] = self.disks.places.shift(client.device)
        self.sentinel = Sentinel(self.hardware, self.referee, self.stopwatch)
        self.port_states = PortStates(plan, self.hardware) if plan.alua else None
        self.era = Era(plan, self.hardware, self.links, self.port_states)
        self.verbs = MapVerbs(self.era)
        # Of eras that are over: what was at work then has ended with them, and undoes nothing.
        self._former_verbs: list[MapVerbs] = []
        self.clients: list[SimClient] = []
        self.is_powered = True
        self._steps_left = len(plan.steps)
        self._events = 0
        self._power_on = _PowerOn(self)
        self._operator = _Operator(self)
        if has_type(plan, "flakey") or has_type(plan, "dust"):
            # They misbehave by their nature.
            self.hardware.trouble()

    def _begin_era(self) -> None:
        self.disks.look_at(self.era)
        self.referee.fences = [disk.fences for disk in self.era.disks]

    def go(self) -> Outcome:
        self._begin_era()
        for index, client in enumerate(self.plan.clients):
            self._start_client(client, index)
        for step in self.plan.steps:
            self.hardware.timers.arm(_StepTimer(self, step), step.at_ns)
        last_ns = max([step.at_ns + step.duration_ns for step in self.plan.steps], default=0)
        self._advance(last_ns + WORK_NS)
        self._heal()
        if not self._advance(self.hardware.clock.now_ns + HEAL_NS):
            for text in self.referee.left_open()[:5]:
                self.referee.fault(f"never answered, though everything works again: {text}")
        else:
            end_ns = self.hardware.clock.now_ns + HEAL_NS
            while any(watch.target().state.valid_paths == 0 for watch in self.era.watches) and self._step(end_ns):
                pass
            self._read_everything()
            self._rest()
            self.hardware.timers.cancel(self._operator)
            self.sentinel.judge_rest(self.era)
            for difference in self.disks.differences():
                self.referee.fault(difference)
            self._judge_power_loss()
        return Outcome(
            self.plan, self.referee.faults, self.trace, self.marks, self.referee.bios, self.hardware.clock.now_ns
        )

    # Time.

    def _advance(self, until_ns: int) -> bool:
        """Let things happen until the clients are done with all steps behind them, or until then. Whether they are done."""
        self._settle()
        while not self._is_over():
            if not self._step(until_ns):
                return False
        return True

    def _step(self, until_ns: int) -> bool:
        """The next thing that happens; whether there is one until then."""
        clock = self.hardware.clock
        next_ns = self.hardware.timers.next_deadline_ns()
        if self.is_powered:
            next_ns = _earlier(next_ns, self.era.timers.next_deadline_ns())
        self._events += 1
        if next_ns == NEVER or next_ns > until_ns or self._events > EVENTS_MAX:
            clock.now_ns = max(clock.now_ns, until_ns)
            return False
        clock.now_ns = max(clock.now_ns, next_ns)
        self.hardware.timers.advance()
        if self.is_powered:
            self.era.timers.advance()
        self._settle()
        return True

    def _settle(self) -> None:
        if not self.is_powered:
            return
        self.era.settle()
        while self.verbs.programs.poll():
            self.era.settle()
        self.sentinel.look(self.era, self.verbs.is_suspended())

    def _is_over(self) -> bool:
        if self._steps_left or not self.is_powered:
            return False
        return all(client.finished() for client in self.clients)

    # Steps.

    def happen(self, step: Step) -> None:
        """Do what a step of the plan says, whatever the engine is doing."""
        self._steps_left -= 1
        kind = step.kind
        words = f"{kind} {step.target} {step.word}".rstrip()
        self.trace.note("world", "step", f"{words} duration={step.duration_ns} amount={step.amount}")
        if not self.is_powered:
            return
        if kind in SERVER_STEPS + ANSWER_STEPS + LINK_STEPS and kind not in HARMLESS:
            self.hardware.trouble()
        if kind == "other_disk" and not self._can_be_told():
            # Too little was written that could tell it from the right one, and will not be in doubt by then.
            self.trace.note("world", "passes over", words)
        elif kind in SERVER_STEPS or kind in ANSWER_STEPS:
            self.servers[int(step.target[1:])].apply(step)
        elif kind in LINK_STEPS:
            self.links[int(step.target[1:])].apply(step)
        elif kind in CLIENT_STEPS:
            self._happen_to_client(step)
        elif kind in MAP_STEPS or kind in QUEUE_STEPS:
            self.verbs.apply(step)
        elif kind in PORT_STEPS:
            if self.port_states is not None:
                self.port_states.apply(step)
        else:
            assert kind == "power_loss", kind
            self._lose_power(step.duration_ns)

    def _can_be_told(self) -> bool:
        """Whether there is enough by which another disk could be told, though all that is on its way may fail."""
        testimonies = self.era.disk.witness.testimonies()
        told = [each for each in testimonies if not self.referee.is_being_written(each.sector, each.end_sector())]
        return len(told) >= TESTIMONIES_MIN

    def _happen_to_client(self, step: Step) -> None:
        newest = [client for client in self.clients if client.name == step.target][-1]
        if not newest.dead:
            newest.disconnect()
        if step.kind == "reconnect":
            # What its predecessor has open must end all the same: it stays in the list.
            client = newest.successor()
            self.clients.append(client)
            client.start()

    def _start_client(self, plan: ClientPlan, index: int) -> SimClient:
        era = self.era
        device = self._device(plan)
        client = SimClient(plan, index, device, self.hardware, era.timers, era.disk, self.referee)
        self.clients.append(client)
        client.start()
        return client

    def _device(self, plan: ClientPlan) -> BlockDevice:
        """What a client has open."""
        return self.era.devices[plan.device] if plan.device else self.era.device

    # Power.

    def _lose_power(self, duration_ns: int) -> None:
        self.hardware.trouble()
        self.marks.hit("power lost")
        self.is_powered = False
        for client in self.clients:
            if not client.dead:
                client.disconnect(cancel=False)
        self.era.end()
        for server in self.servers:
            server.lose_power()
        self.referee.power_lost()
        self._judge_medium()
        self.hardware.timers.arm(self._power_on, duration_ns)

    def power_on(self) -> None:
        """Servers and a new gateway start; so do new clients, with what the old ones had not asked for."""
        self.trace.note("world", "power", "on")
        for server in self.servers:
            server.power_on()
        self.is_powered = True
        self._former_verbs.append(self.verbs)
        self.era = Era(self.plan, self.hardware, self.links, self.port_states)
        self.verbs = MapVerbs(self.era)
        self._begin_era()
        planned = [client for client in self.clients if client.index >= 0]
        self.clients = []
        for index in range(len(self.plan.clients)):
            newest = max((client for client in planned if client.index == index), key=lambda client: client.next_op)
            self.clients.append(newest.successor(self._device(newest.plan), self.era.timers, self.era.disk))
        for client in self.clients:
            client.start()

    def _judge_medium(self) -> None:
        lost, survived = self.history.lost_writes, self.history.survivors
        fault = self.disks.lose_power()
        if fault:
            self.referee.fault(fault)
        if self.history.survivors > survived:
            self.marks.hit("flushed write survived")
        if self.history.lost_writes > lost:
            self.marks.hit("unflushed write vanished")

    # The end.

    def _heal(self) -> None:
        self.trace.note("world", "heals")
        for link in self.links:
            link.heal()
        for server in self.servers:
            server.heal()
        if self.port_states is not None:
            self.port_states.heal()
        # First everybody shall notice what has happened to sessions, and then open new ones.
        start_ns = self.hardware.clock.now_ns
        while self._step(start_ns + NOTICE_NS):
            pass
        for path in self.era.paths:
            if path.is_refused:
                # (An operator who has put it right says so. What a manager has found by itself follows below.)
                path.look_again()
        while any(path.trouble() for path in self.era.paths) and self._step(start_ns + RECONNECT_NS):
            pass
        self.verbs.heal()
        self.hardware.timers.arm(self._operator, OPERATOR_NS)

    def reinstate(self) -> None:
        """The operator looks again."""
        self.verbs.reinstate()
        self.hardware.timers.arm(self._operator, OPERATOR_NS)

    def _read_everything(self) -> None:
        """A client of its own reads the whole disk: no sector may hold what it must not."""
        unit, size = max(self.plan.declared_unit_sectors, 8), self.disks.places.size_sectors()
        ops = [Op("read", sector, min(unit, size - sector)) for sector in range(0, size, unit)]
        reader = self._start_client(ClientPlan("reader", ops, depth=8), -1)
        if not self._advance(self.hardware.clock.now_ns + HEAL_NS):
            self.referee.fault(
                f"the disk cannot be read, though everything works again: {self.referee.left_open()[:3]}"
            )
        elif reader.failed:
            self.referee.fault(f"{reader.failed} reads failed though everything works again")

    def _rest(self) -> None:
        """Wait for what is no client's: probes, the flush of a cache that was left."""
        end_ns = self.hardware.clock.now_ns + HEAL_NS
        while not self.sentinel.is_at_rest(self.era) and self._step(end_ns):
            pass

    def _judge_power_loss(self) -> None:
        self.referee.power_lost()
        self._judge_medium()


def _earlier(first_ns: int, second_ns: int) -> int:
    if first_ns == NEVER:
        return second_ns
    return first_ns if second_ns == NEVER else min(first_ns, second_ns)


def _bound_ns(plan: Plan) -> int:
    """What one I/O may take while a path can be used: each path may let it time out once per thing that happens to it, and it
    waits for its turn behind everything else that the clients have asked for."""
    timeout_ns = max((path.io_timeout_ns for path in plan.paths), default=0) + plan.polling_ns + 300 * NS_PER_MS
    if plan.alua:
        # A group that is activated, its transition, and one more round of it.
        timeout_ns += 2 * (plan.alua_transition_ns + ACTIVATION_NS)
    slowest_ns = max((server.fixed_ns * 100 for server in plan.servers), default=0)
    ops = sum(len(client.ops) for client in plan.clients)
    held_ns = longest_delay_ns(plan) * (1 + len(devices_beside(plan))) + plan.merge_deadline_ns * ops
    return (len(plan.paths) + len(plan.steps) + 1) * (timeout_ns + held_ns) + ops * slowest_ns
