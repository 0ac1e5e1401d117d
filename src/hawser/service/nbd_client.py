"""An NBD client of our own: many requests in flight on one connection, on an asyncio loop. For loads that verify what they read.

What the socket held becomes one batch of answers, and what is asked in response to them leaves with one system call. The wire
format is `hawser.nbd`'s, the client's half of it.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from hawser.block.ops import Buffer
from hawser.nbd.client_handshake import ClientHandshake, Negotiated
from hawser.nbd.protocol import CMD_DISC, CMD_READ, CMD_WRITE, request_header
from hawser.nbd.replies import UNKNOWN_COOKIE, ReplyParser, ReplySink

RECEIVE_BYTES: Final = 256 * 1024
IOV_MAX: Final = 1024
CONNECT_SECONDS: Final = 10.0


class ConnectError(Exception):
    """No connection to that export; the message says why."""


class NbdOp:
    """One request; whoever asks subclasses it. When it is done `error` is the wire's number, `data` what a read has got."""

    __slots__ = ("command", "data", "error", "flags", "length", "offset", "payload")

    def __init__(self, command: int, offset: int, length: int, payload: Buffer | None = None, flags: int = 0) -> None:
        self.command = command
        self.flags = flags
        self.offset = offset
        self.length = length
        self.payload = payload
        self.error = 0
        self.data: bytearray | None = None


class _Sink(ReplySink):
    """Matches replies with what was asked, and collects what is done."""

    def __init__(self) -> None:
        super().__init__()
        self.in_flight: dict[int, NbdOp] = {}
        self.done: list[NbdOp] = []
        self.fault = ""
        self._reading: NbdOp | None = None

    def reply(self, cookie: int, error: int) -> int:
        op = self.in_flight.pop(cookie, None)
        if op is None:
            return UNKNOWN_COOKIE
        op.error = error
        if op.command == CMD_READ and not error:
            self._reading = op
            return op.length
        self.done.append(op)
        return 0

    def payload(self, data: bytearray) -> None:
        op = self._reading
        assert op is not None
        self._reading = None
        op.data = data
        self.done.append(op)

    def on_error(self, reason: str) -> None:
        self.fault = reason


class NbdClient:
    """A connection in its transmission phase; `connect` makes one. Set `on_done` and `on_lost` before the first request.

    `on_done` is called with the operations that one batch of replies has completed; what it submits is sent when it returns.
    `on_lost` is called once, with the reason and what was in flight, when the connection ends other than by `close`.
    """

    def __init__(self, sock: socket.socket, agreed: Negotiated) -> None:
        self.export = agreed
        self.on_done: Callable[[list[NbdOp]], None] = lambda done: None
        self.on_lost: Callable[[str, list[NbdOp]], None] = lambda reason, lost: None
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._sink = _Sink()
        self._parser = ReplyParser(self._sink)
        self._buffer = bytearray(RECEIVE_BYTES)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._outbox: list[Buffer] = []
        self._waits_for_room = False
        self._cookie = 0
        self._closed = False
        self._buffer[: len(agreed.leftover)] = agreed.leftover
        self._end = len(agreed.leftover)
        self._loop.add_reader(sock, self._readable)

    def is_open(self) -> bool:
        return not self._closed

    def submit(self, op: NbdOp) -> None:
        """Ask for `op`. It leaves with the next `flush`."""
        self._cookie += 1
        self._sink.in_flight[self._cookie] = op
        self._outbox.append(request_header(op.command, op.flags, self._cookie, op.offset, op.length))
        if op.command == CMD_WRITE:
            assert op.payload is not None
            self._outbox.append(op.payload)

    def flush(self) -> None:
        """Send what was submitted, as far as the socket takes it; the rest follows by itself."""
        outbox = self._outbox
        while outbox and not self._closed and not self._waits_for_room:
            part = outbox[:IOV_MAX]
            try:
                sent = self._sock.sendmsg(part)
            except (BlockingIOError, InterruptedError):
                self._waits_for_room = True
                self._loop.add_writer(self._sock, self._writable)
                return
            except OSError as error:
                self._lose(f"sending: {error.strerror}")
                return
            _drop_sent(outbox, sent)

    def close(self) -> None:
        """Say goodbye and hang up. What is in flight is forgotten."""
        if not self._closed:
            self._outbox.append(request_header(CMD_DISC, 0, 0, 0, 0))
            self.flush()
            self._hang_up()

    def _writable(self) -> None:
        self._waits_for_room = False
        self._loop.remove_writer(self._sock)
        self.flush()

    def _readable(self) -> None:
        want = self._parser.want_payload
        room = self._view[self._end :] if want is None else memoryview(want)[self._parser.payload_have :]
        try:
            count = self._sock.recv_into(room)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(f"receiving: {error.strerror}")
            return
        if count == 0:
            self._lose("the server closed the connection")
            return
        if want is None:
            self._end += count
            self._parse()
        else:
            self._parser.payload_received(count)
        self._hand_over()

    def _parse(self) -> None:
        start = self._parser.parse(self._buffer, self._start, self._end)
        held = self._end - start
        if held:
            self._view[:held] = bytes(self._view[start : self._end])
        self._start = 0
        self._end = held

    def _hand_over(self) -> None:
        sink = self._sink
        if sink.done:
            done = sink.done
            sink.done = []
            self.on_done(done)
            self.flush()
        if sink.fault:
            self._lose(sink.fault)

    def _lose(self, reason: str) -> None:
        if not self._closed:
            self._hang_up()
            lost = list(self._sink.in_flight.values())
            self._sink.in_flight.clear()
            self.on_lost(reason, lost)

    def _hang_up(self) -> None:
        self._closed = True
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()


def _drop_sent(outbox: list[Buffer], sent: int) -> None:
    """Take the first `sent` bytes off the outbox."""
    count = 0
    for part in outbox:
        if sent < len(part):
            break
        sent -= len(part)
        count += 1
    del outbox[:count]
    if sent:
        outbox[0] = memoryview(outbox[0])[sent:]


async def connect(socket_path: str, export: str) -> NbdClient:
    """Connect to an export behind a unix socket. ConnectError says why that is not possible."""
    sock, agreed = await _open(socket.AF_UNIX, socket_path, export)
    return NbdClient(sock, agreed)


async def ask_export(family: socket.AddressFamily, address: str | tuple[str, int], export: str) -> Negotiated:
    """What a server says of an export now, on a connection of its own. ConnectError when it says nothing."""
    sock, agreed = await _open(family, address, export)
    with sock:
        # An orderly end.
        sock.send(request_header(CMD_DISC, 0, 0, 0, 0))
    return agreed


async def _open(
    family: socket.AddressFamily, address: str | tuple[str, int], export: str
) -> tuple[socket.socket, Negotiated]:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    sock.setblocking(False)
    try:
        return sock, await asyncio.wait_for(_negotiate(sock, address, export), CONNECT_SECONDS)
    except (OSError, TimeoutError) as error:
        sock.close()
        raise ConnectError(f"{address}: {str(error) or 'no answer'}") from None
    except BaseException:
        sock.close()
        raise


async def _negotiate(sock: socket.socket, address: str | tuple[str, int], export: str) -> Negotiated:
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, address)
    handshake = ClientHandshake(export)
    while handshake.result is None:
        data = await loop.sock_recv(sock, 4096)
        if data:
            handshake.receive(data)
        else:
            handshake.end_of_input()
        outgoing = handshake.outgoing()
        if outgoing:
            await loop.sock_sendall(sock, outgoing)
    if not isinstance(handshake.result, Negotiated):
        raise ConnectError(f"{address}: {handshake.result.reason}")
    return handshake.result
