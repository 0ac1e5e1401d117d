"""Curves of outcomes: of a run that was played, and of windows whose means and intervals are known."""

from functools import cache
from math import inf, isnan
from typing import Any

import pytest

from hawser.lab.experiments.base import BAR, LINE, Span
from hawser.lab.experiments.outcome_curves import (
    RESOLUTION,
    fault_spans,
    latency_course,
    latency_over_time,
    percentiles,
    request_sizes,
    shares,
    shares_over_time,
    throughput_over_time,
)
from hawser.lab.model.play import play
from hawser.lab.model.scenario import BLACK_HOLE, FLAP, GRAY, KILL, MESSAGE, SLOW, Fault, LoadModel, PathModel, Scenario


def scenario() -> Scenario:
    """Two paths; from 60 ms to 120 ms one of them is 20 times as slow."""
    return Scenario(
        seconds=0.2,
        warm_up_s=0.02,
        window_ms=20,
        paths=[PathModel(spread="uniform") for _ in range(2)],
        loads=[LoadModel(name="clients", depth=4)],
        faults=[Fault(at_ns=60_000_000, kind=SLOW, paths=[0], duration_ns=60_000_000, factor=20)],
    )


@cache
def outcome(seed: int) -> dict[str, Any]:
    return play(scenario(), seed)


def window(t: float, ios: int, us: float, paths: list[int] | None = None) -> dict[str, Any]:
    paths = paths or [ios, 0]
    return {"t": t, "ios": ios, "bytes": ios * 4096, "p50_us": us / 2, "p99_us": us, "max_us": 2 * us, "paths": paths}


def made(*windows: dict[str, Any], **more: Any) -> dict[str, Any]:
    paths = [{"name": "p0", "share": 0.75, "byte_share": 0.5}, {"name": "p1", "share": 0.25, "byte_share": 0.5}]
    return {"measured_s": 0.5, "windows": list(windows), "paths": paths} | more


def test_latency_rises_while_the_fault_lasts():
    curve = latency_over_time({"one": outcome(1)}, spans=fault_spans(scenario()))
    assert curve.spans == (Span(0.06, 0.12, "p0: 20 times as slow"),)
    (series,) = curve.series
    assert list(series.xs) == pytest.approx([0.01 + 0.02 * number for number in range(10)])
    during = [y for x, y in zip(series.xs, series.ys, strict=True) if 0.06 <= float(x) < 0.12]
    before = [y for x, y in zip(series.xs, series.ys, strict=True) if float(x) < 0.06]
    assert min(during) > 5 * max(before)
    assert (series.lows, series.highs) == (None, None)


def test_one_run_has_median_p99_and_maximum():
    curve = latency_course(outcome(1))
    assert [series.name for series in curve.series] == ["median", "p99", "max"]
    for low, middle, high in zip(*(series.ys for series in curve.series), strict=True):
        assert low <= middle <= high
    assert list(curve.series[1].ys) == [one["p99_us"] for one in outcome(1)["windows"]]


def test_throughput_is_what_the_windows_say():
    thousands = throughput_over_time({"one": outcome(1)}).series[0].ys
    assert thousands == pytest.approx([one["ios"] / 20 for one in outcome(1)["windows"]])
    assert throughput_over_time({"one": outcome(1)}, megabytes=True).series[0].ys == pytest.approx(
        [one["bytes"] / 1e6 / 0.02 for one in outcome(1)["windows"]]
    )


def test_shares_are_of_all_that_was_sent():
    curve = shares({"rq": outcome(1)})
    assert curve.kind == BAR
    assert list(curve.series[0].xs) == ["p0", "p1"]
    assert sum(curve.series[0].ys) == pytest.approx(100, abs=0.01)
    course = shares_over_time(outcome(1))
    assert [series.name for series in course.series] == ["p0", "p1"]
    for p0, p1 in zip(*(series.ys for series in course.series), strict=True):
        assert p0 + p1 == pytest.approx(100)
    assert [series.ys for series in shares({"x": made()}, by_bytes=True).series] == [[50.0, 50.0]]


def test_percentiles_of_all_and_of_one_load():
    all_of_them = percentiles({"one": outcome(1)})
    assert all_of_them.kind == LINE
    assert list(all_of_them.series[0].xs) == ["p50", "p90", "p99", "p99.9", "max"]
    assert list(all_of_them.series[0].ys) == [outcome(1)["latency_us"][name] for name in all_of_them.series[0].xs]
    assert percentiles({"one": outcome(1)}, load="clients").series[0].ys == all_of_them.series[0].ys


def test_sizes_are_in_order_and_each_run_has_all():
    curve = request_sizes(
        {"a": made(sizes={"65536": 1, "512": 3}), "b": made(sizes={"2097152": 5}), "c": made(sizes={})}
    )
    assert list(curve.series[0].xs) == ["512 B", "64 KiB", "2 MiB"]
    assert [list(series.ys) for series in curve.series] == [[75.0, 25.0, 0.0], [0.0, 0.0, 100.0], [0.0, 0.0, 0.0]]


def test_many_sizes_are_put_together():
    sizes = {str(4096 * number): 10 for number in range(1, 21)}
    curve = request_sizes({"x": made(sizes=sizes)})
    assert list(curve.series[0].xs) == [f"up to {size} KiB" for size in (4, 8, 16, 32, 64, 128)]
    assert curve.series[0].ys == [5.0, 5.0, 10.0, 20.0, 40.0, 20.0]


def test_many_runs_have_no_bands():
    runs = {name: [made(window(0, 9, us)) for us in (1.0, 2.0)] for name in ("a", "b", "c")}
    assert all(series.lows is None for series in latency_over_time(runs).series)


def test_an_interval_ends_at_nothing():
    (series,) = latency_over_time({"x": [made(window(0, 9, us)) for us in (1.0, 9.0)]}).series
    assert series.lows == [0.0]


def test_several_seeds_are_a_mean_and_an_interval():
    """Of 10, 12 and 14: the standard error is 2 / sqrt(3), and t of two degrees of freedom 4.303."""
    runs = {"x": [made(window(0, 9, us), window(0.5, 9, 7.0)) for us in (10.0, 12.0, 14.0)]}
    (series,) = latency_over_time(runs).series
    assert series.ys == [12.0, 7.0]
    half = 4.30265 * 2 / 3**0.5
    fine = RESOLUTION / (1 + RESOLUTION)  # of a histogram, whose percentiles may be too high
    assert series.lows == pytest.approx([12 - half - 12 * fine, 7 - 7 * fine])
    assert series.highs == pytest.approx([12 + half, 7.0])


def test_a_window_without_an_answer_is_a_gap():
    one, other = made(window(0, 0, 0.0), window(0.5, 0, 0.0)), made(window(0, 3, 8.0), window(0.5, 0, 0.0))
    (series,) = latency_over_time({"x": [one, other]}).series
    assert series.ys[0] == 8.0
    assert isnan(series.ys[1])
    assert throughput_over_time({"x": one}).series[0].ys == [0.0, 0.0]


def test_runs_of_unlike_lengths_are_compared_as_far_as_both_go():
    long, short = made(window(0, 1, 1.0), window(0.5, 1, 1.0)), made(window(0, 1, 1.0))
    assert len(latency_over_time({"x": [long, short]}).series[0].xs) == 1
    assert [len(series.xs) for series in latency_over_time({"long": long, "short": short}).series] == [2, 1]


@pytest.mark.parametrize(
    ("fault", "span"),
    [
        (Fault(10**9, GRAY, [0, 2], 2 * 10**9, ms=20, percent=5), Span(1.0, 3.0, "p0, p2: 5 % of commands 20 ms late")),
        (Fault(10**9, KILL, [1]), Span(1.0, 4.0, "p1: server killed")),
        (Fault(10**9, BLACK_HOLE), Span(1.0, 4.0, "all paths: black hole")),
        (Fault(10**9, FLAP, [0], count=3, ms=200), Span(1.0, 1.4, "p0: flaps 3 times")),
        (Fault(10**9, MESSAGE, words="fail_path {p0}"), Span(1.0, 1.0, "message fail_path {p0}")),
    ],
)
def test_a_fault_is_a_span(fault: Fault, span: Span):
    assert fault_spans(Scenario(seconds=4, faults=[fault])) == [span]


def test_a_fault_without_an_end_in_a_run_without_one():
    assert fault_spans(Scenario(seconds=0, faults=[Fault(0, KILL, [0])]))[0].end == inf
