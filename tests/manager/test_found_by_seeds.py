"""Found by random worlds: what the last writes can say about a path that comes back, and what they cannot."""

import pytest
from tests.manager.looked_after import FIRST_CHECK_NS, POLLING_NS, Care, look_after

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import FLUSH, READ, WRITE
from hawser.block.request import UNKNOWN
from hawser.core.status import OK, TIMEOUT, TRANSPORT
from hawser.core.units import NS_PER_MS
from hawser.dm.table import parse_lines
from hawser.lab.world import Answer
from hawser.manager.probe import HOLD_NS, MISMATCH, UNTOLD, UP

FIRST, SECOND = b"1" * 4096, b"2" * 4096
BLOCKS_OF_4096 = QueueLimits(logical_block_size=4096, physical_block_size=4096)


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def store(care: Care, sector: int, data: bytes) -> None:
    """What the disk holds, whoever wrote it."""
    care.store.data[sector << 9 : (sector << 9) + len(data)] = data


def fail_by_io(care: Care, number: int = 0) -> None:
    """The path answers one read with a transport error."""
    care.paths[number].driver.script.append(Answer(TRANSPORT))
    while care.letters()[number] == "A":
        care.client.read(0, 4096)
        care.world.settle()


def write_two_at_once(care: Care, sector: int) -> None:
    """FIRST to sectors 800..807, SECOND from `sector` on, each by its own path: acknowledged so, executed in the other order."""
    care.paths[0].driver.script.append(Answer(delay_ns=NS_PER_MS))
    care.paths[1].driver.script.append(Answer(delay_ns=2 * NS_PER_MS))
    bios = [care.client.write(800, FIRST), care.client.write(sector, SECOND)]
    care.world.run()
    assert [bio.status for bio in bios] == [OK, OK]
    assert [len(path.driver.sent) for path in care.paths] == [1, 1]
    store(care, 800, FIRST)


@pytest.mark.parametrize("sector", [800, 796, 804])
def test_writes_that_were_on_their_way_at_once_do_not_keep_the_right_disk_out(mode: str, sector: int):
    """Acknowledged in one order and executed in the other, they made the right disk look like a wrong one for ever."""
    care = look_after(mode=mode)
    write_two_at_once(care, sector)
    fail_by_io(care)
    care.world.pass_time(FIRST_CHECK_NS)
    assert (care.letters(), care.verdict(0)) == ("AA", UP)
    assert not any("not the same disk" in line for line in care.lines())


def test_where_such_writes_do_not_overlap_they_tell_another_disk(mode: str):
    care = look_after(mode=mode)
    write_two_at_once(care, 804)
    fail_by_io(care)
    care.swap_store(0)
    care.world.pass_time(FIRST_CHECK_NS)
    assert (care.letters(), care.verdict(0)) == ("FA", MISMATCH)


def test_the_rest_of_a_write_that_was_partly_done_is_not_read_back_from_within_a_block():
    """The probe asked for sectors that the device does not give by themselves, and took the refusal for a dead path, for ever."""
    care = look_after(mode="rq", limits=BLOCKS_OF_4096)
    care.paths[0].driver.script.append(Answer(TRANSPORT, good_bytes=4096 + 512))
    bios = care.client.submit([Bio(WRITE, 800 + 8 * n, 4096, care.client, FIRST) for n in range(2)])
    care.world.settle()
    assert [bio.status for bio in bios] == [OK, OK]
    assert [testimony.sector for testimony in care.world.disk.witness.testimonies()] == [808]
    care.world.pass_time(FIRST_CHECK_NS)
    assert (care.letters(), care.verdict(0)) == ("AA", UP)
    assert (READ, 809, 3584) not in care.paths[0].driver.sent


def test_what_does_not_fill_blocks_leaves_the_others_their_say():
    care = look_after(mode="rq", limits=BLOCKS_OF_4096)
    care.settled(care.client.write(400, SECOND))
    care.paths[1].driver.script.append(Answer(TRANSPORT, good_bytes=4096 + 512))
    care.client.submit([Bio(WRITE, 800 + 8 * n, 4096, care.client, FIRST) for n in range(2)])
    care.world.settle()
    care.swap_store(1)
    care.world.pass_time(FIRST_CHECK_NS)
    assert (care.letters(), care.verdict(1)) == ("AF", MISMATCH)


def busy_again(care: Care) -> None:
    """The only write that could tell the disk is being written again, by the path that is left, when the other is looked at."""
    care.settled(care.client.write(800, FIRST))
    fail_by_io(care)
    care.paths[1].driver.default = Answer(silent=True)
    care.client.write(800, SECOND)


def test_a_path_that_nothing_could_tell_from_another_disk_is_asked_again(mode: str):
    """All that could tell it was being written again just then, and a probe that had compared nothing said that all was well."""
    care = look_after(mode=mode)
    busy_again(care)
    care.swap_store(0)
    care.world.pass_time(FIRST_CHECK_NS + HOLD_NS)
    assert (care.letters(), care.verdict(0)) == ("FA", UNTOLD)
    care.paths[1].driver.deliver_all(Answer())
    care.world.pass_time(FIRST_CHECK_NS)
    assert (care.letters(), care.verdict(0)) == ("FA", MISMATCH)
    care.paths[0].driver.store = care.store
    care.message("reinstate_path 259:0")
    care.world.pass_time(FIRST_CHECK_NS)
    assert (care.letters(), care.verdict(0)) == ("AA", UP)


def test_it_is_used_as_soon_as_something_tells_its_disk_and_not_before(mode: str):
    """Even if that takes long."""
    care = look_after(mode=mode)
    busy_again(care)
    care.world.pass_time(60 * POLLING_NS)
    assert (care.letters(), care.verdict(0)) == ("FA", UNTOLD)
    assert sum("being written again" in line for line in care.lines()) == 1, "said once"
    care.paths[1].driver.deliver_all(Answer())
    care.world.pass_time(FIRST_CHECK_NS)
    assert (care.letters(), care.verdict(0)) == ("AA", UP)


def test_one_write_that_can_be_read_back_is_enough(mode: str):
    care = look_after(mode=mode)
    care.settled(care.client.write(400, SECOND))
    busy_again(care)
    care.world.pass_time(FIRST_CHECK_NS)
    assert (care.letters(), care.verdict(0)) == ("AA", UP)


def test_a_write_testifies_although_its_own_ghost_lives(mode: str):
    """What it wrote is what its sectors hold, whatever becomes of the ghost. The path was not used before a proof came."""
    care = look_after(mode=mode)
    care.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN))
    care.settled(care.client.write(800, FIRST))
    assert care.letters() == "FA" and care.world.disk.fences.active
    care.world.pass_time(FIRST_CHECK_NS)
    assert (care.letters(), care.verdict(0)) == ("AA", UP)


def test_what_another_paths_cache_may_hold_tells_nothing_before_it_is_flushed(mode: str):
    """A path that came back was taken for another disk, because what was written last was in the other server's cache still."""
    care = look_after(mode=mode, cache="path", paths=1, groups=2)
    fail_by_io(care)
    care.settled(care.client.write(800, FIRST))
    care.swap_store(0)
    care.world.pass_time(3 * POLLING_NS)
    assert (care.letters(), care.verdict(0)) == ("FA", UNTOLD)
    care.settled(care.client.flush())
    care.paths[0].driver.store = care.store
    care.world.pass_time(POLLING_NS)
    assert (care.letters(), care.verdict(0)) == ("AA", UP)


def test_a_table_that_leaves_out_the_path_whose_cache_is_dirty_has_it_flushed(mode: str):
    """The path that was left in the table could not be told before, and nobody flushed the other one: no path for ever."""
    care = look_after(mode=mode, cache="path", paths=1, groups=2)
    device = care.rig.device
    care.manager.follow(device)
    fail_by_io(care)
    care.settled(care.client.write(800, FIRST))
    device.load(parse_lines(f"0 2048 multipath 2 queue_mode {mode} 0 1 1 round-robin 0 1 0 259:0"), care.world.registry)
    device.resume()
    care.world.pass_time(3 * POLLING_NS)
    assert (FLUSH, 0, 0) in care.paths[1].driver.sent
    assert care.verdict(0) == UP
    assert care.settled(care.client.read(800, 4096)).status == OK
