"""Hedged reads: where a second copy may go, when it has to wait, and how many there may be."""

import pytest
from tests.support.hedge_scene import FIRST, LATE_NS, LIMIT_NS, MS, SECOND, Scene, late, merged_reads

from hawser.block.ops import WRITE
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.request import UNKNOWN
from hawser.core.clock import NEVER
from hawser.core.status import OK, TIMEOUT
from hawser.lab.world import Answer, Client
from hawser.multipath.demotion import demote
from hawser.multipath.hedge import SHARE_MAX, TWINS_MAX


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def test_no_twin_goes_to_another_group(mode: str):
    scene = Scene(mode, paths=1, groups=2)
    scene.answer(FIRST, late())
    bio = scene.read()
    scene.go(50)
    assert not bio.finished and scene.counts() == (0, 0, 0)
    scene.go(100)
    scene.assert_read(bio)


def test_none_stays_in_a_group_that_is_left(mode: str):
    scene = Scene(mode, paths=2, groups=2)
    scene.answer(FIRST, late())
    bio = scene.read()
    scene.rig.message("switch_group 2")
    scene.go(20)
    scene.rig.client.read(800, 512)
    scene.go(50)
    assert not bio.finished and scene.counts() == (0, 0, 0)


@pytest.mark.parametrize("trouble", ["failed", "demoted", "full", "quiesced"])
def test_no_twin_goes_to_a_path_that_is(mode: str, trouble: str):
    scene = Scene(mode, depth=2)
    device = scene.rig.paths[SECOND].device
    scene.answer(FIRST, late(milliseconds=60))
    bio = scene.read()
    if trouble == "failed":
        scene.fail(SECOND)
    elif trouble == "demoted":
        demote(scene.target, device, "slow")
    elif trouble == "full":
        probe = Client(device)
        scene.answer(SECOND, late(), late())
        for sector in (800, 900):
            probe.read(sector, 512)
        scene.before[SECOND] += 2
    else:
        device.requests.quiesce()
    scene.go(50)
    assert not bio.finished
    assert (scene.counts(), scene.spread()) == ((0, 0, 0), [1, 0])
    scene.go(20)
    scene.assert_read(bio)


def test_no_path_has_a_twin_where_caches_are_their_own(mode: str):
    scene = Scene(mode, paths=1, groups=2, cache="path")
    scene.answer(FIRST, late())
    bio = scene.read()
    scene.go(50)
    assert not bio.finished and scene.counts() == (0, 0, 0)
    assert scene.world.timers.next_deadline_ns() > scene.world.clock.now_ns + 30 * MS, "nobody even looks"


def test_it_goes_where_no_read_is_late_and_least_is_to_do(mode: str):
    scene = Scene(mode, paths=4)
    for number in range(3):
        scene.answer(number, late())
    # The third is busy, but not late yet, when the first two are.
    scene.answer(2, late(), late())
    first, second = scene.read(16), scene.read(48)
    scene.go(9)
    for sector in (800, 832, 864):
        Client(scene.rig.paths[2].device).read(sector, 512)
    scene.go(8)
    scene.assert_read(first)
    scene.assert_read(second, 48)
    assert scene.spread() == [1, 1, 3, 2]
    scene.go(200)
    scene.assert_at_rest()


# Fences.


def test_a_fence_that_has_come_meanwhile_holds_a_twin_back(mode: str):
    """A read was sent; then a write of the same sector is lost, and is not acknowledged: a read that comes now would wait."""
    scene = Scene(mode, paths=3)
    scene.answer(0, late(milliseconds=200))
    scene.answer(1, late(TIMEOUT, 5, fate=UNKNOWN))
    scene.answer(2, late(milliseconds=400))
    bio = scene.read(16)
    write = scene.rig.client.write(16, b"\xff" * 512)
    scene.go(6)
    assert scene.target.fences.active
    scene.go(100)
    assert not bio.finished and not write.finished
    assert scene.counts() == (0, 0, 0)
    # The ghost is proved, with the write's retry still open: now a read may go.
    scene.rig.paths[1].driver.settle(PROOF_ANSWER)
    scene.target.reinstate(scene.target.state.paths[1])
    scene.go(20)
    assert scene.counts() == (1, 1, 0)
    assert bio.finished and bio.status == OK
    scene.go(500)
    assert write.status == OK
    scene.assert_at_rest()


def test_a_fence_elsewhere_does_not(mode: str):
    scene = Scene(mode, paths=3)
    scene.answer(0, late(milliseconds=200))
    scene.answer(1, late(TIMEOUT, 5, fate=UNKNOWN))
    bio = scene.read(16)
    scene.rig.client.write(800, b"\xff" * 512)
    scene.go(50)
    assert scene.target.fences.active
    scene.assert_read(bio)
    assert scene.counts() == (1, 1, 0)


# What is counted.


def test_the_share_of_twins_is_bounded(mode: str):
    """Every read is late: of a thousand, five in a hundred have a twin, and the others are counted as refused."""
    scene = Scene(mode, percent=SHARE_MAX, credit=0, paths=3)
    for path in scene.rig.paths:
        path.driver.default = Answer(delay_ns=30 * MS)
    for number in range(250):
        for place in range(4):
            scene.rig.client.read((number * 4 + place) % 120 * 16, 512)
        scene.go(7)
    scene.go(200)
    sent, _, refused = scene.counts()
    assert 40 <= sent <= 50
    # (Who was refused may have one later.)
    assert refused <= 1000 <= sent + refused
    assert sum(scene.spread()) == 1000 + sent
    assert len(scene.rig.client.done) == 1000
    scene.assert_at_rest()


def test_not_too_many_are_on_their_way_at_once(mode: str):
    scene = Scene(mode, credit=TWINS_MAX * 3)
    for path in scene.rig.paths:
        path.driver.default = Answer(delay_ns=500 * MS)
    for number in range(40):
        scene.rig.client.read(number * 16, 512)
        scene.world.settle()
    scene.go(100)
    assert scene.hedger.in_flight == TWINS_MAX
    assert scene.counts() == (TWINS_MAX, 0, 40 - TWINS_MAX)
    # Others come and go meanwhile, so that there is budget.
    for path in scene.rig.paths:
        path.driver.default = Answer()
    for number in range(40):
        scene.rig.client.read(1000 + number * 16, 512)
        scene.world.settle()
    scene.go(100)
    assert scene.hedger.sent == TWINS_MAX
    scene.go(2000)
    scene.assert_at_rest()


def test_what_is_saved_up_is_bounded(mode: str):
    scene = Scene(mode, credit=TWINS_MAX * 4, percent=50)
    for path in scene.rig.paths:
        path.driver.default = Answer(delay_ns=12 * MS)
    # (Twins end soon: it is not their number at once that matters.)
    for number in range(60):
        scene.rig.client.read(number * 16, 512)
        scene.go(15)
    assert scene.hedger.sent <= TWINS_MAX + 30


def test_a_twin_is_one_io_of_its_path_and_none_of_the_map(mode: str):
    scene = Scene(mode)
    reads = int(scene.rig.device.stats.reads.ios)
    done = [path.ios for path in scene.target.state.paths]
    below = [int(path.device.stats.reads.ios) for path in scene.rig.paths]
    scene.answer(FIRST, late())
    scene.read()
    scene.go(200)
    assert scene.rig.device.stats.reads.ios == reads + 1
    assert [path.ios - was for path, was in zip(scene.target.state.paths, done, strict=True)] == [0, 1]
    grown = [int(path.device.stats.reads.ios) - was for path, was in zip(scene.rig.paths, below, strict=True)]
    assert grown == [1, 1]
    # The loser's time counts for its path.
    assert scene.rig.paths[FIRST].device.stats.reads.latencies().maximum >= LATE_NS


def test_writes_have_no_twins(mode: str):
    scene = Scene(mode)
    scene.answer(FIRST, late())
    write = scene.rig.client.write(16, bytes(512))
    scene.go(50)
    assert not write.finished and scene.counts() == (0, 0, 0)
    assert [op for op, _, _ in scene.rig.paths[FIRST].driver.sent].count(WRITE) == 1


def test_merged_reads_have_a_twin_each_or_one_for_all(mode: str):
    """Bio-based each bio has its own; request-based they are one request."""
    scene = Scene(mode, paths=2)
    scene.answer(FIRST, late())
    bios = merged_reads(scene, 4)
    scene.go(20)
    assert all(bio.finished for bio in bios)
    scene.go(200)
    for number, bio in enumerate(bios):
        scene.assert_read(bio, 16 + 8 * number)
    assert scene.hedger.sent == (1 if mode == "rq" else 4)
    scene.assert_at_rest()


def test_nobody_looks_while_there_is_no_io(mode: str):
    scene = Scene(mode)
    assert scene.world.timers.next_deadline_ns() == NEVER
    scene.read()
    scene.go(2 * LIMIT_NS / MS)
    assert scene.world.timers.next_deadline_ns() == NEVER


def test_of_merged_bios_those_without_a_twin_may_have_one_when_there_is_credit_again():
    """Bio-based: the first of them has its twin already."""
    scene = Scene("bio", percent=50, credit=1, paths=2)
    scene.answer(FIRST, late(milliseconds=500))
    scene.answer(SECOND, late(milliseconds=500))
    bios = merged_reads(scene, 2)
    scene.go(20)
    assert scene.counts() == (1, 0, 1)
    # Two other reads come and go, which earns a twin.
    scene.fail(FIRST)
    scene.rig.paths[SECOND].driver.default = Answer()
    for _ in range(2):
        scene.read(1000)
    scene.target.reinstate(scene.target.state.paths[FIRST])
    scene.go(20)
    assert scene.hedger.sent == 2
    scene.go(1000)
    for number, bio in enumerate(bios):
        scene.assert_read(bio, 16 + 8 * number)
    scene.assert_at_rest()
