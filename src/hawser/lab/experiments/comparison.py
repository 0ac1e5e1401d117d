"""Comparison: a scenario of one's own, every combination of what it varies on the same seeds, beside the first of them. Where
loads vary, too, each is beside the first that is asked for the same: more load takes longer, which is no answer.

It claims nothing beforehand, and so has no claims: what it shows are the means over seeds with their 95 % intervals, and the
ratios to the first combination seed by seed (hawser.lab.model.stats says what is assumed).
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from hawser.lab.experiments.base import Experiment, Findings, Progress, Table, Value, quietly
from hawser.lab.experiments.comparison_curves import Run, all_curves
from hawser.lab.experiments.outcome_curves import RESOLUTION
from hawser.lab.model.grid import Cell, by_load, cells, load_keys
from hawser.lab.model.jobs import PLAY, Executor, Here, Job, make_jobs
from hawser.lab.model.scenario import Fault, LoadModel, PathModel, Scenario
from hawser.lab.model.scenario_words import FAULT, LOAD, MANAGER, MAP, PATH, TOP, Word
from hawser.lab.model.stats import BETTER, WORSE, Interval, compare, mean_interval
from hawser.lab.words import plural

US: Final = ("mean", "p50", "p90", "p99", "p99.9", "max")
# What is compared: its heading, where it is in an outcome, whether more of it is better, and how exact it is.
MEASURES: Final = (
    ("IOPS", ("iops",), True, 0.0),
    ("p50 µs", ("latency_us", "p50"), False, RESOLUTION),
    ("p99 µs", ("latency_us", "p99"), False, RESOLUTION),
    ("p99.9 µs", ("latency_us", "p99.9"), False, RESOLUTION),
)
# Plain numbers of an outcome that go into its record.
_NUMBERS: Final = ("measured_s", "ios", "bytes", "failed", "iops", "mb_per_s", "unanswered", "merges")


class Comparison(Experiment):
    """`over` instead of what the scenario varies itself; `seeds` instead of 0 to as many as it says. ScenarioError."""

    title = "Combinations compared on the same seeds"
    requirements = ()

    def __init__(
        self,
        scenario: Scenario,
        over: dict[str, list[str]] | None = None,
        seeds: Sequence[int] | None = None,
        executor: Executor | None = None,
        play: str = PLAY,
    ) -> None:
        self.scenario = scenario
        self.over = scenario.over if over is None else over
        self.seeds = range(scenario.seeds) if seeds is None else seeds
        self.executor = executor or Here()
        self.play = play
        self.cells = cells(scenario, self.over)
        self.name = scenario.name
        self.hypothesis = (
            scenario.hypothesis or "none was written down before the run: what is seen is explored, not tested"
        )
        self.source = scenario.source
        self.model = (
            "P simulated paths in virtual time, each with d commands in flight at most: a command of n bytes takes fixed + n / "
            "bandwidth; k is that fixed time over the bandwidth's time of 4 KiB"
        )
        self.parameters = parameters(scenario, self.over, self.seeds)

    def jobs(self) -> list[Job]:
        """All that is to be played, cell by cell."""
        return make_jobs(self.cells, self.seeds)

    def run(self, progress: Progress = quietly) -> Findings:
        """Play everything. RuntimeError names a job that failed."""
        jobs = self.jobs()
        texts = [""] * len(jobs)
        for count, (job, outcome) in enumerate(self.executor.run(jobs, self.play), start=1):
            if outcome.error:
                raise RuntimeError(f"{job.name()}: {outcome.error}")
            texts[job.number] = outcome.text
            progress(count / len(jobs), job.name())
        return self.findings(texts)

    def findings(self, texts: Sequence[str]) -> Findings:
        """`texts`: the outcomes of all jobs in their order, as JSON; empty where a job has failed."""
        runs = self._runs(texts)
        found = Findings()
        found.tables = [self._table_of_cells(runs)]
        if len(self.cells) > 1:
            found.tables.append(self._table_of_pairs(runs))
        found.curves = all_curves(self.cells, runs, self.scenario)
        found.records = [self._record(run) for run in runs]
        return found

    def _runs(self, texts: Sequence[str]) -> list[Run]:
        runs: list[Run] = []
        for number, text in enumerate(texts):
            cell, place = divmod(number, len(self.seeds))
            if text:
                runs.append(Run(cell, self.seeds[place], json.loads(text)))
        return runs

    # Tables.

    def _table_of_cells(self, runs: list[Run]) -> Table:
        columns = [*self.over, "seeds"] if self.over else ["combination", "seeds"]
        for heading, *_ in MEASURES:
            columns += [heading, f"± {heading}"]
        columns += ["MB/s", "failed I/Os"]
        rows = [self._row(cell, [run for run in runs if run.cell == number]) for number, cell in enumerate(self.cells)]
        note = (
            f"means over seeds, ± half of the 95 % interval; percentiles are read from a histogram, up to {RESOLUTION:.0%} too "
            "high, and their intervals are wider by that"
        )
        if len(self.seeds) == 1:
            note = "one seed: no intervals"
        missing = len(self.cells) * len(self.seeds) - len(runs)
        if missing:
            note += f"; {missing} of {len(runs) + missing} jobs have failed: their seeds are in no mean and no pair"
        return Table("What was measured", columns, [row for row in rows if row], note)

    def _row(self, cell: Cell, runs: list[Run]) -> list[Value]:
        """Empty if none of its jobs has ended well."""
        if not runs:
            return []
        row: list[Value] = [*cell.words.values()] or [cell.label()]
        row.append(len(runs))
        for _, where, _, resolution in MEASURES:
            interval = mean_interval([_at(run.outcome, where) for run in runs], resolution)
            row += [interval.mean, _half(interval)]
        row.append(mean_interval([_at(run.outcome, ("mb_per_s",)) for run in runs]).mean)
        row.append(sum(int(run.outcome["failed"]) for run in runs))
        return row

    def _table_of_pairs(self, runs: list[Run]) -> Table:
        rows = [row for group in by_load(self.cells) for row in self._pairs(runs, group)]
        verdicts = [row[-1] for row in rows]
        if len(self.seeds) == 1:
            note = "ratios of one seed: nothing is shown without a second one"
        elif not rows:
            note = "no seed has ended well in two of them"
        else:
            better, worse = verdicts.count(BETTER), verdicts.count(WORSE)
            note = (
                f"ratios seed by seed, with 95 % intervals: of {plural(len(rows), 'ratio')}, {better or 'none'} "
                f"{'are' if better > 1 else 'is'} shown to be better and {worse or 'none'} worse; where nothing differs, one in "
                "twenty would look as if it did"
            )
        columns = ("combination", "measure", "ratio", "from", "to", "verdict")
        return Table(f"Beside the first, {self._first()}", columns, rows, note)

    def _first(self) -> str:
        """What each is compared with: of combinations that are asked for the same, the first."""
        cell, keys = self.cells[0], load_keys(self.cells)
        if not keys:
            return cell.label()
        others = ", ".join(f"{key}={text}" for key, text in cell.words.items() if key not in keys)
        return f"{others}, of the same {' and '.join(keys)}"

    def _pairs(self, runs: list[Run], group: list[int]) -> Iterator[list[Value]]:
        """The cells of these numbers beside the first of them."""
        by_seed = [{run.seed: run for run in runs if run.cell == number} for number in group]
        for number, others in zip(group[1:], by_seed[1:], strict=True):
            cell = self.cells[number]
            both = [seed for seed in self.seeds if seed in by_seed[0] and seed in others]
            if not both:
                continue
            for heading, where, more_is_better, resolution in MEASURES:
                first = [_at(by_seed[0][seed].outcome, where) for seed in both]
                other = [_at(others[seed].outcome, where) for seed in both]
                verdict = compare(first, other, more_is_better, resolution)
                ratio = verdict.ratio
                row: list[Value] = (
                    ["", "", ""] if ratio is None else [ratio.mean, _number(ratio.low), _number(ratio.high)]
                )
                yield [cell.label(), heading, *row, verdict.text]

    # Records.

    def _record(self, run: Run) -> dict[str, Value]:
        """One flat row of a run. What is varied stands there by its key; `over.` before it where a figure is called so."""
        outcome = run.outcome
        record: dict[str, Value] = {"cell": self.cells[run.cell].label(), "seed": run.seed}
        record.update({name: outcome[name] for name in _NUMBERS})
        record.update({f"{name}_us": outcome["latency_us"][name] for name in US})
        for path in outcome["paths"]:
            record[f"{path['name']}.commands"] = path["commands"]
            record[f"{path['name']}.share"] = path["share"]
        record["digest"] = outcome["digest"]
        words = self.cells[run.cell].words
        varied: dict[str, Value] = {f"over.{key}" if key in record else key: text for key, text in words.items()}
        return {**varied, **record}


def _at(outcome: dict[str, Any], where: Sequence[str]) -> float:
    value: Any = outcome
    for name in where:
        value = value[name]
    return float(value)


def _half(interval: Interval) -> Value:
    return _number(interval.half())


def _number(value: float | None) -> Value:
    return "" if value is None else value


# What decides the result, in the words of the file.


def parameters(scenario: Scenario, over: dict[str, list[str]], seeds: Sequence[int]) -> dict[str, Value]:
    """Everything that is not as usual, and what always counts; k, d and P as in the device model."""
    found: dict[str, Value] = {"P": len(scenario.paths)}
    first = scenario.paths[0]
    found["d"] = first.depth
    if first.ns_per_kib:
        found["k"] = round(first.fixed_ns / (4 * first.ns_per_kib), 4)
    found["seconds"] = scenario.seconds
    found["seeds"] = f"{seeds[0]} to {seeds[-1]}"
    _unusual(TOP, scenario, Scenario(), "", found)
    _unusual(MAP, scenario.map, type(scenario.map)(), "map.", found)
    _unusual(MANAGER, scenario.manager, type(scenario.manager)(), "manager.", found)
    # What all paths have in common is said once.
    common = PathModel()
    for word in PATH.values():
        if all(getattr(path, word.field) == getattr(first, word.field) for path in scenario.paths):
            setattr(common, word.field, getattr(first, word.field))
    _unusual(PATH, common, PathModel(), "array.", found)
    for number, path in enumerate(scenario.paths):
        _unusual(PATH, path, common, f"path.{number}.", found)
    for number, load in enumerate(scenario.loads):
        # A name that is no load's, and what every load is asked for first, whatever is usual.
        _unusual(LOAD, load, LoadModel(pattern="", depth=-1, sizes=[]), f"load.{number}.", found)
    for number, fault in enumerate(scenario.faults):
        _unusual(FAULT, fault, Fault(-1, ""), f"fault.{number}.", found)
    found.update({f"over {key}": ", ".join(texts) for key, texts in over.items()})
    return found


def _unusual(words: dict[str, Word], part: Any, usual: Any, where: str, found: dict[str, Value]) -> None:
    for word in words.values():
        value = getattr(part, word.field)
        if word.key in ("name", "hypothesis", "source", "seeds", "seconds", "ns-per-kib") or value in (None, ""):
            continue
        if value != getattr(usual, word.field):
            found[f"{where}{word.key}"] = word.kind.show(value)
