"""Flushes, and writes that want one before or behind them: order, sharing, errors. Linux: block/blk-flush.c; `seeds.md` 3.13."""

from dataclasses import replace

import pytest

from hawser.block.bio import Bio
from hawser.block.flush import PENDING_MAX_NS, FlushGate
from hawser.block.ops import FLUSH, FUA, PREFLUSH, READ, WRITE
from hawser.block.plug import Plug
from hawser.block.request import ANSWERED, NOT_SENT, Request
from hawser.core.status import IOERR, MEDIUM, OK, RESOURCE, TRANSPORT
from hawser.core.units import KIB, MIB, NS_PER_MS, NS_PER_S
from hawser.lab.world import LIMITS, Answer, Client, RamDriver, RamPath, Rig, Store, World, make_multipath

DATA = bytes(4 * KIB)
CACHED = replace(LIMITS, fua=False)


def make(limits=CACHED, scheduler: str = "none") -> tuple[World, RamPath, Client]:
    world = World()
    path = world.ram_path("p", Store(MIB), limits=limits)
    path.driver.default = Answer(delay_ns=NS_PER_MS)
    path.device.requests.set_scheduler(scheduler)
    return world, path, Client(path.device)


def words(path: RamPath) -> str:
    """What was sent: `w8 f`."""
    return " ".join(
        "f" if op == FLUSH else f"{'r' if op == READ else 'w'}{sector}" for op, sector, _ in path.driver.sent
    )


@pytest.mark.parametrize("scheduler", ["none", "mq-deadline"])
@pytest.mark.parametrize(
    ("flags", "fua", "sent"),
    [
        (0, False, "w8"),
        (FUA, False, "w8 f"),
        (FUA, True, "w8"),
        (PREFLUSH, False, "f w8"),
        (PREFLUSH, True, "f w8"),
        (PREFLUSH | FUA, False, "f w8 f"),
        (PREFLUSH | FUA, True, "f w8"),
    ],
)
def test_the_steps_of_a_write(flags: int, fua: bool, sent: str, scheduler: str):
    world, path, client = make(replace(CACHED, fua=fua), scheduler)
    bio = client.write(8, DATA, flags)
    world.run()
    assert (words(path), bio.status) == (sent, OK)
    assert world.clock.now_ns == len(sent.split()) * NS_PER_MS, "one step after the other"
    assert path.device.idle()


def test_without_a_cache_there_is_nothing_to_flush():
    world, path, client = make(replace(LIMITS, write_cache=False, fua=False))
    flush, write = client.flush(), client.write(8, DATA, PREFLUSH | FUA)
    world.run()
    assert (words(path), flush.status, write.status) == ("w8", OK, OK)


def test_nobody_is_told_before_all_steps_are_done():
    world, path, client = make()
    bio = client.write(8, DATA, FUA)
    world.run(NS_PER_MS)
    assert (words(path), bio.finished) == ("w8 f", False)
    world.run()
    assert bio.finished


def test_one_flush_is_on_its_way_at_a_time_and_all_that_wait_share_the_next():
    world, path, client = make()
    bios = [client.flush()]
    world.settle()
    bios += [client.flush() for _ in range(5)]
    world.settle()
    assert words(path) == "f"
    world.run()
    assert (words(path), [bio.status for bio in bios]) == ("f f", [OK] * 6)
    assert world.clock.now_ns == 2 * NS_PER_MS
    assert path.device.counters(0)[4] == 6, "each of them counts"
    assert path.device.counters(0)[15] == 2, "and so do the flushes that were sent"


def test_the_error_of_a_shared_flush_is_everybodys():
    world, path, client = make()
    path.driver.script.extend([Answer(delay_ns=1), Answer(MEDIUM, delay_ns=1)])
    first = client.flush()
    world.settle()
    others = [client.flush(), client.write(8, DATA, PREFLUSH)]
    world.run()
    assert (first.status, [bio.status for bio in others], words(path)) == (OK, [MEDIUM, MEDIUM], "f f")


def test_a_flush_waits_while_data_of_a_sequence_is_on_its_way_but_not_for_ever():
    world, path, client = make()
    path.driver.script.append(Answer(silent=True))
    write = client.write(8, DATA, FUA)
    flush = client.flush()
    world.run(PENDING_MAX_NS - 1)
    assert (words(path), flush.finished) == ("w8", False)
    world.run(PENDING_MAX_NS + 2 * NS_PER_MS)
    assert (words(path), flush.status) == ("w8 f", OK)
    path.driver.deliver_all(Answer())
    world.run()
    assert (words(path), write.status) == ("w8 f f", OK)


def test_two_writes_share_the_flush_behind_them():
    world, path, client = make()
    plug = Plug()
    bios = [Bio(WRITE, sector, len(DATA), client, DATA, FUA) for sector in (8, 80)]
    for bio in bios:
        path.device.submit(bio, plug)
    plug.finish()
    world.run()
    assert (words(path), [bio.status for bio in bios]) == ("w8 w80 f", [OK, OK])


def test_data_that_fails_is_not_flushed_and_a_failed_flush_behind_fails_the_write():
    world, path, client = make()
    path.driver.script.append(Answer(MEDIUM, delay_ns=1))
    failed = client.write(8, DATA, FUA)
    world.run()
    assert (failed.status, failed.fate, words(path)) == (MEDIUM, ANSWERED, "w8")
    path.driver.script.extend([Answer(delay_ns=1), Answer(TRANSPORT, delay_ns=1)])
    unsure = client.write(8, DATA, FUA)
    world.run()
    assert (unsure.status, words(path)) == (TRANSPORT, "w8 w8 f")
    assert path.device.idle()


def test_a_flush_is_first_in_line():
    world, path, client = make(scheduler="mq-deadline")
    path.device.requests.depth = 1
    for number in range(3):
        client.write(100 * number, DATA)
    client.flush()
    world.run()
    assert words(path) == "w0 f w100 w200", "before w100 even, which had left the elevator"


def test_a_failed_path_gives_back_who_waits_for_a_flush():
    world, path, client = make()
    running = client.flush()
    world.settle()
    waiting = [client.flush(), client.write(8, DATA, PREFLUSH)]
    path.device.requests.bounce()
    world.settle()
    assert [(bio.status, bio.fate) for bio in waiting] == [(RESOURCE, NOT_SENT)] * 2
    world.run()
    assert (running.status, words(path), path.device.idle()) == (OK, "f", True)


def test_who_waits_for_a_flush_and_dies_is_dropped():
    world, path, client = make()
    other = Client(path.device)
    client.flush()
    world.settle()
    dying = [other.write(8, DATA, PREFLUSH), other.flush()]
    kept = client.write(16, DATA, PREFLUSH)
    other.dead = True
    path.device.cancel_dead()
    assert [bio.status for bio in dying] == [IOERR] * 2
    world.run()
    assert (kept.status, words(path)) == (OK, "f f w16")


def test_data_that_waits_for_a_tag_goes_with_its_client():
    world, path, client = make()
    other = Client(path.device)
    path.device.requests.depth = 1
    path.driver.script.append(Answer(silent=True))
    client.read(0, 512)
    dying = other.write(8, DATA, FUA)
    other.dead = True
    path.device.cancel_dead()
    world.settle()
    assert (dying.status, path.device.requests.waiting()) == (IOERR, 0)
    path.driver.deliver_all(Answer())
    world.run()
    assert (words(path), path.device.idle()) == ("r0", True)


class Gate(FlushGate):
    def __init__(self) -> None:
        self.refused: list[Client] = []

    def may_promise(self, bio: Bio) -> bool:
        return bio.client() not in self.refused


def test_who_may_not_be_promised_anything_fails_alone():
    world, path, client = make()
    other = Client(path.device)
    gate = Gate()
    path.device.requests.flushes.gate = gate
    client.flush()
    world.settle()
    shared = [client.flush(), other.flush(), client.write(8, DATA, FUA)]
    world.settle()
    gate.refused = [client]
    world.run()
    assert [bio.status for bio in shared] == [IOERR, OK, IOERR]
    assert client.flush() is not None
    sent = len(path.driver.sent)
    world.run()
    assert (client.done[-1].status, len(path.driver.sent)) == (IOERR, sent), "and is not even sent"


def make_map(mode: str, limits=CACHED) -> Rig:
    rig = make_multipath(World(), mode=mode, limits=limits)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    return rig


@pytest.mark.parametrize(
    ("mode", "above", "below"),
    [("rq", (16, 16), ((8, 4, 0), (8, 4, 0))), ("bio", (16, 0), ((0, 8, 8), (0, 8, 8)))],
)
def test_what_is_counted_above_and_below(mode: str, above: tuple[int, int], below: tuple[tuple[int, int, int], ...]):
    """Transcript 84, eight synchronous writes over paths without FUA, each followed by a flush: request-based, the map's own
    machine sends a flush behind every write and the paths count commands; bio-based, each path flushes what it has written."""
    rig = make_map(mode)
    for number in range(8):
        rig.client.write(8 * number, DATA, FUA)
        rig.world.run()
        rig.client.flush()
        rig.world.run()
    fields = rig.device.counters(0)
    assert (fields[4], fields[15]) == above
    if mode == "bio":
        # Round-robin: every write goes to one path, and every flush to the other.
        below = ((0, 8, 8), (0, 8, 8))
    counts = [path.device.counters(0) for path in rig.paths]
    assert tuple((count[0], count[4], count[15]) for count in counts) == below


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_flush_whose_path_fails_goes_down_the_other(mode: str):
    rig = make_map(mode)
    rig.paths[0].driver.script.append(Answer(TRANSPORT, delay_ns=NS_PER_MS))
    flush, write = rig.client.flush(), rig.client.write(8, DATA, PREFLUSH | FUA)
    rig.world.run(NS_PER_S)
    assert (flush.status, write.status, rig.letters()) == (OK, OK, "FA")
    assert rig.at_rest()


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_write_that_wants_a_flush_before_it_goes_after_it(mode: str):
    rig = make_map(mode, LIMITS)
    write = rig.client.write(8, DATA, PREFLUSH)
    rig.world.run()
    # The flush has its own turn of round-robin, and the data that had it wants none on its path.
    sent = [[op for op, _, _ in path.driver.sent] for path in rig.paths]
    assert (write.status, sent, rig.world.clock.now_ns) == (OK, [[FLUSH], [WRITE]], 2 * NS_PER_MS)
    assert rig.store.data[4096:8192] == DATA


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_where_the_flush_before_it_fails_a_write_is_not_sent(mode: str):
    rig = make_map(mode, LIMITS)
    rig.paths[0].driver.script.append(Answer(MEDIUM, delay_ns=NS_PER_MS))
    write = rig.client.write(8, DATA, PREFLUSH)
    rig.world.run()
    assert (write.status, [path.driver.sent for path in rig.paths]) == (MEDIUM, [[(FLUSH, 0, 0)], []])
    assert rig.at_rest()


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_fua_goes_down_with_the_data_and_what_wants_no_flush_any_more_says_so(mode: str):
    """Bio-based the data has the priority that the whole had, too."""
    seen: list[tuple[int, int, int]] = []

    class Seeing(RamDriver):
        def queue_rq(self, request: Request) -> int:
            seen.append((request.op, request.flags & (FUA | PREFLUSH), request.ioprio))
            return super().queue_rq(request)

    rig = make_multipath(World(), mode=mode, make_driver=Seeing)
    bio = Bio(WRITE, 8, len(DATA), rig.client, DATA, PREFLUSH | FUA)
    bio.ioprio = 1 << 13
    rig.client.submit([bio])
    rig.world.run()
    assert (bio.status, seen) == (OK, [(FLUSH, 0, 0), (WRITE, FUA, 1 << 13)])


@pytest.mark.parametrize("fua", [False, True])
def test_a_driver_hears_of_fua_only_where_it_can_do_that(fua: bool):
    _, path, client = make(replace(CACHED, fua=fua))
    path.driver.default = Answer(silent=True)
    client.write(8, DATA, FUA)
    assert [request.flags & (FUA | PREFLUSH) for request in path.driver.outstanding()] == [FUA if fua else 0]


@pytest.mark.parametrize(("scheduler", "order"), [("none", "f w1000 r100 r200"), ("mq-deadline", "f r100 w1000 r200")])
def test_data_whose_flush_is_done_goes_before_what_waits(scheduler: str, order: str):
    """But for what the elevator has given already: of tags it has given one request too many."""
    world, path, client = make(scheduler=scheduler)
    path.device.requests.depth = 1
    client.write(1000, DATA, PREFLUSH)
    world.settle()
    for sector in (100, 200):
        client.read(sector, 512)
    world.run()
    assert words(path) == order
