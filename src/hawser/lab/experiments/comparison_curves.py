"""The figures of a comparison: its course with the faults marked, percentiles, shares of paths, sizes, and what is varied.

Each point is a mean over the seeds, with its 95 % interval where there are several.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hawser.lab.experiments.base import LINE, Curve, Series, Value
from hawser.lab.experiments.outcome_curves import (
    RESOLUTION,
    fault_spans,
    latency_over_time,
    percentiles,
    request_sizes,
    shares,
    throughput_over_time,
)
from hawser.lab.model.grid import Cell
from hawser.lab.model.scenario import Scenario
from hawser.lab.model.stats import mean_interval

# More lines than this in one figure nobody tells apart.
SERIES_MAX: Final = 8
# From how many values on a key that says numbers gets an axis.
AXIS_MIN: Final = 3


@dataclass(frozen=True)
class Run:
    """What a cell (by number) came to with a seed."""

    cell: int
    seed: int
    outcome: dict[str, Any]


# A figure of one outcome.
Figure = Callable[[dict[str, Any]], float]


def all_curves(cells: Sequence[Cell], runs: Sequence[Run], scenario: Scenario) -> list[Curve]:
    """`scenario` tells when its faults were. Cells of which nothing ended well are left out."""
    of_cells = [(cell, [run.outcome for run in runs if run.cell == number]) for number, cell in enumerate(cells)]
    found = [(cell, outcomes) for cell, outcomes in of_cells if outcomes]
    if not found:
        return []
    shown = {cell.label(): outcomes for cell, outcomes in found[:SERIES_MAX]}
    some = "" if len(shown) == len(found) else f" (the first {len(shown)} of {len(found)} combinations)"
    spans = fault_spans(scenario)
    curves = [
        latency_over_time(shown, spans=spans, title=f"Latency over time{some}"),
        throughput_over_time(shown, spans=spans, title=f"Throughput over time{some}"),
        percentiles(shown, f"Latency{some}"),
        shares(shown, f"Shares of the paths{some}"),
        request_sizes(shown, f"Sizes of the commands{some}"),
    ]
    return curves + _axes(cells, found)


def _series(
    name: str,
    xs: Sequence[Value],
    outcomes: Sequence[dict[str, Any]],
    figures: Sequence[Figure],
    resolution: float = 0.0,
) -> Series:
    """One point for each of `xs`, by its figure."""
    intervals = [mean_interval([figure(outcome) for outcome in outcomes], resolution) for figure in figures]
    ys = [interval.mean for interval in intervals]
    lows = [interval.low for interval in intervals if interval.low is not None]
    highs = [interval.high for interval in intervals if interval.high is not None]
    if len(lows) < len(ys):
        return Series(name, xs, ys)
    return Series(name, xs, ys, lows, highs)


def _latency(name: str) -> Figure:
    return lambda outcome: float(outcome["latency_us"][name])


# What is varied as an axis.


def _axes(cells: Sequence[Cell], found: Sequence[tuple[Cell, list[dict[str, Any]]]]) -> list[Curve]:
    """For each key that says enough numbers: throughput and p99 over it, a line for each combination of the others."""
    curves: list[Curve] = []
    for key in cells[0].words:
        texts = list(dict.fromkeys(cell.words[key] for cell in cells))
        if len(texts) < AXIS_MIN or any(_as_number(text) is None for text in texts):
            continue
        log_x = all((_as_number(text) or 0) > 0 for text in texts)
        lines: dict[str, list[tuple[float, list[dict[str, Any]]]]] = {}
        for cell, outcomes in found:
            others = ", ".join(f"{name}={text}" for name, text in cell.words.items() if name != key) or key
            lines.setdefault(others, []).append((_as_number(cell.words[key]) or 0.0, outcomes))
        for title, y_label, figure, resolution in (
            ("Throughput", "I/Os a second", lambda outcome: float(outcome["iops"]), 0.0),
            ("p99", "µs", _latency("p99"), RESOLUTION),
        ):
            series = [
                _line(name, sorted(points, key=lambda point: point[0]), figure, resolution)
                for name, points in lines.items()
            ]
            shown = series[:SERIES_MAX]
            some = "" if len(shown) == len(series) else f" (the first {len(shown)} of {len(series)} combinations)"
            curves.append(Curve(f"{title} over {key}{some}", key, y_label, shown, LINE, log_x=log_x))
    return curves


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _line(name: str, points: Sequence[tuple[float, list[dict[str, Any]]]], figure: Figure, resolution: float) -> Series:
    """Points of one figure, each the mean of its own runs."""
    single = [_series(name, [x], outcomes, [figure], resolution) for x, outcomes in points]
    xs = [x for x, _ in points]
    ys = [one.ys[0] for one in single]
    lows = [one.lows[0] for one in single if one.lows is not None]
    highs = [one.highs[0] for one in single if one.highs is not None]
    return Series(name, xs, ys, lows, highs) if len(lows) == len(ys) else Series(name, xs, ys)
