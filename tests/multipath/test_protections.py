"""Rules of what protects data, each from the outside: what waits, what is told, and what is read afterwards."""

import pytest
from tests.manager.looked_after import Care, look_after

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FLUSH, WRITE
from hawser.block.orphan import PROOF_ANSWER, PROOF_PEER_GONE
from hawser.block.request import NOT_SENT, UNKNOWN
from hawser.core.status import IOERR, NOTSUPP, OK, TIMEOUT, TRANSPORT
from hawser.core.units import KIB, NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer, Client, World, make_multipath

LANDS = Answer(TIMEOUT, fate=UNKNOWN)
OLD, NEW = b"o" * 4096, b"n" * 4096


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def test_of_a_discard_of_several_ranges_each_is_fenced(mode: str):
    """Merged into one command they lie apart. Whichever may still be executed, nothing newer is written to it before that."""
    ranges = QueueLimits(max_discard_sectors=65536, max_discard_segments=8)
    rig = make_multipath(World(), mode=mode, limits=ranges, features="queue_if_no_path")
    rig.message("fail_path 259:1")
    driver = rig.paths[0].driver
    driver.default = LANDS
    discards = rig.client.submit([Bio(DISCARD, sector, 4096, rig.client) for sector in (64, 0, 128)])
    rig.world.settle()
    assert [op for op, _, _ in driver.sent] == [DISCARD], "one command"
    rig.message("reinstate_path 259:1")
    rig.world.run()
    assert [bio.status for bio in discards if bio.finished] == [OK] * 3
    writes = {sector: rig.client.write(sector, NEW) for sector in (0, 64, 128, 512)}
    rig.world.settle()
    assert [sector for sector, write in writes.items() if write.finished] == [512]
    driver.settle(PROOF_ANSWER)
    rig.world.run()
    for sector, write in writes.items():
        assert write.status == OK
        assert rig.store.data[sector * 512 : sector * 512 + 4096] == NEW
    assert rig.at_rest()


@pytest.fixture
def care(mode: str) -> Care:
    """Two groups of one path each, with caches of their own."""
    care = look_after(mode=mode, paths=1, groups=2, cache="path")
    for path in care.paths:
        path.driver.answers_are_final = True
    care.world.settle()
    return care


def test_at_the_limit_of_what_is_retained_writes_wait_for_the_flush_that_makes_room(care: Care):
    """Reads and flushes do not."""
    care.world.disk.retain_bytes = 16 * KIB
    driver = care.paths[0].driver
    driver.script += [Answer(), Answer(), Answer(delay_ns=50 * NS_PER_MS)]
    for number in range(4):
        assert care.settled(care.client.write(16 * number, NEW)).status == OK
    assert [op for op, _, _ in driver.sent] == [WRITE, WRITE, FLUSH, WRITE, WRITE]
    late = [care.client.write(128, NEW), care.client.discard(256, 4096), care.client.write_zeroes(512, 4096)]
    assert care.settled(care.client.read(0, 4096)).data == NEW
    care.world.pass_time(49 * NS_PER_MS)
    assert not any(bio.finished for bio in late)
    assert care.paths[0].device.retained.bytes >= 16 * KIB
    care.world.pass_time(NS_PER_MS)
    assert [bio.status for bio in late if bio.finished] == [OK] * 3
    assert care.world.disk.fences.proofs == {}, "nothing had to be proved"


def test_an_error_that_answers_a_flush_which_nobody_waits_for_is_everybodys(care: Care):
    """The flush that makes room fails. A server tells of a lost write once: the next flush of a client must not succeed."""
    care.world.disk.retain_bytes = 16 * KIB
    driver = care.paths[0].driver
    bystander = Client(care.rig.device, care.world.disk)
    driver.script += [Answer(), Answer(), Answer(IOERR)]
    writes = [care.client.write(16 * number, NEW) for number in range(2)]
    care.world.run()
    assert {write.status for write in writes} == {OK}
    assert [op for op, _, _ in driver.sent] == [WRITE, WRITE, FLUSH]
    assert care.world.disk.doubt == 1
    assert care.settled(bystander.flush()).status == IOERR
    assert care.settled(care.client.flush()).status == IOERR
    care.client.open_disk(care.world.disk)
    assert care.settled(care.client.flush()).status == OK


def test_what_was_written_during_the_flush_that_makes_room_is_flushed_next_if_it_is_too_much_again(care: Care):
    care.world.disk.retain_bytes = 16 * KIB
    driver = care.paths[0].driver
    driver.script += [Answer(), Answer(), Answer(delay_ns=50 * NS_PER_MS)]
    for number in range(4):
        assert care.settled(care.client.write(16 * number, NEW)).status == OK
    care.world.pass_time(50 * NS_PER_MS)
    assert [op for op, _, _ in driver.sent] == [WRITE, WRITE, FLUSH, WRITE, WRITE, FLUSH]
    device = care.paths[0].device
    assert device.retained.is_empty()
    assert device.flushed == device.written == 4


def test_half_of_the_limit_is_not_flushed_again(care: Care):
    care.world.disk.retain_bytes = 16 * KIB
    driver = care.paths[0].driver
    driver.script += [Answer(), Answer(), Answer(delay_ns=50 * NS_PER_MS)]
    for number in range(3):
        assert care.settled(care.client.write(16 * number, NEW)).status == OK
    care.world.pass_time(50 * NS_PER_MS)
    assert [op for op, _, _ in driver.sent] == [WRITE, WRITE, FLUSH, WRITE]


def test_a_read_that_is_just_answered_makes_no_cache_dirty(care: Care):
    """The session ends in the very turn of its answer: there is nothing that could be lost."""
    driver, device = care.paths[0].driver, care.paths[0].device
    driver.script.append(Answer(silent=True))
    care.client.read(0, 4096)
    care.world.settle()
    driver.deliver_all(Answer())
    assert driver.unreported()
    assert not device.is_dirty()
    device.session_ended()
    assert (care.world.disk.doubt, device.left_behind) == (0, None)
    care.world.settle()


def test_a_write_that_is_just_answered_makes_its_cache_dirty(care: Care):
    driver, device = care.paths[0].driver, care.paths[0].device
    driver.script.append(Answer(silent=True))
    care.client.write(0, NEW)
    care.world.settle()
    driver.deliver_all(Answer())
    assert device.is_dirty()
    care.world.settle()
    assert (device.written, device.is_dirty()) == (1, True)


def lose_discard(care: Care) -> None:
    """The first path's cache is lost with a write and a discard that it had acknowledged."""
    assert care.settled(care.client.write(0, OLD)).status == OK
    assert care.settled(care.client.discard(64, 4096)).status == OK
    care.session_lost(0, "gone")
    care.paths[0].device.session_ended()


def prove(care: Care) -> None:
    care.paths[0].device.cache_gone(PROOF_PEER_GONE)
    care.world.settle()


def test_a_discard_that_a_path_does_not_do_is_left_out_when_it_should_be_done_again(care: Care):
    lose_discard(care)
    care.paths[1].driver.script += [Answer(), Answer(NOTSUPP)]
    prove(care)
    care.world.pass_time(NS_PER_S)
    assert [op for op, _, _ in care.paths[1].driver.sent][:2] == [WRITE, DISCARD]
    assert care.world.disk.doubt == 0
    assert care.settled(care.client.flush()).status == OK


@pytest.mark.parametrize("script", [[Answer(IOERR)], [Answer(NOTSUPP)]])
def test_any_other_error_of_what_is_done_again_is_one(care: Care, script: list[Answer]):
    lose_discard(care)
    care.paths[1].driver.script += script * 4
    prove(care)
    care.world.pass_time(NS_PER_S)
    assert care.world.disk.doubt == 1
    assert care.settled(care.client.flush()).status == IOERR


def test_what_is_done_again_and_answered_with_an_error_may_be_in_that_paths_cache(care: Care):
    assert care.settled(care.client.write(0, OLD)).status == OK
    care.session_lost(0, "gone")
    care.paths[0].device.session_ended()
    care.paths[1].driver.script += [Answer(IOERR)] * 4
    prove(care)
    assert care.paths[1].device.is_dirty()


def test_what_is_done_again_and_was_not_sent_is_in_no_cache(care: Care):
    assert care.settled(care.client.write(0, OLD)).status == OK
    care.session_lost(0, "gone")
    care.paths[0].device.session_ended()
    care.paths[1].driver.script.append(Answer(TRANSPORT, fate=NOT_SENT))
    prove(care)
    assert not care.paths[1].device.is_dirty()


def test_a_session_that_ended_with_nothing_acknowledged_leaves_nothing_to_do_again(care: Care):
    driver, device = care.paths[0].driver, care.paths[0].device
    driver.script.append(Answer(silent=True))
    write = care.client.write(0, NEW)
    care.world.settle()
    device.session_ended()
    driver.deliver_all(LANDS)
    care.session_lost(0, "gone")
    care.world.settle()
    driver.settle(PROOF_PEER_GONE)
    prove(care)
    care.world.pass_time(NS_PER_S)
    assert (write.status, care.world.disk.doubt) == (OK, 0)
    assert (device.is_lost, device.replay, device.left_behind) == (False, None, None)


def test_what_was_answered_with_an_error_once_is_done_again_though_no_path_comes_or_goes(care: Care):
    assert care.settled(care.client.write(0, OLD)).status == OK
    care.session_lost(0, "gone")
    care.paths[0].device.session_ended()
    care.paths[0].driver.default = Answer(TRANSPORT, fate=NOT_SENT)
    care.paths[1].driver.script.append(Answer(IOERR))
    read = care.client.read(0, 4096)
    prove(care)
    care.world.pass_time(NS_PER_S)
    assert (read.finished, read.data) == (True, OLD)
    assert care.world.disk.doubt == 0
    assert not care.paths[0].device.is_lost


def test_while_what_was_lost_is_written_again_room_is_not_sought_by_one_flush_after_the_other(care: Care):
    """No flush makes room for what has to be written again."""
    for number in range(4):
        assert care.settled(care.client.write(16 * number, NEW)).status == OK
    care.world.disk.retain_bytes = 16 * KIB
    driver, device = care.paths[0].driver, care.paths[0].device
    driver.script += [Answer(), Answer(), Answer(delay_ns=NS_PER_S)]
    driver.default = Answer(delay_ns=NS_PER_MS)
    device.session_ended()
    care.target.state.choose(0)
    device.is_left = False
    prove(care)
    assert device.is_lost
    care.world.pass_time(2 * NS_PER_S)
    assert not device.is_lost
    assert 0 < [op for op, _, _ in driver.sent].count(FLUSH) < 8


def test_a_discard_of_several_ranges_is_done_again_as_such(mode: str):
    """Merged into one command they lie apart; what lies between them keeps its content."""
    ranges = QueueLimits(max_discard_sectors=65536, max_discard_segments=8)
    care = look_after(mode=mode, paths=1, groups=2, cache="path", limits=ranges)
    for sector in range(0, 64, 8):
        assert care.settled(care.client.write(sector, OLD)).status == OK
    assert care.settled(care.client.flush()).status == OK
    driver, device = care.paths[0].driver, care.paths[0].device
    sent = len(driver.sent)
    discards = care.client.submit([Bio(DISCARD, sector, 4096, care.client) for sector in (48, 0, 24)])
    care.world.settle()
    assert [bio.status for bio in discards] == [OK] * 3
    assert [op for op, _, _ in driver.sent[sent:]] == [DISCARD], "one command"
    driver.store.data[: 64 * 512] = OLD * 8
    care.session_lost(0, "gone")
    device.session_ended()
    prove(care)
    care.world.pass_time(NS_PER_S)
    found = care.settled(care.client.read(0, 64 * 512)).data
    assert found is not None
    blocks = {sector: bytes(found[sector * 512 : sector * 512 + 4096]) for sector in range(0, 64, 8)}
    assert blocks == {sector: bytes(4096) if sector in (0, 24, 48) else OLD for sector in blocks}
    assert care.world.disk.doubt == 0


def test_where_nothing_was_acknowledged_there_is_nothing_to_write_again_and_the_fence_is_lifted(care: Care):
    """What was answered with an error may be in that cache all the same."""
    care.paths[0].driver.default = Answer(IOERR)
    write = care.settled(care.client.write(0, NEW))
    assert (write.status, care.letters()) == (IOERR, "AA")
    device = care.paths[0].device
    care.session_lost(0, "gone")
    device.session_ended()
    read = care.client.read(512, 4096)
    care.world.settle()
    assert not read.finished
    prove(care)
    care.world.pass_time(NS_PER_S)
    assert (device.is_lost, device.replay, device.left_behind) == (False, None, None)
    assert read.status == OK
