"""From plug to driver when the driver is full: the dispatch list, reruns, what still merges. Linux: blk-mq; `seeds.md` 3.7."""

import pytest

from hawser.block.bio import Bio
from hawser.block.dispatch import RESOURCE_DELAY_NS
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, READ, WRITE, WRITE_ZEROES
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.block.request import Request
from hawser.core.status import DEV_RESOURCE, IOERR, NOTSUPP, OFFLINE, OK, RESOURCE
from hawser.core.units import KIB, MIB, NS_PER_MS, NS_PER_US
from hawser.lab.world import Answer, Client, RamDriver, RamPath, Store, World

SLOW = Answer(delay_ns=10 * NS_PER_MS)


class Narrow(RamDriver):
    """Takes `room` requests, and refuses more with `refusal`, whatever tags there are."""

    room = 1
    refusal = RESOURCE

    def queue_rq(self, request: Request) -> int:
        return self.refusal if len(self.outstanding()) >= self.room else super().queue_rq(request)


class Budgeted(Narrow):
    """Says beforehand what it would take, as SCSI does."""

    def has_budget(self, taken: int) -> bool:
        return len(self.outstanding()) + taken < self.room


def make(scheduler: str = "none", make_driver=RamDriver, depth: int = 64) -> tuple[World, RamPath, Client]:
    world = World()
    path = world.ram_path("p", Store(MIB), depth, make_driver=make_driver)
    path.driver.default = SLOW
    path.device.requests.set_scheduler(scheduler)
    return world, path, Client(path.device)


def narrow(path: RamPath) -> Narrow:
    assert isinstance(path.driver, Narrow)
    return path.driver


def one_by_one(client: Client, count: int, first: int = 0) -> None:
    """Contiguous bios without a plug around them."""
    plug = Plug(False)
    for number in range(first, first + count):
        client.device.submit(Bio(READ, number, 512, client), plug)


def sizes(path: RamPath) -> list[int]:
    return [size // 512 for _, _, size in path.driver.sent]


def test_without_a_plug_bios_reach_an_idle_driver_one_by_one():
    _, path, client = make()
    one_by_one(client, 4)
    assert sizes(path) == [1, 1, 1, 1]


def test_without_elevator_what_is_refused_merges_no_more():
    """Transcript 62: 64 single I/Os stay 64."""
    world, path, client = make("none", Narrow)
    one_by_one(client, 16)
    world.run()
    assert sizes(path) == [1] * 16


def test_with_an_elevator_one_request_has_left_it_and_the_rest_merges():
    """The one that was refused can merge no more; what comes behind it waits above and does."""
    world, path, client = make("mq-deadline", Narrow)
    one_by_one(client, 16)
    world.run()
    assert sizes(path) == [1, 1, 14]


def test_a_driver_that_tells_its_budget_gets_nothing_out_of_the_elevator_too_early():
    world, path, client = make("mq-deadline", Budgeted)
    one_by_one(client, 16)
    world.run()
    assert sizes(path) == [1, 15]


def test_a_budget_is_asked_for_with_each_request_of_a_batch():
    """What there is no budget for stays in the elevator, and merges."""
    world, path, client = make("mq-deadline", Budgeted)
    queue = path.device.requests
    queue.quiesce()
    client.submit([Bio(READ, sector, 512, client) for sector in (100, 200, 300)])
    narrow(path).room = 2
    queue.unquiesce()
    world.settle()
    assert [sector for _, sector, _ in path.driver.sent] == [100, 200]
    client.read(301, 512)
    world.run()
    assert sizes(path) == [1, 1, 2]


def test_a_queue_that_was_refused_lately_takes_out_one_at_a_time():
    """The second one is refused again, and merges no more; those behind it do."""
    world, path, client = make("mq-deadline", Narrow)
    path.driver.default = Answer(silent=True)
    queue = path.device.requests
    one_by_one(client, 1)
    client.read(100, 512)
    assert queue.dispatch_busy > 0
    client.submit([Bio(READ, sector, 512, client) for sector in (200, 300, 400)])
    narrow(path).room = 2
    path.driver.deliver_all(Answer())
    world.settle()
    assert [sector for _, sector, _ in path.driver.sent] == [0, 100, 200]
    client.submit([Bio(READ, sector, 512, client) for sector in (301, 401)])
    narrow(path).room = 64
    path.driver.deliver_all(Answer())
    world.run()
    assert sizes(path) == [1, 1, 1, 1, 1, 2]


def test_a_plug_does_not_go_past_what_waits_to_be_run():
    world, path, client = make()
    queue = path.device.requests
    queue.quiesce()
    client.read(100, 512)
    queue.unquiesce()
    client.read(0, 512)
    world.run()
    assert [sector for _, sector, _ in path.driver.sent] == [100, 0]


def test_of_tags_the_elevator_has_given_one_request_too_many():
    """Linux: blk_mq_do_dispatch_sched() stops at the first request for which there is no driver tag, having taken it."""
    world, path, client = make("mq-deadline", depth=2)
    one_by_one(client, 16)
    world.run()
    assert sizes(path) == [1, 1, 1, 13]


def test_a_plug_of_several_queues_does_not_go_past_what_waits():
    world, path, client = make("none", Narrow)
    other = world.ram_path("q", Store(MIB))
    one_by_one(client, 2)
    plug = Plug()
    for number in (10, 20):
        path.device.submit(Bio(READ, number, 512, client), plug)
        other.device.submit(Bio(READ, number, 512, client), plug)
    plug.finish()
    assert path.device.requests.dispatch_busy > 0
    world.run()
    assert [sector for _, sector, _ in path.driver.sent] == [0, 1, 10, 20]
    assert [sector for _, sector, _ in other.driver.sent] == [10, 20]


def test_busy_is_a_moving_average():
    """7/8 of what it was, and 2 more when it was refused, in integers: a single refusal is forgotten after one success."""
    world, path, client = make("none", Narrow)
    queue = path.device.requests
    seen: list[int] = []
    one_by_one(client, 1)
    for number in range(6):
        one_by_one(client, 1, 10 + 10 * number)
        seen.append(queue.dispatch_busy)
    assert seen[0] >= 2
    assert max(seen) <= 16
    assert seen == sorted(seen)
    assert seen[-1] > 4
    narrow(path).room = 64
    world.run()
    while queue.dispatch_busy:
        before = queue.dispatch_busy
        one_by_one(client, 1, 1000 + 10 * before)
        assert queue.dispatch_busy == before * 7 // 8


@pytest.mark.parametrize("scheduler", ["none", "mq-deadline"])
def test_what_goes_well_out_of_the_elevator_makes_the_queue_less_busy(scheduler: str):
    world, path, client = make(scheduler, Narrow)
    queue = path.device.requests
    one_by_one(client, 1)
    client.read(100, 512)
    client.read(200, 512)
    assert queue.dispatch_busy > 0
    narrow(path).room = 64
    world.run()
    for number in range(8):
        queue.quiesce()
        client.read(1000 + 100 * number, 512)
        queue.unquiesce()
        world.run()
    assert (len(client.done), queue.dispatch_busy) == (11, 0)


def test_the_first_refusal_runs_the_queue_at_once_the_second_waits():
    world, path, client = make("none", Narrow)
    one_by_one(client, 2)
    queue = path.device.requests
    assert (queue.restart, queue._delayed.deadline_ns) == (True, RESOURCE_DELAY_NS)
    narrow(path).room = 2
    world.run(RESOURCE_DELAY_NS)
    assert len(path.driver.sent) == 2


def test_for_want_of_a_device_resource_only_a_completion_helps():
    world, path, client = make("none", Narrow)
    narrow(path).refusal = DEV_RESOURCE
    one_by_one(client, 2)
    assert not path.device.requests._delayed.is_armed()
    narrow(path).room = 2
    world.run(9 * NS_PER_MS)
    assert len(path.driver.sent) == 1
    world.run()
    assert len(client.done) == 2


@pytest.mark.parametrize(
    ("op", "limits", "status"),
    [
        (READ, QueueLimits(max_sectors=7), IOERR),
        (WRITE, QueueLimits(max_sectors=8, max_segment_size=4 * KIB), OK),
        (WRITE, QueueLimits(max_segments=1, max_segment_size=2 * KIB), IOERR),
        (DISCARD, QueueLimits(max_discard_sectors=0), NOTSUPP),
        (DISCARD, QueueLimits(max_discard_sectors=4), IOERR),
        (WRITE_ZEROES, QueueLimits(max_write_zeroes_sectors=0), NOTSUPP),
        (WRITE_ZEROES, QueueLimits(max_write_zeroes_sectors=8), OK),
    ],
)
def test_a_clone_is_checked_against_the_limits_below(op: int, limits: QueueLimits, status: int):
    """S1-02. What is not offered any more is no error of the path."""
    world, path, client = make("mq-deadline")
    queue = path.device.requests
    queue.set_limits(limits)
    clone = Request(Bio(op, 0, 4 * KIB, client, bytes(4 * KIB) if op == WRITE else None), queue, queue)
    assert queue.insert_cloned(clone) == status
    assert len(path.driver.sent) == (1 if status == OK else 0)
    assert queue.in_flight == len(path.driver.sent)
    world.run()


def test_a_queue_whose_device_is_gone_takes_no_clone():
    _, path, client = make()
    queue = path.device.requests
    queue.die()
    clone = Request(Bio(READ, 0, 512, client), queue, queue)
    assert (queue.insert_cloned(clone), path.driver.sent, queue.in_flight) == (OFFLINE, [], 0)


def test_a_clone_goes_past_elevator_and_merging():
    """S1-02: neighbours wait, and it does not join them; nor do they join it."""
    world, path, client = make("mq-deadline", Narrow)
    narrow(path).room = 2
    queue = path.device.requests
    one_by_one(client, 1)
    queue.quiesce()
    one_by_one(client, 3, 8)
    queue.quiesced = False
    clone = Request(Bio(READ, 11, 512, client), queue, queue)
    clone.cannot_merge = True
    assert queue.insert_cloned(clone) == OK
    assert [sector for _, sector, _ in path.driver.sent] == [0, 11]
    assert [(waiting.sector, waiting.size) for waiting in queue.waiting_requests()] == [(8, 3 * 512)]
    queue.schedule()
    world.run()


def test_a_refused_clone_was_counted_below_and_one_without_a_tag_was_not():
    """Transcripts 62 and 80: the paths count more commands than there are requests above."""
    _, path, client = make("none", Narrow, depth=2)
    queue: RequestQueue = path.device.requests
    for _ in range(3):
        queue.insert_cloned(Request(Bio(READ, 0, 512, client), queue, queue))
    assert (int(queue.stats.reads.ios), int(queue.stats.reads.sectors)) == (2, 0), "one is in flight, two were refused"
    narrow(path).room = 2
    queue.insert_cloned(Request(Bio(READ, 0, 512, client), queue, queue))
    assert queue.insert_cloned(Request(Bio(READ, 0, 512, client), queue, queue)) == RESOURCE
    assert int(queue.stats.reads.ios) == 2
    queue.set_scheduler("mq-deadline")
    assert queue.insert_cloned(Request(Bio(READ, 0, 512, client), queue, queue)) == RESOURCE
    assert int(queue.stats.reads.ios) == 3


def test_without_feedback_a_full_queue_takes_what_comes_from_above_and_says_nothing():
    world, path, client = make(depth=1)
    queue = path.device.requests
    queue.feedback = False
    clones = [Request(Bio(READ, number * 100, 512, client), queue, queue) for number in range(3)]
    assert [queue.insert_cloned(clone) for clone in clones] == [OK] * 3
    assert (queue.busy(), len(path.driver.sent)) == (False, 1)
    world.run()
    assert len(path.driver.sent) == len(client.done) == 3


def test_clones_that_wait_below_do_not_merge_there_even_when_the_queue_is_taken_apart():
    """What waits is taken out and put back when limits change."""
    world, path, client = make("mq-deadline", depth=1)
    queue = path.device.requests
    queue.feedback = False
    for number in range(4):
        assert queue.insert_cloned(Request(Bio(READ, number, 512, client), queue, queue).clone(queue, queue)) == OK
    queue.put_back(queue.take_waiting())
    queue.schedule()
    world.run()
    assert sizes(path) == [1] * 4


@pytest.mark.parametrize("scheduler", ["none", "mq-deadline"])
def test_with_a_merge_deadline_a_single_bio_that_goes_on_waits_for_the_next(scheduler: str):
    """4.1 to 4.20: rq_based_seq_io_merge_deadline."""
    world, path, client = make(scheduler)
    queue = path.device.requests
    queue.merge_deadline_ns = 20 * NS_PER_US
    queue.elevator.insert(Request(Bio(READ, 0, 512, client), queue, queue), False)
    queue.merges_waiting = True
    queue.rerun()
    assert sizes(path) == [1]
    for number in (1, 2, 3):
        plug = Plug()
        bio = Bio(READ, number, 512, client)
        if not (queue.merges_waiting and queue.merge_waiting(bio)):
            plug.requests.append(Request(bio, queue, queue))
            queue._insert_all(plug.requests)
    assert (sizes(path), queue.waiting()) == ([1], 1)
    world.run(10 * NS_PER_MS - 1)
    assert sizes(path) == [1]
    world.run(10 * NS_PER_MS)
    assert sizes(path) == [1, 3], "after 10 ms at the latest"


def test_what_does_not_go_on_or_is_large_or_alone_is_not_kept_back():
    world, path, client = make("mq-deadline")
    queue = path.device.requests
    queue.merge_deadline_ns = 20 * NS_PER_US
    one_by_one(client, 1)
    client.read(100, 512)
    assert len(path.driver.sent) == 2
    world.run()
    client.read(101, 512)
    assert len(path.driver.sent) == 3, "nothing is in flight"
    world.pass_time(21 * NS_PER_US)
    client.read(102, 512)
    assert len(path.driver.sent) == 4, "the time is over"
    world.run()
    assert len(client.done) == 4
