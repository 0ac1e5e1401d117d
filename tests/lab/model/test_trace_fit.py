"""What the model itself has made is fitted back to the parameters that it was made with."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.model_trace import record

from hawser.block.ops import READ
from hawser.lab.model.scenario import LoadModel, PathModel, Scenario
from hawser.lab.model.trace_fit import COMMANDS_MIN, PathFit, fit_path, fit_paths
from hawser.lab.model.trace_read import Recording, TraceCommand, read_trace


def recorded(directory: Path, scenario: Scenario, seed: int = 1) -> Recording:
    record(scenario, seed, directory / "io.json")
    return read_trace(directory / "io.json")


def fitted(found: Recording) -> list[PathFit]:
    return fit_paths(found, found.paths_of(found.maps[0]))


def assert_near(measured: float, wanted: float, part: float) -> None:
    assert wanted * (1 - part) <= measured <= wanted * (1 + part), f"{measured}, wanted {wanted}"


# Each with its own number of slots, time per byte and way.
PATHS = [
    PathModel(fixed_ns=100_000, ns_per_kib=2_560, slots=4, latency_ns=50_000),
    PathModel(fixed_ns=200_000, ns_per_kib=5_000, slots=1, latency_ns=20_000),
    PathModel(fixed_ns=80_000, ns_per_kib=10_000, slots=8, latency_ns=60_000),
]


def test_paths_of_known_parameters_are_fitted_back_to_them(tmp_path: Path):
    scenario = Scenario(
        seconds=0.06,
        warm_up_s=0,
        paths=PATHS,
        loads=[LoadModel(depth=24, sizes=[4096, 16384, 65536], write_percent=30), LoadModel(rate=2000, batch=4)],
    )
    fits = fitted(recorded(tmp_path, scenario))
    for fit, path in zip(fits, PATHS, strict=True):
        assert fit.slots == path.slots
        assert_near(fit.fixed_ns, path.fixed_ns, 0.05)
        assert_near(fit.ns_per_kib, path.ns_per_kib, 0.05)
        assert abs(fit.latency_ns - path.latency_ns) < 5_000
        assert fit.error < 0.02 and fit.spread() < 0.08
        assert fit.notes == []
        assert fit.commands > 150
    assert "4 at once" in fits[0].describe()


@pytest.mark.parametrize(("spread", "variation"), [("uniform", 0.289), ("exponential", 1.0)])
def test_what_service_varies_by_is_kept(tmp_path: Path, spread: str, variation: float):
    path = replace(PATHS[0], spread=spread)
    scenario = Scenario(
        seconds=0.08,
        warm_up_s=0,
        paths=[path],
        loads=[LoadModel(depth=12, sizes=[4096, 65536]), LoadModel(rate=500, batch=2)],
    )
    (fit,) = fitted(recorded(tmp_path, scenario))
    # Of the mean of an exponential the fit by medians would miss a third, were it not made up for.
    assert 3 <= fit.slots <= 5
    assert_near(fit.service_ns(65536), path.fixed_ns + 64 * path.ns_per_kib, 0.2)
    assert_near(fit.spread(), variation, 0.25)
    assert sum(fit.factors) / len(fit.factors) == pytest.approx(1.0)
    assert fit.factors == sorted(fit.factors)


def test_several_servers_of_one_place_are_not_one_of_several(tmp_path: Path):
    """One at a time, and never idle: the time between answers says it."""
    path = PathModel(fixed_ns=100_000, ns_per_kib=0, slots=1, spread="uniform", latency_ns=0)
    scenario = Scenario(seconds=0.1, warm_up_s=0, paths=[path], loads=[LoadModel(depth=8)])
    (fit,) = fitted(recorded(tmp_path, scenario))
    assert fit.slots == 1
    assert_near(fit.fixed_ns, 100_000, 0.05)
    assert any("all commands were of 4096 bytes" in note for note in fit.notes)


def test_what_never_waits_does_not_say_how_much_more_it_could_do(tmp_path: Path):
    path = PathModel(fixed_ns=100_000, slots=64)
    scenario = Scenario(
        seconds=0.04,
        warm_up_s=0,
        paths=[path],
        loads=[LoadModel(depth=6, sizes=[4096, 8192]), LoadModel(rate=3000, batch=2)],
    )
    (fit,) = fitted(recorded(tmp_path, scenario))
    assert 6 <= fit.slots <= 12
    assert any("whether it can do more at once is not known" in note for note in fit.notes)
    # All of what it takes is service, as its wire cannot be told from that.
    assert_near(fit.service_ns(4096) + fit.latency_ns, path.fixed_ns + 4 * path.ns_per_kib + path.latency_ns, 0.05)


def commands(queue: str, count: int, took_ns: int = 100_000, outcome: str = "") -> list[TraceCommand]:
    """One after the other, with some time between them."""
    return [
        TraceCommand(n, queue, n * 200_000, READ, 0, 4096, [], 1, n * 200_000 + took_ns, outcome) for n in range(count)
    ]


def test_a_path_of_which_little_is_known_is_taken_for_one_like_the_others(tmp_path: Path):
    found = recorded(tmp_path, Scenario(seconds=0.01, warm_up_s=0, paths=PATHS))
    found.commands = commands("p0", COMMANDS_MIN) + commands("p1", COMMANDS_MIN - 1, 5_000)
    known, unknown, idle = fitted(found)
    assert known.notes[0].startswith("all commands were of 4096 bytes")
    assert (unknown.fixed_ns, idle.fixed_ns) == (known.fixed_ns, known.fixed_ns) == (100_000, 100_000)
    assert "it was sent 19 commands that say anything, too few: it is taken for one like p0" in unknown.notes
    assert "it was sent 0 commands that say anything, too few: it is taken for one like p0" in idle.notes
    found.commands = found.commands[COMMANDS_MIN:]
    with pytest.raises(ValueError, match="no path was sent 20 commands that succeeded"):
        fitted(found)


def test_failures_and_refusals_say_nothing_of_service():
    every = commands("p0", 60)
    for command in every[:5]:
        command.outcome = "recoverable transport"
        command.end_ns = command.at_ns + 150_000
    for command in every[5:10]:
        command.outcome = "refused: device resource"
        command.end_ns = command.at_ns
    fit = fit_path("p0", every)
    assert fit.commands == 50
    assert fit.failed == 5
    assert "5 commands failed, which the model never does" in fit.notes
    assert_near(fit.service_ns(4096), 100_000, 0.05)


def test_commands_that_were_on_their_way_before_the_trace_began_are_reckoned_with():
    """Of those that came while such were there nobody knows how long they had to wait."""
    first = [TraceCommand(n, "p0", n, READ, 0, 4096, [], 20 + n, 3_000_000 + n) for n in range(30)]
    later = [
        TraceCommand(100 + n, "p0", 4_000_000 + n * 200_000, READ, 0, 4096, [], 1, 4_100_000 + n * 200_000)
        for n in range(30)
    ]
    fit = fit_path("p0", first + later)
    assert fit.commands == 30
    assert_near(fit.service_ns(4096), 100_000, 0.01)


def test_only_what_was_sent_in_time_counts():
    fit = fit_path("p0", commands("p0", 50), lambda at_ns: at_ns < 30 * 200_000)
    assert fit.commands == 30
