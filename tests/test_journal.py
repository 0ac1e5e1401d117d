"""The judge of the tests with real servers, judged: each kind of loss is told, and what is allowed is."""

from pathlib import Path

import pytest

from tests.support.journal import SECTOR, Journal, LostDataError, Write, stamp

FIRST = 8
COUNT = 4


@pytest.fixture
def journal() -> Journal:
    return Journal(FIRST, COUNT)


def written(journal: Journal, **how: bool) -> Write:
    """A write of all sectors that has been acknowledged."""
    write = journal.write(FIRST, COUNT, **how)
    journal.acknowledge(write)
    return write


def sees(journal: Journal, write: Write) -> bool:
    """Whether a read of all sectors may return that write's data; it is then what is there."""
    read = journal.read(FIRST, COUNT)
    try:
        journal.check(read, journal.data(write))
    except LostDataError:
        return False
    return True


def test_what_was_acknowledged_is_there_and_nothing_older(journal):
    old, new = written(journal), written(journal)
    assert not sees(journal, old)
    assert sees(journal, new)


def test_zeroes_are_a_write_like_any_other(journal):
    old = written(journal)
    assert not sees(journal, Write(0, FIRST, FIRST + COUNT, 0, zeroes=True))
    zeroes = written(journal, zeroes=True)
    assert not sees(journal, old)
    assert sees(journal, zeroes)


def test_what_is_on_its_way_may_be_there_or_not_and_so_in_turns(journal):
    old = written(journal)
    new = journal.write(FIRST, COUNT)
    assert sees(journal, old)
    assert sees(journal, new)


def test_once_its_data_was_read_the_old_value_does_not_come_back(journal):
    old = written(journal)
    new = journal.write(FIRST, COUNT)
    assert sees(journal, new)
    assert not sees(journal, old)


def test_what_failed_may_be_there_or_not_but_not_later(journal):
    old = written(journal)
    for is_done in (True, False):
        failed = journal.write(FIRST, COUNT)
        journal.give_up(failed)
        assert sees(journal, failed if is_done else old)
        assert not sees(journal, old if is_done else failed)
        old = failed if is_done else old


def test_what_failed_does_not_come_over_what_was_acknowledged_later(journal):
    failed = journal.write(FIRST, COUNT)
    journal.give_up(failed)
    written(journal)
    assert not sees(journal, failed)


@pytest.mark.parametrize("first_is_left", [True, False])
def test_two_that_were_on_their_way_at_once_end_in_either_order_and_that_is_then_fixed(journal, first_is_left):
    writes = [journal.write(FIRST, COUNT) for _ in range(2)]
    for write in writes:
        journal.acknowledge(write)
    left, other = writes if first_is_left else reversed(writes)
    assert sees(journal, left)
    assert not sees(journal, other)


def test_a_read_may_return_what_was_there_when_it_was_sent_or_came_since(journal):
    old = written(journal)
    reads = [journal.read(FIRST, COUNT) for _ in range(3)]
    new = journal.write(FIRST, COUNT)
    journal.check(reads[0], journal.data(new))
    journal.acknowledge(new)
    journal.check(reads[1], journal.data(old))
    newest = written(journal)
    with pytest.raises(LostDataError, match=r"sector 8 reads as zeroes, not one of 1, acknowledged; 2, .*; 3, "):
        journal.check(reads[2], bytes(COUNT * SECTOR))
    assert sees(journal, newest)


def test_each_sector_is_judged_by_itself(journal):
    whole = written(journal)
    part = journal.write(FIRST + 1, 2)
    journal.acknowledge(part)
    read = journal.read(FIRST, COUNT)
    data = b"".join((part if sector in (9, 10) else whole).content(sector) for sector in range(FIRST, FIRST + COUNT))
    journal.check(read, data)
    for wrong in (stamp(FIRST + 1, whole.number), b"t" * SECTOR, stamp(FIRST, part.number)):
        with pytest.raises(LostDataError, match=r"sector 9 reads as (write 1|torn)"):
            journal.check(journal.read(FIRST + 1, 1), wrong)


def test_a_sector_that_is_being_written_may_read_as_a_mixture_of_what_it_may_hold_and_only_then(journal):
    older, old = written(journal), written(journal)
    new = journal.write(FIRST, 1)
    mixed = new.content(FIRST)[:32] + old.content(FIRST)[32:]
    journal.check(journal.read(FIRST, 1), mixed)
    with pytest.raises(LostDataError, match="torn"):
        journal.check(journal.read(FIRST, 1), new.content(FIRST)[:32] + older.content(FIRST)[32:])
    journal.acknowledge(new)
    with pytest.raises(LostDataError, match="torn"):
        journal.check(journal.read(FIRST, 1), mixed)


# What is found below.


def below(journal: Journal, image: Path, write: Write) -> bool:
    image.write_bytes(bytes(FIRST * SECTOR) + journal.data(write))
    try:
        journal.check_below(image)
    except LostDataError:
        return False
    return True


def test_until_a_flush_what_was_acknowledged_may_be_missing_below_and_afterwards_not(journal, tmp_path):
    image = tmp_path / "image"
    old, new = written(journal), written(journal)
    assert below(journal, image, old) and below(journal, image, new)
    # Reading fixes what is above, and promises nothing of what is below.
    assert sees(journal, new)
    assert below(journal, image, old)
    journal.flushed(journal.flush())
    assert below(journal, image, new) and not below(journal, image, old)


def test_a_flush_covers_what_was_acknowledged_when_it_was_sent_and_nothing_that_came_later(journal, tmp_path):
    image = tmp_path / "image"
    old = written(journal)
    flush = journal.flush()
    new = written(journal)
    journal.flushed(flush)
    assert below(journal, image, old) and below(journal, image, new)
    assert not below(journal, image, Write(0, FIRST, FIRST + COUNT, 0, zeroes=True))


def test_a_write_with_fua_is_below_when_it_is_acknowledged(journal, tmp_path):
    image = tmp_path / "image"
    old, new = written(journal), written(journal, fua=True)
    assert below(journal, image, new) and not below(journal, image, old)
