"""Servers whose write-back caches are really lost when they are killed (nbdkit's cache filter), one after the other, under a
client that journals what it is told: nothing acknowledged is lost, and what a flush covered is below all caches."""

import os
import random
import signal
import time

import pytest
from tests.support.file_system import as_file, require_loop_and_fuse
from tests.support.fleet import MIB, Fleet
from tests.support.journalled_disk import JournalledDisk
from tests.support.upstreams import content

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit", "qemu-nbd", "nbd-server")]

BLOCKS = 24


@pytest.mark.parametrize(
    ("kind", "mode", "rounds"),
    [
        ("nbdkit", "rq", 2),
        *[
            pytest.param(kind, mode, 8, marks=pytest.mark.soak)
            for kind in ("nbdkit", "qemu-nbd", "nbd-server")
            for mode in ("rq", "bio")
        ],
    ],
)
def test_what_their_caches_held_is_there_all_the_same(fleet: Fleet, kind, mode, rounds):
    """Writes do not overlap while they are in flight: of those that do nobody could tell which is to be written again last."""
    chance = random.Random(rounds)
    image = fleet.image("disk", 8 * MIB)
    servers = [fleet.cached(kind, name, image) for name in ("one", "two")]
    always = ["--queue-mode", mode, "--queue-timeout", "forever"]
    disk = JournalledDisk(
        fleet, image, servers, [server.uri() for server in servers], *always, blocks=BLOCKS, overlap=False, rate=400
    )
    load = disk.load
    for turn in range(rounds):
        server = servers[turn % 2]
        if turn % 3 == 2:
            # At rest it can be told what is durable.
            load.stop()
            server.kill()
            load.check_below(image)
            load.start()
        else:
            server.kill()
        time.sleep(chance.uniform(0.1, 0.4))
        server.start()
        disk.wait_until_whole()
    disk.end(kill_servers=True)
    assert "what its cache held was written again" in disk.gateway.log()
    assert load.done() > 100 * rounds


SLOW_S = 3


@pytest.mark.soak
@pytest.mark.needs("nbdfuse", "mount")
@pytest.mark.parametrize("mode", ["rq", "bio"])
@pytest.mark.parametrize("kind", ["nbdkit", "qemu-nbd"])
def test_a_write_that_the_kernel_holds_for_a_killed_server_lands_before_a_newer_one(fleet: Fleet, kind, mode):
    """The server cannot go before its system call has ended; until then the end of its connection is not told, and there is no
    proof."""
    require_loop_and_fuse()
    image = fleet.image("disk", 8 * MIB)
    below = fleet.nbdkit("below", "file", image, f"wdelay={SLOW_S}", filters=["delay"])
    with as_file(fleet, below.uri()) as slow_file:
        first = fleet.server(kind, "first", slow_file)
        second = fleet.server(kind, "second", image)
        paths = [first.uri(cache="lun", timeout=1), second.uri(cache="lun")]
        gateway = fleet.serve(paths, "--queue-mode", mode, "--grouping", "failover")
        gateway.wait_for_paths("AA")
        client = gateway.client()
        sent = time.monotonic()
        old = client.send_write(0, b"W" * 4096)
        time.sleep(0.5)
        os.killpg(first.pid, signal.SIGKILL)
        client.wait(old)
        assert time.monotonic() - sent < SLOW_S, "the other path was to take it"
        client.write(0, b"N" * 4096)
        assert time.monotonic() - sent > SLOW_S, "nothing could be proved before"
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            assert content(image, 0, 4096) == b"N" * 4096
            time.sleep(0.05)
        gateway.assert_no_traceback()
        first.kill()
