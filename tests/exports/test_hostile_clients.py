"""Clients that break the protocol, on a real socket: one line that names them, and nobody else notices."""

import os
import random
import socket
import struct
import time

import pytest
from tests.support.fleet import MIB
from tests.support.gateway import Gateway
from tests.support.nbd_client import NbdClient, NbdError

from hawser.nbd import protocol
from hawser.nbd.protocol import option_request, request_header

pytestmark = pytest.mark.interop

FLAGS = struct.pack(">I", 3)
SIZE = 8 * MIB


@pytest.fixture
def gateway(fleet) -> Gateway:
    return fleet.serve([f"ram:?size={SIZE}", f"ram:?size={SIZE}"])


@pytest.fixture
def bystander(gateway) -> NbdClient:
    """A client that does nothing wrong; whatever others do, it is served."""
    client = gateway.client()
    client.write(0, b"b" * 4096)
    return client


def raw(gateway: Gateway) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    # Blocking, so that a full backlog is waited for.
    sock.connect(str(gateway.socket))
    sock.settimeout(20)
    return sock


def greeted(gateway: Gateway) -> socket.socket:
    sock = raw(gateway)
    assert sock.recv(18, socket.MSG_WAITALL)[:8] == b"NBDMAGIC"
    return sock


def end_of(sock: socket.socket) -> bytes:
    """What it still says until it hangs up; it has to."""
    said = b""
    with sock:
        while True:
            try:
                data = sock.recv(65536)
            except ConnectionError:
                return said
            if not data:
                return said
            said += data


def assert_named(gateway: Gateway, text: str) -> None:
    gateway.wait_for_log(text)
    lines = [line for line in gateway.warnings() if text in line]
    assert len(lines) == 1, lines
    assert "client " in lines[0]
    assert len(gateway.warnings()) == 1, gateway.warnings()
    gateway.assert_no_traceback()


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (struct.pack(">I", 0xFFFFFFFF), "flags"),
        (FLAGS + b"GARBAGE!" + struct.pack(">II", 7, 0), "magic"),
        (FLAGS + b"IHAVEOPT" + struct.pack(">II", 7, 0xFFFFFFF0), "NBD_OPT_GO announces"),
        (FLAGS + option_request(protocol.OPT_EXPORT_NAME, b"nothing"), "nothing"),
        (FLAGS + b"IHAVEOPT" + struct.pack(">I", 7), None),
        (b"", None),
        (FLAGS[:2], None),
    ],
)
def test_handshakes_that_break_the_protocol(gateway, bystander, sent, text):
    sock = greeted(gateway)
    sock.sendall(sent)
    if text is None:
        sock.shutdown(socket.SHUT_WR)
    end_of(sock)
    if text is not None:
        assert_named(gateway, text)
    assert bystander.read(0, 4096) == b"b" * 4096
    gateway.assert_no_traceback()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 3,
        struct.pack(">I", 0xFFFF) + b"d" + struct.pack(">H", 0),
        struct.pack(">I", 1) + b"d" + struct.pack(">H", 500),
        struct.pack(">I", 2) + b"\xff\xfe" + struct.pack(">H", 0),
        struct.pack(">I", 7) + b"nothing" + struct.pack(">H", 0),
        b"x" * 70_000,
    ],
)
def test_options_that_say_nonsense_are_answered_and_the_client_may_go_on(gateway, bystander, data):
    sock = greeted(gateway)
    sock.sendall(FLAGS + option_request(protocol.OPT_GO, data))
    reply = sock.recv(20, socket.MSG_WAITALL)
    magic, option, kind, length = struct.unpack(">QIII", reply)
    assert magic == protocol.OPTION_REPLY_MAGIC and option == protocol.OPT_GO and kind & protocol.REP_FLAG_ERROR
    sock.recv(length, socket.MSG_WAITALL)
    sock.sendall(option_request(protocol.OPT_GO, protocol.go_data("d", [])))
    assert struct.unpack(">QIII", sock.recv(20, socket.MSG_WAITALL))[2] == protocol.REP_INFO
    sock.close()
    assert bystander.read(0, 4096) == b"b" * 4096
    gateway.assert_no_traceback()


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"\0" * 28, "magic"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "magic"),
        (request_header(protocol.CMD_WRITE, 0, 1, 0, (32 << 20) + 1), "write of"),
        (request_header(protocol.CMD_WRITE, 0, 1, 0, 0xFFFFFFFF), "write of"),
    ],
)
def test_requests_that_break_the_stream(gateway, bystander, sent, text):
    client = gateway.client()
    client.read(0, 512)
    client.sock.sendall(sent)
    end_of(client.sock)
    assert_named(gateway, text)
    assert bystander.read(0, 4096) == b"b" * 4096


def error_of(client: NbdClient, command: int, offset: int, length: int, payload: bytes = b"", flags: int = 0) -> int:
    try:
        client.wait(client.send(command, offset, length, payload, flags))
    except NbdError as error:
        return error.errno or 0
    return 0


def test_requests_that_are_refused_leave_the_client_connected(gateway, bystander):
    client = gateway.client()
    huge = (1 << 63) + 4096
    for command in (protocol.CMD_READ, protocol.CMD_TRIM, protocol.CMD_WRITE_ZEROES):
        assert error_of(client, command, SIZE, 512)
        assert error_of(client, command, SIZE - 512, 1024)
        assert error_of(client, command, huge, 512)
        assert error_of(client, command, (1 << 64) - 512, 512)
        assert error_of(client, command, 0, 0)
    assert error_of(client, protocol.CMD_WRITE, SIZE, 512, bytes(512)) == protocol.ENOSPC
    assert error_of(client, protocol.CMD_WRITE, SIZE - 512, 1024, bytes(1024)) == protocol.ENOSPC
    assert error_of(client, protocol.CMD_WRITE, (1 << 64) - 512, 512, bytes(512))
    assert error_of(client, protocol.CMD_WRITE, 1, 512, bytes(512)) == protocol.EINVAL
    assert error_of(client, protocol.CMD_WRITE, 0, 511, bytes(511)) == protocol.EINVAL
    assert error_of(client, protocol.CMD_WRITE, 0, 0) == protocol.EINVAL
    assert error_of(client, protocol.CMD_WRITE, 0, 512, bytes(512), flags=0x8000) == protocol.EINVAL
    assert error_of(client, protocol.CMD_WRITE, SIZE - 512, 1 << 20, bytes(1 << 20)) == protocol.ENOSPC
    assert error_of(client, protocol.CMD_READ, 0, (32 << 20) + 512) == protocol.EINVAL
    assert error_of(client, protocol.CMD_FLUSH, 512, 0) == protocol.EINVAL
    assert error_of(client, 99, 0, 512) == protocol.EINVAL
    assert client.read(1, 3) == b"bbb"
    client.write(512, b"n" * 512)
    assert client.read(512, 512) == b"n" * 512
    assert bystander.read(0, 512) == b"b" * 512
    gateway.assert_no_traceback()


def test_writes_to_a_read_only_export_are_refused(fleet):
    gateway = fleet.serve(["ram:?size=1M"], "--read-only")
    client = gateway.client()
    assert error_of(client, protocol.CMD_WRITE, 0, 512, bytes(512)) == protocol.EPERM
    assert error_of(client, protocol.CMD_TRIM, 0, 512) == protocol.EPERM
    assert error_of(client, protocol.CMD_WRITE_ZEROES, 0, 512) == protocol.EPERM
    assert client.read(0, 512) == bytes(512)


def test_random_bytes(gateway, bystander):
    seed = int.from_bytes(os.urandom(4))
    rng = random.Random(seed)
    for number in range(120):
        if number % 2:
            sock = raw(gateway)
            prefix = rng.choice(
                [b"", FLAGS, FLAGS + b"IHAVEOPT", FLAGS + option_request(rng.randrange(12), rng.randbytes(9))]
            )
        else:
            sock = gateway.client().sock
            prefix = rng.choice([b"", b"\x25\x60\x95\x13", request_header(rng.randrange(8), 0, 1, 0, 512)])
        try:
            sock.sendall(prefix + rng.randbytes(rng.choice([1, 27, 28, 100, 5000])))
            if rng.random() < 0.5:
                sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        sock.close()
    assert len(bystander.read(0, 4096)) == 4096, f"seed {seed}"
    gateway.wait_until(lambda: "Open count:        1" in gateway.dm("info"), f"all of them are gone, seed {seed}")
    gateway.assert_no_traceback()


def test_slow_handshakes_hold_nobody_up(gateway, bystander):
    slow = [raw(gateway) for _ in range(60)]
    try:
        for byte in FLAGS + b"IHA":
            for sock in slow:
                sock.send(bytes([byte]))
            assert bystander.read(0, 512) == b"b" * 512
            assert gateway.client().read(0, 512) == b"b" * 512
    finally:
        for sock in slow:
            sock.close()
    gateway.assert_no_traceback()


def test_more_clients_than_there_may_be(gateway, bystander):
    many = [raw(gateway) for _ in range(300)]
    gateway.wait_for_log("refused, 256 clients are connected")
    assert bystander.read(0, 512) == b"b" * 512
    for sock in many:
        sock.close()

    def is_open_again() -> bool:
        try:
            return gateway.client().read(0, 512) == b"b" * 512
        except (OSError, AssertionError):
            return False

    gateway.wait_until(is_open_again, "lets clients in again")
    gateway.assert_no_traceback()


def test_a_silent_handshake_is_ended(fleet):
    """The limit is 30 s, so this only looks at it from the outside: many half-open ones cost next to nothing."""
    gateway = fleet.serve(["ram:?size=1M"])
    before = gateway.rss_kib()
    socks = [raw(gateway) for _ in range(200)]
    gateway.client().read(0, 512)
    assert gateway.rss_kib() - before < 200 * 1024
    for sock in socks:
        sock.close()


def test_a_client_that_never_reads_neither_grows_memory_nor_blocks_others(fleet):
    gateway = fleet.serve([f"ram:?size={64 * MIB}"])
    bystander = gateway.client()
    greedy = gateway.client()
    before = gateway.rss_kib()
    greedy.sock.setblocking(False)
    sent = 0
    ends = time.monotonic() + 2
    while time.monotonic() < ends and sent < 100_000:
        try:
            sent += greedy.sock.send(request_header(protocol.CMD_READ, 0, sent, 0, 1 << 20) * 64)
        except BlockingIOError:
            assert bystander.read(0, 512) == bytes(512)
            time.sleep(0.05)
    assert gateway.rss_kib() - before < 160 * 1024
    assert bystander.read(4096, 512) == bytes(512)
    greedy.close()
    gateway.wait_until(lambda: "Open count:        1" in gateway.dm("info"), "it is gone")
    gateway.assert_no_traceback()
