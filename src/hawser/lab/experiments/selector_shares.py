"""selector-shares: the table with which historical-service-time was introduced (dm-devel, 2020-04-16), not fitted.

The mail says of its machine that one of four paths was four times as slow, and nothing else; so that is all that the model is
given. Then the one figure of the table that a machine's own speed decides (service-time at depth 64, where every path is always
busy) is taken for what it says of that machine, and the others are compared again.
"""

from collections.abc import Sequence
from typing import Final

from hawser.lab.experiments.base import (
    BAR,
    DERIVED,
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
from hawser.lab.experiments.shares import HISTORICAL, SERVICE_TIME, TOLERANCE, Machine, farthest, shares

MAIL: Final = "dm-devel 2020-04-16, [PATCH 0/2] Historical Service Time Path Selector"
SLOW: Final = 4.0
PUBLISHED: Final = {
    (SERVICE_TIME, 1): (0.250, 0.250, 0.250, 0.250),
    (HISTORICAL, 1): (0.294, 0.297, 0.296, 0.112),
    (SERVICE_TIME, 64): (0.297, 0.296, 0.298, 0.106),
    (HISTORICAL, 64): (0.294, 0.297, 0.296, 0.112),
}
BEST: Final = (0.307, 0.307, 0.307, 0.076)
CALIBRATED_ON: Final = (SERVICE_TIME, 64)
# 500 MB of 4 KiB.
IOS: Final = 122_070
DEPTHS: Final = (1, 2, 3, 4, 6, 8, 16, 32, 64)


class SelectorShares(Experiment):
    name = "selector-shares"
    title = "Shares of selectors on unequal paths: the table of 2020"
    hypothesis = (
        "On four paths of which one is four times as slow, service-time spreads evenly at depth 1 and by speed at depth 64, "
        "and historical-service-time by speed at both"
    )
    model = (
        "each path serves one command after the other, c + bytes / B; of the slow one both are four times as long; random "
        "writes of 4 KiB, a closed loop, request-based; nothing is fitted, and the calibrated row says what it was calibrated "
        "on"
    )
    parameters = {
        "P": 4,
        "d": 64,
        "k": 4.0,
        "unit_us": 100,
        "slow_times": SLOW,
        "ios": IOS,
        "depths": "1, 64",
        "tolerance": TOLERANCE,
    }
    source = f"{MAIL}; seeds 2.6, anchors 1.9"
    requirements = ("L-7",)

    def __init__(
        self, ios: int = IOS, swept_ios: int = 12_000, selector: str = HISTORICAL, limits: bool = True
    ) -> None:
        """`selector`: what stands where historical-service-time should. `limits`: whether to look for where it stops holding."""
        self.limits = limits
        self.ios = ios
        self.swept_ios = swept_ios
        self.selector = selector

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        ideal = Machine((1, 1, 1, SLOW), "rq")
        told = self._compare(found, "as the mail says", ideal)
        progress(0.4, "calibrated")
        theirs = PUBLISHED[CALIBRATED_ON]
        slow = round(sum(theirs[:3]) / 3 / theirs[3], 3)
        calibrated = self._compare(found, f"calibrated: {slow:g} times as slow", Machine((1, 1, 1, slow), "rq"))
        self._claim(found, told, calibrated, slow)
        self._show(found, told, calibrated, slow)
        if self.limits:
            progress(0.8, "depths")
            self._sweep(found)
        return found

    def _shares(self, machine: Machine, selector: str, depth: int, ios: int) -> list[float]:
        return shares(machine, self.selector if selector == HISTORICAL else selector, depth, ios)

    def _compare(self, found: Findings, what: str, machine: Machine) -> dict[tuple[str, int], list[float]]:
        measured: dict[tuple[str, int], list[float]] = {}
        rows: list[list[Value]] = []
        for (selector, depth), published in PUBLISHED.items():
            mine = self._shares(machine, selector, depth, self.ios)
            measured[selector, depth] = mine
            rows.append([selector, depth, *mine, *published, farthest(mine, published)])
            for path, share in enumerate(mine):
                found.records.append(
                    {
                        "machine": what,
                        "selector": selector,
                        "depth": depth,
                        "path": path,
                        "share": share,
                        "published": published[path],
                    }
                )
        names = ["sda", "sdb", "sdc", "sdd"]
        columns = ["selector", "depth", *names, *(f"{name} (2020)" for name in names), "farthest"]
        note = f"the mail's own ideal: {', '.join(str(share) for share in BEST)}"
        found.tables.append(Table(f"Share of each path, {what}", columns, rows, note))
        return measured

    def _claim(
        self,
        found: Findings,
        told: dict[tuple[str, int], list[float]],
        calibrated: dict[tuple[str, int], list[float]],
        slow: float,
    ) -> None:
        for (selector, depth), published in PUBLISHED.items():
            text = f"{selector}, depth {depth}, one path {SLOW:g} times as slow: farthest from the table"
            measured = farthest(told[selector, depth], published)
            found.claims.append(Claim(text, PREDICTED, measured, None, TOLERANCE, MAIL, "L-7"))
        for (selector, depth), published in PUBLISHED.items():
            if (selector, depth) != CALIBRATED_ON:
                text = f"{selector}, depth {depth}, calibrated on service-time at depth 64: farthest from the table"
                measured = farthest(calibrated[selector, depth], published)
                found.claims.append(Claim(text, PREDICTED, measured, None, TOLERANCE, MAIL, "L-7"))
        found.claims += [
            Claim(
                "service-time at depth 1 knows nothing: farthest from a quarter",
                DERIVED,
                farthest(told[SERVICE_TIME, 1], (0.25,) * 4),
                None,
                0.001,
                "nothing is ever in flight when it chooses; ties go round",
                "L-7",
            ),
            Claim(
                "at depth 64 both are at the ideal of the mail's own machine: farthest",
                DERIVED,
                max(farthest(told[selector, 64], BEST) for selector in (SERVICE_TIME, HISTORICAL)),
                None,
                0.005,
                f"{MAIL}: Best; every path is always busy, and its speed alone decides",
                "L-7",
            ),
        ]
        own = PUBLISHED[SERVICE_TIME, 64]
        if not all(claim.holds() for claim in found.claims):
            found.limits.append(
                f"where a path that is {SLOW:g} times as slow misses the table, the slow path of the mail's machine had more "
                "than that allows: with service-time at depth 64 every path is busy all the time, so that shares are speeds, "
                f"and {own[3]:g} against {own[0]:g} is {slow:g} times as slow, not {SLOW:g}; the mail does not say what else "
                "an I/O cost there"
            )

    def _show(
        self,
        found: Findings,
        told: dict[tuple[str, int], list[float]],
        calibrated: dict[tuple[str, int], list[float]],
        slow: float,
    ) -> None:
        names = [f"{selector}, {depth}" for selector, depth in PUBLISHED]
        bars = (
            (f"{SLOW:g} times as slow", told),
            (f"{slow:g} times as slow", calibrated),
            ("published", {key: list(shares) for key, shares in PUBLISHED.items()}),
        )
        series = [Series(name, names, [measured[key][3] for key in PUBLISHED]) for name, measured in bars]
        found.curves.append(Curve("Share of the slow path, by selector and depth", "", "share", series, kind=BAR))

    def _sweep(self, found: Findings) -> None:
        machine = Machine((1, 1, 1, SLOW), "rq")
        lines: dict[str, list[float]] = {}
        for selector in (SERVICE_TIME, HISTORICAL):
            lines[selector] = [self._shares(machine, selector, depth, self.swept_ios)[3] for depth in DEPTHS]
        ideal = 1 / (1 + 3 * SLOW)
        rows: list[list[Value]] = [
            [depth, lines[SERVICE_TIME][place], lines[HISTORICAL][place], ideal] for place, depth in enumerate(DEPTHS)
        ]
        found.tables.append(
            Table("Share of the slow path by depth", ["depth", SERVICE_TIME, HISTORICAL, "by speed"], rows)
        )
        even = [depth for place, depth in enumerate(DEPTHS) if lines[SERVICE_TIME][place] - ideal > TOLERANCE]
        found.limits.append(
            f"that service-time does not see the speed of a path holds up to depth {max(even)}; from {_next(even)} on its "
            "share is that of speed"
            if even
            else "service-time is at the share of speed at every depth"
        )
        low = min(range(len(DEPTHS)), key=lambda place: lines[HISTORICAL][place])
        if ideal - lines[HISTORICAL][low] > TOLERANCE:
            found.limits.append(
                f"that historical-service-time spreads by speed does not hold between these depths: at {DEPTHS[low]} the slow "
                f"path has {lines[HISTORICAL][low]:.3f}, where {ideal:.3f} were its part"
            )
        self._vary(found)
        published = [
            Series(f"{selector} (2020)", [1, 64], [PUBLISHED[selector, depth][3] for depth in (1, 64)])
            for selector in lines
        ]
        found.curves.append(
            Curve(
                f"Share of a path that is {SLOW:g} times as slow, of four",
                "I/Os in flight",
                "share of the slow path",
                [Series(selector, DEPTHS, line) for selector, line in lines.items()]
                + [Series("by speed", [DEPTHS[0], DEPTHS[-1]], [ideal, ideal]), *published],
                log_x=True,
            )
        )

    def _vary(self, found: Findings) -> None:
        """What the model is free in: k, and how even service times are."""
        usual = Machine((1, 1, 1, SLOW), "rq")
        rows: list[list[Value]] = []
        for spread, k in (("constant", 0.5), ("constant", 50.0), ("exponential", 4.0)):
            machine = Machine((1, 1, 1, SLOW), "rq", k=k, spread=spread)
            moved = 0.0
            for selector, depth in PUBLISHED:
                mine = self._shares(machine, selector, depth, self.swept_ios)
                moved = max(moved, farthest(mine, self._shares(usual, selector, depth, self.swept_ios)))
            rows.append([k, spread, moved])
        found.tables.append(
            Table(
                "How much the four columns move with what the mail does not say",
                ["k", "service times", "farthest"],
                rows,
            )
        )


def _next(depths: Sequence[int]) -> int:
    """The first depth after those."""
    return DEPTHS[DEPTHS.index(max(depths)) + 1]
