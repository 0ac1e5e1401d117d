"""OldClock: historical-service-time with the start times that a bio-based map had in Linux before 5.19. In the laboratory only.

dm took the start of a bio in jiffies, and converted them to nanoseconds when it ended; the end was taken from a clock of
nanoseconds. Two things are lost on the way:

- what is less than a jiffy (`jiffy_ns`): the time is rounded down;
- the conversion goes by way of microseconds in 32 bits, and jiffies count from five minutes *before* the machine was started (so
  that whoever does not bear with their overflow is found out early): what comes out is `early_ns` before the true time. That is
  300 s from five minutes after the start of the machine on, 4,295 s more each time that 32 bits are full, and in the first five
  minutes it is a time to come, 3,995 s ahead.

dm: dm_start_time_ns_from_clone(), jiffies_to_nsecs(), INITIAL_JIFFIES as of 5.18; dm-devel 2022-04-27 changed it.
"""

from typing import Final

from hawser.core.clock import NEVER
from hawser.core.units import NS_PER_S
from hawser.lab.model.bench import Bench
from hawser.multipath.path import Path
from hawser.multipath.selectors.historical_service_time import HistoricalServiceTime

# By how much a start is too early: from 5 minutes after the machine was started to 76, in the first 5, and from 76 to 148.
EARLY_NS: Final = 300 * NS_PER_S
FULL_NS: Final = 4_294_967_296_000
BOOTING_NS: Final = EARLY_NS - FULL_NS
LATER_NS: Final = EARLY_NS + FULL_NS


class OldClock(HistoricalServiceTime):
    """`jiffy_ns` 0: the exact time."""

    def __init__(self, base_weight: int, threshold: int, jiffy_ns: int, early_ns: int) -> None:
        super().__init__(base_weight, threshold)
        self.jiffy_ns = jiffy_ns
        self.early_ns = early_ns

    def end_io(self, path: Path, size: int, start_ns: int) -> None:
        if start_ns != NEVER and self.jiffy_ns:
            start_ns = start_ns // self.jiffy_ns * self.jiffy_ns - self.early_ns
        super().end_io(path, size, start_ns)


def give_old_clock(bench: Bench, jiffy_ns: int, early_ns: int) -> None:
    """The selector of a bench that has not run yet, historical-service-time, is exchanged for one with the old clock."""
    group = bench.target().state.groups[0]
    usual = group.selector
    assert isinstance(usual, HistoricalServiceTime)
    old = OldClock(usual.base_weight, usual.threshold, jiffy_ns, early_ns)
    old.valid = usual.valid
    old.failed = usual.failed
    old.clock = usual.clock
    old.log = usual.log
    group.selector = old
