"""The kinds of steps that are not replayed, each with its reason. docs/differences.md has the same list.

What a step is is decided by its words alone, and by what was skipped before it.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Kind:
    name: str
    what: str
    reason: str


FOLLOWS: Final = Kind(
    "follows",
    "a step about a device whose table was skipped, about one below it, or about all devices while there is such a one; the "
    "counts of a device whose elevator was not set, its settings, and what lists the elevators that are loaded by then",
    "what it prints depends on the step that was skipped",
)
TARGET: Final = Kind(
    "target",
    "a table with a target that Linux has and hawser does not",
    "only targets that stand below or beside multipath are offered",
)
STATISTICS: Final = Kind(
    "statistics",
    "`dmsetup stats`, and messages that begin with `@stats_`",
    "device mapper's own statistics of regions are not kept; latencies are in the metrics instead",
)
DMSETUP: Final = Kind(
    "dmsetup",
    "where dmsetup explains itself: `help` among the fields of `-o`, and the lists of fields or operators that stand before a "
    "complaint about one that there is not",
    "the words are its authors'",
)
SCHEDULER: Final = Kind(
    "scheduler",
    "the elevators `bfq` and `kyber`",
    "hawser has `none` and `mq-deadline`",
)
PROGRAM: Final = Kind(
    "program",
    "a program other than dmsetup, dd, blockdev, ls, cat, echo and the recorder's own commands; what is listed or read in other "
    "places than /dev/mapper and, of sysfs, block devices and the parameters of device mapper and scsi_debug",
    "nothing is known of what else the recording machine held",
)
NOTE: Final = Kind(
    "note",
    "a note of the recorder's",
    "it is not a command",
)

KINDS: Final = (FOLLOWS, TARGET, STATISTICS, DMSETUP, SCHEDULER, PROGRAM, NOTE)
