"""Scenes: the steps of a shape (hawser.lab.draw_shapes): what happens, to whom and when. `span_ns`: the clients' active time."""

from hawser.core.rng import Rng
from hawser.core.status import IOERR, MEDIUM, NOSPC
from hawser.core.units import NS_PER_MS
from hawser.lab.plan import ClientPlan, Plan, Step
from hawser.lab.stacks import names_in
from hawser.lab.workloads import Ground, burst


def _servers(plan: Plan) -> list[str]:
    return [f"s{number}" for number in range(len(plan.servers))]


def _somewhere(rng: Rng, span_ns: int) -> int:
    """A moment in the middle half of the run."""
    return span_ns // 4 + rng.below(max(1, span_ns // 2))


def _all(plan: Plan, kind: str, at_ns: int, duration_ns: int = 0, amount: int = 0, word: str = "") -> list[Step]:
    """The same to every server at once."""
    return [Step(at_ns, kind, server, duration_ns, amount, word) for server in _servers(plan)]


def flood_bios(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """No path, and more bios than may be parked."""
    plan.clients[0] = _flood(rng, plan, rng.between(1100, 1500))
    return _all(plan, "kill", NS_PER_MS, 40 * NS_PER_MS, 1)


def flood_requests(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Every path hangs, and more requests come than may wait, none of which merges."""
    plan.clients[0] = _flood(rng, plan, rng.between(6100, 6400))
    return _all(plan, "stop", NS_PER_MS, 40 * NS_PER_MS)


def _flood(rng: Rng, plan: Plan, total: int) -> ClientPlan:
    ops = burst(rng, Ground(0, plan.size_sectors, plan.declared_unit_sectors), total, total, 0, 5)
    return ClientPlan(plan.clients[0].name, ops, 0, 32, 5 * NS_PER_MS)


def flap_storm(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """One cable, or all of them, off and on again dozens of times."""
    amount, gap_ns = rng.between(10, 40), max(NS_PER_MS, span_ns // 80)
    links = range(len(plan.paths)) if rng.chance(1, 4) else [rng.below(len(plan.paths))]
    return [Step(rng.below(span_ns // 4), "flap", f"p{link}", gap_ns, amount) for link in links]


def all_die(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """All servers die, one soon after the other, for longer than I/O may queue; then they come back, while clients still ask."""
    timeout_ns = plan.queue_timeout_ns or 0
    at_ns = span_ns // 4
    return [
        Step(at_ns + rng.below(NS_PER_MS), "kill", server, 2 * timeout_ns + span_ns // 8, rng.below(2))
        for server in _servers(plan)
    ]


def suspend_without_path(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Suspend and reload while everything waits for a path."""
    at_ns = _somewhere(rng, span_ns)
    steps = _all(plan, "kill", at_ns, span_ns // 6, rng.below(2))
    later_ns = at_ns + span_ns // 10
    return [
        *steps,
        Step(later_ns, "suspend", "", span_ns // 6, rng.below(2)),
        *_reload(rng, plan, later_ns + span_ns // 4),
    ]


def suspend_behind_fence(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Suspend while a write of unknown fate keeps others waiting."""
    at_ns = _somewhere(rng, span_ns)
    steps = [
        Step(at_ns, rng_kind, server, word="write") for server in _servers(plan) for rng_kind in ("lost_command",) * 2
    ]
    later_ns = at_ns + plan.paths[0].io_timeout_ns + rng.below(max(1, plan.paths[0].linger_ns))
    return [
        *steps,
        Step(later_ns, "suspend", "", span_ns // 6, rng.below(2)),
        *_reload(rng, plan, later_ns + span_ns // 4),
    ]


def _reload(rng: Rng, plan: Plan, at_ns: int) -> list[Step]:
    return [Step(at_ns, "reload", amount=rng.below(2), word=str(rng.below(len(plan.tables))))]


def eio_once(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Servers that are alive answer EIO now and then, one at a time."""
    word = ("read", "write")[rng.below(2)]
    return [Step(rng.below(span_ns), "error", server, 0, IOERR, word) for server in _servers(plan) for _ in range(2)]


def eio_twice(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Every server answers EIO to the next few commands."""
    word, at_ns = ("read", "write")[rng.below(2)], _somewhere(rng, span_ns)
    return [step for _ in range(rng.between(2, 4)) for step in _all(plan, "error", at_ns, 0, IOERR, word)]


def medium_error(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Errors that no other path mends."""
    return [
        Step(
            rng.below(span_ns),
            "error",
            server,
            0,
            MEDIUM if rng.chance(2, 3) else NOSPC,
            ("any", "read", "write")[rng.below(3)],
        )
        for server in _servers(plan)
    ]


def writes_lost(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Racing writes, some of which are never answered, or done when they have been given up."""
    steps: list[Step] = []
    for _ in range(rng.between(2, 5)):
        number = rng.below(len(plan.paths))
        path = plan.paths[number]
        late_ns = path.io_timeout_ns + rng.below(2 * path.linger_ns)
        kind = ("lost_command", "answer_never", "answer_late", "execute_late")[rng.below(4)]
        steps.append(Step(rng.below(span_ns), kind, f"s{path.server}", late_ns, 0, "write"))
        if rng.chance(1, 3):
            steps.append(Step(rng.below(span_ns), "lose_far", f"p{number}"))
    return steps


def late_in_time(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Answers that come after the timeout, but while the session is still kept for them."""
    steps: list[Step] = []
    for path in plan.paths:
        late_ns = path.io_timeout_ns + path.linger_ns // 4 + rng.below(max(1, path.linger_ns // 2))
        steps.append(
            Step(rng.below(span_ns), "answer_late", f"s{path.server}", late_ns, 0, ("any", "write")[rng.below(2)])
        )
    return steps


def end_of_file(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Slow servers close, or die with writes begun: the end of the connection proves that all they had received is done."""
    for path in plan.paths:
        path.eof_drains = True
    steps = _all(plan, "slow", 0, span_ns, rng.between(20, 50))
    for server in _servers(plan):
        steps += [Step(rng.below(span_ns), "kill", server, span_ns // 20, 1) for _ in range(rng.between(1, 3))]
    return [*steps, *[Step(rng.below(span_ns), "close", f"p{path}") for path in range(len(plan.paths))]]


def short_calls(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Calls that do a part of what they were asked for: the rest goes elsewhere, from the first whole bio on that was not
    done."""
    return [
        Step(rng.below(span_ns), "short", server, 0, rng.between(1, 15), ("read", "write", "write")[rng.below(3)])
        for server in _servers(plan)
        for _ in range(rng.between(2, 6))
    ]


def file_hangs(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """System calls that do not return in time, and then do."""
    steps: list[Step] = []
    for path in plan.paths:
        hang_ns = path.io_timeout_ns + rng.below(path.io_timeout_ns)
        kind = ("stop", "execute_late", "answer_late")[rng.below(3)]
        steps.append(Step(rng.below(span_ns), kind, f"s{path.server}", hang_ns, 0, "write"))
    return steps


def wrong_disk(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Servers come back with something that is not the disk, or is less of it."""
    steps: list[Step] = []
    for server in _servers(plan):
        kind = ("other_disk", "other_disk", "smaller", "read_only")[rng.below(4)]
        steps.append(Step(span_ns // 2 + rng.below(span_ns // 2), kind, server, span_ns // 20))
    return steps


def black_hole(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Writes go into a cable that passes nothing, for longer than anybody waits."""
    steps: list[Step] = []
    for number, path in enumerate(plan.paths):
        if number == 0 or rng.chance(1, 2):
            hole_ns = path.io_timeout_ns + path.linger_ns + rng.below(span_ns)
            steps.append(Step(rng.below(span_ns // 2), "black_hole", f"p{number}", hole_ns))
    return steps


def own_caches(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Groups are switched to and fro while their servers' own caches are dirty; a server dies with one."""
    steps = [
        Step(rng.below(span_ns), "message", word=f"switch_group {rng.between(1, len(plan.paths))}")
        for _ in range(rng.between(2, 6))
    ]
    if rng.chance(1, 2):
        server = _servers(plan)[rng.below(len(plan.servers))]
        steps.append(Step(_somewhere(rng, span_ns), "kill", server, span_ns // 8, rng.below(2)))
    if rng.chance(1, 4):
        steps.append(Step(_somewhere(rng, span_ns), "flush_error", _servers(plan)[0]))
    return steps


def all_bypassed(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Every group is disabled; then there is none to prefer."""
    steps = [Step(rng.below(span_ns // 4), "message", word=f"disable_group {group}") for group in (1, 2, 3)]
    fail = f"fail_path {{{names_in(plan.tables[0])[0]}}}"
    return [*steps, Step(span_ns // 3, "lose", "p0"), Step(span_ns // 2, "message", word=fail)]


def power_fails(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """The power goes in the middle of disciplined writing."""
    return [Step(_somewhere(rng, span_ns), "power_loss", duration_ns=span_ns // 10)]


def clients_come_and_go(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """Clients drop and come back while servers are too slow to have answered them."""
    steps = _all(plan, "slow", 0, span_ns, rng.between(10, 50))
    for client in plan.clients:
        steps += [Step(rng.below(span_ns), "reconnect", client.name) for _ in range(rng.between(1, 3))]
    return steps
