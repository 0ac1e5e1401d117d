"""Suspends of a multipath device: what has no path, what waits behind a fence, what is withheld (transcripts 34, 35, 41)."""

import pytest
from tests.dm.controls import Heard, begin_suspend, line, load, suspend, swap

from hawser.block.bio import Bio
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.request import UNKNOWN
from hawser.core.status import IOERR, OK, TIMEOUT, TRANSPORT
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.dm.dmsetup import brief as verbs
from hawser.dm.suspension import GHOSTS_NS
from hawser.lab.world import Answer, Client, Rig, World, make_multipath

DATA, NEW, NEWER = b"d" * 4096, b"n" * 4096, b"N" * 4096
LANDS = Answer(TIMEOUT, fate=UNKNOWN)
SLOW = Answer(delay_ns=10 * NS_PER_MS)


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[False, True], ids=["flush", "noflush"])
def noflush(request: pytest.FixtureRequest) -> bool:
    return request.param


def make_dead(mode: str, features: str = "queue_if_no_path") -> Rig:
    """Both paths have failed; a write waits, if the table says so."""
    rig = make_multipath(World(), mode=mode, features=features)
    for path in rig.paths:
        path.driver.script.append(Answer(TRANSPORT))
    rig.client.write(0, DATA)
    rig.world.pass_time(NS_PER_S)
    assert rig.letters() == "FF"
    return rig


def queues(rig: Rig) -> bool:
    """Whether `dmsetup table` says queue_if_no_path."""
    return "queue_if_no_path" in verbs.table(rig.world.registry, "mpatha")


def sent(rig: Rig) -> list[int]:
    return [len(path.driver.sent) for path in rig.paths]


# No path.


def test_a_flush_suspend_fails_what_has_no_path_and_queueing_comes_back(mode: str):
    """34[30] to 34[39], 35[30] to 35[39], 41[38] to 41[45]."""
    rig = make_dead(mode)
    before = rig.status()
    suspend(rig.world, rig.device)
    assert [bio.status for bio in rig.client.done] == [IOERR]
    assert (queues(rig), rig.status()) == (False, before)
    rig.device.resume()
    assert queues(rig)
    read = rig.client.read(0, 512)
    rig.world.pass_time(NS_PER_S)
    assert not read.finished


def test_a_noflush_suspend_keeps_what_has_no_path(mode: str):
    """34[43] to 34[49], 35[43] to 35[46]. Bio-based it drops queue_if_no_path meanwhile (FIXME in dm-mpath.c)."""
    rig = make_dead(mode)
    suspend(rig.world, rig.device, noflush=True)
    assert (rig.client.done, queues(rig)) == ([], mode == "rq")
    rig.device.resume()
    rig.world.pass_time(NS_PER_S)
    assert (rig.client.done, queues(rig)) == ([], True)
    rig.message("reinstate_path 259:1")
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [OK]
    assert rig.store.data[:4096] == DATA
    assert rig.at_rest()


def test_what_was_kept_goes_through_the_new_table(mode: str):
    """35[43] to 35[52], 41[24] to 41[33]."""
    rig = make_dead(mode)
    others = [rig.client.write(8 * number, DATA) for number in range(1, 5)]
    swap(rig, line(rig, [[1]], mode))
    assert (rig.client.done, queues(rig)) == ([], False)
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [OK] * 5
    assert all(bio.finished for bio in others)
    assert rig.store.data[: 5 * 4096] == DATA * 5
    assert rig.at_rest()


def test_handed_back_bios_go_before_those_that_came_later_and_in_order():
    rig = make_dead("bio")
    for number in range(1, 4):
        rig.client.write(100 * number, DATA)
    suspend(rig.world, rig.device, noflush=True)
    rig.client.write(50, DATA)
    load(rig.world, rig.device, line(rig, [[1]], "bio"))
    rig.paths[1].driver.sent.clear()
    rig.device.resume()
    rig.world.run()
    assert [sector for _, sector, _ in rig.paths[1].driver.sent] == [0, 100, 200, 300, 50]


def test_the_last_path_that_fails_during_a_suspend(mode: str, noflush: bool):
    """Flush: the error is told. Noflush: the I/O is kept, even if the table does not queue."""
    rig = make_multipath(World(), mode=mode, paths=1)
    rig.paths[0].driver.default = Answer(TRANSPORT, delay_ns=NS_PER_MS)
    write = rig.client.write(0, DATA)
    heard = begin_suspend(rig.device, noflush)
    rig.world.pass_time(NS_PER_S)
    assert heard.words == ["suspended"]
    assert (write.finished, rig.letters()) == (not noflush, "F")
    rig.paths[0].driver.default = Answer()
    load(rig.world, rig.device, line(rig, [[0]], mode))
    rig.device.resume()
    rig.world.run()
    assert (write.status == OK) == noflush
    assert rig.at_rest()


def test_a_suspend_of_a_table_that_fails_at_once_keeps_nothing(mode: str, noflush: bool):
    rig = make_dead(mode, features="")
    assert len(rig.client.done) == 1
    suspend(rig.world, rig.device, noflush)
    rig.device.resume()
    rig.client.write(0, DATA)
    rig.world.run()
    assert len(rig.client.done) == 2
    assert not queues(rig)


def test_fail_if_no_path_during_a_suspend_is_heeded_by_the_resume():
    """Turning it on again waits for the resume: the suspend might else never end."""
    rig = make_dead("bio")
    target = rig.device.table.targets[0]
    suspend(rig.world, rig.device)
    target.set_queue_if_no_path(False)
    rig.device.resume()
    assert not queues(rig)
    suspend(rig.world, rig.device)
    target.set_queue_if_no_path(True)
    assert (queues(rig), target.wants_to_queue()) == (False, True)
    rig.device.resume()
    assert queues(rig)


def test_a_cancelled_noflush_suspend_parks_again(mode: str):
    rig = make_dead(mode)
    rig.message("reinstate_path 259:1")
    rig.world.run()
    rig.message("fail_path 259:1")
    rig.message("reinstate_path 259:0")
    rig.paths[0].driver.script.append(Answer(TRANSPORT, delay_ns=10 * NS_PER_MS))
    waits = rig.client.write(100, DATA)
    rig.world.settle()
    rig.message("fail_path 259:0")
    parked = rig.client.write(200, DATA)
    rig.world.settle()
    heard = begin_suspend(rig.device, noflush=True)
    rig.world.pass_time(NS_PER_MS)
    rig.device.cancel_suspend()
    rig.world.pass_time(NS_PER_S)
    assert (heard.words, waits.finished, parked.finished) == (["cancelled"], False, False)
    rig.message("reinstate_path 259:0")
    rig.world.run()
    assert (waits.status, parked.status, parked.finished) == (OK, OK, True)
    assert rig.at_rest()


def test_a_dead_clients_bios_are_not_kept(mode: str):
    rig = make_dead(mode)
    other = Client(rig.device, rig.world.disk)
    theirs = other.write(800, DATA)
    rig.world.settle()
    suspend(rig.world, rig.device, noflush=True)
    rig.client.dead = True
    rig.device.cancel_dead()
    assert [bio.status for bio in rig.client.done] == [IOERR]
    load(rig.world, rig.device, line(rig, [[1]], mode))
    rig.device.resume()
    rig.world.run()
    assert theirs.status == OK
    assert rig.store.data[:4096] == bytes(4096)
    assert rig.at_rest()


def test_a_client_that_dies_while_its_bio_is_handed_back(mode: str):
    rig = make_dead(mode)
    heard = begin_suspend(rig.device, noflush=True)
    rig.client.dead = True
    rig.device.cancel_dead()
    rig.world.settle()
    assert heard.words == ["suspended"]
    assert len(rig.client.done) == 1
    load(rig.world, rig.device, line(rig, [[1]], mode))
    rig.device.resume()
    rig.world.run()
    assert rig.store.data[:4096] == bytes(4096)
    assert rig.at_rest()


def test_what_comes_back_after_a_client_has_died_is_kept_too():
    """Found by seed 1136: the device and its stack disagreed about the list."""
    rig = make_dead("bio")
    other = Client(rig.device, rig.world.disk)
    rig.message("reinstate_path 259:0")
    rig.world.run()
    rig.paths[0].driver.script.append(Answer(TRANSPORT, delay_ns=10 * NS_PER_MS))
    theirs = other.write(800, DATA)
    begin_suspend(rig.device, noflush=True)
    mine = rig.client.write(0, DATA)
    rig.client.dead = True
    rig.device.cancel_dead()
    rig.world.pass_time(NS_PER_S)
    assert (mine.status, theirs.finished, rig.device.idle()) == (IOERR, False, False)
    load(rig.world, rig.device, line(rig, [[1]], "bio"))
    rig.device.resume()
    rig.world.run()
    assert theirs.status == OK
    assert rig.at_rest()


# Behind a fence.


def haunted(mode: str, **options) -> tuple[Rig, Bio]:
    """A ghost of NEW over sectors 0..7 from p0, acknowledged by p1, and a newer write that waits behind its fence."""
    rig = make_multipath(World(), mode=mode, **options)
    rig.paths[0].driver.script.append(LANDS)
    assert rig.client.write(0, NEW).finished is False
    rig.world.settle()
    newer = rig.client.write(0, NEWER)
    rig.world.settle()
    assert (rig.letters(), newer.finished) == ("FA", False)
    return rig, newer


def test_a_flush_suspend_waits_for_what_is_behind_a_fence(mode: str):
    rig, newer = haunted(mode)
    heard = begin_suspend(rig.device)
    rig.world.pass_time(NS_PER_S)
    assert (heard.words, newer.finished) == ([], False)
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert (heard.words, newer.finished, newer.status) == (["suspended"], True, OK)
    assert rig.store.data[:4096] == NEWER
    rig.device.resume()
    rig.world.settle()
    assert rig.at_rest()


def test_a_noflush_suspend_hands_it_back_and_the_new_table_fences_it_again(mode: str):
    rig, newer = haunted(mode)
    swap(rig, line(rig, [[1]], mode))
    rig.world.pass_time(NS_PER_S)
    assert not newer.finished
    assert rig.world.disk.fences.active
    read = rig.client.read(0, 4096)
    rig.world.settle()
    assert read.data == NEW
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert (newer.status, bytes(rig.store.data[:4096])) == (OK, NEWER)
    assert rig.at_rest()


def test_a_fence_that_falls_while_the_device_is_suspended(mode: str):
    rig, newer = haunted(mode)
    suspend(rig.world, rig.device, noflush=True)
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.pass_time(NS_PER_S)
    assert not newer.finished
    rig.device.resume()
    rig.world.run()
    assert rig.store.data[:4096] == NEWER
    assert rig.at_rest()


def test_a_fenced_write_of_a_dead_client_does_not_hold_a_flush_suspend_up(mode: str):
    rig, newer = haunted(mode)
    heard = begin_suspend(rig.device)
    rig.client.dead = True
    rig.device.cancel_dead()
    rig.world.settle()
    assert (heard.words, newer.status) == ([], IOERR), "the ghost alone is waited for, for a while"
    rig.world.pass_time(GHOSTS_NS)
    assert heard.words == ["suspended"]
    rig.device.resume()
    rig.world.run()
    assert rig.at_rest()


def test_a_write_that_becomes_a_ghost_during_a_noflush_suspend(mode: str):
    """Its retry is its own: it passes the fence, through the next table too."""
    rig = make_multipath(World(), mode=mode, paths=1, features="queue_if_no_path")
    rig.paths.append(rig.world.ram_path("p1", rig.store))
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=NS_PER_MS))
    write = rig.client.write(0, NEW)
    load(rig.world, rig.device, line(rig, [[1]], mode))
    heard = Heard()
    rig.device.resume(heard, noflush=True)
    rig.world.run()
    assert (heard.words, write.finished, write.status) == (["resumed"], True, OK)
    newer = rig.client.write(0, NEWER)
    rig.world.run()
    assert not newer.finished
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert rig.store.data[:4096] == NEWER
    assert rig.at_rest()


# Withheld.


def withheld(mode: str) -> tuple[Rig, Bio]:
    """NEW on p0 became a ghost beside NEWER on p1; its retry has succeeded, and must not be told."""
    rig = make_multipath(World(), mode=mode)
    rig.paths[1].driver.script.append(SLOW)
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=NS_PER_MS))
    first, second = rig.client.write(0, NEW), rig.client.write(0, NEWER)
    rig.world.run()
    assert (first.finished, second.finished) == (False, True)
    return rig, first


def test_a_flush_suspend_waits_for_a_withheld_write(mode: str):
    rig, write = withheld(mode)
    heard = begin_suspend(rig.device)
    # Longer than for the ghost itself.
    rig.world.pass_time(2 * GHOSTS_NS)
    assert heard.words == []
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert (heard.words, write.status, write.finished) == (["suspended"], OK, True)


@pytest.mark.parametrize("when", ["suspended", "reloaded twice"])
def test_a_noflush_suspend_does_not_and_it_is_told_when_the_proof_comes(mode: str, when: str):
    """It is not written again, and the table that withheld it is forgotten then."""
    rig, write = withheld(mode)
    before = sent(rig)
    listeners = len(rig.world.disk.fences.listeners)
    suspend(rig.world, rig.device, noflush=True)
    if when == "reloaded twice":
        load(rig.world, rig.device, line(rig, [[1]], mode))
        rig.device.resume()
        swap(rig, line(rig, [[1]], mode))
        assert len(rig.world.disk.fences.listeners) == listeners + 1
    rig.world.pass_time(NS_PER_S)
    assert (write.finished, rig.device.idle()) == (False, False)
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert (write.finished, write.status) == (True, OK)
    assert sent(rig) == before
    assert len(rig.world.disk.fences.listeners) == listeners
    rig.device.resume()
    rig.world.settle()
    assert rig.at_rest()


def test_a_write_that_is_withheld_during_a_noflush_suspend(mode: str):
    rig = make_multipath(World(), mode=mode, paths=3)
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=NS_PER_MS))
    rig.paths[1].driver.script.append(Answer(delay_ns=20 * NS_PER_MS))
    rig.paths[2].driver.script.append(SLOW)
    first = rig.client.write(0, NEW)
    second = rig.client.write(0, NEWER)
    rig.world.pass_time(2 * NS_PER_MS)
    heard = begin_suspend(rig.device, noflush=True)
    rig.world.pass_time(15 * NS_PER_MS)
    assert heard.words == [], "the other write is in flight"
    rig.world.run()
    assert (heard.words, first.finished, second.finished) == (["suspended"], False, True)
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert first.status == OK
    rig.device.resume()
    rig.world.settle()
    assert rig.at_rest()


def test_a_second_flush_suspend_waits_for_what_a_replaced_table_withholds(mode: str):
    rig, write = withheld(mode)
    swap(rig, line(rig, [[1]], mode))
    heard = begin_suspend(rig.device)
    rig.world.pass_time(NS_PER_S)
    assert heard.words == []
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert (heard.words, write.finished) == (["suspended"], True)


def test_abandoned_a_replaced_table_fails_what_it_withheld(mode: str):
    rig, write = withheld(mode)
    swap(rig, line(rig, [[1]], mode))
    rig.device.abandon()
    rig.world.run()
    assert (write.finished, write.status) == (True, IOERR)
    assert rig.at_rest()
