"""Hedged reads: two copies of one read, on two paths; the first that succeeds is the answer."""

import pytest
from tests.support.hedge_scene import FIRST, SECOND, Scene, late, merged_reads

from hawser.block.request import NOT_SENT, UNKNOWN
from hawser.core.status import IOERR, MEDIUM, OK, RESOURCE, TIMEOUT, TRANSPORT
from hawser.dm.clone import CloneBio
from hawser.lab.world import Answer

SELECTORS = ["round-robin 0", "queue-length 0", "service-time 0"]


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("selector", SELECTORS)
def test_the_twin_wins(mode: str, selector: str):
    scene = Scene(mode, selector=selector)
    scene.answer(FIRST, late())
    scene.answer(SECOND, late())
    bio = scene.read()
    (slow,) = [number for number, count in enumerate(scene.spread()) if count]
    # The other one has an answer to give at once.
    scene.rig.paths[1 - slow].driver.script.clear()
    scene.go(9.9)
    assert sum(scene.spread()) == 1
    scene.go(6)
    assert scene.spread() == [1, 1]
    scene.assert_read(bio)
    assert scene.counts() == (1, 1, 0)
    assert scene.rig.client.done[-1] is bio
    scene.go(200)
    scene.assert_at_rest()
    # What came last touches nothing of it, and counts for nobody.
    assert [b for b in scene.rig.client.done if b is bio] == [bio]
    assert scene.rig.letters() == "AA"


def test_the_first_copy_wins(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=20))
    scene.answer(SECOND, late())
    bio = scene.read()
    scene.go(21)
    scene.assert_read(bio)
    assert scene.counts() == (1, 0, 0)
    assert scene.hedger.in_flight == 1
    scene.go(200)
    scene.assert_at_rest()


@pytest.mark.parametrize("first_wins", [True, False])
def test_the_loser_has_a_buffer_of_its_own(mode: str, first_wins: bool):
    """The disk changes after the answer: what comes late has read something else."""
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=20 if first_wins else 100))
    scene.answer(SECOND, late(milliseconds=60 if first_wins else 0))
    bio = scene.read()
    scene.go(21)
    assert bio.finished and bio.data is not None
    data = bytes(bio.data)
    assert data[0] == 2
    write = scene.rig.client.write(16, b"\xff" * 512)
    scene.world.settle()
    assert write.status == OK
    scene.go(200)
    assert bytes(bio.data) == data
    scene.assert_at_rest()


def test_what_nobody_waits_for_holds_nothing_of_the_client(mode: str):
    """Its path has the request still, and its bios are its own."""
    scene = Scene(mode)
    scene.answer(FIRST, late())
    bio = scene.read()
    scene.go(20)
    assert bio.finished
    (loser,) = scene.rig.paths[FIRST].driver.outstanding()
    assert loser.original is None
    assert [(held.sector, held.size) for held in loser.bios] == [(16, 512)]
    assert not any(held is bio or isinstance(held, CloneBio) for held in loser.bios)
    scene.go(200)
    scene.assert_at_rest()


@pytest.mark.parametrize("error", [Answer(TRANSPORT, fate=UNKNOWN), Answer(TIMEOUT, fate=UNKNOWN), Answer(MEDIUM)])
def test_the_twin_fails_and_the_first_copy_is_waited_for(mode: str, error: Answer):
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=50))
    scene.answer(SECOND, error)
    bio = scene.read()
    scene.go(30)
    assert not bio.finished
    # An error of the medium is no fault of the path.
    assert scene.rig.letters() == ("AA" if error.status == MEDIUM else "AF")
    scene.go(30)
    scene.assert_read(bio)
    assert scene.counts() == (1, 0, 0)
    assert scene.spread() == [1, 1]
    scene.assert_at_rest()


@pytest.mark.parametrize("error", [late(TRANSPORT, 20, fate=UNKNOWN), late(MEDIUM, 20)])
def test_the_first_copy_fails_and_the_twin_is_waited_for(mode: str, error: Answer):
    scene = Scene(mode)
    scene.answer(FIRST, error)
    scene.answer(SECOND, late(milliseconds=50))
    bio = scene.read()
    scene.go(30)
    assert not bio.finished
    assert scene.rig.letters() == ("AA" if error.status == MEDIUM else "FA")
    scene.go(50)
    scene.assert_read(bio)
    assert scene.counts() == (1, 1, 0)
    assert scene.spread() == [1, 1], "the twin was the retry"
    scene.assert_at_rest()


def test_both_fail_and_a_third_path_is_tried(mode: str):
    scene = Scene(mode, paths=3)
    scene.answer(FIRST, late(TRANSPORT, 20, fate=UNKNOWN))
    scene.answer(SECOND, late(TRANSPORT, 20, fate=UNKNOWN))
    bio = scene.read()
    scene.go(25)
    assert not bio.finished and scene.rig.letters() == "FAA"
    scene.go(25)
    scene.assert_read(bio)
    assert scene.rig.letters() == "FFA"
    assert scene.spread() == [1, 1, 1]
    scene.assert_at_rest()


def test_both_fail_and_there_is_no_other(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late(TRANSPORT, 20, fate=UNKNOWN))
    scene.answer(SECOND, late(TRANSPORT, 20, fate=UNKNOWN))
    bio = scene.read()
    scene.go(200)
    # The status of request-based dm is the path's, that of bio-based dm is EIO.
    assert bio.finished and bio.status == (TRANSPORT if mode == "rq" else IOERR)
    assert scene.rig.letters() == "FF"
    scene.assert_at_rest()


def test_both_fail_and_the_map_queues(mode: str):
    scene = Scene(mode, features="queue_if_no_path")
    scene.answer(FIRST, late(TRANSPORT, 20, fate=UNKNOWN))
    scene.answer(SECOND, late(TRANSPORT, 20, fate=UNKNOWN))
    bio = scene.read()
    scene.go(200)
    assert not bio.finished and scene.rig.letters() == "FF"
    scene.target.reinstate(scene.target.state.paths[SECOND])
    scene.go(200)
    scene.assert_read(bio)
    scene.assert_at_rest()


def test_an_error_of_the_medium_from_both_is_the_clients(mode: str):
    scene = Scene(mode, paths=3)
    scene.answer(FIRST, late(MEDIUM, 20))
    scene.answer(SECOND, late(MEDIUM, 20))
    bio = scene.read()
    scene.go(200)
    assert bio.finished and bio.status == MEDIUM
    assert (scene.rig.letters(), scene.spread()) == ("AAA", [1, 1, 0])
    scene.assert_at_rest()


def test_an_answered_error_of_both_is_the_clients_and_no_path_fails(mode: str):
    """Each is the other's second opinion."""
    scene = Scene(mode, paths=3)
    for path in scene.rig.paths:
        path.driver.answers_are_final = True
    scene.answer(FIRST, late(IOERR, 20))
    scene.answer(SECOND, late(IOERR, 20))
    bio = scene.read()
    scene.go(200)
    assert bio.finished and bio.status == IOERR
    assert (scene.rig.letters(), scene.spread()) == ("AAA", [1, 1, 0])
    scene.assert_at_rest()


def test_an_answered_error_of_one_and_a_path_error_of_the_other_is_tried_once_more(mode: str):
    scene = Scene(mode, paths=3)
    for path in scene.rig.paths:
        path.driver.answers_are_final = True
    scene.answer(FIRST, late(IOERR, 20))
    scene.answer(SECOND, late(TRANSPORT, 20, fate=UNKNOWN))
    bio = scene.read()
    scene.go(200)
    scene.assert_read(bio)
    assert (scene.rig.letters(), scene.spread()) == ("AFA", [1, 1, 1])
    scene.assert_at_rest()


def test_a_read_that_was_answered_with_an_error_has_no_twin(mode: str):
    """Its second try is its last, and the twin would go where the first went."""
    scene = Scene(mode)
    for path in scene.rig.paths:
        path.driver.answers_are_final = True
    scene.answer(FIRST, Answer(IOERR))
    scene.answer(SECOND, late())
    bio = scene.read()
    scene.go(150)
    scene.assert_read(bio)
    assert (scene.counts(), scene.spread()) == ((0, 0, 0), [1, 1])


def test_an_error_of_a_loser_still_fails_its_path(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late(TRANSPORT, 50, fate=UNKNOWN))
    bio = scene.read()
    scene.go(20)
    scene.assert_read(bio)
    assert scene.rig.letters() == "AA"
    scene.go(50)
    assert scene.rig.letters() == "FA"
    scene.assert_at_rest()


def test_a_path_that_fails_meanwhile_takes_nothing_with_it(mode: str):
    """The first copy hangs on a path that was failed by somebody; the twin answers."""
    scene = Scene(mode)
    scene.answer(FIRST, late())
    scene.answer(SECOND, late(milliseconds=20))
    bio = scene.read()
    scene.go(16)
    scene.fail(FIRST)
    assert not bio.finished
    scene.go(20)
    scene.assert_read(bio)
    scene.go(200)
    scene.assert_at_rest()


def test_the_path_of_the_twin_fails_meanwhile(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late())
    scene.answer(SECOND, late(TRANSPORT, 20, fate=UNKNOWN))
    bio = scene.read()
    scene.go(16)
    scene.fail(SECOND)
    scene.go(30)
    assert not bio.finished
    scene.go(100)
    scene.assert_read(bio)
    scene.assert_at_rest()


def test_a_read_on_a_path_that_has_failed_gets_a_twin(mode: str):
    """It hangs until the session is given up, and need not."""
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=1000))
    bio = scene.read()
    scene.fail(FIRST)
    scene.go(20)
    scene.assert_read(bio)
    scene.go(1000)
    scene.assert_at_rest()


@pytest.mark.parametrize("good", [4096, 5120])
def test_a_good_prefix_is_told_and_the_rest_is_tried_as_ever(mode: str, good: int):
    """The first copy does a part, and fails."""
    scene = Scene(mode, paths=3)
    scene.answer(FIRST, late(TRANSPORT, 20, good_bytes=good))
    scene.answer(SECOND, late(milliseconds=60), late(milliseconds=60))
    bios = merged_reads(scene, 2)
    scene.go(25)
    assert scene.rig.letters() == "FAA"
    assert bios[0].finished, "it need not wait for the twin"
    scene.go(300)
    for number, bio in enumerate(bios):
        scene.assert_read(bio, 16 + 8 * number)
    scene.assert_at_rest()


def test_what_was_not_sent_is_no_fault_of_the_path(mode: str):
    """The twin was given back undone, for want of room."""
    scene = Scene(mode)
    scene.answer(FIRST, late(milliseconds=40))
    scene.answer(SECOND, Answer(RESOURCE, fate=NOT_SENT))
    bio = scene.read()
    scene.go(60)
    scene.assert_read(bio)
    assert scene.rig.letters() == "AA"
    scene.assert_at_rest()
