"""draw_plan: a random plan from a seed, and nothing but the seed.

The world (disk, array, servers, paths), the map's tables, the clients, and what happens to them (hawser.lab.draw_faults), each
drawn from a stream of its own, so that a change in how one is drawn leaves the others alone. A part of the seeds has a shape
(hawser.lab.draw_shapes). Every plan is truthful: what it declares of its paths holds. `draw_unsafe` and `draw_false_lun` are the
controls: plans in which something must go wrong, so that one sees that the oracles see it.
"""

from dataclasses import replace
from typing import Final

from hawser.core.rng import Rng
from hawser.core.units import KIB, NS_PER_MS, NS_PER_S, NS_PER_US
from hawser.lab.devices.array import CACHE_PATH
from hawser.lab.devices.service_time import SPREADS
from hawser.lab.draw_alua import draw_alua
from hawser.lab.draw_clients import ClientDraw
from hawser.lab.draw_faults import STEPS_MAX, FaultDraw, declare, log_between, tamed
from hawser.lab.draw_marginal import draw_care
from hawser.lab.draw_programs import draw_programs
from hawser.lab.draw_shapes import Wishes, draw_shape
from hawser.lab.draw_stacks import ON_TWO, StackDraw, draw_kind, named
from hawser.lab.draw_tables import Layout, another, draw_layout, refused
from hawser.lab.plan import FILE, NO_FENCES, TCP, UNIX, LimitsPlan, PathPlan, Plan, ServerPlan, Step
from hawser.lab.stacks import is_path, maps_of, names_in
from hawser.multipath.retained import RETAINED_BYTES_MAX

PATHS_MAX: Final = 6
SERVERS_MAX: Final = 4
SPAN_MIN_NS: Final = 50 * NS_PER_MS
SPAN_MAX_NS: Final = 20 * NS_PER_S
TABLES_MAX: Final = 4


def draw_plan(seed: int) -> Plan:
    """The plan of this seed."""
    return _draw(seed, bare=False)


def _draw(seed: int, bare: bool) -> Plan:
    """`bare`: with no device but the map."""
    rng = Rng(seed)
    shape = draw_shape(rng)
    wishes = shape.wishes if shape is not None else Wishes()
    world, tables, clients, faults = rng.split(), rng.split(), rng.split(), rng.split()
    span_ns = wishes.span_ns or log_between(world, SPAN_MIN_NS, SPAN_MAX_NS)
    plan = Plan(seed=seed, name=shape.name if shape is not None else "swarm")
    _draw_disk(world, plan, wishes)
    kind = _draw_paths(world, plan, wishes, span_ns, bare)
    _draw_queues(world, plan, wishes)
    _draw_tables(tables, plan, wishes, kind, bare)
    plan.clients = ClientDraw(clients, plan, span_ns).clients(wishes.workload, wishes.ops)
    draw_care(rng.split(), plan, span_ns)
    programs = rng.split()
    steps: list[Step] = []
    if shape is not None:
        steps = shape.steps(faults, plan, span_ns)
    if not wishes.quiet:
        steps += _swarm(faults, plan, span_ns)
    if plan.below or plan.above:
        steps += _by_hand(faults, plan, span_ns)
    steps += draw_programs(programs, plan, span_ns)
    plan.steps = tamed(plan, steps, span_ns)
    if not bare:
        draw_alua(rng.split(), plan, span_ns)
    if any(path.cache == CACHE_PATH for path in plan.paths):
        # Nobody else flushes a cache that was left.
        plan.manager = True
    if any(step.kind == "other_disk" for step in plan.steps):
        # Nobody else looks whether it is the same disk.
        plan.manager = True
    declare(faults, plan)
    return plan


def draw_unsafe(seed: int) -> Plan:
    """The same plan without fences: ghosts land where they must not."""
    plan = draw_plan(seed)
    plan.unsafe_no_fence = True
    plan.name += NO_FENCES
    return plan


def draw_false_lun(seed: int) -> Plan:
    """The same plan where each server has a cache of its own, which dies with it, while the paths are declared to share one and
    are used all at once."""
    plan = _draw(seed, bare=True)
    plan.name += ", false lun"
    plan.cache = "path"
    plan.volatile = True
    plan.caches_reads = True
    for path in plan.paths:
        path.cache = "lun"
        path.transport = TCP if path.transport == FILE else path.transport
    queues = "queue_if_no_path" in plan.tables[0]
    together = [list(range(len(plan.paths)))]
    plan.tables = [Layout(plan.size_sectors, plan.mode, together, ["round-robin"], queues=queues).line()]
    plan.steps = [step for step in plan.steps if step.kind != "dm"]
    for step in plan.steps:
        if step.kind == "kill":
            step.amount = 0
        elif step.kind == "reload":
            step.word = "0"
    return plan


def _one_of(rng: Rng, weighted: list[tuple[str, int]]) -> str:
    place = rng.below(sum(weight for _, weight in weighted))
    for word, weight in weighted:
        if place < weight:
            return word
        place -= weight
    raise AssertionError("weights add up")


# The disk, and what is around it.


def _draw_disk(rng: Rng, plan: Plan, wishes: Wishes) -> None:
    plan.declared_unit_sectors = wishes.unit_sectors or (8 if rng.chance(1, 4) else 1)
    plan.unit_sectors = wishes.unit_sectors or (8 if plan.declared_unit_sectors == 8 and rng.chance(2, 3) else 1)
    if plan.declared_unit_sectors == 8:
        plan.size_sectors = 8 * rng.between(8, 32)
    else:
        plan.size_sectors = log_between(rng, 16, 256)
    plan.cache = wishes.cache or _one_of(rng, [("lun", 5), ("path", 3), ("none", 2)])
    plan.volatile = wishes.volatile if wishes.volatile is not None else rng.chance(3, 4)
    plan.mode = wishes.mode or _one_of(rng, [("bio", 2), ("rq", 2), ("mq", 1)])
    plan.limits = _limits(rng, plan.declared_unit_sectors, wishes.plain)
    plan.manager = rng.chance(14, 15) or wishes.prompt
    plan.polling_ns = log_between(rng, 50 * NS_PER_MS, 200 * NS_PER_MS if wishes.prompt else NS_PER_S)
    timeout_ns = (0, None)[rng.below(2)] if rng.chance(1, 2) else log_between(rng, 50 * NS_PER_MS, 2 * NS_PER_S)
    plan.queue_timeout_ns = wishes.queue_timeout_ns or timeout_ns
    if wishes.queues and plan.queue_timeout_ns == 0:
        plan.queue_timeout_ns = None
    plan.retain_bytes = _retained(rng)


def _retained(rng: Rng) -> int:
    """How much may be retained: plenty, a few writes, or nothing."""
    if rng.chance(1, 2):
        return RETAINED_BYTES_MAX
    return log_between(rng, 4 * KIB, 64 * KIB) if rng.chance(1, 2) else 0


def _limits(rng: Rng, unit: int, plain: bool) -> LimitsPlan:
    limits = LimitsPlan()
    if plain or rng.chance(1, 2):
        return limits
    if rng.chance(1, 4):
        limits.physical_sectors = 8
        limits.discard_granularity_sectors = 8
    if rng.chance(1, 4):
        limits.chunk_sectors = 8 << rng.below(3)
    if rng.chance(1, 4):
        limits.max_segment_sectors = 8 << rng.below(2)
    if rng.chance(2, 3):
        limits.max_sectors = max(unit, 4 << rng.below(4))
        limits.max_segments = (1, 2, 6)[rng.below(3)]
    if rng.chance(2, 3):
        limits.max_discard_sectors = (0, 8, 64)[rng.below(3)]
        limits.max_write_zeroes_sectors = (0, 8, 64)[rng.below(3)]
    return limits


# Servers and paths.


def _draw_paths(rng: Rng, plan: Plan, wishes: Wishes, span_ns: int, bare: bool) -> str:
    """What stands on the map is drawn here, too, as it may need a second disk."""
    declared = wishes.declared or _declared(rng, plan.cache)
    kind = wishes.stack or draw_kind(rng, plan.mode, declared != "path")
    kind = "" if bare or (wishes.plain and not wishes.stack) else kind
    count = rng.between(2, 4) if declared == "path" else min(PATHS_MAX, max(2, rng.between(1, 3) * rng.between(1, 3)))
    servers = rng.between(1, min(SERVERS_MAX, count))
    if kind in ON_TWO:
        count, servers = min(count, PATHS_MAX // 2), min(servers, SERVERS_MAX // 2)
    if wishes.groups or plan.cache == "path":
        servers = max(2, servers)
    transports = [wishes.transport or _transport(rng, plan.cache, declared) for _ in range(servers)]
    plan.servers = [_server(rng, wishes.prompt) for _ in range(servers)]
    same = _path(rng, wishes, span_ns)
    for number in range(count):
        server = number if number < servers else rng.below(servers)
        own = same if rng.chance(2, 3) else _path(rng, wishes, span_ns)
        plan.paths.append(replace(own, server=server, transport=transports[server], cache=declared))
    if kind in ON_TWO:
        _second_disk(rng, plan, wishes.groups > 0 or rng.chance(1, 2))
    return kind


def _second_disk(rng: Rng, plan: Plan, apart: bool) -> None:
    """As many paths to another disk, `apart`: over other servers."""
    plan.luns = 2
    shift = len(plan.servers) if apart else 0
    if apart:
        plan.servers += [replace(server) for server in plan.servers]
    plan.paths += [replace(path, lun=1, server=path.server + shift) for path in plan.paths]


def _draw_queues(rng: Rng, plan: Plan, wishes: Wishes) -> None:
    """Schedulers, limits and what else is to set about the queues of the map and of the paths."""
    plan.scheduler = wishes.scheduler or _one_of(rng, [("none", 2), ("mq-deadline", 1)])
    plan.nomerges = rng.between(1, 2) if rng.chance(1, 16) else 0
    if plan.mode != "bio" and (wishes.merges or rng.chance(1, 12)):
        plan.merge_deadline_ns = rng.between(1, 20) * NS_PER_MS
    plan.asks = not rng.chance(1, 12)
    scheduler = wishes.scheduler or _one_of(rng, [("none", 3), ("mq-deadline", 1)])
    feedback, fua = not rng.chance(1, 12), rng.chance(3, 4)
    differ = rng.chance(1, 4) and not wishes.plain
    through = plan.cache == "none" and rng.chance(1, 3)
    for path in plan.paths:
        path.scheduler = scheduler if rng.chance(7, 8) else "none"
        path.nomerges = rng.between(1, 2) if rng.chance(1, 20) else 0
        path.feedback = feedback
        path.fua = fua if rng.chance(3, 4) else not fua
        path.write_cache = not (through and rng.chance(3, 4))
        if differ and rng.chance(1, 2):
            path.limits = _limits(rng, plan.declared_unit_sectors, False)
    for server in plan.servers:
        if rng.chance(1, 6) and not wishes.plain:
            server.commands_max = log_between(rng, 1, 8)


def _declared(rng: Rng, actual: str) -> str:
    """What is true, or less than that."""
    if actual == "path":
        return "path"
    if actual == "lun":
        return _one_of(rng, [("lun", 3), ("path", 1)])
    return _one_of(rng, [("none", 3), ("lun", 1), ("path", 1)])


def _transport(rng: Rng, actual: str, declared: str) -> str:
    files = 2 if actual == "lun" and declared == "lun" else 0
    return _one_of(rng, [(FILE, files), (UNIX, 3), (TCP, 4)])


def _server(rng: Rng, prompt: bool) -> ServerPlan:
    return ServerPlan(
        fixed_ns=log_between(rng, 20 * NS_PER_US, (200 if prompt else 1000) * NS_PER_US),
        bytes_per_s=log_between(rng, 50_000_000, 1_000_000_000),
        spread=SPREADS[rng.below(len(SPREADS))],
        slots=log_between(rng, 1, 8),
        queue_max=rng.between(1, 8) if rng.chance(1, 5) else 0,
        drains_ns=log_between(rng, NS_PER_MS, (50 if prompt else 300) * NS_PER_MS),
    )


def _path(rng: Rng, wishes: Wishes, span_ns: int) -> PathPlan:
    longest_ns = min(2 * NS_PER_S, max(40 * NS_PER_MS, span_ns // 8)) if wishes.prompt else 2 * NS_PER_S
    return PathPlan(
        server=0,
        can_fua=rng.chance(3, 4),
        depth=rng.between(1, wishes.depth) if wishes.depth else log_between(rng, 1, 32),
        io_timeout_ns=log_between(rng, 20 * NS_PER_MS, longest_ns),
        linger_ns=log_between(rng, 5 * NS_PER_MS, longest_ns // 2),
        latency_ns=log_between(rng, 2 * NS_PER_US, 500 * NS_PER_US),
        bytes_per_s=log_between(rng, 10_000_000, 2_000_000_000),
    )


# Tables.


def _draw_tables(rng: Rng, plan: Plan, wishes: Wishes, kind: str, bare: bool) -> None:
    own_caches = plan.paths[0].cache == "path"
    paths = sum(1 for path in plan.paths if path.lun == 0)
    groups = paths if own_caches else max(wishes.groups, rng.between(1, min(3, paths)))
    queues = wishes.queues if wishes.queues is not None else plan.queue_timeout_ns != 0 and rng.chance(4, 5)
    stack = StackDraw(rng, plan, queues)
    layout = draw_layout(rng, plan.size_sectors, plan.mode, paths, min(groups, paths), queues)
    if plan.mode == "bio" and not own_caches and not bare and (wishes.under or (not wishes.plain and rng.chance(1, 3))):
        stack.under(wishes.under)
    layout = named(layout, stack.names)
    plan.tables = [layout.line()]
    for _ in range(rng.below(TABLES_MAX)):
        plan.tables.append(another(rng, layout, own_caches).line())
    if rng.chance(1, 2):
        plan.tables.append(refused(rng, layout, own_caches))
    if kind:
        stack.on_top(kind)


# What happens.


def _swarm(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    draw = FaultDraw(rng, plan, span_ns)
    classes = draw.classes()
    return draw.steps(classes, rng.below(STEPS_MAX + 1))


def _by_hand(rng: Rng, plan: Plan, span_ns: int) -> list[Step]:
    """The manager looks after path devices, and there are others between: an operator reinstates them."""
    return [
        Step(span_ns // 2 + rng.below(span_ns), "message", name, word=f"reinstate_path {{{path}}}")
        for name, table in maps_of(plan)
        for path in names_in(table)
        for _ in range(2)
        if not is_path(path)
    ]
