"""Curves of outcomes (hawser.lab.model.play): the course of latency and throughput with the faults marked, percentiles, shares of
the paths, sizes of the commands.

Each function takes runs by name, in the order in which they are to be drawn, and gives one series for each name:

    runs = {selector: [play(scenario, seed) for seed in range(4)] for selector in selectors}
    findings.curves.append(latency_over_time(runs, spans=fault_spans(scenario)))

A name may have one outcome, or those of several seeds: then a value is the mean over the seeds, with its 95 % interval
(hawser.lab.model.stats), cut at 0 (nothing here is less). A value that a seed does not have (no I/O was answered in a window) is
left out of the mean; a value that none has is NaN, a gap in the line.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf, nan
from typing import Any, Final

from hawser.core.histogram import SUB_BITS
from hawser.core.units import KIB, MIB, NS_PER_S
from hawser.lab.experiments.base import BAR, LINE, Curve, Series, Span
from hawser.lab.model.scenario import BLACK_HOLE, DELAY, ERROR, FLAP, GRAY, KILL, MESSAGE, SLOW, Fault, Scenario
from hawser.lab.model.stats import mean_interval

Outcome = Mapping[str, Any]
Runs = Mapping[str, Outcome | Sequence[Outcome]]

QUANTILES: Final = ("p50", "p90", "p99", "p99.9", "max")
SIZES_MAX: Final = 10
# Bands of more lines than this would lie on each other.
BANDS_MAX: Final = 2

# How much too high a percentile may be, which is read from a histogram.
RESOLUTION: Final = 1 / (1 << SUB_BITS)


# Over time.


def latency_over_time(
    runs: Runs, quantile: str = "p99", spans: Sequence[Span] = (), title: str = "", log: bool = True
) -> Curve:
    """Microseconds over seconds, of each window. `quantile`: p50, p99 or max, which is what windows have."""
    key = f"{quantile}_us"
    return Curve(
        title=title or f"Latency over time ({quantile})",
        x_label="time, s",
        y_label=f"latency, {quantile} of each window, µs",
        series=_course(runs, lambda window, _: window[key] if window["ios"] else nan, RESOLUTION),
        spans=tuple(spans),
        log_y=log,
    )


def latency_course(outcome: Outcome, spans: Sequence[Span] = (), title: str = "", log: bool = True) -> Curve:
    """Median, p99 and maximum of one run, in microseconds over seconds."""
    series = [
        _course({name: outcome}, lambda window, _, key=key: window[key] if window["ios"] else nan)[0]  # type: ignore[misc]
        for name, key in (("median", "p50_us"), ("p99", "p99_us"), ("max", "max_us"))
    ]
    return Curve(
        title or "Latency over time", "time, s", "latency of each window, µs", series, LINE, tuple(spans), log_y=log
    )


def throughput_over_time(runs: Runs, spans: Sequence[Span] = (), title: str = "", megabytes: bool = False) -> Curve:
    """Thousands of I/Os per second, or MB/s (10^6 bytes), over seconds."""
    key, divisor, unit = ("bytes", 1e6, "MB/s") if megabytes else ("ios", 1e3, "thousand I/Os per second")
    return Curve(
        title=title or "Throughput over time",
        x_label="time, s",
        y_label=f"throughput, {unit}",
        series=_course(runs, lambda window, seconds: window[key] / divisor / seconds),
        spans=tuple(spans),
    )


def shares_over_time(outcome: Outcome, spans: Sequence[Span] = (), title: str = "") -> Curve:
    """Of the commands of each window of one run, how many per cent went through each path."""
    windows = outcome["windows"]
    times = _middles([float(window["t"]) for window in windows], outcome)
    series = []
    for number, path in enumerate(outcome["paths"]):
        parts = [_percent(window["paths"][number], sum(window["paths"])) for window in windows]
        series.append(Series(path["name"], times, parts))
    return Curve(title or "Shares of the paths over time", "time, s", "commands, %", series, LINE, tuple(spans))


# Of a run as a whole.


def percentiles(runs: Runs, title: str = "", load: str = "", log: bool = True) -> Curve:
    """Microseconds at p50, p90, p99, p99.9 and the maximum: of all I/Os, or of those of the load of that name."""

    def values(outcome: Outcome) -> list[float]:
        latency = outcome["latency_us"]
        if load:
            latency = next(part["latency_us"] for part in outcome["loads"] if part["name"] == load)
        return [float(latency[name]) for name in QUANTILES]

    series = [
        _series(name, QUANTILES, [values(one) for one in outcomes], RESOLUTION) for name, outcomes in _named(runs)
    ]
    return Curve(title or "Latency, by percentile", "percentile", "latency, µs", series, LINE, log_y=log)


def shares(runs: Runs, title: str = "", by_bytes: bool = False) -> Curve:
    """How many per cent of the commands, or of the bytes, went through each path."""
    key, what = ("byte_share", "bytes") if by_bytes else ("share", "commands")
    series = []
    for name, outcomes in _named(runs):
        paths = [path["name"] for path in outcomes[0]["paths"]]
        parts = [[100.0 * path[key] for path in one["paths"]] for one in outcomes]
        series.append(_series(name, paths, parts))
    return Curve(title or f"Shares of the paths ({what})", "path", f"{what}, %", series, BAR)


def request_sizes(runs: Runs, title: str = "") -> Curve:
    """Of the commands that the servers got, how many per cent had which size; more than SIZES_MAX sizes are put together, from
    one power of two to the next."""
    found = {int(size) for _, outcomes in _named(runs) for one in outcomes for size in one["sizes"]}
    is_coarse = len(found) > SIZES_MAX
    classes = sorted({_power_from(size) for size in found} if is_coarse else found)
    names = [f"up to {_size(size)}" if is_coarse else _size(size) for size in classes]
    series = []
    for name, outcomes in _named(runs):
        parts = []
        for one in outcomes:
            counts = dict.fromkeys(classes, 0)
            for size, count in one["sizes"].items():
                counts[_power_from(int(size)) if is_coarse else int(size)] += count
            parts.append([_percent(count, sum(counts.values())) for count in counts.values()])
        series.append(_series(name, names, parts))
    return Curve(title or "Sizes of the commands", "size of a command", "commands, %", series, BAR)


def _power_from(size: int) -> int:
    """The smallest power of two that is not less."""
    return 1 << max(size - 1, 0).bit_length()


# What was the matter.


def fault_spans(scenario: Scenario) -> list[Span]:
    """The scenario's faults as spans of a time axis, in seconds. One without an end lasts as long as the run, or, if that has
    none either, for ever (infinity; null in results.json)."""
    return [_span(fault, scenario.seconds) for fault in scenario.faults]


def _span(fault: Fault, seconds: float) -> Span:
    start = fault.at_ns / NS_PER_S
    if fault.kind == MESSAGE:
        return Span(start, start, f"message {fault.words}")
    duration = fault.duration_ns / NS_PER_S
    if fault.kind == FLAP and not duration:
        duration = (fault.count - 1) * fault.ms / 1e3
        return Span(start, start + duration, f"{_whose(fault)}: {_what(fault)}")
    end = start + duration if duration else max(start, seconds) if seconds else inf
    return Span(start, end, f"{_whose(fault)}: {_what(fault)}")


def _whose(fault: Fault) -> str:
    return ", ".join(f"p{number}" for number in fault.paths) or "all paths"


def _what(fault: Fault) -> str:
    return {
        SLOW: f"{fault.factor:g} times as slow",
        DELAY: f"{fault.ms:g} ms later",
        GRAY: f"{fault.percent:g} % of commands {fault.ms:g} ms late",
        BLACK_HOLE: "black hole",
        KILL: "server killed",
        FLAP: "flaps" if fault.count == 1 else f"flaps {fault.count} times",
        ERROR: "errors of transport",
    }.get(fault.kind, fault.kind)


# Parts.


def _named(runs: Runs) -> Iterator[tuple[str, Sequence[Outcome]]]:
    for name, outcomes in runs.items():
        yield name, [outcomes] if isinstance(outcomes, Mapping) else outcomes


def _course(runs: Runs, value: Callable[[Mapping[str, Any], float], float], resolution: float = 0.0) -> list[Series]:
    """`value` of each window, which is told the window's length in seconds, too; with intervals where there are few lines."""
    series = []
    for name, outcomes in _named(runs):
        windows = [one["windows"] for one in outcomes]
        length = min(len(course) for course in windows)
        times = [float(window["t"]) for window in windows[0][:length]]
        seconds = _window_s(times, outcomes[0])
        values = [[float(value(window, seconds)) for window in course[:length]] for course in windows]
        line = _series(name, _middles(times, outcomes[0]), values, resolution)
        series.append(line if len(runs) <= BANDS_MAX else Series(name, line.xs, line.ys))
    return series


def _middles(times: Sequence[float], outcome: Outcome) -> list[float]:
    """A window's values stand at its middle: at its beginning, a line would rise before the fault that it rises at."""
    half = _window_s(times, outcome) / 2
    return [round(time + half, 9) for time in times]


def _window_s(times: Sequence[float], outcome: Outcome) -> float:
    """How long a window is: as far as they are apart; a run with a single one is all in it."""
    return times[1] - times[0] if len(times) > 1 else float(outcome["measured_s"])


def _series(name: str, xs: Sequence[str | float], seeds: Sequence[Sequence[float]], resolution: float = 0.0) -> Series:
    """Means over the seeds, with their intervals if there are several. `resolution`: how much too high a value may be."""
    ys, lows, highs = [], [], []
    for number in range(len(xs)):
        values = [one[number] for one in seeds if one[number] == one[number]]
        interval = mean_interval(values or [nan], resolution)
        ys.append(interval.mean)
        # Nothing can be said of the interval of one value.
        lows.append(interval.mean if interval.low is None else max(interval.low, 0.0))
        highs.append(interval.mean if interval.high is None else interval.high)
    return Series(name, list(xs), ys) if len(seeds) == 1 else Series(name, list(xs), ys, lows, highs)


def _percent(part: float, whole: float) -> float:
    return 100.0 * part / whole if whole else 0.0


def _size(size: int) -> str:
    if size >= MIB and size % MIB == 0:
        return f"{size // MIB} MiB"
    return f"{size // KIB} KiB" if size % KIB == 0 else f"{size} B"
