"""Service: how a server receives commands, begins them, ends them, and answers; and how it treats some of them unlike that.

Fault model. Commands are begun in order of arrival, `slots` at once, and end in any order. A treatment
(hawser.lab.devices.answers) may make a command late, silent, wrong, short or doubly answered; none is executed twice. One whose
connection has ended is executed all the same, unless its path's declaration bounds that (hawser.lab.devices.connection).
"""

from collections import deque
from typing import TYPE_CHECKING, Final

from hawser.core.status import IOERR, OK, RESOURCE, TRANSPORT
from hawser.core.units import NS_PER_MS
from hawser.lab.devices.answers import Treatment, Treatments
from hawser.lab.devices.array import Controller
from hawser.lab.devices.command import ANSWERED, GONE, HELD, QUEUED, SERVED, Command
from hawser.lab.devices.executor import Executor
from hawser.lab.devices.hardware import Hardware
from hawser.lab.devices.process import Process
from hawser.lab.devices.service_time import ServiceTime
from hawser.lab.plan import ServerPlan

if TYPE_CHECKING:
    from hawser.lab.devices.connection import Connection

# States of a port, as ALUA has them.
ACTIVE: Final = "active"
STANDBY: Final = "standby"
UNAVAILABLE: Final = "unavailable"
TRANSITIONING: Final = "transitioning"

# What a file's call takes to fail where there is nobody to ask.
REFUSAL_NS: Final = NS_PER_MS // 10


class Service:
    """`name` is its controllers', of which it has one for each disk that it serves. `lane` is where the trace has it."""

    def __init__(self, hardware: Hardware, controllers: list[Controller], plan: ServerPlan) -> None:
        controller = controllers[0]
        self.hardware = hardware
        self.controllers = controllers
        self.name = controller.name
        self.lane = f"server {controller.name}"
        self.slots = plan.slots
        self.queue_max = plan.queue_max
        self.drains_ns = plan.drains_ns
        self.size_sectors = len(controller.array.medium)
        self.process = Process(0, self.size_sectors, False, None)
        self.is_hung = False
        self.port = ACTIVE
        self.received = 0
        self._treatments = Treatments()
        self._time = ServiceTime(hardware, self.name, plan.fixed_ns, plan.bytes_per_s, plan.spread)
        self._executor = Executor(hardware, controller.array.unit_sectors, self.lane)
        # Received and not begun; in system calls; held back, before or after they are executed; not read; in system calls
        # of a hung process; calls of files that nobody answers.
        self._queue: deque[Command] = deque()
        self._begun: list[Command] = []
        self._held: list[Command] = []
        self._unread: list[Command] = []
        self._frozen: list[Command] = []
        self._unanswered: list[Command] = []

    def load(self) -> int:
        """Commands that are begun or wait for it."""
        return len(self._begun) + len(self._queue)

    def process_gone(self) -> None:
        """The last system call of a killed process has returned."""
        raise NotImplementedError

    # Commands.

    def receive(self, command: Command) -> None:
        """A command has arrived and is read."""
        connection = command.connection
        process = self.process if connection.is_file else connection.process
        assert process is not None
        command.process = process
        if process.is_killed:
            self._no_process(command)
            return
        self.received += 1
        command.number = self.received
        if self.port != ACTIVE:
            self._refuse_for_port(command)
            return
        if self._treatments.armed:
            command.treatment = self._treatments.take(command)
            if command.treatment is not None:
                self._treat(command, command.treatment)
                return
        self._queue_or_begin(command)

    def _queue_or_begin(self, command: Command) -> None:
        if len(self._begun) < self.slots and not self.is_hung:
            self._begin(command)
        else:
            command.stage = QUEUED
            self._queue.append(command)

    def _begin(self, command: Command) -> None:
        command.stage = SERVED
        self._begun.append(command)
        process = command.process
        assert process is not None
        self._executor.begin(command, process)
        self.hardware.timers.arm(command, self._time.of(command.number, command.count))

    def command_due(self, command: Command) -> None:
        """What a command waited for here has come."""
        if command.stage == SERVED:
            if self.is_hung:
                self._frozen.append(command)
            else:
                self._served(command)
        elif not self.is_hung:
            # (While it hangs, it stays held, and goes on with everything else.)
            self._held.remove(command)
            self._held_long_enough(command)

    def _held_long_enough(self, command: Command) -> None:
        if command.stage == HELD:
            self._queue_or_begin(command)
        else:
            self._answer(command)

    def _served(self, command: Command) -> None:
        """Its service is over: it takes effect now, and is answered."""
        self._begun.remove(command)
        process = command.process
        assert process is not None
        if command.connection.is_over() or command.forbidden:
            command.connection.drop(command, "the server gave up what came over a connection that is no more")
            self._left(command)
        else:
            self._executor.execute(command, process)
            if process.is_killed:
                self._finish_dead(command)
            elif command.treatment is not None:
                self._answer_treated(command, command.treatment)
            else:
                self._answer(command)
        if process.is_killed:
            if not self._begun:
                self.process_gone()
        elif self._queue and not self.is_hung and len(self._begun) < self.slots:
            self._begin(self._queue.popleft())

    def _finish_dead(self, command: Command) -> None:
        """A killed process says no more; but a file's system call returns."""
        if command.connection.is_file:
            command.connection.refuse(command)
        else:
            command.stage = GONE

    def _no_process(self, command: Command) -> None:
        """It reached a machine on which nobody serves."""
        if command.connection.is_file:
            command.status = IOERR
            self._hold(command, ANSWERED, REFUSAL_NS)
        else:
            command.connection.drop(command, "the process is dead")

    def _answer(self, command: Command) -> None:
        command.connection.answer(command)

    def _left(self, command: Command) -> None:
        """It is not here any more, and has no answer."""
        command.connection.drained()

    # Treatments.

    def _treat(self, command: Command, treatment: Treatment) -> None:
        kind = treatment.kind
        self._say(command, "treats", f"{kind}, {treatment.duration_ns} ns, {treatment.amount}")
        if kind == "lost_command":
            command.connection.drop(command, "the server lost it")
            self._keep_unanswered(command)
        elif kind == "error":
            command.status = treatment.amount or IOERR
            self._answer(command)
        elif kind == "execute_late":
            self._hold(command, HELD, treatment.duration_ns)
        else:
            self._queue_or_begin(command)

    def _answer_treated(self, command: Command, treatment: Treatment) -> None:
        """It has been executed."""
        kind = treatment.kind
        if kind == "answer_never":
            self._keep_unanswered(command)
            return
        if kind == "answer_late":
            self._hold(command, ANSWERED, treatment.duration_ns)
            return
        if kind == "error_after" or (kind == "short" and command.status == OK):
            self._spoil(command, treatment)
        self._answer(command)
        if kind == "answer_twice":
            self.hardware.marks.hit("answer twice")
            self._hold(_copy(command), ANSWERED, treatment.duration_ns)

    def _spoil(self, command: Command, treatment: Treatment) -> None:
        is_file = command.connection.is_file
        if treatment.kind == "short":
            command.status = IOERR if is_file else TRANSPORT
        else:
            command.status = treatment.amount
            command.good = 0
        if not is_file or treatment.kind != "short":
            # An error of NBD's has no good bytes.
            command.good = 0
            command.data = None

    def _hold(self, command: Command, stage: int, duration_ns: int) -> None:
        command.stage = stage
        self._held.append(command)
        self.hardware.timers.arm(command, duration_ns)

    def _keep_unanswered(self, command: Command) -> None:
        command.stage = GONE
        if command.connection.is_file:
            # A system call returns some day.
            self._unanswered.append(command)
        self._left(command)

    def _refuse_for_port(self, command: Command) -> None:
        self.hardware.marks.hit("alua")
        command.status = RESOURCE if self.port == TRANSITIONING else IOERR
        self._say(command, "refused", f"the port is {self.port}")
        self._answer(command)

    # Connections.

    def leave_unread(self, command: Command) -> None:
        """It waits in the socket buffer of a hung server."""
        command.stage = QUEUED
        self._unread.append(command)

    def holds(self, connection: "Connection") -> bool:
        """Whether something that came over this connection has not been dealt with."""
        for commands in (self._begun, self._held, self._unread):
            for command in commands:
                if command.connection is connection and command.stage != GONE:
                    return True
        for command in self._queue:
            if command.connection is connection:
                return True
        return False

    def lose_unbegun(self, connection: "Connection", chance: int) -> None:
        """The connection was reset: each command that was not begun is read, with this chance, or lost."""
        self._queue = deque(self._those_that_stay(list(self._queue), connection, chance))
        self._unread = self._those_that_stay(self._unread, connection, chance)

    def _those_that_stay(self, commands: list[Command], connection: "Connection", chance: int) -> list[Command]:
        stay: list[Command] = []
        for command in commands:
            dice = self.hardware.dice(f"{self.name} loss {connection.name}", command.cookie)
            if command.connection is not connection or dice.below(100) < chance:
                stay.append(command)
            else:
                self._forget(command, "the server had not read it when the connection was lost")
        return stay

    def _forget(self, command: Command, why: str) -> None:
        if command.connection.is_file:
            command.connection.refuse(command)
        else:
            command.connection.drop(command, why)

    def _say(self, command: Command, what: str, more: str) -> None:
        self.hardware.trace.note(self.lane, what, f"{command.text}: {more}")


def _copy(command: Command) -> Command:
    """The same answer once more."""
    twin = Command(
        command.connection, command.cookie, command.request, command.op, command.fua, command.count, command.values, ""
    )
    twin.text = command.text
    twin.sector = command.sector
    twin.life = command.life
    twin.process = command.process
    twin.status = command.status
    twin.good = command.good
    twin.data = command.data
    return twin
