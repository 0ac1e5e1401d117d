"""Connection: what a path and a server have of each other, from the first packet to the last effect of what was sent.

Fault model. Commands and answers arrive in order, whole, unchanged, once, or not at all; our side and the server may differ on
whether the connection still stands. Bytes wait in the send queue of one side when nothing passes, and in the server's socket
buffer when it does not read; both count against `Link.send_buffer_bytes`, and what does not fit stays with the user. After its
end:

    tcp    what sits in our send queue goes with our reset, and goes out later without one (`black-hole-send-queue.py`)
    unix   there is no queue of ours: what was sent is with the server, whatever we close
    file   there is no connection to lose: calls under way return with an error, and later ones go

The server executes what it has received, however long after. Only where the path declares a quiesce time does an upper bound
hold: then nothing takes effect `ServerPlan.drains_ns` after our end was closed, which is what such a declaration says.
"""

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from hawser.core.clock import NEVER, Timer
from hawser.core.status import IOERR
from hawser.lab.devices.array import Controller
from hawser.lab.devices.command import GOING, GONE, RETURNING, Command
from hawser.lab.devices.hardware import Hardware
from hawser.lab.devices.process import Process
from hawser.lab.plan import FILE, UNIX

if TYPE_CHECKING:
    from hawser.lab.devices.link import Link

RESET: Final = "connection reset by peer"
CLOSED: Final = "the server closed the connection"


@mypyc_attr(allow_interpreted_subclasses=True)
class LinkUser:
    """Our end of a connection."""

    def connected(self) -> None:
        """The server has accepted."""

    def room(self) -> None:
        """The transport takes bytes again."""

    def answered(self, command: Command) -> None:
        """The answer is in the command."""

    def connection_ended(self, reason: str, orderly: bool) -> None:
        """The other side, or the wire, has ended it; `orderly`: with an end of file."""


class Connection:
    """`number` is the session's. `process` serves it; None before it is accepted, and for files."""

    def __init__(self, link: "Link", user: LinkUser, number: int) -> None:
        self.link = link
        self.hardware: Hardware = link.hardware
        self.server = link.server
        self.name = link.name
        self.user = user
        self.number = number
        self.prefix = f"{link.name}#{number}."
        self.is_file = link.transport == FILE
        self.keeps_sent = link.transport == UNIX
        self.is_bounded = link.is_bounded
        self.process: Process | None = None
        self.is_open_here = True
        self.is_open_there = False
        self.ended_ns = NEVER
        # Commands of an earlier life were under way when it was lost: each has `chance` percent to arrive.
        self.life = 0
        self.chance = 0
        self.buffered = 0
        self.controller: Controller = self.server.controllers[link.lun]
        # Failed flushes of the server's cache that this connection knows of, or need not know of.
        self.errors_seen = self.controller.cache.errors_told
        self.user_waits = False
        self.is_closing = False
        self.wants_close = False
        self.stuck_out: list[Command] = []
        self.stuck_back: list[Command] = []
        self.stuck_end: _End | None = None
        self._fin_waits = False
        self._end_when_gone = False
        self._is_orderly = False
        self._last_out_ns = 0
        self._last_back_ns = 0

    # Out.

    def send(self, command: Command) -> bool:
        """Hand a command to the transport; False when there is no room for it."""
        if self.buffered and self.buffered + command.size > self.link.send_buffer_bytes:
            if self.buffered < self.link.send_buffer_bytes:
                command.started = True
            return False
        self.buffered += command.size
        command.life = self.life
        command.stage = GOING
        if self.link.is_blocked:
            self._stick(command)
        else:
            self.depart(command)
        return True

    def depart(self, command: Command) -> None:
        """Onto the wire. Nothing overtakes."""
        now_ns = self.hardware.clock.now_ns
        due_ns = self.link.transmit(command.size)
        if due_ns < self._last_out_ns:
            due_ns = self._last_out_ns
        self._last_out_ns = due_ns
        self.hardware.timers.arm(command, due_ns - now_ns)

    def arrive(self, command: Command) -> None:
        """It is at the other end."""
        if command.life != self.life:
            self._stray(command)
        elif self.link.is_blocked:
            self._stick(command)
        elif self.is_closing:
            self.drop(command, "it came after the server had closed")
        elif self.server.is_hung:
            self.server.leave_unread(command)
        else:
            self.buffered -= command.size
            self.server.receive(command)
            if self.user_waits:
                self.user.room()

    def taken(self, command: Command) -> None:
        """The server has read what waited in its socket buffer."""
        self.buffered -= command.size
        if self.user_waits and self.is_open_here:
            self.user.room()

    def _stick(self, command: Command) -> None:
        if not self.is_open_here and not self.keeps_sent:
            self.hardware.marks.hit("send queue dropped")
            self.drop(command, "it was in our send queue when we reset the connection")
            return
        self.hardware.marks.hit("black hole")
        self.stuck_out.append(command)
        self.link.has_stuck(self)

    def _stray(self, command: Command) -> None:
        """It was under way when the connection was lost."""
        arrives = self.hardware.dice(f"{self.name} loss {self.number}", command.cookie).below(100) < self.chance
        if arrives and (self.is_file or (self.process is not None and not self.process.is_killed)):
            if self.server.is_hung:
                self.server.leave_unread(command)
            else:
                self.server.receive(command)
        elif self.is_file:
            self.refuse(command)
        else:
            self.drop(command, "it was lost on the way")

    # Back.

    def answer(self, command: Command) -> None:
        """The server has sent an answer."""
        if not self.is_open_there:
            command.stage = GONE
            return
        command.stage = RETURNING
        now_ns = self.hardware.clock.now_ns
        self.hardware.timers.arm(command, self._back_ns() - now_ns)
        if self._fin_waits:
            self.drained()

    def _back_ns(self) -> int:
        due_ns = self.hardware.clock.now_ns + self.link.delay_ns
        if due_ns < self._last_back_ns:
            due_ns = self._last_back_ns
        self._last_back_ns = due_ns
        return due_ns

    def returned(self, command: Command) -> None:
        """The answer is with us."""
        if self.link.is_blocked:
            self.stuck_back.append(command)
            self.link.has_stuck(self)
            return
        command.stage = GONE
        if self.is_file and command.life != self.life:
            command.status = IOERR
            command.good = 0
            command.data = None
        if self.is_open_here:
            if command.error:
                cache = self.controller.cache
                cache.errors_told = max(cache.errors_told, command.error)
            self.user.answered(command)

    def refuse(self, command: Command) -> None:
        """Answer with an error, not executed."""
        command.status = IOERR
        command.good = 0
        self.answer(command)

    def release(self) -> None:
        """The wire passes again: everything that was stuck moves, in order."""
        out = sorted(self.stuck_out, key=_cookie)
        back = self.stuck_back
        end = self.stuck_end
        self.stuck_out = []
        self.stuck_back = []
        self.stuck_end = None
        for command in out:
            self.depart(command)
        for command in back:
            self.hardware.timers.arm(command, self._back_ns() - self.hardware.clock.now_ns)
        if end is not None:
            self.hardware.timers.arm(end, self._back_ns() - self.hardware.clock.now_ns)

    # Beginning and end.

    def accept(self, process: Process | None) -> None:
        """The server has it now; a file is always there."""
        self.process = process
        self.is_open_there = True
        if process is not None:
            process.connections.append(self)

    def reset(self) -> None:
        """Our side closes it so that nothing that we still hold goes out any more."""
        if not self.is_open_here:
            return
        self._closed_here()
        if self.stuck_out and not self.keeps_sent:
            stuck = self.stuck_out
            self.stuck_out = []
            self.hardware.marks.hit("send queue dropped")
            for command in stuck:
                self.drop(command, "it was in our send queue when we reset the connection")

    def let_go(self) -> None:
        """Our process is gone: its kernel closes the connection in good order, and sends what it was handed."""
        self.user = LinkUser()
        self.keeps_sent = True
        if self.is_open_here:
            self._closed_here()

    def _closed_here(self) -> None:
        self.is_open_here = False
        self.user_waits = False
        self.ended_ns = self.hardware.clock.now_ns
        self.link.closed(self)

    def lose(self, chance: int, far: bool) -> None:
        """The wire fails. Both sides know at once; `far`: only ours does, and the server goes on with what it has."""
        self.life += 1
        self.chance = chance
        stuck = self.stuck_out
        self.stuck_out = []
        for command in stuck:
            if far and self.keeps_sent:
                command.life = self.life
                self.stuck_out.append(command)
            else:
                self._stray_or_lost(command)
        if not far:
            self.server.lose_unbegun(self, chance)
        if self.is_file:
            return
        self.is_open_there = False
        self.end_here(RESET, orderly=False)

    def _stray_or_lost(self, command: Command) -> None:
        if self.is_file:
            self._stray(command)
        else:
            self.drop(command, "it was in our send queue when the connection was lost")

    def end_here(self, reason: str, orderly: bool) -> None:
        """Our side learns of the end."""
        if self.is_open_here:
            self._closed_here()
            self.user.connection_ended(reason, orderly)

    def close(self) -> None:
        """The server closes in good order: it reads no more; where that is declared it has executed and answered what it read."""
        if self.is_file or not self.is_open_there or self.is_closing:
            return
        if self.server.is_hung:
            self.wants_close = True
            return
        self.is_closing = True
        if self.link.eof_drains or self._rolls("close"):
            self._fin_waits = True
            self.drained()
        else:
            self._say_end(orderly=True)

    def drained(self) -> None:
        """One thing less to do before it may be closed."""
        if self._fin_waits and not self.server.holds(self):
            self._fin_waits = False
            self._say_end(orderly=True)

    def process_killed(self, forgotten: int) -> None:
        """`forgotten` commands of ours that it had received were not begun. The end is seen now, or when the process has gone."""
        if not self.is_open_there:
            return
        self._is_orderly = self.buffered == 0 and forgotten == 0
        self.life += 1
        self.chance = 0
        self._fin_waits = False
        self.is_open_there = False
        if self.link.eof_drains or self._rolls("killed"):
            self._end_when_gone = True
        else:
            self._say_end(self._is_orderly)

    def process_gone(self) -> None:
        if self._end_when_gone:
            self._end_when_gone = False
            self._say_end(self._is_orderly)

    def _rolls(self, what: str) -> bool:
        return self.hardware.dice(f"{self.name} {what}", self.number).below(2) == 0

    def _say_end(self, orderly: bool) -> None:
        self.is_open_there = False
        self.hardware.timers.arm(_End(self, orderly), self._back_ns() - self.hardware.clock.now_ns)

    def end_arrived(self, end: "_End") -> None:
        if self.link.is_blocked:
            self.stuck_end = end
            self.link.has_stuck(self)
        else:
            self.end_here(CLOSED if end.orderly else RESET, end.orderly)

    def lose_power(self) -> None:
        """Nothing that was under way arrives anywhere."""
        self.life += 1
        self.chance = 0
        self.is_open_there = self.is_file
        self.stuck_out = []
        self.stuck_back = []
        self.stuck_end = None

    def is_over(self) -> bool:
        """Whether nothing that was sent on it may take effect any more, as a declared quiesce time says."""
        if not self.is_bounded or self.ended_ns == NEVER:
            return False
        return self.hardware.clock.now_ns >= self.ended_ns + self.server.drains_ns

    def drop(self, command: Command, why: str) -> None:
        """It will never take effect."""
        command.stage = GONE
        command.dropped = True
        self.hardware.trace.note(self.server.lane, "dropped", f"{command.text}: {why}")
        if command.is_write and command.abandoned:
            self.hardware.marks.hit("ghost never landed")


class _End(Timer):
    """The end of a connection on its way to us."""

    def __init__(self, connection: Connection, orderly: bool) -> None:
        super().__init__()
        self.connection = connection
        self.orderly = orderly

    def expire(self) -> None:
        self.connection.end_arrived(self)


def _cookie(command: Command) -> int:
    return command.cookie
