"""A discard behind a fence promises nothing, and need not wait: it succeeds without being sent. Nothing else does.

As in test_fences: p0 loses an answer, p1 is healthy.
"""

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import DISCARD, WRITE, WRITE_ZEROES
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.request import UNKNOWN
from hawser.core.status import IOERR, OK, TIMEOUT
from hawser.core.units import KIB, MIB
from hawser.lab.world import Answer, Client, Rig, World, make_multipath
from hawser.multipath.target import Multipath

LANDS = Answer(TIMEOUT, fate=UNKNOWN)
OLD, NEW = b"o" * 4096, b"n" * 4096


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def haunted(mode: str, **options) -> Rig:
    """Sectors 0..63 hold OLD, but 0..7 NEW, whose ghost is about."""
    rig = make_multipath(World(), mode=mode, **options)
    rig.store.data[: 8 * 4096] = 8 * OLD
    rig.paths[0].driver.script.append(LANDS)
    write = rig.client.write(0, NEW)
    rig.world.settle()
    assert write.status == OK and rig.world.disk.fences.active
    return rig


def discards_sent(rig: Rig) -> int:
    return [op for path in rig.paths for op, _, _ in path.driver.sent].count(DISCARD)


def exorcise(rig: Rig) -> None:
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()


@pytest.mark.parametrize(("sector", "size"), [(0, 4096), (7, 512), (0, 32 * KIB), (4, 4096)])
def test_one_that_overlaps_a_fence_succeeds_at_once_and_is_not_sent(mode: str, sector: int, size: int):
    rig = haunted(mode)
    discard = rig.client.discard(sector, size)
    rig.world.settle()
    assert discard.finished and discard.status == OK
    assert discards_sent(rig) == 0
    assert rig.world.disk.fences.skipped_discards == 1
    assert bytes(rig.store.data[: 8 * 4096]) == NEW + 7 * OLD, "nothing has changed"
    # What comes later is as it would be without it.
    write = rig.client.write(0, OLD)
    rig.world.settle()
    assert not write.finished
    exorcise(rig)
    assert write.status == OK
    assert rig.at_rest()


def test_one_that_overlaps_none_is_sent(mode: str):
    rig = haunted(mode)
    discard = rig.client.discard(8, 4096)
    rig.world.settle()
    assert discard.status == OK and discards_sent(rig) == 1
    assert bytes(rig.store.data[4096:8192]) == bytes(4096)
    assert rig.world.disk.fences.skipped_discards == 0


def test_zeroes_are_a_promise_and_wait(mode: str):
    rig = haunted(mode)
    zeroes = rig.client.write_zeroes(0, 4096)
    rig.world.settle()
    assert not zeroes.finished
    exorcise(rig)
    assert zeroes.status == OK
    assert [op for op, _, _ in rig.paths[1].driver.sent].count(WRITE_ZEROES) == 1
    assert bytes(rig.store.data[:4096]) == bytes(4096)


def test_one_that_is_its_own_ghost_is_tried_again_and_nothing_else(mode: str):
    """It may have taken effect, or will: to say that it has is to send it, as far as other ghosts let it."""
    rig = haunted(mode, paths=3)
    rig.paths[2].driver.script.append(LANDS)
    discard = rig.client.discard(8, 4096)
    rig.world.settle()
    assert discard.status == OK and rig.letters() == "FAF"
    assert discards_sent(rig) == 2


def test_one_that_is_a_ghost_waits_for_the_ghosts_of_others(mode: str):
    """A write that was beside it is lost, too; its success waits for that, and is told when that is resolved."""
    rig = make_multipath(World(), mode=mode, paths=4)
    for path in rig.paths[:2]:
        path.driver.script.append(Answer(silent=True))
    bios = [rig.client.discard(0, 4096)]
    rig.world.settle()
    bios.append(rig.client.write(0, NEW))
    rig.world.settle()
    for path in rig.paths[:2]:
        path.driver.deliver_all(LANDS)
    rig.world.settle()
    assert rig.world.disk.fences.skipped_discards == 0
    assert not any(bio.finished for bio in bios)
    for path in rig.paths[:2]:
        path.driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert [bio.status for bio in bios] == [OK, OK]


def test_several_at_once_each_have_an_answer(mode: str):
    """Request-based they are one request, of which some do not overlap: all of it is left out."""
    rig = haunted(mode)
    bios = rig.client.submit([Bio(DISCARD, 8 * n, 4096, rig.client) for n in range(4)])
    rig.world.settle()
    assert [bio.status for bio in bios] == [OK] * 4
    assert all(bio.finished for bio in bios)
    exorcise(rig)
    assert rig.at_rest()


def test_one_that_is_cut_for_its_size_is_looked_at_piece_by_piece(mode: str):
    rig = haunted(mode, size=64 * MIB)
    discard = rig.client.discard(0, 64 * MIB)
    rig.world.settle()
    assert discard.status == OK
    assert (discards_sent(rig), rig.world.disk.fences.skipped_discards) == (1, 1)
    assert bytes(rig.store.data[:4096]) == NEW


def test_a_device_above_waits_as_it_may_send_the_same_elsewhere(mode: str):
    rig = haunted(mode)
    above = rig.world.mapped("above", f"0 2048 linear {rig.device.devt} 0")
    client = Client(above, rig.world.disk)
    discard = client.discard(0, 4096)
    rig.world.settle()
    assert not discard.finished and rig.world.disk.fences.skipped_discards == 0
    exorcise(rig)
    assert discard.status == OK and discards_sent(rig) == 1


@pytest.mark.parametrize("noflush", [False, True])
def test_a_suspend_is_no_obstacle(mode: str, noflush: bool):
    rig = haunted(mode)
    discard = rig.client.discard(0, 4096)
    rig.device.suspend(noflush)
    rig.world.settle()
    assert discard.finished and discard.status == OK
    exorcise(rig)
    assert rig.device.is_suspended()
    rig.device.resume()
    rig.world.run()
    assert rig.at_rest()


def test_without_room_for_what_a_cache_holds_it_waits_like_a_write():
    """That fence stands for a flush that is on its way: it is gone in a moment, and nothing may land."""
    rig = make_multipath(World(), paths=1, groups=2, cache="path")
    rig.world.disk.retain_bytes = 4096
    rig.paths[0].driver.script.extend([Answer(), Answer(delay_ns=1000)])
    rig.client.write(0, NEW)
    rig.world.settle()
    discard = rig.client.discard(0, 4096)
    rig.world.settle()
    assert rig.world.disk.fences.active and not discard.finished
    rig.world.run()
    assert discard.status == OK
    assert (discards_sent(rig), rig.world.disk.fences.skipped_discards) == (1, 0)


def test_the_end_of_the_process_fails_it_as_everything_else(mode: str):
    rig = haunted(mode)
    target = rig.device.live_targets()[0]
    assert isinstance(target, Multipath)
    target.abandon()
    discard = rig.client.discard(0, 4096)
    rig.world.settle()
    assert discard.status == IOERR and WRITE in [op for op, _, _ in rig.paths[0].driver.sent]
