"""clock-resolution: the table with which historical-service-time got a better clock in bio-based maps.

The mail (dm-devel, 2022-04-27) shows shares of ten unequal paths with the old clock and the new one, and says that the old one's
truncation seems to be what is wrong. Here the selector of the engine, which has the exact time only, is given the old clock of
hawser.lab.model.old_clock: first as that sentence has it, rounded down to jiffies, and then as the kernel's conversion has it,
which is early as well.
"""

from collections.abc import Sequence
from typing import Final

from hawser.core.units import NS_PER_S
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
from hawser.lab.experiments.shares import HISTORICAL, SERVICE_TIME, TOLERANCE, Machine, OldTime, farthest, shares
from hawser.lab.model.old_clock import BOOTING_NS, EARLY_NS, LATER_NS

MAIL: Final = "dm-devel 2022-04-27, Provide high-resolution timer to HST with bio-mpath"
# In the order of the mail: sdd to sdm.
NAMES: Final = tuple(f"sd{letter}" for letter in "defghijklm")
BEST: Final = (0.18, 0.18, 0.18, 0.04, 0.02, 0.02, 0.01, 0.01, 0.18, 0.18)
BY_SERVICE_TIME: Final = (0.17, 0.17, 0.17, 0.06, 0.03, 0.03, 0.02, 0.02, 0.17, 0.17)
OLD: Final = (0.20, 0.20, 0.20, 0.00, 0.00, 0.00, 0.00, 0.00, 0.20, 0.20)
NEW: Final = (0.17, 0.17, 0.17, 0.06, 0.03, 0.03, 0.01, 0.01, 0.17, 0.17)
# The round costs that give the column Best.
TIMES: Final = (1, 1, 1, 4, 8, 8, 16, 16, 1, 1)
DEPTH: Final = 64
UNIT_US: Final = 100
HZ: Final = 250
SLOWER: Final = [place for place, times in enumerate(TIMES) if times > 1]
IOS: Final = 60_000
# Which of the arms has times in jiffies and nothing else that is wrong.
TRUNCATED: Final = 2


class ClockResolution(Experiment):
    name = "clock-resolution"
    title = "The old clock of historical-service-time in bio-based maps: the table of 2022"
    hypothesis = (
        "With start times in jiffies historical-service-time starves slow paths, with exact ones it does not; that jiffies "
        "are coarse is enough to explain it"
    )
    model = (
        "ten paths that serve one command after the other, c + bytes / B, with costs of 1, 4, 8 and 16, which give the mail's "
        "own ideal; random writes of 4 KiB, a closed loop of 64, bio-based; the machine has been up for 1,000 s"
    )
    parameters = {
        "P": len(TIMES),
        "d": DEPTH,
        "k": 4.0,
        "costs": ", ".join(str(times) for times in TIMES),
        "unit_us": UNIT_US,
        "hz": HZ,
        "early_s": EARLY_NS // NS_PER_S,
        "ios": IOS,
        "tolerance": TOLERANCE,
    }
    source = f"{MAIL} (commit c06dfd124d46); seeds 2.6, anchors 1.9 and 1.13 h"
    requirements = ("L-7",)

    def __init__(self, ios: int = IOS, swept_ios: int = 12_000, early_ns: int = EARLY_NS, limits: bool = True) -> None:
        """`early_ns` 0: the conversion is taken for exact, so that its claim must fail. `limits`: whether to look for where they
        stop holding."""
        self.limits = limits
        self.ios = ios
        self.swept_ios = swept_ios
        self.early_ns = early_ns

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        jiffy_ns = NS_PER_S // HZ
        arms: list[tuple[str, str, OldTime | None, Sequence[float]]] = [
            (SERVICE_TIME, SERVICE_TIME, None, BY_SERVICE_TIME),
            (f"{HISTORICAL}, exact", HISTORICAL, None, NEW),
            (f"{HISTORICAL}, jiffies", HISTORICAL, OldTime(jiffy_ns, 0), OLD),
            (f"{HISTORICAL}, jiffies as converted", HISTORICAL, OldTime(jiffy_ns, self.early_ns), OLD),
        ]
        measured: list[list[float]] = []
        rows: list[list[Value]] = [["by cost", *_ideal(), farthest(_ideal(), BEST)], ["  the mail's", *BEST, 0.0]]
        for place, (name, selector, old, published) in enumerate(arms):
            progress(0.15 * place, name)
            mine = self._shares(selector, self.ios, old)
            measured.append(mine)
            rows += [[name, *mine, farthest(mine, published)], ["  the mail's", *published, 0.0]]
            for path, share in enumerate(mine):
                found.records.append({"arm": name, "path": NAMES[path], "share": share, "published": published[path]})
        found.tables.append(
            Table(
                "Share of each path, and the mail's under it",
                ["", *NAMES, "farthest"],
                rows,
                "the mail has two decimals",
            )
        )
        self._claim(found, measured, arms)
        bars = [Series(name, NAMES, mine) for (name, _, _, _), mine in zip(arms, measured, strict=True)]
        title = "Shares of ten unequal paths, by the clock of the selector"
        found.curves.append(Curve(title, "", "share", [*bars, Series("old clock (2022)", NAMES, OLD)], kind=BAR))
        if self.limits:
            progress(0.6, "jiffies")
            self._sweep(found, progress)
        return found

    def _shares(
        self, selector: str, ios: int, old: OldTime | None, unit_us: int = UNIT_US, depth: int = DEPTH
    ) -> list[float]:
        return shares(Machine(TIMES, "bio", unit_ns=unit_us * 1000), selector, depth, ios, old)

    def _claim(
        self,
        found: Findings,
        measured: list[list[float]],
        arms: list[tuple[str, str, OldTime | None, Sequence[float]]],
    ) -> None:
        found.claims.append(
            Claim(
                "the ideal by the costs: farthest",
                FITTED,
                farthest(_ideal(), BEST),
                None,
                0.005,
                f"{MAIL}: Best",
                "L-7",
            )
        )
        for place, (name, _, _, published) in enumerate(arms):
            measure = farthest(measured[place], published)
            # What the mail takes for the reason is not what it has measured.
            text, requirement = (f"{name}: farthest from the mail", "L-7")
            if place == TRUNCATED:
                text, requirement = f"{name}, which the mail takes for the reason: farthest from its column", ""
            found.claims.append(Claim(text, PREDICTED, measure, None, TOLERANCE, MAIL, requirement))
        exact, converted = measured[1], measured[3]
        found.claims.append(
            Claim(
                "the slow paths together, as converted, in parts of what they get with the exact time",
                DERIVED,
                sum(converted[place] for place in SLOWER) / sum(exact[place] for place in SLOWER),
                None,
                0.1,
                f"{MAIL}: .00 each",
                "L-7",
            )
        )

    def _sweep(self, found: Findings, progress: Progress) -> None:
        """By the length of a jiffy in commands of the quickest path."""
        units = (10, 30, 100, 300, 1000, 4000)
        rows: list[list[Value]] = []
        lines: dict[str, list[float]] = {"jiffies": [], "jiffies as converted": []}
        for place, unit_us in enumerate(units):
            progress(0.6 + 0.3 * place / len(units), f"{unit_us} us")
            row: list[Value] = [unit_us]
            for name, early_ns in (("jiffies", 0), ("jiffies as converted", self.early_ns)):
                mine = self._shares(HISTORICAL, self.swept_ios, OldTime(NS_PER_S // HZ, early_ns), unit_us)
                lines[name].append(sum(mine[path] for path in SLOWER))
                row += [mine[SLOWER[0]], lines[name][-1], farthest(mine, OLD)]
            rows.append(row)
        columns = ["quickest command us"]
        for name in lines:
            columns += [f"sdg, {name}", "all slow ones", "farthest from the mail"]
        found.tables.append(Table(f"What a jiffy of {1000 // HZ} ms does, by how long commands take", columns, rows))
        nearest = min(float(row[3]) for row in rows)
        found.limits.append(
            f"that jiffies are coarse is not enough: at every length of a command from {units[0]} to {units[-1]} us rounding "
            f"down alone leaves the table's column for the old clock by {nearest:.3f} at least; sdg keeps "
            f"{min(float(row[1]) for row in rows):.3f} of the I/O, where the mail has .00. The conversion of the time in 32 "
            "bits of microseconds from a start five minutes before the machine's own puts starts before the last end of the "
            "path for good: all that a path was idle counts as service, the slow ones are idle most, and that is the mail's "
            "column. (Derived from what the conversion does; not measured on such a kernel.)"
        )
        self._vary_early(found)
        for depth in (1, 4, 16, DEPTH):
            mine = self._shares(HISTORICAL, self.swept_ios, OldTime(NS_PER_S // HZ, self.early_ns), depth=depth)
            if farthest(mine, OLD) > TOLERANCE:
                used = sum(share > TOLERANCE for share in mine)
                found.limits.append(
                    f"as converted, at depth {depth} not even the quick paths share: {used} of {len(TIMES)} have more than "
                    f"{TOLERANCE:g}"
                )
        found.curves.append(
            Curve(
                "What the five slow paths get together",
                "service time of the quickest path, us",
                "share",
                [
                    *(Series(name, units, line) for name, line in lines.items()),
                    Series("by cost", [units[0], units[-1]], [sum(_ideal()[path] for path in SLOWER)] * 2),
                ],
                log_x=True,
            )
        )

    def _vary_early(self, found: Findings) -> None:
        """By how long the machine has been up, which decides how wrong the conversion is."""
        ages = (("5 to 76", self.early_ns), ("76 to 148", LATER_NS), ("0 to 5", BOOTING_NS))
        rows: list[list[Value]] = []
        for minutes, early_ns in ages:
            mine = self._shares(HISTORICAL, self.swept_ios, OldTime(NS_PER_S // HZ, early_ns))
            rows.append([minutes, early_ns / NS_PER_S, *mine, farthest(mine, OLD)])
        columns = ["minutes up", "early s", *NAMES, "farthest from the mail"]
        found.tables.append(Table("As converted, by how long the machine has been up", columns, rows))
        if float(rows[-1][-1]) > TOLERANCE:
            found.limits.append(
                "as converted, what starts in the first five minutes of a machine starts in times to come: all service takes no "
                f"time, and the shares are others ({float(rows[-1][-1]):.3f} from the mail's)"
            )


def _ideal() -> list[float]:
    """Shares that are speeds."""
    total = sum(1 / times for times in TIMES)
    return [1 / times / total for times in TIMES]
