"""Server: the program (or the port) behind a link that carries out commands on the array by way of its controller.

Fault model. Beside what goes wrong with single commands (hawser.lab.devices.service) the server may

    be killed       nothing more is begun; what was begun takes effect within `drains_ns` (system calls cannot be called back);
                    then the process has gone, and with it a cache of its own, unless that outlives it
    hang            nothing is read or executed; afterwards everything is, whoever still waits for it
    come back wrong with other content, fewer sectors, or read-only
    lose writes     a flush fails once, and what it should have written is gone
    refuse          its port is not active
    be slow

and lose its power. A new process starts when the old one has gone, not before. Nothing is durable in a server: only the array is.
"""

from typing import TYPE_CHECKING

from hawser.lab.devices.array import Controller
from hawser.lab.devices.command import ANSWERED, GONE
from hawser.lab.devices.hardware import Call, Hardware
from hawser.lab.devices.process import Process
from hawser.lab.devices.service import ACTIVE, STANDBY, Service
from hawser.lab.plan import ANSWER_STEPS, ServerPlan, Step

if TYPE_CHECKING:
    from hawser.lab.devices.link import Link


class Server(Service):
    """Steps of the plan come in by `apply`; `links` lead to it."""

    def __init__(self, hardware: Hardware, controllers: list[Controller], plan: ServerPlan) -> None:
        super().__init__(hardware, controllers, plan)
        self.links: list[Link] = []
        # What the next process is like, and whether it is what the server should be.
        self._next = self.process
        self._is_wrong = False
        self._keeps_cache = False
        self._restart_due = False
        self._restart = Call(self._restart_now)
        self._resume = Call(self.resume)
        self._port_back = Call(self._activate)
        self._speed_up = Call(self._fast_again)

    def is_wrong(self) -> bool:
        """Whether it serves, or is about to serve, another disk than it should."""
        return self._is_wrong

    def be_right(self) -> None:
        """It serves the disk that it should after all, as nothing on it can be told from that of another one."""
        if self.process.other is not None:
            self.hardware.trace.note(
                self.lane, "turns", "out to serve the right disk: nothing could tell it from another one"
            )
            self.process.other = None
            self._is_wrong = False

    def is_up(self) -> bool:
        return not self.process.is_killed

    # What goes wrong.

    def apply(self, step: Step) -> None:
        """One of SERVER_STEPS or ANSWER_STEPS happens now."""
        kind = step.kind
        if kind in ANSWER_STEPS:
            self._treatments.arm(step)
        elif kind == "stop":
            self._hang(step.duration_ns)
        elif kind == "flush_error":
            self._executor.flush_errors += 1
        elif kind == "write_back":
            done = sum(controller.write_back(step.amount) for controller in self.controllers)
            self.hardware.trace.note(self.lane, "wrote", f"{done} sectors back from its cache")
        elif kind == "alua":
            self.port = step.word or STANDBY
            self.hardware.trace.note(self.lane, "port", self.port)
            self._until(self._port_back, step.duration_ns)
        elif kind == "slow":
            self._time.slowness = max(1, step.amount)
            self._until(self._speed_up, step.duration_ns)
        else:
            self._come_back_as(step)
            self._kill(step.amount == 1)
            self._until(self._restart, step.duration_ns)

    def _come_back_as(self, step: Step) -> None:
        """What the next process is like, by the kind of step that kills this one."""
        kind = step.kind
        size = self.size_sectors // 2 if kind == "smaller" else self.size_sectors
        other: dict[int, int] | None = {} if kind == "other_disk" else None
        self._next = Process(self.process.number + 1, size, kind == "read_only", other)
        self._is_wrong = kind != "kill"

    def _until(self, end: Call, duration_ns: int) -> None:
        if not end.is_armed() or end.deadline_ns < self.hardware.clock.now_ns + duration_ns:
            self.hardware.timers.arm(end, duration_ns)

    def _kill(self, keeps_cache: bool) -> None:
        process = self.process
        if process.is_killed:
            return
        self.hardware.trace.note(self.lane, "killed", f"{len(self._begun)} begun, {len(self._queue)} in its queue")
        process.is_killed = True
        self._keeps_cache = keeps_cache
        self.is_hung = False
        self.hardware.timers.cancel(self._resume)
        unbegun = [*self._queue, *self._unread, *self._held]
        self._queue.clear()
        self._unread = []
        self._held = []
        for connection in process.connections:
            connection.process_killed(sum(1 for command in unbegun if command.connection is connection))
        for command in unbegun:
            self.hardware.timers.cancel(command)
            if command.stage != ANSWERED or command.connection.is_file:
                self._forget(command, "it was not begun when the process died")
        self._drain()
        if not self._begun:
            self.process_gone()
        for link in self.links:
            link.knock_again()

    def _drain(self) -> None:
        """The system calls of the dead process end, each some time within the bound."""
        self._frozen = []
        for command in self._begun:
            dice = self.hardware.dice(f"{self.name} drains", command.number)
            self.hardware.timers.arm(command, dice.below(max(1, self.drains_ns)))

    def process_gone(self) -> None:
        process = self.process
        if process.is_gone:
            return
        if not self._keeps_cache:
            self._restart_controllers(False)
        self.hardware.trace.note(self.lane, "gone", f"process {process.number}, with all its system calls")
        process.gone()
        if self._restart_due:
            self._restart_now()

    def _restart_now(self) -> None:
        """A new process, as soon as the old one has gone."""
        if not self.process.is_gone:
            self._restart_due = True
            return
        self._restart_due = False
        self.process = self._next
        self._restart_controllers(self._keeps_cache)
        what = "as it was"
        if self.process.other is not None:
            what = "with another disk"
        elif self._is_wrong:
            what = f"with {self.process.size_sectors} sectors, {'read-only' if self.process.read_only else 'writable'}"
        self.hardware.trace.note(self.lane, "restarted", f"process {self.process.number}, {what}")

    def _restart_controllers(self, keeps_cache: bool) -> None:
        for controller in self.controllers:
            controller.restart(keeps_cache)

    def _hang(self, duration_ns: int) -> None:
        if self.process.is_killed:
            return
        self.is_hung = True
        self.hardware.trace.note(self.lane, "hung", f"for {duration_ns} ns")
        self._until(self._resume, duration_ns)

    def resume(self) -> None:
        """It runs again: what it had begun ends, what it received is executed."""
        self.is_hung = False
        self.hardware.trace.note(self.lane, "resumed", f"{len(self._unread)} commands to read")
        frozen = self._frozen
        unread = self._unread
        due = [command for command in self._held if not command.is_armed()]
        self._frozen = []
        self._unread = []
        for command in frozen:
            self._served(command)
        for command in due:
            self._held.remove(command)
            self._held_long_enough(command)
        for command in unread:
            command.connection.taken(command)
            self.receive(command)
        while self._queue and len(self._begun) < self.slots:
            self._begin(self._queue.popleft())
        for connection in list(self.process.connections):
            if connection.wants_close:
                connection.wants_close = False
                connection.close()
        for link in self.links:
            link.knock_again()

    def _activate(self) -> None:
        self.port = ACTIVE
        self.hardware.trace.note(self.lane, "port", ACTIVE)

    def _fast_again(self) -> None:
        self._time.slowness = 1

    def heal(self) -> None:
        """Everything that is wrong with it ends now, and what it holds back goes on."""
        for timer in (self._port_back, self._speed_up, self._restart, self._resume):
            self.hardware.timers.cancel(timer)
        self._treatments.clear()
        self._executor.flush_errors = 0
        self._fast_again()
        if self.port != ACTIVE:
            self._activate()
        if self.is_hung:
            self.resume()
        for command in self._held:
            self.hardware.timers.arm(command, 0)
        if self.is_up() and self._is_wrong:
            self._kill(keeps_cache=False)
        if not self.is_up():
            self._next = Process(self.process.number + 1, self.size_sectors, False, None)
            self._is_wrong = False
            self._restart_now()
        unanswered = self._unanswered
        self._unanswered = []
        for command in unanswered:
            if command.dropped:
                command.connection.refuse(command)
            else:
                self._answer(command)

    # Power.

    def lose_power(self) -> None:
        """It stops, with everything that it had begun; nobody is left to be told."""
        self.process.is_killed = True
        self.process.is_gone = True
        self.process.connections = []
        self.process.watchers = []
        for commands in (list(self._queue), self._begun, self._held, self._unread):
            for command in commands:
                self.hardware.timers.cancel(command)
                command.stage = GONE
        self._queue.clear()
        self._begun = []
        self._held = []
        self._unread = []
        self._frozen = []
        self._unanswered = []
        self.is_hung = False
        for timer in (self._restart, self._resume):
            self.hardware.timers.cancel(timer)
        for link in self.links:
            link.lose_power()

    def power_on(self) -> None:
        """It starts as it should be."""
        self._is_wrong = False
        self._restart_due = False
        self.process = Process(self.process.number + 1, self.size_sectors, False, None)
        self.hardware.trace.note(self.lane, "started", f"process {self.process.number}")
