"""gray-failure: one of four paths is slow, not dead. Which part of what `hawser serve` ships ends it for clients, and when?

The rig is that of tests/lab/test_slow_path.py (hawser.lab.slow_path): simulated servers, links and drivers, the shipped engine
and manager, an open loop of I/O. Nothing in it is an answer that the path failed: no error, no timeout.
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
from hawser.lab.experiments.gray_loads import tell_by_load
from hawser.lab.slow_path import SlowPath
from hawser.manager.policy import MarginalPolicy
from hawser.multipath.hedge import SHARE_MAX

SELECTORS: Final = ("round-robin", "queue-length", "service-time", "historical-service-time")
SERVICE_TIME: Final = "service-time"

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
# What hurts: so many times that.
HURT: Final = 10
HEDGE_NS: Final = 5 * NS_PER_MS
LATE_NS: Final = 80 * NS_PER_MS
LATE_EVERY_NS: Final = 250 * NS_PER_MS
LATE_SPAN_NS: Final = 20 * NS_PER_S
PERCENTILES: Final = (50, 80, 90, 95, 97, 98, 98.5, 99, 99.5, 99.9)
WHERE: Final = "DESIGN, Hard problems 10, and the bound of tests/lab/test_slow_path.py"

ALONE: Final = "alone"
MARGINAL: Final = "with marginal paths"
HEDGED: Final = "with hedged reads, too"


@dataclass
class Course:
    """One run with a slow path: p99 before, in the first seconds of it and afterwards, in ns; `over_s`: after how long it was
    over (the whole time, if never); `hurt`: I/Os that took more than HURT times what was usual; `left_ios`: what the slow path
    was sent in the last part."""

    rig: SlowPath
    began_ns: int
    healthy_ns: int
    first_ns: int
    later_ns: int
    hurt: int
    over_s: float
    left_ios: int
    twins: int


class GrayFailure(Experiment):
    name = "gray-failure"
    title = "A path that is slow, not dead"
    hypothesis = (
        "While the load is light no selector gets rid of a path that answers 50 times as slowly; the shipped detection of "
        "marginal paths does within 5 s, and hedged reads cut what single late answers cost, for 5 % more reads at most"
    )
    model = (
        "open loop: bursts of 4 I/Os of 4 KiB every 20 ms, 30 % writes, answered or not; a server takes 1 ms + bytes / 400 "
        "MB/s, 4 at once; a wire 50 us each way; the shipped manager at its shipped pace"
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

    def __init__(
        self,
        mode: str = "rq",
        selectors: tuple[str, ...] = SELECTORS,
        marginal: bool = True,
        hedged: bool = True,
        limits: bool = True,
    ) -> None:
        """`marginal` and `hedged` False: it is switched off where it should be on, so that its claims must fail. `limits`:
        whether to look for where they stop holding."""
        self.mode = mode
        self.selectors = selectors
        self.tick_ns = MarginalPolicy().tick_ns if marginal else 0
        self.hedge_ns = HEDGE_NS if hedged else 0
        self.limits = limits

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        arms: dict[str, dict[str, Course]] = {ALONE: {}, MARGINAL: {}, HEDGED: {}}
        for number, selector in enumerate(self.selectors):
            progress(0.5 * number / len(self.selectors), selector)
            arms[ALONE][selector] = self._play(selector, 0, 0)
            arms[MARGINAL][selector] = self._play(selector, self.tick_ns, 0)
            if selector == SERVICE_TIME:
                arms[HEDGED][selector] = self._play(selector, self.tick_ns, self.hedge_ns)
        self._tell_courses(found, arms)
        progress(0.5, "late answers")
        self._late_answers(found)
        if self.limits:
            progress(0.6, "limits")
            self._limits(found)
            progress(0.8, "loads")
            tell_by_load(found, self.mode, self.selectors, TIMES)
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
            sum(taken.took_ns > HURT * healthy_ns for taken in rig.between(began_ns, began_ns + SICK_NS)),
            _over_s(rig, began_ns, OVER * healthy_ns),
            left_ios,
            _twins(rig),
        )

    def _tell_courses(self, found: Findings, arms: dict[str, dict[str, Course]]) -> None:
        rows: list[list[Value]] = []
        columns = (
            "selector",
            "policy",
            "healthy_p99_ms",
            "first_p99_ms",
            "later_p99_ms",
            "hurt",
            "over_after_s",
            "left_ios",
            "twins",
        )
        for arm, courses in arms.items():
            for selector, course in courses.items():
                figures = [_ms(figure) for figure in (course.healthy_ns, course.first_ns, course.later_ns)]
                rows.append([selector, arm, *figures, course.hurt, course.over_s, course.left_ios, course.twins])
                found.records.append(dict(zip(columns, rows[-1], strict=True)))
        found.tables.append(
            Table(
                f"A path {TIMES} times as slow for {SICK_NS // NS_PER_S} s",
                [
                    "selector",
                    "",
                    "p99 ms before",
                    "first 5 s",
                    "then",
                    "I/Os hurt",
                    "over after s",
                    "sent to it then",
                    "twins",
                ],
                rows,
                f"hurt: more than {HURT} times the p99 of before; over: p99 of every {WINDOW_NS // NS_PER_MS} ms is within "
                f"{OVER} times until the fault ends",
            )
        )
        alone, cared = arms[ALONE], arms[MARGINAL]
        found.claims += [
            Claim(
                "alone, no selector helps the tail: p99 after 5 s, in p99s of before (the least of them)",
                DERIVED,
                min(course.later_ns / course.healthy_ns for course in alone.values()),
                20,
                None,
                f"{WHERE}; when all paths are idle those that count have ties, and the one that remembers tries what it has "
                "not tried for longest",
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
                "then the slow path is sent no client I/O (the worst selector)",
                DERIVED,
                max(course.left_ios for course in cared.values()),
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
        lines = [
            _line(f"{selector} {arm}", courses[selector])
            for selector in (SERVICE_TIME,)
            for arm, courses in arms.items()
            if selector in courses
        ]
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
        plain, hedged = self._late(0, LATE_EVERY_NS), self._late(self.hedge_ns, LATE_EVERY_NS)
        reads = len(hedged.taken)
        tail_ns = hedged.clock.now_ns - NS_PER_S
        found.curves.append(
            Curve(
                f"Reads of which two in a hundred are {LATE_NS // NS_PER_MS} ms late",
                "percentile",
                "ms",
                [
                    Series(
                        arm,
                        PERCENTILES,
                        [_ms(rig.quantile_ns(0, tail_ns, int(10 * percent))) for percent in PERCENTILES],
                    )
                    for arm, rig in (("plain", plain), ("hedged", hedged))
                ],
                log_y=True,
            )
        )
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
        rig = SlowPath(self.mode, SERVICE_TIME, PATHS, write_percent=0, tick_ns=self.tick_ns, hedge_after_ns=hedge_ns)
        for _ in range(LATE_SPAN_NS // every_ns):
            rig.answer_late(SLOW_PATH, LATE_NS)
            rig.run(every_ns)
        rig.run(NS_PER_S)
        return rig

    # Where it stops.

    def _limits(self, found: Findings) -> None:
        rows: list[list[Value]] = []
        for times in (3, 6, 9, 12, 20):
            course = self._play(SERVICE_TIME, self.tick_ns, 0, times)
            rows.append([times, _ms(course.later_ns), course.later_ns / course.healthy_ns, course.left_ios])
        found.tables.append(
            Table("How slow a path must be", ["times", "p99 ms then", "of before", "sent to it then"], rows)
        )
        left = [row for row in rows if row[3]]
        if left:
            slowest, _, ratio, _ = left[-1]
            found.limits.append(
                f"a path that is {slowest} times as slow is left alone (marginal_factor {MarginalPolicy().factor}): p99 stays "
                f"at {ratio:.1f} times of before"
            )
        for slow in range(2, PATHS):
            course = self._play(SERVICE_TIME, self.tick_ns, 0, slow=slow)
            if course.later_ns > OVER * course.healthy_ns:
                found.limits.append(
                    f"with {slow} of {PATHS} paths slow at once p99 after 5 s is {course.later_ns / course.healthy_ns:.0f} "
                    "times of before: a path is slow in comparison with the median of the others"
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
    """p99 of each window between them, in ns."""
    windows: list[list[int]] = [[] for _ in range((end_ns - start_ns) // WINDOW_NS)]
    for taken in rig.between(start_ns, start_ns + len(windows) * WINDOW_NS):
        windows[(taken.at_ns - start_ns) // WINDOW_NS].append(taken.took_ns)
    return [sorted(window)[len(window) * 99 // 100] for window in windows]


def _over_s(rig: SlowPath, began_ns: int, bound_ns: int) -> float:
    """How long after `began_ns` the last stretch of time began whose p99 exceeds the bound, and ended."""
    broken = [
        number for number, p99_ns in enumerate(_windows(rig, began_ns, began_ns + SICK_NS), 1) if p99_ns > bound_ns
    ]
    return max(broken, default=0) * WINDOW_NS / NS_PER_S


def _line(name: str, course: Course) -> Series:
    start_ns = course.began_ns - HEALTHY_NS + WINDOW_NS
    p99s_ns = _windows(course.rig, start_ns, course.rig.clock.now_ns - NS_PER_S)
    xs = [(start_ns - course.began_ns + number * WINDOW_NS) / NS_PER_S for number in range(len(p99s_ns))]
    return Series(name, xs, [p99_ns / NS_PER_MS for p99_ns in p99s_ns])


def _ms(time_ns: int) -> float:
    return round(time_ns / NS_PER_MS, 3)
