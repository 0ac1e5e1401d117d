"""The request queue: tags, the list of those that wait, refusals, requeues, quiesce, change of elevator."""

import pytest

from hawser.block.bio import Bio
from hawser.block.dispatch import RESOURCE_DELAY_NS
from hawser.block.limits import QueueLimits
from hawser.block.ops import READ, WRITE
from hawser.block.queue import WAITING_MAX
from hawser.block.request import NOT_SENT
from hawser.core.status import DEV_RESOURCE, IOERR, OFFLINE, OK, RESOURCE
from hawser.core.units import KIB, MIB, NS_PER_MS
from hawser.lab.world import Answer, Client, RamPath, Store, World

SLOW = Answer(delay_ns=10 * NS_PER_MS)


def make(depth: int = 2) -> tuple[World, RamPath, Client]:
    world = World()
    path = world.ram_path("p", Store(MIB), depth)
    return world, path, Client(path.device)


def sectors_sent(path: RamPath) -> list[int]:
    return [sector for _, sector, _ in path.driver.sent]


def scattered(client: Client, count: int) -> list[Bio]:
    return client.submit([Bio(READ, number * 100, 512, client) for number in range(count)])


def test_no_more_than_the_tags_are_in_flight_and_the_rest_follows_in_order():
    world, path, client = make(depth=2)
    path.driver.default = SLOW
    scattered(client, 5)
    queue = path.device.requests
    assert (queue.in_flight, queue.waiting(), queue.busy()) == (2, 3, True)
    assert sectors_sent(path) == [0, 100]
    world.run()
    assert sectors_sent(path) == [0, 100, 200, 300, 400]
    assert (world.clock.now_ns, path.device.idle(), len(client.done)) == (30 * NS_PER_MS, True, 5)


def test_what_waits_for_a_tag_still_merges():
    world, path, client = make(depth=1)
    path.driver.default = SLOW
    client.read(0, 512)
    client.read(100, 4 * KIB)
    client.read(108, 4 * KIB)
    assert path.device.requests.waiting() == 1
    world.run()
    assert [size for _, _, size in path.driver.sent] == [512, 8 * KIB]
    assert len(client.done) == 3


@pytest.mark.parametrize("scheduler", ["none", "mq-deadline"])
def test_what_is_requeued_keeps_its_boundaries(scheduler: str):
    """S2-6: neither what waits already nor what comes merges with it."""
    world, path, client = make(depth=2)
    queue = path.device.requests
    queue.set_scheduler(scheduler)
    path.driver.default = Answer(silent=True)
    client.submit([Bio(READ, 100, 512, client), Bio(READ, 101, 512, client)])
    queue.quiesce()
    client.read(102, 512)
    queue.requeue(path.driver.outstanding()[0], 0)
    world.settle()
    client.submit([Bio(READ, sector, 512, client) for sector in (99, 103)])
    path.driver.sent.clear()
    queue.unquiesce()
    queue.depth = 64
    world.settle()
    assert path.driver.sent[0] == (READ, 100, 2 * 512)


@pytest.mark.parametrize(("between", "merges"), [(0, True), (7, True), (8, False)])
def test_without_an_elevator_the_eight_newest_are_looked_at(between: int, merges: bool):
    world, path, client = make(depth=64)
    queue = path.device.requests
    queue.quiesce()
    client.submit([Bio(READ, 100 * number, 512, client) for number in range(2)])
    client.submit([Bio(READ, 1000 + 100 * number, 512, client) for number in range(between)])
    client.read(101, 512)
    queue.unquiesce()
    world.run()
    assert ((READ, 100, 1024) in path.driver.sent) == merges
    assert len(path.driver.sent) == 2 + between + (not merges)


def test_without_an_elevator_the_search_ends_at_a_neighbour_that_refuses():
    """Linux: blk_bio_list_merge() looks no further, though an older one would take it."""
    world = World()
    path = world.ram_path("p", Store(MIB), 1, limits=QueueLimits(max_sectors=20))
    path.driver.default = SLOW
    client = Client(path.device)
    for sector, size in ((500, 1), (0, 8), (16, 16), (8, 8)):
        client.read(sector, size * 512)
    world.run()
    assert [(sector, size // 512) for _, sector, size in path.driver.sent] == [(500, 1), (0, 8), (16, 16), (8, 8)]


def test_a_refused_request_is_first_in_line_merges_no_more_and_nothing_overtakes_it():
    world, path, client = make(depth=8)
    path.driver.refuse = RESOURCE
    client.read(100, 4 * KIB)
    client.read(108, 4 * KIB)
    client.read(0, 512)
    assert path.driver.sent == []
    path.driver.refuse = OK
    world.run()
    assert sectors_sent(path) == [100, 108, 0]
    assert world.clock.now_ns == RESOURCE_DELAY_NS == 3 * NS_PER_MS


def test_after_a_refusal_it_is_tried_every_3_ms():
    world, path, client = make()
    path.driver.refuse = RESOURCE
    client.read(0, 512)
    world.pass_time(10 * NS_PER_MS)
    path.driver.refuse = OK
    world.run()
    assert world.clock.now_ns == 12 * NS_PER_MS
    assert client.done[0].status == OK


def test_a_refusal_is_retried_though_what_is_in_flight_never_returns():
    """A completion of the queue's own cannot be relied on: what is in flight may be parked behind a fence."""
    world, path, client = make()
    path.driver.script.append(Answer(silent=True))
    client.read(0, 512)
    path.driver.refuse = RESOURCE
    client.read(100, 512)
    path.driver.refuse = OK
    world.run()
    assert [bio.sector for bio in client.done] == [100]


def test_a_device_resource_waits_for_a_completion():
    world, path, client = make()
    path.driver.script.append(SLOW)
    client.read(0, 512)
    path.driver.refuse = DEV_RESOURCE
    client.read(100, 512)
    path.driver.refuse = OK
    world.pass_time(9 * NS_PER_MS)
    assert client.done == []
    world.run()
    assert [bio.sector for bio in client.done] == [0, 100]


@pytest.mark.parametrize("scheduler", ["none", "mq-deadline"])
def test_what_is_requeued_goes_first_in_line_the_last_of_several_before_the_others(scheduler: str):
    """Linux: blk_mq_requeue_work() puts one after the other at the head. By their sectors they would go in another order."""
    world, path, client = make(depth=3)
    queue = path.device.requests
    queue.set_scheduler(scheduler)
    path.driver.default = Answer(silent=True)
    client.submit([Bio(READ, sector, 512, client) for sector in (100, 300, 500)])
    taken = path.driver.outstanding()
    assert [request.sector for request in taken] == [100, 300, 500]
    path.driver.sent.clear()
    queue.quiesce()
    client.read(700, 512)
    for request in (taken[0], taken[1]):
        queue.requeue(request, 0)
    queue.unquiesce()
    world.settle()
    assert sectors_sent(path) == [300, 100]
    path.driver.deliver_all(Answer())
    world.settle()
    assert sectors_sent(path) == [300, 100, 700]


def test_any_other_refusal_ends_the_request_as_not_sent_and_not_within_submit():
    world, path, client = make()
    path.driver.refuse = OFFLINE
    client.read(0, 512)
    assert client.done == []
    world.run()
    assert [(bio.status, bio.fate) for bio in client.done] == [(OFFLINE, NOT_SENT)]
    assert path.device.idle()


def test_quiesce_dispatches_nothing_and_what_is_in_flight_comes_back():
    world, path, client = make(depth=8)
    path.driver.default = SLOW
    client.read(0, 512)
    path.device.requests.quiesce()
    scattered(client, 3)
    world.run()
    assert len(client.done) == 1
    assert path.device.requests.busy()
    path.device.requests.unquiesce()
    world.run()
    assert len(client.done) == 4


def test_the_elevator_changes_under_load():
    world, path, client = make(depth=1)
    path.driver.default = SLOW
    scattered(client, 4)
    path.device.requests.set_scheduler("none")
    with pytest.raises(ValueError, match="unknown I/O scheduler 'noop'; there are mq-deadline, none"):
        path.device.requests.set_scheduler("noop")
    world.run()
    assert sectors_sent(path) == [0, 100, 200, 300]


def test_a_full_wait_list_is_congested():
    world, path, client = make(depth=1)
    path.driver.default = Answer(silent=True)
    queue = path.device.requests
    for number in range(WAITING_MAX):
        client.submit([Bio(READ, number % 2 * 1000, 512, client)])
    assert not queue.congested()
    client.read(0, 512)
    assert queue.congested()
    path.driver.default = Answer()
    path.driver.deliver_all(Answer())
    world.run()
    assert len(client.done) == WAITING_MAX + 1
    assert not queue.congested()


def test_a_failed_path_gives_back_what_waits_not_what_is_in_flight():
    world, path, client = make(depth=1)
    path.driver.default = SLOW
    client.write(0, bytes(512))
    client.write(100, bytes(512))
    path.device.requests.bounce()
    assert client.done == []
    world.run()
    assert [(bio.sector, bio.status, bio.fate) for bio in client.done] == [(100, RESOURCE, NOT_SENT), (0, OK, 0)]
    assert path.device.idle()


def test_the_dead_leave_and_those_merged_with_them_stay():
    """Three clients in one request that waits: the middle one dies, two pieces are left."""
    world, path, _ = make(depth=1)
    clients = [Client(path.device) for _ in range(3)]
    path.driver.script.append(SLOW)
    clients[0].read(1000, 512)
    for number, client in enumerate(clients):
        client.submit([Bio(WRITE, number * 8, 4 * KIB, client, bytes([number + 1]) * (4 * KIB))])
    assert path.device.requests.waiting() == 1
    clients[1].dead = True
    path.device.cancel_dead()
    assert [bio.status for bio in clients[1].done] == [IOERR]
    world.run()
    assert [(op, sector) for op, sector, _ in path.driver.sent] == [(READ, 1000), (WRITE, 0), (WRITE, 16)]
    assert [len(client.done) for client in clients] == [2, 1, 1]
    assert path.device.idle()
