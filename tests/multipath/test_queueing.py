"""No path left: queue_if_no_path parks the I/O until a path returns or queueing is turned off."""

import pytest

from hawser.block.ops import FLUSH
from hawser.block.queue import REQUEUED_BYTES_MAX
from hawser.core.status import IOERR, MEDIUM, OK, TRANSPORT
from hawser.core.units import MIB, NS_PER_S
from hawser.lab.world import Answer, Client, Rig, World, make_multipath
from hawser.multipath.waiting import PARKED_BYTES_MAX

DATA = b"d" * 4096


@pytest.fixture(params=["rq", "bio", "mq"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def make_dead(mode: str, features: str = "queue_if_no_path") -> Rig:
    """Both paths fail with the first I/O that reaches them."""
    rig = make_multipath(World(), mode=mode, features=features)
    for path in rig.paths:
        path.driver.script.append(Answer(TRANSPORT))
    return rig


def test_what_finds_no_path_waits_and_goes_when_one_is_reinstated(mode: str):
    rig = make_dead(mode)
    write = rig.client.write(0, DATA)
    rig.world.pass_time(60 * NS_PER_S)
    later = [rig.client.read(0, 4096), rig.client.flush()]
    rig.world.pass_time(NS_PER_S)
    assert not any(bio.finished for bio in [write, *later])
    assert (rig.letters(), rig.device.idle()) == ("FF", False)
    rig.message("reinstate_path 259:1")
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [OK] * 3
    assert rig.store.data[:4096] == DATA
    assert rig.at_rest()


def test_what_waits_goes_at_once_and_not_after_a_delay(mode: str):
    rig = make_dead(mode)
    write = rig.client.write(0, DATA)
    rig.world.pass_time(NS_PER_S + 1)
    rig.message("reinstate_path 259:0")
    rig.world.settle()
    assert write.status == OK
    assert write.finished


def test_fail_if_no_path_fails_what_waits(mode: str):
    rig = make_dead(mode)
    write = rig.client.write(0, DATA)
    rig.world.pass_time(NS_PER_S)
    rig.message("fail_if_no_path")
    rig.world.run()
    assert (write.finished, write.status) == (True, IOERR)
    assert rig.client.read(0, 512).finished is False
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [IOERR, IOERR]
    assert rig.at_rest()


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize(
    ("selector", "place", "words"),
    [
        ("queue-length 0", -1, ("0", "-1")),
        ("service-time 0", -2, ("0", "-4096")),
        ("historical-service-time 0", -2, ("0", "18446744073709551615")),
    ],
)
def test_what_fails_for_want_of_a_path_is_counted_off_once_and_as_linux_does_twice(
    selector: str, place: int, words: tuple[str, str], twice: bool
):
    world = World()
    world.registry.parameters.faithful = twice
    rig = make_multipath(world, paths=1, mode="bio", features="queue_if_no_path", selector=selector)
    rig.paths[0].driver.script += [Answer(TRANSPORT), Answer(OK), Answer(TRANSPORT)]
    failed = rig.client.write(0, DATA)
    world.pass_time(NS_PER_S)
    rig.message("reinstate_path 259:0")
    world.run()
    assert failed.status == OK, "what has a path again is counted off by that one"
    failed = rig.client.write(0, DATA)
    world.pass_time(NS_PER_S)
    never_tried = rig.client.write(8192, DATA)
    rig.message("fail_if_no_path")
    world.run()
    assert (failed.status, never_tried.status) == (IOERR, IOERR)
    assert rig.letters() == "F"
    assert rig.status().split()[place] == words[twice]


def test_queue_if_no_path_may_be_turned_on_later(mode: str):
    rig = make_dead(mode, features="")
    rig.message("queue_if_no_path")
    write = rig.client.write(0, DATA)
    rig.world.pass_time(NS_PER_S)
    assert not write.finished
    assert "queue_if_no_path" in rig.device.table.targets[0].status_table()


def test_a_path_that_fails_again_parks_again(mode: str):
    rig = make_dead(mode)
    write = rig.client.write(0, DATA)
    for _ in range(5):
        rig.world.pass_time(NS_PER_S)
        rig.paths[0].driver.script.append(Answer(TRANSPORT))
        rig.message("reinstate_path 259:0")
        rig.world.pass_time(NS_PER_S)
        assert not write.finished
    rig.message("reinstate_path 259:0")
    rig.world.run()
    assert write.status == OK
    assert rig.status().split("259:0 ")[1].startswith("A 6 ")


def test_a_flush_that_waits_keeps_its_errors(mode: str):
    rig = make_dead(mode)
    flush = rig.client.flush()
    rig.world.pass_time(NS_PER_S)
    rig.paths[0].driver.script.append(Answer(MEDIUM))
    rig.message("reinstate_path 259:0")
    rig.world.run()
    assert (flush.op, flush.status) == (FLUSH, MEDIUM)


def test_the_parked_bios_of_a_dead_client_go_and_others_stay(mode: str):
    rig = make_dead(mode)
    other = Client(rig.device, rig.world.disk)
    writes = [rig.client.write(0, DATA), other.write(8, DATA)]
    rig.world.pass_time(NS_PER_S)
    rig.client.dead = True
    rig.device.cancel_dead()
    rig.world.pass_time(NS_PER_S)
    assert [bio.finished for bio in writes] == [True, False]
    assert writes[0].status == IOERR
    rig.message("reinstate_path 259:0")
    rig.world.run()
    assert writes[1].status == OK
    assert rig.store.data[:4096] == bytes(4096)
    assert rig.at_rest()


def test_parked_io_is_congestion_in_the_end(mode: str):
    rig = make_dead(mode)
    for _ in range(5000):
        rig.client.write(0, DATA)
        if rig.device.congested():
            break
        rig.world.settle()
    assert rig.device.congested()
    rig.message("reinstate_path 259:0")
    rig.world.run()
    assert {bio.status for bio in rig.client.done} == {OK}
    assert not rig.device.congested()


PATHLESS_BYTES = {"rq": REQUEUED_BYTES_MAX, "mq": REQUEUED_BYTES_MAX, "bio": PARKED_BYTES_MAX}


def without_path(mode: str) -> Rig:
    rig = make_multipath(World(), mode=mode, features="queue_if_no_path", size=128 * MIB, paths=1)
    rig.message("fail_path 259:0")
    return rig


def fill(rig: Rig, mode: str) -> int:
    """Writes until the device says that it is enough; how many there were."""
    data = bytes(MIB)
    for number in range(PATHLESS_BYTES[mode] // MIB):
        assert not rig.device.congested()
        rig.client.write(number * 2048, data)
        rig.world.pass_time(NS_PER_S)
    return PATHLESS_BYTES[mode] // MIB


def test_what_waits_for_a_path_is_enough_at_so_many_bytes(mode: str):
    """However long it has waited, and however often it was tried again meanwhile."""
    rig = without_path(mode)
    count = fill(rig, mode)
    assert rig.device.congested()
    rig.world.pass_time(60 * NS_PER_S)
    assert rig.device.congested()
    rig.message("reinstate_path 259:0")
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [OK] * count
    assert not rig.device.congested()
    assert rig.at_rest()


def test_what_dies_with_its_client_is_not_counted_any_more(mode: str):
    rig = without_path(mode)
    other = Client(rig.device, rig.world.disk)
    other.write(0, bytes(MIB))
    fill_up = fill_rest(rig, mode)
    rig.client.dead = True
    rig.device.cancel_dead()
    rig.world.settle()
    assert len(rig.client.done) == fill_up
    assert not rig.device.congested() and not rig.device.idle()
    rig.client.dead = False
    assert fill_rest(rig, mode) == fill_up
    rig.message("fail_if_no_path")
    rig.world.run()
    assert [bio.status for bio in other.done] == [IOERR]
    assert not rig.device.congested()
    assert rig.at_rest()


def fill_rest(rig: Rig, mode: str) -> int:
    """As `fill`, with a MiB of somebody else's that waits already."""
    data = bytes(MIB)
    count = PATHLESS_BYTES[mode] // MIB - 1
    for number in range(1, count + 1):
        assert not rig.device.congested()
        rig.client.write(number * 2048, data)
        rig.world.pass_time(NS_PER_S)
    assert rig.device.congested()
    return count


@pytest.mark.parametrize("noflush", [False, True])
def test_a_suspend_takes_what_waits_with_it(mode: str, noflush: bool):
    rig = without_path(mode)
    fill(rig, mode)
    rig.device.suspend(noflush)
    rig.world.pass_time(NS_PER_S)
    assert rig.device.is_suspended()
    rig.device.resume()
    rig.world.pass_time(NS_PER_S)
    assert rig.device.congested() == noflush
    rig.message("reinstate_path 259:0")
    rig.world.run()
    assert not rig.device.congested()
    assert rig.at_rest()
