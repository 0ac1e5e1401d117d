"""gray-failure: one of four paths is slow, not dead. Which part of what `hawser serve` ships ends it for clients, and when?

The rig is that of tests/lab/test_slow_path.py (hawser.lab.slow_path): simulated servers, links and drivers, the shipped engine and
manager, an open loop of I/O. Nothing in it is an answer that the path failed: no error, no timeout.
"""

from dataclasses import dataclass
from typing import Final

from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.experiments.base import (
    DERIVED,
    Claim,
    Curve,
    Experiment,
    Findings,
    Progress,
    Series,
    Span,
    Table,
    Value,
    quietly,
)
from hawser.lab.slow_path import SlowPath
from hawser.manager.policy import MarginalPolicy
from hawser.multipath.hedge import SHARE_MAX

# Those that count what is in flight, or count nothing: they cannot tell a slow path while the load is light.
COUNTING: Final = ("round-robin", "queue-length", "service-time")
TIMED: Final = "historical-service-time"

PATHS: Final = 4
SLOW_PATH: Final = 1
TIMES: Final = 50
HEALTHY_NS: Final = 5 * NS_PER_S
SICK_NS: Final = 15 * NS_PER_S
GRACE_NS: Final = 5 * NS_PER_S
AFTER_NS: Final = 12 * NS_PER_S
WINDOW_NS: Final = 500 * NS_PER_MS
# Within so many times the p99 of a healthy map it is over.
OVER: Final = 3
HEDGE_NS: Final = 5 * NS_PER_MS
LATE_NS: Final = 80 * NS_PER_MS
LATE_EVERY_NS: Final = 250 * NS_PER_MS
LATE_SPAN_NS: Final = 40 * NS_PER_S
WHERE: Final = "DESIGN, Hard problems 10, and the bound of tests/lab/test_slow_path.py"

ALONE: Final = "alone"
MARGINAL: Final = "with marginal paths"
HEDGED: Final = "with hedged reads, too"


@dataclass
class Course:
    """One run with a slow path: p99 before, in the first seconds of it and afterwards, in ns; `over_s`: after how long it was over
    (the whole time, if never); `left_ios`: what the slow path was sent in the last part."""

    rig: SlowPath
    began_ns: int
    healthy_ns: int
    first_ns: int
    later_ns: int
    over_s: float
    left_ios: int
    twins: int


class GrayFailure(Experiment):
    name = "gray-failure"
    title = "A path that is slow, not dead"
    hypothesis = (
        "No selector that counts I/Os or bytes gets rid of a path that answers 50 times as slowly while the load is light; the "
        "shipped detection of marginal paths does within 5 s, and hedged reads cut what single late answers cost, for 5 % more reads"
    )
    model = (
        "open loop: bursts of 4 I/Os of 4 KiB every 20 ms, 30 % writes, answered or not; a server takes 1 ms + bytes / 400 MB/s, "
        "4 at once; a wire 50 us each way; the shipped manager at its shipped pace"
    )
    parameters = {
        "P": PATHS,
        "d": 32,
        "k": 97.7,
        "slow_times": TIMES,
        "healthy_s": HEALTHY_NS // NS_PER_S,
        "slow_s": SICK_NS // NS_PER_S,
        "marginal_factor": MarginalPolicy().factor,
        "marginal_after_s": MarginalPolicy().after_ns / NS_PER_S,
        "hedge_after_ms": HEDGE_NS // NS_PER_MS,
        "hedge_percent": SHARE_MAX,
        "late_answer_ms": LATE_NS // NS_PER_MS,
        "late_answer_every_ms": LATE_EVERY_NS // NS_PER_MS,
    }
    source = "the project's own question (anchors 6 F): no figure of anybody else's is compared with"
    requirements = ()

    def __init__(self, mode: str = "rq", selectors: tuple[str, ...] = (*COUNTING, TIMED), marginal: bool = True) -> None:
        """`marginal` False: the detection is switched off where it should be on, so that its claims must fail."""
        self.mode = mode
        self.selectors = selectors
        self.tick_ns = MarginalPolicy().tick_ns if marginal else 0

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        alone, cared, hedged = {}, {}, {}
        for number, selector in enumerate(self.selectors):
            progress(0.6 * number / len(self.selectors), selector)
            alone[selector] = self._play(selector, 0, 0)
            cared[selector] = self._play(selector, self.tick_ns, 0)
            hedged[selector] = self._play(selector, self.tick_ns, HEDGE_NS)
        arms = {ALONE: alone, MARGINAL: cared, HEDGED: hedged}
        self._tell_courses(found, arms)
        progress(0.6, "late answers")
        self._late_answers(found)
        progress(0.8, "limits")
        self._limits(found)
        return found

    # A slow path.

    def _play(self, selector: str, tick_ns: int, hedge_ns: int, times: int = TIMES, slow: int = 1) -> Course:
        rig = SlowPath(self.mode, selector, PATHS, tick_ns=tick_ns, hedge_after_ns=hedge_ns)
        start_ns = rig.clock.now_ns
        rig.run(HEALTHY_NS)
        began_ns = rig.clock.now_ns
        for number in range(slow):
            rig.slow(SLOW_PATH + number, times, SICK_NS)
        rig.run(GRACE_NS)
        ios = rig.path(SLOW_PATH).ios
        rig.run(SICK_NS - GRACE_NS)
        left_ios = rig.path(SLOW_PATH).ios - ios
        rig.run(AFTER_NS)
        healthy_ns = rig.p99_ns(start_ns, began_ns)
        return Course(
            rig,
            began_ns,
            healthy_ns,
            rig.p99_ns(began_ns, began_ns + GRACE_NS),
            rig.p99_ns(began_ns + GRACE_NS, began_ns + SICK_NS),
            _over_s(rig, began_ns, OVER * healthy_ns),
            left_ios,
            _twins(rig),
        )

    def _tell_courses(self, found: Findings, arms: dict[str, dict[str, Course]]) -> None:
        rows: list[list[Value]] = []
        for arm, courses in arms.items():
            for selector, course in courses.items():
                figures = (course.healthy_ns, course.first_ns, course.later_ns)
                row: list[Value] = [selector, arm, *(_ms(figure) for figure in figures), course.over_s, course.left_ios]
                rows.append([*row, course.twins])
                columns = ("selector", "policy", "healthy_p99_ms", "first_p99_ms", "later_p99_ms", "over_after_s", "left_ios", "twins")
                found.records.append(dict(zip(columns, rows[-1], strict=True)))
        found.tables.append(
            Table(
                f"A path {TIMES} times as slow for {SICK_NS // NS_PER_S} s",
                ["selector", "", "p99 ms before", "first 5 s", "then", "over after s", "sent to it then", "twins"],
                rows,
                f"over: p99 of every {WINDOW_NS // NS_PER_MS} ms is within {OVER} times of before until the fault ends",
            )
        )
        counting = [selector for selector in self.selectors if selector in COUNTING]
        alone, cared = arms[ALONE], arms[MARGINAL]
        found.claims += [
            Claim(
                "alone, no selector that counts helps the tail: p99 after 5 s, in p99s of before (the least of them)",
                DERIVED,
                min(alone[selector].later_ns / alone[selector].healthy_ns for selector in counting),
                20,
                None,
                WHERE,
            ),
            Claim(
                "with marginal paths the tail is back: p99 after 5 s, in p99s of before (the worst selector)",
                DERIVED,
                max(course.later_ns / course.healthy_ns for course in cared.values()),
                None,
                OVER,
                WHERE,
            ),
            Claim(
                "it is over within 5 s (the worst selector)",
                DERIVED,
                max(course.over_s for course in cared.values()),
                None,
                GRACE_NS / NS_PER_S,
                WHERE,
                unit="s",
            ),
            Claim(
                "then the slow path is sent no client I/O (the worst selector that counts)",
                DERIVED,
                max(cared[selector].left_ios for selector in counting),
                0,
                0,
                "it is used last (hawser.multipath.demotion)",
                unit="I/Os",
            ),
            Claim(
                "I/Os that failed, in all runs",
                DERIVED,
                sum(_failed(course.rig) for courses in arms.values() for course in courses.values()),
                0,
                0,
                "a slow path is no error (invariant I3)",
                unit="I/Os",
            ),
        ]
        shown = self.selectors[-2:] if TIMED in self.selectors else self.selectors[-1:]
        lines = [_line(f"{selector} {arm}", courses[selector]) for selector in shown for arm, courses in arms.items()]
        end_s = SICK_NS / NS_PER_S
        found.curves.append(
            Curve(
                f"p99 while one of {PATHS} paths is {TIMES} times as slow",
                "seconds since it became slow",
                "p99 of half a second, ms",
                lines,
                spans=[Span(0, end_s, f"{TIMES} times as slow")],
                log_y=True,
            )
        )

    # Late answers.

    def _late_answers(self, found: Findings) -> None:
        plain, hedged = self._late(0, LATE_EVERY_NS), self._late(HEDGE_NS, LATE_EVERY_NS)
        reads = len(hedged.taken)
        rows: list[list[Value]] = []
        for arm, rig in (("plain", plain), ("hedged", hedged)):
            end_ns = rig.clock.now_ns - NS_PER_S
            quantiles = [_ms(rig.quantile_ns(0, end_ns, of_1000)) for of_1000 in (500, 990, 999)]
            rows.append([arm, *quantiles, _twins(rig), len(rig.lines())])
        found.tables.append(
            Table(
                f"Reads; one path answers one of them {LATE_NS // NS_PER_MS} ms late, four times a second",
                ["", "p50 ms", "p99 ms", "p99.9 ms", "twins", "paths judged slow"],
                rows,
            )
        )
        end_ns = hedged.clock.now_ns - NS_PER_S
        found.claims += [
            Claim(
                "without hedging p99.9 is the late answer",
                DERIVED,
                plain.quantile_ns(0, end_ns, 999) / NS_PER_MS,
                LATE_NS / NS_PER_MS,
                None,
                "what was injected",
                unit="ms",
            ),
            Claim(
                "hedged, p99.9 is what it takes to notice and to ask again",
                DERIVED,
                hedged.quantile_ns(0, end_ns, 999) / NS_PER_MS,
                None,
                OVER * HEDGE_NS / NS_PER_MS,
                f"a look every half limit ({HEDGE_NS // NS_PER_MS} ms), and a read",
                unit="ms",
            ),
            Claim(
                "twins, in percent of the reads",
                DERIVED,
                100 * _twins(hedged) / reads,
                0.1,
                SHARE_MAX,
                "hawser.multipath.hedge: SHARE_MAX",
                unit="%",
            ),
        ]

    def _late(self, hedge_ns: int, every_ns: int) -> SlowPath:
        rig = SlowPath(self.mode, "service-time", PATHS, write_percent=0, tick_ns=self.tick_ns, hedge_after_ns=hedge_ns)
        for _ in range(LATE_SPAN_NS // every_ns):
            rig.answer_late(SLOW_PATH, LATE_NS)
            rig.run(every_ns)
        rig.run(NS_PER_S)
        return rig

    # Where it stops.

    def _limits(self, found: Findings) -> None:
        rows: list[list[Value]] = []
        for times in (3, 6, 9, 12, 20):
            course = self._play("service-time", self.tick_ns, 0, times)
            rows.append([times, _ms(course.later_ns), course.later_ns / course.healthy_ns, course.left_ios])
        found.tables.append(Table("How slow a path must be", ["times", "p99 ms then", "of before", "sent to it then"], rows))
        left = [row for row in rows if row[3]]
        if left:
            times, _, ratio, _ = left[-1]
            found.limits.append(
                f"a path that is {times} times as slow is left alone (marginal_factor {MarginalPolicy().factor}): p99 stays at "
                f"{ratio:.1f} times of before"
            )
        for slow in range(2, PATHS):
            course = self._play("service-time", self.tick_ns, 0, slow=slow)
            if course.later_ns > OVER * course.healthy_ns:
                found.limits.append(
                    f"with {slow} of {PATHS} paths slow at once p99 after 5 s is {course.later_ns / course.healthy_ns:.0f} times "
                    "of before: a path is slow in comparison with the median of the others"
                )
                break
        else:
            found.limits.append(f"it holds with up to {PATHS - 1} of {PATHS} paths slow at once")
        for every_ms in (100, 60, 40, 20):
            rig = self._late(HEDGE_NS, every_ms * NS_PER_MS)
            tail_ms = rig.quantile_ns(0, rig.clock.now_ns - NS_PER_S, 999) / NS_PER_MS
            if tail_ms > OVER * HEDGE_NS / NS_PER_MS:
                share = 100 * LATE_SPAN_NS / (every_ms * NS_PER_MS) / len(rig.taken)
                found.limits.append(
                    f"with {share:.0f} % of the reads late hedging has no budget left ({SHARE_MAX} %): p99.9 is {tail_ms:.0f} ms"
                )
                break


def _twins(rig: SlowPath) -> int:
    manager = rig.era.watches[0].manager
    return manager.hedger.sent if manager is not None and manager.hedger is not None else 0


def _failed(rig: SlowPath) -> int:
    return sum(not taken.is_ok for taken in rig.between(0, rig.clock.now_ns - NS_PER_S))


def _windows(rig: SlowPath, start_ns: int, end_ns: int) -> list[int]:
    return list(range(start_ns, end_ns - WINDOW_NS + 1, WINDOW_NS))


def _over_s(rig: SlowPath, began_ns: int, bound_ns: int) -> float:
    """How long after `began_ns` the last stretch of time began whose p99 exceeds the bound, and ended."""
    over_ns = began_ns
    for start_ns in _windows(rig, began_ns, began_ns + SICK_NS):
        if rig.p99_ns(start_ns, start_ns + WINDOW_NS) > bound_ns:
            over_ns = start_ns + WINDOW_NS
    return (over_ns - began_ns) / NS_PER_S


def _line(name: str, course: Course) -> Series:
    rig, began_ns = course.rig, course.began_ns
    starts = _windows(rig, began_ns - HEALTHY_NS + WINDOW_NS, rig.clock.now_ns - NS_PER_S)
    xs = [(start_ns - began_ns) / NS_PER_S for start_ns in starts]
    return Series(name, xs, [rig.p99_ns(start_ns, start_ns + WINDOW_NS) / NS_PER_MS for start_ns in starts])


def _ms(time_ns: int) -> float:
    return round(time_ns / NS_PER_MS, 3)
