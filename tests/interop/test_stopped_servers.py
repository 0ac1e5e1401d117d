"""Servers that stand still for longer than the timeout and go on, while a client writes the same blocks again and again, and
journals what it is told."""

import time

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.journalled_disk import JournalledDisk

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("nbdkit", "qemu-nbd", "nbd-server"),
]

TIMEOUT_S = 1.0
# So few that what is written soon overlaps what the stopped server holds.
BLOCKS = 16


@pytest.mark.parametrize(
    ("kind", "mode", "rounds"),
    [
        ("nbdkit", "rq", 1),
        *[
            pytest.param(kind, mode, 6, marks=pytest.mark.soak)
            for kind in ("nbdkit", "qemu-nbd", "nbd-server")
            for mode in ("rq", "bio")
        ],
    ],
)
def test_what_a_stopped_server_does_when_it_goes_on_harms_nothing(fleet: Fleet, kind, mode, rounds):
    image = fleet.image("disk", 8 * MIB)
    servers = [fleet.server(kind, name, image) for name in ("one", "two")]
    paths = [server.uri(cache="lun", timeout=TIMEOUT_S) for server in servers]
    always = ["--queue-mode", mode, "--queue-timeout", "forever", "--double-failed-time", "off"]
    disk = JournalledDisk(fleet, image, servers, paths, *always, blocks=BLOCKS)
    for turn in range(rounds):
        index, server = turn % 2, servers[turn % 2]
        server.freeze()
        disk.gateway.wait_for_states("FA" if index == 0 else "AF")
        time.sleep(0.5)
        server.thaw()
        disk.wait_until_whole()
    disk.end()
    assert "fate unknown" in disk.gateway.log(), "writes were to be in the stopped servers"
