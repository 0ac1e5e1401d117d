"""2008 beside today: the RFC's own machine, a loop that plugs on busy, and what it does to the same jobs."""

import pytest

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import READ, WRITE
from hawser.block.plug import Plug
from hawser.core.status import OK, RESOURCE, TRANSPORT
from hawser.core.units import KIB, NS_PER_MS, NS_PER_S
from hawser.lab.request_fn import UNPLUG_DELAY_NS, RequestFnQueue
from hawser.lab.world import MACHINE_2008, MACHINE_TODAY, Answer, Rig, World, make_multipath

BLOCK = 4 * KIB


def make(machine: str, paths: int = 4, depth: int = 32, scheduler: str = "mq-deadline", size: int = 1 << 27) -> Rig:
    rig = make_multipath(World(machine), paths=paths, depth=depth, limits=QueueLimits(), size=size)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
        path.driver.log_sent = True
    queue = rig.device.queue
    assert queue is not None
    assert isinstance(queue, RequestFnQueue) == (machine == MACHINE_2008)
    queue.set_scheduler(scheduler)
    return rig


def one_by_one(rig: Rig, count: int) -> None:
    plug = Plug(False)
    for number in range(count):
        rig.device.submit(Bio(READ, 8 * number, BLOCK, rig.client), plug)


def wait_for_each(rig: Rig) -> None:
    if isinstance(rig.device.queue, RequestFnQueue):
        rig.device.queue.sync = True


def commands(rig: Rig) -> list[int]:
    return [size // BLOCK for path in rig.paths for _, _, size in path.driver.sent]


def test_of_a_burst_nothing_leaves_before_it_can_go():
    """Peeking before taking out saves the one request that, today, has left the elevator when the paths turn out to be busy."""
    count = 16_384
    sent = {}
    for machine in (MACHINE_2008, MACHINE_TODAY):
        rig = make(machine)
        wait_for_each(rig)
        one_by_one(rig, count)
        rig.world.run()
        assert all(bio.status == OK for bio in rig.client.done)
        sent[machine] = len(commands(rig))
    assert sent[MACHINE_TODAY] == 128 + 1 + -(-(count - 129) // 128) == 256
    assert sent[MACHINE_2008] == 128 + -(-(count - 128) // 128) == 255


def test_a_burst_that_comes_within_3_ms_merges_while_the_device_is_plugged():
    """What today's plug of the submitter does, the plug of the device did: but here the submitter has none."""
    rig = make(MACHINE_2008)
    one_by_one(rig, 512)
    rig.world.run()
    assert sorted(commands(rig)) == [1, 127, 128, 128, 128], "the fourth request to wait unplugs it"


def test_the_device_is_plugged_until_four_requests_wait_or_3_ms_have_passed():
    rig = make(MACHINE_2008)
    rig.client.read(0, BLOCK)
    rig.client.read(80, BLOCK)
    rig.client.read(160, BLOCK)
    assert commands(rig) == []
    rig.client.read(240, BLOCK)
    assert commands(rig) == [1] * 4
    rig.world.run()
    rig.client.read(8, BLOCK)
    since_ns = rig.world.clock.now_ns
    rig.world.run(since_ns + UNPLUG_DELAY_NS - 1)
    assert len(commands(rig)) == 4
    rig.world.run()
    assert len(commands(rig)) == 5


def test_without_busy_feedback_merging_above_is_dead_then_as_now():
    for machine in (MACHINE_2008, MACHINE_TODAY):
        rig = make(machine)
        wait_for_each(rig)
        for path in rig.paths:
            path.device.requests.feedback = False
        one_by_one(rig, 1024)
        rig.world.run()
        assert len(commands(rig)) == 1024


@pytest.mark.parametrize("machine", [MACHINE_2008, MACHINE_TODAY])
def test_both_retry_and_lose_nothing(machine: str):
    rig = make(machine, paths=3, depth=2, size=1 << 20)
    rig.paths[0].driver.script.extend([Answer(delay_ns=NS_PER_MS), Answer(TRANSPORT)])
    rig.paths[1].driver.script.append(Answer(TRANSPORT))
    data = {sector: bytes([sector % 251]) * BLOCK for sector in range(0, 1024, 16)}
    for sector, block in data.items():
        rig.client.submit([Bio(WRITE, sector, BLOCK, rig.client, block)])
    rig.world.run(NS_PER_S)
    assert ([bio.status for bio in rig.client.done], rig.letters()) == ([OK] * 64, "FFA")
    assert all(rig.store.data[sector * 512 :][:BLOCK] == block for sector, block in data.items())
    assert rig.at_rest()


def test_what_a_driver_refuses_goes_back_to_the_head_and_the_device_is_plugged():
    rig = make(MACHINE_2008, paths=1)
    rig.paths[0].driver.refuse = RESOURCE
    for sector in (400, 0, 80, 160):
        rig.client.read(sector, BLOCK)
    assert commands(rig) == []
    rig.paths[0].driver.refuse = OK
    rig.world.run()
    assert rig.paths[0].driver.sent[0][1] == 0, "the first in order of sectors was taken out first"
    assert len(rig.client.done) == 4
