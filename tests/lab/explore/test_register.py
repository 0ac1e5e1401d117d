"""The oracle of the exploration, sector by sector: what may be read, and what a power loss may leave."""

from hawser.lab.explore.judge import APPEARED, FLUSH_LIED, LOST, SUPERSEDED, UNWRITTEN, Judge
from hawser.lab.explore.register import Automaton

ONE, TWO, THREE = (number << 16 for number in (1, 2, 3))


class Sector:
    """A judge of one sector, with shorter names."""

    def __init__(self, durable: bool = False) -> None:
        self.judge = Judge(1, Automaton(durable))
        self.reads = 100

    def write(self, value: int, ok: bool = True) -> None:
        self.begin(value)
        self.end(value, ok)

    def begin(self, value: int) -> None:
        self.judge.begin_write(0, [value])

    def end(self, value: int, ok: bool = True) -> None:
        self.judge.end_write(0, [value], ok)

    def begin_read(self) -> int:
        self.reads += 1
        self.judge.begin_read(self.reads, 0, 1)
        return self.reads

    def read(self, value: int) -> str:
        return self.end_read(self.begin_read(), value)

    def end_read(self, number: int, value: int) -> str:
        self.judge.end_read(number, 0, [value], True)
        return self.fault()

    def flush(self, ok: bool = True) -> str:
        self.judge.begin_flush(200)
        self.judge.end_flush(200, ok)
        return self.fault()

    def lose_power(self, left: int) -> str:
        self.judge.check_power_loss([left])
        return self.fault()

    def fault(self) -> str:
        fault = self.judge.fault
        self.judge.fault = None
        return fault.kind if fault else ""


def test_what_was_acknowledged_is_what_is_read():
    sector = Sector()
    assert sector.read(0) == ""
    sector.write(ONE)
    assert sector.read(0) == SUPERSEDED
    assert sector.read(TWO) == SUPERSEDED
    assert sector.read(77) == UNWRITTEN
    assert sector.read(ONE) == ""
    sector.write(TWO)
    assert sector.read(ONE) == SUPERSEDED


def test_an_unanswered_write_may_be_read_or_not_yet():
    sector = Sector()
    sector.begin(ONE)
    assert sector.read(0) == ""
    assert sector.read(ONE) == ""
    assert sector.read(0) == SUPERSEDED


def test_overlapping_writes_may_end_in_either_order_and_then_it_is_settled():
    sector = Sector()
    sector.begin(ONE)
    sector.begin(TWO)
    sector.end(ONE)
    sector.end(TWO)
    assert sector.read(ONE) == ""
    assert sector.read(TWO) == SUPERSEDED


def test_unanswered_writes_may_be_seen_in_turns():
    """A retry may execute one of them twice; nothing is promised about I/O in flight."""
    sector = Sector()
    sector.begin(ONE)
    sector.begin(TWO)
    for value in (ONE, TWO, ONE, TWO):
        assert sector.read(value) == ""
    sector.end(ONE)
    assert sector.read(TWO) == ""
    assert sector.read(ONE) == SUPERSEDED


def test_a_failed_write_may_appear_until_something_else_was_read():
    sector = Sector()
    sector.write(ONE, ok=False)
    number = sector.begin_read()
    assert sector.end_read(number, 0) == ""
    assert sector.read(ONE) == APPEARED
    other = Sector()
    other.write(ONE, ok=False)
    assert other.read(ONE) == ""
    assert other.read(0) == SUPERSEDED


def test_a_read_that_began_before_the_failure_decides_nothing():
    sector = Sector()
    sector.begin(ONE)
    number = sector.begin_read()
    sector.end(ONE, ok=False)
    assert sector.end_read(number, 0) == ""
    assert sector.read(ONE) == ""


def test_a_failed_write_does_not_come_after_a_newer_acknowledged_one():
    sector = Sector()
    sector.write(ONE, ok=False)
    sector.write(TWO)
    assert sector.read(ONE) == APPEARED
    assert sector.read(TWO) == ""


def test_a_failed_write_may_come_after_one_that_was_in_flight_beside_it():
    sector = Sector()
    sector.begin(ONE)
    sector.begin(TWO)
    sector.end(ONE, ok=False)
    sector.end(TWO)
    assert sector.read(ONE) == ""


def test_a_power_loss_leaves_what_was_flushed_or_something_newer():
    sector = Sector(durable=True)
    sector.write(ONE)
    assert sector.lose_power(0) == ""
    assert sector.flush() == ""
    assert sector.lose_power(0) == LOST
    sector.write(TWO)
    assert sector.lose_power(ONE) == ""
    assert sector.lose_power(TWO) == ""
    sector.begin(THREE)
    assert sector.lose_power(THREE) == ""


def test_a_flush_covers_what_was_acknowledged_before_it_began():
    sector = Sector(durable=True)
    sector.begin(ONE)
    sector.judge.begin_flush(1)
    sector.end(ONE)
    sector.judge.end_flush(1, True)
    assert sector.lose_power(0) == ""
    sector.flush()
    assert sector.lose_power(0) == LOST


def test_a_flush_that_failed_promises_nothing():
    sector = Sector(durable=True)
    sector.write(ONE)
    sector.flush(ok=False)
    assert sector.lose_power(0) == ""


def test_after_a_cache_was_lost_the_old_value_is_back_and_a_flush_must_fail():
    sector = Sector(durable=True)
    sector.write(ONE)
    sector.judge.lose(0, 0)
    assert sector.read(0) == ""
    assert sector.flush() == FLUSH_LIED


def test_states_are_shared_by_all_that_have_the_same_future():
    automaton = Automaton(durable=False)
    first, second = Judge(1, automaton), Judge(1, automaton)
    for judge, order in ((first, (ONE, TWO)), (second, (TWO, ONE))):
        judge.begin_write(0, [ONE])
        judge.begin_write(0, [TWO])
        for value in order:
            judge.end_write(0, [value], True)
    assert first.key() == second.key()
