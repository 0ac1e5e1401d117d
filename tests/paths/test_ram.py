"""RAM paths: one store behind all of them, answers now or after a delay, and what a break does to what is under way."""

import pytest

from hawser.block.bio import Bio, BioOwner
from hawser.block.limits import QueueLimits
from hawser.block.ops import FLUSH, READ, WRITE, WRITE_ZEROES
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.block.request import NOT_SENT
from hawser.core.clock import Clock, Timers
from hawser.core.status import OK, TRANSPORT
from hawser.core.turn import Turn
from hawser.core.units import NS_PER_MS
from hawser.paths.ram import RamPathDriver, RamStore


class Owner(BioOwner):
    def __init__(self) -> None:
        super().__init__()
        self.done: list[Bio] = []

    def bio_done(self, bio: Bio) -> None:
        self.done.append(bio)


class Bench:
    """One RAM path under a queue of its own."""

    def __init__(self, delay_ns: int = 0, store: RamStore | None = None) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.turn = Turn()
        self.store = store or RamStore(64 * 1024)
        self.driver = RamPathDriver("ram", self.store, self.turn, self.timers, delay_ns)
        self.queue = RequestQueue("ram", self.driver, QueueLimits(), self.turn, self.timers)
        self.owner = Owner()

    def submit(self, op: int, sector: int = 0, size: int = 512, data: bytes | None = None) -> Bio:
        plug = Plug()
        bio = Bio(op, sector, size, self.owner, data)
        self.queue.submit(bio, plug)
        plug.finish()
        self.turn.drain()
        return bio

    def advance(self, delay_ns: int) -> None:
        self.clock.now_ns += delay_ns
        self.timers.advance()
        self.turn.drain()


def test_what_is_written_through_one_path_is_read_through_another():
    one = Bench()
    two = Bench(store=one.store)
    one.submit(WRITE, 3, 512, b"x" * 512)
    one.submit(FLUSH, 0, 0)
    bio = two.submit(READ, 2, 1536)
    assert bio.status == OK
    assert bytes(bio.data or b"") == bytes(512) + b"x" * 512 + bytes(512)
    two.submit(WRITE_ZEROES, 3, 512)
    assert one.store.data.count(0) == len(one.store.data)


def test_a_delay_is_kept_for_each():
    bench = Bench(2 * NS_PER_MS)
    first = bench.submit(READ)
    bench.advance(NS_PER_MS)
    second = bench.submit(READ, 8)
    assert bench.owner.done == []
    assert len(bench.driver.outstanding()) == bench.queue.in_flight == 2
    bench.advance(NS_PER_MS)
    assert bench.owner.done == [first]
    bench.advance(NS_PER_MS)
    assert bench.owner.done == [first, second]
    assert bench.driver.outstanding() == []


@pytest.mark.parametrize("end", ["broken", "shut down"])
def test_what_is_under_way_at_a_break_never_reaches_the_store(end: str):
    bench = Bench(2 * NS_PER_MS)
    bio = bench.submit(WRITE, 0, 512, b"x" * 512)
    if end == "broken":
        bench.driver.set_broken(True)
    else:
        bench.driver.shut_down()
    bench.turn.drain()
    assert (bio.status, bio.fate) == (TRANSPORT, NOT_SENT)
    bench.advance(10 * NS_PER_MS)
    assert bench.store.data.count(0) == len(bench.store.data)
    assert bench.owner.done == [bio]


def test_a_broken_path_answers_at_once_and_a_mended_one_as_before():
    bench = Bench(2 * NS_PER_MS)
    bench.driver.set_broken(True)
    assert bench.driver.trouble() == "is broken"
    assert bench.submit(READ).status == TRANSPORT
    bench.driver.set_broken(False)
    assert bench.driver.trouble() == ""
    bio = bench.submit(READ)
    bench.advance(2 * NS_PER_MS)
    assert bio.status == OK
