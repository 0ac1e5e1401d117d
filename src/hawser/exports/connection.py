"""Connection: one NBD client, from its greeting to its last reply. The outermost submitter: whatever its socket held is one plug.

Limits, so that memory is bounded under any client (I6): what a client has in flight, in commands and bytes; and
nothing is read from a client that does not take its replies. A client that drops dies with what was not dispatched of
its own (DESIGN, Hard problems 7); one that says goodbye is drained first.
"""

import contextlib
import socket
from typing import TYPE_CHECKING, Final

from hawser.block.bio import Bio
from hawser.block.ops import FLUSH, FUA, NOUNMAP, READ, WRITE_ZEROES
from hawser.block.plug import Plug
from hawser.core.status import OK
from hawser.core.units import KIB, MIB, NS_PER_S, SECTOR_SHIFT
from hawser.exports.faces import ConnectionHandler, ConnectionOwner, ConnectionTimer, FarewellHandler
from hawser.exports.inbox import END, PARSE, RECEIVE_BYTES, Inbox
from hawser.exports.outbox import BLOCKED, GONE, Outbox
from hawser.exports.translate import OPS, error_of_status
from hawser.exports.wide_read import WideRead
from hawser.nbd import protocol
from hawser.nbd.protocol import simple_reply
from hawser.nbd.requests import RequestParser, RequestSink
from hawser.nbd.server_handshake import ServerHandshake, Transmission

if TYPE_CHECKING:
    from hawser.exports.server import Server
    from hawser.exports.volume import Volume, Volumes

# What is submitted and answered before the next commands are looked at: small enough to stay in the processor's cache
# and to fit into the socket's buffer, large enough to merge and to be worth a system call.
BATCH_IOS: Final = 64
BATCH_BYTES: Final = 256 * KIB
IN_FLIGHT_MAX: Final = 512
IN_FLIGHT_BYTES_MAX: Final = 64 * MIB
# What of it waits behind fences counts apart, up to as much again: it may wait for long, and the rest shall go on.
FENCED_MAX: Final = 512
FENCED_BYTES_MAX: Final = 64 * MIB
HANDSHAKE_NS: Final = 30 * NS_PER_S
HANG_UP_NS: Final = NS_PER_S

NEGOTIATING: Final = 0
OPEN: Final = 1
DRAINING: Final = 2
CLOSED: Final = 3


class Connection(RequestSink):
    """`name` is how log lines call the client, `volumes` what it may choose from."""

    def __init__(self, server: "Server", sock: socket.socket, name: str, volumes: "Volumes") -> None:
        self.server = server
        self.sock = sock
        self.fd = sock.fileno()
        self.name = name
        self.state = NEGOTIATING
        self.owner = ConnectionOwner(self)
        self.volumes = volumes
        self.volume: Volume | None = None
        self.in_flight = 0
        self.in_flight_bytes = 0
        self.fenced = 0
        self.fenced_bytes = 0
        self._most = IN_FLIGHT_MAX
        self._most_bytes = IN_FLIGHT_BYTES_MAX
        self._handler = ConnectionHandler(self)
        self._farewell = FarewellHandler(self)
        self._handshake = ServerHandshake(volumes)
        self._timer = ConnectionTimer(self)
        self._parser = RequestParser(self)
        self._inbox = Inbox(sock, self._parser)
        self._outbox = Outbox(sock)
        self._sending = False
        self._blocked = False
        self._watching = True
        self._plug = Plug()
        self._batch_ios = 0
        self._batch_bytes = 0
        self._batch_full = False
        self._held_back = False
        self._said_all = False
        self._hung_up = False
        self._fatal = ""
        self._size_bytes = 0
        self._block = 512
        self._read_only = False
        self._paid = 0
        server.reactor.watch_reads(self.fd, self._handler)
        server.timers.arm(self._timer, HANDSHAKE_NS)
        self._put(self._handshake.outgoing())

    # Receiving.

    def readable(self) -> None:
        if self.state == NEGOTIATING:
            self._negotiate()
        elif self.state == OPEN:
            self._receive()
        else:
            self._listen_only()

    def _negotiate(self) -> None:
        data = self._recv()
        if data is None:
            return
        handshake = self._handshake
        if data:
            handshake.receive(data)
        else:
            handshake.end_of_input()
        self._put(handshake.outgoing())
        result = handshake.result
        if result is None:
            return
        if isinstance(result, Transmission):
            self._open(result)
            return
        if not result.orderly:
            self.server.log.warning(f"{self.name}: {result.reason}")
        self.state = DRAINING
        self._close_when_drained()

    def _recv(self) -> bytes | None:
        """What the socket has; empty at its end; None when there is nothing now."""
        try:
            return self.sock.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return b""

    def _open(self, result: Transmission) -> None:
        volume = self.volumes.get(result.export.name)
        if volume.server is not None and volume.server is not self.server and not volume.server.take_over(self):
            self.drop(f"too many clients have {volume.name!r} open")
            return
        self.server.timers.cancel(self._timer)
        self.volume = volume
        self.state = OPEN
        volume.open(self.owner)
        volume.device.open_count += 1
        self._size_bytes = result.export.size_bytes
        self._block = volume.device.limits.logical_block_size
        self._read_only = volume.device.read_only
        self.server.log.info(f"{self.name}: opened {result.export.name!r}")
        if result.leftover:
            self._inbox.put(result.leftover)
            self._parse()

    def _receive(self) -> None:
        outcome = self._inbox.receive()
        if outcome == PARSE:
            self._parse()
        elif outcome == END:
            self.drop("")

    def _parse(self) -> None:
        """Submit what the buffer holds as one plug; then see whether to go on reading."""
        self._inbox.parse()
        self._plug.finish()
        self._batch_ios = 0
        self._batch_bytes = 0
        if self._fatal:
            self.drop(self._fatal)
        elif self._held_back or self._blocked:
            self._stop_reading()
        elif self._parser.paused:
            # Only the batch is full: go on as soon as it has been answered, as far as it can be at once.
            self._batch_full = True
            self._want_end_of_turn()

    def _want_end_of_turn(self) -> None:
        if not self._sending:
            self._sending = True
            self.server.reactor.at_end_of_turn(self._handler)

    def _stop_reading(self) -> None:
        if self._watching:
            self._watching = False
            self.server.reactor.ignore_reads(self.fd)
            if self.state == OPEN:
                self.server.hangups.watch(self.fd, self._farewell)

    def _resume(self) -> None:
        """There is room again: parse what is held, then read."""
        self._held_back = False
        self._batch_full = False
        if self._parser.paused:
            self._parser.paused = False
            if self._inbox.holds():
                self._parse()
        if self.state <= OPEN and not self._held_back and not self._blocked and not self._watching:
            self._watching = True
            self.server.hangups.ignore(self.fd)
            self.server.reactor.watch_reads(self.fd, self._handler)

    def _listen_only(self) -> None:
        """A client that has said goodbye, or has been told to go, may only hang up; what else it sends is not taken."""
        if self._recv() != b"":
            return
        self._hung_up = True
        self._stop_reading()
        if self._said_all:
            self._close()
        else:
            self._close_when_drained()

    # RequestSink: what the parser finds.

    def on_request(
        self, command: int, flags: int, cookie: bytes, offset: int, length: int, payload: bytearray | None
    ) -> None:
        volume = self.volume
        assert volume is not None
        op: int = OPS[command]
        if self._paid and payload is not None:
            self._refund()
        error = self._refusal(op, offset, length)
        if error >= 0:
            bio_flags = 0
            if flags:
                if flags & protocol.CMD_FLAG_FUA and op != READ and op != FLUSH:
                    bio_flags = FUA
                if flags & protocol.CMD_FLAG_NO_HOLE and op == WRITE_ZEROES:
                    bio_flags |= NOUNMAP
            if error:
                self._put(simple_reply(cookie, error))
                return
            bio = Bio(op, offset >> SECTOR_SHIFT, length, self.owner, payload, bio_flags)
        else:
            wide = WideRead(self, offset, length, self._block)
            bio = Bio(READ, wide.start >> SECTOR_SHIFT, wide.size, wide)
        bio.cookie = cookie
        self.in_flight += 1
        self.in_flight_bytes += bio.size
        budget = self.server.budget
        budget.taken_bytes += bio.size
        volume.device.submit(bio, self._plug)
        self._batch_ios += 1
        self._batch_bytes += bio.size
        if self._batch_ios >= BATCH_IOS or self._batch_bytes >= BATCH_BYTES:
            self._parser.paused = True
        if self.in_flight >= self._most or self.in_flight_bytes >= self._most_bytes or volume.device.congested():
            self._hold_back()
        elif budget.taken_bytes >= budget.limit_bytes:
            self._hold_back()
            self.server.wait_for_budget(self)

    def _hold_back(self) -> None:
        """A limit is reached: no further command until something completes."""
        self._parser.paused = True
        self._held_back = True

    def _refusal(self, op: int, offset: int, length: int) -> int:
        """0: fine; positive: the error to answer; negative: a read that has to be widened."""
        if op == FLUSH:
            return 0
        if length == 0:
            return protocol.EINVAL
        if offset + length > self._size_bytes:
            return protocol.EINVAL if op == READ else protocol.ENOSPC
        if op != READ and self._read_only:
            return protocol.EPERM
        if (offset | length) & (self._block - 1):
            return -1 if op == READ else protocol.EINVAL
        return 0

    def on_invalid(self, cookie: bytes, error: int) -> None:
        self._put(simple_reply(cookie, error))

    def on_disconnect(self) -> None:
        self.state = DRAINING
        self._close_when_drained()

    def on_error(self, reason: str) -> None:
        self._fatal = reason

    def may_receive(self, length: int) -> bool:
        """A large payload is about to be allocated: only within the client's and the server's budget."""
        volume = self.volume
        is_full = self.in_flight_bytes + length > self._most_bytes or (volume is not None and volume.device.congested())
        if self.in_flight and is_full:
            self._held_back = True
            return False
        if not self.server.budget.take(length):
            self._held_back = True
            self.server.wait_for_budget(self)
            return False
        self._paid = length
        return True

    def waits_for_proof(self, count: int, size: int) -> None:
        """So many more (or fewer) of what is in flight wait for a proof: that makes room for others, or takes it."""
        self.fenced += count
        self.fenced_bytes += size
        self._most = IN_FLIGHT_MAX + min(self.fenced, FENCED_MAX)
        self._most_bytes = IN_FLIGHT_BYTES_MAX + min(self.fenced_bytes, FENCED_BYTES_MAX)
        if self._held_back and self.state == OPEN:
            self._want_end_of_turn()

    def _refund(self) -> None:
        self.server.budget.give(self._paid)
        self._paid = 0
        if self.server.starving:
            self.server.feed()

    def budget_freed(self) -> None:
        """Memory has become free: go on reading at the end of this turn."""
        if self.state == OPEN:
            self._want_end_of_turn()

    # Sending.

    def bio_done(self, bio: Bio) -> None:
        self.in_flight -= 1
        self.in_flight_bytes -= bio.size
        server = self.server
        server.budget.taken_bytes -= bio.size
        if server.starving:
            server.feed()
        if self.state == CLOSED:
            return
        cookie = bio.cookie
        assert cookie is not None
        status = bio.status
        outbox = self._outbox.views
        if status == OK:
            outbox.append(simple_reply(cookie, 0))
            if bio.op == READ:
                data = bio.data
                assert data is not None
                outbox.append(data)
        else:
            outbox.append(simple_reply(cookie, error_of_status(status)))
            volume = self.volume
            assert volume is not None
            server.told_errors.tell(bio, volume.name)
        if not self._sending:
            self._sending = True
            self.server.reactor.at_end_of_turn(self._handler)

    def _put(self, data: bytes) -> None:
        if data:
            self._outbox.views.append(data)
            self._want_end_of_turn()

    def flush(self) -> None:
        """Send what the outbox holds, with as few system calls as it takes."""
        self._sending = False
        if self.state == CLOSED:
            return
        outcome = self._outbox.send()
        if outcome == BLOCKED:
            self._block_on_client()
            return
        if outcome == GONE:
            if self.state != DRAINING:
                self.drop("")
                return
            # It said goodbye and went: what it had asked for is done all the same, and nobody is told.
            self._outbox.views = []
            self._hung_up = True
        if self._blocked:
            self._blocked = False
            self.server.reactor.ignore_writes(self.fd)
        if self.state == DRAINING:
            self._close_when_drained()
        elif self._batch_full or (
            not self._watching
            and self.in_flight < self._most - IN_FLIGHT_MAX // 2
            and self.in_flight_bytes < self._most_bytes - IN_FLIGHT_BYTES_MAX // 2
        ):
            self._resume()

    def _block_on_client(self) -> None:
        """The client does not take its replies: nothing more is read from it until it does."""
        if not self._blocked:
            self._blocked = True
            self.server.reactor.watch_writes(self.fd, self._handler)
            self._stop_reading()

    # Ending.

    def _close_when_drained(self) -> None:
        """When everything has been answered: say so, and wait until the client hangs up. A socket that is closed
        while commands of the client lie in it unread would take the replies on their way back from it (TCP
        resets)."""
        if self.state != DRAINING or self.in_flight or self._outbox.views or self._said_all:
            return
        self._said_all = True
        if self._hung_up:
            self._close()
            return
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
        self.server.timers.arm(self._timer, HANG_UP_NS)
        if not self._watching:
            self._watching = True
            self.server.reactor.watch_reads(self.fd, self._handler)

    def too_long(self) -> None:
        """The client took too long to choose an export, or to hang up."""
        if self.state == DRAINING:
            self._close()
        else:
            self.drop(f"no export chosen within {HANDSHAKE_NS // NS_PER_S} s")

    def stop(self) -> None:
        """Read nothing more; go when everything that was taken has been answered."""
        if self.state in (NEGOTIATING, OPEN):
            self.state = DRAINING
            self._stop_reading()
            self._close_when_drained()

    def drop(self, reason: str) -> None:
        """The client is gone, or has to go: what it had in flight has nobody to answer to."""
        if self.state == CLOSED:
            return
        if reason:
            self.server.log.warning(f"{self.name}: {reason}; disconnected")
        self.owner.dead = True
        lost = self.in_flight
        self._close()
        if lost and self.volume is not None:
            self.volume.device.cancel_dead()

    def _close(self) -> None:
        self.state = CLOSED
        if self._paid:
            self._refund()
        self._outbox.views = []
        self.server.timers.cancel(self._timer)
        self.server.reactor.ignore_reads(self.fd)
        self.server.reactor.ignore_writes(self.fd)
        self.server.hangups.ignore(self.fd)
        self.sock.close()
        if self.volume is not None:
            self.volume.close(self.owner)
            self.volume.device.open_count -= 1
        self.server.connection_closed(self)
