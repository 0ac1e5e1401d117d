"""A black hole: a write sits in our own send queue when the network swallows everything, and would go out when it heals.

DESIGN, Hard problems 1; a naive multipath that keeps the old connection open loses the newer write.
"""

import time

import pytest
from tests.support.black_hole import BlackHole
from tests.support.fleet import MIB, Fleet
from tests.support.upstreams import content

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit", "ip")]

OLD = b"W" * 4096
NEW = b"N" * 4096
# How long a path is kept after a timeout for the late answer (hawser.paths.nbd.LINGER_NS).
LINGER_S = 5.0


class Scene:
    """Two servers over one file: the first behind the hole, the second on a unix socket."""

    def __init__(self, fleet: Fleet, hole: BlackHole, **attributes: object) -> None:
        self.image = fleet.image("disk", 8 * MIB, b"0")
        first = fleet.beyond(hole, "far", self.image)
        second = fleet.nbdkit("near", "file", self.image)
        self.gateway = fleet.serve(
            [first.uri(**attributes), second.uri(**attributes)], "--io-timeout", "1", "--grouping", "failover"
        )
        self.gateway.wait_for_paths("AA")
        self.client = fleet.client(self.gateway)
        self.client.write(MIB, b"x" * 4096)
        hole.swallow()
        self.swallowed = time.monotonic()
        self.client.wait(self.client.send_write(0, OLD))
        self.new = self.client.send_write(0, NEW)

    def since(self) -> float:
        return time.monotonic() - self.swallowed

    def assert_no_ghost(self, seconds: float) -> None:
        """TCP's retransmissions come after ever longer pauses; a ghost landed after 3.2 s without the reset."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert content(self.image, 0, 4096) == NEW
            time.sleep(0.05)


def test_healed_in_time_the_late_answer_lets_the_newer_write_go(fleet, hole):
    scene = Scene(fleet, hole, cache="lun")
    assert not scene.client.has_answer(scene.new, 1.0)
    hole.heal()
    scene.client.wait(scene.new)
    scene.assert_no_ghost(1.0)
    scene.gateway.wait_for_states("AA")


def test_declared_quiesce_counts_from_the_reset_and_no_ghost_comes(fleet, hole):
    scene = Scene(fleet, hole, cache="lun", quiesce=1)
    scene.client.wait(scene.new)
    assert scene.since() >= LINGER_S + 1, "the connection was to be reset first"
    hole.heal()
    scene.assert_no_ghost(5.0)
    assert "unproven" in scene.gateway.log()
    scene.gateway.wait_for_states("AA")


def test_undeclared_the_newer_write_waits_and_no_ghost_comes(fleet, hole):
    scene = Scene(fleet, hole, cache="lun")
    scene.gateway.wait_for_log("declare quiesce=SECONDS")
    hole.heal()
    scene.gateway.wait_for_states("AA")
    assert not scene.client.has_answer(scene.new, 2.0)
    assert content(scene.image, 0, 4096) == OLD
    elsewhere = scene.client.send_write(2 * MIB, NEW)
    scene.client.wait(elsewhere)
    assert scene.gateway.end() < 5


def test_with_the_default_cache_nothing_is_promised_that_the_lost_server_may_break(fleet, hole):
    """The first server has an unflushed write and a cache that nobody can flush now: everything waits, and then goes on."""
    scene = Scene.__new__(Scene)
    scene.image = fleet.image("disk", 8 * MIB, b"0")
    first = fleet.beyond(hole, "far", scene.image)
    second = fleet.nbdkit("near", "file", scene.image)
    gateway = fleet.serve([first.uri(), second.uri()], "--io-timeout", "1")
    gateway.wait_for_paths("AA")
    client = fleet.client(gateway)
    client.write(MIB, b"x" * 4096)
    hole.swallow()
    old = client.send_write(0, OLD)
    gateway.wait_for_log("was left with unflushed writes")
    assert not client.has_answer(old, 1.0)
    hole.heal()
    client.wait(old)
    client.write(0, NEW)
    assert client.read(0, 4096) == NEW
    assert content(scene.image, 0, 4096) == NEW
