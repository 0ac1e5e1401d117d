"""From measurements to the rows of the JSON file."""

import json
from pathlib import Path

import pytest
from bench.cases import CASES, BenchError, Row
from bench.contenders import Edition, Places, hawser_contender, peers_of
from bench.engine_group import EngineLane, engine_lanes, parse_engine
from bench.race import Lane, Measurement, lanes_of
from bench.results import engine_rows, race_rows, write_json

PLACES = Places(Path("/tmp/hawser-bench-x"))
NOW = Edition("hawser", ("hawser",), "compiled", ours=True)
ROW = Row("file", CASES[1], 4)
ISSUE_KEYS = {
    "group", "case", "connections", "mode", "build", "hawser", "peer_name", "peer", "ratio",
    "ratio_low", "ratio_high", "errors", "rounds",
}  # fmt: skip


def filled(lane: Lane, *iops: float | None) -> Lane:
    """`None` is a round that failed."""
    for number, rate in enumerate(iops):
        if rate is None:
            lane.errors.append(f"round {number + 1}: broke")
        else:
            lane.measurements.append(Measurement(number, rate, 10.0 + number, 20.0, 30.0, 4.0))
    return lane


def lanes(ours: tuple[float | None, ...], peer: tuple[float | None, ...]) -> list[Lane]:
    contender = hawser_contender(NOW, PLACES, "file", "rq")
    return [filled(Lane(ROW, contender), *ours), filled(Lane(ROW, peers_of("file", PLACES)[0]), *peer)]


def test_a_row_has_what_was_promised():
    (row,) = race_rows([lanes((300.0, 200.0, 400.0), (100.0, 150.0, 200.0))])
    assert row.keys() >= ISSUE_KEYS
    assert (row["group"], row["case"], row["connections"]) == ("file", "randread-4k-qd32", 4)
    assert (row["mode"], row["build"], row["peer_name"]) == ("rq", "compiled", "nbdkit")
    assert (row["hawser"], row["peer"], row["ratio"]) == (300.0, 150.0, 2.0)
    assert (row["p50_us"], row["peer_p99_us"], row["p999_us"], row["peer_cpu_us"]) == (11.0, 20.0, 30.0, 4.0)
    assert [each["iops"] for each in row["rounds"]["peer"]] == [100.0, 150.0, 200.0]


def test_a_round_that_failed_for_one_counts_for_neither():
    (row,) = race_rows([lanes((300.0, None, 500.0), (100.0, 1.0, None))])
    assert (row["hawser"], row["peer"], row["ratio"]) == (300.0, 100.0, 3.0)
    assert row["errors"] == ["hawser rq: round 2: broke", "nbdkit: round 3: broke"]


def test_without_a_round_of_both_there_is_no_ratio():
    (row,) = race_rows([lanes((None,), (100.0,))])
    assert row["ratio"] is None
    assert row["hawser"] is None
    assert row["errors"]


def test_peers_alone_have_no_ratio():
    (row,) = race_rows([lanes((), (100.0, 300.0))[1:]])
    assert (row["hawser"], row["peer"], row["ratio"]) == (None, 200.0, None)


def test_lanes_that_were_never_tried_make_no_rows():
    assert race_rows(lanes_of([ROW], peers_of("file", PLACES))) == []


def test_the_compiled_engine_is_compared_with_the_interpreted_one():
    built = [
        EngineLane("rq", "compiled", [500.0, 500.0], [90.0, 70.0]),
        EngineLane("rq", "interpreted", [2000.0, 2000.0]),
    ]
    compiled, interpreted = engine_rows(built)
    assert (compiled["hawser"], compiled["peer"], compiled["ratio"]) == (2e6, 5e5, 4.0)
    assert (compiled["ns_per_io"], compiled["gc_pause_max_us"]) == (500.0, 90.0)
    assert (interpreted["peer_name"], interpreted["ratio"]) == (None, None)


def test_the_laboratory_is_compared_with_itself():
    built = [
        EngineLane("rq", "compiled", [5000.0], [90.0], group="lab"),
        EngineLane("rq", "interpreted", [25_000.0], group="lab"),
        EngineLane("rq", "interpreted", [2000.0]),
    ]
    compiled, interpreted, engine = engine_rows(built)
    assert (compiled["group"], compiled["case"], compiled["ratio"]) == ("lab", "simulated-devices", 5.0)
    assert (interpreted["group"], engine["group"], engine["case"]) == ("lab", "engine", "null-driver")


def test_over_a_null_driver_modes_are_seen_beside_a_path_without_a_map():
    modes = [lane.mode for lane in engine_lanes(("rq", "bio")) if lane.build == "compiled"]
    assert modes == ["raw", "rq", "rq-mq-deadline", "bio"]
    assert {lane.mode for lane in engine_lanes(("bio",))} == {"raw", "bio"}
    assert {lane.mode for lane in engine_lanes(("rq", "bio"), "lab")} == {"rq", "bio"}
    assert {lane.mode for lane in engine_lanes(("bio",), "model")} == {"bio"}
    assert {"rq-mq-deadline", "rq-mq-deadline-x8", "rq-mq-deadline-64p"} < {
        lane.mode for lane in engine_lanes(("rq",), "model")
    }


def test_an_engine_that_did_not_run_says_why():
    built = [EngineLane("rq", "compiled", [500.0], [90.0]), EngineLane("rq", "interpreted", errors=["round 1: absent"])]
    compiled, interpreted = engine_rows(built)
    assert (compiled["hawser"], compiled["ratio"]) == (2e6, None)
    assert (interpreted["hawser"], interpreted["errors"]) == (None, ["round 1: absent"])


def test_the_engine_script_is_read_from_its_last_line():
    text = 'noise\n{"mode": "rq", "build": "compiled", "ns_per_io": 512, "gc_pause_max_us": 80.5}\n'
    assert parse_engine(text) == {"build": "compiled", "ns_per_io": 512.0, "gc_pause_max_us": 80.5}


@pytest.mark.parametrize("text", ["", "[]", '{"build": "compiled"}', '{"build": 1, "ns_per_io": "many"}'])
def test_an_engine_script_that_says_something_else_is_an_error(text):
    with pytest.raises(BenchError, match=r"bench\.engine: JSON of an unknown shape"):
        parse_engine(text)


def test_the_file_is_a_list_of_rows(tmp_path):
    write_json(race_rows([lanes((1.0, 2.0), (3.0, 3.0))]), tmp_path / "latest.json")
    (row,) = json.loads((tmp_path / "latest.json").read_text())
    assert (row["hawser"], row["ratio"]) == (1.5, 0.5)
