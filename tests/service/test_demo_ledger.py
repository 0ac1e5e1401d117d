"""The ledger of the demonstration's load: which reads are right, with writes one after another and at once."""

import pytest

from hawser.service.demo_ledger import Ledger


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(16)


def write(ledger: Ledger, block: int, zeroes: bool = False) -> int:
    """A write that is started and acknowledged."""
    stamp = ledger.start(block, 1, zeroes)
    ledger.acknowledge(block, 1, stamp)
    return stamp


def read(ledger: Ledger, block: int, seen: int) -> str:
    """A read that starts and ends now."""
    return ledger.check(ledger.expect(block, 1), 0, seen)


def test_a_block_is_zero_until_it_is_written(ledger: Ledger):
    assert read(ledger, 3, 0) == ""
    assert read(ledger, 3, 1) == "block 3 holds write 1 where zeroes was acknowledged"


def test_a_read_returns_what_was_acknowledged_last(ledger: Ledger):
    first = write(ledger, 3)
    second = write(ledger, 3)
    assert read(ledger, 3, second) == ""
    assert read(ledger, 3, first) == f"block 3 holds write {first} where write {second} was acknowledged"
    assert read(ledger, 3, 0) == f"block 3 holds zeroes where write {second} was acknowledged"
    assert read(ledger, 4, 0) == ""


def test_a_write_in_flight_may_have_landed_or_not(ledger: Ledger):
    old = write(ledger, 3)
    new = ledger.start(3, 1)
    assert read(ledger, 3, old) == ""
    assert read(ledger, 3, new) == ""
    ledger.acknowledge(3, 1, new)
    assert read(ledger, 3, old) != ""


def test_a_write_that_starts_during_the_read_may_be_seen(ledger: Ledger):
    old = write(ledger, 3)
    expectation = ledger.expect(3, 1)
    new = write(ledger, 3)
    assert ledger.check(expectation, 0, old) == ""
    assert ledger.check(expectation, 0, new) == ""
    assert read(ledger, 3, old) != ""


def test_of_two_writes_at_once_either_may_be_last(ledger: Ledger):
    old = write(ledger, 3)
    one, two = ledger.start(3, 1), ledger.start(3, 1)
    ledger.acknowledge(3, 1, two)
    assert [read(ledger, 3, seen) == "" for seen in (old, one, two)] == [False, True, True]
    ledger.acknowledge(3, 1, one)
    assert [read(ledger, 3, seen) == "" for seen in (old, two)] == [False, True]


def test_once_seen_at_rest_the_last_one_is_known(ledger: Ledger):
    one, two = ledger.start(3, 1), ledger.start(3, 1)
    ledger.acknowledge(3, 1, two)
    ledger.acknowledge(3, 1, one)
    assert read(ledger, 3, two) == ""
    assert read(ledger, 3, one) != ""


def test_a_read_that_overlaps_a_write_settles_nothing(ledger: Ledger):
    one, two = ledger.start(3, 1), ledger.start(3, 1)
    ledger.acknowledge(3, 1, two)
    assert read(ledger, 3, two) == ""
    ledger.acknowledge(3, 1, one)
    assert read(ledger, 3, one) == ""


def test_a_write_that_started_after_both_ends_the_doubt(ledger: Ledger):
    one, two = ledger.start(3, 1), ledger.start(3, 1)
    ledger.acknowledge(3, 1, two)
    ledger.acknowledge(3, 1, one)
    three = write(ledger, 3)
    assert [read(ledger, 3, seen) == "" for seen in (one, two, three)] == [False, False, True]


def test_a_write_acknowledged_before_another_started_is_out_with_that_ones_acknowledgement(ledger: Ledger):
    slow = ledger.start(3, 1)
    early = write(ledger, 3)
    late = write(ledger, 3)
    assert [read(ledger, 3, seen) == "" for seen in (slow, early, late)] == [True, False, True]


def test_a_failed_write_may_have_landed_until_the_next_one(ledger: Ledger):
    old = write(ledger, 3)
    failed = ledger.start(3, 1)
    ledger.give_up(3, 1, failed)
    assert read(ledger, 3, old) == ""
    last = write(ledger, 3)
    assert [read(ledger, 3, seen) == "" for seen in (old, failed, last)] == [False, False, True]


def test_zeroes_are_a_value_like_any_other(ledger: Ledger):
    old = write(ledger, 3)
    expectation = ledger.expect(3, 1)
    write(ledger, 3, zeroes=True)
    assert ledger.check(expectation, 0, 0) == ""
    assert read(ledger, 3, 0) == ""
    assert read(ledger, 3, old) != ""
    new = write(ledger, 3)
    assert read(ledger, 3, 0) != ""
    assert read(ledger, 3, new) == ""


def test_a_large_write_covers_each_of_its_blocks(ledger: Ledger):
    stamp = ledger.start(2, 3)
    ledger.acknowledge(2, 3, stamp)
    expectation = ledger.expect(1, 5)
    assert [ledger.check(expectation, index, stamp) == "" for index in range(5)] == [False, True, True, True, False]


def test_a_ghost_is_seen(ledger: Ledger):
    """What a multipath that merely resends does: the old copy of a write lands after a newer one was acknowledged."""
    ghost = write(ledger, 3)
    write(ledger, 3)
    assert read(ledger, 3, ghost) != ""
