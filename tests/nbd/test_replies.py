"""The reply stream against a plain oracle, in any chunking, and what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nbd.transcript import chunks

from hawser.nbd import protocol as p
from hawser.nbd.replies import UNKNOWN_COOKIE, ReplyParser, ReplySink

BIG = p.INLINE_PAYLOAD_MAX + 1


class InFlight(ReplySink):
    """Knows the size of every read in flight, and writes down what it is told."""

    def __init__(self, reads):
        self.reads = reads
        self.said = []

    def reply(self, cookie, error):
        self.said.append((cookie, error))
        size = self.reads.get(cookie, UNKNOWN_COOKIE)
        return size if error == 0 or size < 0 else 0

    def payload(self, data):
        assert isinstance(data, bytearray)
        self.said.append(bytes(data))

    def on_error(self, reason):
        assert reason.isprintable()
        self.said.append(("error", reason))


def said(data, reads, sizes=None, buffer_size=p.BUFFER_MIN):
    """What the sink is told when `data` arrives in pieces and the edge compacts its buffer each time."""
    sink = InFlight(reads)
    parser = ReplyParser(sink)
    held = bytearray()
    for piece in chunks(data, sizes or [len(data) or 1]):
        while piece:
            want = parser.want_payload
            if want is not None:
                view = memoryview(want)[parser.payload_have :]
                size = min(len(view), len(piece))
                view[:size] = piece[:size]
                parser.payload_received(size)
            else:
                size = min(buffer_size - len(held), len(piece))
                assert size > 0, "no room: the parser left more than it said it would"
                held += piece[:size]
                start = parser.parse(held, 0, len(held))
                assert 0 <= start <= len(held)
                del held[:start]
            piece = piece[size:]
    return sink.said


def reply(cookie, error=0, data=b""):
    return p.simple_reply(cookie.to_bytes(8, "big"), error) + data


sizes = st.sampled_from([0, 0, 1, 512, 4096, p.INLINE_PAYLOAD_MAX, BIG, 200000])
errors = st.sampled_from([0, 0, 0, p.EIO, p.ESHUTDOWN, 2**32 - 1])
conversations = st.lists(st.tuples(errors, sizes), max_size=10)
cuts = st.lists(st.integers(1, 100) | st.integers(1000, 100000), min_size=1, max_size=6)


@given(conversations, cuts)
def test_what_is_answered_is_what_the_sink_is_told(items, pieces):
    reads = {number * 2**59: size for number, (_, size) in enumerate(items)}
    data, expected = b"", []
    for (number, size), (error, _) in zip(reads.items(), items, strict=True):
        payload = bytes([number % 251]) * size if error == 0 else b""
        data += reply(number, error, payload)
        expected += [(number, error)] + ([payload] if payload else [])
    if len(data) > 4096:
        pieces = [size + 500 for size in pieces]
    assert said(data, reads, pieces) == expected


@given(st.lists(st.builds(reply, st.integers(0, 3), errors) | st.binary(max_size=40)).map(b"".join), cuts)
def test_any_bytes_in_any_chunking_end_alike(data, pieces):
    reads = {0: 0, 1: 16, 2: 5000}
    whole = said(data, reads)
    assert said(data, reads, pieces) == whole
    assert [at for at, what in enumerate(whole) if what[:1] == ("error",)] in ([], [len(whole) - 1])


def test_a_cookie_that_nobody_waits_for_ends_the_stream():
    assert said(reply(7) + reply(8) + reply(7), {7: 0}) == [
        (7, 0),
        (8, 0),
        ("error", "reply to cookie 0x8, which no request in flight has"),
    ]


@pytest.mark.parametrize(
    ("magic", "says"),
    [
        (p.STRUCTURED_REPLY_MAGIC, "a structured reply, which was not negotiated"),
        (p.REQUEST_MAGIC, "unknown"),
        (0, "unknown"),
    ],
)
def test_another_magic_ends_the_stream(magic, says):
    [(kind, reason)] = said(p.U32.pack(magic) + bytes(40), {0: 0}, [1])
    assert kind == "error"
    assert says in reason


def test_data_that_was_in_the_buffer_whole_is_not_waited_for():
    data = b"y" * BIG
    assert said(reply(1, 0, data) + reply(2), {1: BIG, 2: 0}, buffer_size=1 << 18) == [(1, 0), data, (2, 0)]


def test_long_data_is_received_into_its_own_memory():
    sink = InFlight({1: BIG})
    parser = ReplyParser(sink)
    start = bytearray(reply(1) + b"abc")
    assert parser.parse(start, 0, len(start)) == len(start)
    assert parser.want_payload is not None
    assert (len(parser.want_payload), parser.payload_have) == (BIG, 3)
    parser.payload_received(BIG - 3)
    assert parser.want_payload is None
    assert sink.said == [(1, 0), b"abc" + bytes(BIG - 3)]
