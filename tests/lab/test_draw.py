"""Drawn plans: the same for the same seed, playable, truthful, and in 500 of them there is some of everything."""

import re
from collections import Counter
from functools import cache
from itertools import chain

import pytest

from hawser.block.limits import QueueLimits
from hawser.core.rng import Rng
from hawser.core.units import NS_PER_S, SECTOR_SIZE
from hawser.dm.target import TableError
from hawser.lab.devices.scsi_array import AluaArray
from hawser.lab.draw import draw_false_lun, draw_plan, draw_unsafe
from hawser.lab.draw_faults import CLASSES, LONGEST_NS, log_between
from hawser.lab.draw_programs import PROGRAMS_MAX
from hawser.lab.draw_shapes import BUSY_OPS, MARKS_BY_SWARM, SHAPES, WEIGHTS
from hawser.lab.draw_tables import Layout, another, refused
from hawser.lab.marks import MARKS
from hawser.lab.plan import (
    ANSWER_STEPS,
    CLIENT_STEPS,
    FILE,
    LINK_STEPS,
    MAP_STEPS,
    OP_WORDS,
    PORT_STEPS,
    QUEUE_STEPS,
    SCHEDULERS,
    SERVER_STEPS,
    TRANSPORTS,
    WORLD_STEPS,
    LimitsPlan,
    Plan,
)
from hawser.lab.plan_file import check
from hawser.lab.stacks import devices_above, types_in
from hawser.lab.world import Store, World
from hawser.scsi.device import ScsiWorld

SEEDS = 500
KINDS = {*SERVER_STEPS, *ANSWER_STEPS, *LINK_STEPS, *CLIENT_STEPS, *MAP_STEPS, *QUEUE_STEPS, *PORT_STEPS, *WORLD_STEPS}


@cache
def plans() -> list[Plan]:
    return [draw_plan(seed) for seed in range(SEEDS)]


def make_world(plan: Plan) -> tuple[World, dict[str, str]]:
    """The path devices of a plan, over RAM, and the devices that its map is over."""
    world = World()
    limits = QueueLimits(logical_block_size=plan.declared_unit_sectors * SECTOR_SIZE, write_cache=True)
    store = Store(plan.size_sectors * SECTOR_SIZE)
    names: dict[str, str] = {}
    array = AluaArray(ScsiWorld(), world.turn, world.timers, world.log)
    for number, path in enumerate(plan.paths):
        device = world.ram_path(f"p{number}", store, path.depth, path.cache, limits).device
        names[f"{{p{number}}}"] = device.devt
        if plan.alua:
            device.scsi = array.add_port(path.server + 1)
    for below in plan.below:
        names[f"{{{below.name}}}"] = world.mapped(below.name, filled(below.tables[0], names)).devt
    return world, names


def filled(table: str, names: dict[str, str]) -> str:
    for word, devt in names.items():
        table = table.replace(word, devt)
    return table


def load(plan: Plan, table: str) -> str:
    """The kind of device that the table makes."""
    world, names = make_world(plan)
    return world.mapped("mpatha", filled(table, names)).kind


def test_what_stands_on_the_map_can_be_made():
    kinds: Counter[str] = Counter()
    for plan in plans():
        world, names = make_world(plan)
        names["{mpatha}"] = world.mapped("mpatha", filled(plan.tables[0], names)).devt
        for above in devices_above(plan):
            device = world.mapped(above.name, filled(above.tables[0], names))
            names[f"{{{above.name}}}"] = device.devt
            kinds.update(set(types_in(above.tables[0])))
    assert {"linear", "striped", "raid1", "delay", "dust", "multipath"} <= kinds.keys()


def test_the_same_seed_gives_the_same_plan():
    for seed in range(50):
        assert draw_plan(seed) == draw_plan(seed)
    assert draw_plan(1) != draw_plan(2)


def test_plans_can_be_played_and_are_truthful():
    for plan in plans():
        check(plan)
        assert plan.truthful(), plan.seed
        assert not plan.unsafe_no_fence
        assert 16 <= plan.size_sectors <= 256
        assert 2 <= len(plan.paths) <= 6 and 1 <= len(plan.servers) <= 4
        assert {path.server for path in plan.paths} == set(range(len(plan.servers)))
        assert 1 <= len(plan.clients) <= 4
        assert all(1 <= path.depth <= 32 for path in plan.paths)


def test_first_tables_load_and_others_load_or_are_refused():
    refusals = 0
    for plan in plans():
        kind = load(plan, plan.tables[0])
        assert kind == ("bio" if plan.mode == "bio" else "request")
        for table in plan.tables[1:]:
            try:
                refusals += load(plan, table) != kind
            except TableError:
                refusals += 1
    assert refusals > SEEDS // 4


@pytest.mark.parametrize("mode", ["bio", "rq", "mq"])
@pytest.mark.parametrize("own_caches", [False, True])
def test_refused_tables_are_refused_and_others_are_not(mode: str, own_caches: bool):
    plan = next(plan for plan in plans() if (plan.paths[0].cache == "path") == own_caches and len(plan.paths) == 3)
    groups = [[0], [1], [2]] if own_caches else [[0, 1], [2]]
    layout = Layout(plan.size_sectors, mode, groups, ["queue-length"] * len(groups), words=1)
    kind = load(plan, layout.line())
    for seed in range(200):
        assert load(plan, another(Rng(seed), layout, own_caches).line()) == kind
        table = refused(Rng(seed), layout, own_caches)
        try:
            assert load(plan, table) != kind, table
        except TableError:
            continue


def test_paths_with_caches_of_their_own_are_in_groups_of_their_own():
    for plan in plans():
        if plan.paths[0].cache == "path":
            assert len(re.findall(r"\{p\d\}", plan.tables[0])) == int(groups_of(plan.tables[0]))


def groups_of(table: str) -> str:
    return table.split(" queue_mode ")[1].split()[2]


def test_files_share_a_cache_and_have_no_session():
    for plan in plans():
        for path in plan.paths:
            if path.transport == FILE:
                assert plan.cache == path.cache == "lun"
                assert path.quiesce_ns is None and not path.eof_drains
                wrong = [step.kind for step in plan.steps if step.target == f"s{path.server}"]
                assert not {"other_disk", "smaller", "read_only"} & set(wrong)


def test_runs_stay_cheap():
    totals = [sum(len(client.ops) for client in plan.clients) for plan in plans()]
    busy = {shape.name for shape in SHAPES if shape.wishes.ops == BUSY_OPS}
    ordinary = [
        total
        for plan, total in zip(plans(), totals, strict=True)
        if not plan.name.startswith("flood") and plan.name not in busy
    ]
    assert max(ordinary) <= 160 and sum(total > 160 for total in totals) <= SEEDS // 8
    assert sum(total > BUSY_OPS for total in totals) <= SEEDS // 40
    for plan in plans():
        assert len(plan.steps) <= 80 + 2 * PROGRAMS_MAX
        assert sum(step.kind == "power_loss" for step in plan.steps) <= 2
        assert all(
            step.at_ns <= 45 * NS_PER_S and step.duration_ns <= 2 * LONGEST_NS + 45 * NS_PER_S for step in plan.steps
        )
        assert [step.at_ns for step in plan.steps] == sorted(step.at_ns for step in plan.steps)


def test_everything_occurs():
    assert {step.kind for plan in plans() for step in plan.steps} == KINDS
    # `dust`: messages to the dust targets. `dm`: drawn apart (hawser.lab.draw_programs).
    assert {*chain.from_iterable(CLASSES.values()), *PORT_STEPS, "dm"} == {*KINDS, "dust"}
    assert {plan.mode for plan in plans()} == {"bio", "rq", "mq"}
    assert {plan.cache for plan in plans()} == {"lun", "path", "none"}
    assert {(plan.cache, path.cache) for plan in plans() for path in plan.paths} == {
        ("lun", "lun"),
        ("lun", "path"),
        ("path", "path"),
        ("none", "none"),
        ("none", "lun"),
        ("none", "path"),
    }
    assert {path.transport for plan in plans() for path in plan.paths} == set(TRANSPORTS)
    assert {op.op for plan in plans() for client in plan.clients for op in client.ops} == set(OP_WORDS)
    assert {(plan.unit_sectors, plan.declared_unit_sectors) for plan in plans()} == {(1, 1), (1, 8), (8, 8)}
    assert {plan.volatile for plan in plans()} == {plan.manager for plan in plans()} == {True, False}
    assert {len(plan.clients) for plan in plans()} == {1, 2, 3, 4}
    assert {len(plan.paths) for plan in plans()} == {2, 3, 4, 6}
    assert {path.quiesce_ns is None for plan in plans() for path in plan.paths} == {True, False}
    assert {path.eof_drains for plan in plans() for path in plan.paths} == {True, False}
    assert {plan.queue_timeout_ns for plan in plans()} >= {0, None}
    assert any(not plan.steps for plan in plans())
    text = " ".join(table for plan in plans() for table in plan.tables)
    for word in ("round-robin", "queue-length", "service-time", "queue_if_no_path", "pg_init_retries"):
        assert word in text
    assert {groups_of(plan.tables[0]) for plan in plans()} >= {"1", "2", "3"}


def test_queues_and_stacks_of_every_sort_occur():
    assert {plan.scheduler for plan in plans()} == {path.scheduler for plan in plans() for path in plan.paths}
    assert {path.scheduler for plan in plans() for path in plan.paths} == set(SCHEDULERS)
    assert {plan.luns for plan in plans()} == {1, 2}
    assert {plan.asks for plan in plans()} == {True, False}
    assert (
        {plan.nomerges for plan in plans()} == {path.nomerges for plan in plans() for path in plan.paths} == {0, 1, 2}
    )
    assert any(plan.merge_deadline_ns for plan in plans())
    assert any(server.commands_max for plan in plans() for server in plan.servers)
    for flag in ("feedback", "fua", "write_cache"):
        assert {getattr(path, flag) for plan in plans() for path in plan.paths} == {True, False}, flag
    assert any(path.limits is not None for plan in plans() for path in plan.paths)
    usual = LimitsPlan()
    for name in usual.__dataclass_fields__:
        assert len({getattr(plan.limits, name) for plan in plans()}) > 1, name
    assert any(op.preflush for plan in plans() for client in plan.clients for op in client.ops)
    assert {client.priority for plan in plans() for client in plan.clients} == {0, 1, 2, 3}
    below = {word for plan in plans() for device in plan.below for word in types_in(device.tables[0])}
    above = {word for plan in plans() for device in devices_above(plan) for word in types_in(device.tables[0])}
    assert below >= {"linear", "delay", "dust", "flakey"}, below
    assert above >= {"linear", "delay", "dust", "striped", "raid1", "multipath"}, above
    assert any(client.device for plan in plans() for client in plan.clients)


def test_messages_of_every_sort_occur():
    words = {step.word.partition(" ")[0] for plan in plans() for step in plan.steps if step.kind == "message"}
    assert words >= {
        "fail_path",
        "reinstate_path",
        "switch_group",
        "disable_group",
        "enable_group",
        "queue_if_no_path",
        "fail_if_no_path",
        "frobnicate",
    }


def test_shapes_come_as_often_as_they_should():
    names = Counter(plan.name for plan in plans())
    for shape in SHAPES:
        assert names[shape.name] > 0 or shape.weight < 8, shape.name
    share = sum(shape.weight for shape in SHAPES) / WEIGHTS
    assert 0.5 < share < 0.65
    assert abs(1 - names["swarm"] / SEEDS - share) < 0.08


def test_every_mark_has_somebody_who_reaches_it():
    by_shape = {mark for shape in SHAPES for mark in shape.marks}
    assert by_shape | MARKS_BY_SWARM.keys() == MARKS.keys()
    assert not MARKS_BY_SWARM.keys() & by_shape


def test_a_stall_makes_a_short_quiesce_untruthful():
    for plan in plans():
        for path in plan.paths:
            if path.quiesce_ns is not None:
                path_stall_ns = plan.stall_ns(path.server)
                kept_ns = path.quiesce_ns
                path.quiesce_ns = path_stall_ns - 1
                assert not plan.truthful()
                path.quiesce_ns = kept_ns
                return
    raise AssertionError("nobody declares")


def test_unsafe_plans_differ_in_the_fences_alone():
    for seed in range(20):
        safe, unsafe = draw_plan(seed), draw_unsafe(seed)
        assert unsafe.unsafe_no_fence
        unsafe.unsafe_no_fence, unsafe.name = False, safe.name
        assert unsafe == safe


def test_false_luns_are_false():
    for seed in range(100):
        plan = draw_false_lun(seed)
        check(plan)
        load(plan, plan.tables[0])
        assert not plan.truthful() and plan.cache == "path" and plan.paths[0].cache == "lun"


def test_magnitudes_are_spread_evenly():
    drawn = [log_between(Rng(seed), 10, 10_000) for seed in range(3000)]
    assert min(drawn) >= 10 and max(drawn) <= 10_000
    assert sum(value < 100 for value in drawn) > 500 and sum(value > 1000 for value in drawn) > 500
    assert log_between(Rng(1), 5, 5) == 5
