"""Random worlds whose servers are port groups with states of their own: drawn beside everything else, and judged like all."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from hawser.core.rng import Rng
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.draw import draw_plan
from hawser.lab.draw_alua import draw_alua, is_fit
from hawser.lab.plan import PORT_STEPS, ClientPlan, Op, PathPlan, Plan, ServerPlan, Step
from hawser.lab.plan_file import PlanError, dumps, loads
from hawser.lab.trial import Trial, attempt

SEEDS = 120


@cache
def drawn() -> list[Plan]:
    return [plan for plan in map(draw_plan, range(SEEDS)) if plan.alua]


def test_some_plans_have_states_and_can_be_written_down():
    assert len(drawn()) >= SEEDS // 20
    for plan in drawn():
        assert loads(dumps(plan)) == plan
        assert plan.truthful()
        assert any(step.kind in PORT_STEPS for step in plan.steps) or len(plan.servers) == 1
        named = [" 1 alua " in table for table in plan.tables]
        assert named[0] == (plan.mode != "bio")


def test_only_plans_that_are_fit_are_changed():
    for plan in map(draw_plan, range(40)):
        if not plan.alua and not is_fit(plan):
            before = dumps(plan)
            for seed in range(4):
                draw_alua(Rng(seed), plan, NS_PER_S)
            assert dumps(plan) == before


def test_worlds_with_states_break_no_promise():
    hits: set[str] = set()
    for plan in drawn():
        trial = attempt(plan)
        assert trial.faults == [], f"seed {plan.seed}: hawser lab fuzz --seeds {plan.seed}..{plan.seed + 1}"
        hits |= set(trial.hits)
    assert {"port group moved", "port refused", "group activated", "activation failed a path"} <= hits
    assert "group switched by activation" in hits


def two_groups(mode: str, **options) -> Plan:
    """Two servers, a path to each, and a client that writes and reads all the time."""
    handler = "1 alua" if mode == "rq" else "0"
    table = f"0 64 multipath 3 queue_if_no_path queue_mode {mode} {handler} 2 1"
    table += " round-robin 0 1 0 {p0} round-robin 0 1 0 {p1}"
    ops = [Op("read" if n % 3 else "write", n * 8 % 64, 8, delay_ns=2 * NS_PER_MS) for n in range(300)]
    plan = Plan(
        name="two groups",
        mode=mode,
        manager=False,
        tables=[table],
        servers=[ServerPlan(), ServerPlan()],
        paths=[PathPlan(0, cache="lun"), PathPlan(1, cache="lun")],
        clients=[ClientPlan("a", ops, depth=4)],
        alua="explicit",
    )
    return replace(plan, **options)


def played(plan: Plan) -> Trial:
    trial = attempt(loads(dumps(plan)))
    assert trial.faults == []
    return trial


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_switch_under_load_moves_the_unit_there_and_back(mode: str):
    steps = [Step(0, "port_group", "s1", word="standby")]
    steps += [Step(n * 3 * NS_PER_S, "message", word=f"switch_group {1 + n % 2}") for n in range(1, 4)]
    plan = two_groups(mode, steps=steps, alua_transition_ns=30 * NS_PER_MS)
    for op in plan.clients[0].ops:
        op.delay_ns = 40 * NS_PER_MS
    hits = played(plan).hits
    assert hits["group switched by activation"] >= 3
    assert "I/O failed" not in hits


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_an_array_that_moves_by_itself_is_followed(mode: str):
    steps = [
        Step(0, "port_group", "s1", word="standby"),
        Step(100 * NS_PER_MS, "port_group", "s0", word="standby"),
        Step(100 * NS_PER_MS, "port_group", "s1", word="optimized"),
    ]
    hits = played(two_groups(mode, steps=steps, alua="implicit")).hits
    assert hits["port refused"] >= 1


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_an_array_that_refuses_to_be_told(mode: str):
    """The paths of the group that stands by fail; once the array gives in they are put back, and everything ends."""
    steps = [
        Step(0, "port_group", "s1", word="standby"),
        Step(50 * NS_PER_MS, "refuse_sets", duration_ns=5 * NS_PER_S),
        Step(100 * NS_PER_MS, "kill", "s0", 3 * NS_PER_S, 1),
    ]
    hits = played(two_groups(mode, steps=steps)).hits
    assert hits["all paths failed"] >= 1


def test_offline_fails_the_activation():
    steps = [Step(0, "port_group", "s0", word="offline")]
    assert played(two_groups("rq", steps=steps)).hits["activation failed a path"] >= 1


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"alua": "sometimes"}, "plan.alua: unknown 'sometimes'; there are , implicit, explicit, both"),
        ({"alua_others": "gone"}, "plan.alua_others: unknown 'gone'"),
        ({"steps": [Step(0, "port_group", "s0", word="gone")]}, r"plan.steps\[0\].word: unknown 'gone'"),
        ({"steps": [Step(0, "port_group", "s7", word="offline")]}, r"plan.steps\[0\].target"),
    ],
)
def test_what_a_plan_may_not_say(change: dict[str, Any], refusal: str):
    with pytest.raises(PlanError, match=refusal):
        loads(dumps(replace(two_groups("rq"), **change)))
