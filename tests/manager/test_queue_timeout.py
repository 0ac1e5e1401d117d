"""How long I/O waits when no path is left: for ever, for a time, not at all; and what a path that comes back changes."""

import pytest
from tests.manager.looked_after import FIRST_CHECK_NS, Care, look_after

from hawser.core.status import IOERR, OK, TRANSPORT
from hawser.core.units import NS_PER_S
from hawser.lab.world import Answer

HOUR_NS = 3600 * NS_PER_S


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def make(mode: str, queue_timeout_ns: int | None, features: str = "queue_if_no_path") -> Care:
    return look_after(queue_timeout_ns, mode=mode, features=features)


def cut_all(care: Care) -> None:
    for number, path in enumerate(care.paths):
        path.driver.default = Answer(TRANSPORT)
        care.session_lost(number, "cut")


def mend(care: Care, number: int = 0) -> None:
    care.paths[number].driver.default = Answer()
    care.session_ready(number)
    care.world.pass_time(0)


def test_for_ever_means_for_ever(mode: str):
    care = make(mode, None)
    cut_all(care)
    bio = care.client.read(0, 4096)
    care.world.pass_time(HOUR_NS)
    assert not bio.finished
    mend(care)
    care.world.pass_time(NS_PER_S)
    assert bio.status == OK


def test_what_waited_for_too_long_fails_and_so_does_what_comes_then(mode: str):
    care = make(mode, 60 * NS_PER_S)
    cut_all(care)
    bio = care.client.read(0, 4096)
    care.world.pass_time(60 * NS_PER_S - 1)
    assert not bio.finished
    care.world.pass_time(1)
    assert bio.finished and bio.status == IOERR
    assert care.settled(care.client.read(0, 4096)).status == IOERR
    assert any("no path for too long" in line for line in care.lines())


def test_a_path_that_comes_back_stops_the_clock(mode: str):
    care = make(mode, 60 * NS_PER_S)
    cut_all(care)
    bio = care.client.read(0, 4096)
    care.world.pass_time(59 * NS_PER_S)
    mend(care)
    care.world.pass_time(NS_PER_S)
    assert bio.status == OK
    care.world.pass_time(60 * NS_PER_S)
    cut_all(care)
    bio = care.client.read(0, 4096)
    care.world.pass_time(59 * NS_PER_S)
    assert not bio.finished, "the whole time again"


def test_after_the_timeout_a_path_that_comes_back_lets_io_queue_again(mode: str):
    care = make(mode, 60 * NS_PER_S)
    cut_all(care)
    care.world.pass_time(60 * NS_PER_S)
    mend(care)
    assert any("I/O queues again" in line for line in care.lines())
    cut_all(care)
    bio = care.client.read(0, 4096)
    care.world.pass_time(30 * NS_PER_S)
    assert not bio.finished


@pytest.mark.parametrize("features", ["", "queue_if_no_path"])
def test_no_time_at_all_fails_at_once(mode: str, features: str):
    care = make(mode, 0, features)
    cut_all(care)
    care.world.pass_time(0)
    assert care.settled(care.client.read(0, 4096)).status == IOERR
    mend(care)
    assert care.settled(care.client.read(0, 4096)).status == OK


def test_a_user_who_says_fail_if_no_path_is_obeyed_when_paths_come_and_go(mode: str):
    care = make(mode, 60 * NS_PER_S)
    care.message("fail_if_no_path")
    cut_all(care)
    mend(care)
    cut_all(care)
    assert care.settled(care.client.read(0, 4096)).status == IOERR
    assert not any("no path left" in line for line in care.lines())


def test_a_table_that_does_not_queue_is_left_as_it_is(mode: str):
    care = make(mode, 60 * NS_PER_S, features="")
    cut_all(care)
    care.world.pass_time(FIRST_CHECK_NS)
    mend(care)
    assert "queue_if_no_path" not in care.target.status_table()


def test_the_last_path_failed_by_hand_starts_the_clock_too(mode: str):
    care = make(mode, 60 * NS_PER_S)
    care.message("fail_path 259:0")
    care.message("fail_path 259:1")
    bio = care.client.read(0, 4096)
    care.world.pass_time(60 * NS_PER_S)
    assert bio.finished and bio.status == IOERR
