"""Grids: what is varied, in which order, and what of."""

import pytest

from hawser.core.units import KIB
from hawser.lab.model.grid import cells, parse_over
from hawser.lab.model.scenario import Fault, LoadModel, PathModel, Scenario, ScenarioError


def test_all_combinations_in_a_fixed_order_the_last_key_fastest():
    found = cells(Scenario(), {"selector": ["service-time 0", "queue-length 0"], "depth": ["1", "8", "64"]})
    assert [cell.words for cell in found] == [
        {"selector": selector, "depth": depth}
        for selector in ("service-time 0", "queue-length 0")
        for depth in ("1", "8", "64")
    ]
    assert [(cell.scenario.map.selector, cell.scenario.loads[0].depth) for cell in found] == [
        ("service-time 0", 1),
        ("service-time 0", 8),
        ("service-time 0", 64),
        ("queue-length 0", 1),
        ("queue-length 0", 8),
        ("queue-length 0", 64),
    ]
    assert found[4].label() == "selector=queue-length 0, depth=8"


def test_nothing_varied_is_one_cell():
    base = Scenario(over={"depth": ["1"]})
    (cell,) = cells(base, {})
    assert (cell.words, cell.label(), cell.scenario.over) == ({}, "as written", {})
    assert base.over == {"depth": ["1"]}


def test_cells_share_nothing():
    base = Scenario()
    one, other = cells(base, {"path-depth": ["1", "2"]})
    assert {path.depth for path in base.paths} == {32}
    assert {path.depth for path in one.scenario.paths} == {1}
    assert {path.depth for path in other.scenario.paths} == {2}


WORDS = [
    ("mode", "bio", lambda one: one.map.mode, "bio"),
    ("scheduler", "mq-deadline", lambda one: one.map.scheduler, "mq-deadline"),
    ("map.merge-deadline-us", "20", lambda one: one.map.merge_deadline_ns, 20_000),
    ("merge-deadline-us", "20", lambda one: one.map.merge_deadline_ns, 20_000),
    ("features", "queue_if_no_path", lambda one: one.map.features, "queue_if_no_path"),
    ("feedback", "false", lambda one: one.map.feedback, False),
    ("size", "4k+64k", lambda one: one.loads[1].sizes, [4 * KIB, 64 * KIB]),
    ("pattern", "sequential", lambda one: [load.pattern for load in one.loads], ["sequential"] * 2),
    ("write-percent", "30", lambda one: [load.write_percent for load in one.loads], [30, 30]),
    ("rate", "100", lambda one: [(load.rate, load.depth) for load in one.loads], [(100.0, 0)] * 2),
    ("load.depth", "7", lambda one: [load.depth for load in one.loads], [7, 7]),
    ("load.1.depth", "7", lambda one: [load.depth for load in one.loads], [32, 7]),
    ("load.writer.depth", "7", lambda one: [load.depth for load in one.loads], [32, 7]),
    ("fixed-us", "0.5", lambda one: [path.fixed_ns for path in one.paths], [500] * 4),
    ("latency-us", "3", lambda one: [path.latency_ns for path in one.paths], [3000] * 4),
    ("array.depth", "3", lambda one: [path.depth for path in one.paths], [3] * 4),
    ("path.3.fixed-us", "1", lambda one: [path.fixed_ns for path in one.paths], [100_000] * 3 + [1000]),
    ("mb-per-s", "200", lambda one: one.paths[0].ns_per_kib, 5120),
    ("fault.0.factor", "3.5", lambda one: one.faults[0].factor, 3.5),
    ("fault.0.path", "0+2", lambda one: one.faults[0].paths, [0, 2]),
    ("hedge-after-ms", "5", lambda one: one.manager.hedge_after_ns, 5_000_000),
    ("manager.enabled", "false", lambda one: one.manager.enabled, False),
    ("scenario.seconds", "2", lambda one: one.seconds, 2.0),
    ("scenario.size", "2G", lambda one: one.size_bytes, 2 << 30),
]


@pytest.mark.parametrize(("key", "text", "get", "value"), WORDS, ids=[row[0] for row in WORDS])
def test_what_a_key_is_of(key: str, text: str, get, value):
    base = Scenario(loads=[LoadModel(), LoadModel(name="writer")], faults=[Fault(0, "slow", [1])])
    (cell,) = cells(base, {key: [text]})
    assert get(cell.scenario) == value


def test_more_paths_are_like_most_and_fewer_are_the_first():
    base = Scenario(paths=[PathModel(fixed_ns=9), PathModel(depth=4), PathModel(depth=4)])
    few, many = cells(base, {"paths": ["2", "5"]})
    assert [(path.fixed_ns, path.depth) for path in few.scenario.paths] == [(9, 32), (100_000, 4)]
    assert [path.depth for path in many.scenario.paths] == [32, 4, 4, 4, 4]
    many.scenario.paths[4].depth = 1
    assert many.scenario.paths[3].depth == 4


def test_a_path_that_is_there_only_where_there_are_more():
    (cell,) = cells(Scenario(), {"path.6.depth": ["2"], "paths": ["8"]})
    assert [path.depth for path in cell.scenario.paths] == [32] * 6 + [2, 32]


def test_a_cell_that_makes_no_sense_is_named():
    base = Scenario(faults=[Fault(0, "kill", [3])])
    with pytest.raises(ScenarioError) as caught:
        cells(base, {"mode": ["rq"], "paths": ["4", "2"]})
    assert str(caught.value) == "mode=rq, paths=2: fault.0.path: there is no path 3; there are 0 to 1"


def test_there_is_a_limit():
    over = {"fixed-us": [str(number) for number in range(1000)], "depth": [str(number) for number in range(1, 12)]}
    with pytest.raises(ScenarioError, match=r"11,000 combinations; at most 10,000 are compared"):
        cells(Scenario(), over)


def test_over_as_the_command_line_has_it():
    assert parse_over(["selector=service-time 0,queue-length 0", "size=4k+64k, 1M"]) == {
        "selector": ["service-time 0", "queue-length 0"],
        "size": ["4k+64k", "1M"],
    }


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["depth"], "over 'depth': want KEY=VALUE,VALUE..., as in depth=1,8,64"),
        (["=1"], "over '=1': want KEY=VALUE,VALUE..., as in depth=1,8,64"),
        (["depth="], "over 'depth=': want KEY=VALUE,VALUE..., as in depth=1,8,64"),
        (["depth=1", "depth=2"], "over depth: stands there twice: want all of its values in one"),
    ],
)
def test_what_it_cannot_say(texts: list[str], message: str):
    with pytest.raises(ScenarioError) as caught:
        parse_over(texts)
    assert str(caught.value) == message
