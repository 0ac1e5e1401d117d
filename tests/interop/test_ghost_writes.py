"""Ghost writes on real servers: a write that was given up on one path must not land on a newer one that was
acknowledged on another.

What a naive multipath does here, with the same servers: it corrupts. DESIGN, Hard problems 1.
"""

import time
from pathlib import Path

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.upstreams import content, wait_for_content

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("nbdkit", "qemu-nbd", "nbd-server", "gcc"),
]

SERVERS = ["nbdkit", "qemu-nbd", "nbd-server"]
MODES = ["rq", "bio"]
OLD = b"W" * 4096
NEW = b"N" * 4096
SLOW_S = 3.0


def two(fleet: Fleet, kind: str, tcp: bool = False):
    """A server whose writes can be made slow, a quick one, their file, and the switch."""
    image = fleet.image("disk", 8 * MIB, b"0")
    environment, slow = fleet.slow_writes("first")
    return image, fleet.server(kind, "first", image, tcp, environment), fleet.server(kind, "second", image, tcp), slow


def stays(image: Path, expected: bytes, seconds: float) -> bool:
    """Whether the file's first block goes on holding that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if content(image, 0, len(expected)) != expected:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", SERVERS)
def test_a_write_that_timed_out_does_not_land_on_a_newer_one(fleet, kind, mode):
    image, first, second, slow = two(fleet, kind)
    gateway = fleet.serve([first.uri(), second.uri()], "--io-timeout", "1", "--queue-mode", mode)
    gateway.wait_for_paths("AA")
    client = fleet.client(gateway)
    slow.write_text(str(SLOW_S))
    started = time.monotonic()
    old = client.send_write(0, OLD)
    gateway.wait_for_log("fate unknown")
    slow.unlink()
    client.wait(old)
    client.wait(client.send_write(0, NEW))
    assert time.monotonic() - started >= SLOW_S, "the newer write was to wait for the older one's end"
    assert client.read(0, 4096) == NEW
    client.flush()
    assert stays(image, NEW, 0.5)
    gateway.assert_no_traceback()


@pytest.mark.parametrize("how", ["reset", "eof"])
@pytest.mark.parametrize("kind", SERVERS)
def test_a_lost_connection_proves_nothing_and_the_newer_write_waits(fleet, kind, how):
    image, first, second, slow = two(fleet, kind, tcp=True)
    relay = fleet.relay(first)
    gateway = fleet.serve([relay.uri(), second.uri()])
    client = fleet.client(gateway)
    slow.write_text(str(SLOW_S))
    started = time.monotonic()
    old = client.send_write(0, OLD)
    time.sleep(0.3)
    relay.cut(how)
    client.wait(old)
    assert time.monotonic() - started < SLOW_S, "the other path was to take it at once"
    new = client.send_write(0, NEW)
    elsewhere = client.send_write(MIB, NEW)
    client.wait(elsewhere)
    answered = client.has_answer(new, SLOW_S + 2 - (time.monotonic() - started))
    assert not answered, "nothing proves that the old write cannot land any more"
    assert content(image, 0, 4096) == OLD
    assert "declare quiesce=SECONDS" in gateway.log()


@pytest.mark.parametrize("mode", MODES)
def test_a_client_whose_fenced_writes_are_many_still_reads(fleet, mode):
    """More than a client may have in flight of anything else; and the more of them are let go in the end."""
    image, first, second, slow = two(fleet, "nbdkit")
    gateway = fleet.serve([first.uri(cache="lun"), second.uri(cache="lun")], "--io-timeout", "1", "--queue-mode", mode)
    client = gateway.client()
    slow.write_text(str(SLOW_S))
    old = client.send_write(0, OLD)
    gateway.wait_for_log("fate unknown")
    slow.unlink()
    client.wait(old)
    newer = [client.send_write(0, NEW) for _ in range(900)]
    assert client.read(MIB, 4096) == b"0" * 4096
    assert not client.has_answer(newer[0], 0)
    for command in newer:
        client.wait(command)
    assert content(image, 0, 4096) == NEW
    assert client.read(0, 4096) == NEW


@pytest.mark.parametrize("how", ["reset", "eof"])
def test_a_declared_time_lets_the_newer_write_go_and_is_counted_as_unproven(fleet, how):
    image, first, second, slow = two(fleet, "nbdkit", tcp=True)
    relay = fleet.relay(first)
    gateway = fleet.serve([relay.uri(quiesce=SLOW_S + 1), second.uri()])
    client = fleet.client(gateway)
    slow.write_text(str(SLOW_S))
    old = client.send_write(0, OLD)
    time.sleep(0.3)
    cut = time.monotonic()
    relay.cut(how)
    client.wait(old)
    client.wait(client.send_write(0, NEW))
    assert time.monotonic() - cut >= SLOW_S
    assert stays(image, NEW, 1.0)
    assert "fence lifted" in gateway.log() and "unproven" in gateway.log()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", SERVERS)
def test_a_killed_server_on_a_unix_socket_is_proof(fleet, kind, mode):
    image, first, second, slow = two(fleet, kind)
    gateway = fleet.serve([first.uri(), second.uri()], "--queue-mode", mode)
    client = fleet.client(gateway)
    slow.write_text("60")
    old = client.send_write(0, OLD)
    time.sleep(0.3)
    first.kill()
    client.wait(old)
    client.wait(client.send_write(0, NEW))
    assert stays(image, NEW, 0.5)
    assert client.read(0, 4096) == NEW


def test_a_read_does_not_see_the_old_value_while_the_ghost_may_come(fleet):
    """The write has neither failed nor succeeded: with no other path nothing may be read there, as it may change yet."""
    image, first, second, slow = two(fleet, "nbdkit")
    second.kill()
    gateway = fleet.serve([first.uri(), second.uri()], "--io-timeout", "1", "--queue-timeout", "forever")
    gateway.wait_for_paths("AF")
    client = fleet.client(gateway)
    slow.write_text(str(SLOW_S))
    old = client.send_write(0, OLD)
    gateway.wait_for_log("fate unknown")
    slow.unlink()
    read = client.send_read(0, 4096)
    assert client.wait(read) == OLD
    client.wait(old)
    assert content(image, 0, 4096) == OLD


def test_a_late_write_into_a_cache_of_its_own_is_flushed_before_newer_data_is_written(fleet):
    """The ghost does not land on the disk but in its server's cache, and from there on newer, flushed data."""
    image = fleet.image("disk", 8 * MIB, b"0")
    environment, slow = fleet.slow_writes("first")
    first = fleet.nbdkit("first", "file", image, "cache=writeback", filters=["cache"], environment=environment)
    second = fleet.nbdkit("second", "file", image, "cache=writeback", filters=["cache"])
    gateway = fleet.serve([first.uri(), second.uri()], "--io-timeout", "1")
    gateway.wait_for_paths("AA")
    client = fleet.client(gateway)
    # The cache works in larger blocks; the export says so.
    block = client.export.block_min
    slow.write_text(str(SLOW_S))
    old = client.send_write(0, b"W" * block)
    gateway.wait_for_log("fate unknown")
    slow.unlink()
    client.wait(old)
    client.wait(client.send_write(0, b"N" * block))
    client.flush()
    wait_for_content(image, 0, b"N" * block, "the flush made the newer write durable")
    # Whatever makes a server write its cache back, sooner or later.
    fleet.direct_client(first).flush()
    assert content(image, 0, block) == b"N" * block
