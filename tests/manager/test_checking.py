"""Checking failed paths and putting them back: when, and when not."""

import pytest
from tests.manager.looked_after import FIRST_CHECK_NS, POLLING_NS, Care, SulkingDriver, look_after

from hawser.block.ops import READ, WRITE, Buffer
from hawser.core.status import IOERR, OK, TRANSPORT
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer
from hawser.manager.probe import DOWN, MISMATCH, UP
from hawser.multipath.witness import Digester, Remembered

DATA = b"d" * 4096


@pytest.fixture(params=["rq", "bio"])
def care(request: pytest.FixtureRequest) -> Care:
    return look_after(mode=request.param)


def fail_by_io(care: Care, number: int = 0) -> None:
    """The path answers one I/O with a transport error."""
    care.paths[number].driver.script.append(Answer(TRANSPORT))
    while care.letters()[number] == "A":
        care.client.read(0, 4096)
        care.world.settle()


def test_a_failed_path_is_checked_soon_and_reinstated_when_it_answers(care: Care):
    fail_by_io(care)
    care.world.pass_time(FIRST_CHECK_NS - 1)
    assert care.letters() == "FA"
    care.paths[0].driver.sent.clear()
    care.world.pass_time(1)
    assert care.letters() == "AA"
    assert care.paths[0].driver.sent == [(READ, 0, 4096)]
    assert care.verdict(0) == UP


def test_a_path_that_stays_down_is_asked_once_per_interval(care: Care):
    fail_by_io(care)
    care.paths[0].driver.default = Answer(TRANSPORT)
    care.world.pass_time(FIRST_CHECK_NS)
    assert care.verdict(0) == DOWN
    care.paths[0].driver.sent.clear()
    care.world.pass_time(5 * POLLING_NS)
    assert len(care.paths[0].driver.sent) == 5
    care.paths[0].driver.default = Answer()
    care.world.pass_time(POLLING_NS)
    assert care.letters() == "AA"


def test_a_slow_probe_is_not_joined_by_another(care: Care):
    fail_by_io(care)
    care.paths[0].driver.default = Answer(silent=True)
    care.world.pass_time(FIRST_CHECK_NS)
    care.session_ready(0)
    care.world.pass_time(10 * POLLING_NS)
    assert len(care.paths[0].driver.outstanding()) == 1
    care.paths[0].driver.deliver_all(Answer())
    care.world.settle()
    assert care.letters() == "AA"


def test_what_a_user_failed_is_left_alone_until_a_user_reinstates_it(care: Care):
    care.message("fail_path 259:0")
    care.paths[0].driver.sent.clear()
    care.world.pass_time(60 * NS_PER_S)
    assert care.letters() == "FA"
    assert care.paths[0].driver.sent == []
    care.message("reinstate_path 259:0")
    assert care.letters() == "AA"
    fail_by_io(care)
    care.world.pass_time(FIRST_CHECK_NS)
    assert care.letters() == "AA", "the user's word is forgotten once it was taken back"


def test_a_user_may_fail_what_has_failed_even_while_it_is_being_probed(care: Care):
    fail_by_io(care)
    care.paths[0].driver.default = Answer(delay_ns=50 * NS_PER_MS)
    care.world.pass_time(FIRST_CHECK_NS + 1)
    assert len(care.paths[0].driver.outstanding()) == 1
    care.message("fail_path 259:0")
    care.world.pass_time(10 * NS_PER_S)
    assert care.letters() == "FA"


def test_a_session_that_is_lost_fails_its_path_and_one_that_is_ready_is_probed_at_once(care: Care):
    care.session_lost(1, "gone")
    assert care.letters() == "AF"
    assert any("259:1 (p1): gone" in line for line in care.lines())
    care.session_ready(1)
    care.world.settle()
    assert care.letters() == "AF", "not within the call"
    care.world.pass_time(0)
    assert care.letters() == "AA"


def test_a_session_that_is_ready_concerns_no_path_that_works_or_that_a_user_failed(care: Care):
    care.message("fail_path 259:1")
    for path in care.paths:
        path.driver.sent.clear()
    for number in (0, 1):
        care.session_ready(number)
    care.world.pass_time(NS_PER_S)
    assert [path.driver.sent for path in care.paths] == [[], []]


def test_a_driver_in_trouble_is_not_asked():
    care = look_after(make_driver=SulkingDriver)
    fail_by_io(care)
    driver = care.paths[0].driver
    assert isinstance(driver, SulkingDriver)
    driver.reason = "is not connected yet"
    care.paths[0].driver.sent.clear()
    care.world.pass_time(3 * POLLING_NS)
    assert care.letters() == "FA"
    assert care.paths[0].driver.sent == []
    driver.reason = ""
    care.world.pass_time(POLLING_NS)
    assert care.letters() == "AA"


def test_paths_that_were_failed_before_are_looked_after_too():
    care = look_after(failed=[0, 1], features="queue_if_no_path")
    assert care.letters() == "FF"
    assert sum("no path left" in line for line in care.lines()) == 1
    care.world.pass_time(FIRST_CHECK_NS)
    assert care.letters() == "AA"


# Is it the same disk?


def test_a_path_that_leads_to_other_content_is_not_reinstated_and_the_log_says_so(care: Care):
    care.client.write(800, DATA)
    care.world.settle()
    fail_by_io(care)
    care.swap_store(0)
    care.world.pass_time(60 * POLLING_NS)
    assert care.letters() == "FA"
    assert care.verdict(0) == MISMATCH
    said = [line for line in care.lines() if "it is not used" in line]
    assert said == [
        "p0: not the same disk: sectors 800..807 do not hold what was last written there; it is not used until a user has it "
        "looked at again"
    ]


def to_another_disk(care: Care, number: int = 0) -> None:
    """The path fails, and leads to another disk from then on; which is found out."""
    care.client.write(800, DATA)
    care.world.settle()
    fail_by_io(care, number)
    care.swap_store(number)
    care.world.pass_time(FIRST_CHECK_NS)
    assert care.verdict(number) == MISMATCH
    care.paths[number].driver.sent.clear()


def test_a_mismatch_is_an_event(care: Care):
    care.client.write(800, DATA)
    care.world.settle()
    fail_by_io(care)
    care.swap_store(0)
    events = care.rig.device.event_nr
    care.world.pass_time(FIRST_CHECK_NS)
    assert (care.verdict(0), care.rig.device.event_nr) == (MISMATCH, events + 1)


def test_a_mismatch_is_not_looked_at_again_before_a_user_says_so(care: Care):
    to_another_disk(care)
    care.paths[0].driver.store = care.store
    care.world.pass_time(3600 * NS_PER_S)
    care.session_ready(0)
    care.world.pass_time(3600 * NS_PER_S)
    assert (care.letters(), care.paths[0].driver.sent) == ("FA", []), "although it is the right one again"
    care.message("reinstate_path 259:0")
    assert care.letters() == "FA", "not unseen"
    care.world.pass_time(0)
    assert (care.letters(), care.verdict(0)) == ("AA", UP)
    assert care.paths[0].driver.mismatch == ""


def test_what_a_user_says_does_not_replace_the_look(care: Care):
    to_another_disk(care)
    events = care.rig.device.event_nr
    for _ in range(2):
        care.message("reinstate_path 259:0")
        care.world.pass_time(FIRST_CHECK_NS)
        assert (care.letters(), care.verdict(0)) == ("FA", MISMATCH)
    assert care.rig.device.event_nr == events + 2
    care.paths[0].driver.sent.clear()
    care.world.pass_time(3600 * NS_PER_S)
    assert care.paths[0].driver.sent == []


def test_an_error_of_the_transport_is_no_mismatch(care: Care):
    """It is asked again, by itself."""
    care.client.write(800, DATA)
    care.world.settle()
    fail_by_io(care)
    care.paths[0].driver.script += [Answer(), Answer(TRANSPORT)]
    care.world.pass_time(FIRST_CHECK_NS)
    assert (care.letters(), care.verdict(0), care.paths[0].driver.mismatch) == ("FA", DOWN, "")
    care.world.pass_time(POLLING_NS)
    assert care.letters() == "AA"


def test_a_look_after_which_it_is_down_ends_as_with_any_other_path(care: Care):
    to_another_disk(care)
    care.paths[0].driver.store = care.store
    care.paths[0].driver.default = Answer(TRANSPORT)
    care.message("reinstate_path 259:0")
    care.world.pass_time(FIRST_CHECK_NS)
    assert (care.letters(), care.verdict(0)) == ("FA", DOWN)
    care.paths[0].driver.default = Answer()
    care.world.pass_time(POLLING_NS)
    assert care.letters() == "AA"


def test_a_session_that_is_refused_is_a_mismatch(care: Care):
    events = care.rig.device.event_nr
    care.session_refused(0, "not the same disk: its size is 1 bytes, not 2")
    assert (care.letters(), care.verdict(0)) == ("FA", MISMATCH)
    care.world.settle()
    assert care.rig.device.event_nr > events
    assert care.manager.reasons["259:0"] == "not the same disk: its size is 1 bytes, not 2"
    care.world.pass_time(3600 * NS_PER_S)
    assert care.paths[0].driver.sent == []


def test_a_path_of_two_maps_is_checked_by_both_once_a_user_of_one_has_it_looked_at(care: Care):
    care.session_refused(0, "not the same disk")
    care.world.pass_time(10 * POLLING_NS)
    assert care.letters() == "FA"
    # (What `reinstate_path` does, said to the other map.)
    care.paths[0].driver.look_again()
    care.world.pass_time(2 * POLLING_NS)
    assert (care.letters(), care.verdict(0)) == ("AA", UP)


def test_a_dirty_cache_is_flushed_although_its_path_leads_to_another_disk():
    """Everybody waits for that; and the path is not used all the same."""
    care = look_after(cache="path", paths=1, groups=2)
    care.client.write(800, DATA)
    care.world.settle()
    care.paths[0].driver.default = Answer(TRANSPORT)
    care.message("switch_group 2")
    read = care.client.read(800, 4096)
    care.session_refused(0, "not the same disk")
    care.world.settle()
    assert care.paths[0].device.left_behind is not None and not read.finished
    care.paths[0].driver.default = Answer()
    care.world.pass_time(2 * POLLING_NS)
    assert care.paths[0].device.left_behind is None and (read.status, read.data) == (OK, DATA)
    care.world.pass_time(60 * POLLING_NS)
    assert (care.letters(), care.verdict(0)) == ("FA", MISMATCH)


def test_after_a_mismatch_something_has_to_speak_for_the_path(care: Care):
    """What had told it is forgotten: that nothing speaks against it is not enough, as long as another path works."""
    to_another_disk(care)
    care.world.disk.cast_doubt("a cache is gone")
    care.message("reinstate_path 259:0")
    care.world.pass_time(0)
    assert (care.letters(), care.verdict(0)) == ("FA", MISMATCH)
    assert care.manager.reasons["259:0"] == "not the same disk before, and nothing that was written since can tell"
    care.settled(care.client.write(16, DATA))
    care.paths[0].driver.store = care.store
    care.message("reinstate_path 259:0")
    care.world.pass_time(0)
    assert (care.letters(), care.verdict(0)) == ("AA", UP)


def test_without_another_path_nothing_could_ever_speak_for_it(care: Care):
    to_another_disk(care)
    care.paths[0].driver.store = care.store
    care.world.disk.cast_doubt("a cache is gone")
    care.paths[1].driver.default = Answer(TRANSPORT)
    care.client.read(0, 4096)
    care.world.settle()
    care.message("reinstate_path 259:0")
    care.world.pass_time(0)
    assert (care.letters(), care.verdict(0)) == ("AF", UP)


# What a user says.


def test_a_path_in_the_session_in_which_it_was_used_is_put_back_at_once(care: Care):
    care.paths[0].driver.epoch = 3
    care.message("fail_path 259:0")
    care.message("reinstate_path 259:0")
    assert care.letters() == "AA"
    assert care.paths[0].driver.sent == []


@pytest.mark.parametrize("is_right", [True, False])
def test_a_path_in_another_session_is_looked_at_first(care: Care, is_right: bool):
    """Nobody knows where that leads."""
    care.client.write(800, DATA)
    care.world.settle()
    care.message("fail_path 259:0")
    care.paths[0].driver.epoch += 1
    if not is_right:
        care.swap_store(0)
    care.world.pass_time(60 * NS_PER_S)
    assert care.letters() == "FA"
    care.message("reinstate_path 259:0")
    assert care.letters() == "FA"
    care.world.pass_time(0)
    assert care.letters() == ("AA" if is_right else "FA")


def test_a_path_without_a_session_is_reinstated_when_it_has_one():
    care = look_after(make_driver=SulkingDriver)
    driver = care.paths[0].driver
    assert isinstance(driver, SulkingDriver)
    driver.reason = "is not connected"
    care.session_lost(0, "gone")
    care.message("fail_path 259:0")
    care.message("reinstate_path 259:0")
    care.world.pass_time(3 * POLLING_NS)
    assert care.letters() == "FA"
    driver.reason = ""
    care.session_ready(0)
    care.world.pass_time(0)
    assert care.letters() == "AA"


@pytest.mark.parametrize("write_ns", [1, 5 * NS_PER_MS, 15 * NS_PER_MS, 25 * NS_PER_MS])
def test_a_write_that_races_the_probe_is_no_mismatch(care: Care, write_ns: int):
    """The probe's reads take 10 ms each; the write is acknowledged before, between or behind them."""
    care.client.write(800, DATA)
    care.world.settle()
    fail_by_io(care)
    care.paths[0].driver.default = Answer(delay_ns=10 * NS_PER_MS)
    care.world.pass_time(FIRST_CHECK_NS)
    care.paths[1].driver.default = Answer(delay_ns=write_ns)
    bio = care.client.write(800, b"new!" * 1024)
    care.world.pass_time(NS_PER_S)
    assert bio.status == OK
    assert care.letters() == "AA"
    assert not any("not the same disk" in line for line in care.lines())


def test_a_write_that_landed_and_was_never_answered_is_no_mismatch(care: Care):
    care.client.write(800, DATA)
    care.world.settle()
    fail_by_io(care)
    care.paths[1].driver.default = Answer(IOERR, lands=True)
    care.paths[1].driver.answers_are_final = True
    assert care.settled(care.client.write(800, b"new!" * 1024)).status == IOERR
    care.store.data[800 * 512 : 800 * 512 + 4096] = b"new!" * 1024
    care.world.pass_time(FIRST_CHECK_NS)
    assert care.letters() == "AA"


def test_each_of_the_last_writes_is_read_back_through_the_path(care: Care):
    for number in range(20):
        care.client.write(number * 8, DATA)
        care.world.settle()
    fail_by_io(care)
    care.paths[0].driver.sent.clear()
    care.world.pass_time(FIRST_CHECK_NS)
    sent = care.paths[0].driver.sent
    assert sent[0] == (READ, 0, 4096)
    assert sorted(sent[1:]) == [(READ, number * 8, 4096) for number in range(4, 20)]
    assert all(op != WRITE for op, _, _ in sent)


class Whole(Digester):
    def digest(self, data: Buffer) -> bytes:
        return bytes(data)


def test_what_an_earlier_process_has_handed_over_is_read_back_too(care: Care):
    right = care.paths[0].driver.store
    right.data[800 * 512 : 800 * 512 + 4096] = DATA
    care.world.disk.witness.remember([Remembered(800, 808, DATA)], Whole())
    fail_by_io(care)
    care.swap_store(0)
    care.world.pass_time(FIRST_CHECK_NS)
    assert (care.letters(), care.verdict(0)) == ("FA", MISMATCH)
    care.paths[0].driver.store = right
    care.message("reinstate_path 259:0")
    care.world.pass_time(0)
    assert (care.letters(), care.verdict(0)) == ("AA", UP)
