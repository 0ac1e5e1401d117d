"""What a trace keeps: the life of each I/O, whole, and why it took the way it took."""

from dataclasses import replace

import pytest

from hawser.block import recorder as kinds
from hawser.block.bio import Bio
from hawser.block.ops import FLUSH, FUA, READ, WRITE
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.recorder import ROWS_MAX, STILL_OPEN, Recorder, Row, describe
from hawser.block.request import UNKNOWN
from hawser.core.status import TRANSPORT
from hawser.core.units import KIB, NS_PER_MS
from hawser.lab.world import LIMITS, Answer, Rig, World, make_multipath


def watch(rig: Rig) -> Recorder:
    recorder = Recorder(rig.world.clock)
    rig.world.turn.tracer = recorder
    return recorder


def life(recorder: Recorder, number: int) -> list[str]:
    """The steps of an I/O, in words."""
    return [row.name for row in recorder.rows if row.kind == kinds.IO_STEP and row.number == number]


def details(recorder: Recorder, step: str) -> list[str]:
    return [row.detail for row in recorder.rows if row.kind == kinds.IO_STEP and row.name == step]


def assert_whole(recorder: Recorder) -> None:
    """Whatever begins ends, once, and not before."""
    for begins, ends in ((kinds.IO_BEGINS, kinds.IO_ENDS), (kinds.COMMAND_BEGINS, kinds.COMMAND_ENDS)):
        opened: dict[int, Row] = {}
        for row in recorder.rows:
            if row.kind == begins:
                assert row.number not in opened
                opened[row.number] = row
            elif row.kind == ends:
                assert opened.pop(row.number).at_ns <= row.at_ns
            elif row.kind == kinds.IO_STEP and begins == kinds.IO_BEGINS:
                assert row.number in opened
        assert opened == {}


@pytest.mark.parametrize(
    ("mode", "steps"),
    [
        ("rq", ["queued", "waits", "issued", "mapped", "issued", "answered", "answered", "completed"]),
        ("bio", ["queued", "mapped", "queued", "issued", "answered", "completed"]),
    ],
)
def test_the_life_of_a_read(mode: str, steps: list[str]):
    rig = make_multipath(World(), mode=mode, selector="service-time 0")
    recorder = watch(rig)
    rig.client.read(8, 4 * KIB)
    rig.world.run()
    seen = life(recorder, 1)
    if mode == "rq":
        # The bio ends at the bio hook, before the map's own request does.
        steps = ["queued", "waits", "issued", "mapped", "issued", "answered", "completed"]
    assert seen == steps
    assert details(recorder, "mapped") == [
        "to 259:0 (p0): service-time: least bytes in flight by weight for 4096 more, of 259:1 0/1, 259:0 0/1; group 1 of 1"
    ]
    assert recorder.rows[0].name == "read 4096 @ 8"
    assert_whole(recorder)


def test_those_that_merge_share_a_command():
    rig = make_multipath(World())
    recorder = watch(rig)
    rig.client.submit([Bio(READ, 8 * number, 4 * KIB, rig.client) for number in range(3)])
    rig.world.run()
    commands = [row for row in recorder.rows if row.kind == kinds.COMMAND_BEGINS]
    assert [(row.name, row.members) for row in commands] == [
        ("mpatha: read 12288 @ 0", [1, 2, 3]),
        ("p0: read 12288 @ 0", [1, 2, 3]),
    ]
    assert life(recorder, 2)[:2] == ["queued", "merged"]
    assert_whole(recorder)


@pytest.mark.parametrize(
    ("mode", "steps"),
    [
        ("rq", ["queued", "waits", "issued", "mapped", "issued", "answered", "answered", "completed"]),
        ("bio", ["queued", "mapped", "queued", "waits", "issued", "answered", "completed"]),
    ],
)
def test_flushes_that_share_a_command_are_told_what_becomes_of_it(mode: str, steps: list[str]):
    """It is not theirs but the queue's own: their lives had nothing between their beginning and their end."""
    rig = make_multipath(World(), paths=1, mode=mode)
    recorder = watch(rig)
    rig.client.submit([Bio(FLUSH, 0, 0, rig.client) for _ in range(3)])
    rig.world.run()
    # One goes at once, and the two that come meanwhile share the next one.
    sent = [row.members for row in recorder.rows if row.kind == kinds.COMMAND_BEGINS and row.name == "p0: flush"]
    assert sent == [[1], [2, 3]]
    assert [life(recorder, number) for number in (1, 2, 3)] == [steps] * 3
    assert all(detail.startswith("to 259:0 (p0)") for detail in details(recorder, "mapped"))
    assert_whole(recorder)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_write_that_is_flushed_behind_shows_both_commands(mode: str):
    limits = replace(LIMITS, write_cache=True, fua=False)
    rig = make_multipath(World(), paths=1, mode=mode, limits=limits)
    recorder = watch(rig)
    rig.client.write(8, bytes(4 * KIB), FUA)
    rig.world.run()
    sent = [row.name for row in recorder.rows if row.kind == kinds.COMMAND_BEGINS and row.name.startswith("p0: ")]
    assert sent == ["p0: write 4096 @ 8", "p0: flush"]
    answers = [detail for detail in details(recorder, "answered") if detail.startswith("p0")]
    assert answers == ["p0: ok", "p0: ok"]
    assert life(recorder, 1)[-2:] == ["answered", "completed"]
    assert_whole(recorder)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_retry_shows_what_failed_and_where_it_went_then(mode: str):
    rig = make_multipath(World(), mode=mode)
    rig.paths[0].driver.script.append(Answer(TRANSPORT))
    recorder = watch(rig)
    rig.client.read(0, 4 * KIB)
    rig.world.run()
    assert "p0: recoverable transport" in details(recorder, "answered")
    assert [detail.split(":")[1] for detail in details(recorder, "mapped")] == ["0 (p0)", "1 (p1)"]
    assert ("requeued" if mode == "rq" else "parked") in life(recorder, 1)
    assert details(recorder, "requeued") == (["mpatha: at once"] if mode == "rq" else [])
    assert_whole(recorder)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_fence_says_what_it_waits_for(mode: str):
    rig = make_multipath(World(), mode=mode)
    rig.paths[0].driver.script.append(Answer(TRANSPORT, fate=UNKNOWN))
    rig.client.write(0, bytes(4 * KIB))
    rig.world.run()
    recorder = watch(rig)
    rig.client.write(0, bytes(4 * KIB))
    rig.world.settle()
    assert details(recorder, "fenced") == ["behind write of sectors 0..7 on p0 (session 0)"]
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert_whole(recorder)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_one_that_is_cut_and_one_that_is_parked(mode: str):
    rig = make_multipath(World(), mode=mode, features="queue_if_no_path", size=4 << 20)
    recorder = watch(rig)
    rig.client.read(0, 2 << 20)
    rig.world.run()
    assert [detail.split()[0] for detail in details(recorder, "split")] == ["1310720", "786432"]
    for path in rig.paths:
        rig.message(f"fail_path {path.device.devt}")
    rig.client.read(0, 4 * KIB)
    rig.world.pass_time(NS_PER_MS)
    assert ("parked" if mode == "bio" else "requeued") in life(recorder, 2)
    assert details(recorder, "requeued") == (["mpatha: in 100 ms"] if mode == "rq" else [])
    rig.message("reinstate_path 259:0")
    rig.world.run()
    assert_whole(recorder)


def test_what_was_on_its_way_before_is_left_out_and_what_is_at_the_end_says_so():
    rig = make_multipath(World())
    for path in rig.paths:
        path.driver.default = Answer(silent=True)
    rig.client.read(0, 4 * KIB)
    recorder = watch(rig)
    rig.client.read(100, 4 * KIB)
    rig.world.settle()
    recorder.is_open = False
    rig.client.read(200, 4 * KIB)
    assert recorder.open_ios() == 1
    rig.world.turn.tracer = None
    recorder.close()
    assert_whole(recorder)
    assert [row.detail for row in recorder.rows if row.kind == kinds.IO_ENDS] == [STILL_OPEN]
    for path in rig.paths:
        path.driver.deliver_all(Answer())
    rig.world.run()
    assert len(rig.client.done) == 3


def test_there_is_an_end_to_what_is_kept():
    rig = make_multipath(World())
    recorder = watch(rig)
    recorder.rows = [recorder.rows[0]] * ROWS_MAX if recorder.rows else [Row(0, kinds.IN_FLIGHT, 0, "")] * ROWS_MAX
    rig.client.read(0, 4 * KIB)
    rig.world.run()
    assert (recorder.passed_over, len(recorder.rows)) == (1, ROWS_MAX)


def test_words_for_an_io():
    assert describe(READ, 8, 512, 0) == "read 512 @ 8"
    assert describe(WRITE, 8, 512, FUA) == "write 512 @ 8 fua"
    assert describe(FLUSH, 0, 0, 0) == "flush"
    assert describe(READ, 8, 0, 0) == "read 0 @ 8", "which is refused"


def test_only_the_devices_that_were_named_are_followed():
    rig = make_multipath(World())
    recorder = Recorder(rig.world.clock, frozenset(["another"]))
    rig.world.turn.tracer = recorder
    rig.client.write(0, bytes(4 * KIB))
    rig.client.flush()
    rig.world.run()
    assert (recorder.rows, recorder.passed_over) == ([], 0)
    recorder.devices = frozenset([rig.device.name])
    rig.client.write(0, bytes(4 * KIB))
    rig.world.run()
    assert "completed" in life(recorder, 1)
    assert_whole(recorder)


def test_the_beginning_of_an_io_has_its_flags_and_its_client():
    rig = make_multipath(World())
    recorder = watch(rig)
    rig.client.cpu = 3
    rig.client.write(0, bytes(4 * KIB), FUA)
    rig.world.run()
    origins = [row.origin for row in recorder.rows if row.kind == kinds.IO_BEGINS]
    assert origins == [(FUA, 3)]
    assert all(row.origin is None for row in recorder.rows if row.kind != kinds.IO_BEGINS)
