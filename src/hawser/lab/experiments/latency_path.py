"""latency-path: one of two paths has 30 ms more latency. Which selector gets what, and what did NVMe's policies get?

Published is a table of four policies of Linux's native NVMe multipath (linux-nvme, 2025-11/059350). Which selector stands for
which:

    numa         io-affinity: all CPUs have the late path, as the published numa evidently had (it is half of round-robin)
    round-robin  round-robin
    queue-depth  queue-length: the fewest I/Os in flight
    adaptive     historical-service-time: an average of what I/O took lately, as adaptive has one

MiB/s of another machine mean nothing here; ratios to `numa` do. One of them is solved for the only thing that is not published,
how long an I/O takes on the path without the delay; the others are tested.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from hawser.core.units import KIB, NS_PER_MS
from hawser.lab.experiments.base import (
    BAR,
    DERIVED,
    FITTED,
    PREDICTED,
    Claim,
    Curve,
    Experiment,
    Findings,
    Progress,
    Series,
    Table,
    Value,
    quietly,
)
from hawser.lab.model.play import play
from hawser.lab.model.scenario import LoadModel, ManagerModel, MapModel, PathModel, Scenario

MAIL: Final = "linux-nvme 2025-November/059350"
NUMA: Final = "numa"
ROUND_ROBIN: Final = "round-robin"
QUEUE_DEPTH: Final = "queue-depth"
ADAPTIVE: Final = "adaptive"
STANDS_FOR: Final = {
    NUMA: "io-affinity 0",
    ROUND_ROBIN: "round-robin 0",
    QUEUE_DEPTH: "queue-length 0",
    ADAPTIVE: "historical-service-time 0",
}
# MiB/s.
PUBLISHED: Final = {
    "READ": {NUMA: 50.0, ROUND_ROBIN: 105.0, QUEUE_DEPTH: 230.0, ADAPTIVE: 350.0},
    "WRITE": {NUMA: 65.9, ROUND_ROBIN: 125.0, QUEUE_DEPTH: 385.0, ADAPTIVE: 446.0},
    "RW (read half)": {NUMA: 30.6, ROUND_ROBIN: 56.5, QUEUE_DEPTH: 122.0, ADAPTIVE: 175.0},
}
EXTRA_MS: Final = 30.0
DEPTH: Final = 32
SLOTS: Final = 64
SECONDS: Final = 10.0
# "Rough": within this factor, either way.
ROUGH: Final = 1.5
# What counts as more.
STEP: Final = 1.05
# queue-depth in numa, of READ: the one figure that is used up.
CALIBRATED_ON: Final = 230.0 / 50.0


def quick_ms(ratio: float) -> float:
    """How long an I/O takes on the quick path, if with an even queue on both the two together are `ratio` times the late one with
    all of the queue: (1 + (e + x) / x) / 2 = ratio."""
    return EXTRA_MS / (2 * ratio - 2)


class LatencyPath(Experiment):
    name = "latency-path"
    title = "One of two paths 30 ms late: four ways of choosing"
    hypothesis = (
        "Which path is chosen decides throughput by a factor of seven: all on the late path < in turns < fewest in flight < "
        "by what I/O took lately, in the ratios that NVMe's policies have shown, roughly"
    )
    model = (
        "two paths; an I/O of 4 KiB takes an exponential time whose mean is solved from one ratio, 64 at once, and on one "
        f"path {EXTRA_MS:g} ms more; random reads, which are no different from writes here; a closed loop, request-based"
    )
    parameters = {
        "P": 2,
        "d": 4 * DEPTH,
        "extra_ms": EXTRA_MS,
        "quick_ms": round(quick_ms(CALIBRATED_ON), 3),
        "depth": DEPTH,
        "slots": SLOTS,
        "seconds": SECONDS,
        "rough": ROUGH,
        "k": "none: all I/O is 4 KiB, and its time is one figure",
    }
    source = f"{MAIL} (NVMe over TCP, two paths, one with about 30 ms of delay); anchors 3.3"
    requirements = ()

    def __init__(
        self,
        seconds: float = SECONDS,
        swept_s: float = 2.0,
        stands_for: dict[str, str] | None = None,
        limits: bool = True,
    ) -> None:
        """`stands_for`: which selector takes the place of which policy. `limits`: whether to look for where they stop."""
        self.limits = limits
        self.seconds = seconds
        self.swept_s = swept_s
        self.stands_for = stands_for or STANDS_FOR

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        mine, late = self._ratios(self.seconds)
        rows: list[list[Value]] = []
        for load, published in PUBLISHED.items():
            for policy, theirs in published.items():
                ratio = theirs / published[NUMA]
                selector = self.stands_for[policy].split()[0]
                rows.append([load, policy, selector, mine[policy], ratio, mine[policy] / ratio, late[policy]])
                found.records.append(
                    {"load": load, "policy": policy, "ratio": mine[policy], "published": ratio, "late": late[policy]}
                )
        found.tables.append(
            Table(
                "Throughput, in that of all I/O on the late path",
                ["load", "policy", "selector", "here", "published", "here / published", "share of the late path"],
                rows,
                f"fitted: queue-depth of READ; published: MiB/s over those of numa, {MAIL}",
            )
        )
        names = list(self.stands_for)
        lines = [Series("laboratory", names, [mine[policy] for policy in names])]
        for load, published in PUBLISHED.items():
            lines.append(Series(f"published, {load}", names, [published[policy] / published[NUMA] for policy in names]))
        title = f"Throughput with one of two paths {EXTRA_MS:g} ms late"
        found.curves.append(Curve(title, "", "times that of the late path alone", lines, kind=BAR))
        self._claim(found, mine)
        if self.limits:
            progress(0.5, "limits")
            self._sweep(found, progress)
        return found

    def _play(self, selector: str, seconds: float, extra_ms: float, slots: int) -> tuple[float, float]:
        """I/Os a second, and the share of the late path. CPU 0, which asks, has the late path."""
        mean_ns = int(quick_ms(CALIBRATED_ON) * NS_PER_MS)
        paths = [
            PathModel(
                fixed_ns=mean_ns,
                ns_per_kib=0,
                slots=slots,
                spread="exponential",
                latency_ns=latency_ns,
                depth=4 * DEPTH,
            )
            for latency_ns in (int(extra_ms * NS_PER_MS), 0)
        ]
        scenario = Scenario(
            name="latency-path",
            seconds=seconds,
            paths=paths,
            map=MapModel(mode="rq", selector=selector, nomerges=2),
            manager=ManagerModel(enabled=False),
            loads=[LoadModel(pattern="random", sizes=[4 * KIB], depth=DEPTH, batch=1)],
        )
        outcome = play(scenario, 1)
        return outcome["iops"], outcome["paths"][0]["share"]

    def _ratios(
        self, seconds: float, extra_ms: float = EXTRA_MS, slots: int = SLOTS
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Each policy's throughput in that of numa, and the share of the late path."""
        played = {
            policy: self._play(selector, seconds, extra_ms, slots) for policy, selector in self.stands_for.items()
        }
        numa = played[NUMA][0]
        ratios = {policy: iops / numa for policy, (iops, _) in played.items()}
        return ratios, {policy: late for policy, (_, late) in played.items()}

    def _claim(self, found: Findings, mine: dict[str, float]) -> None:
        steps = [mine[after] / mine[before] for before, after in _pairs(list(self.stands_for))]
        found.claims.append(
            Claim(
                "numa < round-robin < queue-depth < adaptive: the least step",
                PREDICTED,
                min(steps),
                STEP,
                None,
                f"{MAIL}: the same order in all three loads",
            )
        )
        for load, published in PUBLISHED.items():
            for policy in (ROUND_ROBIN, QUEUE_DEPTH, ADAPTIVE):
                kind = FITTED if (load, policy) == ("READ", QUEUE_DEPTH) else PREDICTED
                ratio = published[policy] / published[NUMA]
                text = f"{load}: {policy} in numa"
                where = f"{MAIL}: {ratio:.2f}, within a factor of {ROUGH:g}"
                found.claims.append(Claim(text, kind, mine[policy], ratio / ROUGH, ratio * ROUGH, where))
        quick = quick_ms(CALIBRATED_ON)
        derived = 2 * (EXTRA_MS + quick) / (EXTRA_MS + 2 * quick)
        found.claims.append(
            Claim(
                "round-robin in numa, against arithmetic",
                DERIVED,
                mine[ROUND_ROBIN],
                derived * 0.97,
                derived * 1.03,
                f"half of the I/Os take e + x, half x: 2 (e + x) / (e + 2 x) = {derived:.2f}",
            )
        )

    def _sweep(self, found: Findings, progress: Progress) -> None:
        extras = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0)
        lines: dict[str, list[float]] = {policy: [] for policy in self.stands_for}
        rows: list[list[Value]] = []
        for place, extra_ms in enumerate(extras):
            progress(0.5 + 0.4 * place / len(extras), f"{extra_ms:g} ms late")
            mine, _ = self._ratios(self.swept_s, extra_ms)
            for policy, line in lines.items():
                line.append(mine[policy])
            rows.append([extra_ms, *mine.values()])
        found.tables.append(
            Table("By how late the late path is", ["ms", *self.stands_for], rows, "in that of the late path alone")
        )
        found.curves.append(
            Curve(
                "What a better choice gains, by how late one of two paths is",
                "ms that one path is late",
                "times the late path alone",
                [Series(policy, extras[1:], line[1:]) for policy, line in lines.items()],
                log_x=True,
                log_y=True,
            )
        )
        broken = [row for row in rows if not _in_order(row[1:])]
        if broken:
            told = ", ".join(f"{float(row[0]):g}" for row in broken)
            found.limits.append(
                f"the order, with steps of {STEP - 1:.0%} and more, does not hold where the late path is {told} ms late (an "
                f"I/O takes {quick_ms(CALIBRATED_ON):.1f} ms)"
            )
        for slots in (32, 16, 8, 4):
            mine, _ = self._ratios(self.swept_s, slots=slots)
            if mine[ADAPTIVE] < STEP * mine[QUEUE_DEPTH]:
                found.limits.append(
                    f"with {slots} I/Os served at once (depth {DEPTH}) adaptive gains nothing over queue-depth: "
                    f"{mine[ADAPTIVE]:.2f} against {mine[QUEUE_DEPTH]:.2f}: the quick path is full either way"
                )
                break


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    return list(pairwise(names))


def _in_order(ratios: Sequence[Value]) -> bool:
    return all(float(before) * STEP <= float(after) for before, after in pairwise(ratios))
