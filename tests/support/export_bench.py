"""The exports' server over a laboratory device, and guests: clients on socket pairs, in the test's own thread."""

import socket
from dataclasses import dataclass

from hawser.exports.server import Server
from hawser.exports.volume import Volume
from hawser.lab.world import Rig, World, make_multipath
from hawser.nbd import protocol
from hawser.nbd.client_handshake import ClientHandshake, Negotiated
from hawser.nbd.protocol import CMD_DISC, CMD_FLUSH, CMD_READ, CMD_TRIM, CMD_WRITE, CMD_WRITE_ZEROES, request_header
from tests.support.reactor import PollReactor


@dataclass
class Reply:
    error: int
    data: bytes


class Guest:
    """One client. What it sends waits in `unsent` until the server takes it; replies are taken only when asked for."""

    def __init__(self, bench: "ExportBench", sock: socket.socket) -> None:
        self.bench = bench
        self.sock = sock
        self.sock.setblocking(False)
        self.unsent = bytearray()
        self.received = bytearray()
        self.replies: dict[int, Reply] = {}
        self.order: list[int] = []
        self.ended = False
        self.is_open = False
        self._cookie = 0
        self._reads: dict[int, int] = {}

    def negotiate(self, export: str = "d") -> Negotiated:
        handshake = ClientHandshake(export)

        def agreed() -> bool:
            self._recv()
            if self.received:
                handshake.receive(bytes(self.received))
                self.received.clear()
            self.unsent += handshake.outgoing()
            self.push()
            return handshake.result is not None

        self.bench.reactor.until(agreed)
        assert isinstance(handshake.result, Negotiated), handshake.result
        assert not handshake.result.leftover
        self.is_open = True
        return handshake.result

    # Saying.

    def ask(self, command: int, offset: int = 0, length: int = 0, payload: bytes = b"", flags: int = 0) -> int:
        """Note down a command, to be sent by `push`; its cookie."""
        self._cookie += 1
        if command == CMD_READ:
            self._reads[self._cookie] = length
        self.unsent += request_header(command, flags, self._cookie, offset, length) + payload
        return self._cookie

    def push(self) -> bool:
        """Send as much as the server takes, and let it work; whether everything has gone."""
        while self.unsent:
            try:
                sent = self.sock.send(self.unsent)
            except BlockingIOError:
                break
            except OSError:
                self.unsent.clear()
                break
            del self.unsent[:sent]
            self.bench.reactor.settle()
        self.bench.reactor.settle()
        return not self.unsent

    def read(self, offset: int, length: int, flags: int = 0) -> int:
        return self._now(self.ask(CMD_READ, offset, length, flags=flags))

    def write(self, offset: int, data: bytes, flags: int = 0) -> int:
        return self._now(self.ask(CMD_WRITE, offset, len(data), data, flags))

    def flush(self) -> int:
        return self._now(self.ask(CMD_FLUSH))

    def trim(self, offset: int, length: int, flags: int = 0) -> int:
        return self._now(self.ask(CMD_TRIM, offset, length, flags=flags))

    def zero(self, offset: int, length: int, flags: int = 0) -> int:
        return self._now(self.ask(CMD_WRITE_ZEROES, offset, length, flags=flags))

    def say_goodbye(self) -> None:
        self.ask(CMD_DISC)
        self.push()

    def hang_up(self) -> None:
        self.sock.close()
        self.bench.reactor.settle()

    def _now(self, cookie: int) -> int:
        self.push()
        return cookie

    # Hearing.

    def listen(self) -> None:
        """Take what the server has sent."""
        self._recv()
        while self.is_open and self._take_reply():
            pass

    def has(self, cookie: int) -> bool:
        self.bench.reactor.settle()
        self.listen()
        return cookie in self.replies

    def reply(self, cookie: int) -> Reply:
        """That reply, which has to come without time passing."""

        def came() -> bool:
            self.push()
            return self.has(cookie)

        self.bench.reactor.until(came)
        return self.replies[cookie]

    def error(self, cookie: int) -> int:
        return self.reply(cookie).error

    def is_dropped(self) -> bool:
        """Whether the server has closed the connection."""
        self.bench.reactor.settle()
        self.listen()
        return self.ended

    def _recv(self) -> None:
        while not self.ended:
            try:
                data = self.sock.recv(1 << 20)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            if not data:
                self.ended = True
            self.received += data

    def _take_reply(self) -> bool:
        if len(self.received) < protocol.SIMPLE_REPLY_SIZE:
            return False
        magic, error, raw = protocol.SIMPLE_REPLY.unpack_from(self.received)
        assert magic == protocol.SIMPLE_REPLY_MAGIC
        cookie = int.from_bytes(raw, "big")
        end = protocol.SIMPLE_REPLY_SIZE + (self._reads.get(cookie, 0) if not error else 0)
        if len(self.received) < end:
            return False
        assert cookie not in self.replies, "answered twice"
        assert 0 < cookie <= self._cookie, "an answer to nothing"
        self.replies[cookie] = Reply(error, bytes(self.received[protocol.SIMPLE_REPLY_SIZE : end]))
        self.order.append(cookie)
        del self.received[:end]
        return True


class ExportBench:
    """`options` go to make_multipath."""

    def __init__(self, turn_rounds: int = 16, read_only: bool = False, **options) -> None:
        self.reactor = PollReactor(turn_rounds)
        self.world = World()
        self.world.clock = self.reactor.clock
        self.world.timers = self.reactor.timers
        self.world.turn = self.reactor.turn
        self.rig: Rig = make_multipath(self.world, **options)
        self.rig.device.read_only = read_only
        self.paths = self.rig.paths
        self.store = self.rig.store
        self.device = self.rig.device
        self.server = Server(self.reactor, self.reactor.timers, self.world.log)
        self.server.exports.add(Volume("d", self.device))
        self.guests: list[Guest] = []

    def stranger(self) -> Guest:
        """A client that has connected and said nothing yet."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        guest = Guest(self, ours)
        self.guests.append(guest)
        self.reactor.run(lambda: self.server.welcome(theirs, f"guest {len(self.guests)}"))
        self.reactor.settle()
        return guest

    def guest(self) -> Guest:
        """A client that has opened the export."""
        guest = self.stranger()
        guest.negotiate()
        return guest

    def lines(self) -> list[str]:
        return [text for _, text in self.world.log.lines]

    def sent(self) -> list[tuple[int, int, int]]:
        """(operation, sector, size) of everything that reached a path, path by path."""
        return [entry for path in self.paths for entry in path.driver.sent]

    def close(self) -> None:
        """Everything is given back: nothing in flight, nothing reserved, nobody connected, nothing watched."""
        for guest in self.guests:
            guest.sock.close()
        self.reactor.settle()
        self.reactor.run(lambda: self.server.drop_all("the test is over"))
        for path in self.paths:
            self.reactor.run(path.driver.shut_down)
        assert self.server.connections == []
