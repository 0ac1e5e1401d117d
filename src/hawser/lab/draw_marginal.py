"""Marginal paths in drawn plans: whether somebody looks for them, how often, and the scenes in which there are some."""

from typing import Final

from hawser.core.rng import Rng
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.draw_faults import log_between
from hawser.lab.plan import ClientPlan, Plan, Step
from hawser.lab.workloads import Ground, burst
from hawser.multipath.hedge import AFTER_MIN_NS, SHARE_MAX

TICK_MIN_NS: Final = 5 * NS_PER_MS
KEEPALIVE_MIN_NS: Final = 10 * NS_PER_MS
# How many looks there are in a scene, and I/Os in each: time enough to be found slow, to heal, and to come back.
LOOKS: Final = 50
IOS: Final = 3


def draw_care(rng: Rng, plan: Plan, span_ns: int) -> None:
    """What the manager does beside checking failed paths: in a third of the plans each."""
    if rng.chance(1, 3):
        plan.marginal_tick_ns = log_between(rng, TICK_MIN_NS, max(2 * TICK_MIN_NS, span_ns // 20))
    if rng.chance(1, 3):
        plan.keepalive_ns = log_between(rng, KEEPALIVE_MIN_NS, NS_PER_S)
    if rng.chance(1, 3) and not plan.hedge_after_ns:
        plan.hedge_after_ns = log_between(rng, AFTER_MIN_NS, max(2 * AFTER_MIN_NS, span_ns // 20))
        plan.hedge_percent = (SHARE_MAX, 25, 100)[rng.below(3)]


def slow_path(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """One server is slow for a third of the time, or its wires are; sometimes the others are gone while it is used last."""
    _set_scene(rng, plan, span_ns)
    number = rng.below(len(plan.servers))
    start_ns, sick_ns = span_ns // 10, span_ns * 2 // 5
    if rng.chance(1, 2):
        steps = [Step(start_ns, "slow", f"s{number}", sick_ns, rng.between(30, 60))]
    else:
        wires = [path for path in range(len(plan.paths)) if plan.paths[path].server == number]
        steps = [Step(start_ns, "brown_out", f"p{path}", sick_ns, 400) for path in wires]
    if rng.chance(1, 2):
        for other in range(len(plan.servers)):
            if other != number:
                steps.append(Step(start_ns + sick_ns * 2 // 3, "kill", f"s{other}", span_ns // 20, 1))
    return steps


def slow_path_with_a_queue(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """So slow that what comes for it waits for its only tag, when it is found out."""
    steps = slow_path(rng, plan, span_ns)
    for step in steps:
        if step.kind in ("slow", "brown_out"):
            step.amount *= 8
    return steps


def flaky_path(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """A path that is lost and comes back, again and again; sometimes all the others are lost at last."""
    _set_scene(rng, plan, span_ns)
    number = rng.below(len(plan.paths))
    at_ns = span_ns // 10
    steps: list[Step] = []
    for _ in range(rng.between(2, 5)):
        steps.append(Step(at_ns, "lose", f"p{number}", 0, (0, 50, 100)[rng.below(3)]))
        at_ns += span_ns // 10 + rng.below(span_ns // 10)
    if rng.chance(1, 2):
        for other in range(len(plan.paths)):
            if other != number:
                steps.append(Step(at_ns, "lose", f"p{other}"))
    return steps


def idle_paths(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Clients pause, and somebody asks the paths all the same. One of them has fallen into a black hole."""
    _set_scene(rng, plan, span_ns)
    plan.marginal_tick_ns = 0
    plan.keepalive_ns = span_ns // LOOKS
    half = len(plan.clients[0].ops) // 2
    plan.clients[0].ops[half].delay_ns += 2 * plan.paths[0].io_timeout_ns + span_ns // 2
    path = rng.below(len(plan.paths))
    return [Step(span_ns // 2 + span_ns // 20, "black_hole", f"p{path}", span_ns)]


def hedged_reads(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Single reads take long, or are never answered; sometimes on all paths at once, and sometimes a path is lost meanwhile."""
    _set_scene(rng, plan, span_ns)
    plan.marginal_tick_ns = 0
    plan.hedge_after_ns = max(AFTER_MIN_NS, 3 * plan.servers[0].fixed_ns)
    plan.hedge_percent = 100
    steps: list[Step] = []
    for _ in range(rng.between(5, 20)):
        at_ns = span_ns // 10 + rng.below(span_ns * 4 // 5)
        servers = range(len(plan.servers)) if rng.chance(1, 4) else [rng.below(len(plan.servers))]
        kind = ("answer_late", "execute_late", "answer_never")[rng.below(3)]
        late_ns = log_between(rng, plan.hedge_after_ns, 10 * plan.hedge_after_ns)
        steps += [Step(at_ns, kind, f"s{server}", late_ns, 0, "read") for server in servers]
        if rng.chance(1, 4):
            path = rng.below(len(plan.paths))
            steps.append(Step(at_ns + rng.below(2 * plan.hedge_after_ns), "lose", f"p{path}", 0, 50))
    return steps


def _set_scene(rng: Rng, plan: Plan, span_ns: int) -> None:
    """A steady load, and somebody who looks often enough; servers and wires that are alike."""
    plan.manager = True
    plan.marginal_tick_ns = span_ns // LOOKS
    for server in plan.servers:
        server.fixed_ns, server.bytes_per_s, server.queue_max = plan.servers[0].fixed_ns, 400_000_000, 0
        server.spread, server.slots = "constant", max(2, server.slots)
    for path in plan.paths:
        path.latency_ns, path.bytes_per_s = plan.paths[0].latency_ns, 1_000_000_000
    ground = Ground(0, plan.size_sectors, plan.declared_unit_sectors)
    ops = burst(rng, ground, LOOKS * IOS, IOS, span_ns // LOOKS, rng.between(0, 100))
    plan.clients = [ClientPlan(plan.clients[0].name, ops, 0, 1, 5 * NS_PER_MS)]
