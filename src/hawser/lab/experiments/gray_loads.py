"""What gray-failure asks beside the rest: how much load a selector needs to get rid of a slow path without anybody's help."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.experiments.base import Curve, Findings, Series, Span, Table, Value
from hawser.lab.model.bench import Bench
from hawser.lab.model.each import keep_each
from hawser.lab.model.scenario import SLOW, Fault, LoadModel, ManagerModel, MapModel, PathModel, Scenario

PATHS: Final = 4
SLOW_PATH: Final = 1
# I/Os a second; the slow path can do 80 of them.
RATES: Final = (200, 1000, 4000)
SHOWN: Final = 1000
SECONDS: Final = 4.0
SLOW_S: Final = 1.0
# What an I/O usually takes, and how many times that is no help.
USUAL_MS: Final = 1.11
HURT: Final = 20


@dataclass
class Loaded:
    """p99 in ms while the path is slow; windows of the whole run: when, p99 in ms, and the slow path's share."""

    p99_ms: float
    at_s: list[float]
    p99s_ms: list[float]
    share: list[float]


def tell_by_load(found: Findings, mode: str, selectors: Sequence[str], times: int) -> None:
    """A table, curves of one load, and where a selector begins to help."""
    rows: list[list[Value]] = []
    shown: dict[str, Loaded] = {}
    for selector in selectors:
        played = {rate: _play(mode, selector, rate, times) for rate in RATES}
        shown[selector] = played[SHOWN]
        rows.append([selector, *(each.p99_ms for each in played.values())])
        helped = [rate for rate, each in played.items() if each.p99_ms < HURT * USUAL_MS]
        if helped:
            found.limits.append(
                f"that no selector helps does not hold for {selector} from {min(helped):,} I/Os a second on"
            )
        for rate, each in played.items():
            found.records.append({"selector": selector, "policy": "alone", "rate": rate, "later_p99_ms": each.p99_ms})
    columns = ["selector", *(f"{rate:,} a second" for rate in RATES)]
    title = f"p99 in ms with the path {times} times as slow, by load, selectors alone"
    found.tables.append(Table(title, columns, rows, "on the bench: the same servers, Poisson, no manager"))
    span = [Span(0, SECONDS - SLOW_S, f"{times} times as slow")]
    label = "seconds since the path became slow"
    found.curves += [
        Curve(
            f"{SHOWN:,} I/Os a second, selectors alone",
            label,
            "p99 of a tenth of a second, ms",
            [Series(selector, each.at_s, each.p99s_ms) for selector, each in shown.items()],
            spans=span,
            log_y=True,
        ),
        Curve(
            f"{SHOWN:,} I/Os a second: what the slow path is sent",
            label,
            "share",
            [Series(selector, each.at_s, each.share) for selector, each in shown.items()],
            spans=span,
        ),
    ]


def _play(mode: str, selector: str, rate: int, times: int) -> Loaded:
    path = PathModel(fixed_ns=NS_PER_MS, ns_per_kib=2_500, slots=4, latency_ns=NS_PER_MS // 10)
    scenario = Scenario(
        name="gray-failure",
        seconds=SECONDS,
        window_ms=100,
        paths=[path] * PATHS,
        map=MapModel(mode=mode, selector=f"{selector} 0", nomerges=2),
        manager=ManagerModel(enabled=False),
        loads=[LoadModel(write_percent=30, depth=0, rate=float(rate), batch=1)],
        faults=[Fault(int(SLOW_S * NS_PER_S), SLOW, [SLOW_PATH], factor=float(times))],
    )
    bench = Bench(scenario, 1)
    meter = keep_each(bench)
    bench.run()
    # What was asked for half a second before the end and is not answered yet has taken longer than all of these.
    start_ns, end_ns = int((SLOW_S + 0.5) * NS_PER_S), int((SECONDS - 0.5) * NS_PER_S)
    took = sorted(took_ns for at_ns, took_ns, _ in meter.each if start_ns <= at_ns < end_ns)
    windows = bench.outcome()["windows"]
    return Loaded(
        took[len(took) * 99 // 100] / NS_PER_MS,
        [window["t"] - SLOW_S for window in windows],
        [window["p99_us"] / 1000 for window in windows],
        [window["paths"][SLOW_PATH] / max(1, sum(window["paths"])) for window in windows],
    )
