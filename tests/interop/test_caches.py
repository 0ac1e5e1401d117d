"""Servers with write-back caches of their own: never side by side, never a stale read, never a flush that promises what is lost.

DESIGN, Hard problems 2 and 3; the hazard: nbdkit's cache filter, two servers over one file, both claiming CAN_MULTI_CONN.
"""

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import serve_command
from tests.support.nbd_client import NbdError
from tests.support.processes import run
from tests.support.upstreams import content

from hawser.nbd.protocol import EIO

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit", "qemu-nbd", "nbd-server")]

MODES = ["rq", "bio"]


def two_caches(fleet: Fleet, kind: str = "nbdkit"):
    image = fleet.image("disk", 8 * MIB, b"0")
    return image, *(fleet.cached(kind, name, image) for name in ("one", "two"))


def fails(call, *args) -> int:
    with pytest.raises(NbdError) as caught:
        call(*args)
    return caught.value.errno or 0


def test_spreading_over_caches_that_do_not_know_each_other_is_refused_with_the_reason(fleet):
    _, one, two = two_caches(fleet)
    listen = f"nbd+unix:///d?socket={fleet.directory}/h.sock"
    done = run(serve_command([one.uri(), two.uri()], [listen], "--grouping", "multibus"), check=False)
    assert done.returncode == 1 and done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if " error: " in line]
    assert len(errors) == 1
    assert "cache" in errors[0] and "cache=path" in errors[0] and "group 1" in errors[0]


def test_by_default_one_cache_carries_all_io(fleet):
    _, one, two = two_caches(fleet)
    gateway = fleet.serve([one.uri(), two.uri()])
    groups = gateway.dm("table").split(" 2 1 service-time ")
    assert len(groups) == 2, "two groups of one path each"
    client = fleet.client(gateway)
    block = client.export.block_min
    for number in range(16):
        client.write(number * block, bytes([number]) * block)
    for number in range(16):
        assert client.read(number * block, block) == bytes([number]) * block


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("nbdkit", "rq"),
        ("nbdkit", "bio"),
        pytest.param("qemu-nbd", "rq", marks=pytest.mark.soak),
        pytest.param("nbd-server", "bio", marks=pytest.mark.soak),
    ],
)
def test_a_switch_shows_no_stale_data_and_old_data_never_covers_new(fleet, kind, mode):
    image, one, two = two_caches(fleet, kind)
    gateway = fleet.serve([one.uri(), two.uri()], "--queue-mode", mode)
    client = fleet.client(gateway)
    block = client.export.block_min
    # The second server's cache holds the old content, as a probe's read may leave it there.
    fleet.direct_client(two).read(0, block)
    client.write(4 * block, b"W" * block)
    gateway.dm("message", "mpatha", "0", "switch_group", "2")
    assert client.read(4 * block, block) == b"W" * block
    client.write(4 * block, b"N" * block)
    client.flush()
    assert content(image, 4 * block, block) == b"N" * block
    fleet.direct_client(one).flush()
    assert content(image, 4 * block, block) == b"N" * block, "the first server wrote back what was old"
    assert client.read(4 * block, block) == b"N" * block
    gateway.assert_no_traceback()


@pytest.mark.parametrize("mode", MODES)
def test_after_a_kill_with_unflushed_writes_they_are_written_again_by_the_other_path(fleet, mode):
    """With a cache that is really lost: what was acknowledged is read all the same, and the next flush makes it durable."""
    image, one, two = two_caches(fleet)
    gateway = fleet.serve([one.uri(), two.uri()], "--queue-mode", mode)
    client = fleet.client(gateway)
    block = client.export.block_min
    client.write(0, b"W" * block)
    client.flush()
    client.write(0, b"V" * block)
    client.write(2 * block, b"X" * 2 * block)
    client.write(3 * block, b"Y" * block)
    one.kill()
    assert content(image, 0, block) == b"W" * block, "it is lost indeed"
    assert content(image, 2 * block, 2 * block) == b"0" * 2 * block
    assert client.read(0, block) == b"V" * block
    assert client.read(2 * block, 2 * block) == b"X" * block + b"Y" * block
    client.flush()
    assert content(image, 0, block) == b"V" * block
    assert content(image, 2 * block, 2 * block) == b"X" * block + b"Y" * block
    assert "what its cache held was written again" in gateway.log()
    assert gateway.states() == "FA"
    # And back, once more.
    client.write(5 * block, b"Z" * block)
    one.start()
    gateway.wait_for_states("AA")
    two.kill()
    assert client.read(5 * block, block) == b"Z" * block
    client.flush()
    assert content(image, 5 * block, block) == b"Z" * block
    gateway.assert_no_traceback()


@pytest.mark.parametrize("mode", MODES)
def test_so_they_are_by_the_same_path_when_there_is_no_other(fleet, mode):
    image, one, _ = two_caches(fleet)
    gateway = fleet.serve([one.uri()], "--queue-mode", mode, "--queue-timeout", "forever")
    client = fleet.client(gateway)
    block = client.export.block_min
    client.write(0, b"V" * block)
    one.kill()
    waiting = client.send_read(0, block)
    assert not client.has_answer(waiting, 0.5)
    assert content(image, 0, block) == b"0" * block
    one.start()
    assert client.wait(waiting) == b"V" * block
    client.flush()
    assert content(image, 0, block) == b"V" * block


@pytest.mark.parametrize("mode", MODES)
def test_a_full_store_of_what_is_retained_forces_a_flush(fleet, mode):
    image, one, two = two_caches(fleet)
    gateway = fleet.serve([one.uri(), two.uri()], "--queue-mode", mode, "--retain", "64k")
    client = fleet.client(gateway)
    block = client.export.block_min
    for number in range(100):
        client.write(number * block, b"F" * block)
    assert content(image, 0, block) == b"F" * block, "nobody has asked for a flush but the gateway"
    one.kill()
    for number in range(100):
        assert client.read(number * block, block) == b"F" * block
    client.flush()
    assert content(image, 99 * block, block) == b"F" * block


@pytest.mark.parametrize("mode", MODES)
def test_where_nothing_is_retained_no_flush_of_this_client_succeeds_after_a_kill(fleet, mode):
    image, one, two = two_caches(fleet)
    gateway = fleet.serve([one.uri(), two.uri()], "--queue-mode", mode, "--retain", "0")
    client = fleet.client(gateway)
    bystander = fleet.client(gateway)
    block = client.export.block_min
    client.write(0, b"W" * block)
    client.flush()
    client.write(2 * block, b"X" * block)
    one.kill()
    gateway.wait_for_states("FA")
    assert fails(client.flush) == EIO
    assert content(image, 2 * block, block) == b"0" * block, "it is lost indeed"
    # What was flushed is there.
    assert client.read(0, block) == b"W" * block
    client.write(3 * block, b"Y" * block)
    assert fails(client.flush) == EIO, "sticky: who had the disk open cannot know what of its data is lost"
    assert fails(bystander.flush) == EIO
    newcomer = fleet.client(gateway)
    newcomer.write(4 * block, b"Z" * block)
    newcomer.flush()
    assert content(image, 4 * block, block) == b"Z" * block
    one.start()
    gateway.wait_for_states("AA")
    newcomer.flush()
    assert fails(client.flush) == EIO
    gateway.assert_no_traceback()


def test_a_kill_after_a_flush_costs_nothing(fleet):
    image, one, two = two_caches(fleet)
    gateway = fleet.serve([one.uri(), two.uri()])
    client = fleet.client(gateway)
    block = client.export.block_min
    client.write(0, b"W" * block)
    client.flush()
    one.kill()
    gateway.wait_for_states("FA")
    assert client.read(0, block) == b"W" * block
    client.write(block, b"N" * block)
    client.flush()
    assert content(image, block, block) == b"N" * block
