"""The figures of a comparison: its course with the faults marked, percentiles, shares of paths, sizes, and what is varied.

Each point is a mean over the seeds, with its 95 % interval where there are several.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hawser.core.histogram import SUB_BITS
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.experiments.base import BAR, LINE, Curve, Series, Span, Value
from hawser.lab.model.grid import Cell
from hawser.lab.model.scenario import FLAP, MESSAGE, Fault, Scenario
from hawser.lab.model.stats import mean_interval
from hawser.lab.model.word_kinds import size_word

# More lines than this in one figure nobody tells apart.
SERIES_MAX: Final = 8
PERCENTILES: Final = ("p50", "p90", "p99", "p99.9", "max")
# How much too high a percentile may be.
RESOLUTION: Final = 1 / (1 << SUB_BITS)
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
    shown = found[:SERIES_MAX]
    some = "" if len(shown) == len(found) else f" (the first {len(shown)} of {len(found)} combinations)"
    curves = [
        _course(f"Latency over time{some}", "p99 of a window, µs", "p99_us", shown, scenario),
        _course(f"Throughput over time{some}", "I/Os a second", "ios", shown, scenario),
        Curve(
            f"Latency{some}", "percentile", "µs", [_percentiles(cell, rows) for cell, rows in shown], BAR, log_y=True
        ),
        Curve(f"Shares of the paths{some}", "path", "share of the commands", [_shares(*one) for one in shown], BAR),
        _sizes(f"Sizes of the commands{some}", shown),
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


def _course(
    title: str, y_label: str, key: str, shown: Sequence[tuple[Cell, list[dict[str, Any]]]], scenario: Scenario
) -> Curve:
    """Over the windows that all runs of a cell have."""
    scale, resolution = (1000.0 / scenario.window_ms, 0.0) if key == "ios" else (1.0, RESOLUTION)
    series: list[Series] = []
    end = 0.0
    for cell, outcomes in shown:
        count = min(len(outcome["windows"]) for outcome in outcomes)
        # In the middle of each window.
        xs = [round(window["t"] + scenario.window_ms / 2000, 6) for window in outcomes[0]["windows"][:count]]
        figures = [_window(place, key, scale) for place in range(count)]
        series.append(_series(cell.label(), xs, outcomes, figures, resolution))
        end = max([end, *xs])
    return Curve(title, "seconds", y_label, series, LINE, fault_spans(scenario.faults, scenario.seconds or end))


def _window(place: int, key: str, scale: float) -> Figure:
    return lambda outcome: float(outcome["windows"][place][key]) * scale


def fault_spans(faults: Sequence[Fault], end: float) -> list[Span]:
    """When something was the matter, in seconds; without an end of its own, until the end of the run."""
    return [_span(fault, end) for fault in faults]


def _span(fault: Fault, end: float) -> Span:
    start = fault.at_ns / NS_PER_S
    paths = ", ".join(f"p{number}" for number in fault.paths)
    if fault.kind == MESSAGE:
        return Span(start, start, f"message {fault.words}")
    stop = (fault.at_ns + fault.duration_ns) / NS_PER_S if fault.duration_ns else end
    if fault.kind == FLAP and not fault.duration_ns:
        stop = start + (fault.count - 1) * fault.ms * NS_PER_MS / NS_PER_S
    return Span(start, min(stop, end), f"{fault.kind} {paths}")


def _percentiles(cell: Cell, outcomes: list[dict[str, Any]]) -> Series:
    return _series(cell.label(), PERCENTILES, outcomes, [_latency(name) for name in PERCENTILES], RESOLUTION)


def _latency(name: str) -> Figure:
    return lambda outcome: float(outcome["latency_us"][name])


def _shares(cell: Cell, outcomes: list[dict[str, Any]]) -> Series:
    names = [str(path["name"]) for path in outcomes[0]["paths"]]
    return _series(cell.label(), names, outcomes, [_share(place) for place in range(len(names))])


def _share(place: int) -> Figure:
    return lambda outcome: float(outcome["paths"][place]["share"])


def _sizes(title: str, shown: Sequence[tuple[Cell, list[dict[str, Any]]]]) -> Curve:
    """Over all sizes that any of them had."""
    sizes = sorted({int(size) for _, outcomes in shown for outcome in outcomes for size in outcome["sizes"]})
    names = [size_word(size) for size in sizes]
    series = [_series(cell.label(), names, outcomes, [_part(size) for size in sizes]) for cell, outcomes in shown]
    return Curve(title, "bytes of a command", "share of the commands", series, BAR)


def _part(size: int) -> Figure:
    return lambda outcome: int(outcome["sizes"].get(str(size), 0)) / max(1, sum(outcome["sizes"].values()))


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
