"""The six hazards of docs/hazards.md: each loses acknowledged data without fences, and none with them."""

from pathlib import Path

import pytest

from hawser.lab.hazard_plans import HAZARDS, Hazard
from hawser.lab.plan_file import dumps, loads
from hawser.lab.shrink import kind_of
from hawser.lab.trial import attempt

ROOT = Path(__file__).parents[2]

each = pytest.mark.parametrize("hazard", HAZARDS, ids=[hazard.name for hazard in HAZARDS])


@each
def test_without_fences_data_is_lost(hazard: Hazard):
    trial = attempt(hazard.plan(fences=False))
    assert trial.faults
    assert kind_of(trial.faults[0]) == hazard.kind


@each
def test_with_fences_none_is(hazard: Hazard):
    plan = hazard.plan(fences=True)
    assert plan.truthful()
    assert attempt(plan).faults == []


@each
def test_a_fence_is_what_makes_the_difference(hazard: Hazard):
    trial = attempt(hazard.plan(fences=True))
    if hazard.name == "rmw-neighbour":
        # Such a write is not even taken.
        assert "fenced request" not in trial.hits
    else:
        assert {"fenced request", "withheld"} & set(trial.hits)


@each
def test_a_hazard_can_be_kept_in_a_file(hazard: Hazard):
    plan = hazard.plan(fences=False)
    assert attempt(loads(dumps(plan))).digest == attempt(plan).digest


@each
def test_what_a_hazard_refers_to_is_there(hazard: Hazard):
    assert (ROOT / hazard.tests).exists()


def test_the_manual_has_them_all():
    text = (ROOT / "docs" / "hazards.md").read_text()
    for hazard in HAZARDS:
        assert hazard.title in text
        assert hazard.rule in text
        for name in (hazard.name, f"{hazard.name}-fenced"):
            assert f"figures/{name}.svg" in text
            assert (ROOT / "docs" / "figures" / f"{name}.svg").exists()
