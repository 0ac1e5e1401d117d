"""Session: our end of one connection to a server, as hawser.paths.nbd_session has it, in virtual time.

The same rules in the same order: what was never handed to the transport is *not sent*; any other command without an answer is
*unknown*; one that timed out is *late*, and its answer the best proof there is. A server without FUA gets a flush behind the
write.

Fault model. Answers come whole: a connection that dies in the middle of a payload is one that died before it. Everything else
that a server or a wire may do to a session happens at this end, too.
"""

from collections import deque
from typing import TYPE_CHECKING, Final

from hawser.block.ops import FLUSH, FUA, READ, is_write_class
from hawser.block.orphan import PROOF_ANSWER, Orphan
from hawser.block.request import ANSWERED, NOT_SENT, UNKNOWN, Request
from hawser.core.clock import Timer
from hawser.core.status import IOERR, OFFLINE, OK, RESOURCE, TIMEOUT, TRANSPORT
from hawser.lab.devices.command import NOTHING, Command, abandon, make_command
from hawser.lab.devices.connection import LinkUser
from hawser.lab.payload import encode

if TYPE_CHECKING:
    from hawser.lab.devices.sim_path import SimPath

CONNECTING: Final = 0
READY: Final = 2
ENDED: Final = 3


class _Deadline(Timer):
    def __init__(self, session: "Session") -> None:
        super().__init__()
        self.session = session

    def expire(self) -> None:
        self.session.check_deadlines()


class Session(LinkUser):
    """`epoch` numbers the sessions of a path. `has_facts`: the server has said what it serves."""

    def __init__(self, driver: "SimPath", epoch: int) -> None:
        self.driver = driver
        self.epoch = epoch
        self.state = CONNECTING
        self.problem = ""
        self.has_facts = False
        self.can_fua = driver.can_fua
        self.in_flight: dict[int, Command] = {}
        self.late: dict[int, Command] = {}
        self.waiting: deque[Command] = deque()
        self._fua_flushes: dict[int, bool] = {}
        # By the cookie of a FUA write, then of its flush: how many doubts there were when the write was sent.
        self._fua_doubts: dict[int, int] = {}
        self._cookie = 0
        self._deadline = _Deadline(self)
        self.connection = driver.link.open(self, epoch)

    # Negotiating.

    def connected(self) -> None:
        self.has_facts = True
        problem = self.driver.check_session(self)
        if problem:
            self.driver.hardware.marks.hit("session refused")
            self.end(problem, by_peer=True)
            return
        self.state = READY
        self.driver.session_opened(self)

    # Sending.

    def send(self, batch: list[Request]) -> None:
        """Hand commands to the transport, as far as it takes them."""
        driver = self.driver
        deadline_ns = driver.clock.now_ns + driver.timeout_ns
        for request in batch:
            request.deadline_ns = deadline_ns
            op = request.op
            self._cookie += 1
            fua = bool(request.flags & FUA) and self.can_fua and op != READ
            command = make_command(self.connection, self._cookie, request, fua)
            self.in_flight[self._cookie] = command
            if request.flags & FUA and not self.can_fua and is_write_class(op):
                self._fua_doubts[self._cookie] = driver.doubt()
            self._send(command)
        if not self._deadline.is_armed():
            driver.timers.arm(self._deadline, driver.timeout_ns)

    def _send(self, command: Command) -> None:
        if not self.waiting and self.connection.send(command):
            self._sent(command)
        else:
            self.waiting.append(command)
            self.connection.user_waits = True

    def _sent(self, command: Command) -> None:
        hardware = self.driver.hardware
        hardware.trace.note(self.driver.lane, "sent", command.text)
        sightings = hardware.sightings
        if sightings.failed or sightings.partial:
            sightings.sent(self.driver.name, command.op, command.sector, command.values)

    def room(self) -> None:
        """Send what waits."""
        waiting = self.waiting
        while waiting:
            if not self.connection.send(waiting[0]):
                return
            self._sent(waiting.popleft())
        self.connection.user_waits = False

    # Receiving.

    def answered(self, command: Command) -> None:
        if self.state != READY:
            return
        cookie = command.cookie
        driver = self.driver
        is_late = self.in_flight.pop(cookie, None) is None
        driver.hardware.trace.note(driver.lane, "late" if is_late else "answered", command.outcome())
        if is_late:
            self._late_reply(command)
        elif command.status != OK:
            self._error(command)
        else:
            request = command.request
            if command.op == READ:
                assert command.data is not None
                request.data = encode(command.data)
            elif request.flags & FUA and not self.can_fua and is_write_class(request.op):
                doubt = self._fua_doubts.pop(cookie)
                if not self._fua_done(cookie):
                    self._flush_for_fua(request, doubt)
                    return
                if doubt != driver.doubt():
                    # A flush of somebody else's has failed meanwhile, and may have lost what this one should have made durable.
                    request.finish(IOERR, 0, ANSWERED)
                    driver.complete(request)
                    return
            request.finish(OK, request.size)
            driver.complete(request)
        if self.problem:
            self.end(f"protocol error: {self.problem}", by_peer=False)

    def _error(self, command: Command) -> None:
        status = command.status
        request = command.request
        self._fua_doubts.pop(command.cookie, 0)
        if self._fua_flushes and self._fua_done(command.cookie):
            if status != RESOURCE:
                self.driver.flush_failed()
        elif command.fua and command.error:
            # (The real driver finds that out by a second try.)
            self.driver.fua_failed(status)
        if status == OFFLINE:
            self.problem = "it refused an I/O within its size: it is not the disk that it was"
        self.driver.hardware.sightings.gave_up(self.driver.name, command.values)
        request.finish(status, 0, ANSWERED)
        self.driver.complete(request)

    def _late_reply(self, command: Command) -> None:
        late = self.late.pop(command.cookie, None)
        if late is None:
            self.problem = f"reply to command {command.cookie}, which no request in flight has"
            return
        driver = self.driver
        if late.orphan is not None:
            if command.status == OK and driver.device is not None:
                driver.device.late_write()
            driver.resolve(late.orphan, PROOF_ANSWER)
        if late.is_flush and command.status != OK and command.status != RESOURCE:
            driver.flush_failed()
        elif late.fua and command.status != OK:
            driver.fua_failed(command.status)
        driver.late_answer(self)

    def _flush_for_fua(self, request: Request, doubt: int) -> None:
        """The server has no FUA: the write is durable when a flush behind it has been answered, and none has failed."""
        self._cookie += 1
        self._fua_doubts[self._cookie] = doubt
        command = Command(self.connection, self._cookie, request, FLUSH, False, 0, NOTHING, "")
        self.in_flight[self._cookie] = command
        self._fua_flushes[self._cookie] = True
        self._send(command)

    def _fua_done(self, cookie: int) -> bool:
        return self._fua_flushes.pop(cookie, False)

    # Late and lost.

    def check_deadlines(self) -> None:
        """Give up on the commands whose time is over."""
        driver = self.driver
        now_ns = driver.clock.now_ns
        overdue = [command for command in self.in_flight.values() if command.request.deadline_ns <= now_ns]
        for command in overdue:
            self._give_up(command)
        if overdue:
            driver.timed_out(self, len(overdue))
        for command in self.in_flight.values():
            driver.timers.arm(self._deadline, max(0, command.request.deadline_ns - now_ns))
            break

    def _give_up(self, command: Command) -> None:
        cookie = command.cookie
        request = command.request
        driver = self.driver
        del self.in_flight[cookie]
        is_fua_flush = self._fua_flushes.pop(cookie, False)
        self._fua_doubts.pop(cookie, 0)
        if self._take_back(command):
            driver.hardware.trace.note(driver.lane, "timeout", f"{command.text}: it was not sent")
            driver.hardware.marks.hit("not sent")
            request.finish(TIMEOUT, 0, UNKNOWN if is_fua_flush else NOT_SENT)
        else:
            driver.hardware.trace.note(driver.lane, "timeout", f"{command.text}: its fate is unknown")
            command.is_flush = is_fua_flush or request.op == FLUSH
            self.late[cookie] = command
            self._orphan(command)
            request.finish(TIMEOUT, 0, UNKNOWN)
        driver.complete(request)

    def _take_back(self, command: Command) -> bool:
        """Whether not a byte of it was handed over; it is forgotten then."""
        if command not in self.waiting or command.started:
            return False
        self.waiting.remove(command)
        return True

    def _orphan(self, command: Command) -> Orphan | None:
        """What stands for a write of unknown fate. A flush for FUA stands for its write, as in the real driver."""
        request = command.request
        driver = self.driver
        if not is_write_class(request.op):
            return None
        abandon(command, driver.name)
        orphan = request.orphaned(driver.name, self.epoch)
        request.orphan = orphan
        command.orphan = orphan
        return orphan

    def end(self, reason: str, by_peer: bool, orderly: bool = False) -> None:
        """The session is over. Whatever has no answer gets its fate; the driver gets the orphans."""
        if self.state == ENDED:
            return
        self.state = ENDED
        driver = self.driver
        driver.timers.cancel(self._deadline)
        driver.hardware.trace.note(driver.lane, "ended", f"session {self.epoch}: {reason}")
        not_sent = [command.cookie for command in self.waiting if not command.started]
        ghosts = [command for command in self.late.values() if command.orphan is not None]
        in_flight = self.in_flight
        self.in_flight = {}
        self.late = {}
        self.waiting.clear()
        for cookie, command in in_flight.items():
            request = command.request
            if cookie in not_sent and cookie not in self._fua_flushes:
                driver.hardware.marks.hit("not sent")
                request.finish(TRANSPORT, 0, NOT_SENT)
            else:
                if self._orphan(command) is not None:
                    ghosts.append(command)
                request.finish(TRANSPORT, 0, UNKNOWN)
            driver.complete(request)
        driver.session_closed(self, reason, by_peer, orderly, ghosts)

    def connection_ended(self, reason: str, orderly: bool) -> None:
        self.end(reason, by_peer=True, orderly=orderly)

    def reset(self) -> None:
        self.connection.reset()

    def requests(self) -> list[Request]:
        return [command.request for command in self.in_flight.values()]
