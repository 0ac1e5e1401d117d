"""Runs of dmsetup in drawn plans (hawser.lab.programs), and whose rules count: from a stream of their own.

A third of the plans has some. Every verb that does not destroy what clients have open is among them, on devices that are in use,
suspended, renamed, over each other, or have another table waiting; and what must be refused.
"""

from typing import Final

from hawser.core.rng import Rng
from hawser.dm.parameters import LINUX_6_16, NO_PATH_TIMEOUT
from hawser.lab.draw_faults import log_between
from hawser.lab.plan import MAP_NAME, Plan, Step
from hawser.lab.stacks import devices_beside, types_in

PROGRAMS_MAX: Final = 8
# On any device.
ON_ANY: Final = (
    "rename % other", "rename % third", "measure %", "rename % --setuuid UU-1", "rename % %", "clear %", "clear %",
    "remove %", "remove --deferred %", "remove --retry %", "message % 0 @cancel_deferred_remove", "message % 0 @nonsense",
    "wait %", "wait %", "wait % 0", "wait --noflush %", "suspend %", "suspend --noflush %", "suspend --nolockfs %", "resume %",
    "resume --noflush %", "status %", "table %", "info %", "deps %", "ls --tree", "info -c", "mknodes %", "load % --table zzz",
)  # fmt: skip
# Devices of the operator's own above, which come and go.
SCRATCH: Final = (
    "create s1 --table|0 8 linear {%} 0", "create s2 --notable", "create s1 --table|0 8 zero",
    "create s3 --table|0 9 linear {%} 1",
    "create s4 --table|0 8 linear {%} 99999999", "load s1 --table|0 8 error", "suspend s1", "resume s1", "resume s2", "clear s2",
    "rename s1 s2", "remove s1", "remove s2", "remove --deferred s1", "remove -f s1", "wipe_table s1", "remove_all",
    "remove_all --deferred",
)  # fmt: skip
# On maps.
ON_MAPS: Final = (
    "message % 0 queue_if_no_path", "message % 0 fail_if_no_path", "message % 0 switch_group 1", "message % 0 disable_group 2",
    "message % 0 enable_group 2", "message % 0 fail_path 9:9", "message % 99999999 queue_if_no_path",
    "message % 0 Switch_Group 0", "probe", "probe", "probe", "status %", "table --inactive %", "status --target multipath",
)  # fmt: skip


def draw_programs(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Whose rules count in `plan`, and the steps."""
    if rng.chance(1, 3):
        plan.semantics = LINUX_6_16
    if not rng.chance(1, 3):
        return []
    steps: list[Step] = []
    for _ in range(1 + rng.below(PROGRAMS_MAX)):
        steps += _program(rng, plan, rng.below(span_ns), span_ns)
    return steps


def _program(rng: Rng, plan: Plan, at_ns: int, span_ns: int) -> list[Step]:
    """A step, and what its user does next."""
    target, tables = _device(rng, plan)
    step = Step(at_ns, "dm", target)
    kind = rng.below(8)
    if kind < 3:
        step.word = _one(rng, ON_ANY)
    elif kind < 5:
        step.word = f"{'reload' if rng.chance(1, 4) else 'load'} % <{rng.below(len(tables))}" if tables else "clear %"
    elif kind < 6:
        step.word = _one(rng, SCRATCH).replace("{%}", f"{{{target or MAP_NAME}}}")
    elif target:
        step.word = "status %"
    elif kind < 7 and rng.chance(1, 3):
        step.word = f"parameter {NO_PATH_TIMEOUT}={rng.below(3)}"
    else:
        step.word = _one(rng, ON_MAPS)
    verb = step.word.split()[0]
    if verb in ("wait", "suspend", "resume", "remove") and "s1" not in step.word:
        step.duration_ns = log_between(rng, 1000, span_ns)
    if verb in ("suspend", "load", "reload") and rng.chance(3, 4):
        return [step, Step(at_ns + log_between(rng, 1000, max(2000, span_ns // 4)), "dm", target, word="resume %")]
    return [step]


def _device(rng: Rng, plan: Plan) -> tuple[str, list[str]]:
    """The map, mostly; and the tables that may be loaded. A mirror that is loaded again has forgotten which leg is right."""
    beside = devices_beside(plan)
    if beside and rng.chance(1, 3):
        device = beside[rng.below(len(beside))]
        may_load = len(device.tables) > 1 and not any("raid1" in types_in(table) for table in device.tables)
        return device.name, device.tables if may_load else []
    return "", plan.tables


def _one(rng: Rng, words: tuple[str, ...]) -> str:
    return words[rng.below(len(words))]
