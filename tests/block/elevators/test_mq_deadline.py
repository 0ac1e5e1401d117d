"""mq-deadline: the order in which waiting requests go, and how they merge while they wait. Linux: block/mq-deadline.c."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hawser.block.bio import Bio, BioOwner
from hawser.block.elevators.mq_deadline import MqDeadline
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, READ, WRITE
from hawser.block.queue import RequestQueue
from hawser.block.request import Request
from hawser.core.units import MIB, NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer, Client, RamPath, Store, World

REAL_TIME, IDLE = 1 << 13, 3 << 13


class Quiet(BioOwner):
    def bio_done(self, bio: Bio) -> None:
        """Nobody waits."""


OWNER = Quiet()


def make_queue(limits: QueueLimits | None = None) -> tuple[World, RequestQueue, MqDeadline]:
    world = World()
    queue = world.ram_path("p", Store(MIB), limits=limits or QueueLimits()).device.requests
    queue.set_scheduler("mq-deadline")
    elevator = queue.elevator
    assert isinstance(elevator, MqDeadline)
    return world, queue, elevator


def request(queue: RequestQueue, sector: int, op: int = READ, sectors: int = 1, ioprio: int = 0) -> Request:
    bio = Bio(op, sector, sectors * 512, OWNER, bytes(sectors * 512) if op == WRITE else None)
    bio.ioprio = ioprio
    return Request(bio, queue, queue)


def insert(elevator: MqDeadline, *sectors: int, op: int = READ, ioprio: int = 0) -> None:
    for sector in sectors:
        elevator.insert(request(elevator.queue, sector, op, ioprio=ioprio), False)  # type: ignore[arg-type]


def take(elevator: MqDeadline, count: int = 1000) -> list[int]:
    taken: list[int] = []
    while len(taken) < count and (found := elevator.next()) is not None:
        taken.append(found.sector if found.op == READ else -found.sector)
        elevator.finished(found)
    return taken


def test_in_the_order_of_sectors_from_where_it_is():
    _, _, elevator = make_queue()
    insert(elevator, 50, 10, 30)
    assert take(elevator, 1) == [10]
    insert(elevator, 5, 20)
    assert take(elevator) == [20, 30, 50, 5]
    assert (elevator.waiting(), elevator.next()) == (0, None)


def test_of_equal_sectors_the_older_goes_first():
    _, queue, elevator = make_queue()
    first, second = request(queue, 8), request(queue, 8)
    for one in (first, second):
        elevator.insert(one, False)
    assert [elevator.next(), elevator.next()] == [first, second]


def test_reads_go_before_writes_twice_then_a_batch_of_writes_has_its_turn():
    """writes_starved is 2, and a batch has 16: the first reads pass over the writes once, the next batch a second time."""
    _, _, elevator = make_queue()
    insert(elevator, *range(100, 180, 2))
    insert(elevator, *range(300, 340, 2), op=WRITE)
    order = take(elevator)
    # Linux begins as if it had written, so that the very first batch is one of writes that are there already.
    assert order[:16] == [-sector for sector in range(300, 332, 2)]
    assert order[16:32] == list(range(100, 132, 2))
    assert order[32:48] == list(range(132, 164, 2))
    assert order[48:52] == [-332, -334, -336, -338]
    assert order[52:] == list(range(164, 180, 2))


def test_after_their_turn_writes_are_passed_over_anew():
    _, _, elevator = make_queue()
    elevator.set_attribute("fifo_batch", 1)
    insert(elevator, *range(100, 120, 2))
    insert(elevator, *range(300, 320, 2), op=WRITE)
    assert [sector > 0 for sector in take(elevator, 13)] == [False, True, True] * 4 + [False]


def test_it_goes_on_from_where_the_last_one_began():
    """What overlaps that is still to come; what grew at its front to before it is not."""
    _, queue, elevator = make_queue()
    elevator.insert(request(queue, 100, sectors=8), False)
    assert take(elevator) == [100]
    insert(elevator, 200, 104)
    assert take(elevator, 1) == [104]
    insert(elevator, 110)
    assert elevator.merge(Bio(READ, 102, 8 * 512, OWNER)) is not None
    assert take(elevator) == [200, 102]


def test_a_batch_ends_at_the_top_and_the_next_begins_with_the_oldest():
    _, _, elevator = make_queue()
    insert(elevator, 900)
    assert take(elevator) == [900]
    insert(elevator, 500, 100, 300)
    assert take(elevator) == [500, 100, 300], "nothing lies further up: the oldest, and on from there"


def test_what_has_expired_goes_first_when_a_batch_ends():
    world, _, elevator = make_queue()
    elevator.set_attribute("fifo_batch", 2)
    insert(elevator, 900)
    world.pass_time(400 * NS_PER_MS)
    insert(elevator, *range(10, 50, 2))
    assert take(elevator, 4) == [10, 12, 14, 16]
    world.pass_time(100 * NS_PER_MS)
    assert take(elevator, 3) == [900, 18, 20], "500 ms after it came"


def test_a_request_that_was_dispatched_before_goes_before_all_others():
    _, queue, elevator = make_queue()
    insert(elevator, 10, 20)
    first = elevator.next()
    assert first is not None
    elevator.insert(first, True)
    last = request(queue, 5)
    last.cannot_merge = True
    elevator.insert(last, True)
    assert elevator.peek() is last
    assert take(elevator) == [5, 10, 20]


def test_a_class_holds_back_the_lower_ones_until_all_of_it_has_ended():
    _, _, elevator = make_queue()
    insert(elevator, 1, ioprio=IDLE)
    insert(elevator, 2)
    insert(elevator, 3, ioprio=REAL_TIME)
    urgent = elevator.next()
    assert urgent is not None
    assert urgent.sector == 3
    assert elevator.next() is None, "it is on its way still"
    elevator.finished(urgent)
    assert take(elevator) == [2, 1]


def test_a_lower_class_has_waited_long_enough_after_10_seconds():
    world, _, elevator = make_queue()
    insert(elevator, 2)
    insert(elevator, 1, ioprio=IDLE)
    world.pass_time(10 * NS_PER_S - 1)
    insert(elevator, 3, 9, ioprio=REAL_TIME)
    assert take(elevator, 1) == [3]
    world.pass_time(1)
    assert take(elevator) == [2, 1, 9]


def test_bios_merge_at_both_ends_and_then_with_the_neighbour():
    _, queue, elevator = make_queue()
    insert(elevator, 100, 110, 120, 300)
    assert elevator.merge(Bio(READ, 101, 8 * 512, OWNER)) is not None
    assert elevator.waiting() == 4
    grown = elevator.merge(Bio(READ, 109, 512, OWNER))
    assert grown is not None
    assert (grown.sector, grown.size, elevator.waiting()) == (100, 11 * 512, 3), "109 closes the gap to 110"
    front = elevator.merge(Bio(READ, 112, 8 * 512, OWNER))
    assert front is not None
    assert (front.sector, front.size) == (112, 9 * 512), "before 120; 111 is missing still"
    joined = elevator.merge(Bio(READ, 111, 512, OWNER))
    assert joined is not None
    assert (joined.sector, joined.end_sector(), elevator.waiting()) == (100, 121, 2)
    assert elevator.merge(Bio(READ, 400, 512, OWNER)) is None
    assert elevator.merge(Bio(WRITE, 121, 512, OWNER, bytes(512))) is None
    assert take(elevator) == [100, 300]
    assert int(queue.stats.reads.merges) == 6


def test_without_front_merges_a_front_is_found_only_in_the_one_hit_cache():
    _, _, elevator = make_queue()
    elevator.set_attribute("front_merges", 0)
    insert(elevator, 100)
    assert elevator.merge(Bio(READ, 99, 512, OWNER)) is not None
    insert(elevator, 200)
    assert elevator.merge(Bio(READ, 201, 512, OWNER)) is not None, "the cache points there now"
    assert elevator.merge(Bio(READ, 98, 512, OWNER)) is None


def test_with_simple_merges_only_the_one_hit_cache_is_asked():
    _, queue, elevator = make_queue()
    insert(elevator, 100, 200)
    queue.nomerges = 1
    assert elevator.merge(Bio(READ, 201, 512, OWNER)) is None
    assert elevator.merge(Bio(READ, 101, 512, OWNER)) is not None
    elevator.insert(request(queue, 102), False)
    assert elevator.waiting() == 2, "a request joins what the cache holds, too"
    queue.nomerges = 2
    elevator.insert(request(queue, 103), False)
    assert elevator.waiting() == 3


def test_requests_join_as_they_come_in_and_again_with_what_lies_before():
    _, queue, elevator = make_queue()
    insert(elevator, 100)
    elevator.insert(request(queue, 102), False)
    elevator.insert(request(queue, 101), False)
    assert elevator.waiting() == 2, "only what ends where it begins is looked for"
    assert take(elevator) == [100, 102]


def test_a_request_that_joins_one_that_was_there_longer_lets_it_keep_its_place():
    world, queue, elevator = make_queue()
    insert(elevator, 200)
    world.pass_time(NS_PER_MS)
    insert(elevator, 50)
    world.pass_time(NS_PER_MS)
    insert(elevator, 100)
    # The gap before 200 is closed from behind: the older one, which goes, gives its place to the newer.
    assert elevator.merge(Bio(READ, 101, 99 * 512, OWNER)) is not None
    assert [found.sector for found in elevator.requests()] == [100, 50]
    assert queue.elevator.waiting() == 2


def test_what_was_dispatched_merges_no_more():
    _, _, elevator = make_queue()
    insert(elevator, 100)
    first = elevator.next()
    assert first is not None
    assert first.cannot_merge
    assert elevator.merge(Bio(READ, 101, 512, OWNER)) is None


def test_discards_of_several_ranges_gather_wherever_they_are():
    _, queue, elevator = make_queue(QueueLimits(max_discard_sectors=64, max_discard_segments=4))
    elevator.insert(request(queue, 100, DISCARD), False)
    assert elevator.merge(Bio(DISCARD, 500, 512, OWNER)) is not None
    elevator.insert(request(queue, 7, DISCARD), False)
    (gathered,) = elevator.requests()
    assert (gathered.segments, gathered.span()) == (3, (7, 501))


def test_settings_have_the_kernels_names_units_and_bounds():
    _, _, elevator = make_queue()
    assert elevator.attributes() == {
        "async_depth": 256,
        "fifo_batch": 16,
        "front_merges": 1,
        "prio_aging_expire": 10000,
        "read_expire": 500,
        "write_expire": 5000,
        "writes_starved": 2,
    }
    for name, value, shown in [
        ("read_expire", 7, 7),
        ("write_expire", 8, 8),
        ("front_merges", 5, 1),
        ("fifo_batch", -3, 0),
        ("writes_starved", -3, -3),
        ("prio_aging_expire", 1 << 40, (1 << 31) - 1),
        ("async_depth", 0, 1),
    ]:
        elevator.set_attribute(name, value)
        assert elevator.attributes()[name] == shown
    with pytest.raises(KeyError):
        elevator.set_attribute("slice_idle", 1)


def test_changed_under_load_nothing_is_lost_and_counts_start_anew():
    world = World()
    path: RamPath = world.ram_path("p", Store(MIB), depth=1)
    path.driver.default = Answer(delay_ns=NS_PER_MS)
    client = Client(path.device)
    for number, name in enumerate(["mq-deadline", "none", "mq-deadline", "none"] * 3):
        client.submit([Bio(READ, (37 * number + step) % 2000, 512, client) for step in (900, 100, 500)])
        path.device.requests.set_scheduler(name)
        world.pass_time(NS_PER_MS)
    world.run()
    assert len(client.done) == 36
    assert path.device.idle()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([READ, WRITE]), st.integers(0, 60), st.integers(1, 4), st.sampled_from([0, IDLE, REAL_TIME])
        ),
        max_size=40,
    ),
    st.integers(0, 40),
)
def test_whatever_comes_in_goes_out_once_whole(bios: list[tuple[int, int, int, int]], early: int):
    """Bios in any order, merged where they may be, some dispatched between: all their sectors come out, each as often as it
    went in, and the lists are empty at the end."""
    _, queue, elevator = make_queue(QueueLimits(max_sectors=16, max_segments=5))
    came: list[tuple[int, int]] = []
    gone: list[tuple[int, int]] = []

    def out(found: Request) -> None:
        assert found.size <= 16 * 512
        assert len(found.bios) <= 5
        at = found.sector
        for bio in found.bios:
            assert (bio.sector, bio.op, bio.ioprio) == (at, found.op, found.ioprio)
            at = bio.end_sector()
            gone.append((bio.op, bio.sector))
        elevator.finished(found)

    for number, (op, sector, count, ioprio) in enumerate(bios):
        bio = Bio(op, sector, count * 512, OWNER, bytes(count * 512) if op == WRITE else None)
        bio.ioprio = ioprio
        came.append((op, sector))
        if elevator.merge(bio) is None:
            elevator.insert(Request(bio, queue, queue), False)
        if number < early and number % 3 == 2 and (found := elevator.next()) is not None:
            out(found)
    while (found := elevator.next()) is not None:
        out(found)
    assert sorted(came) == sorted(gone)
    assert (elevator.waiting(), elevator.requests(), elevator._ends) == (0, [], {})
    assert all(one.queued() == 0 for one in elevator.classes)


def test_what_comes_back_counts_once_in_its_class():
    """A request that was requeued is still the one that was taken in: when it has ended nothing holds the lower classes back."""
    _, queue, elevator = make_queue()
    urgent = request(queue, 10, ioprio=REAL_TIME)
    elevator.insert(urgent, False)
    for _ in range(3):
        assert elevator.next() is urgent
        elevator.insert(urgent, True)
    assert elevator.next() is urgent
    insert(elevator, 20, ioprio=IDLE)
    assert elevator.next() is None
    elevator.finished(urgent)
    assert take(elevator) == [20]


def test_without_an_elevator_there_is_nothing_to_set():
    _, queue, _ = make_queue()
    queue.set_scheduler("none")
    assert queue.elevator.attributes() == {}
    with pytest.raises(KeyError, match="fifo_batch"):
        queue.elevator.set_attribute("fifo_batch", 1)
