"""Figures: every lane is there, whatever happened is drawn, and the same run gives the same file."""

from itertools import pairwise
from pathlib import Path

import pytest

from hawser.lab.axis import Axis
from hawser.lab.chart import FENCE, GHOST, HAPPENS, STEP, Chart
from hawser.lab.draw import draw_false_lun, draw_plan
from hawser.lab.figure import draw, make_figure
from hawser.lab.hazard_plans import HAZARDS
from hawser.lab.spans import FOREVER
from hawser.lab.trial import Trial, attempt

pytest.importorskip("matplotlib", reason="matplotlib is an extra: hawser[lab]")


def played(name: str, fences: bool = False) -> Trial:
    hazard = next(hazard for hazard in HAZARDS if hazard.name == name)
    return attempt(hazard.plan(fences), keep_events=True)


def test_there_is_a_lane_for_each():
    chart = Chart(played("ghost-of-the-retry"))
    assert [lane.name for lane in chart.lanes] == [
        "client c", "map", "path p0", "path p1", "path p2", "server s0", "server s1", "server s2",
    ]  # fmt: skip
    texts = [text.get_text() for text in make_figure(chart).axes[0].texts]
    for lane in chart.lanes:
        assert lane.name in texts


def test_a_ghost_is_seen_from_its_giving_up_to_its_landing():
    chart = Chart(played("ghost-after-retry"))
    server = chart.lane("server s0")
    bar = server.bars[0]
    assert bar.label == "W1"
    assert bar.start_ns < bar.ghost_ns < bar.end_ns
    assert sorted(moment.kind for moment in server.moments) == [GHOST, HAPPENS]
    assert chart.lane("path p0").bars[0].failed
    assert [bar.label for bar in chart.lane("client c").bars] == ["W1", "W2", "R1"]
    assert "write 1 is back" in chart.faults[0].label


def test_a_fence_stands_in_the_lane_of_the_map():
    chart = Chart(played("ghost-after-retry", fences=True))
    fences = [area for area in chart.lane("map").areas if area.kind == FENCE]
    assert len(fences) == 1
    assert fences[0].start_ns < fences[0].end_ns < chart.end_ns
    assert chart.faults == []


def test_what_goes_on_for_a_while_is_an_area():
    areas = Chart(played("black-hole-send-queue")).lane("path p0").areas
    assert [(area.kind, area.label) for area in areas if area.kind == STEP] == [(STEP, "black hole")]


def test_bars_that_overlap_lie_above_each_other():
    for lane in Chart(attempt(draw_plan(3), keep_events=True)).lanes:
        for row in range(lane.rows):
            bars = sorted((bar.start_ns, bar.end_ns) for bar in lane.bars if bar.row == row)
            for before, after in pairwise(bars):
                assert before[1] <= after[0]


@pytest.mark.parametrize("seed", [1, 3, 8, 12, 17])
def test_any_run_can_be_drawn(seed: int, tmp_path: Path):
    file = tmp_path / "run.png"
    draw(attempt(draw_plan(seed), keep_events=True), str(file), dark=seed % 2 == 0)
    assert file.read_bytes().startswith(b"\x89PNG")


def test_a_run_with_faults_is_drawn_up_to_the_first(tmp_path: Path):
    trial = next(
        trial for trial in (attempt(draw_false_lun(seed), keep_events=True) for seed in range(40)) if trial.faults
    )
    chart = Chart(trial)
    assert all(bar.end_ns <= chart.end_ns < FOREVER for lane in chart.lanes for bar in lane.bars)
    draw(trial, str(tmp_path / "run.svg"))


def test_the_same_run_gives_the_same_file(tmp_path: Path):
    for name in ("a.svg", "b.svg"):
        draw(played("ghost-after-retry"), str(tmp_path / name))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_axis_keeps_the_order_and_leaves_out_waiting():
    axis = Axis([0, 100, 200, 1_000_000_000])
    places = [axis.place(time_ns) for time_ns in (-5, 0, 50, 100, 200, 500_000_000, 1_000_000_000, 2_000_000_000)]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0.0, 1.0)
    assert places[3] > 1e-7 * 100
    assert Axis([7]).place(9) == 1.0
