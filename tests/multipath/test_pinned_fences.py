"""Pinned by mutants: fences and witnesses at the edges of ranges, and with more than one orphan."""

import pytest

from hawser.block.ops import DISCARD, FLUSH, READ, WRITE
from hawser.block.orphan import CACHE, PROOF_ANSWER, Orphan
from hawser.block.request import UNKNOWN
from hawser.core.status import OK, TIMEOUT
from hawser.core.units import NS_PER_MS
from hawser.lab.world import Answer, World, make_multipath
from hawser.multipath.fence import FenceSet


def orphan(start: int, end: int, kind: int = 0) -> Orphan:
    made = Orphan("p0", 0, WRITE, start, end, 1, None)
    made.kind = kind
    return made


def fences(*orphans: Orphan) -> FenceSet:
    made = World().disk.fences
    for each in orphans:
        made.add(each)
    return made


@pytest.mark.parametrize(
    ("start", "end", "blocked"),
    [(0, 8, False), (0, 9, True), (8, 9, True), (15, 16, True), (15, 20, True), (16, 24, False)],
)
def test_a_fence_has_exact_ends(start: int, end: int, blocked: bool):
    made = fences(orphan(8, 16))
    assert [made.blocks(op, start, end, None) for op in (READ, WRITE, DISCARD)] == [blocked] * 3


def test_every_orphan_is_looked_at():
    own = orphan(0, 8)
    made = fences(orphan(100, 108), own, orphan(50, 58), orphan(4, 12))
    assert made.blocks(WRITE, 5, 6, [own])
    assert not made.blocks(WRITE, 0, 4, [own])
    assert made.blocks(WRITE, 51, 52, None)


def test_only_a_cache_that_was_left_fences_flushes():
    assert not fences(orphan(0, 8)).blocks(FLUSH, 0, 0, None)
    made = fences(orphan(0, 8), orphan(0, 2048, CACHE))
    assert len(made.orphans) == 2
    assert made.blocks(FLUSH, 0, 0, None)


def test_an_orphan_is_added_once_and_not_when_it_is_proved():
    twice, proved = orphan(0, 8), orphan(8, 16)
    proved.resolve(PROOF_ANSWER)
    made = fences(twice, twice, proved)
    assert (made.orphans, made.active) == ([twice], True)
    twice.resolve(PROOF_ANSWER)
    assert (made.orphans, made.active, made.proofs) == ([], False, {PROOF_ANSWER: 1})


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_write_whose_last_sector_a_ghost_may_still_touch_is_no_witness(mode: str):
    """Both were in flight together; then the answer of the one on p0 was lost."""
    rig = make_multipath(World(), mode=mode)
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=NS_PER_MS))
    rig.paths[1].driver.default = Answer(delay_ns=5 * NS_PER_MS)
    rig.client.write(7, b"g" * 4096)
    beside = rig.client.write(0, b"b" * 4096)
    rig.world.pass_time(5 * NS_PER_MS)
    assert (beside.finished, beside.status) == (True, OK)
    assert [each.sector for each in rig.world.disk.witness.testimonies()] == []


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_write_next_to_a_ghost_is_a_witness(mode: str):
    rig = make_multipath(World(), mode=mode)
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=NS_PER_MS))
    rig.paths[1].driver.default = Answer(delay_ns=5 * NS_PER_MS)
    rig.client.write(8, b"g" * 4096)
    rig.client.write(0, b"b" * 4096)
    rig.world.pass_time(5 * NS_PER_MS)
    assert [each.sector for each in rig.world.disk.witness.testimonies()] == [0]
