"""The server's request stream: one tight loop from the receive buffer to the sink, no object for a request.

proto.md, "Request message", "Request types". The edge receives into a bytearray and lets `parse` eat from it;
each request is one call of the sink. A payload of up to INLINE_PAYLOAD_MAX bytes, or one that the buffer
holds already, is copied out of the buffer; the rest of a longer one is received straight into its own memory:

    while (want := parser.want_payload) is not None:
        parser.payload_received(socket.recv_into(memoryview(want)[parser.payload_have :]))

Here is checked what the *stream* demands: magics, known commands and flags, sizes. Whether a range lies
within the export, is aligned, or may be written, is for the edge that knows the export.
"""

from struct import Struct
from typing import Final

from mypy_extensions import i64, mypyc_attr

from hawser.nbd.protocol import (
    CMD_DISC,
    CMD_FLAG_FAST_ZERO,
    CMD_FLAG_FUA,
    CMD_FLAG_NO_HOLE,
    CMD_FLUSH,
    CMD_READ,
    CMD_TRIM,
    CMD_WRITE,
    CMD_WRITE_ZEROES,
    EINVAL,
    INLINE_PAYLOAD_MAX,
    PAYLOAD_MAX,
    REQUEST_MAGIC,
    REQUEST_SIZE,
)

# Magic, flags and command as one number: the two requests that matter are recognised by one comparison. It
# stays below 2^62, which keeps it an unboxed integer when compiled.
_unpack: Final = Struct(">Q8sQI").unpack_from
_READ: Final = (REQUEST_MAGIC << 32) | CMD_READ
_WRITE: Final = (REQUEST_MAGIC << 32) | CMD_WRITE

# The flags that each command that we serve may carry ("Command flags"); a command that is not here is EINVAL.
FLAGS_ALLOWED: Final[dict[int, int]] = {
    CMD_READ: CMD_FLAG_FUA,
    CMD_WRITE: CMD_FLAG_FUA,
    CMD_FLUSH: CMD_FLAG_FUA,
    CMD_TRIM: CMD_FLAG_FUA,
    CMD_WRITE_ZEROES: CMD_FLAG_FUA | CMD_FLAG_NO_HOLE | CMD_FLAG_FAST_ZERO,
}


@mypyc_attr(allow_interpreted_subclasses=True)
class RequestSink:
    """Where parsed requests go. `cookie` is the request's 8 raw bytes; `offset` and `length` are in bytes.

    Its methods run inside the parser. They may set `parser.paused`; they must not call the parser.
    """

    def on_request(
        self, command: int, flags: int, cookie: bytes, offset: int, length: int, payload: bytearray | None
    ) -> None:
        """Read, write, flush, trim or write zeroes; `payload` is the sink's to keep, None unless a write."""
        raise NotImplementedError

    def on_invalid(self, cookie: bytes, error: int) -> None:
        """A request to be answered with `error`; the stream goes on."""
        raise NotImplementedError

    def on_disconnect(self) -> None:
        """NBD_CMD_DISC: answer what is in flight, then close. Nothing follows."""
        raise NotImplementedError

    def on_error(self, reason: str) -> None:
        """The stream cannot be trusted from here on: close. Nothing follows."""
        raise NotImplementedError

    def may_receive(self, length: int) -> bool:
        """Whether memory for a payload of `length` bytes, above INLINE_PAYLOAD_MAX, may be taken now.

        After a yes it is taken: that payload comes with `on_request`, or never if the connection ends before.
        """
        return True


class RequestParser:
    """Parses one connection's requests.

    `paused`: the sink sets it to be given no more for now; the parser sets it when `may_receive` said no.
    Parsing stops behind (before, when refused) that request; the edge clears it and calls `parse` again when
    there is room. `ended`: after a disconnect or an error all further bytes are dropped. `want_payload`,
    `payload_have`: a payload to be received directly, and how much of it is there.
    """

    def __init__(self, sink: RequestSink) -> None:
        self.sink = sink
        self.paused = False
        self.ended = False
        self.want_payload: bytearray | None = None
        self.payload_have = 0
        self._flags = 0
        self._cookie = b""
        self._offset = 0
        self._skip = 0  # bytes yet to come of the payload of a write that was invalid

    def parse(self, buffer: bytearray, start: int, end: int) -> int:
        """Parse the requests in `buffer[start:end]` and return the new start, behind the last whole one.

        What is left, unless `paused`, is the beginning of one request, shorter than BUFFER_MIN: room for that
        many bytes from the new start on is all that the edge must provide. If `want_payload` is set on return
        nothing is left, and `payload_received` must be told of all its bytes before the next call.
        """
        assert self.want_payload is None, "the payload that is wanted has to be received first"
        sink = self.sink
        at: i64 = start
        stop: i64 = end
        if self._skip > 0:
            at = self._skip_payload(at, stop, self._skip)
        while stop - at >= REQUEST_SIZE and not self.paused and not self.ended:
            fields: tuple[int, bytes, int, int] = _unpack(buffer, at)
            kind, cookie, offset, length = fields
            if kind == _READ and length <= PAYLOAD_MAX:
                at += REQUEST_SIZE
                sink.on_request(CMD_READ, 0, cookie, offset, length, None)
            elif kind == _WRITE and length <= INLINE_PAYLOAD_MAX:
                data = at + REQUEST_SIZE
                behind = data + length
                if behind > stop:
                    break
                at = behind
                sink.on_request(CMD_WRITE, 0, cookie, offset, length, buffer[data:behind])
            else:
                before = at
                at = self._parse_other(buffer, at, stop, kind, cookie, offset, length)
                if at == before:
                    break
        return end if self.ended else at

    def payload_received(self, size: int) -> None:
        """`size` more bytes of `want_payload` are in place; the last ones complete the request."""
        payload = self.want_payload
        assert payload is not None, "no payload is wanted"
        self.payload_have += size
        assert self.payload_have <= len(payload), "received beyond the payload"
        if self.payload_have == len(payload):
            self.want_payload = None
            self.payload_have = 0
            self.sink.on_request(CMD_WRITE, self._flags, self._cookie, self._offset, len(payload), payload)

    def _parse_other(
        self, buffer: bytearray, at: i64, stop: i64, kind: int, cookie: bytes, offset: int, length: int
    ) -> i64:
        """All but the plain small cases; returns the new start, `at` itself if the request has to wait."""
        if kind >> 32 != REQUEST_MAGIC:
            return self._fatal(f"request magic {kind >> 32:#010x}: {REQUEST_MAGIC:#010x} is expected", stop)
        command = kind & 0xFFFF
        flags = kind >> 16 & 0xFFFF
        if command == CMD_WRITE:
            return self._parse_write(buffer, at, stop, flags, cookie, offset, length)
        if command == CMD_DISC:
            self.ended = True
            self.sink.on_disconnect()
            return stop
        if is_valid(command, flags, offset, length):
            self.sink.on_request(command, flags, cookie, offset, length, None)
        else:
            self.sink.on_invalid(cookie, EINVAL)
        return at + REQUEST_SIZE

    def _parse_write(
        self, buffer: bytearray, at: i64, stop: i64, flags: int, cookie: bytes, offset: int, length: int
    ) -> i64:
        if length > PAYLOAD_MAX:
            return self._fatal(f"write of {length} bytes: at most {PAYLOAD_MAX} are accepted", stop)
        data = at + REQUEST_SIZE
        behind = data + length
        if not is_valid(CMD_WRITE, flags, offset, length):
            self.sink.on_invalid(cookie, EINVAL)
            return self._skip_payload(data, stop, length)
        if behind > stop and length <= INLINE_PAYLOAD_MAX:
            return at
        if length > INLINE_PAYLOAD_MAX and not self.sink.may_receive(length):
            self.paused = True
            return at
        if behind <= stop:
            self.sink.on_request(CMD_WRITE, flags, cookie, offset, length, buffer[data:behind])
            return behind
        payload = bytearray(length)
        have = stop - data
        payload[:have] = buffer[data:stop]
        self.want_payload = payload
        self.payload_have = have
        self._flags = flags
        self._cookie = cookie
        self._offset = offset
        return stop

    def _skip_payload(self, at: i64, stop: i64, size: int) -> i64:
        """Pass over `size` bytes, now as far as they are here and the rest when it comes."""
        here = min(size, stop - at)
        self._skip = size - here
        return at + here

    def _fatal(self, reason: str, stop: i64) -> i64:
        self.ended = True
        self.sink.on_error(reason)
        return stop


def is_valid(command: int, flags: int, offset: int, length: int) -> bool:
    """Whether a command is one that we serve, with flags and sizes that it may have ("Request types")."""
    allowed = FLAGS_ALLOWED.get(command, -1)
    if allowed < 0 or flags & ~allowed:
        return False
    if command == CMD_FLUSH:
        return offset == 0 and length == 0
    return command != CMD_READ or length <= PAYLOAD_MAX
