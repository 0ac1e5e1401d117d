"""The plug: one list over all queues, whose order decides what merges and when it is flushed (kernel transcripts 60 to 63)."""

from hawser.block.bio import Bio
from hawser.block.ops import READ
from hawser.block.plug import FLUSH_SIZE, MERGES_NONE, REQUESTS_MAX, REQUESTS_MAX_MULTIPLE, Plug
from hawser.block.request import Request
from hawser.core.units import KIB, MIB
from hawser.lab.world import Client, RamDriver, RamPath, Store, World


class Rung(RamDriver):
    """Counts how often there was something to send when it was told to."""

    queued = 0
    batches = 0

    def queue_rq(self, request: Request) -> int:
        self.queued += 1
        return super().queue_rq(request)

    def commit(self) -> None:
        self.batches += self.queued > 0
        self.queued = 0


def make(paths: int, depth: int = 128) -> tuple[World, list[RamPath], Client]:
    world = World()
    made = [world.ram_path(f"p{number}", Store(64 * MIB), depth, make_driver=Rung) for number in range(paths)]
    return world, made, Client(made[0].device)


def batches(path: RamPath) -> int:
    assert isinstance(path.driver, Rung)
    return path.driver.batches


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


def test_a_queue_that_does_not_merge_does_not_and_no_size_flushes_its_plug():
    """Its nomerges is 2."""
    _, (path,), client = make(1)
    path.device.requests.nomerges = MERGES_NONE
    plug = Plug()
    for number in range(4):
        add(plug, path, client, number * 256, FLUSH_SIZE)
    assert (len(plug.requests), path.driver.sent) == (4, [])
    plug.finish()
    assert len(path.driver.sent) == 4


def test_a_plug_takes_no_more_requests_than_a_queue_has():
    """Linux: who waits for a tag hands over what is plugged. What is there for other queues holds none of its tags."""
    _, (path,), client = make(1, depth=4)
    plug = Plug()
    for number in range(4):
        add(plug, path, client, number * 100)
    assert path.driver.sent == []
    add(plug, path, client, 5000)
    assert (len(path.driver.sent), len(plug.requests)) == (4, 1)
    _, (first, second), client = make(2, depth=4)
    plug = Plug()
    for number in range(8):
        add(plug, (first, second)[number % 2], client, number * 100)
    assert (len(plug.requests), first.driver.sent, second.driver.sent) == (8, [], [])
    add(plug, first, client, 5000)
    assert (len(first.driver.sent), len(second.driver.sent), len(plug.requests)) == (4, 4, 1)


def test_a_finished_plug_gives_each_queue_one_batch():
    world, (first, second), client = make(2)
    plug = Plug()
    for number in range(6):
        add(plug, (first, second)[number % 2], client, number * 100)
    plug.finish()
    assert [sector for _, sector, _ in first.driver.sent] == [0, 200, 400]
    assert [sector for _, sector, _ in second.driver.sent] == [100, 300, 500]
    assert (batches(first), batches(second)) == (1, 1)
    assert client.done == [], "nothing completes inside submit"
    world.run()
    assert len(client.done) == 6
    plug.finish()
