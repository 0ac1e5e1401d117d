"""What a map gains by merging before it maps, and what it needs for that: paths that say when they are busy, and contexts.

Requirements of the founding documents that are about numbers: S1-02, S1-03, S1-07, S1-D8, S2-5.
"""

import pytest
from tests.multipath.model_rig import BLOCK, SEQUENCE, SEQUENTIAL_BIOS, ModelRig, mapper

from hawser.core.status import MEDIUM, OK, TRANSPORT
from hawser.core.units import MIB, NS_PER_MS
from hawser.lab.world import Answer, World, make_multipath


def burst(feedback: bool, asks: bool = True, depth: int = 0) -> tuple[int, int]:
    """65,536 sequential bios without a plug to four paths of 32 commands each: commands, and the time they took."""
    rig = ModelRig("rq", paths=4, depth=32, k=2.7)
    assert rig.own_queue().scheduler == "mq-deadline"
    rig.set_tags(depth or rig.own_queue().depth)
    rig.set_feedback(feedback)
    mapper(rig).asks = asks
    rig.submit(SEQUENCE)
    took_ns = rig.run()
    return rig.commands(), took_ns


def test_a_burst_is_640_commands_because_busy_paths_keep_it_above():
    """S1-03: P d + 1 + ceil((N - P d - 1) / 128). The one had left the scheduler when it was told that the paths are busy.

    Transcript 80 has the same formula from Linux, with N of 16 to 512, two paths of 8 commands, and 320 bios to a request.
    """
    with_feedback, quick_ns = burst(feedback=True)
    assert with_feedback == 4 * 32 + 1 + -(-(SEQUENTIAL_BIOS - 4 * 32 - 1) // 128) == 640
    # With paths that take all that comes and say nothing, above a queue that has a tag for each, merging is dead.
    without, slow_ns = burst(feedback=False, depth=SEQUENTIAL_BIOS)
    assert without == SEQUENTIAL_BIOS
    # (1 + k) / (1 + k / 128) is 3.6, but for the 129 small ones.
    assert slow_ns / quick_ns >= 3


def test_the_maps_own_tags_are_feedback_too():
    """With the default of 2,048 the rest waits above for one, and merges."""
    commands, _ = burst(feedback=False)
    assert commands == 2048 + 1 + -(-(SEQUENTIAL_BIOS - 2049) // 128)


def test_switching_off_the_busy_answer_alone_changes_nothing():
    """S1-03. The refusal of a clone says the same, at the price of a clone."""
    assert burst(feedback=True, asks=False)[0] == 640


def test_of_a_full_path_the_request_that_was_refused_is_first_in_line_and_the_others_go_on_merging():
    """S1-02. The insertion itself says that there is no tag; the request has left the scheduler, and merges no more."""
    rig = make_multipath(World(), paths=1, depth=1)
    rig.paths[0].driver.default = Answer(delay_ns=NS_PER_MS)
    rig.paths[0].device.requests.set_scheduler("mq-deadline")
    mapper(rig).asks = False
    for sector in (0, 500, 501, 100, 101, 102):
        rig.client.read(sector, 512)
        assert rig.paths[0].device.requests.waiting() == 0, "no clone ever waits below"
    rig.world.run()
    sent = [(sector, size // 512) for _, sector, size in rig.paths[0].driver.sent]
    assert sent == [(0, 1), (500, 1), (501, 1), (100, 3)]
    assert len(rig.client.done) == 6


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_dying_path_is_not_busy_so_that_what_comes_can_be_failed(mode: str):
    """S1-03, and DESIGN's words on the driver's busy."""
    rig = make_multipath(World(), paths=2, mode=mode, depth=1)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    queue = rig.paths[0].device.requests
    rig.client.read(0, BLOCK)
    assert queue.busy()
    queue.die()
    assert not queue.busy()
    bios = [rig.client.read(100 * number, BLOCK) for number in range(1, 5)]
    rig.world.run()
    assert ([bio.status for bio in bios], rig.letters()) == ([OK] * 4, "FA")
    assert len(rig.paths[0].driver.sent) == 1


def test_contexts_that_are_used_up_make_requests_wait_and_fail_none():
    """S1-07. As many clones as the device was given contexts, never one more."""
    rig = make_multipath(World(), paths=4)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    contexts = mapper(rig)
    assert contexts.contexts_free == rig.device.queue.depth == 2048
    contexts.contexts_free = 3
    most = 0
    bios = []
    for number in range(40):
        bios.append(rig.client.read(50 * number, BLOCK))
        most = max(most, sum(len(path.driver.outstanding()) for path in rig.paths))
    assert most == 3
    rig.world.run()
    assert ([bio.status for bio in bios], contexts.contexts_free) == ([OK] * 40, 3)


def test_contexts_come_back_whatever_becomes_of_a_clone():
    """S1-07: refused below, failed and tried again, failed for good."""
    rig = make_multipath(World(), paths=2, depth=1)
    mapper(rig).contexts_free = 4
    rig.paths[0].driver.script.extend([Answer(delay_ns=NS_PER_MS), Answer(TRANSPORT)])
    rig.paths[1].driver.script.extend([Answer(delay_ns=NS_PER_MS), Answer(MEDIUM), Answer(TRANSPORT)])
    for number in range(12):
        rig.client.read(100 * number, BLOCK)
    rig.world.run()
    assert (len(rig.client.done), mapper(rig).contexts_free) == (12, 4)


def test_with_large_bios_merging_above_gains_nothing():
    """S2-5: the counterweight to S1-D7. With bios of 1 MiB both modes take the same time, within 5 %."""
    took = {}
    for mode in ("rq", "bio"):
        rig = ModelRig(mode, paths=4, depth=32, k=2.7)
        rig.submit(list(range(0, 256 * 2048, 2048)), MIB, batch=16)
        took[mode] = rig.run()
    assert abs(took["rq"] / took["bio"] - 1) < 0.05


def granular(mode: str, repeat: int) -> tuple[float, float]:
    """Throughput in bytes per ns, and by how much the busiest path exceeds the mean, of a sequential job in plugs of 128."""
    rig = ModelRig(mode, paths=4, depth=32, k=2.7)
    rig.stay(repeat)
    count = 8192
    worst = 1.0
    for start in range(0, count, 512):
        before = [driver.busy_ns for driver in rig.drivers]
        rig.submit([8 * number for number in range(start, start + 512)], batch=128)
        rig.run()
        spent = [driver.busy_ns - since for driver, since in zip(rig.drivers, before, strict=True)]
        worst = max(worst, max(spent) * len(spent) / sum(spent))
    return count * BLOCK / rig.took_ns, worst


def test_mapping_after_merging_needs_no_granularity():
    """S1-D8. Bio by bio a selector that stays on a path keeps sequences together and uses one path at a time; one that changes
    often spreads and shreds. Request by request with a granularity of 1 is as quick as the best of them, and as even as any."""
    by_bio = {repeat: granular("bio", repeat) for repeat in (1, 10, 100, 1000)}
    speed, imbalance = granular("rq", 1)
    assert speed >= 0.95 * max(speed for speed, _ in by_bio.values())
    assert imbalance <= min(imbalance for _, imbalance in by_bio.values())
    assert by_bio[1][0] < by_bio[100][0], "small ones shred"
    assert by_bio[1000][1] > by_bio[1][1], "large ones use one path at a time"
