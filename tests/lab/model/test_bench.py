"""The model: what a scenario costs in virtual time, by arithmetic where arithmetic can say; faults; the same run everywhere."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hawser.block.ops import DISCARD, READ, WRITE
from hawser.core.units import KIB, MIB, NS_PER_MS, NS_PER_S
from hawser.lab.model.bench import Bench
from hawser.lab.model.play import play
from hawser.lab.model.scenario import (
    BLACK_HOLE,
    DELAY,
    ERROR,
    FLAP,
    GRAY,
    KILL,
    MESSAGE,
    SLOW,
    Fault,
    LoadModel,
    ManagerModel,
    MapModel,
    PathModel,
    Scenario,
    ScenarioError,
)

SRC = Path(__file__).parents[3] / "src"
# 100 us and 10 us for 4 KiB, as PathModel has them.
SERVICE_US = 110.24


def quick(**changes: Any) -> Scenario:
    return replace(Scenario(seconds=0.2, warm_up_s=0.05, window_ms=10), **changes)


def test_a_closed_load_is_as_fast_as_its_servers_are():
    found = play(quick(), 1)
    assert found["iops"] == pytest.approx(4 * 4 / (SERVICE_US * 1e-6), rel=0.01)
    assert found["latency_us"]["p50"] == pytest.approx(32 / found["iops"] * 1e6, rel=0.04), "Little's law"
    assert [path["share"] for path in found["paths"]] == [0.25] * 4
    assert all(path["busy"] > 0.99 for path in found["paths"])
    assert found["unanswered"] == 32
    assert found["sizes"] == {"4096": found["ios"]}


def test_alone_an_io_takes_service_and_wire():
    found = play(quick(loads=[LoadModel(depth=1)]), 1)
    assert found["latency_us"]["max"] == SERVICE_US + 50


def test_a_server_without_slots_to_spare_works_on_one_after_the_other():
    found = play(quick(paths=[PathModel(slots=1)], loads=[LoadModel(depth=2)]), 1)
    assert found["iops"] == pytest.approx(1e6 / SERVICE_US, rel=0.01)


def test_paths_to_one_server_share_it():
    found = play(quick(paths=[PathModel(server=0), PathModel(server=0)]), 1)
    assert found["iops"] == pytest.approx(4 / (SERVICE_US * 1e-6), rel=0.01)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_sequential_batches_merge_where_the_mode_merges(mode: str):
    load = LoadModel(pattern="sequential", depth=256, batch=64)
    path = PathModel(slots=1, depth=8)
    found = play(quick(paths=[path] * 4, map=MapModel(mode, "round-robin 0", "mq-deadline"), loads=[load]), 1)
    largest = max(int(size) for size in found["sizes"])
    if mode == "rq":
        assert largest > 64 * KIB
    else:
        assert largest == 4 * KIB, "neighbours went to different paths"


def test_an_open_load_comes_at_its_rate_whatever_is_answered():
    load = LoadModel(rate=4000, batch=4, write_percent=30)
    found = play(quick(seconds=2.05, loads=[load]), 1)
    assert found["iops"] == pytest.approx(4000, rel=0.1)
    fixed = play(quick(seconds=2.05, loads=[replace(load, arrival="fixed")]), 1)
    assert fixed["iops"] == pytest.approx(4000, rel=0.01)


def test_a_number_of_ios_ends_it():
    found = play(quick(seconds=0, warm_up_s=0, loads=[LoadModel(ios=1000, clients=4)]), 1)
    assert (found["ios"], found["unanswered"]) == (1000, 0)


def test_batches_come_when_they_came():
    batches = [(0, [(WRITE, 0, 4 * KIB, 0)]), (30 * NS_PER_MS, [(READ, 8, 4 * KIB, 0), (DISCARD, 16, MIB, 0)])]
    found = play(quick(warm_up_s=0, loads=[LoadModel(pattern="trace", batches=batches)]), 1)
    assert found["ios"] == 3
    assert [window["ios"] for window in found["windows"][:4]] == [1, 0, 0, 2]


# Faults. All of them from 1 s to 2 s, of 3 s.


def struck(kind: str, **words: Any) -> dict[str, Any]:
    load = LoadModel(rate=2000, batch=4, write_percent=30)
    duration_ns = words.pop("duration_ns", NS_PER_S)
    fault = Fault(NS_PER_S, kind, [0], duration_ns, **words)
    manager = ManagerModel(io_timeout_ns=NS_PER_S // 4, marginal=False)
    found = play(quick(seconds=3, window_ms=100, loads=[load], faults=[fault], manager=manager), 1)
    assert (found["failed"], found["unanswered"]) == (0, 0)
    return found


def worst_ms(found: dict[str, Any], first: float, last: float) -> float:
    return max(window["max_us"] for window in found["windows"] if first <= window["t"] < last) / 1000


def commands(found: dict[str, Any], path: int, first: float, last: float) -> int:
    return sum(window["paths"][path] for window in found["windows"] if first <= window["t"] < last)


@pytest.mark.parametrize(
    ("kind", "words", "least_ms", "most_ms"),
    [
        (SLOW, {"factor": 50.0}, 5, 200),
        (DELAY, {"ms": 30.0}, 30, 31),
        (GRAY, {"ms": 40.0, "percent": 10.0}, 40, 41),
    ],
)
def test_a_path_that_is_slow(kind: str, words: dict[str, float], least_ms: float, most_ms: float):
    found = struck(kind, **words)
    assert worst_ms(found, 0, 1) < 1
    assert least_ms <= worst_ms(found, 1, 2.2) <= most_ms
    assert worst_ms(found, 2.3, 3) < 1
    assert [path["failures"] for path in found["paths"]] == [0] * 4


def test_a_server_that_dies_and_comes_back():
    found = struck(KILL)
    assert worst_ms(found, 0, 3) < 2, "what was on its way is sent again at once"
    assert commands(found, 0, 1.1, 2) == 0
    assert commands(found, 0, 2.2, 3) > 100
    assert found["paths"][0]["failures"] == 1


def test_a_black_hole_is_found_out_when_commands_time_out():
    found = struck(BLACK_HOLE)
    assert 250 <= worst_ms(found, 1, 2) < 260
    assert commands(found, 0, 1.3, 2) <= 3, "but for checks"
    assert commands(found, 0, 2.2, 3) > 100
    assert any("fence" in event["text"] for event in found["events"])


def test_a_connection_that_flaps_fails_its_path_each_time():
    found = struck(FLAP, count=3, ms=200.0)
    assert found["paths"][0]["failures"] == 3
    assert commands(found, 0, 2, 3) > 100


def test_errors_of_transport_fail_the_path():
    found = struck(ERROR)
    assert found["paths"][0]["failures"] >= 1
    assert commands(found, 0, 1.5, 2) <= 20, "but for checks"
    assert commands(found, 0, 2.6, 3) > 50


def test_a_message_of_an_operators():
    found = struck(MESSAGE, words="fail_path {p0}", duration_ns=0)
    assert commands(found, 0, 1.1, 3) == 0
    assert [path["failures"] for path in found["paths"]] == [1, 0, 0, 0]


@pytest.mark.parametrize("slots", [1, 4])
def test_who_looks_after_paths_uses_a_slow_one_last(slots: int):
    """The shipped policy: ten times as slow as the others, for two seconds."""
    fault = Fault(NS_PER_S, SLOW, [0], 0, factor=100.0)
    load = LoadModel(rate=400, batch=4)
    paths = [PathModel(slots=slots) for _ in range(4)]
    found = play(quick(seconds=8, window_ms=500, loads=[load], faults=[fault], paths=paths), 1)
    assert commands(found, 0, 1, 2) > 20
    assert commands(found, 0, 5, 8) <= 10


# What is refused.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"map": MapModel(selector="quickest 0")}, "there is no path selector 'quickest'"),
        ({"map": MapModel(selector="service-time")}, "want its name, the number of its arguments, and these"),
        ({"map": MapModel(selector="historical-service-time 1 5000")}, "base weight from 0 to 1023"),
        ({"map": MapModel(features="nosuch")}, "Unrecognised multipath feature request"),
        ({"loads": [LoadModel(pattern="sequential", clients=4, sizes=[512 * MIB])]}, "the disk is too small"),
        ({"faults": [Fault(0, MESSAGE, [], 0, words="nosuch")]}, "message 'nosuch' is refused"),
    ],
)
def test_what_cannot_be_is_refused_with_words(changes: dict[str, Any], message: str):
    with pytest.raises(ScenarioError, match=message):
        play(quick(**changes), 1)


# The same everywhere.

INTERPRETED = """
import json
from hawser.build_info import build_kind
from hawser.lab.model.play import play
from tests.lab.model.test_bench import chancy
assert build_kind() == "interpreted"
print(json.dumps([play(chancy(mode), seed)["digest"] for mode in ("rq", "bio") for seed in (1, 2)]))
"""


def chancy(mode: str) -> Scenario:
    """One with every kind of chance in it."""
    spreads = ("uniform", "exponential", "heavy", "constant")
    return quick(
        paths=[PathModel(spread=spread) for spread in spreads],
        map=MapModel(mode, "historical-service-time 0", "mq-deadline"),
        loads=[LoadModel(sizes=[4 * KIB, 64 * KIB], write_percent=30), LoadModel(rate=2000, batch=3)],
        faults=[Fault(50 * NS_PER_MS, GRAY, [1], 50 * NS_PER_MS, ms=5.0, percent=20.0)],
        seconds=0.15,
    )


def test_a_seed_is_one_run_compiled_or_interpreted():
    digests = [play(chancy(mode), seed)["digest"] for mode in ("rq", "bio") for seed in (1, 2)]
    assert len(set(digests)) == 4
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{SRC}{os.pathsep}{root}", "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", INTERPRETED]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=True)
    assert json.loads(done.stdout) == digests


def test_the_table_is_the_one_that_a_server_would_build():
    bench = Bench(quick(paths=[PathModel(weight=3), PathModel(group=2)], size_bytes=MIB), 1)
    assert bench.table() == (
        "0 2048 multipath 3 queue_if_no_path queue_mode rq 0 2 1 service-time 0 1 2 259:0 1 3 service-time 0 1 2 259:1 1 1"
    )
