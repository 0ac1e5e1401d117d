"""`hawser lab replay`: what it prints, what it writes, and what it says of files that it cannot replay."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.support.model_trace import record

from hawser.cli.main import main
from hawser.lab.model.scenario import LoadModel, PathModel, Scenario

TRUTH = Scenario(
    seconds=0.03,
    warm_up_s=0,
    size_bytes=1 << 26,
    paths=[PathModel(), PathModel(fixed_ns=400_000)],
    loads=[LoadModel(rate=12_000, batch=4, sizes=[4096, 16384])],
)


def replay(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["lab", "replay", *map(str, words), "--jobs", "1"])


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    record(TRUTH, 1, tmp_path / "io.json")
    return tmp_path / "io.json"


def test_three_selectors_beside_the_recorded_one_are_compared(trace: Path, tmp_path: Path):
    found = replay(trace, "--seeds", "2", "--into", tmp_path / "out")
    assert found.exit_code == 0, found.output
    for word in (
        "recorded live, under 4 policies: holds",
        "the paths, fitted to the recorded commands of every other ",
        "under service-time 0, rq, none: recorded, and replayed",
        "queue-length 0",
        "round-robin 0",
        "historical-service-time 0",
        "predicted   p99 of the ",
        "paths are taken for independent of each other",
    ):
        assert word in found.output, found.output
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    (entry,) = written["experiments"]
    assert entry["name"] == "replay"
    assert {(record["selector"], record["seed"]) for record in entry["records"]} == {
        (selector, seed)
        for selector in ("service-time 0", "queue-length 0", "round-robin 0", "historical-service-time 0")
        for seed in (0, 1)
    }


def test_policies_can_be_chosen(trace: Path):
    found = replay(trace, "--seeds", "1", "--selector", "queue-length 0", "--mode", "bio", "--scheduler", "mq-deadline")
    assert "under 2 policies" in found.output, found.output
    assert "queue-length 0, bio, mq-deadline" in found.output
    assert "round-robin" not in found.output
    closed = replay(trace, "--seeds", "1", "--selector", "queue-length 0", "--closed")
    assert "when as many of their I/Os are open as were then" in " ".join(closed.output.split())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--map", "mpathz"], "has no map 'mpathz'; it has mpatha"),
        (["--selector", "no-such 0"], "there is no path selector 'no-such'"),
        (["--selector", "service-time"], "want its name, the number of its arguments, and these"),
        (["--seeds", "0"], "0 is not in the range"),
        (["--mode", "old"], "'old' is not one of 'rq', 'bio', 'mq'"),
    ],
)
def test_what_cannot_be_is_said(trace: Path, words: list[str], text: str):
    found = replay(trace, *words)
    assert found.exit_code == 2
    assert text in found.output


def test_a_file_that_is_none(tmp_path: Path):
    (tmp_path / "io.json").write_text("{}")
    found = replay(tmp_path / "io.json")
    assert found.exit_code == 2
    assert "hawser lab replay: " in found.output and "missing required field `traceEvents`" in found.output


def test_a_model_that_is_wrong_has_a_status_of_its_own(trace: Path):
    """What took ten times as long as its commands did was not foretold."""
    whole = json.loads(trace.read_text())
    head, *events = whole["traceEvents"]
    began = {event["id"]: event["ts"] for event in events if event.get("cat") == "io" and event["ph"] == "b"}
    for event in events:
        if event.get("cat") == "io" and event["ph"] == "e":
            event["ts"] += 9 * (event["ts"] - began[event["id"]])
    whole["traceEvents"] = [head, *sorted(events, key=lambda event: event["ts"])]
    trace.write_text(json.dumps(whole))
    found = replay(trace, "--seeds", "1", "--selector", "queue-length 0")
    assert found.exit_code == 1, found.output
    assert "DOES NOT HOLD" in found.output
