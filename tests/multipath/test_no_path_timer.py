"""The no-path timer: a map without any path queues only so long as the machine allows. Linux: enable_nopath_timeout()."""

import pytest
from tests.dm.controls import begin_suspend, line, load, suspend, swap

from hawser.block.bio import Bio
from hawser.core.log import LogSink
from hawser.core.status import IOERR, OK, TRANSPORT
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.dm.parameters import NO_PATH_TIMEOUT
from hawser.lab.world import Answer, Rig, World, make_multipath

DATA = b"d" * 4096
SECONDS = 5
SAID = "multipath: queue_if_no_path timeout on 254:0, failing queued IO"


class Heard(LogSink):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def emit(self, level: int, text: str) -> None:
        self.heard.append(text)


@pytest.fixture(params=["rq", "bio", "mq"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def make(mode: str, features: str = "queue_if_no_path", seconds: int = SECONDS) -> Rig:
    world = World()
    world.log = Heard()
    world.registry.parameters.set(NO_PATH_TIMEOUT, str(seconds))
    return make_multipath(world, mode=mode, features=features)


def fail_all(rig: Rig) -> None:
    for path in rig.paths:
        rig.message(f"fail_path {path.device.devt}")


def says_so(rig: Rig) -> int:
    log = rig.world.log
    assert isinstance(log, Heard)
    return log.heard.count(SAID)


def queues(rig: Rig) -> bool:
    target = rig.device.table.targets[0]
    return "queue_if_no_path" in target.status_table()


def write(rig: Rig, seconds: float) -> Bio:
    """A write, `seconds` later."""
    bio = rig.client.write(0, DATA)
    rig.world.pass_time(int(seconds * NS_PER_S))
    return bio


def test_what_waits_fails_when_the_time_is_over_and_so_does_what_comes(mode: str):
    rig = make(mode)
    for path in rig.paths:
        path.driver.script.append(Answer(TRANSPORT))
    bio = write(rig, SECONDS - 0.2)
    assert (bio.finished, says_so(rig), queues(rig)) == (False, 0, True)
    rig.world.pass_time(NS_PER_S)
    assert (bio.finished, bio.status, says_so(rig), queues(rig)) == (True, IOERR, 1, False)
    assert write(rig, 0.001).status == IOERR
    rig.message("reinstate_path 259:0")
    assert write(rig, 0.001).status == OK
    assert not queues(rig), "a path that comes back turns nothing on again"
    assert rig.at_rest()


def test_without_the_parameter_it_waits_for_ever(mode: str):
    rig = make(mode, seconds=0)
    fail_all(rig)
    assert not write(rig, 120).finished


def test_the_parameter_counts_when_the_last_path_fails(mode: str):
    rig = make(mode, seconds=0)
    fail_all(rig)
    rig.world.registry.parameters.set(NO_PATH_TIMEOUT, str(SECONDS))
    bio = write(rig, 10 * SECONDS)
    assert not bio.finished
    rig.message("reinstate_path 259:0")
    rig.world.settle()
    fail_all(rig)
    assert write(rig, SECONDS + 0.2).status == IOERR


def test_a_path_that_is_reinstated_stops_it_even_one_that_had_not_failed(mode: str):
    rig = make(mode)
    fail_all(rig)
    rig.world.pass_time(NS_PER_S)
    rig.message("reinstate_path 259:1")
    rig.world.pass_time(2 * SECONDS * NS_PER_S)
    assert says_so(rig) == 0
    rig.message("fail_path 259:1")
    rig.world.pass_time(SECONDS * NS_PER_S - NS_PER_MS)
    assert says_so(rig) == 0, "it begins anew"
    rig.world.pass_time(NS_PER_S)
    assert says_so(rig) == 1


def test_failing_a_path_again_does_not_put_it_off(mode: str):
    rig = make(mode)
    fail_all(rig)
    rig.world.pass_time(4 * NS_PER_S)
    fail_all(rig)
    rig.world.pass_time(NS_PER_S + NS_PER_MS)
    assert says_so(rig) == 1


def test_the_messages_begin_and_end_it(mode: str):
    rig = make(mode, features="")
    fail_all(rig)
    rig.world.pass_time(2 * SECONDS * NS_PER_S)
    assert says_so(rig) == 0, "it does not queue"
    rig.message("queue_if_no_path")
    rig.world.pass_time(3 * NS_PER_S)
    rig.message("queue_if_no_path")
    rig.world.pass_time(3 * NS_PER_S)
    assert (says_so(rig), queues(rig)) == (0, True), "asked for again it begins anew"
    rig.message("fail_if_no_path")
    rig.world.pass_time(2 * SECONDS * NS_PER_S)
    assert says_so(rig) == 0
    rig.message("queue_if_no_path")
    rig.world.pass_time((SECONDS + 1) * NS_PER_S)
    assert (says_so(rig), queues(rig)) == (1, False)


def test_a_table_without_paths_begins_it_when_it_is_loaded_and_takes_it_along(mode: str):
    """Before it is live; its own time counts, not that of the table before."""
    rig = make(mode)
    load(rig.world, rig.device, line(rig, [], mode, "queue_if_no_path"))
    rig.world.pass_time(3 * NS_PER_S)
    suspend(rig.world, rig.device)
    rig.device.resume()
    bio = write(rig, 1)
    assert not bio.finished
    rig.world.pass_time(2 * NS_PER_S)
    assert (bio.status, says_so(rig), queues(rig)) == (IOERR, 1, False)
    load(rig.world, rig.device, line(rig, [], mode, "queue_if_no_path"))
    rig.device.clear()
    swap(rig, line(rig, [[0]], mode, "queue_if_no_path"))
    rig.world.pass_time(2 * SECONDS * NS_PER_S)
    assert says_so(rig) == 1, "a table that is gone has no time"


def test_over_while_suspended_it_is_off_after_the_resume(mode: str):
    """What the suspend has set aside is forgotten with it."""
    rig = make(mode)
    fail_all(rig)
    begin_suspend(rig.device)
    rig.world.pass_time(2 * SECONDS * NS_PER_S)
    assert says_so(rig) == 1
    rig.device.resume()
    assert not queues(rig)
    assert write(rig, 0.5).status == IOERR
