"""Tournament: path selectors on the same seeds of one scenario, ranked by the tail of what was answered while its fault lasted.

What is measured begins with the first fault and ends with the last; the time before is the warm-up, in which selectors learn what
the paths are like. A rank is that of a mean over seeds; whether one is really behind the first is said seed by seed
(hawser.lab.model.stats). Selectors of one's own are named by where they are (hawser.lab.model.own).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hawser.core.units import NS_PER_S
from hawser.lab.experiments.base import BAR, Curve, Findings, Series, Table, Value
from hawser.lab.experiments.comparison import Comparison
from hawser.lab.experiments.comparison_curves import RESOLUTION, Run
from hawser.lab.model.jobs import PLAY, Executor
from hawser.lab.model.scenario import Scenario, ScenarioError
from hawser.lab.model.scenario_file import copy_of
from hawser.lab.model.stats import Interval, Verdict, compare, mean_interval

FIVE: Final = ("round-robin 0", "queue-length 0", "service-time 0", "historical-service-time 0", "io-affinity 0")
# What they are ranked by.
TAILS: Final = ("p99", "p99.9")
CONTENDERS_MAX: Final = 32


@dataclass(frozen=True)
class Standing:
    """`rank` from 1, by the mean over seeds, in microseconds. `beside`: compared with the first; None: it is the first.
    `won`: on how many seeds it was the best. `share`: of the commands that went to paths with the fault."""

    rank: int
    selector: str
    latency_us: Interval
    beside: Verdict | None
    won: int
    share: float


class Tournament(Comparison):
    """`own` selectors against the five of Linux, each with its arguments, as in a table (`examples/quickest.py:Quickest 0`).
    ScenarioError where the scenario has no fault, varies something itself, or a selector cannot be had."""

    title = "Selectors in a tournament of tail latencies while the fault lasts"

    def __init__(
        self,
        scenario: Scenario,
        own: Sequence[str],
        seeds: Sequence[int] | None = None,
        executor: Executor | None = None,
        play: str = PLAY,
    ) -> None:
        contenders = list(dict.fromkeys([*FIVE, *own]))
        if len(contenders) > CONTENDERS_MAX:
            raise ScenarioError(f"{len(contenders)} selectors; at most {CONTENDERS_MAX} compete")
        super().__init__(while_it_lasts(scenario), {"selector": contenders}, seeds, executor, play)
        self.own = list(own)
        self.contenders = contenders
        self.faulty = sorted({number for fault in scenario.faults for number in fault.paths})

    def findings(self, texts: Sequence[str]) -> Findings:
        found = super().findings(texts)
        runs = self._runs(texts)
        ranked = {tail: self.standings(runs, tail) for tail in TAILS}
        found.tables = [*(_table(tail, rows) for tail, rows in ranked.items()), *found.tables]
        found.curves = [_bars(ranked, self.contenders), *found.curves]
        return found

    def runs(self, texts: Sequence[str]) -> list[Run]:
        """The outcomes of all jobs in their order, of those that there are."""
        return self._runs(texts)

    def standings(self, runs: Sequence[Run], tail: str) -> list[Standing]:
        """The best first. Only seeds that every selector has ended well count."""
        by_cell: list[dict[int, dict[str, Any]]] = [{} for _ in self.cells]
        for run in runs:
            by_cell[run.cell][run.seed] = run.outcome
        seeds = [seed for seed in self.seeds if all(seed in outcomes for outcomes in by_cell)]
        if not seeds:
            return []
        tails = [[float(outcomes[seed]["latency_us"][tail]) for seed in seeds] for outcomes in by_cell]
        means = [mean_interval(values, RESOLUTION) for values in tails]
        # Of equal ones the first that was named.
        order = sorted(range(len(self.cells)), key=lambda cell: (means[cell].mean, cell))
        best_of_seed = [min(values[place] for values in tails) for place in range(len(seeds))]
        standings: list[Standing] = []
        for rank, cell in enumerate(order, 1):
            beside = compare(tails[order[0]], tails[cell], False, RESOLUTION) if rank > 1 else None
            won = sum(1 for value, best in zip(tails[cell], best_of_seed, strict=True) if value == best)
            shares = [self._share(by_cell[cell][seed]) for seed in seeds]
            standings.append(
                Standing(rank, self.contenders[cell], means[cell], beside, won, mean_interval(shares).mean)
            )
        return standings

    def _share(self, outcome: dict[str, Any]) -> float:
        return float(sum(outcome["paths"][number]["share"] for number in self.faulty))


def while_it_lasts(scenario: Scenario) -> Scenario:
    """The same, of which only the time with a fault is measured. ScenarioError where there is none."""
    if scenario.over:
        raise ScenarioError(f"over: a tournament varies the selector, and not {', '.join(scenario.over)} besides")
    if not scenario.faults:
        raise ScenarioError("fault: there is none: a tournament is about what happens while one lasts")
    if not scenario.seconds:
        raise ScenarioError("seconds: is missing: a tournament lasts for a time, whatever is answered in it")
    changed = copy_of(scenario)
    changed.warm_up_s = min(fault.at_ns for fault in scenario.faults) / NS_PER_S
    end_s = scenario.seconds
    if all(fault.duration_ns for fault in scenario.faults):
        end_s = max(fault.at_ns + fault.duration_ns for fault in scenario.faults) / NS_PER_S
    changed.seconds = min(scenario.seconds, end_s)
    return changed


def _table(tail: str, rows: Sequence[Standing]) -> Table:
    columns = (
        "rank",
        "selector",
        f"{tail} µs",
        "from",
        "to",
        "times the first",
        "from",
        "to",
        "verdict",
        "seeds won",
        "share",
    )
    note = (
        f"means over seeds with 95 % intervals; quantiles are read from a histogram, up to {RESOLUTION:.0%} too high, and the "
        "intervals are wider by that; share: of the commands that went to the path with the fault"
    )
    return Table(f"Ranking by {tail} during the fault", columns, [_row(row) for row in rows], note)


def _row(row: Standing) -> list[Value]:
    cells: list[Value] = [row.rank, row.selector, *_cells(row.latency_us)]
    ratio = row.beside.ratio if row.beside is not None else None
    cells += _cells(ratio) if ratio is not None else ["", "", ""]
    return [*cells, row.beside.text if row.beside is not None else "the first", row.won, row.share]


def _cells(interval: Interval) -> list[Value]:
    ends: list[Value] = ["" if end is None else end for end in (interval.low, interval.high)]
    return [interval.mean, *ends]


def _bars(ranked: dict[str, list[Standing]], contenders: Sequence[str]) -> Curve:
    series: list[Series] = []
    for tail, rows in ranked.items():
        by_name = {row.selector: row.latency_us for row in rows}
        found = [by_name[name] for name in contenders if name in by_name]
        lows = [each.low for each in found if each.low is not None]
        highs = [each.high for each in found if each.high is not None]
        means = [each.mean for each in found]
        names = [name for name in contenders if name in by_name]
        has_ends = len(lows) == len(means)
        series.append(Series(tail, names, means, lows if has_ends else None, highs if has_ends else None))
    return Curve("Tail latency during the fault", "selector", "µs", series, BAR, log_y=True)
