"""The request queue: tags, the list of those that wait, refusals, requeues, quiesce, change of elevator."""

import pytest

from hawser.block.bio import Bio
from hawser.block.dispatch import RESOURCE_DELAY_NS
from hawser.block.ops import READ, WRITE
from hawser.block.queue import WAITING_MAX
from hawser.block.request import NOT_SENT
from hawser.core.status import DEV_RESOURCE, IOERR, OFFLINE, OK, RESOURCE, TRANSPORT
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
    assert [(bio.sector, bio.status, bio.fate) for bio in client.done] == [(100, TRANSPORT, NOT_SENT), (0, OK, 0)]
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
