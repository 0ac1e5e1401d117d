"""What a replay has come to, as figures and as plain rows (hawser.lab.experiments.replay)."""

from collections.abc import Sequence
from typing import Any, Final

from hawser.core.histogram import Histogram
from hawser.core.units import NS_PER_US
from hawser.lab.experiments.base import BAR, Curve, Series, Value
from hawser.lab.model.replay import Source, recorded_course, recorded_shares, window_ms
from hawser.lab.model.scenario import MapModel
from hawser.lab.model.stats import Interval, mean_interval

PARTS: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
QUANTILES: Final = (*PARTS, "max")

# Of each policy, the outcomes of its seeds.
Runs = Sequence[Sequence[dict[str, Any]]]


def label(policy: MapModel, recorded: MapModel | None) -> str:
    """`service-time 0`, and what else is not as it was recorded."""
    words = [policy.selector]
    if recorded is None or policy.mode != recorded.mode:
        words.append(policy.mode)
    if recorded is None or policy.scheduler != recorded.scheduler:
        words.append(policy.scheduler)
    return ", ".join(words)


def commands_of(outcome: dict[str, Any]) -> int:
    return int(sum(path["commands"] for path in outcome["paths"]))


def shares_of(outcomes: Sequence[dict[str, Any]]) -> list[float]:
    """Each path's part of the commands, over all seeds."""
    count = len(outcomes[0]["paths"])
    return [sum(outcome["paths"][place]["share"] for outcome in outcomes) / len(outcomes) for place in range(count)]


def curves(source: Source, recorded: Histogram, policies: Sequence[MapModel], runs: Runs) -> list[Curve]:
    """Quantiles, the course of p99 and the paths' shares, with what was recorded beside each."""
    names = [f"replayed: {label(policy, policies[0])}" for policy in policies]
    return [_quantiles(recorded, names, runs), _course(source, names, runs), _shares(source, names, runs)]


def _quantiles(recorded: Histogram, names: Sequence[str], runs: Runs) -> Curve:
    was = [*(recorded.quantile(part) / NS_PER_US for part in PARTS.values()), recorded.maximum / NS_PER_US]
    series = [Series("recorded", list(QUANTILES), was)]
    for name, outcomes in zip(names, runs, strict=True):
        intervals = [mean_interval([outcome["latency_us"][each] for outcome in outcomes]) for each in QUANTILES]
        ys = [interval.mean for interval in intervals]
        series.append(Series(name, list(QUANTILES), ys, _lows(intervals), _highs(intervals)))
    return Curve("latency, recorded and replayed", "quantile", "latency, us", series, BAR, log_y=True)


def _course(source: Source, names: Sequence[str], runs: Runs) -> Curve:
    course = recorded_course(source)
    series = [Series("recorded", [t for t, _ in course], [p99 for _, p99 in course])]
    for name, outcomes in zip(names, runs, strict=True):
        windows = [window for window in outcomes[0]["windows"] if window["ios"]]
        series.append(Series(name, [each["t"] for each in windows], [each["p99_us"] for each in windows]))
    return Curve(f"p99 of each {window_ms(source):g} ms, seed 0", "time, s", "latency, us", series, log_y=True)


def _shares(source: Source, names: Sequence[str], runs: Runs) -> Curve:
    paths = [f"p{place}" for place in range(len(source.paths))]
    series = [Series("recorded", paths, [100 * share for share in recorded_shares(source)])]
    for name, outcomes in zip(names, runs, strict=True):
        series.append(Series(name, paths, [100 * share for share in shares_of(outcomes)]))
    return Curve("commands by path", "path", "share, %", series, BAR)


def records(policies: Sequence[MapModel], runs: Runs) -> list[dict[str, Value]]:
    """A row for each policy and seed."""
    found: list[dict[str, Value]] = []
    for policy, outcomes in zip(policies, runs, strict=True):
        for seed, outcome in enumerate(outcomes):
            record: dict[str, Value] = {
                "selector": policy.selector,
                "mode": policy.mode,
                "scheduler": policy.scheduler,
                "seed": seed,
                "ios": outcome["ios"],
                "iops": outcome["iops"],
                "commands": commands_of(outcome),
            }
            for name in ("mean", *QUANTILES):
                record[f"{name}_us"] = outcome["latency_us"][name]
            for place, path in enumerate(outcome["paths"]):
                record[f"p{place}_share"] = path["share"]
            found.append(record)
    return found


def _lows(intervals: Sequence[Interval]) -> list[float] | None:
    lows = [interval.low for interval in intervals if interval.low is not None]
    return [max(0.0, low) for low in lows] if len(lows) == len(intervals) else None


def _highs(intervals: Sequence[Interval]) -> list[float] | None:
    highs = [interval.high for interval in intervals if interval.high is not None]
    return highs if len(highs) == len(intervals) else None
