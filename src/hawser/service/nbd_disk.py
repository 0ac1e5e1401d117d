"""Disks for programs that wait for each I/O: an NBD export, or a file. What the demonstrations' database stands on.

All offsets and lengths are bytes, and multiples of BLOCK.
"""

import os
import socket
from abc import ABC, abstractmethod
from typing import Final

from hawser.nbd.client_handshake import ClientHandshake, Negotiated
from hawser.nbd.protocol import BUFFER_MIN, CMD_DISC, CMD_FLUSH, CMD_READ, CMD_WRITE, request_header
from hawser.nbd.replies import UNKNOWN_COOKIE, ReplyParser, ReplySink

BLOCK: Final = 4096
# Longer than any wait that a gateway is meant to bridge: who hears nothing for so long has lost its disk.
ANSWER_SECONDS: Final = 60.0


class Disk(ABC):
    """Whoever cannot do what is asked raises OSError."""

    @abstractmethod
    def read(self, offset: int, length: int) -> bytes:
        """The content of [offset, offset + length)."""

    @abstractmethod
    def write(self, offset: int, data: bytes) -> None:
        """When it returns the write is acknowledged; it may be in a cache still."""

    @abstractmethod
    def flush(self) -> None:
        """When it returns, what was acknowledged before is durable."""

    @abstractmethod
    def close(self) -> None:
        """No further calls."""


class FileDisk(Disk):
    """What lies in a file, which is the disk itself without any server."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def read(self, offset: int, length: int) -> bytes:
        data = os.pread(self._file, length, offset)
        if len(data) < length:
            raise OSError(f"read of {length} bytes at {offset}: the file ends at {offset + len(data)}")
        return data

    def write(self, offset: int, data: bytes) -> None:
        if os.pwrite(self._file, data, offset) < len(data):
            raise OSError(f"write of {len(data)} bytes at {offset}: not all of it")

    def flush(self) -> None:
        os.fdatasync(self._file)

    def close(self) -> None:
        os.close(self._file)


class _Sink(ReplySink):
    """One request at a time: what it is answered with."""

    def __init__(self) -> None:
        self.cookie = 0
        self.length = 0
        self.error = 0
        self.data: bytearray | None = None
        self.is_answered = False
        self.fault = ""

    def expect(self, cookie: int, length: int) -> None:
        self.cookie = cookie
        self.length = length
        self.is_answered = False

    def reply(self, cookie: int, error: int) -> int:
        if cookie != self.cookie:
            return UNKNOWN_COOKIE
        self.error = error
        if error or not self.length:
            self.is_answered = True
            return 0
        return self.length

    def payload(self, data: bytearray) -> None:
        self.data = data
        self.is_answered = True

    def on_error(self, reason: str) -> None:
        self.fault = reason


class NbdDisk(Disk):
    """An export behind a unix socket."""

    def __init__(self, socket_path: str, export: str) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._sock.settimeout(ANSWER_SECONDS)
        self._sink = _Sink()
        self._parser = ReplyParser(self._sink)
        self._cookie = 0
        try:
            self._sock.connect(socket_path)
            agreed = self._negotiate(export)
        except BaseException:
            self._sock.close()
            raise
        self.size_bytes = agreed.size_bytes
        self._buffer = bytearray(agreed.leftover) + bytearray(2 * BUFFER_MIN)
        self._start = 0
        self._end = len(agreed.leftover)

    def _negotiate(self, export: str) -> Negotiated:
        handshake = ClientHandshake(export)
        while handshake.result is None:
            data = self._sock.recv(4096)
            if data:
                handshake.receive(data)
            else:
                handshake.end_of_input()
            outgoing = handshake.outgoing()
            if outgoing:
                self._sock.sendall(outgoing)
        if not isinstance(handshake.result, Negotiated):
            raise OSError(f"export {export!r}: {handshake.result.reason}")
        return handshake.result

    def read(self, offset: int, length: int) -> bytes:
        data = self._ask(CMD_READ, offset, length)
        assert data is not None and len(data) == length
        return bytes(data)

    def write(self, offset: int, data: bytes) -> None:
        self._ask(CMD_WRITE, offset, len(data), data)

    def flush(self) -> None:
        self._ask(CMD_FLUSH, 0, 0)

    def close(self) -> None:
        try:
            self._sock.sendall(request_header(CMD_DISC, 0, 0, 0, 0))
        except OSError:
            # It has hung up first.
            pass
        self._sock.close()

    def _ask(self, command: int, offset: int, length: int, payload: bytes = b"") -> bytearray | None:
        """Send it and wait for its answer."""
        self._cookie += 1
        sink = self._sink
        sink.expect(self._cookie, length if command == CMD_READ else 0)
        header = request_header(command, 0, self._cookie, offset, length)
        self._sock.sendall(header + payload if payload else header)
        while not sink.is_answered:
            self._receive()
            if sink.fault:
                raise OSError(f"not an answer: {sink.fault}")
        data, sink.data = sink.data, None
        if sink.error:
            raise OSError(sink.error, f"{os.strerror(sink.error)}: command {command} of {length} bytes at {offset}")
        return data

    def _receive(self) -> None:
        """What the socket holds, into the parser."""
        want = self._parser.want_payload
        if want is not None:
            count = self._sock.recv_into(memoryview(want)[self._parser.payload_have :])
            self._check(count)
            self._parser.payload_received(count)
            return
        count = self._sock.recv_into(memoryview(self._buffer)[self._end :])
        self._check(count)
        self._end += count
        start = self._parser.parse(self._buffer, self._start, self._end)
        held = self._end - start
        self._buffer[:held] = self._buffer[start : self._end]
        self._start = 0
        self._end = held

    def _check(self, count: int) -> None:
        if count == 0:
            raise ConnectionError("the server closed the connection")
