"""Found by random worlds: the end of an old session says nothing about the present one."""

import pytest
from tests.support.fake_nbd import Command, Conversation
from tests.support.hardware_rig import Rig, hasty
from tests.support.nbd_bench import DATA, Make, NbdBench

from hawser.core.status import OK, TIMEOUT
from hawser.core.units import NS_PER_S
from hawser.paths.nbd import LINGER_NS


def linger(bench: NbdBench, server: Conversation) -> Command:
    """A write that is not answered in time: its session is watched on, and another one is opened beside it."""
    bio = bench.write(0, DATA)
    (command,) = server.take()
    bench.reactor.pass_time(NS_PER_S + LINGER_NS)
    assert (bio.status, bench.driver.trouble()) == (TIMEOUT, "no late answer within 5 s")
    return command


def write_ok(bench: NbdBench, server: Conversation) -> None:
    """As the map above does it: the path is in use, and the write is counted when it is acknowledged."""
    bench.device.is_left = False
    bio = bench.write(8, DATA)
    server.answer(server.take()[0])
    assert bio.status == OK
    bench.device.written += 1


@pytest.mark.parametrize("answered", [False, True])
def test_the_end_of_a_session_that_lingered_casts_no_doubt_on_the_present_one(make: Make, answered: bool):
    """What the present one had acknowledged was taken to be lost with the old one: flushes failed, and a cache was fenced."""
    bench = make("cache=path")
    old = bench.connect()
    command = linger(bench, old)
    write_ok(bench, bench.reconnect())
    if answered:
        old.answer(command)
        assert old.has_hung_up()
    else:
        old.close()
    assert bench.disk.doubt == 0
    assert bench.device.left_behind is None
    assert (bench.device.is_dirty(), bench.driver.trouble()) == (True, "")


def test_what_a_session_had_acknowledged_before_it_lingered_is_in_doubt_then(make: Make):
    bench = make("cache=path")
    old = bench.connect()
    write_ok(bench, old)
    linger(bench, old)
    assert bench.disk.doubt == 1
    assert bench.device.left_behind is not None
    bench.reconnect()
    old.close()
    assert bench.disk.doubt == 1, "and not twice"


@pytest.mark.parametrize("ends", ["late answer", "given up"])
def test_a_simulated_session_that_lingered_casts_no_doubt_either(ends: str):
    """The laboratory's path keeps the rules of the real one: see above."""
    rig = Rig(hasty(0, "unix"), cache="path").go(10)
    path = rig.paths[0]
    assert path.device is not None
    rig.step("s0", "answer_late" if ends == "late answer" else "answer_never", 5000)
    late = rig.write(0, 1)
    rig.go(1000)
    assert (late.status, path.epoch, path.trouble()) == (TIMEOUT, 2, "")
    path.device.is_left = False
    assert rig.write(0, 2, 1).finished is False
    rig.go(10)
    path.device.written += 1
    if ends == "late answer":
        rig.go(5000)
        assert "all late answers have come" in rig.story()
    else:
        path.forbid_ghosts()
    assert (rig.disk.doubt, path.device.left_behind) == (0, None)
    assert path.device.is_dirty()
