"""Clients in virtual time: order, pace, batches, barriers; what a dropped one leaves behind."""

from typing import Any

import pytest

from hawser.block.bio import Bio
from hawser.block.ops import DISCARD, FLUSH, FUA, READ, WRITE, WRITE_ZEROES
from hawser.core.rng import Rng
from hawser.core.status import IOERR, OK, TRANSPORT
from hawser.core.units import MIB, NS_PER_MS, NS_PER_S
from hawser.lab.clients import SimClient
from hawser.lab.devices.hardware import Hardware
from hawser.lab.judge import Judge
from hawser.lab.marks import Marks
from hawser.lab.payload import decode, value_of
from hawser.lab.plan import ClientPlan, Op
from hawser.lab.stream import StreamClient
from hawser.lab.trace import Trace
from hawser.lab.world import Answer, World, make_multipath


class Scribe(Judge):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.bios: list[Bio] = []
        self.writes = 0

    def next_write(self) -> int:
        self.writes += 1
        return self.writes

    def opened(self, client: SimClient) -> None:
        self.words.append(f"opened {client.name}")

    def died(self, client: SimClient) -> None:
        self.words.append(f"died {client.name}")

    def began(self, client: SimClient, bio: Bio, write: int) -> None:
        assert (write > 0) == (bio.op == WRITE)
        self.words.append(f"began {bio.op} at {bio.sector}")

    def ended(self, client: SimClient, bio: Bio) -> None:
        self.words.append(f"ended {bio.op} at {bio.sector}: {bio.status}")
        self.bios.append(bio)


class Stage:
    """A multipath over two RAM paths, and one client."""

    def __init__(self, plan: ClientPlan, mode: str = "rq", **more: Any) -> None:
        self.world = World()
        self.rig = make_multipath(self.world, mode=mode, **more)
        self.trace = Trace(self.world.clock, keep=True)
        self.hardware = Hardware(1, self.world.clock, self.trace, Marks())
        self.judge = Scribe()
        self.client = SimClient(plan, 0, self.rig.device, self.hardware, self.world.timers, self.world.disk, self.judge)

    @property
    def marks(self) -> dict[str, int]:
        return self.hardware.marks.hits

    def answer(self, answer: Answer) -> None:
        for path in self.rig.paths:
            path.driver.default = answer

    def sent(self) -> list[tuple[int, int, int]]:
        return sorted(entry for path in self.rig.paths for entry in path.driver.sent)


def play(plan: ClientPlan, **more: Any) -> Stage:
    stage = Stage(plan, **more)
    stage.client.start()
    stage.world.run()
    return stage


def reads(count: int, **more: Any) -> list[Op]:
    return [Op("read", 2 * number, 1, **more) for number in range(count)]


def test_every_kind_of_op_is_asked_for_and_answered():
    ops = [Op("write", 8, 2, fua=True), Op("read", 8, 2), Op("discard", 0, 8), Op("zero", 16, 8), Op("flush")]
    stage = play(ClientPlan("a", ops, depth=1))
    assert [bio.op for bio in stage.judge.bios] == [WRITE, READ, DISCARD, WRITE_ZEROES, FLUSH]
    assert all(bio.status == OK for bio in stage.judge.bios)
    assert stage.judge.bios[0].flags == FUA
    data = stage.judge.bios[1].data
    assert data is not None and decode(data) == [value_of(1, 0), value_of(1, 1)]
    assert stage.client.finished() and stage.client.idle() and not stage.client.failed
    assert all(name in stage.marks for name in ("fua", "discard", "write zeroes"))
    assert stage.rig.device.open_count == 1


def test_the_trace_tells_of_begin_and_end():
    stage = play(ClientPlan("a", [Op("write", 8, 8), Op("flush")], depth=1))
    lines = [event.line().partition(" ")[2] for event in stage.trace.events if event.lane == "client a"]
    assert lines == [
        "client a: connect",
        "client a: write 8..15 #1",
        "client a: write 8..15 #1 -> ok",
        "client a: flush",
        "client a: flush -> ok",
    ]


def test_the_judge_hears_before_the_device_and_every_write_has_its_number():
    ops = [Op("write", 0, 1), Op("write", 4, 1)]
    stage = Stage(ClientPlan("a", ops, depth=2))
    stage.answer(Answer(silent=True))
    stage.client.start()
    stage.world.run()
    assert stage.judge.words == ["opened a", "began 1 at 0", "began 1 at 4"]
    assert list(stage.client.open_bios.values()) == [1, 2]


@pytest.mark.parametrize("depth", [1, 3, 8])
def test_no_more_than_depth_are_open(depth: int):
    stage = Stage(ClientPlan("a", reads(20), depth=depth))
    stage.answer(Answer(delay_ns=NS_PER_MS))
    stage.client.start()
    peak = 0
    for _ in range(40):
        stage.world.pass_time(NS_PER_MS // 2)
        peak = max(peak, len(stage.client.open_bios))
    assert peak == depth
    assert stage.client.finished()
    assert stage.world.clock.now_ns <= 40 * NS_PER_MS


def test_a_batch_is_one_plug_and_merges():
    ops = [Op("read", number, 1) for number in range(16)]
    assert len(play(ClientPlan("a", ops, depth=8, batch=8)).sent()) == 2
    assert len(play(ClientPlan("a", ops, depth=8, batch=1)).sent()) == 16


def test_a_batch_waits_until_it_has_room_as_a_whole():
    stage = Stage(ClientPlan("a", [Op("read", number, 1) for number in range(32)], depth=8, batch=4))
    stage.answer(Answer(delay_ns=NS_PER_MS))
    stage.client.start()
    stage.world.run()
    assert all(size % 2048 == 0 for _, _, size in stage.sent())


def test_a_barrier_waits_for_everything_before_it():
    ops = [*reads(4), Op("flush", barrier=True), Op("read", 100, 1)]
    stage = Stage(ClientPlan("a", ops, depth=8))
    stage.answer(Answer(delay_ns=NS_PER_MS))
    stage.client.start()
    stage.world.run()
    place = stage.judge.words.index("began 2 at 0")
    assert sum(word.startswith("ended 0") for word in stage.judge.words[:place]) == 4
    assert stage.judge.words[place + 1] == "began 0 at 100"


def test_an_open_loop_goes_by_delays_alone():
    ops = reads(5)
    for op in ops[1:]:
        op.delay_ns = 3 * NS_PER_MS
    stage = Stage(ClientPlan("a", ops, depth=0, start_ns=NS_PER_MS))
    stage.answer(Answer(delay_ns=NS_PER_S))
    stage.client.start()
    stage.world.pass_time(NS_PER_MS - 1)
    assert not stage.client.connected
    stage.world.pass_time(1)
    assert len(stage.client.open_bios) == 1
    stage.world.pass_time(12 * NS_PER_MS)
    assert len(stage.client.open_bios) == 5
    begun = [event.time_ns for event in stage.trace.events if event.what == "read"]
    assert begun == [NS_PER_MS * moment for moment in (1, 4, 7, 10, 13)]


def test_a_congested_device_is_not_fed():
    ops = [Op("read", 2 * (number % 500), 1) for number in range(1500)]
    stage = Stage(ClientPlan("a", ops, depth=0), mode="bio", features="queue_if_no_path")
    for path in stage.rig.paths:
        stage.rig.message(f"fail_path {path.device.devt}")
    stage.client.start()
    stage.world.pass_time(3 * NS_PER_MS)
    assert stage.rig.device.congested()
    assert len(stage.client.open_bios) < 1100
    assert stage.marks["wait list full"] >= 3
    stage.rig.message(f"reinstate_path {stage.rig.paths[0].device.devt}")
    stage.world.pass_time(NS_PER_S)
    assert stage.client.finished()
    assert len(stage.judge.bios) == 1500


def test_a_client_that_drops_loses_what_waits_and_hears_of_what_was_sent():
    stage = Stage(ClientPlan("a", [Op("write", 4 * number, 1) for number in range(8)], depth=8), depth=2)
    stage.answer(Answer(delay_ns=NS_PER_S))
    stage.client.start()
    stage.world.pass_time(NS_PER_MS)
    assert len(stage.sent()) == 4
    stage.client.disconnect()
    assert stage.client.dead and not stage.client.finished()
    assert len(stage.client.open_bios) == 4
    assert [bio.status for bio in stage.judge.bios] == [IOERR] * 4
    assert "client died with I/O waiting" in stage.marks
    assert "client died with I/O in flight" in stage.marks
    assert stage.rig.device.open_count == 0
    place = stage.judge.words.index("died a")
    assert all(word.startswith("ended") for word in stage.judge.words[place + 1 :])
    stage.world.run()
    assert stage.client.finished()
    assert len(stage.judge.bios) == 8


def test_a_successor_goes_on_behind_what_was_issued():
    stage = Stage(ClientPlan("a", reads(10), depth=3))
    stage.answer(Answer(delay_ns=NS_PER_MS))
    stage.client.start()
    stage.world.settle()
    stage.client.disconnect()
    stage.world.disk.cast_doubt("test")
    successor = stage.client.successor()
    successor.start()
    assert successor.doubt_seen(stage.world.disk) == 1
    stage.world.run()
    assert successor.finished()
    assert sorted(bio.sector for bio in stage.judge.bios) == [2 * number for number in range(10)]


def test_a_flush_after_a_doubt_fails_for_those_who_knew_the_disk_before():
    stage = play(ClientPlan("a", [Op("write", 0, 1), Op("flush", delay_ns=NS_PER_S)], depth=1))
    assert [bio.status for bio in stage.judge.bios] == [OK, OK]
    stage = Stage(ClientPlan("a", [Op("write", 0, 1), Op("flush", delay_ns=NS_PER_S)], depth=1))
    stage.client.start()
    stage.world.pass_time(NS_PER_MS)
    stage.world.disk.cast_doubt("test")
    stage.world.run()
    assert [bio.status for bio in stage.judge.bios] == [OK, IOERR]
    assert stage.client.failed == 1


def test_a_client_whose_device_has_gone_cancels_nothing():
    stage = Stage(ClientPlan("a", reads(4), depth=4))
    stage.answer(Answer(silent=True))
    stage.client.start()
    stage.world.settle()
    stage.client.disconnect(cancel=False)
    assert len(stage.client.open_bios) == 4
    assert stage.judge.words[-1] == "died a"
    other = Stage(ClientPlan("b"))
    heir = stage.client.successor(other.rig.device, other.world.timers, other.world.disk)
    assert heir.device is other.rig.device and heir.host_timers is other.world.timers and heir.next_op == 4


def test_a_client_that_dies_before_it_came_was_never_there():
    stage = Stage(ClientPlan("a", reads(4), start_ns=NS_PER_S))
    stage.client.start()
    stage.client.disconnect()
    stage.world.run()
    assert stage.judge.words == [] and stage.client.finished()
    successor = stage.client.successor()
    successor.start()
    stage.world.run()
    assert successor.finished() and len(stage.judge.bios) == 4


def test_the_same_plan_gives_the_same_trace():
    ops = [Op("write", number % 7 * 4, 1 + number % 4) for number in range(40)]
    digests = set()
    for _ in range(2):
        stage = Stage(ClientPlan("a", ops, depth=5, batch=2))
        stage.answer(Answer(delay_ns=NS_PER_MS))
        stage.client.start()
        stage.world.run()
        digests.add(stage.trace.digest())
    assert len(digests) == 1


@pytest.mark.parametrize("mode", ["rq", "bio"])
@pytest.mark.parametrize("sequential", [False, True])
def test_a_stream_keeps_its_depth_and_comes_to_its_end(mode: str, sequential: bool):
    world = World()
    rig = make_multipath(world, paths=4, mode=mode, size=4 * MIB)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    stream = StreamClient(rig.device, world.disk, Rng(1), total=500, depth=16, sequential=sequential)
    stream.start()
    world.settle()
    assert stream.issued == 16
    world.run()
    assert stream.finished() and stream.answered == 500 and stream.failed == 0
    assert rig.at_rest()


def test_a_stream_counts_what_failed():
    world = World()
    rig = make_multipath(world)
    for path in rig.paths:
        path.driver.default = Answer(TRANSPORT)
    stream = StreamClient(rig.device, world.disk, Rng(1), total=20, depth=4)
    stream.start()
    world.run()
    assert stream.failed == stream.answered == 20
