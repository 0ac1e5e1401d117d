"""Comparison: what it says of combinations on the same seeds, in tables, curves and records."""

import json

import pytest
from tests.support.toy_play import RAISES

from hawser.lab.experiments.catalogue import ExperimentError, find_experiments
from hawser.lab.experiments.comparison import Comparison
from hawser.lab.experiments.comparison_curves import SERIES_MAX
from hawser.lab.model.jobs import Here
from hawser.lab.model.scenario import Fault, LoadModel, PathModel, Scenario
from hawser.lab.model.scenario_file import loads
from hawser.lab.model.stats import BETTER, SAME, UNTOLD, WORSE
from hawser.lab.report.colours import Colours

TOY = "tests.support.toy_play:play"


def toy(over: dict[str, list[str]], seeds: range = range(4), **changes) -> Comparison:
    return Comparison(Scenario(name="toy", **changes), over, seeds, play=TOY)


def test_every_cell_is_beside_the_first_on_the_same_seeds():
    found = toy({"selector": ["service-time 0", "queue-length 0"], "fixed-us": ["100", "200"]}).run()
    cells, pairs = found.tables
    assert cells.columns[:4] == ["selector", "fixed-us", "seeds", "IOPS"]
    assert [row[:3] for row in cells.rows] == [
        ["service-time 0", "100", 4],
        ["service-time 0", "200", 4],
        ["queue-length 0", "100", 4],
        ["queue-length 0", "200", 4],
    ]
    assert [(row[0], row[1], row[-1]) for row in pairs.rows if row[1] in ("IOPS", "p99 µs")] == [
        ("selector=service-time 0, fixed-us=200", "IOPS", WORSE),
        ("selector=service-time 0, fixed-us=200", "p99 µs", WORSE),
        ("selector=queue-length 0, fixed-us=100", "IOPS", BETTER),
        ("selector=queue-length 0, fixed-us=100", "p99 µs", BETTER),
        ("selector=queue-length 0, fixed-us=200", "IOPS", WORSE),
        ("selector=queue-length 0, fixed-us=200", "p99 µs", WORSE),
    ]
    ratios = {(row[0], row[1]): row[2] for row in pairs.rows}
    assert ratios["selector=queue-length 0, fixed-us=200", "p50 µs"] == pytest.approx(4 / 3)
    assert found.claims == []


def test_what_makes_no_difference_is_not_said_to_make_one():
    found = toy({"scheduler": ["none", "mq-deadline"]}).run()
    assert {row[-1] for row in found.tables[1].rows} == {SAME}


def test_one_seed_has_no_intervals():
    found = toy({"depth": ["1", "2"]}, range(1)).run()
    cells, pairs = found.tables
    assert [row[3] for row in cells.rows] == ["", ""]
    assert cells.note == "one seed: no intervals"
    assert {row[-1] for row in pairs.rows} == {UNTOLD}
    assert pairs.note == "ratios of one seed: nothing is shown without a second one"
    assert all(series.lows is None for curve in found.curves for series in curve.series)


def test_one_cell_has_nothing_beside_it():
    found = toy({}).run()
    (table,) = found.tables
    assert table.rows[0][:2] == ["as written", 4]


def test_curves_have_intervals_and_marked_faults():
    scenario = Scenario(seconds=5, faults=[Fault(2_000_000_000, "slow", [0, 1], 1_000_000_000)])
    found = Comparison(scenario, {"depth": ["1", "8", "64"]}, range(3), play=TOY).run()
    titles = [curve.title for curve in found.curves]
    assert titles == [
        "Latency over time",
        "Throughput over time",
        "Latency",
        "Shares of the paths",
        "Sizes of the commands",
        "Throughput over depth",
        "p99 over depth",
    ]
    course, _, percentiles, shares, sizes, over_depth, _ = found.curves
    assert [(span.start, span.end, span.text) for span in course.spans] == [(2.0, 3.0, "p0, p1: 10 times as slow")]
    assert [series.name for series in course.series] == ["depth=1", "depth=8", "depth=64"]
    assert course.series[0].xs == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert percentiles.log_y
    (first, _, _) = percentiles.series
    assert first.xs == ["p50", "p90", "p99", "p99.9", "max"]
    for y, low, high in zip(first.ys, first.lows or (), first.highs or (), strict=True):
        assert low < y < high
    assert shares.series[0].xs == ["p0", "p1", "p2", "p3"]
    assert shares.series[0].ys == [25.0] * 4
    assert sizes.series[0].xs == ["4 KiB", "64 KiB"]
    assert over_depth.log_x
    assert [(series.name, series.xs) for series in over_depth.series] == [("depth", [1.0, 8.0, 64.0])]
    ys = over_depth.series[0].ys
    assert [round(y / ys[0]) for y in ys] == [1, 8, 64]


def test_an_axis_has_a_line_for_each_combination_of_the_others():
    found = toy({"depth": ["8", "1", "4"], "mode": ["rq", "bio"]}).run()
    over_depth = next(curve for curve in found.curves if curve.title == "Throughput over depth")
    assert [(series.name, series.xs) for series in over_depth.series] == [
        ("mode=rq", [1.0, 4.0, 8.0]),
        ("mode=bio", [1.0, 4.0, 8.0]),
    ]


def test_many_combinations_do_not_fill_one_figure():
    found = toy({"fixed-us": [str(us) for us in range(100, 1001, 100)]}, range(1)).run()
    assert found.curves[0].title == f"Latency over time ({SERIES_MAX} of 10: the first, and those farthest from it)"
    # What differs is among them.
    assert [series.name for series in found.curves[0].series] == [f"fixed-us={n}00" for n in (1, 5, 6, 7, 8, 9, 10)]
    assert len(found.curves[-1].series[0].xs) == 10
    assert SERIES_MAX == len(Colours(dark=False).series) == len(Colours(dark=True).series), "a colour for each"


def test_where_loads_vary_too_each_is_compared_with_the_first_of_its_load():
    over = {"selector": ["service-time 0", "queue-length 0", "round-robin 0"], "depth": ["1", "8", "64"]}
    found = toy(over).run()
    pairs = found.tables[1]
    assert pairs.title == "Beside the first, selector=service-time 0, of the same depth"
    assert [row[0] for row in pairs.rows if row[1] == "IOPS"] == [
        f"selector={selector}, depth={depth}"
        for depth in over["depth"]
        for selector in ("queue-length 0", "round-robin 0")
    ]
    # No load is better than another one: the toy knows the selector alone.
    by_depth = [[row[2] for row in pairs.rows if str(row[0]).endswith(f"depth={depth}")] for depth in over["depth"]]
    assert by_depth[0] == pytest.approx(by_depth[1], 1e-4)
    assert by_depth[0] == pytest.approx(by_depth[2], 1e-4)
    # Nine lines are too many for one figure.
    titles = [curve.title for curve in found.curves if curve.title.startswith("Latency over time")]
    assert titles == [f"Latency over time, depth={depth}" for depth in over["depth"]]
    assert [series.name for series in found.curves[0].series] == [f"selector={one}" for one in over["selector"]]


def test_of_many_loads_some_are_drawn_with_the_least_and_the_most():
    over = {"mode": ["rq", "bio"], "depth": [str(depth) for depth in range(1, 11)]}
    found = toy(over, range(1)).run()
    titles = [curve.title for curve in found.curves if curve.title.startswith("Latency over time")]
    assert titles == [f"Latency over time, depth={depth}" for depth in (1, 4, 7, 10)]


def test_a_comparison_of_nothing_but_loads_is_beside_the_first():
    pairs = toy({"depth": ["1", "8"]}).run().tables[1]
    assert pairs.title == "Beside the first, depth=1"
    assert len(pairs.rows) == 4 and "of 4 ratios, 1 is " in pairs.note


def test_records_are_flat_and_one_per_run():
    comparison = toy({"depth": ["1", "2"], "scenario.seconds": ["4", "5"], "ios": ["0", "7"]}, range(2))
    found = comparison.run()
    assert len(found.records) == len(comparison.jobs()) == 16
    first = found.records[2]
    assert (first["depth"], first["scenario.seconds"], first["over.ios"], first["seed"]) == ("1", "4", "7", 0)
    assert first["cell"] == "depth=1, scenario.seconds=4, ios=7"
    assert isinstance(first["ios"], int)
    assert first["p0.share"] == 0.25
    assert len(str(first["digest"])) == 32
    for record in found.records:
        assert all(isinstance(value, (str, int, float)) for value in record.values())


def test_jobs_that_failed_are_in_no_mean():
    comparison = toy({"depth": ["1", "2"]})
    texts = [outcome.text for _, outcome in Here().run(comparison.jobs(), TOY)]
    texts[0] = texts[6] = ""
    found = comparison.findings(texts)
    cells, pairs = found.tables
    assert [row[1] for row in cells.rows] == [3, 3]
    assert "2 of 8 jobs have failed" in cells.note
    assert [record["seed"] for record in found.records] == [1, 2, 3, 0, 1, 3]
    # Seeds 1 and 3 are in both.
    iops = [json.loads(text)["iops"] if text else 0.0 for text in texts]
    assert pairs.rows[0][2] == pytest.approx((iops[5] / iops[1] * iops[7] / iops[3]) ** 0.5)


def test_a_cell_of_which_nothing_is_left_is_left_out():
    comparison = toy({"depth": ["1", "2"]}, range(2))
    texts = [outcome.text for _, outcome in Here().run(comparison.jobs(), TOY)]
    found = comparison.findings(["", "", *texts[2:]])
    assert [row[0] for row in found.tables[0].rows] == ["2"]
    assert found.tables[1].rows == []
    assert found.tables[1].note == "no seed has ended well in two of them"
    assert comparison.findings([""] * 4).curves == []


def test_a_job_that_fails_here_is_an_error():
    with pytest.raises(ArithmeticError, match="seed 1 does not add up"):
        toy({"write-percent": [str(RAISES)]}).run()


def test_parameters_are_in_the_words_of_the_file():
    scenario = loads("""
        seconds = 2
        [array]
        paths = 2
        fixed-us = 27.648
        [path.1]
        depth = 8
        [map]
        scheduler = "mq-deadline"
        [manager]
        polling = 0.5
        [[load]]
        size = ["4k", "1M"]
        [[fault]]
        kind = "kill"
        at = 1
        path = 1
        [over]
        mode = ["rq", "bio"]
    """)
    parameters = Comparison(scenario, play=TOY).parameters
    expected = {
        "P": 2,
        "d": 32,
        "k": 2.7,
        "seconds": 2.0,
        "seeds": "0 to 3",
        "map.scheduler": "mq-deadline",
        "manager.polling": 0.5,
        "array.fixed-us": 27.648,
        "load.0.pattern": "random",
        "load.0.depth": 32,
        "path.1.depth": 8,
        "load.0.size": "4k+1M",
        "fault.0.kind": "kill",
        "fault.0.path": "1",
        "over mode": "rq, bio",
    }
    assert {name: parameters.get(name) for name in expected} == expected
    for name in ("map.mode", "path.0.fixed-us", "path.0.depth", "array.depth", "load.0.rate"):
        assert name not in parameters


def test_the_progress_is_told():
    told: list[tuple[float, str]] = []
    toy({"depth": ["1", "2"]}, range(2)).run(lambda part, what: told.append((part, what)))
    assert told == [
        (0.25, "depth=1, seed 0"),
        (0.5, "depth=1, seed 1"),
        (0.75, "depth=2, seed 0"),
        (1.0, "depth=2, seed 1"),
    ]


def test_the_engine_is_compared_like_anything_else():
    """What is played by default is the model: a path ten times as slow is worse, whoever chooses."""
    scenario = Scenario(
        seconds=0.03,
        warm_up_s=0.01,
        window_ms=10,
        paths=[PathModel(spread="exponential"), PathModel(spread="exponential")],
        loads=[LoadModel(depth=4)],
    )
    found = Comparison(scenario, {"fixed-us": ["100", "1000"]}, range(3)).run()
    assert [row[-1] for row in found.tables[1].rows] == [WORSE] * 4
    assert found.records == Comparison(scenario, {"fixed-us": ["100", "1000"]}, range(3)).run().records


def test_a_file_is_an_experiment(tmp_path):
    file = tmp_path / "gray.toml"
    file.write_text('name = "gray"\nhypothesis = "none"\n[over]\nmode = ["rq", "bio"]\n')
    (found,) = find_experiments(str(file))
    assert isinstance(found, Comparison)
    assert (found.name, found.hypothesis, len(found.jobs())) == ("gray", "none", 8)
    file.write_text("sekonds = 1")
    with pytest.raises(ExperimentError, match=r"gray.toml: sekonds: unknown key; the nearest is seconds"):
        find_experiments(str(file))
    file.write_text("[over]\npaths = [1]\n[[fault]]\nkind='kill'\nat=1\npath=2\n")
    with pytest.raises(
        ExperimentError, match=r"gray.toml: paths=1: fault.0.path: there is no path 2; there are 0 to 0"
    ):
        find_experiments(str(file))
