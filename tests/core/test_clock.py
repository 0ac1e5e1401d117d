"""Clock and timers: deadlines come up in order, once, and only the newest of a timer counts."""

from hawser.core.clock import NEVER, Clock, Timer, Timers


class Noting(Timer):
    """Writes its name down; `again_ns` re-arms it from within."""

    def __init__(self, timers: Timers, heard: list[str], name: str, again_ns: int = NEVER) -> None:
        super().__init__()
        self.timers = timers
        self.heard = heard
        self.name = name
        self.again_ns = again_ns

    def expire(self) -> None:
        self.heard.append(self.name)
        if self.again_ns != NEVER:
            self.timers.arm(self, self.again_ns)


def make() -> tuple[Clock, Timers, list[str]]:
    clock = Clock()
    return clock, Timers(clock), []


def test_deadlines_come_up_in_order_and_equal_ones_in_order_of_arming():
    clock, timers, heard = make()
    for name, delay_ns in [("c", 30), ("a", 10), ("b1", 20), ("b2", 20)]:
        timers.arm(Noting(timers, heard, name), delay_ns)
    assert timers.next_deadline_ns() == 10
    clock.now_ns = 20
    assert timers.advance() == 3
    assert heard == ["a", "b1", "b2"]
    clock.now_ns = 29
    assert timers.advance() == 0
    clock.now_ns = 30
    assert timers.advance() == 1
    assert timers.next_deadline_ns() == NEVER


def test_rearming_forgets_the_deadline_before():
    clock, timers, heard = make()
    timer = Noting(timers, heard, "t")
    timers.arm(timer, 10)
    timers.arm(timer, 50)
    assert timers.next_deadline_ns() == 50
    clock.now_ns = 49
    assert timers.advance() == 0
    timers.arm(timer, 0)
    assert timers.advance() == 1
    assert not timer.is_armed()
    clock.now_ns = 100
    assert timers.advance() == 0
    assert heard == ["t"]


def test_a_cancelled_timer_is_silent_and_may_be_armed_again():
    clock, timers, heard = make()
    timer = Noting(timers, heard, "t")
    timers.cancel(timer)
    timers.arm(timer, 10)
    timers.cancel(timer)
    timers.cancel(timer)
    clock.now_ns = 10
    assert timers.advance() == 0
    timers.arm(timer, 5)
    clock.now_ns = 15
    assert timers.advance() == 1
    assert heard == ["t"]


def test_a_timer_may_arm_itself_again_while_it_expires():
    clock, timers, heard = make()
    timers.arm(Noting(timers, heard, "tick", again_ns=10), 10)
    for now_ns in (10, 20, 30):
        clock.now_ns = now_ns
        assert timers.advance() == 1
    assert heard == ["tick"] * 3


def test_stale_entries_are_swept():
    _, timers, heard = make()
    timer = Noting(timers, heard, "t")
    for _ in range(100_000):
        timers.arm(timer, 1000)
    assert len(timers._heap) <= Timers.SWEEP_MIN + 1
    assert timers.next_deadline_ns() == 1000


class Sweeping(Noting):
    """Arms another timer so often that the heap is swept in the middle of `advance`."""

    def expire(self) -> None:
        super().expire()
        other = Noting(self.timers, self.heard, "other")
        for _ in range(200):
            self.timers.arm(other, 5)
        self.timers.arm(Noting(self.timers, self.heard, "now"), 0)


def test_a_sweep_during_advance_loses_nothing_and_repeats_nothing():
    clock, timers, heard = make()
    timers.arm(Sweeping(timers, heard, "sweeper"), 10)
    for number in range(5):
        timers.arm(Noting(timers, heard, f"after{number}"), 10)
    clock.now_ns = 10
    timers.advance()
    assert heard == ["sweeper", "after0", "after1", "after2", "after3", "after4", "now"]
    clock.now_ns = 15
    timers.advance()
    assert heard[-1] == "other"
    assert heard.count("other") == 1
    assert timers.next_deadline_ns() == NEVER
