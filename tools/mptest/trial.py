"""One case in one mode: its rounds under fio, and what came of it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.fleet import Fleet
from tools.mptest.cases import CASES, Case
from tools.mptest.plan import Variant
from tools.mptest.rig import Rig

NS_PER_S = 1e9
# After the first path is back I/O goes on within one period of the kernel's delayed requeue (DELAY_REQUEUE, drivers/md/dm-rq.c).
RESUME_BOUND_S = 0.100
# How far the two paths of a group may be from half of its commands each. A server that a busy machine neglects has its I/O in
# flight for longer, and queue-length then rightly prefers the other: that is judged by more.
HALF_TOLERANCE = 0.05
BUSY_TOLERANCE = 0.25


def is_even(carried: tuple[int, ...], tolerance: float = HALF_TOLERANCE) -> bool:
    """Whether the first two paths have carried half each."""
    half = (carried[0] + carried[1]) / 2
    return abs(carried[0] - half) <= tolerance * half


@dataclass
class Result:
    """Times in seconds. `ios`: fio's and the other client's; `longest_s`: fio's slowest; `outages_s`: how long there was no path,
    each time, `resumed_s`: how long it took from then to the first answer; `carried`: commands of each path."""

    variant: Variant
    rounds: int = 0
    ios: tuple[int, int] = (0, 0)
    longest_s: float = 0.0
    outages_s: list[float] = field(default_factory=list)
    resumed_s: list[float] = field(default_factory=list)
    carried: tuple[int, ...] = ()
    failures: list[int] = field(default_factory=list)
    events: int = 0
    error: str = ""

    def longest_bound_s(self) -> float:
        """The slowest I/O may have waited for the longest outage, and for I/O to go on."""
        return max(self.outages_s, default=0.0) + RESUME_BOUND_S

    def problems(self) -> list[str]:
        """What is out of its bounds, in words."""
        slack_s = self.variant.slack_s
        found: list[str] = []
        resumed_s = max(self.resumed_s, default=0.0)
        if resumed_s > RESUME_BOUND_S + slack_s:
            found.append(f"I/O went on {resumed_s * 1000:.0f} ms after the first path was back")
        if self.longest_s > self.longest_bound_s() + slack_s:
            found.append(f"an I/O took {self.longest_s:.3f} s, of {self.longest_bound_s():.3f} s that it may")
        if self.variant.case == "M-00" and not is_even(self.carried, BUSY_TOLERANCE if slack_s else HALF_TOLERANCE):
            found.append("the paths of group 1 have not carried half each")
        return found


def _quiet(_text: str) -> None:
    """Nobody wants to know."""


def play(variant: Variant, tell: Callable[[str], None] = _quiet, kind: type[Case] | None = None) -> Result:
    """Servers and all in a directory of their own, taken apart at the end. AssertionError or OSError when something is wrong; how
    long things took is for whoever asked to judge. `kind`: another case in place of the one that the variant names."""
    directory = Path(tempfile.mkdtemp(prefix="hw-", dir="/tmp"))
    fleet = Fleet(directory)
    try:
        return _play(Rig(fleet, variant, tell), kind or CASES[variant.case])
    finally:
        fleet.close()
        shutil.rmtree(directory, ignore_errors=True)


def _play(rig: Rig, kind: type[Case]) -> Result:
    case = kind(rig)
    result = Result(rig.variant)
    rig.begin()
    while rig.goes_on() or result.rounds < case.ROUNDS_MIN:
        case.round(result.rounds)
        result.rounds += 1
    result.carried = rig.counts().since(rig.begun)
    result.failures = rig.status().failures()
    result.events = rig.events()
    case.check()
    rig.end()
    jobs = rig.fio_jobs()
    assert all(job["error"] == 0 for job in jobs), jobs
    assert any(job["read"]["total_ios"] for job in jobs), "fio has verified nothing"
    ways: list[dict[str, Any]] = [job[way] for job in jobs for way in ("read", "write")]
    result.ios = (sum(way["total_ios"] for way in ways), rig.load.done())
    result.longest_s = max(way["clat_ns"]["max"] for way in ways) / NS_PER_S
    result.outages_s = [outage.ended - outage.began for outage in rig.outages]
    result.resumed_s = [outage.resumed_after_s() for outage in rig.outages]
    assert bool(rig.outages) == case.HAS_OUTAGES
    return result


def run(variant: Variant, tell: Callable[[str], None] = _quiet) -> Result:
    """The same, with what is wrong in the result."""
    try:
        return play(variant, tell)
    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
        return Result(variant, error=str(error).splitlines()[0] if str(error) else type(error).__name__)
