"""Which cases, in which queue modes, and how long."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

MODES = ("bio", "rq", "mq")
# The cases by the numbers that they have in docs/requirements.md (mptest: 00 to 04), and what is done to the paths.
CASES = {
    "M-00": "no failure",
    "M-01": "servers stopped, killed, started",
    "M-02": "paths deleted, noflush reload",
    "M-03": "fail_path, reinstate_path",
    "M-04": "disable_group, enable_group, switch_group",
}
SECONDS = 30.0
QUICK_SECONDS = 3.0
# Long enough for whoever watches, and as mptest has it; in runs of a few seconds less.
PAUSE_S = 1.0
QUICK_PAUSE_S = 0.3
QUICK_BELOW_S = 10.0


@dataclass(frozen=True)
class Variant:
    """One row. `rate_iops`: so many of fio's writes and reads a second at most; 0: as many as there can be. `slack_s`: how much
    longer than it may anything may take, where the machine has other things to do."""

    case: str
    mode: str
    seconds: float = SECONDS
    rate_iops: int = 0
    slack_s: float = 0.0

    @property
    def pause_s(self) -> float:
        """How long each state of the paths lasts."""
        return PAUSE_S if self.seconds >= QUICK_BELOW_S else QUICK_PAUSE_S


def make(cases: tuple[str, ...], modes: tuple[str, ...], seconds: float, slack_s: float = 0.0) -> list[Variant]:
    """The rows, mode by mode; empty: all."""
    kinds = product(modes or MODES, cases or tuple(CASES))
    return [Variant(case, mode, seconds, slack_s=slack_s) for mode, case in kinds]
