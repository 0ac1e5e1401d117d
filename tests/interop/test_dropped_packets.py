"""A firewall between hawser and one of two servers drops what it is sent, or the answers, or both, and lets it through later:
TCP sends again what neither side has forgotten. The client journals what it is told."""

import time

import pytest
from tests.support.black_hole import BlackHole
from tests.support.fleet import MIB, Fleet
from tests.support.journalled_disk import JournalledDisk

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit", "ip", "nft")]

# How long a path is kept after a timeout for the late answer (hawser.paths.nbd.LINGER_NS).
LINGER_S = 5.0
TIMEOUT_S = 1


class Scene(JournalledDisk):
    """The first server is behind the firewall, and I/O goes to both. So few blocks that much overlaps."""

    def __init__(self, fleet: Fleet, hole: BlackHole, mode: str, **attributes: object) -> None:
        image = fleet.image("disk", 8 * MIB)
        servers = [fleet.beyond(hole, "far", image), fleet.nbdkit("near", "file", image)]
        paths = [servers[0].uri(cache="lun", timeout=TIMEOUT_S, **attributes), servers[1].uri(cache="lun")]
        always = ["--queue-mode", mode, "--double-failed-time", "off"]
        super().__init__(fleet, image, servers, paths, *always, blocks=16)


CASES = [
    ("both", "rq"),
    ("requests", "rq"),
    ("answers", "rq"),
    ("both", "bio"),
    ("requests", "bio"),
    ("answers", "bio"),
]


@pytest.mark.parametrize(
    ("packets", "mode", "rounds"),
    [("answers", "rq", 1), *[pytest.param(*case, 4, marks=pytest.mark.soak) for case in CASES]],
)
def test_healed_before_the_connection_is_reset_the_late_answers_are_the_proof(fleet, hole, packets, mode, rounds):
    scene = Scene(fleet, hole, mode)
    for _ in range(rounds):
        hole.drop(packets)
        scene.gateway.wait_for_states("FA")
        time.sleep(0.3)
        hole.let_through()
        scene.wait_until_whole()
    scene.end()
    assert "fate unknown" in scene.gateway.log()
    assert "unproven" not in scene.gateway.log()


@pytest.mark.soak
@pytest.mark.parametrize(("packets", "mode"), CASES)
def test_healed_after_that_only_the_declared_time_lets_newer_writes_go(fleet, hole, packets, mode):
    """What the server has taken in is done at once: this declaration is true."""
    scene = Scene(fleet, hole, mode, quiesce=1)
    hole.drop(packets)
    scene.gateway.wait_for_log("unproven", 2 * LINGER_S + 10)
    scene.load.wait_for_progress()
    hole.let_through()
    scene.wait_until_whole()
    scene.end()
