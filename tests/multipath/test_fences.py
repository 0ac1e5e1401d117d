"""Fences: while a write of unknown fate may still land, what overlaps it waits; nothing read or acknowledged is undone.

In every scenario p0 loses an answer ("it timed out, and may land later"), p1 is healthy.
"""

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import READ, WRITE
from hawser.block.orphan import PROOF_ANSWER, PROOF_PEER_GONE, UNPROVEN
from hawser.block.request import UNKNOWN
from hawser.core.status import IOERR, OK, TIMEOUT, TRANSPORT
from hawser.core.units import KIB, NS_PER_MS
from hawser.dm.request_based import DEPTH
from hawser.lab.world import Answer, Rig, World, make_multipath
from hawser.multipath.fence import FENCED_MAX

LANDS = Answer(TIMEOUT, fate=UNKNOWN)
VANISHES = Answer(TIMEOUT, fate=UNKNOWN, lands=False)
SLOW = Answer(delay_ns=10 * NS_PER_MS)
OLD, NEW, NEWER = b"o" * 4096, b"n" * 4096, b"N" * 4096


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def make(mode: str, **options) -> Rig:
    """The first I/O goes down p0. Sectors 0..7 hold OLD."""
    world = World()
    rig = make_multipath(world, mode=mode, **options)
    rig.store.data[:4096] = OLD
    return rig


def lose(rig: Rig, answer: Answer = LANDS) -> Bio:
    """A write of NEW to sectors 0..7 whose answer from p0 is lost; p1 then does what the test says."""
    rig.paths[0].driver.script.append(answer)
    bio = rig.client.write(0, NEW)
    rig.world.settle()
    return bio


def test_a_newer_write_waits_until_the_ghost_of_the_older_has_landed(mode: str):
    rig = make(mode)
    older = lose(rig)
    assert (older.status, rig.letters()) == (OK, "FA")
    newer = rig.client.write(0, NEWER)
    rig.world.settle()
    assert not newer.finished
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert newer.finished
    assert rig.store.data[:4096] == NEWER
    assert (rig.world.disk.fences.proofs, rig.world.disk.fences.unproven) == ({PROOF_ANSWER: 1}, 0)
    assert rig.at_rest()


def test_the_retry_passes_the_fence_of_its_own_ghost(mode: str):
    rig = make(mode)
    bio = lose(rig, VANISHES)
    assert (bio.status, bytes(rig.store.data[:4096])) == (OK, NEW)
    assert len(rig.world.disk.fences.orphans) == 1


def test_reads_pass_once_the_write_is_acknowledged(mode: str):
    rig = make(mode)
    lose(rig)
    read = rig.client.read(0, 4096)
    rig.world.settle()
    assert (read.status, read.data) == (OK, NEW)


def test_reads_wait_while_the_write_is_not_acknowledged(mode: str):
    rig = make(mode)
    rig.paths[1].driver.default = SLOW
    write = lose(rig)
    read = rig.client.read(0, 4096)
    rig.world.pass_time(9 * NS_PER_MS)
    assert not read.finished
    assert [op for op, _, _ in rig.paths[1].driver.sent] == [WRITE]
    rig.world.run()
    assert write.finished
    assert (read.status, read.data) == (OK, NEW)


def test_reads_wait_for_ever_for_a_write_that_failed_but_may_land(mode: str):
    """The old value must not be read and then be followed by the ghost's."""
    rig = make(mode)
    rig.paths[1].driver.script.append(Answer(TRANSPORT))
    write = lose(rig)
    assert write.finished
    assert write.status != OK
    rig.message("reinstate_path 259:1")
    read = rig.client.read(0, 4096)
    rig.world.run()
    assert not read.finished
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert (read.status, read.data) == (OK, NEW)


def test_of_two_ghosts_of_one_write_both_must_be_gone(mode: str):
    rig = make(mode, paths=3)
    rig.paths[1].driver.script.append(LANDS)
    assert lose(rig).status == OK
    newer = rig.client.write(0, NEWER)
    for path in rig.paths[:2]:
        rig.world.settle()
        assert not newer.finished
        path.driver.settle(PROOF_PEER_GONE)
    rig.world.run()
    assert rig.store.data[:4096] == NEWER
    assert newer.status == OK
    assert rig.at_rest()


def overlapping_pair(rig: Rig) -> tuple[Bio, Bio]:
    """W1 (NEW) on p0, W2 (NEWER) beside it on p1, slow; then p0 loses W1, whose retry goes down p1 too."""
    rig.paths[1].driver.script.append(SLOW)
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=NS_PER_MS))
    first = rig.client.write(0, NEW)
    second = rig.client.write(0, NEWER)
    rig.world.pass_time(2 * NS_PER_MS)
    return first, second


def test_a_write_in_flight_beside_the_ghost_withholds_the_acknowledgement_of_the_retry(mode: str):
    """Told at once, both would be acknowledged, NEWER be read, and then the ghost undo it."""
    rig = make(mode)
    first, second = overlapping_pair(rig)
    rig.world.run()
    assert (second.finished, second.status) == (True, OK)
    assert not first.finished
    assert not rig.device.idle()
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert first.status == OK
    read = rig.client.read(0, 4096)
    rig.world.run()
    assert read.data == NEW
    assert rig.at_rest()


def test_reads_wait_while_the_acknowledgement_is_withheld(mode: str):
    rig = make(mode)
    overlapping_pair(rig)
    read = rig.client.read(0, 4096)
    rig.world.run()
    assert not read.finished
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert read.data == NEW


def test_bio_based_a_write_that_waits_for_a_tag_of_its_path_is_beside_the_ghost_too():
    """It has passed the fences already, and will run over the retry when a tag is free."""
    rig = make("bio", depth=1, paths=3)
    rig.message("fail_path 259:2")
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=NS_PER_MS))
    rig.paths[1].driver.script.append(SLOW)
    first = rig.client.write(0, NEW)
    rig.client.read(800, 512)
    rig.client.read(1600, 512)
    second = rig.client.write(0, NEWER)
    assert [request.op for request in rig.paths[1].device.requests.waiting_requests()] == [WRITE]
    rig.message("reinstate_path 259:2")
    rig.world.pass_time(5 * NS_PER_MS)
    assert (WRITE, 0, 4096) in rig.paths[2].driver.sent, "the retry has succeeded"
    assert not first.finished
    rig.world.run()
    assert second.status == OK
    assert not first.finished
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert first.finished
    assert rig.at_rest()


def test_what_does_not_overlap_flows(mode: str):
    rig = make(mode)
    lose(rig)
    fenced = rig.client.write(0, NEWER)
    others = [rig.client.write(8 * number, NEWER) for number in range(1, 50)]
    reads = [rig.client.read(8 * number, 4096) for number in range(1, 50)]
    flush = rig.client.flush()
    rig.world.settle()
    assert all(bio.finished and bio.status == OK for bio in [*others, *reads, flush])
    assert not fenced.finished


@pytest.mark.parametrize(("sector", "waits"), [(7, False), (8, True), (15, True), (16, False)])
def test_ranges_are_rounded_out_to_the_largest_block_a_server_may_rewrite(mode: str, sector: int, waits: bool):
    rig = make(mode)
    rig.world.disk.fences.unit_sectors = 8
    rig.paths[0].driver.script.append(LANDS)
    rig.client.write(12, b"n" * 512)
    rig.world.settle()
    other = rig.client.write(sector, b"N" * 512)
    rig.world.settle()
    assert other.finished != waits


@pytest.mark.parametrize("op", ["discard", "write_zeroes"])
def test_discards_and_zeroes_are_waited_for(mode: str, op: str):
    rig = make(mode)
    rig.paths[0].driver.script.append(LANDS)
    zeroes = getattr(rig.client, op)(0, 4096)
    rig.world.settle()
    assert (zeroes.status, rig.letters()) == (OK, "FA")
    write = rig.client.write(0, NEWER)
    rig.world.settle()
    assert not write.finished
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert rig.store.data[:4096] == NEWER
    assert rig.at_rest()


def test_zeroes_wait_and_are_waited_for(mode: str):
    """(For discards see test_fenced_discards.)"""
    rig = make(mode)
    lose(rig)
    rig.message("reinstate_path 259:0")
    zeroes = rig.client.write_zeroes(0, 4096)
    rig.world.settle()
    assert not zeroes.finished
    rig.paths[0].driver.script.append(LANDS)
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.settle()
    assert zeroes.status == OK
    assert rig.letters() == "FA", "this one lost its answer on p0 too"
    write = rig.client.write(0, NEWER)
    rig.world.settle()
    assert not write.finished
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert rig.store.data[:4096] == NEWER
    assert rig.at_rest()


def test_a_fence_lifted_by_a_declared_time_is_counted_as_unproven(mode: str):
    rig = make(mode)
    lose(rig, VANISHES)
    rig.paths[0].driver.settle(UNPROVEN)
    rig.paths[0].driver.settle(PROOF_ANSWER)
    assert (rig.world.disk.fences.proofs, rig.world.disk.fences.unproven) == ({UNPROVEN: 1}, 1)
    assert not rig.world.disk.fences.active


def four_writes(rig: Rig) -> list[Bio]:
    return [Bio(WRITE, n * 8, 4096, rig.client, bytes([n + 1]) * 4096) for n in range(4)]


def test_a_merged_write_is_one_ghost_and_is_retried_as_a_whole(mode: str):
    rig = make(mode, features="queue_if_no_path")
    rig.message("fail_path 259:1")
    rig.paths[0].driver.script.append(LANDS)
    bios = rig.client.submit(four_writes(rig))
    rig.world.settle()
    assert (rig.letters(), len(rig.world.disk.fences.orphans)) == ("FF", 1)
    rig.message("reinstate_path 259:1")
    rig.world.settle()
    assert [path.driver.sent for path in rig.paths] == [[(WRITE, 0, 16 * KIB)]] * 2
    assert [bio.status for bio in rig.client.done] == [OK] * 4
    newer = rig.client.write(24, NEWER)
    read = rig.client.read(0, 16 * KIB)
    rig.world.settle()
    assert not newer.finished
    assert read.data == b"".join(bio.data or b"" for bio in bios)


def test_with_a_ghost_about_a_good_prefix_is_not_told():
    """The retry of an overlapped write fails half-way on p1: its prefix could be undone by the ghost, so it is written again."""
    rig = make("rq", paths=3)
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=NS_PER_MS))
    rig.paths[1].driver.script.append(SLOW)
    rig.paths[2].driver.script.append(Answer(TRANSPORT, good_bytes=4096))
    bios = rig.client.submit(four_writes(rig)[:2])
    rig.client.write(0, NEWER)
    rig.world.pass_time(5 * NS_PER_MS)
    assert rig.paths[2].driver.sent == [(WRITE, 0, 8192)]
    assert not any(bio.finished for bio in bios)
    rig.world.run()
    assert not any(bio.finished for bio in bios)
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert [bio.status for bio in bios] == [OK, OK]


def test_fenced_writes_leave_the_tags_to_others():
    """More of them than the queue has tags: a read beside them goes at once."""
    rig = make("rq")
    lose(rig)
    for _ in range(DEPTH + 5):
        rig.client.write(0, NEWER)
    rig.world.settle()
    read = rig.client.read(800, 4 * KIB)
    rig.world.settle()
    assert read.status == OK and read.finished
    assert rig.client.waiting_for_proof == DEPTH + 5
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert (len(rig.client.done), rig.client.waiting_for_proof) == (DEPTH + 7, 0)
    assert rig.device.queue.depth == DEPTH
    assert rig.at_rest()


def test_more_fenced_requests_than_the_limit_push_back():
    """Request-based: the device's queue holds still, and says that it is congested in the end."""
    rig = make("rq")
    lose(rig)
    for _ in range(FENCED_MAX + 5):
        rig.client.write(0, NEWER)
    unrelated = rig.client.write(800, NEWER)
    rig.world.pass_time(10 * NS_PER_MS)
    assert rig.device.queue.in_flight == FENCED_MAX
    assert rig.device.queue.waiting() == 6
    assert not unrelated.finished
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert len(rig.client.done) == FENCED_MAX + 7
    assert {bio.status for bio in rig.client.done} == {OK}
    assert rig.at_rest()


def test_bio_based_so_many_fenced_bios_are_congestion():
    rig = make("bio")
    lose(rig)
    for _ in range(FENCED_MAX):
        assert not rig.device.congested()
        rig.client.write(0, NEWER)
    assert rig.device.congested()
    assert rig.client.waiting_for_proof == FENCED_MAX
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert not rig.device.congested()
    assert (len(rig.client.done), rig.client.waiting_for_proof) == (FENCED_MAX + 1, 0)


def test_what_is_withheld_counts_as_waiting_for_a_proof(mode: str):
    rig = make(mode)
    overlapping_pair(rig)
    rig.world.run()
    assert rig.client.waiting_for_proof == 1
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert rig.client.waiting_for_proof == 0
    assert rig.at_rest()


def test_a_fence_outlives_the_failure_of_every_path(mode: str):
    rig = make(mode, features="queue_if_no_path")
    rig.message("fail_path 259:1")
    write = lose(rig)
    assert not write.finished
    rig.message("reinstate_path 259:1")
    rig.world.pass_time(200 * NS_PER_MS)
    assert write.status == OK
    read = rig.client.read(0, 4096)
    newer = rig.client.write(0, NEWER)
    rig.world.pass_time(200 * NS_PER_MS)
    assert (read.data, newer.finished) == (NEW, False)
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.pass_time(200 * NS_PER_MS)
    assert newer.finished


def test_an_answer_that_comes_twice_changes_nothing(mode: str):
    rig = make(mode)
    lose(rig)
    orphan = rig.world.disk.fences.orphans[0]
    orphan.resolve(PROOF_ANSWER)
    orphan.resolve(PROOF_PEER_GONE)
    assert rig.world.disk.fences.proofs == {PROOF_ANSWER: 1}
    assert orphan.buffers is None


def test_a_failed_read_leaves_no_ghost(mode: str):
    rig = make(mode)
    rig.paths[0].driver.script.append(LANDS)
    read = rig.client.read(0, 4096)
    rig.world.run()
    assert (read.data, rig.world.disk.fences.active) == (OLD, False)
    assert [op for op, _, _ in rig.paths[1].driver.sent] == [READ]
    assert IOERR not in {bio.status for bio in rig.client.done}


def test_when_the_map_is_given_up_what_a_fence_holds_fails(mode: str):
    """Nothing will prove anything any more. What was withheld may still undo another: it fails too."""
    rig = make(mode)
    first, second = overlapping_pair(rig)
    rig.world.run()
    waiting = [rig.client.write(0, NEWER), rig.client.read(0, 4096)]
    rig.world.run()
    assert second.status == OK
    assert not first.finished
    rig.device.table.targets[0].abandon()
    rig.world.run()
    assert [bio.status for bio in (first, *waiting)] == [IOERR] * 3
    later = rig.client.write(0, NEWER)
    rig.world.run()
    assert (later.finished, later.status) == (True, IOERR)
    assert rig.at_rest()
