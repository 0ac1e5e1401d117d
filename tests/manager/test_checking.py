"""Checking failed paths and putting them back: when, and when not."""

import pytest
from tests.manager.looked_after import FIRST_CHECK_NS, POLLING_NS, Care, SulkingDriver, look_after

from hawser.block.ops import READ, WRITE
from hawser.core.status import IOERR, OK, TRANSPORT
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer
from hawser.manager.probe import DOWN, MISMATCH, UP

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
    said = [line for line in care.lines() if "not the same disk" in line]
    assert said == ["p0: not the same disk: sectors 800..807 do not hold what was last written there; it is not used"]


def test_a_mismatch_is_looked_at_again_and_ends_when_the_disk_is_back(care: Care):
    care.client.write(800, DATA)
    care.world.settle()
    fail_by_io(care)
    care.swap_store(0)
    care.world.pass_time(FIRST_CHECK_NS)
    care.paths[0].driver.sent.clear()
    care.world.pass_time(9 * POLLING_NS)
    assert care.paths[0].driver.sent == [], "less often than one that is down"
    care.paths[0].driver.store = care.store
    care.world.pass_time(POLLING_NS)
    assert care.letters() == "AA"


def test_a_session_that_is_ready_is_asked_at_once_although_the_last_was_another_disk(care: Care):
    care.client.write(800, DATA)
    care.world.settle()
    fail_by_io(care)
    care.swap_store(0)
    care.world.pass_time(FIRST_CHECK_NS)
    care.paths[0].driver.store = care.store
    care.session_ready(0)
    care.world.pass_time(0)
    assert care.letters() == "AA"


def test_a_user_may_use_another_disk_by_hand(care: Care):
    care.client.write(800, DATA)
    care.world.settle()
    fail_by_io(care)
    care.swap_store(0)
    care.world.pass_time(FIRST_CHECK_NS)
    care.message("reinstate_path 259:0")
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
