"""The client's reply stream: simple replies from the receive buffer to the sink.

proto.md, "Simple reply message". A simple reply does not say how long its data is: only who sent the request
knows, so the sink is asked with the cookie and answers with the size. Data of up to INLINE_PAYLOAD_MAX bytes,
or that the buffer holds already, is copied out of the buffer; the rest of a longer one is received straight
into its own memory, as in `requests`. Structured replies are not negotiated, so one is an error.
"""

from struct import Struct
from typing import Final

from mypy_extensions import i64, mypyc_attr

from hawser.nbd.protocol import (
    INLINE_PAYLOAD_MAX,
    PAYLOAD_MAX,
    SIMPLE_REPLY_MAGIC,
    SIMPLE_REPLY_SIZE,
    STRUCTURED_REPLY_MAGIC,
)

UNKNOWN_COOKIE: Final = -1

_unpack: Final = Struct(">IIQ").unpack_from


@mypyc_attr(allow_interpreted_subclasses=True)
class ReplySink:
    """Where parsed replies go. Its methods run inside the parser and must not call it."""

    def reply(self, cookie: int, error: int) -> int:
        """A reply's header. Returns the bytes of data that follow, or UNKNOWN_COOKIE.

        Data follows a read that succeeded and nothing else: 0 for all others. `error` is a number of the
        wire, 0 if it went well; treat an unexpected one as EINVAL ("Error values").
        """
        raise NotImplementedError

    def payload(self, data: bytearray) -> None:
        """The whole data of the reply that `reply` was last called for; the sink's to keep."""
        raise NotImplementedError

    def on_error(self, reason: str) -> None:
        """The stream cannot be trusted from here on: close. Nothing follows."""
        raise NotImplementedError


class ReplyParser:
    """Parses one connection's replies; `ended` after an error, when all further bytes are dropped.

    `want_payload`, `payload_have`: data to be received directly, and how much of it is there.
    """

    def __init__(self, sink: ReplySink) -> None:
        self.sink = sink
        self.ended = False
        self.want_payload: bytearray | None = None
        self.payload_have = 0
        self._due = 0  # the size of data, at most INLINE_PAYLOAD_MAX, whose header is parsed already

    def parse(self, buffer: bytearray, start: int, end: int) -> int:
        """Parse the replies in `buffer[start:end]` and return the new start, behind what was consumed.

        What is left is shorter than BUFFER_MIN: room for that many bytes from the new start on is all that
        the edge must provide. If `want_payload` is set on return nothing is left, and `payload_received` must
        be told of all its bytes before the next call.
        """
        assert self.want_payload is None, "the payload that is wanted has to be received first"
        sink = self.sink
        at: i64 = start
        stop: i64 = end
        while not self.ended:
            due: i64 = self._due
            if due > 0:
                if stop - at < due:
                    break
                self._due = 0
                at += due
                sink.payload(buffer[at - due : at])
            if stop - at < SIMPLE_REPLY_SIZE:
                break
            fields: tuple[int, int, int] = _unpack(buffer, at)
            magic, error, cookie = fields
            if magic != SIMPLE_REPLY_MAGIC:
                self._bad_magic(magic)
                break
            at += SIMPLE_REPLY_SIZE
            size = sink.reply(cookie, error)
            if 0 <= size <= INLINE_PAYLOAD_MAX:
                self._due = size
            elif size > 0:
                at = self._large(buffer, at, stop, size)
            else:
                self._fatal(f"reply to cookie {cookie:#x}, which no request in flight has")
        return end if self.ended else at

    def payload_received(self, size: int) -> None:
        """`size` more bytes of `want_payload` are in place; the last ones complete the reply."""
        payload = self.want_payload
        assert payload is not None, "no payload is wanted"
        self.payload_have += size
        assert self.payload_have <= len(payload), "received beyond the payload"
        if self.payload_have == len(payload):
            self.want_payload = None
            self.payload_have = 0
            self.sink.payload(payload)

    def _large(self, buffer: bytearray, at: i64, stop: i64, size: int) -> i64:
        assert size <= PAYLOAD_MAX, "a read was sent that is longer than a payload may be"
        behind = at + size
        if behind <= stop:
            self.sink.payload(buffer[at:behind])
            return behind
        payload = bytearray(size)
        have = stop - at
        payload[:have] = buffer[at:stop]
        self.want_payload = payload
        self.payload_have = have
        return stop

    def _bad_magic(self, magic: int) -> None:
        kind = "a structured reply, which was not negotiated" if magic == STRUCTURED_REPLY_MAGIC else "unknown"
        self._fatal(f"reply magic {magic:#010x} ({kind}): {SIMPLE_REPLY_MAGIC:#010x} is expected")

    def _fatal(self, reason: str) -> None:
        self.ended = True
        self.sink.on_error(reason)
