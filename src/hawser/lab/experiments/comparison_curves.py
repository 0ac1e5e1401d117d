"""The figures of a comparison: its course with the faults marked, percentiles, shares of paths, sizes, and what is varied.

Each point is a mean over the seeds, with its 95 % interval where there are several.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
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
from hawser.lab.model.grid import Cell, by_load, load_keys
from hawser.lab.model.scenario import Scenario
from hawser.lab.model.stats import mean_interval

# So many lines of one figure have a colour of their own (hawser.lab.report.colours).
SERIES_MAX: Final = 7
# Of so many loads figures are drawn, where they do not share one.
LOADS_MAX: Final = 4
# From how many values on a key that says numbers gets an axis.
AXIS_MIN: Final = 3


@dataclass(frozen=True)
class Run:
    """What a cell (by number) came to with a seed."""

    cell: int
    seed: int
    outcome: dict[str, Any]


# A cell, and how it ended with each seed.
Ended = tuple[Cell, list[dict[str, Any]]]
# A figure of one outcome.
Figure = Callable[[dict[str, Any]], float]


def all_curves(cells: Sequence[Cell], runs: Sequence[Run], scenario: Scenario) -> list[Curve]:
    """`scenario` tells when its faults were. Cells of which nothing ended well are left out."""
    of_cells = [(cell, [run.outcome for run in runs if run.cell == number]) for number, cell in enumerate(cells)]
    found = [(cell, outcomes) for cell, outcomes in of_cells if outcomes]
    if not found:
        return []
    spans = fault_spans(scenario)
    curves: list[Curve] = []
    for group in _groups(found):
        shown, some = _shown(group)
        curves += [
            latency_over_time(shown, spans=spans, title=f"Latency over time{some}"),
            throughput_over_time(shown, spans=spans, title=f"Throughput over time{some}"),
            percentiles(shown, f"Latency{some}"),
            shares(shown, f"Shares of the paths{some}"),
            request_sizes(shown, f"Sizes of the commands{some}"),
        ]
    return curves + _axes(cells, found)


# Which of many are drawn.


def _groups(found: Sequence[Ended]) -> list[Sequence[Ended]]:
    """What shares a figure: all, or where they are too many those of one load; of many loads some, the least and the most too."""
    if len(found) <= SERIES_MAX:
        return [found]
    groups = [[found[number] for number in group] for group in by_load([cell for cell, _ in found])]
    if len(groups) > LOADS_MAX:
        places = [round(place * (len(groups) - 1) / (LOADS_MAX - 1)) for place in range(LOADS_MAX)]
        return [groups[place] for place in places]
    return list(groups)


def _shown(group: Sequence[Ended]) -> tuple[dict[str, list[dict[str, Any]]], str]:
    """What is drawn of a group, by name, and what to say of that behind a title."""
    words = [cell.words for cell, _ in group]
    # What all have in common is said once, where that says of which load the figure is.
    keys = load_keys([cell for cell, _ in group])
    common = [key for key in keys if len({one[key] for one in words}) == 1] if len(group) > 1 else []
    p99 = _latency("p99")
    chosen = apart([[sum(p99(outcome) for outcome in outcomes) / len(outcomes)] for _, outcomes in group])
    shown: dict[str, list[dict[str, Any]]] = {}
    for place in chosen:
        cell, outcomes = group[place]
        name = ", ".join(f"{key}={text}" for key, text in cell.words.items() if key not in common)
        shown[name or cell.label()] = outcomes
    of = "".join(f", {key}={words[0][key]}" for key in common)
    return shown, of + _left_out(len(chosen), len(group))


def _left_out(shown: int, count: int) -> str:
    return "" if shown == count else f" ({shown} of {count}: the first, and those farthest from it)"


def apart(figures: Sequence[Sequence[float]]) -> list[int]:
    """The places of SERIES_MAX at most, in their order: of the first, and of those whose figures are farthest from the first's,
    as ratios."""
    if len(figures) <= SERIES_MAX:
        return list(range(len(figures)))

    def distance(place: int) -> float:
        both = [pair for pair in zip(figures[0], figures[place], strict=False) if min(pair) > 0]
        return max((abs(log(other / first)) for first, other in both), default=0.0)

    farthest = sorted(range(1, len(figures)), key=lambda place: (-distance(place), place))
    return sorted([0, *farthest[: SERIES_MAX - 1]])


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
            shown = [series[place] for place in apart([one.ys for one in series])]
            some = _left_out(len(shown), len(series))
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
