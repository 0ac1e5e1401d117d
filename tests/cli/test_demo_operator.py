"""What the demonstration for operators prints and draws of an outcome, and what it says where something is missing."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.support.gateway import HAWSER

from hawser.cli.demo_operator import cost_lines, results, summary_lines
from hawser.cli.demo_operator_chart import duration, median_by_window, worst_by_window, write_figures
from hawser.service.demo_books import Audit
from hawser.service.demo_cost import Cost, ratio_of_medians
from hawser.service.demo_database import KINDS, LOOK_UP, SYNCED, UNSYNCED
from hawser.service.demo_outage import BLACK_HOLE, CARRIES, GONE, KILLED, READY, SWALLOWS, Event, Fault, Moment, Outcome


def outcome() -> Outcome:
    steady = [(n / 20, 1.0) for n in range(100)]
    return Outcome(
        seconds=6.0,
        events=[Event(1.0, "server A is killed", True)],
        faults=[Fault(KILLED, "A", 1.0, 1.05, 50.0), Fault(BLACK_HOLE, "B", 3.0, 5.0, 2000.0)],
        moments=[Moment(0.0, (CARRIES, READY)), Moment(1.0, (GONE, CARRIES)), Moment(3.0, (CARRIES, SWALLOWS))],
        latencies={SYNCED: [(0.5, 20.0), (3.0, 2000.0)], UNSYNCED: steady, LOOK_UP: steady},
        audits={"here": Audit(10, 20), "there": Audit(10, 20)},
        costs=[Cost(kind, [90.0, 100.0], [100.0, 100.0], 0.95, 0.9, 1.0) for kind in KINDS],
    )


def test_a_good_outcome_in_words():
    lines = summary_lines(outcome())
    assert lines[-1] == "nothing that was acknowledged is lost"
    assert "server B, black hole: the longest wait was 2.0 s" in lines
    assert "10 rows of 20 acknowledged commits, there: all there" in lines
    assert not any("problem" in line for line in lines)
    assert results(outcome())["good"] is True
    assert cost_lines(outcome().costs)[0].endswith("100/s over hawser,     100/s over nbdkit: 0.95 (0.90-1.00)")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda it: it.audits["there"].lost.append("ledger: row 3"), "problem: there: ledger: row 3"),
        (lambda it: it.audits["here"].damage.append("ledger: page 9"), "problem: here: ledger: page 9"),
        (lambda it: it.audits.pop("there"), "problem: not everything was compared"),
        (lambda it: it.problems.append("the database: disk I/O error"), "problem: the database: disk I/O error"),
    ],
)
def test_what_is_wrong_is_said_and_is_no_success(spoil, said: str):
    spoiled = outcome()
    spoil(spoiled)
    assert not spoiled.is_good()
    lines = summary_lines(spoiled)
    assert lines[-1] == "FAILED" and said in lines


def test_the_slowest_of_a_window_waits_also_while_it_has_not_ended():
    worst = worst_by_window([(0.05, 10.0), (0.12, 250.0)], 0.5)
    assert worst == pytest.approx([10.0, 80.0, 180.0, 250.0, 0.0, 0.0])


def test_the_median_is_of_what_ended():
    medians = median_by_window([(0.01, 5.0), (0.02, 7.0), (0.03, 6.0), (0.05, 100.0)], 0.2)
    assert medians[:2] == [6.0, 100.0] and medians[2] != medians[2]


def test_times_for_people():
    assert [duration(each) for each in (0.123, 9.94, 48.2, 999.0, 6100.0)] == [
        "0.1 ms",
        "9.9 ms",
        "48 ms",
        "999 ms",
        "6.1 s",
    ]


def test_the_ratio_of_medians_and_its_interval():
    assert ratio_of_medians([50.0] * 3, [100.0] * 3) == (0.5, 0.5, 0.5)
    value, low, high = ratio_of_medians([90.0, 100.0, 110.0], [100.0, 100.0, 100.0])
    assert (value, low, high) == (1.0, 0.9, 1.1)


def test_the_figure_light_and_dark(tmp_path: Path):
    pytest.importorskip("matplotlib", reason="figures need matplotlib, an extra of its own")
    drawn = outcome()
    assert write_figures(drawn, str(tmp_path), endings=["svg"]) == ["latency-light.svg", "latency-dark.svg"]
    light, dark = ((tmp_path / f"latency-{theme}.svg").read_text() for theme in ("light", "dark"))
    for text in ("server A killed", "the longest wait: 2.0 s", "20 commits acknowledged, none lost", "carries the I/O"):
        assert text in light and text in dark
    assert "when nothing fails" in light
    assert light != dark
    drawn.costs = []
    write_figures(drawn, str(tmp_path), ["light"], ["svg", "png"])
    assert "when nothing fails" not in (tmp_path / "latency-light.svg").read_text()
    assert (tmp_path / "latency-light.png").read_bytes().startswith(b"\x89PNG")


def test_without_nbdkit_it_names_the_package(tmp_path: Path):
    done = subprocess.run(
        [*HAWSER, "demo", "operator"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PATH": str(tmp_path)},
    )
    assert done.returncode == 3
    assert "it needs the Debian packages nbdkit: apt install nbdkit" in done.stderr
