"""The oracle itself: what it must allow, and what it must not. A judge who cannot be wrong cannot be trusted."""

from hawser.lab.oracles.history import History
from hawser.lab.payload import value_of

OLD, NEW, NEWER = value_of(1, 0), value_of(2, 0), value_of(3, 0)


def write(history: History, value: int, ok: bool = True, durable: bool = False) -> None:
    history.end_write(0, history.begin_write(0, [value]), ok, durable)


def read(history: History, value: int) -> str:
    return history.end_read(0, history.begin_read(), [value])


def flush(history: History, opened: int = 0) -> str:
    return history.end_flush(history.begin_flush(), opened, True)


def test_an_acknowledged_write_is_what_is_read():
    history = History(1)
    write(history, OLD)
    write(history, NEW)
    assert read(history, NEW) == ""
    assert "write 1 is back, which write 2 superseded" in read(history, OLD)
    assert "zeroes are back, which write 1 superseded" in read(history, 0)


def test_a_value_that_nobody_wrote_there_is_told():
    history = History(2)
    write(history, OLD)
    assert "nobody wrote there" in read(history, NEWER)
    assert "nobody wrote there" in history.end_read(1, history.begin_read(), [OLD])


def test_while_a_write_is_unanswered_both_may_be_read():
    history = History(1)
    write(history, OLD)
    history.begin_write(0, [NEW])
    assert read(history, OLD) == ""
    assert read(history, NEW) == ""
    assert "is back" in read(history, OLD)


def test_a_failed_write_may_appear_until_a_read_has_decided():
    history = History(1)
    write(history, OLD)
    write(history, NEW, ok=False)
    assert read(history, OLD) == ""
    assert "write 2 is back" in read(history, NEW)


def test_a_failed_write_that_was_read_stays():
    history = History(1)
    write(history, OLD)
    write(history, NEW, ok=False)
    assert read(history, NEW) == ""
    assert "write 1 is back" in read(history, OLD)


def test_a_failed_write_must_not_land_on_a_later_acknowledged_one():
    history = History(1)
    write(history, OLD, ok=False)
    write(history, NEW)
    assert "write 1 is back" in read(history, OLD)


def test_a_read_that_began_before_may_return_what_was_superseded_meanwhile():
    history = History(1)
    write(history, OLD, durable=True)
    started = history.begin_read()
    write(history, NEW, durable=True)
    assert history.end_read(0, started, [OLD]) == ""
    assert read(history, NEW) == ""


def test_concurrent_writes_may_be_in_any_order_until_a_read_decides():
    history = History(1)
    first = history.begin_write(0, [OLD])
    second = history.begin_write(0, [NEW])
    history.end_write(0, second, True)
    history.end_write(0, first, True)
    assert read(history, NEW) == ""
    assert "is back" in read(history, OLD)


def test_a_flushed_write_survives_a_power_loss():
    history = History(1)
    write(history, OLD)
    assert flush(history) == ""
    assert "nobody wrote" not in history.lose_power([OLD])
    assert history.survivors == 1 and not history.faults

    write(history, NEW)
    assert flush(history) == ""
    assert "write 1 is back" in history.lose_power([OLD])


def test_an_unflushed_write_may_survive_a_power_loss_or_not():
    for left in (OLD, NEW):
        history = History(1)
        write(history, OLD)
        flush(history)
        write(history, NEW)
        assert history.lose_power([left]) == ""
        assert read(history, left) == ""
        assert "is back" in read(history, OLD + NEW - left) or "nobody wrote" in read(history, OLD + NEW - left)


def test_a_fua_write_is_durable_and_hides_what_was_before():
    history = History(1)
    write(history, OLD)
    write(history, NEW, durable=True)
    assert "superseded by something durable" in history.lose_power([OLD])


def test_a_flush_covers_only_what_was_acknowledged_before_it_began():
    history = History(1)
    write(history, OLD)
    started = history.begin_flush()
    write(history, NEW)
    assert history.end_flush(started, 0, True) == ""
    assert history.lose_power([OLD]) == ""


def test_after_a_legal_loss_the_older_value_may_be_read_but_a_flush_must_not_succeed():
    history = History(1)
    write(history, OLD)
    flush(history)
    opened = history.moment
    write(history, NEW)
    history.lose(0, NEW, OLD, [])
    assert read(history, OLD) == ""
    assert "a flush succeeded although write 2" in flush(history, opened)


def test_a_client_that_opened_after_the_loss_may_flush():
    history = History(1)
    write(history, NEW)
    history.lose(0, NEW, 0, [])
    assert flush(history, opened=history.moment) == ""


def test_a_loss_does_not_bring_back_what_something_durable_came_after():
    history = History(1)
    write(history, OLD)
    write(history, NEW)
    flush(history)
    write(history, NEWER)
    history.lose(0, NEWER, OLD, [])
    assert "write 1 is back" in read(history, OLD)


def test_written_through_means_that_an_acknowledgement_is_durable():
    history = History(1, written_through=True)
    write(history, OLD)
    write(history, NEW)
    assert "is back" in history.lose_power([OLD])


def test_two_discards_are_told_apart_by_nothing_but_time():
    history = History(1)
    write(history, OLD)
    write(history, 0)
    assert read(history, 0) == ""
    write(history, NEW)
    write(history, 0)
    assert read(history, 0) == ""
    assert "is back" in read(history, NEW)


def test_where_two_durable_writes_supersede_each_other_any_value_is_wrong():
    """Two servers' caches that know nothing of each other show first the one, then the other."""
    history = History(1)
    one, other = history.begin_write(0, [OLD]), history.begin_write(0, [NEW])
    history.end_write(0, one, True, True)
    history.end_write(0, other, True, True)
    first, second = history.begin_read(), history.begin_read()
    assert history.end_read(0, first, [OLD]) == ""
    assert history.end_read(0, second, [NEW]) == ""
    flush(history)
    assert "superseded by something durable" in read(history, OLD)


def test_while_one_leg_of_a_mirror_shows_what_it_had_before_a_loss_a_read_decides_nothing():
    history = History(1)
    write(history, OLD)
    flush(history)
    write(history, NEW)
    history.lose(0, NEW, OLD, [NEW])
    assert read(history, OLD) == ""
    assert flush(history) == ""
    assert read(history, NEW) == ""
    assert "is back" in read(history, OLD), "the mirror has found out"


def test_of_a_mirror_only_what_came_after_what_another_leg_holds_is_lost():
    history = History(1)
    write(history, OLD)
    opened = history.moment
    pending = history.begin_write(0, [NEW])
    history.lose(0, NEW, OLD, [OLD])
    assert flush(history, opened) == ""
    history.regain(0, NEW)
    history.end_write(0, pending, True)
    assert read(history, OLD) == "", "from the leg that has lost it"
    assert read(history, NEW) == ""
    write(history, NEWER)
    history.lose(0, NEWER, NEW, [NEW])
    assert "a flush succeeded although write 3" in flush(history, opened)


def test_what_nobody_acknowledged_may_be_gone_when_what_was_before_is_written_again():
    """As if the cache had been lost that held both: a read that saw it was a read of what might have been lost."""
    history = History(1)
    write(history, OLD)
    pending = history.begin_write(0, [NEW])
    assert read(history, NEW) == ""
    history.end_write(0, pending, False)
    history.write_again(0, OLD)
    assert read(history, OLD) == ""
    write(history, NEWER)
    history.write_again(0, OLD)
    assert "is back" in read(history, OLD)
