"""NbdSession: one connection to an NBD server, from connect to the last byte; commands pipelined, answers in any order.

It knows what became of each command when the connection ends: one that was never handed to the transport is *not sent*; any other
without an answer is *unknown*. A command that timed out is kept as *late*: its answer may still come, and is the best proof then.
"""

import contextlib
import socket
from typing import TYPE_CHECKING, Final

from hawser.block.ops import FLUSH, FUA, NOUNMAP, READ, WRITE, WRITE_ZEROES, Buffer, is_fua_write, is_write_class
from hawser.block.orphan import PROOF_ANSWER, Orphan
from hawser.block.request import ANSWERED, NOT_SENT, UNKNOWN, Request
from hawser.core.clock import Timer
from hawser.core.reactor import Handler
from hawser.core.status import IOERR, OFFLINE, OK, RESOURCE, TIMEOUT, TRANSPORT, may_tell_of_loss
from hawser.core.units import KIB, NS_PER_S, SECTOR_SHIFT
from hawser.nbd import protocol
from hawser.nbd.client_handshake import ClientHandshake, Negotiated
from hawser.nbd.protocol import request_header
from hawser.nbd.replies import UNKNOWN_COOKIE, ReplyParser, ReplySink
from hawser.paths.facts import PathFacts
from hawser.paths.nbd_commands import COMMANDS, Late, command_views, status_of_error
from hawser.paths.nbd_sender import Outgoing, Sender
from hawser.paths.write_record import SessionRecord

if TYPE_CHECKING:
    from hawser.paths.nbd import NbdDriver

RECEIVE_BYTES: Final = 256 * KIB
# Receives in one turn, so that one busy server does not starve the others.
RECEIVES_MAX: Final = 16

CONNECTING: Final = 0
NEGOTIATING: Final = 1
READY: Final = 2
ENDED: Final = 3

# No command's cookie: the rest of an answer that had begun to come, and was given up.
_REST: Final = 0


class _Replies(ReplySink):
    def __init__(self, session: "NbdSession") -> None:
        self.session = session

    def reply(self, cookie: int, error: int) -> int:
        return self.session.on_reply(cookie, error)

    def payload(self, data: bytearray) -> None:
        self.session.on_payload(data)

    def on_error(self, reason: str) -> None:
        self.session.problem = reason


class _Deadline(Timer):
    def __init__(self, session: "NbdSession") -> None:
        super().__init__()
        self.session = session

    def expire(self) -> None:
        self.session.check_deadlines()


class NbdSession(Handler):
    """`epoch` numbers the sessions of a driver. The socket is connecting or connected, and non-blocking."""

    def __init__(self, driver: "NbdDriver", sock: socket.socket, epoch: int) -> None:
        self.driver = driver
        self.sock = sock
        self.fd = sock.fileno()
        self.epoch = epoch
        self.state = CONNECTING
        self.problem = ""
        self.negotiated: Negotiated | None = None
        self.facts: PathFacts | None = None
        self.can_fua = False
        # Where its writes are remembered beyond the end of this process, if they are.
        self.record: SessionRecord | None = None
        self.in_flight: dict[int, Request] = {}
        self.late: dict[int, Late] = {}
        # By the cookie of the second try, what the first one was answered with.
        self._asked_again: dict[int, int] = {}
        self._fua_flushes: dict[int, bool] = {}
        # By the cookie of a FUA write, then of its flush: how many doubts there were when the write was sent.
        self._fua_doubts: dict[int, int] = {}
        self._handshake = ClientHandshake(driver.uri.export)
        self._parser = ReplyParser(_Replies(self))
        self._buffer = bytearray(RECEIVE_BYTES)
        self._view = memoryview(self._buffer)
        self._end = 0
        self._reading: Request | None = None
        self._cookie = 0
        self._sender = Sender(sock)
        self._deadline = _Deadline(self)

    # Negotiating.

    def begin(self) -> None:
        """The connection stands: greet."""
        self.state = NEGOTIATING
        self.driver.reactor.watch_reads(self.fd, self)

    def _negotiate(self) -> None:
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._refused(error.strerror or str(error))
            return
        if data:
            self._handshake.receive(data)
        else:
            self._handshake.end_of_input()
        result = self._handshake.result
        answer = self._handshake.outgoing()
        if answer:
            try:
                # A few hundred bytes into an empty socket buffer: they always fit.
                self.sock.send(answer)
            except OSError as error:
                if result is None:
                    self._refused(error.strerror or str(error))
                    return
        if isinstance(result, Negotiated):
            self._agreed(result)
        elif result is not None:
            self._refused(result.reason)

    def _agreed(self, result: Negotiated) -> None:
        self.negotiated = result
        self.can_fua = bool(result.flags & protocol.FLAG_SEND_FUA)
        problem = self.driver.check_session(self)
        if problem:
            self._refused(problem)
            return
        self.state = READY
        left = result.leftover
        self._buffer[: len(left)] = left
        self._end = len(left)
        self.driver.session_opened(self)
        if left:
            self._parse()

    def _refused(self, reason: str) -> None:
        self.end(reason, by_peer=True)

    # Sending.

    def send(self, batch: list[Request]) -> None:
        """Hand commands to the transport, all with one system call if it takes them."""
        deadline_ns = self.driver.clock.now_ns + self.driver.timeout_ns
        record = self.record
        sending: list[Outgoing] = []
        iov: list[Buffer] = []
        for request in batch:
            request.deadline_ns = deadline_ns
            self._cookie += 1
            cookie = self._cookie
            self.in_flight[cookie] = request
            op = request.op
            if record is not None and is_write_class(op):
                record.sending(cookie, request)
            flags = 0
            if request.flags:
                if request.flags & FUA and self.can_fua and op != READ:
                    flags = protocol.CMD_FLAG_FUA
                elif request.flags & FUA and is_write_class(op):
                    self._fua_doubts[cookie] = self.driver.doubt()
                if request.flags & NOUNMAP and op == WRITE_ZEROES:
                    flags |= protocol.CMD_FLAG_NO_HOLE
            views: list[Buffer] = [
                request_header(COMMANDS[op], flags, cookie, request.sector << SECTOR_SHIFT, request.size)
            ]
            if op == WRITE:
                views.extend(request.payload())
            iov.extend(views)
            sending.append(Outgoing(cookie, views))
        if not self._deadline.is_armed():
            self.driver.timers.arm(self._deadline, self.driver.timeout_ns)
        if not self._sender.send(sending, iov):
            self.driver.reactor.watch_writes(self.fd, self)

    def writable(self) -> None:
        if self.state == CONNECTING:
            self.driver.connected(self)
        elif self._sender.send_waiting():
            self.driver.reactor.ignore_writes(self.fd)

    # Receiving.

    def readable(self) -> None:
        if self.state == NEGOTIATING:
            self._negotiate()
            return
        for _ in range(RECEIVES_MAX):
            if self.state != READY or not self._receive():
                return

    def _receive(self) -> bool:
        """Receive and parse once; whether there may be more."""
        parser = self._parser
        want = parser.want_payload
        if want is not None:
            room = memoryview(want)[parser.payload_have :]
        else:
            room = self._view[self._end :]
        try:
            count = self.sock.recv_into(room)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self.end(error.strerror or str(error), by_peer=True)
            return False
        if count == 0:
            self.end("the server closed the connection", by_peer=True, orderly=True)
            return False
        more = count == len(room)
        if want is not None:
            parser.payload_received(count)
        else:
            self._end += count
            self._parse()
        return more and self.state == READY

    def _parse(self) -> None:
        start = self._parser.parse(self._buffer, 0, self._end)
        held = self._end - start
        if held and start:
            self._view[:held] = bytes(self._view[start : self._end])
        self._end = held
        if self.problem:
            self.end(f"protocol error: {self.problem}", by_peer=False)

    def on_reply(self, cookie: int, error: int) -> int:
        """An answer has come; how much data follows it."""
        request = self.in_flight.pop(cookie, None)
        if request is None:
            return self._late_reply(cookie, error)
        if self.record is not None and is_write_class(request.op):
            self.record.answered(cookie)
        if self._asked_again and self._was_asked_again(cookie, error, request):
            return 0
        if error == 0:
            if request.op == READ:
                self._reading = request
                return request.size
            if request.flags & FUA and not self.can_fua and is_write_class(request.op):
                doubt = self._fua_doubts.pop(cookie)
                if not self._fua_flushes.pop(cookie, False):
                    self._flush_for_fua(request, doubt)
                    return 0
                if doubt != self.driver.doubt():
                    # A flush of somebody else's has failed meanwhile, and may have lost what this one should have made durable.
                    request.finish(IOERR, 0, ANSWERED)
                    self.driver.complete(request)
                    return 0
            request.finish(OK, request.size)
            self.driver.complete(request)
            return 0
        status = status_of_error(error)
        self._fua_doubts.pop(cookie, 0)
        if self._fua_flushes and self._fua_flushes.pop(cookie, False):
            if status != RESOURCE:
                self.driver.flush_failed()
        elif self.can_fua and is_fua_write(request.op, request.flags) and may_tell_of_loss(status):
            self._ask_again(request, status)
            return 0
        if status == OFFLINE:
            self.problem = f"it answered errno {error} to an I/O within its size: it is not the disk that it was"
        request.finish(status, 0, ANSWERED)
        self.driver.complete(request)
        return 0

    def on_payload(self, data: bytearray) -> None:
        request = self._reading
        self._reading = None
        if request is None:
            if self.late.pop(_REST, None) is not None:
                self.driver.late_answer(self)
            return
        request.data = data
        request.finish(OK, request.size)
        self.driver.complete(request)

    def has_late(self, orphan: Orphan) -> bool:
        """Whether the answer to that command may still come here."""
        return any(late.orphan is orphan for late in self.late.values())

    def _late_reply(self, cookie: int, error: int) -> int:
        late = self.late.pop(cookie, None)
        if late is None:
            return UNKNOWN_COOKIE
        if late.orphan is not None:
            if error == 0 and self.driver.device is not None:
                self.driver.device.late_write()
            late.orphan.resolve(PROOF_ANSWER)
        if error and late.is_flush and status_of_error(error) != RESOURCE:
            self.driver.flush_failed()
        elif error and late.is_durable:
            self.driver.fua_failed(status_of_error(error))
        self.driver.late_answer(self)
        return late.payload if error == 0 else 0

    def _flush_for_fua(self, request: Request, doubt: int) -> None:
        """The server has no FUA: the write is durable when a flush behind it has been answered, and none has failed."""
        self._cookie += 1
        self._fua_doubts[self._cookie] = doubt
        self.in_flight[self._cookie] = request
        self._fua_flushes[self._cookie] = True
        header = request_header(protocol.CMD_FLUSH, 0, self._cookie, 0, 0)
        self._sender.waiting.append(Outgoing(self._cookie, [header]))
        self.driver.reactor.watch_writes(self.fd, self)

    def _ask_again(self, request: Request, status: int) -> None:
        """Has a write with FUA failed, or the sync behind it, which may tell of any other? If it succeeds without, the sync."""
        self._cookie += 1
        self.in_flight[self._cookie] = request
        self._asked_again[self._cookie] = status
        if self.record is not None:
            self.record.sending(self._cookie, request)
        self._sender.waiting.append(Outgoing(self._cookie, command_views(request, self._cookie)))
        self.driver.reactor.watch_writes(self.fd, self)

    def _was_asked_again(self, cookie: int, error: int, request: Request) -> bool:
        """Whether that is the second answer; the request ends with the first one."""
        status = self._asked_again.pop(cookie, OK)
        if status == OK:
            return False
        if error == 0:
            self.driver.fua_failed(status)
        request.finish(status, 0, ANSWERED)
        self.driver.complete(request)
        return True

    # Late and lost.

    def check_deadlines(self) -> None:
        """Give up on the commands whose time is over. They are in flight in order of their deadlines."""
        now_ns = self.driver.clock.now_ns
        if self._reading is not None and self._reading.deadline_ns <= now_ns:
            self._give_up_reading(self._reading)
        overdue = [cookie for cookie, request in self.in_flight.items() if request.deadline_ns <= now_ns]
        self._give_up(overdue)
        if overdue:
            waited_s = self.driver.timeout_ns / NS_PER_S
            self.driver.timed_out(self, f"commands without an answer for {waited_s:g} s: {len(overdue)}")
        oldest = self._reading
        for request in self.in_flight.values():
            oldest = request
            break
        if oldest is not None:
            self.driver.timers.arm(self._deadline, max(0, oldest.deadline_ns - now_ns))

    def give_up(self) -> None:
        """Nobody wants to wait any longer for what has no answer. (Data that has begun to come still has its time.)"""
        overdue = list(self.in_flight)
        self._give_up(overdue)
        if overdue:
            self.driver.timed_out(self, f"commands without an answer that were given up: {len(overdue)}")

    def _give_up_reading(self, request: Request) -> None:
        """An answer has stopped in its midst. Behind its rest may come the answers to writes, the best proof of their fate."""
        self._reading = None
        self.late[_REST] = Late(0, None, False, False)
        request.finish(TIMEOUT, 0, UNKNOWN)
        self.driver.complete(request)
        self.driver.timed_out(self, "an answer stopped in the middle of its data")

    def _give_up(self, overdue: list[int]) -> None:
        for cookie in overdue:
            request = self.in_flight.pop(cookie)
            is_fua_flush = self._fua_flushes.pop(cookie, False)
            self._fua_doubts.pop(cookie, 0)
            was_answered = self._nobody_can_tell(cookie) or is_fua_flush
            if self._sender.take_back(cookie):
                self._was_not_sent(cookie)
                # What was answered once leaves no ghost, but sent it was.
                request.finish(TIMEOUT, 0, UNKNOWN if was_answered else NOT_SENT)
            else:
                is_flush = is_fua_flush or request.op == FLUSH
                payload = request.size if request.op == READ else 0
                is_durable = self.can_fua and is_fua_write(request.op, request.flags)
                self.late[cookie] = Late(payload, self._orphan(cookie, request), is_flush, is_durable)
                request.finish(TIMEOUT, 0, UNKNOWN)
            self.driver.complete(request)

    def _nobody_can_tell(self, cookie: int) -> bool:
        """Whether it was asked again, and in vain: the first error may have been a lost write's."""
        if cookie not in self._asked_again:
            return False
        self.driver.fua_failed(self._asked_again.pop(cookie))
        return True

    def _orphan(self, cookie: int, request: Request) -> Orphan | None:
        if not is_write_class(request.op):
            return None
        orphan = request.orphaned(self.driver.name, self.epoch)
        request.orphan = orphan
        if self.record is not None:
            self.record.orphaned(cookie, orphan)
        return orphan

    def _was_not_sent(self, cookie: int) -> None:
        if self.record is not None:
            self.record.not_sent(cookie)

    def end(self, reason: str, by_peer: bool, orderly: bool = False) -> None:
        """The session is over. Whatever has no answer gets its fate; the driver gets the orphans."""
        if self.state == ENDED:
            return
        self.state = ENDED
        driver = self.driver
        driver.timers.cancel(self._deadline)
        driver.reactor.ignore_reads(self.fd)
        driver.reactor.ignore_writes(self.fd)
        if self._reading is not None:
            self.in_flight[self._cookie + 1] = self._reading
            self._reading = None
        not_sent = self._sender.not_started()
        orphans = [late.orphan for late in self.late.values() if late.orphan is not None]
        in_flight, self.in_flight, self.late = self.in_flight, {}, {}
        self._sender.waiting.clear()
        for cookie, request in in_flight.items():
            was_answered = self._nobody_can_tell(cookie) or cookie in self._fua_flushes
            if cookie in not_sent and not was_answered:
                self._was_not_sent(cookie)
                request.finish(TRANSPORT, 0, NOT_SENT)
            else:
                orphan = self._orphan(cookie, request)
                if orphan is not None:
                    orphans.append(orphan)
                request.finish(TRANSPORT, 0, UNKNOWN)
            driver.complete(request)
        if self.record is not None:
            self.record.ended()
        driver.session_closed(self, reason, by_peer, orderly, orphans)

    def say_goodbye(self) -> None:
        """An orderly disconnect, as far as the socket takes it now; nothing is waited for."""
        if self.state == READY and not self._sender.waiting:
            header = request_header(protocol.CMD_DISC, 0, 0, 0, 0)
            with contextlib.suppress(OSError):
                self.sock.send(header)

    def reset(self) -> None:
        """Close the socket so that nothing which is still in our send queue goes out any more (hawser.paths.tcp)."""
        self.sock.close()
