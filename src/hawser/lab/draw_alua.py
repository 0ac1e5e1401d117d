"""ALUA in drawn plans: servers that are port groups of an array, whose states change while I/O is under way.

Drawn when everything else is, from a stream of its own. Only for plans in which nobody has to look at a path before it is used: a
port that stands by answers no read. The paths are put back by hand.
"""

from typing import Final

from hawser.core.rng import Rng
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.devices.array import CACHE_PATH
from hawser.lab.draw_faults import log_between
from hawser.lab.plan import PORT_STATES, Plan, Step

MOVES_MAX: Final = 6
TRANSITION_MAX_NS: Final = NS_PER_S
RETRIES: Final = ("", "pg_init_retries 2 ", "pg_init_retries 1 pg_init_delay_msecs 50 ")


def is_fit(plan: Plan) -> bool:
    """Whether nobody has to look first, and only the map stands on the paths."""
    if plan.below or plan.above or plan.stack or plan.luns > 1 or plan.top:
        return False
    if any(path.cache == CACHE_PATH for path in plan.paths):
        return False
    return not any(step.kind == "other_disk" for step in plan.steps)


def draw_alua(rng: Rng, plan: Plan, span_ns: int) -> None:
    """In half of the plans that are fit for it: the kind, how long a transition takes, and what happens to the states."""
    if not rng.chance(1, 2) or not is_fit(plan):
        return
    plan.alua = ("implicit", "explicit", "explicit", "both")[rng.below(4)]
    plan.alua_others = ("standby", "standby", "non-optimized", "unavailable")[rng.below(4)]
    plan.alua_transition_ns = log_between(rng, NS_PER_MS, TRANSITION_MAX_NS) if rng.chance(1, 2) else 0
    plan.manager = False
    _name_handler(rng, plan)
    plan.steps = sorted([*plan.steps, *_steps(rng, plan, span_ns)], key=lambda step: step.at_ns)


def _name_handler(rng: Rng, plan: Plan) -> None:
    """Request-based tables name it; bio-based maps keep what is attached. Some say how often an activation is tried."""
    for number, table in enumerate(plan.tables):
        retries = RETRIES[rng.below(len(RETRIES))]
        words = table.split()
        if len(words) < 5 or words[2] != "multipath" or not words[3].isdigit():
            continue
        for mode in ("rq", "mq"):
            table = table.replace(f" queue_mode {mode} 0 ", f" queue_mode {mode} 1 alua ", 1)
        count = int(words[3])
        if "pg_init" not in table:
            table = table.replace(f" multipath {count} ", f" multipath {count + len(retries.split())} {retries}", 1)
        plan.tables[number] = table


def _steps(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    steps: list[Step] = []
    for server in range(1, len(plan.servers)):
        # As arrays begin: one group is optimized, the others are what they become of it.
        steps.append(Step(0, "port_group", f"s{server}", word=plan.alua_others))
    for _ in range(rng.below(MOVES_MAX + 1)):
        at_ns = rng.below(span_ns)
        if rng.chance(1, 4):
            steps.append(Step(at_ns, "refuse_sets", "", log_between(rng, NS_PER_MS, max(2 * NS_PER_MS, span_ns // 4))))
        elif rng.chance(1, 3):
            steps.append(Step(at_ns, "message", word=f"switch_group {rng.between(1, min(3, len(plan.servers)))}"))
        else:
            state = ("optimized", "optimized", *PORT_STATES)[rng.below(2 + len(PORT_STATES))]
            steps.append(Step(at_ns, "port_group", f"s{rng.below(len(plan.servers))}", word=state))
    return steps
