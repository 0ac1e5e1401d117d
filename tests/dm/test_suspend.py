"""Suspend and resume: nothing is in flight, nothing is lost, everything goes on in order (transcripts 21, 40, 41)."""

import pytest
from tests.dm.controls import Heard, begin_suspend, line, load, suspend

from hawser.block.bio import Bio
from hawser.block.ops import READ, WRITE
from hawser.core.status import IOERR, OK, RESOURCE, TRANSPORT
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.dm.dmsetup import brief as verbs
from hawser.dm.suspension import DEFERRED_MAX, ControlError
from hawser.dm.target import MessageError
from hawser.lab.world import Answer, Client, Rig, World, make_multipath

DATA = b"d" * 4096
SLOW = Answer(delay_ns=10 * NS_PER_MS)


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[False, True], ids=["flush", "noflush"])
def noflush(request: pytest.FixtureRequest) -> bool:
    return request.param


def make(mode: str, **options) -> Rig:
    return make_multipath(World(), mode=mode, **options)


def sent(rig: Rig) -> list[tuple[int, int, int]]:
    return [command for path in rig.paths for command in path.driver.sent]


def test_an_idle_device_is_suspended_in_a_later_turn_and_again_without_ado(mode: str, noflush: bool):
    """40[3] to 40[8]."""
    rig = make(mode)
    for _ in range(2):
        suspend(rig.world, rig.device, noflush)
        assert "State:             SUSPENDED\n" in verbs.info(rig.world.registry, "mpatha")
    for _ in range(2):
        assert rig.device.resume()
        assert "State:             ACTIVE\n" in verbs.info(rig.world.registry, "mpatha")
    assert rig.client.write(0, DATA).finished is False
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [OK]


def test_a_suspend_waits_for_what_is_in_flight(mode: str, noflush: bool):
    rig = make(mode)
    for path in rig.paths:
        path.driver.default = SLOW
    writes = [rig.client.write(100 * number, DATA) for number in range(4)]
    heard = begin_suspend(rig.device, noflush)
    rig.world.pass_time(9 * NS_PER_MS)
    assert (heard.words, rig.device.is_suspended()) == ([], False)
    rig.world.pass_time(2 * NS_PER_MS)
    assert heard.words == ["suspended"]
    assert all(bio.status == OK and bio.finished for bio in writes)
    assert rig.at_rest()


def test_io_to_a_suspended_device_waits_and_goes_in_order(mode: str, noflush: bool):
    """40[56] to 40[61], 41[5] to 41[8]."""
    rig = make(mode, paths=1)
    suspend(rig.world, rig.device, noflush)
    bios = [rig.client.write(100 * number, DATA) for number in (5, 2, 9, 1)]
    rig.world.pass_time(NS_PER_S)
    assert not any(bio.finished for bio in bios)
    assert (sent(rig), rig.device.idle()) == ([], False)
    rig.device.resume()
    assert not any(bio.finished for bio in bios), "nothing completes inside a call"
    late = rig.client.write(700, DATA)
    rig.world.run()
    # A request-based device sorts what waits (mq-deadline).
    assert [sector for _, sector, _ in sent(rig)] == (
        [500, 200, 900, 100, 700] if mode == "bio" else [100, 200, 500, 700, 900]
    )
    assert [bio.status for bio in [*bios, late]] == [OK] * 5
    assert rig.at_rest()


def test_requests_merge_while_they_wait(mode: str):
    """In the device's own queue; bio-based, the path's plug gets them all at once."""
    rig = make(mode, paths=1)
    suspend(rig.world, rig.device)
    for number in range(4):
        rig.client.write(8 * number, DATA)
    rig.device.resume()
    rig.world.run()
    assert sent(rig) == [(WRITE, 0, 4 * 4096)]
    assert len(rig.client.done) == 4


def test_what_is_tried_again_during_a_suspend_is_not_lost(mode: str, noflush: bool):
    rig = make(mode)
    rig.paths[0].driver.default = Answer(TRANSPORT, delay_ns=NS_PER_MS)
    rig.paths[1].driver.default = SLOW
    write = rig.client.write(0, DATA)
    heard = begin_suspend(rig.device, noflush)
    rig.world.pass_time(NS_PER_S)
    assert heard.words == ["suspended"]
    # Bio-based it is retried at once; request-based the retry waits in the device's own queue, as in Linux.
    assert write.finished == (mode == "bio")
    rig.device.resume()
    rig.world.run()
    assert (write.status, rig.letters()) == (OK, "FA")
    assert rig.store.data[:4096] == DATA
    assert rig.at_rest()


def test_what_waits_out_a_delay_goes_at_once_when_the_device_is_resumed(noflush: bool):
    """Linux: dm_start_queue() kicks the requeue list."""
    rig = make("rq")
    rig.paths[0].driver.script.append(Answer(RESOURCE, delay_ns=NS_PER_MS))
    write = rig.client.write(0, DATA)
    heard = begin_suspend(rig.device, noflush)
    rig.world.pass_time(NS_PER_MS)
    assert (heard.words, write.finished) == (["suspended"], False)
    rig.device.resume()
    rig.world.settle()
    assert (write.status, write.finished, rig.world.clock.now_ns) == (OK, True, NS_PER_MS)


def test_a_cancelled_suspend_undoes_everything(mode: str, noflush: bool):
    rig = make(mode, features="queue_if_no_path")
    for path in rig.paths:
        path.driver.default = SLOW
    rig.client.write(0, DATA)
    heard = begin_suspend(rig.device, noflush)
    rig.client.write(100, DATA)
    rig.world.pass_time(NS_PER_MS)
    rig.device.cancel_suspend()
    assert heard.words == []
    rig.world.run()
    assert heard.words == ["cancelled"]
    assert [bio.status for bio in rig.client.done] == [OK, OK]
    assert "queue_if_no_path" in verbs.table(rig.world.registry, "mpatha")
    rig.device.cancel_suspend()
    assert rig.at_rest()


def test_a_resume_without_a_new_table_cancels_a_suspend_under_way(mode: str):
    rig = make(mode)
    rig.paths[0].driver.default = SLOW
    rig.client.write(0, DATA)
    heard = begin_suspend(rig.device)
    assert rig.device.resume()
    rig.world.run()
    assert heard.words == ["cancelled"]
    assert not rig.device.is_suspended()


def test_a_second_suspend_joins_one_of_its_kind_only(mode: str):
    rig = make(mode)
    for path in rig.paths:
        path.driver.default = SLOW
    rig.client.write(0, DATA)
    heard = [begin_suspend(rig.device), begin_suspend(rig.device)]
    with pytest.raises(ControlError) as caught:
        rig.device.suspend(True)
    assert caught.value.errno_name == "EBUSY"
    rig.world.run()
    assert [one.words for one in heard] == [["suspended"], ["suspended"]]


@pytest.mark.parametrize(
    "message", ["fail_path 259:0", "reinstate_path 259:0", "queue_if_no_path", "switch_group 2", "x"]
)
def test_a_suspended_device_takes_no_message(mode: str, noflush: bool, message: str):
    """21[48] to 21[59]: busy, and nothing has changed."""
    rig = make(mode, groups=2)
    suspend(rig.world, rig.device, noflush)
    before = (rig.status(), rig.device.event_nr)
    with pytest.raises(MessageError) as caught:
        rig.message(message)
    assert caught.value.errno_name == "EBUSY"
    assert (rig.status(), rig.device.event_nr) == before
    with pytest.raises(
        verbs.VerbError, match="message ioctl on mpatha  failed: Device or resource busy\nCommand failed"
    ):
        verbs.message(rig.world.registry, "mpatha", 0, message.split())
    rig.device.resume()
    rig.message("fail_path 259:0")
    assert rig.letters()[0] == "F"


def test_messages_are_taken_while_a_suspend_is_under_way(mode: str):
    rig = make(mode)
    rig.paths[0].driver.default = SLOW
    rig.client.write(0, DATA)
    begin_suspend(rig.device)
    rig.message("fail_path 259:1")
    assert rig.letters() == "AF"


def test_dead_clients_lose_what_they_have_waiting_at_a_suspended_device(mode: str, noflush: bool):
    rig = make(mode)
    other = Client(rig.device, rig.world.disk)
    suspend(rig.world, rig.device, noflush)
    mine, theirs = rig.client.write(0, DATA), other.write(100, DATA)
    rig.world.pass_time(NS_PER_MS)
    rig.client.dead = True
    rig.device.cancel_dead()
    rig.world.settle()
    assert (mine.finished, mine.status, theirs.finished) == (True, IOERR, False)
    rig.device.resume()
    rig.world.run()
    assert theirs.status == OK
    assert rig.store.data[:4096] == bytes(4096)
    assert rig.at_rest()


def test_what_a_suspended_device_keeps_is_congestion_in_the_end(mode: str):
    rig = make(mode)
    suspend(rig.world, rig.device)
    limit = DEFERRED_MAX if mode == "bio" else 4096
    for number in range(limit):
        assert not rig.device.congested()
        rig.client.submit([Bio(READ, number % 2 * 1000, 512, rig.client)])
    assert rig.device.congested()
    rig.device.resume()
    rig.world.run()
    assert not rig.device.congested()
    assert len(rig.client.done) == limit
    assert rig.at_rest()


def test_abandoned_nothing_waits_for_a_resume(mode: str, noflush: bool):
    rig = make(mode)
    suspend(rig.world, rig.device, noflush)
    rig.client.write(0, DATA)
    rig.world.settle()
    rig.device.abandon()
    rig.world.settle()
    rig.client.write(0, DATA)
    rig.world.run()
    assert [bio.status for bio in rig.client.done] == [IOERR, IOERR]
    assert sent(rig) == []


def test_abandoning_gives_up_a_suspend_under_way(mode: str, noflush: bool):
    rig = make(mode)
    for path in rig.paths:
        path.driver.default = SLOW
    rig.client.write(0, DATA)
    heard = begin_suspend(rig.device, noflush)
    rig.client.write(100, DATA)
    rig.device.abandon()
    rig.world.run()
    assert heard.words == ["cancelled"]
    assert len(rig.client.done) == 2
    assert rig.at_rest()


def test_a_listener_may_resume_at_once(mode: str):
    rig = make(mode)

    class Eager(Heard):
        def suspended(self) -> None:
            super().suspended()
            rig.device.resume()

    eager, waiting = Eager(), Heard()
    load(rig.world, rig.device, line(rig, [[1]], mode))
    rig.device.suspend(False, eager)
    assert rig.device.resume(waiting) is False
    rig.world.run()
    assert (eager.words, waiting.words) == (["suspended"], ["resumed"])
    assert rig.status().split()[-3:] == ["259:1", "A", "0"]


def test_a_device_without_a_table_can_be_suspended_and_not_resumed(mode: str):
    rig = make(mode)
    bare = type(rig.device)("bare", "254:9", rig.world.turn, rig.world.clock, rig.world.timers, rig.world.log)
    assert bare.resume(), "it is not suspended"
    suspend(rig.world, bare)
    with pytest.raises(ControlError) as caught:
        bare.resume()
    assert caught.value.errno_name == "EINVAL"
    load(rig.world, bare, line(rig, [[0, 1]], mode, sectors=64))
    client = Client(bare)
    read = client.read(0, 512)
    rig.world.settle()
    assert read.status == IOERR, "a table that is not live serves nothing"
    assert bare.resume()
    read = client.read(0, 512)
    rig.world.run()
    assert read.status == OK


def test_a_request_based_device_above_waits_for_the_resume(noflush: bool):
    rig = make("rq")
    top = rig.world.mapped("top", f"0 {rig.device.size_sectors} multipath 0 0 1 1 round-robin 0 1 0 254:0")
    client = Client(top, rig.world.disk)
    rig.paths[0].driver.default = SLOW
    first = client.write(0, DATA)
    heard = begin_suspend(rig.device, noflush)
    later = client.write(100, DATA)
    rig.world.pass_time(NS_PER_S)
    assert (heard.words, first.status, first.finished, later.finished) == (["suspended"], OK, True, False)
    upper = begin_suspend(top, noflush)
    rig.world.pass_time(NS_PER_S)
    assert upper.words == ["suspended"], "what waits in its own queue is not in flight"
    rig.device.resume()
    rig.world.pass_time(NS_PER_S)
    assert not later.finished
    top.resume()
    rig.world.run()
    assert later.status == OK
    assert top.idle()
    assert rig.at_rest()
