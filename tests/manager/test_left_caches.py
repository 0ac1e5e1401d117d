"""A path with a cache of its own that was left with unflushed writes: the manager's probe flushes it, then I/O flows."""

import pytest
from tests.manager.looked_after import FIRST_CHECK_NS, POLLING_NS, Care, look_after

from hawser.block.ops import WRITE
from hawser.block.orphan import PROOF_FLUSHED, PROOF_PEER_GONE
from hawser.block.request import UNKNOWN
from hawser.core.status import IOERR, OK, TRANSPORT
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer, Client

DATA = b"d" * 4096


@pytest.fixture(params=["rq", "bio"])
def care(request: pytest.FixtureRequest) -> Care:
    """Two groups of one path each; the first was written through."""
    care = look_after(mode=request.param, paths=1, groups=2, cache="path")
    for path in care.paths:
        path.driver.answers_are_final = True
    assert care.settled(care.client.write(0, DATA)).status == OK
    return care


def test_a_switch_flushes_the_old_path_and_then_io_flows(care: Care):
    care.paths[0].driver.default = Answer(delay_ns=10 * NS_PER_MS)
    care.message("switch_group 2")
    waiting = [care.client.read(8, 4096), care.client.write(16, DATA)]
    care.world.pass_time(20 * NS_PER_MS - 11 * NS_PER_MS)
    assert not any(bio.finished for bio in waiting)
    assert care.paths[1].driver.sent == []
    care.world.pass_time(NS_PER_S)
    assert [bio.status for bio in waiting] == [OK, OK]
    assert len(care.paths[1].driver.sent) == 2
    assert care.world.disk.fences.proofs == {PROOF_FLUSHED: 1}
    assert care.settled(care.client.flush()).status == OK


def test_a_path_failed_by_hand_is_flushed_and_stays_failed(care: Care):
    care.message("fail_path 259:0")
    bio = care.client.read(8, 4096)
    care.world.pass_time(FIRST_CHECK_NS)
    assert bio.status == OK
    assert care.letters() == "FA"


def test_while_the_flush_fails_everything_waits(care: Care):
    care.paths[0].driver.default = Answer(TRANSPORT, fate=UNKNOWN)
    care.message("switch_group 2")
    bio = care.client.read(8, 4096)
    care.world.pass_time(10 * POLLING_NS)
    assert not bio.finished
    care.paths[0].driver.default = Answer()
    care.world.pass_time(POLLING_NS)
    assert bio.status == OK
    assert care.world.disk.doubt == 0, "it was flushed after all"


def test_a_flush_error_that_only_the_probe_was_told_concerns_every_client(care: Care):
    """A server tells of a lost write once, and then that all is well."""
    bystander = Client(care.rig.device, care.world.disk)
    care.paths[0].driver.script.extend([Answer(IOERR), Answer(IOERR)])
    care.message("switch_group 2")
    bio = care.client.read(8, 4096)
    care.world.pass_time(3 * POLLING_NS)
    assert bio.status == OK
    assert sum("answered a flush" in line for line in care.lines()) == 1
    assert [care.settled(client.flush()).status for client in (care.client, bystander)] == [IOERR, IOERR]
    assert care.settled(Client(care.rig.device, care.world.disk).flush()).status == OK


def test_writes_in_flight_during_the_flush_want_another(care: Care):
    """The flush covers what was acknowledged when it was sent. The fence stays for what comes behind it."""
    driver = care.paths[0].driver
    driver.script.append(Answer(delay_ns=500 * NS_PER_MS))
    slow = care.client.write(800, DATA)
    care.world.settle()
    care.message("switch_group 2")
    bio = care.client.read(8, 4096)
    care.world.pass_time(400 * NS_PER_MS)
    assert any(op == 2 for op, _, _ in driver.sent), "it was flushed meanwhile"
    assert not bio.finished
    care.world.pass_time(NS_PER_S)
    assert [slow.status, bio.status] == [OK, OK]


def test_a_session_that_ends_with_an_answer_not_yet_told_counts_it_as_unflushed():
    """The server acknowledged a write and was gone in the same turn: a flush elsewhere must not vouch for that write."""
    care = look_after(paths=1, groups=2, cache="path")
    driver, device = care.paths[0].driver, care.paths[0].device
    driver.default = Answer(silent=True)
    bio = care.client.write(0, DATA)
    care.world.settle()
    driver.deliver_all(Answer())
    device.session_ended()
    care.session_lost(0, "gone")
    assert care.settled(bio).status == OK
    assert (device.is_lost, device.retained.is_empty(), care.world.disk.doubt) == (True, False, 0)
    assert device.left_behind is not None
    care.paths[1].driver.sent.clear()
    device.cache_gone(PROOF_PEER_GONE)
    care.world.settle()
    assert care.paths[1].driver.sent == [(WRITE, 0, 4096)]
    assert device.left_behind is None


def test_where_nothing_is_retained_it_casts_doubt():
    care = look_after(paths=1, groups=2, cache="path")
    care.world.disk.retain_bytes = 0
    driver, device = care.paths[0].driver, care.paths[0].device
    driver.default = Answer(silent=True)
    care.client.write(0, DATA)
    care.world.settle()
    driver.deliver_all(Answer())
    device.session_ended()
    care.session_lost(0, "gone")
    assert care.world.disk.doubt == 1
    assert device.left_behind is not None


def test_a_session_that_ends_with_writes_of_unknown_fate_casts_no_doubt_for_them():
    care = look_after(paths=1, groups=2, cache="path")
    driver, device = care.paths[0].driver, care.paths[0].device
    driver.default = Answer(silent=True)
    care.client.write(0, DATA)
    care.world.settle()
    driver.deliver_all(Answer(TRANSPORT, fate=UNKNOWN))
    device.session_ended()
    care.world.settle()
    assert care.world.disk.doubt == 0
    assert device.left_behind is None
