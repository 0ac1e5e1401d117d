"""The plug: one list over all queues, whose order decides what merges and when it is flushed (kernel transcripts 60 to 63)."""

from hawser.block.bio import Bio
from hawser.block.ops import READ
from hawser.block.plug import FLUSH_SIZE, REQUESTS_MAX, REQUESTS_MAX_MULTIPLE, Plug
from hawser.core.units import KIB, MIB
from hawser.lab.world import Client, RamPath, Store, World


def make(paths: int) -> tuple[World, list[RamPath], Client]:
    world = World()
    made = [world.ram_path(f"p{number}", Store(64 * MIB)) for number in range(paths)]
    return world, made, Client(made[0].device)


def add(plug: Plug, path: RamPath, client: Client, sector: int, size: int = 4 * KIB) -> None:
    path.device.submit(Bio(READ, sector, size, client), plug)


def test_only_the_newest_request_of_a_single_queue_is_tried():
    world, (path,), client = make(1)
    plug = Plug()
    add(plug, path, client, 0)
    add(plug, path, client, 1000)
    add(plug, path, client, 8)
    add(plug, path, client, 16)
    assert [(request.sector, request.size) for request in plug.requests] == [(0, 4096), (1000, 4096), (8, 8192)]
    plug.finish()
    world.run()
    assert [sector for _, sector, _ in path.driver.sent] == [0, 1000, 8]
    assert len(client.done) == 4


def test_of_several_queues_the_oldest_own_request_is_tried_when_the_newest_is_anothers():
    _, (first, second), client = make(2)
    plug = Plug()
    add(plug, first, client, 0)
    add(plug, second, client, 8)
    add(plug, first, client, 8)
    add(plug, second, client, 16)
    assert [(request.queue.name, request.size) for request in plug.requests] == [("p0", 8192), ("p1", 8192)]


def test_of_several_own_requests_only_the_oldest_is_tried():
    _, (first, second), client = make(2)
    plug = Plug()
    add(plug, first, client, 0)
    add(plug, first, client, 1000)
    add(plug, second, client, 5000)
    add(plug, first, client, 1008)
    assert [request.sector for request in plug.requests] == [0, 1000, 5000, 1008]


def test_a_plug_of_one_queue_is_flushed_at_32_requests():
    _, (path,), client = make(1)
    plug = Plug()
    for number in range(REQUESTS_MAX):
        add(plug, path, client, number * 100)
    assert path.driver.sent == []
    add(plug, path, client, 50_000)
    assert len(path.driver.sent) == REQUESTS_MAX == 32
    assert len(plug.requests) == 1


def test_a_plug_of_two_queues_is_flushed_at_64_requests():
    _, (first, second), client = make(2)
    plug = Plug()
    for number in range(REQUESTS_MAX_MULTIPLE):
        add(plug, (first, second)[number % 2], client, number * 100)
    assert first.driver.sent == []
    add(plug, first, client, 50_000)
    assert len(first.driver.sent) == len(second.driver.sent) == REQUESTS_MAX_MULTIPLE // 2 == 32
    assert plug.multiple, "it has held several queues, until it is finished"
    plug.finish()
    assert not plug.multiple


def test_a_large_first_request_flushes_before_the_next_is_added():
    _, (path,), client = make(1)
    plug = Plug()
    add(plug, path, client, 0, FLUSH_SIZE)
    assert path.driver.sent == []
    add(plug, path, client, 10_000)
    assert len(path.driver.sent) == 1
    add(plug, path, client, 20_000, FLUSH_SIZE)
    add(plug, path, client, 30_000)
    assert len(path.driver.sent) == 1, "only the first one of the list counts"


def test_a_finished_plug_gives_each_queue_one_batch():
    world, (first, second), client = make(2)
    plug = Plug()
    for number in range(6):
        add(plug, (first, second)[number % 2], client, number * 100)
    plug.finish()
    assert [sector for _, sector, _ in first.driver.sent] == [0, 200, 400]
    assert [sector for _, sector, _ in second.driver.sent] == [100, 300, 500]
    assert client.done == [], "nothing completes inside submit"
    world.run()
    assert len(client.done) == 6
    plug.finish()
