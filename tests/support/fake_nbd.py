"""An NBD server that does what the test says, in the test's own thread: it takes commands and sends answers when told to."""

import select
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from hawser.nbd import protocol
from hawser.nbd.export import Export, ExportDirectory
from hawser.nbd.protocol import REQUEST, REQUEST_SIZE, simple_reply
from hawser.nbd.server_handshake import ServerHandshake, Transmission
from tests.support.reactor import PollReactor

FLAGS = (
    protocol.FLAG_HAS_FLAGS
    | protocol.FLAG_SEND_FLUSH
    | protocol.FLAG_SEND_FUA
    | protocol.FLAG_SEND_TRIM
    | protocol.FLAG_SEND_WRITE_ZEROES
)
SIZE = 1 << 20


class Shelf(ExportDirectory):
    """Exports by name."""

    def __init__(self, *exports: Export) -> None:
        self.exports = {export.name: export for export in exports}

    def find(self, name: str) -> Export | None:
        return self.exports.get(name)

    def names(self) -> list[str]:
        return list(self.exports)


def disk(
    size: int = SIZE, flags: int = FLAGS, block: int = 1, preferred: int = 4096, name: str = "d", words: str = ""
) -> Export:
    return Export(name, size, flags, words, block, preferred)


@dataclass
class Command:
    """As it came; `payload` is a write's."""

    command: int
    flags: int
    cookie: bytes
    offset: int
    length: int
    payload: bytes = b""


class Conversation:
    """The server's end of one session."""

    def __init__(self, reactor: PollReactor, sock: socket.socket, export: Export) -> None:
        self.reactor = reactor
        self.sock = sock
        self.sock.setblocking(False)
        self.handshake = ServerHandshake(Shelf(export))
        self.received = bytearray()
        self.ended = False

    def negotiate(self) -> None:
        """Until the client has what it asked for."""
        self._send(self.handshake.outgoing())

        def agreed() -> bool:
            data = self._recv()
            if data:
                self.handshake.receive(data)
                self._send(self.handshake.outgoing())
            return self.handshake.result is not None or self.ended

        self.reactor.until(agreed)
        result = self.handshake.result
        if isinstance(result, Transmission):
            self.received += result.leftover
        self.reactor.settle()

    def take(self, count: int = 1) -> list[Command]:
        """The next `count` commands."""
        found: list[Command] = []

        def enough() -> bool:
            self.received += self._recv()
            while len(found) < count and (command := self._next()) is not None:
                found.append(command)
            return len(found) == count

        self.reactor.until(enough)
        return found

    def nothing_more(self) -> bool:
        """Whether no further byte has come."""
        self.reactor.settle()
        self.received += self._recv()
        return not self.received

    def has_hung_up(self) -> bool:
        """Whether the client has closed its end."""
        self.reactor.settle()
        self.received += self._recv()
        return self.ended

    def answer(self, command: Command, error: int = 0, data: bytes = b"") -> None:
        self._send(simple_reply(command.cookie, error) + data)
        self.reactor.settle()

    def say(self, data: bytes) -> None:
        self._send(data)
        self.reactor.settle()

    def close(self) -> None:
        self.sock.close()
        self.reactor.settle()

    def _next(self) -> Command | None:
        if len(self.received) < REQUEST_SIZE:
            return None
        magic, flags, command, cookie, offset, length = REQUEST.unpack_from(self.received)
        assert magic == protocol.REQUEST_MAGIC
        end = REQUEST_SIZE + (length if command == protocol.CMD_WRITE else 0)
        if len(self.received) < end:
            return None
        payload = bytes(self.received[REQUEST_SIZE:end])
        del self.received[:end]
        return Command(command, flags, cookie.to_bytes(8, "big"), offset, length, payload)

    def _recv(self) -> bytes:
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return b""
        except ConnectionError:
            data = b""
        self.ended = not data
        return data

    def _send(self, data: bytes) -> None:
        left = memoryview(data)

        def sent() -> bool:
            nonlocal left
            try:
                left = left[self.sock.send(left) :]
            except BlockingIOError:
                pass
            except ConnectionError:
                self.ended = True
            return self.ended or not left

        if data:
            self.reactor.until(sent)


class FakeServer:
    """Listens on a unix socket, or with `path` None on a port of the loopback interface."""

    def __init__(self, reactor: PollReactor, path: Path | None, export: Export | None = None) -> None:
        self.reactor = reactor
        self.export = export or disk()
        self.conversations: list[Conversation] = []
        self.sock = socket.socket(socket.AF_INET if path is None else socket.AF_UNIX)
        self.sock.bind(("127.0.0.1", 0) if path is None else str(path))
        self.sock.listen(16)
        self.sock.setblocking(False)
        self.address = f"nbd://127.0.0.1:{self.sock.getsockname()[1]}/d?" if path is None else unix_address(path)

    def accept(self) -> Conversation:
        """The next client, not yet spoken to."""
        accepted: list[socket.socket] = []

        def came() -> bool:
            try:
                accepted.append(self.sock.accept()[0])
            except BlockingIOError:
                return False
            return True

        self.reactor.until(came)
        conversation = Conversation(self.reactor, accepted[0], self.export)
        self.conversations.append(conversation)
        return conversation

    def serve(self) -> Conversation:
        """The next client, negotiated with."""
        conversation = self.accept()
        conversation.negotiate()
        return conversation

    def is_called(self) -> bool:
        """Whether a client waits to be accepted."""
        return len(select.select([self.sock], [], [], 0)[0]) > 0

    def close(self) -> None:
        for conversation in self.conversations:
            conversation.sock.close()
        self.sock.close()


def serve_and_fall_silent(path: str) -> None:
    """A server that has a process of its own: it negotiates with one client, and then only listens to it."""
    reactor = PollReactor()
    server = FakeServer(reactor, Path(path))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    conversation = server.serve()
    reactor.until(lambda: conversation.has_hung_up())


def unix_address(path: Path) -> str:
    return f"nbd+unix:///d?socket={path}&"
