"""Scenes of queues and of stacks: the steps of a shape (hawser.lab.draw_shapes) that is about what lies around a map's paths."""

from hawser.core.rng import Rng
from hawser.core.status import IOERR, MEDIUM
from hawser.core.units import NS_PER_MS
from hawser.lab.draw_faults import blocks_of, draw_setting, log_between
from hawser.lab.plan import SCHEDULERS, LimitsPlan, Plan, Step
from hawser.lab.stacks import devices_beside, maps_of, names_in, types_in


def _servers_of(plan: Plan, lun: int) -> list[str]:
    """Those behind which a disk is."""
    return [
        f"s{number}"
        for number in range(len(plan.servers))
        if any(_leads(plan, path, number, lun) for path in range(len(plan.paths)))
    ]


def _leads(plan: Plan, path: int, server: int, lun: int) -> bool:
    return plan.paths[path].server == server and plan.paths[path].lun == lun


def _slow(rng: Rng, plan: Plan, span_ns: int, low: int, high: int) -> list[Step]:
    """Every server is, so that things wait."""
    return [Step(0, "slow", f"s{number}", span_ns, rng.between(low, high)) for number in range(len(plan.servers))]


def tune_queues(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Slow servers, and somebody who tries out what schedulers and their settings do."""
    queues = [name for name, _ in maps_of(plan)] * 3 + [f"p{number}" for number in range(len(plan.paths))]
    steps = _slow(rng, plan, span_ns, 10, 60)
    for client in plan.clients:
        client.priority = rng.below(4) if rng.chance(2, 3) else 0
    for _ in range(rng.between(6, 20)):
        at_ns, target = rng.below(span_ns), queues[rng.below(len(queues))]
        kind = rng.below(5)
        if kind < 2:
            steps.append(Step(at_ns, "scheduler", target, word=SCHEDULERS[rng.below(2)]))
        elif kind < 4:
            steps.append(Step(at_ns, "attribute", target, word=draw_setting(rng)))
        else:
            steps.append(Step(at_ns, "nomerges", target, amount=rng.below(3)))
    return steps


def slow_servers(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """What comes meets what waits, and joins it. Nothing fails."""
    return _slow(rng, plan, span_ns, 5, 40)


def short_calls(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Calls of requests of several bios that do a part of what they were asked for, while others wait."""
    steps = _slow(rng, plan, span_ns, 5, 40)
    for server in _servers_of(plan, 0):
        for _ in range(rng.between(6, 12)):
            steps.append(Step(rng.below(span_ns), "short", server, 0, rng.between(8, 31), "write"))
    return steps


def limits_shrink(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """A table with a path that takes less is loaded while requests wait that were made for more."""
    last = len(plan.paths) - 1
    unit = plan.declared_unit_sectors
    plan.paths[last].limits = LimitsPlan(
        max_sectors=max(unit, 2 << rng.below(3)),
        max_segments=rng.between(1, 3),
        max_discard_sectors=(0, 8)[rng.below(2)],
        max_write_zeroes_sectors=(0, 8)[rng.below(2)],
    )
    with_all = plan.tables[0]
    head = f"0 {plan.size_sectors} multipath 3 queue_if_no_path queue_mode {plan.mode} 0 1 1 round-robin 0 1 0"
    first = names_in(with_all)[0]
    plan.tables = [f"{head} {{{first}}}", f"{head} {{p{last}}}", with_all]
    steps = _slow(rng, plan, span_ns, 10, 40)
    for _ in range(rng.between(2, 6)):
        steps.append(Step(rng.below(span_ns), "reload", amount=rng.below(2), word=str(rng.below(3))))
    return steps


def leg_fails(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """One leg of a mirror gets errors of the medium, loses its disk's paths, or what it should have flushed."""
    lun = rng.below(plan.luns)
    steps: list[Step] = []
    for server in _servers_of(plan, lun):
        kind = rng.below(4)
        at_ns = rng.below(span_ns)
        if kind == 0:
            steps.append(Step(at_ns, "kill", server, span_ns // 4, rng.below(2)))
        elif kind == 1:
            steps += [Step(rng.below(span_ns), "error", server, 0, IOERR, "read") for _ in range(4)]
        elif kind == 2:
            steps += [
                Step(rng.below(span_ns), "error", server, 0, MEDIUM, ("read", "write")[rng.below(2)]) for _ in range(2)
            ]
        else:
            steps += [Step(at_ns, "error", server, 0, IOERR, ("flush", "write")[rng.below(2)]) for _ in range(3)]
    if rng.chance(1, 3):
        steps.append(Step(span_ns // 2 + rng.below(span_ns // 2), "power_loss", duration_ns=span_ns // 10))
    return steps


def bad_blocks(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Bad blocks below some paths, from early on."""
    steps: list[Step] = []
    for device in devices_beside(plan):
        if "dust" in types_in(device.tables[0]):
            blocks = blocks_of(plan, device)
            for _ in range(rng.between(1, 4)):
                failures = f" {rng.below(3)}" if rng.chance(1, 2) else ""
                word = f"addbadblock {rng.below(blocks)}{failures}"
                steps.append(Step(rng.below(span_ns // 2), "message", device.name, word=word))
            steps.append(Step(rng.below(span_ns // 4), "message", device.name, word="enable"))
            if rng.chance(1, 2):
                steps.append(
                    Step(span_ns // 2 + rng.below(span_ns // 2), "message", device.name, word="clearbadblocks")
                )
    return steps


def paths_come_and_go(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Somebody fails paths by hand, and puts them back, one after the other; nothing else is wrong."""
    steps = _slow(rng, plan, span_ns, 3, 10) if rng.chance(1, 2) else []
    for name, table in maps_of(plan):
        for path in names_in(table):
            for _ in range(rng.between(1, 3)):
                at_ns = rng.below(span_ns)
                steps.append(Step(at_ns, "message", name, word=f"fail_path {{{path}}}"))
                back_ns = at_ns + log_between(rng, NS_PER_MS, span_ns // 4)
                steps.append(Step(back_ns, "message", name, word=f"reinstate_path {{{path}}}"))
    return steps
