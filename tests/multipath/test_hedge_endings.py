"""Hedged reads: suspend, reload, remove, and clients that go away, while two copies are on their way."""

import pytest
from tests.support.hedge_scene import FIRST, SECOND, Scene, late

from hawser.block.request import UNKNOWN
from hawser.core.status import TRANSPORT
from hawser.dm.table import parse_lines


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("noflush", [False, True])
def test_a_suspend_waits_for_an_answer_and_not_for_the_loser(mode: str, noflush: bool):
    scene = Scene(mode)
    scene.answer(FIRST, late())
    scene.answer(SECOND, late(milliseconds=20))
    bio = scene.read()
    scene.go(16)
    scene.rig.device.suspend(noflush)
    scene.world.settle()
    assert not scene.rig.device.is_suspended()
    scene.go(20)
    scene.assert_read(bio)
    assert scene.rig.device.is_suspended()
    assert scene.rig.device.in_flight() == 0
    scene.rig.device.resume()
    scene.go(100)
    scene.assert_at_rest()


@pytest.mark.parametrize("noflush", [False, True])
def test_nothing_is_sent_twice_while_a_suspend_is_under_way(mode: str, noflush: bool):
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=50))
    bio = scene.read()
    scene.rig.device.suspend(noflush)
    scene.go(40)
    assert not bio.finished and scene.counts() == (0, 0, 0)
    scene.go(20)
    assert scene.rig.device.is_suspended()
    scene.rig.device.resume()
    scene.answer(FIRST, late())
    scene.answer(SECOND, late())
    again = scene.read()
    scene.rig.paths[FIRST].driver.script.clear()
    scene.rig.paths[SECOND].driver.script.clear()
    scene.go(20)
    scene.assert_read(again)
    assert scene.counts() == (1, 1, 0)


@pytest.mark.parametrize("noflush", [False, True])
def test_a_loser_of_the_table_before_touches_nothing_of_the_new_one(mode: str, noflush: bool):
    scene = Scene(mode)
    scene.answer(FIRST, late(TRANSPORT, 100, fate=UNKNOWN))
    bio = scene.read()
    scene.go(20)
    scene.assert_read(bio)
    before = scene.target
    words = f"0 2048 multipath {before.status_table()}"
    scene.rig.device.load(parse_lines(words), scene.world.registry)
    scene.rig.device.suspend(noflush)
    scene.world.settle()
    scene.rig.device.resume()
    assert scene.target is not before
    scene.hedger.leave()
    scene.hedger.follow(scene.target)
    event = scene.rig.device.event_nr
    scene.go(200)
    assert (scene.rig.letters(), scene.rig.device.event_nr) == ("AA", event)
    assert before.state.valid_paths == 2
    scene.assert_at_rest()


def test_a_removed_map_does_not_wait_for_losers(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late(TRANSPORT, 100, fate=UNKNOWN))
    bio = scene.read()
    scene.go(20)
    scene.assert_read(bio)
    scene.hedger.leave()
    assert scene.rig.device.idle()
    scene.rig.device.remove()
    scene.go(200)
    assert all(path.device.idle() for path in scene.rig.paths)
    assert scene.hedger.in_flight == 0


def test_a_client_that_is_gone_is_no_reason_to_blame_a_path(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=50))
    scene.answer(SECOND, late(milliseconds=50))
    scene.read()
    scene.go(16)
    scene.rig.client.dead = True
    scene.rig.device.cancel_dead()
    scene.go(200)
    assert scene.rig.letters() == "AA"
    scene.assert_at_rest()


def test_an_error_of_a_dead_clients_read_is_taken_as_ever(mode: str):
    """Bio-based it says nothing, request-based it fails the path: a request may be for several clients."""
    scene = Scene(mode)
    scene.answer(FIRST, late(TRANSPORT, 30, fate=UNKNOWN))
    scene.answer(SECOND, late(milliseconds=50))
    scene.read()
    scene.go(16)
    scene.rig.client.dead = True
    scene.rig.device.cancel_dead()
    scene.go(20)
    assert scene.rig.letters() == ("FA" if mode == "rq" else "AA")
    scene.go(200)
    scene.assert_at_rest()
