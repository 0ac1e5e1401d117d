"""Inbox: what one client's socket held, parsed as far as the parser lets it."""

import socket
from typing import Final

from hawser.core.units import KIB
from hawser.nbd.requests import RequestParser

RECEIVE_BYTES: Final = 256 * KIB

# What a receive came to.
NOTHING: Final = 0
PARSE: Final = 1
END: Final = 2


class Inbox:
    """A buffer of RECEIVE_BYTES; large payloads go straight into memory of their own, which the parser provides."""

    def __init__(self, sock: socket.socket, parser: RequestParser) -> None:
        self.sock = sock
        self.parser = parser
        self._buffer = bytearray(RECEIVE_BYTES)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0

    def put(self, data: bytes) -> None:
        """Bytes that were received before this inbox was there."""
        self._view[self._end : self._end + len(data)] = data
        self._end += len(data)

    def holds(self) -> bool:
        """Whether there are bytes that were not parsed yet."""
        return self._start < self._end

    def receive(self) -> int:
        """Receive once: NOTHING to do, something to PARSE, or the END of the connection."""
        parser = self.parser
        want = parser.want_payload
        if want is None and parser.paused:
            # Nothing would be parsed; and where there is no room, to receive would look like the end.
            return NOTHING
        room = self._view[self._end :] if want is None else memoryview(want)[parser.payload_have :]
        try:
            count = self.sock.recv_into(room)
        except (BlockingIOError, InterruptedError):
            return NOTHING
        except OSError:
            return END
        if count == 0:
            return END
        if want is None:
            self._end += count
            return PARSE
        parser.payload_received(count)
        return PARSE if parser.want_payload is None else NOTHING

    def parse(self) -> None:
        """Let the parser take what it will. What it leaves moves to the front, unless it is only paused."""
        start = self.parser.parse(self._buffer, self._start, self._end)
        if start == self._end:
            self._start = 0
            self._end = 0
        elif self.parser.paused:
            self._start = start
        else:
            held = self._end - start
            self._view[:held] = bytes(self._view[start : self._end])
            self._start = 0
            self._end = held
