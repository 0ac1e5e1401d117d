"""The request stream against a plain oracle, in any chunking, and what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nbd.transcript import chunks

from hawser.nbd import protocol as p
from hawser.nbd.requests import RequestParser, RequestSink

BIG = p.INLINE_PAYLOAD_MAX + 1


class Log(RequestSink):
    """Writes down what it is told."""

    def __init__(self, budget=1 << 40, pause_after=0):
        self.said = []
        self.budget = budget
        self.pause_after = pause_after
        self.parser = RequestParser(self)

    def on_request(self, command, flags, cookie, offset, length, payload):
        kept = None if payload is None else bytes(payload)
        self.said.append((command, flags, cookie, offset, length, kept))
        if self.pause_after and len(self.said) % self.pause_after == 0:
            self.parser.paused = True

    def on_invalid(self, cookie, error):
        self.said.append(("invalid", cookie, error))

    def on_disconnect(self):
        self.said.append("disconnect")

    def on_error(self, reason):
        assert reason.isprintable()
        self.said.append(("error", reason))

    def may_receive(self, length):
        if length > self.budget:
            return False
        self.budget -= length
        return True


class Edge:
    """A connection's receiving half, as the server's edge does it: compact, receive, parse."""

    def __init__(self, log, buffer_size=p.BUFFER_MIN):
        self.log = log
        self.parser = log.parser
        self.buffer = bytearray(buffer_size)
        self.start = self.end = 0

    def receives(self, data):
        """Take one piece as a socket would hand it out: as much as there is room for at a time."""
        while data:
            want = self.parser.want_payload
            if want is not None:
                view = memoryview(want)[self.parser.payload_have :]
                size = min(len(view), len(data))
                view[:size] = data[:size]
                self.parser.payload_received(size)
            else:
                size = self._fill(data)
                self.parse()
            data = data[size:]

    def _fill(self, data):
        self.buffer[: self.end - self.start] = self.buffer[self.start : self.end]
        self.start, self.end = 0, self.end - self.start
        size = min(len(self.buffer) - self.end, len(data))
        assert size > 0, "no room: the parser left more than it said it would"
        self.buffer[self.end : self.end + size] = data[:size]
        self.end += size
        return size

    def parse(self):
        start = self.parser.parse(self.buffer, self.start, self.end)
        while self.parser.paused and self.log.pause_after:
            self.parser.paused = False
            start = self.parser.parse(self.buffer, start, self.end)
        assert self.start <= start <= self.end
        self.start = start


def said(data, sizes=None, **options):
    log = Log(**options)
    edge = Edge(log)
    for piece in chunks(data, sizes or [len(data)]):
        edge.receives(piece)
    return log.said


def request(command, flags=0, cookie=1, offset=0, length=0, payload=b""):
    return p.request_header(command, flags, cookie, offset, length) + payload


def cookie(number):
    return number.to_bytes(8, "big")


cookies = offsets = st.integers(0, 2**64 - 1)
sizes_small = st.integers(0, 300)
sizes_around = st.sampled_from([p.INLINE_PAYLOAD_MAX - 1, p.INLINE_PAYLOAD_MAX, BIG, 3 * BIG])
fua = st.sampled_from([0, p.CMD_FLAG_FUA])


def encoded(item):
    command, flags, raw_cookie, offset, length, payload = item
    return p.request_header(command, flags, int.from_bytes(raw_cookie, "big"), offset, length) + (payload or b"")


def pattern(size, seed):
    return (seed.to_bytes(2, "big") * (size // 2 + 1))[:size]


raw = cookies.map(cookie)
reads = st.tuples(st.just(p.CMD_READ), fua, raw, offsets, st.integers(0, p.PAYLOAD_MAX), st.none())
trims = st.tuples(st.just(p.CMD_TRIM), fua, raw, offsets, st.integers(0, 2**32 - 1), st.none())
zeroes = st.tuples(
    st.just(p.CMD_WRITE_ZEROES), st.sampled_from([0, 1, 2, 16, 19]), raw, offsets, st.integers(0, 2**32 - 1), st.none()
)
flushes = st.tuples(st.just(p.CMD_FLUSH), fua, raw, st.just(0), st.just(0), st.none())
payloads = st.builds(pattern, sizes_small | sizes_small | sizes_around, st.integers(0, 65535))
writes = st.builds(lambda f, c, o, d: (p.CMD_WRITE, f, c, o, len(d), d), fua, raw, offsets, payloads)
streams = st.lists(reads | writes | trims | zeroes | flushes, max_size=12)
cuts = st.lists(st.integers(1, 100) | st.integers(1000, 100000), min_size=1, max_size=6)


def affordable(data, sizes):
    """Tiny pieces of a huge stream test nothing more, only slower."""
    return sizes if len(data) < 4096 else [size + 500 for size in sizes]


@given(streams, cuts, st.integers(0, 3))
def test_what_is_sent_is_what_the_sink_is_told(items, sizes, pause_after):
    data = b"".join(map(encoded, items))
    assert said(data, affordable(data, sizes), pause_after=pause_after) == items


headers = st.builds(
    p.request_header, st.integers(0, 9), st.sampled_from([0, 0, 1, 2, 4, 0xFFFF]), cookies, offsets, sizes_small
)
noise = st.lists(headers | streams.map(lambda s: b"".join(map(encoded, s[:2]))) | st.binary(max_size=60), max_size=8)


@given(noise.map(b"".join), cuts)
def test_any_bytes_in_any_chunking_end_alike(data, sizes):
    whole = said(data)
    assert said(data, affordable(data, sizes)) == whole
    ends = [at for at, what in enumerate(whole) if what == "disconnect" or what[0] == "error"]
    assert ends in ([], [len(whole) - 1])


def test_a_fua_write_keeps_its_flag_and_its_memory_is_its_own():
    log = Log()
    edge = Edge(log)
    edge.receives(request(p.CMD_WRITE, p.CMD_FLAG_FUA, 5, 4096, 3, b"abc"))
    edge.receives(request(p.CMD_WRITE, 0, 6, 4096, 3, b"xyz"))
    assert log.said == [
        (p.CMD_WRITE, p.CMD_FLAG_FUA, cookie(5), 4096, 3, b"abc"),
        (p.CMD_WRITE, 0, cookie(6), 4096, 3, b"xyz"),
    ]


@pytest.mark.parametrize(
    ("command", "flags", "offset", "length"),
    [
        (p.CMD_READ, 0, 0, p.PAYLOAD_MAX + 1),
        (p.CMD_READ, p.CMD_FLAG_DF, 0, 512),
        (p.CMD_READ, 0x8000, 0, 512),
        (p.CMD_FLUSH, 0, 0, 1),
        (p.CMD_FLUSH, 0, 512, 0),
        (p.CMD_TRIM, p.CMD_FLAG_NO_HOLE, 0, 512),
        (p.CMD_WRITE_ZEROES, p.CMD_FLAG_DF, 0, 512),
        (p.CMD_CACHE, 0, 0, 512),
        (p.CMD_BLOCK_STATUS, 0, 0, 512),
        (99, 0, 0, 512),
        (0xFFFF, 0xFFFF, 2**64 - 1, 2**32 - 1),
    ],
)
def test_a_request_that_makes_no_sense_is_einval_and_the_next_is_served(command, flags, offset, length):
    flush = request(p.CMD_FLUSH, cookie=2)
    assert said(request(command, flags, 1, offset, length) + flush) == [
        ("invalid", cookie(1), p.EINVAL),
        (p.CMD_FLUSH, 0, cookie(2), 0, 0, None),
    ]


@pytest.mark.parametrize("size", [0, 5, 70000, 1 << 20])
@pytest.mark.parametrize("cut", [29, 4000, 1 << 24])
def test_the_payload_of_an_invalid_write_is_passed_over_and_costs_no_memory(size, cut):
    data = request(p.CMD_WRITE, p.CMD_FLAG_NO_HOLE, 1, 0, size, bytes(size)) + request(p.CMD_FLUSH, cookie=2)
    assert said(data, [cut], budget=0) == [
        ("invalid", cookie(1), p.EINVAL),
        (p.CMD_FLUSH, 0, cookie(2), 0, 0, None),
    ]


def test_a_bad_magic_ends_the_stream():
    read = request(p.CMD_READ, length=512)
    assert said(read + b"\x25\x60\x95\x14" + bytes(24) + read) == [
        (p.CMD_READ, 0, cookie(1), 0, 512, None),
        ("error", "request magic 0x25609514: 0x25609513 is expected"),
    ]


@pytest.mark.parametrize("magic", [0, 0xFFFFFFFF, p.SIMPLE_REPLY_MAGIC, 0x21E41C71])
def test_other_magics_end_the_stream(magic):
    [(kind, reason)] = said(p.U32.pack(magic) + bytes(24), [1])
    assert kind == "error"
    assert f"{magic:#010x}" in reason


@pytest.mark.parametrize("length", [p.PAYLOAD_MAX + 1, 2**32 - 1])
def test_a_write_beyond_all_bounds_ends_the_stream(length):
    assert said(request(p.CMD_WRITE, 0, 1, 0, length) + bytes(100)) == [
        ("error", f"write of {length} bytes: at most 33554432 are accepted")
    ]


def test_nothing_is_heard_after_a_disconnect():
    data = request(p.CMD_DISC) + request(p.CMD_READ, length=512)
    assert said(data) == said(data, [1]) == ["disconnect"]


def test_a_long_payload_waits_until_there_is_memory_for_it():
    log = Log(budget=0)
    edge = Edge(log, buffer_size=4096)
    edge.receives(request(p.CMD_READ, length=512) + request(p.CMD_WRITE, 0, 2, 0, BIG, b"x" * 10))
    assert edge.parser.paused
    assert edge.parser.want_payload is None
    assert len(log.said) == 1
    assert edge.end - edge.start == p.REQUEST_SIZE + 10

    edge.parse()
    assert edge.parser.want_payload is None

    log.budget = BIG
    edge.parser.paused = False
    edge.parse()
    assert log.budget == 0
    assert edge.parser.payload_have == 10
    edge.receives(b"x" * (BIG - 10))
    assert log.said[1:] == [(p.CMD_WRITE, 0, cookie(2), 0, BIG, b"x" * BIG)]


def test_a_refused_payload_that_is_in_the_buffer_already_waits_too():
    log = Log(budget=0)
    edge = Edge(log, buffer_size=1 << 18)
    edge.receives(request(p.CMD_WRITE, 0, 2, 0, BIG, b"x" * BIG))
    assert edge.parser.paused
    assert log.said == []
    log.budget = BIG
    edge.parser.paused = False
    edge.parse()
    assert log.said == [(p.CMD_WRITE, 0, cookie(2), 0, BIG, b"x" * BIG)]
    assert edge.start == edge.end


def test_the_sink_can_stop_the_parser_between_two_requests():
    log = Log()
    parser = log.parser
    data = bytearray(request(p.CMD_READ, length=512) * 3)
    log.pause_after = 1
    assert parser.parse(data, 0, len(data)) == 28
    assert parser.parse(data, 28, len(data)) == 28
    parser.paused = False
    assert parser.parse(data, 28, len(data)) == 56
    assert len(log.said) == 2


def test_the_buffer_may_be_parsed_from_its_middle():
    log = Log()
    data = bytearray(b"junk" + request(p.CMD_READ, length=512) + request(p.CMD_FLUSH))
    assert RequestParser(log).parse(data, 4, len(data) - 1) == 32
    assert [what[0] for what in log.said] == [p.CMD_READ]


def test_memory_is_only_taken_by_leave():
    log = Log(budget=0)
    edge = Edge(log, buffer_size=4096)
    edge.receives(request(p.CMD_WRITE, 0, 1, 0, p.PAYLOAD_MAX))
    assert edge.parser.want_payload is None
    log.budget = p.PAYLOAD_MAX
    edge.parser.paused = False
    edge.parse()
    assert edge.parser.want_payload is not None
    assert len(edge.parser.want_payload) == p.PAYLOAD_MAX
    assert edge.parser.payload_have == 0
