"""Servers whose write-back caches are really lost when they are killed (nbdkit's cache filter), one after the other, under a
client that journals what it is told: nothing acknowledged is lost, and what a flush covered is below all caches."""

import random
import time

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.load import Load

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit", "qemu-nbd", "nbd-server"), pytest.mark.timeout(180)]

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
    paths = [server.uri() for server in servers]
    gateway = fleet.serve(paths, "--queue-mode", mode, "--queue-timeout", "forever")
    gateway.wait_for_paths("AA")
    load = Load(gateway, blocks=BLOCKS, overlap=False, rate=400).start()
    load.wait_for_progress()
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
        gateway.wait_for_states("AA")
        load.wait_for_progress()
    load.stop()
    load.check()
    load.flush()
    for server in servers:
        server.kill()
    load.check_below(image)
    assert "what its cache held was written again" in gateway.log()
    assert load.done() > 100 * rounds
    gateway.assert_no_traceback()
