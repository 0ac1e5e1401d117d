"""A reload: the manager goes along, and no path that is known to be bad carries I/O through the new table."""

import pytest
from tests.dm.controls import line, load, swap
from tests.manager.looked_after import FIRST_CHECK_NS, POLLING_NS, Care, SulkingDriver, look_after

from hawser.block.bio import Bio
from hawser.block.orphan import PROOF_PEER_GONE
from hawser.core.status import OK, TRANSPORT
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer

DATA = b"d" * 4096


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def make(mode: str, **options) -> Care:
    care = look_after(mode=mode, make_driver=SulkingDriver, **options)
    care.manager.follow(care.rig.device)
    return care


def sulk(care: Care, number: int, reason: str) -> None:
    driver = care.paths[number].driver
    assert isinstance(driver, SulkingDriver)
    driver.reason = reason


def reload(care: Care, groups: list[list[int]], mode: str, features: str = "") -> None:
    swap(care.rig, line(care.rig, groups, mode, features))


def test_it_looks_after_the_new_table(mode: str):
    care = make(mode)
    old = care.target
    reload(care, [[1], [0]], mode)
    assert care.manager.target is care.rig.device.table.targets[0]
    assert old.state.events == []
    care.paths[1].driver.script.append(Answer(TRANSPORT))
    care.settled(care.client.read(0, 512))
    assert care.letters() == "AF"
    care.world.pass_time(FIRST_CHECK_NS)
    assert care.letters() == "AA"
    assert old.state.valid_paths == 2


def test_a_path_whose_driver_is_in_trouble_stays_out(mode: str):
    care = make(mode)
    sulk(care, 0, "no connection")
    care.session_lost(0, "gone")
    reload(care, [[0, 1]], mode)
    assert care.letters() == "FA"
    assert [care.settled(care.client.read(0, 512)).status for _ in range(4)] == [OK] * 4
    assert care.paths[0].driver.sent == []
    sulk(care, 0, "")
    care.world.pass_time(POLLING_NS)
    assert care.letters() == "AA"


def test_a_path_to_another_disk_stays_out_even_for_what_was_waiting(mode: str):
    care = make(mode)
    assert care.settled(care.client.write(0, DATA)).status == OK
    care.swap_store(0)
    care.session_lost(0, "gone")
    care.world.pass_time(FIRST_CHECK_NS + NS_PER_MS)
    assert care.verdict(0) == "mismatch"
    care.paths[0].driver.sent.clear()
    care.rig.device.suspend(True)
    care.world.settle()
    bios = [care.client.read(0, 4096) for _ in range(4)]
    load(care.world, care.rig.device, line(care.rig, [[0, 1]], mode))
    care.rig.device.resume()
    care.world.settle()
    assert [_content(bio) for bio in bios] == [DATA] * 4
    assert care.paths[0].driver.sent == []
    assert care.letters() == "FA"


def test_a_path_that_had_failed_is_checked_before_it_is_used_again(mode: str):
    """Unlike the kernel: nobody knows yet where its new session leads."""
    care = make(mode)
    assert care.settled(care.client.write(0, DATA)).status == OK
    care.session_lost(0, "gone")
    care.swap_store(0)
    reload(care, [[0, 1]], mode)
    bios = [care.settled(care.client.read(0, 4096)) for _ in range(4)]
    assert {_content(bio) for bio in bios} == {DATA}
    care.world.pass_time(FIRST_CHECK_NS + NS_PER_MS)
    assert (care.letters(), care.verdict(0)) == ("FA", "mismatch")


def test_a_mismatch_stays_one_whatever_tables_come_and_go(mode: str):
    care = make(mode)
    assert care.settled(care.client.write(0, DATA)).status == OK
    right = care.paths[0].driver.store
    care.swap_store(0)
    care.session_lost(0, "gone")
    care.world.pass_time(FIRST_CHECK_NS + NS_PER_MS)
    care.paths[0].driver.store = right
    reload(care, [[0, 1]], mode)
    care.world.pass_time(60 * POLLING_NS)
    reload(care, [[1]], mode)
    care.world.pass_time(60 * POLLING_NS)
    care.paths[0].driver.sent.clear()
    reload(care, [[0, 1]], mode)
    care.world.pass_time(60 * POLLING_NS)
    assert (care.letters(), care.verdict(0), care.paths[0].driver.sent) == ("FA", "mismatch", [])
    assert "sectors 0..7 do not hold" in care.paths[0].driver.mismatch
    care.message("reinstate_path 259:0")
    care.world.pass_time(NS_PER_MS)
    assert care.letters() == "AA"


def test_a_session_that_ended_while_no_table_used_the_path(mode: str):
    care = make(mode)
    assert care.settled(care.client.write(0, DATA)).status == OK
    reload(care, [[1]], mode)
    care.session_lost(0, "gone")
    care.session_ready(0)
    reload(care, [[0, 1]], mode)
    assert care.letters() == "FA"
    care.world.pass_time(FIRST_CHECK_NS + NS_PER_MS)
    assert care.letters() == "AA"
    reload(care, [[1]], mode)
    reload(care, [[0, 1]], mode)
    assert care.letters() == "AA"


def _content(bio: Bio) -> bytes:
    assert bio.data is not None
    return bytes(bio.data)


def test_what_a_user_failed_stays_failed_until_a_user_reinstates_it(mode: str):
    care = make(mode)
    care.message("fail_path 259:0")
    for _ in range(2):
        reload(care, [[0, 1]], mode)
        care.world.pass_time(10 * POLLING_NS)
        assert care.letters() == "FA"
    care.message("reinstate_path 259:0")
    reload(care, [[0, 1]], mode)
    assert care.letters() == "AA"


def test_the_timers_of_vanished_devices_are_cancelled(mode: str):
    care = make(mode)
    sulk(care, 0, "no connection")
    care.session_lost(0, "gone")
    reload(care, [[1]], mode)
    assert not care.world.timers.next_deadline_ns() > care.world.clock.now_ns + FIRST_CHECK_NS
    care.world.pass_time(10 * POLLING_NS)
    assert "259:0" not in care.manager.verdicts
    care.session_ready(0)
    care.session_lost(0, "again")
    care.world.run()
    assert care.paths[0].driver.sent == []


def test_a_probe_that_is_under_way_when_its_device_vanishes_ends_in_nothing(mode: str):
    care = make(mode)
    care.paths[0].driver.default = Answer(delay_ns=300 * NS_PER_MS)
    care.session_lost(0, "gone")
    care.world.pass_time(FIRST_CHECK_NS + NS_PER_MS)
    reload(care, [[1]], mode)
    care.world.run()
    assert "259:0" not in care.manager.verdicts


def test_a_cache_that_the_new_table_leaves_out_is_flushed_and_io_flows(mode: str):
    care = make(mode, paths=1, groups=2, cache="path")
    assert care.settled(care.client.write(0, DATA)).status == OK
    reload(care, [[1]], mode)
    read = care.client.read(0, 4096)
    care.world.pass_time(NS_PER_S)
    assert (read.status, read.data) == (OK, DATA)
    assert not care.paths[0].device.is_dirty()


def test_a_cache_that_is_left_without_a_table_is_flushed_too(mode: str):
    care = make(mode, paths=1, groups=2, cache="path")
    assert care.settled(care.client.write(0, DATA)).status == OK
    care.message("switch_group 2")
    care.client.read(0, 512)
    sulk(care, 0, "no connection")
    care.world.pass_time(NS_PER_MS)
    swap(care.rig, f"0 {care.rig.device.size_sectors} error")
    assert care.paths[0].device.left_behind is not None
    sulk(care, 0, "")
    care.world.pass_time(2 * POLLING_NS)
    assert care.paths[0].device.left_behind is None


def test_a_table_without_multipath_is_left_alone_and_the_next_is_looked_after(mode: str):
    care = make(mode)
    sulk(care, 0, "no connection")
    care.session_lost(0, "gone")
    swap(care.rig, f"0 {care.rig.device.size_sectors} error")
    care.session_lost(1, "gone too")
    care.world.run()
    reload(care, [[0, 1]], mode)
    assert care.letters() == "FA"
    sulk(care, 0, "")
    care.world.pass_time(POLLING_NS)
    assert care.letters() == "AA"


def test_the_time_that_io_may_wait_begins_anew_if_there_is_still_no_path(mode: str):
    care = make(mode, queue_timeout_ns=5 * NS_PER_S, features="queue_if_no_path")
    for number in range(2):
        sulk(care, number, "no connection")
        care.session_lost(number, "gone")
    bio = care.client.read(0, 512)
    care.world.pass_time(4 * NS_PER_S)
    reload(care, [[0, 1]], mode, "queue_if_no_path")
    care.world.pass_time(4 * NS_PER_S)
    assert not bio.finished
    care.world.pass_time(2 * NS_PER_S)
    assert bio.finished


def test_a_path_that_fails_during_a_suspend_has_its_time_too(mode: str):
    """The suspend has turned queueing off for a while; what counts is what will be so after the resume."""
    care = make(mode, paths=1, queue_timeout_ns=5 * NS_PER_S, features="queue_if_no_path")
    care.rig.device.suspend(False)
    care.world.settle()
    sulk(care, 0, "no connection")
    care.session_lost(0, "gone")
    care.rig.device.resume()
    bio = care.client.read(0, 512)
    care.world.pass_time(4 * NS_PER_S)
    assert not bio.finished
    care.world.pass_time(2 * NS_PER_S)
    assert bio.finished


def test_adopting_the_same_target_again_changes_nothing(mode: str):
    care = make(mode)
    care.message("fail_path 259:0")
    care.manager.adopt(care.target)
    assert (care.letters(), len(care.target.state.events)) == ("FA", 1)


def test_a_path_that_comes_with_a_new_table_starts_failed_if_its_driver_is_in_trouble(mode: str):
    """Nothing was found out about it yet."""
    care = make(mode, paths=3)
    reload(care, [[0, 1]], mode)
    sulk(care, 2, "no connection")
    reload(care, [[2, 1]], mode)
    assert "259:2 F" in care.rig.status() and "259:1 A" in care.rig.status()
    assert [care.settled(care.client.read(0, 512)).status for _ in range(4)] == [OK] * 4
    assert care.paths[2].driver.sent == []


def test_what_was_lost_while_no_table_used_it_is_written_again_by_the_next_table(mode: str):
    """The proof came when nobody was there to look for a path."""
    care = make(mode, paths=1, groups=2, cache="path")
    assert care.settled(care.client.write(0, DATA)).status == OK
    device = care.paths[0].device
    sulk(care, 0, "no connection")
    care.session_lost(0, "gone")
    device.session_ended()
    care.paths[0].driver.store.data[:4096] = bytes(4096)
    swap(care.rig, f"0 {care.rig.device.size_sectors} error")
    device.cache_gone(PROOF_PEER_GONE)
    care.world.pass_time(NS_PER_S)
    assert device.is_lost
    reload(care, [[0], [1]], mode)
    read = care.client.read(0, 4096)
    care.world.pass_time(NS_PER_S)
    assert (read.status, read.data) == (OK, DATA)
    assert not device.is_lost


@pytest.mark.parametrize(("epoch", "letters"), [(1, "AA"), (2, "FA")])
def test_of_a_path_that_no_table_has_ever_used_only_the_first_session_is_known(mode: str, epoch: int, letters: str):
    """Nobody was told of the end of the one before, and where the next one leads nobody has looked."""
    care = make(mode)
    reload(care, [[1]], mode)
    care.rig.paths[0] = care.world.ram_path("added", care.store)
    care.paths[0].driver.epoch = epoch
    reload(care, [[0, 1]], mode)
    assert care.letters() == letters
    care.world.pass_time(FIRST_CHECK_NS + NS_PER_MS)
    assert care.letters() == "AA"
    reload(care, [[1]], mode)
    reload(care, [[0, 1]], mode)
    assert care.letters() == "AA"
