"""Replays: a load that the model itself was recorded with comes to the same again, and under another policy to what that really
comes to, as the model can be asked."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.model_trace import record

from hawser.block.ops import READ
from hawser.lab.experiments.base import FITTED, PREDICTED
from hawser.lab.experiments.replay import Replay, policies_of
from hawser.lab.experiments.results import as_data
from hawser.lab.model.play import play
from hawser.lab.model.replay import (
    Batch,
    Source,
    batches_of,
    gates_of,
    is_waiting,
    recorded_shares,
    scenario_of,
    slice_ns,
    source_of,
    under,
)
from hawser.lab.model.scenario import LoadModel, MapModel, PathModel, Scenario
from hawser.lab.model.trace_fit import fit_paths
from hawser.lab.model.trace_read import TraceError, TraceIo, read_trace

# Two quick paths and a slow one: whoever treats them alike is worse off.
TRUTH = Scenario(
    seconds=0.045,
    warm_up_s=0,
    size_bytes=1 << 28,
    paths=[
        PathModel(fixed_ns=100_000, spread="uniform"),
        PathModel(fixed_ns=100_000, spread="uniform"),
        PathModel(fixed_ns=500_000, ns_per_kib=8_000),
    ],
    map=MapModel(selector="service-time 0", scheduler="mq-deadline"),
    loads=[LoadModel(depth=16, sizes=[4096, 16384], write_percent=30), LoadModel(depth=4, pattern="sequential")],
)
OPEN = replace(TRUTH, loads=[LoadModel(rate=15_000, batch=4, write_percent=20, sizes=[4096, 16384])])


def source(directory: Path, scenario: Scenario) -> Source:
    record(scenario, 1, directory / "io.json")
    return source_of(read_trace(directory / "io.json"))


def replayed(load: Source, policy: MapModel, is_closed: bool) -> dict[str, Any]:
    fits = fit_paths(load.recording, load.paths)
    return play(under(scenario_of(load, fits, is_closed), policy, 0.0), 0)


def io(number: int, at_ns: int, end_ns: int, client: int = 0, size: int = 4096) -> TraceIo:
    return TraceIo(number, at_ns, READ, 8 * number, size, 0, client, "mpatha", end_ns)


def batch(at_ns: int, *ends: int) -> Batch:
    return Batch(at_ns, [io(n, at_ns, end_ns) for n, end_ns in enumerate(ends)])


def assert_near(measured: float, wanted: float, part: float) -> None:
    assert wanted * (1 - part) <= measured <= wanted * (1 + part), f"{measured}, wanted {wanted}"


@pytest.mark.parametrize("is_closed", [False, True])
def test_under_the_recorded_policy_it_is_what_was_recorded(tmp_path: Path, is_closed: bool):
    truth = TRUTH if is_closed else OPEN
    load = source(tmp_path, truth)
    was = play(truth, 1)
    found = replayed(load, load.map_model(), is_closed)
    # (A tenth of the I/Os takes the slow path, so that the p90 is one thing or the other.)
    for name in ("mean", "p50", "p99"):
        assert_near(found["latency_us"][name], was["latency_us"][name], 0.2)
    assert_near(found["iops"], was["iops"], 0.2)
    for path, known in zip(found["paths"], was["paths"], strict=True):
        assert abs(path["share"] - known["share"]) < 0.05
    assert max(abs(a - b["share"]) for a, b in zip(recorded_shares(load), was["paths"], strict=True)) < 0.01


def test_under_another_policy_it_is_what_that_comes_to(tmp_path: Path):
    """The claim that a replay is worth something: here what it predicts can be had."""
    load = source(tmp_path, TRUTH)
    policy = replace(load.map_model(), selector="round-robin 0")
    truth = play(replace(TRUTH, map=policy), 1)
    found = replayed(load, policy, True)
    assert_near(found["iops"], truth["iops"], 0.15)
    assert_near(found["latency_us"]["p50"], truth["latency_us"]["p50"], 0.25)
    assert_near(found["latency_us"]["p99"], truth["latency_us"]["p99"], 0.25)
    # And that is far from what was recorded.
    assert truth["latency_us"]["p99"] > 1.5 * play(TRUTH, 1)["latency_us"]["p99"]


def test_an_open_replay_asks_for_the_same_at_the_same_times(tmp_path: Path):
    load = source(tmp_path, replace(OPEN, seconds=0.02))
    record(scenario_of(load, fit_paths(load.recording, load.paths), False), 0, tmp_path / "again.json")
    again = source_of(read_trace(tmp_path / "again.json"))
    asked = [(each.at_ns, each.op, each.sector, each.size, each.client) for each in load.ios]
    assert [(each.at_ns, each.op, each.sector, each.size, each.client) for each in again.ios] == asked


def test_batches_are_what_one_client_asked_for_at_one_moment(tmp_path: Path):
    load = source(tmp_path, replace(OPEN, seconds=0.001))
    load.ios = [io(1, 0, 9), io(2, 0, 9), io(3, 0, 9, client=5), io(4, 0, 9), io(5, 7, 9), io(6, 8, 9, client=5)]
    load.recording.batch_ios = 2
    load.recording.batch_bytes = 0
    first, other = batches_of(load)
    assert [(each.at_ns, [one.number for one in each.ios]) for each in first] == [(0, [1, 2]), (0, [4]), (7, [5])]
    assert [(each.at_ns, [one.number for one in each.ios]) for each in other] == [(0, [3]), (8, [6])]
    load.recording.batch_ios = 64
    load.recording.batch_bytes = 8192
    assert [len(each.ios) for each in batches_of(load)[0]] == [2, 1, 1]


def test_a_client_that_refills_its_window_is_told_from_one_that_waits_for_all():
    refilling = [batch(0, 10, 20, 30), batch(12, 40), batch(23, 50), batch(31, 60, 70)]
    batches, gates = gates_of(refilling)
    assert [len(each.ios) for each in batches] == [1] * 7
    assert gates == [(2, 0), (2, 0), (2, 0), (2, 2), (2, 3), (3, 1), (3, 1)]
    waiting = [batch(0, 10, 20, 30), batch(32, 40), batch(45, 50, 60), batch(60, 90)]
    batches, gates = gates_of(waiting)
    assert batches == waiting
    assert gates == [(0, 0), (0, 2), (0, 5), (0, 0)]


def test_who_waited_for_answers_is_noticed(tmp_path: Path):
    assert is_waiting(source(tmp_path, replace(TRUTH, seconds=0.02)))
    assert not is_waiting(source(tmp_path, replace(OPEN, seconds=0.02)))


def test_a_trace_in_which_nothing_took_time_is_refused(tmp_path: Path):
    """As of paths that answer in the turn in which they are asked."""
    record(replace(OPEN, seconds=0.01), 1, tmp_path / "io.json")
    recording = read_trace(tmp_path / "io.json")
    for each in recording.ios:
        each.end_ns = each.at_ns
    with pytest.raises(TraceError, match="took less than a microsecond: paths that answer within the turn"):
        source_of(recording)
    for each in recording.ios:
        each.end_ns = -1
    with pytest.raises(TraceError, match="no I/O of mpatha ended"):
        source_of(recording)


def test_paths_that_had_failed_are_left_out(tmp_path: Path):
    record(replace(OPEN, seconds=0.01), 1, tmp_path / "io.json")
    recording = read_trace(tmp_path / "io.json")
    recording.maps[0].groups[0].paths[1].state = "F"
    load = source_of(recording)
    assert ([path.name for path in load.paths], load.left_out) == (["p0", "p2"], ["p1"])
    findings = Replay(load, [load.map_model()], seeds=1).run()
    assert any("left out: p1" in text for text in findings.limits)
    for path in recording.maps[0].groups[0].paths:
        path.state = "F"
    with pytest.raises(TraceError, match="no path in use when the trace began"):
        source_of(recording)


def test_policies_are_three_others_unless_somebody_says_which():
    recorded = MapModel(selector="queue-length 0", scheduler="mq-deadline")
    selectors = [policy.selector for policy in policies_of(recorded, [], [], [])]
    assert selectors == ["queue-length 0", "service-time 0", "round-robin 0", "historical-service-time 0"]
    chosen = policies_of(recorded, ["round-robin 0"], ["rq", "bio"], ["none"])
    assert [(each.selector, each.mode, each.scheduler) for each in chosen] == [
        ("queue-length 0", "rq", "mq-deadline"),
        ("round-robin 0", "rq", "none"),
        ("round-robin 0", "bio", "none"),
    ]
    modes = policies_of(recorded, ["queue-length 0"], ["bio"], [])
    assert [(each.selector, each.mode) for each in modes] == [("queue-length 0", "rq"), ("queue-length 0", "bio")]


def test_what_is_compared_and_claimed(tmp_path: Path):
    load = source(tmp_path, replace(OPEN, seconds=0.03))
    policies = policies_of(load.map_model(), [], [], [])
    replay = Replay(load, policies, seeds=2)
    seen: list[float] = []
    entry = as_data(replay, replay.run(lambda part, what: seen.append(part)))
    assert seen == sorted(seen) and seen[-1] == 1.0
    fitted, tested, compared = entry["tables"]
    assert [row[1] for row in fitted["rows"]] == ["p0", "p1", "p2"]
    assert [row[0] for row in compared["rows"]] == [policy.selector for policy in policies]
    assert len(entry["records"]) == 8 and len(tested["rows"]) == 6
    # The paths were fitted to every other slice, and what is claimed is claimed of those between.
    assert {claim["kind"] for claim in entry["claims"]} == {PREDICTED}
    assert entry["holds"], entry["claims"]
    assert [curve["kind"] for curve in entry["curves"]] == ["bar", "line", "bar"]
    # The same again, to the last digit.
    again = Replay(load, policies, seeds=2)
    assert as_data(again, again.run()) == entry


def test_a_model_that_is_wrong_is_said_to_be(tmp_path: Path):
    """Where I/Os took ten times as long as all that their commands did, something is at work that it does not have."""
    load = source(tmp_path, replace(OPEN, seconds=0.03))
    for each in load.ios:
        each.end_ns = each.at_ns + 10 * (each.end_ns - each.at_ns)
    entry = as_data(replay := Replay(load, [load.map_model()], seeds=1), replay.run())
    assert not entry["holds"]
    assert [claim["holds"] for claim in entry["claims"]] == [False, False, True]


def test_where_what_is_learnt_from_says_too_little_nothing_is_predicted(tmp_path: Path):
    load = source(tmp_path, replace(OPEN, seconds=0.01))
    length_ns = slice_ns(load)
    load.recording.commands = [each for each in load.recording.commands if each.at_ns // length_ns % 2 == 1]
    replay = Replay(load, [load.map_model()], seeds=1)
    assert {claim.kind for claim in replay.run().claims} == {FITTED}
