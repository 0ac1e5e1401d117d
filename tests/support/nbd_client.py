"""A blocking NBD client that pipelines: a test sends what it likes, and asks later, with a deadline, what was answered."""

import errno
import socket
import time
from dataclasses import dataclass

from hawser.nbd import protocol
from hawser.nbd.client_handshake import ClientHandshake, Negotiated

ANSWER_S = 25.0


class NbdError(OSError):
    """The server answered with an error; `errno` says which."""


@dataclass
class Answer:
    error: int
    data: bytes


class NbdClient:
    """Connected to one export. `address` is a unix socket's name or (host, port)."""

    def __init__(self, address: str | tuple[str, int], export: str = "") -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self._cookie = 0
        self._reads: dict[int, int] = {}
        self._waiting: set[int] = set()
        self._answers: dict[int, Answer] = {}
        # The other side has ended the connection.
        self.is_over = False
        try:
            # Blocking, so that a full backlog of a unix socket is waited for.
            self.sock.connect(address)
            self.sock.settimeout(ANSWER_S)
            if family == socket.AF_INET:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.export = self._negotiate(export)
        except BaseException:
            self.sock.close()
            raise
        self._received = bytearray(self.export.leftover)

    def _negotiate(self, export: str) -> Negotiated:
        handshake = ClientHandshake(export)
        while handshake.result is None:
            out = handshake.outgoing()
            if out:
                self.sock.sendall(out)
            data = self.sock.recv(65536)
            if data:
                handshake.receive(data)
            else:
                handshake.end_of_input()
        out = handshake.outgoing()
        if out:
            self.sock.sendall(out)
        assert isinstance(handshake.result, Negotiated), handshake.result
        return handshake.result

    # Sending, without waiting.

    def send(self, command: int, offset: int, length: int, payload: bytes = b"", flags: int = 0) -> int:
        """Send one command as it is said; its cookie."""
        self._cookie += 1
        if command == protocol.CMD_READ:
            self._reads[self._cookie] = length
        self._waiting.add(self._cookie)
        self.sock.sendall(protocol.request_header(command, flags, self._cookie, offset, length) + payload)
        return self._cookie

    def send_write(self, offset: int, data: bytes, flags: int = 0) -> int:
        return self.send(protocol.CMD_WRITE, offset, len(data), data, flags)

    def send_read(self, offset: int, length: int) -> int:
        return self.send(protocol.CMD_READ, offset, length)

    def send_flush(self) -> int:
        return self.send(protocol.CMD_FLUSH, 0, 0)

    # Waiting.

    def has_answer(self, cookie: int, within_s: float = 0.0) -> bool:
        """Whether that command is answered by then. The end of the connection counts as no answer."""
        deadline = time.monotonic() + within_s
        while cookie not in self._answers:
            left = deadline - time.monotonic()
            if left <= 0 or not self._take_one(left):
                return cookie in self._answers
        return True

    def wait(self, cookie: int, within_s: float = ANSWER_S) -> bytes:
        """The data of that answer; NbdError if it is an error, TimeoutError or ConnectionError if there is none."""
        deadline = time.monotonic() + within_s
        while cookie not in self._answers:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no answer to command {cookie} within {within_s:g} s")
            if not self._take_one(left) and cookie not in self._answers and time.monotonic() < deadline:
                raise ConnectionError(f"the connection ended without an answer to command {cookie}")
        answer = self._answers.pop(cookie)
        if answer.error:
            raise NbdError(answer.error, errno.errorcode.get(answer.error, "?"))
        return answer.data

    def answered(self, within_s: float) -> list[int]:
        """The commands whose answers are here and were not asked for yet; without any, waits so long for one."""
        if not self._answers:
            self._take_one(within_s)
        while self._take_one(0.0):
            pass
        return list(self._answers)

    def unanswered(self) -> int:
        return len(self._waiting)

    def _take_one(self, seconds: float) -> bool:
        """Receive one reply; False when none came in time, or none will come."""
        deadline = time.monotonic() + seconds
        if not self._have(protocol.SIMPLE_REPLY_SIZE, deadline):
            return False
        magic, error, cookie = int.from_bytes(self._received[:4]), int.from_bytes(self._received[4:8]), 0
        cookie = int.from_bytes(self._received[8:16])
        assert magic == protocol.SIMPLE_REPLY_MAGIC, f"reply magic {magic:#x}"
        assert cookie in self._waiting, f"a reply to {cookie}, which waits for none"
        size = self._reads.get(cookie, 0) if error == 0 else 0
        if not self._have(protocol.SIMPLE_REPLY_SIZE + size, deadline):
            return False
        data = bytes(self._received[protocol.SIMPLE_REPLY_SIZE : protocol.SIMPLE_REPLY_SIZE + size])
        del self._received[: protocol.SIMPLE_REPLY_SIZE + size]
        self._waiting.discard(cookie)
        self._reads.pop(cookie, None)
        self._answers[cookie] = Answer(error, data)
        return True

    def _have(self, size: int, deadline: float) -> bool:
        while len(self._received) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(1 << 20)
            except TimeoutError:
                return False
            except ConnectionError:
                data = b""
            finally:
                self.sock.settimeout(ANSWER_S)
            if not data:
                self.is_over = True
                return False
            self._received += data
        return True

    def held_bytes(self) -> int:
        """What was received and is no whole reply."""
        return len(self._received)

    # One at a time.

    def read(self, offset: int, length: int) -> bytes:
        return self.wait(self.send_read(offset, length))

    def write(self, offset: int, data: bytes, flags: int = 0) -> None:
        self.wait(self.send_write(offset, data, flags))

    def flush(self) -> None:
        self.wait(self.send_flush())

    def trim(self, offset: int, length: int) -> None:
        self.wait(self.send(protocol.CMD_TRIM, offset, length))

    def zero(self, offset: int, length: int, flags: int = 0) -> None:
        self.wait(self.send(protocol.CMD_WRITE_ZEROES, offset, length, flags=flags))

    def close(self) -> None:
        """Hang up, without a word."""
        self.sock.close()

    def disconnect(self) -> None:
        """The orderly end."""
        self.sock.sendall(protocol.request_header(protocol.CMD_DISC, 0, 0, 0, 0))

    def __enter__(self) -> "NbdClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
