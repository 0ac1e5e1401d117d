"""Suspends, and ghosts with nothing else to wait for: writes that were given up, and may still take effect below."""

import pytest
from tests.dm.controls import Heard, begin_suspend, line, load, suspend

from hawser.block.orphan import PROOF_ANSWER
from hawser.block.request import UNKNOWN
from hawser.core.status import OK, TIMEOUT
from hawser.core.units import NS_PER_S
from hawser.dm.suspension import GHOSTS_NS
from hawser.lab.world import Answer, Rig, World, make_multipath

NEW, NEWER = b"n" * 4096, b"N" * 4096
LANDS = Answer(TIMEOUT, fate=UNKNOWN)


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def haunt(mode: str) -> Rig:
    """All that was asked for has been answered; a copy of the write may still land."""
    rig = make_multipath(World(), mode=mode)
    rig.paths[0].driver.script.append(LANDS)
    write = rig.client.write(0, NEW)
    rig.world.settle()
    assert write.status == OK
    return rig


def warnings(rig: Rig) -> list[str]:
    return [text for _, text in rig.world.log.lines if "not settled" in text]


def test_a_flush_suspend_ends_when_the_ghosts_have_settled(mode: str):
    rig = haunt(mode)
    heard = begin_suspend(rig.device)
    rig.world.pass_time(NS_PER_S)
    assert heard.words == []
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.settle()
    assert (heard.words, warnings(rig)) == (["suspended"], [])
    rig.device.resume()
    rig.world.run()
    assert rig.at_rest()


def test_a_flush_suspend_says_which_ghosts_have_not_settled(mode: str):
    rig = haunt(mode)
    heard = begin_suspend(rig.device)
    rig.world.pass_time(GHOSTS_NS - 1)
    assert heard.words == []
    rig.world.pass_time(1)
    assert heard.words == ["suspended"]
    (said,) = warnings(rig)
    assert "write of sectors 0..7 on p0 (session 0)" in said


def test_neither_a_noflush_suspend_nor_a_reload_waits_for_ghosts(mode: str):
    rig = haunt(mode)
    suspend(rig.world, rig.device, noflush=True)
    rig.device.resume()
    load(rig.world, rig.device, line(rig, [[0, 1]], mode))
    heard = Heard()
    rig.device.resume(heard)
    rig.world.settle()
    assert heard.words == ["resumed"]
    newer = rig.client.write(0, NEWER)
    rig.world.settle()
    assert not newer.finished, "the fence has outlived the table"
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert (newer.status, bytes(rig.store.data[:4096])) == (OK, NEWER)


def test_a_cancelled_suspend_does_not_speak_of_ghosts_later(mode: str):
    rig = haunt(mode)
    begin_suspend(rig.device)
    rig.world.pass_time(NS_PER_S)
    rig.device.cancel_suspend()
    rig.world.pass_time(GHOSTS_NS)
    assert warnings(rig) == []


def test_a_reload_after_a_suspend_does_not_wait_for_ghosts_either(mode: str):
    """The suspend before did, or would have."""
    rig = make_multipath(World(), mode=mode)
    suspend(rig.world, rig.device)
    rig.device.resume()
    rig.paths[0].driver.script.append(LANDS)
    assert rig.client.write(0, NEW).status == OK
    rig.world.settle()
    load(rig.world, rig.device, line(rig, [[0, 1]], mode))
    heard = Heard()
    rig.device.resume(heard)
    rig.world.settle()
    assert heard.words == ["resumed"]


def test_the_wait_for_ghosts_begins_with_the_suspend_though_other_io_is_under_way(mode: str):
    rig = haunt(mode)
    rig.paths[1].driver.default = Answer(delay_ns=3 * NS_PER_S)
    other = rig.client.write(800, NEW)
    rig.world.settle()
    heard = begin_suspend(rig.device)
    rig.world.pass_time(3 * NS_PER_S)
    assert (other.status, heard.words) == (OK, [])
    rig.world.pass_time(GHOSTS_NS - 3 * NS_PER_S)
    assert heard.words == ["suspended"]
    assert len(warnings(rig)) == 1


def test_a_ghost_that_appears_late_in_a_suspend_is_waited_for_as_long(mode: str):
    rig = make_multipath(World(), mode=mode)
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=GHOSTS_NS + NS_PER_S))
    write = rig.client.write(0, NEW)
    rig.world.settle()
    heard = begin_suspend(rig.device)
    rig.world.pass_time(GHOSTS_NS + NS_PER_S)
    assert (write.status, heard.words, warnings(rig)) == (OK, [], [])
    rig.world.pass_time(GHOSTS_NS - 1)
    assert heard.words == []
    rig.world.pass_time(1)
    assert heard.words == ["suspended"]
    assert len(warnings(rig)) == 1


def test_a_suspend_after_a_reload_stays(mode: str):
    rig = make_multipath(World(), mode=mode)
    load(rig.world, rig.device, line(rig, [[0, 1]], mode))
    heard = Heard()
    rig.device.resume(heard)
    rig.world.settle()
    assert heard.words == ["resumed"]
    suspend(rig.world, rig.device)
    rig.world.pass_time(NS_PER_S)
    assert rig.device.is_suspended()
