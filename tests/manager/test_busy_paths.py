"""A path is not slow because much is asked of it, while the others have nothing to do."""

from typing import Any

from hawser.core.units import MIB, NS_PER_MS, NS_PER_S
from hawser.lab.model.play import play
from hawser.lab.model.scenario import MESSAGE, SLOW, Fault, LoadModel, PathModel, Scenario

QUICK, IDLE = 1, 0


def weighted(*faults: Fault) -> dict[str, Any]:
    """All I/O goes to the path that is a hundred times as quick, and waits there for its like; the other one is only checked."""
    paths = [PathModel(weight=1, ns_per_kib=100_000), PathModel(weight=100, ns_per_kib=1_000, slots=1)]
    load = LoadModel(sizes=[MIB], depth=12)
    return play(Scenario(seconds=15, window_ms=500, paths=paths, loads=[load], faults=list(faults)), 1)


def demoted(found: dict[str, Any]) -> list[str]:
    return [event["text"] for event in found["events"] if "is used last" in event["text"]]


def test_checks_of_an_idle_path_are_no_measure_for_a_busy_one():
    found = weighted()
    assert found["paths"][QUICK]["latency_us"]["p50"] > 10_000
    assert found["events"] == []
    assert found["paths"][QUICK]["byte_share"] > 0.99


def test_nor_are_they_when_it_carried_something_not_long_ago():
    """What that took is known; what its checks take since then is something else."""
    fails = Fault(200 * NS_PER_MS, MESSAGE, words=f"fail_path {{p{QUICK}}}")
    found = weighted(fails, Fault(1200 * NS_PER_MS, MESSAGE, words=f"reinstate_path {{p{QUICK}}}"))
    assert found["windows"][1]["paths"][IDLE] > 0
    assert demoted(found) == []


def test_a_busy_path_that_has_become_slow_is_found_out_beside_an_idle_one():
    (text,) = demoted(weighted(Fault(3 * NS_PER_S, SLOW, [QUICK], factor=300.0)))
    assert "(p1) is used last" in text
    assert "those of idle paths" in text
