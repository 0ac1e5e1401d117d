"""Plan files: what is written is read again, for people; what is wrong is said where it is."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hawser.lab.draw import draw_false_lun, draw_plan, draw_unsafe
from hawser.lab.plan import Op, Plan
from hawser.lab.plan_file import PlanError, dumps, loads


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(min_value=0, max_value=2**64 - 1), draw=st.sampled_from([draw_plan, draw_unsafe, draw_false_lun])
)
def test_what_is_written_is_read_again(seed: int, draw):
    plan = draw(seed)
    assert loads(dumps(plan)) == plan


def test_the_text_is_json_with_a_line_per_op_and_step():
    plan = draw_plan(3)
    text = dumps(plan)
    assert json.loads(text)["seed"] == 3
    ops = [line.strip() for line in text.splitlines() if line.strip().startswith('{"op":')]
    assert len(ops) == sum(len(client.ops) for client in plan.clients)
    kinds = [line for line in text.splitlines() if line.strip().startswith('{"at_ns":')]
    assert len(kinds) == len(plan.steps)
    assert max(len(line) for line in text.splitlines()) < 200
    assert text.endswith("}\n")


def small() -> dict:
    """A small plan, to be spoilt."""
    return {
        "size_sectors": 64,
        "declared_unit_sectors": 8,
        "tables": ["0 64 multipath 0 0 1 1 round-robin 0 1 0 {p0}"],
        "servers": [{}],
        "paths": [{"server": 0}],
        "clients": [{"name": "0", "ops": [{"op": "read", "sector": 8, "count": 8}, {"op": "flush"}]}],
        "steps": [
            {"at_ns": 5, "kind": "kill", "target": "s0"},
            {"at_ns": 6, "kind": "lose", "target": "p0"},
            {"at_ns": 7, "kind": "reconnect", "target": "0"},
            {"at_ns": 8, "kind": "error", "target": "s0", "word": "read", "amount": 10},
            {"at_ns": 9, "kind": "reload", "word": "0"},
            {"at_ns": 10, "kind": "power_loss"},
        ],
    }


def test_what_is_left_out_is_as_usual():
    plan = loads(json.dumps(small()))
    assert plan.clients[0].ops == [Op("read", 8, 8), Op("flush")]
    assert plan.paths[0].depth == 32 and plan.manager and plan.seed == 0


WRONG: list[tuple[list[Any], object, str]] = [
    (["size_sectors"], "many", "plan.size_sectors: Expected `int`, got `str`"),
    (["size_sectors"], 60, "plan.size_sectors: 60 is no multiple of a block of 8 sectors"),
    (["declared_unit_sectors"], 3, "plan.declared_unit_sectors: 3 is no power of two"),
    (["unit_sectors"], 0, "plan.unit_sectors: 0 is less than 1"),
    (["cache"], "lunn", "plan.cache: unknown 'lunn'; there are lun, path, none"),
    (["mode"], "bios", "plan.mode: unknown 'bios'; there are bio, rq, mq"),
    (["stack"], "linear-above under", "plan.stack: unknown 'under'; there are linear-above"),
    (["tables"], [], "plan.tables: there must be at least one table"),
    (["paths"], [], "plan.paths: there must be at least one path"),
    (["polling"], 5, "plan: there is no 'polling'; there are seed, name"),
    (["queue_timeout_ns"], -1, "plan.queue_timeout_ns: -1 is negative"),
    (["limits"], {"max_sectors": 4}, "plan.limits.max_sectors: 4 is not a block of 8"),
    (["limits"], {"max_segments": 0}, "plan.limits.max_segments: 0 is less than 1"),
    (["paths", 0, "server"], 1, "plan.paths[0].server: there is no server 1; there are 1"),
    (["paths", 0, "server"], -1, "plan.paths[0].server: -1 is negative"),
    (["paths", 0, "transport"], "rdma", "plan.paths[0].transport: unknown 'rdma'; there are file, unix, tcp"),
    (["paths", 0, "cache"], "", "plan.paths[0].cache: unknown ''"),
    (["paths", 0, "depth"], 0, "plan.paths[0].depth: 0 is less than 1"),
    (["paths", 0, "bandwidth"], 0, "plan.paths[0]: there is no 'bandwidth'; there are server, transport"),
    (["servers", 0, "spread"], "wide", "plan.servers[0].spread: unknown 'wide'; there are constant"),
    (["servers", 0, "slots"], 0, "plan.servers[0].slots: 0 is less than 1"),
    (["clients", 0, "batch"], 0, "plan.clients[0].batch: 0 is less than 1"),
    (["clients", 0, "ops", 0, "op"], "trim", "plan.clients[0].ops[0].op: unknown 'trim'; there are read, write"),
    (["clients", 0, "ops", 0, "count"], 0, "plan.clients[0].ops[0].count: a read of no sectors"),
    (["clients", 0, "ops", 0, "count"], 64, "plan.clients[0].ops[0]: sectors 8..71 of a disk of 64"),
    (["clients", 0, "ops", 0, "count"], 4, "plan.clients[0].ops[0]: sectors 8..11 are no blocks of 8"),
    (["clients", 0, "ops", 0, "sector"], -8, "plan.clients[0].ops[0].sector: -8 is negative"),
    (["clients", 0, "ops", 1, "fua"], 1, "plan.clients[0].ops[1].fua: Expected `bool`, got `int`"),
    (["steps", 0, "kind"], "explode", "plan.steps[0].kind: unknown 'explode'; there are kill, stop"),
    (["steps", 0, "target"], "s1", "plan.steps[0].target: there is no 's1' for 'kill'; there are s0"),
    (["steps", 1, "target"], "s0", "plan.steps[1].target: there is no 's0' for 'lose'; there are p0"),
    (["steps", 2, "target"], "nobody", "plan.steps[2].target: unknown 'nobody'; there are 0"),
    (["steps", 3, "word"], "reed", "plan.steps[3].word: unknown 'reed'; there are any, read, write, flush"),
    (["steps", 4, "word"], "1", "plan.steps[4].word: unknown '1'; there are 0"),
    (["steps", 0, "at_ns"], -5, "plan.steps[0].at_ns: -5 is negative"),
    (["luns"], 0, "plan.luns: 0 is less than 1"),
    (["scheduler"], "bfq", "plan.scheduler: unknown 'bfq'; there are none, mq-deadline"),
    (["top"], "upper", "plan.top: unknown 'upper'; there are , mpatha"),
    (["limits"], {"chunk_sectors": 24}, "plan.limits.chunk_sectors: 24 is no power of two"),
    (["limits"], {"max_segment_sectors": 12}, "plan.limits.max_segment_sectors: 12 is no multiple of 8"),
    (["paths", 0, "limits"], {"max_segments": 0}, "plan.paths[0].limits.max_segments: 0 is less than 1"),
    (["paths", 0, "lun"], 1, "plan.paths[0].lun: there is no disk 1; there are 1"),
    (["paths", 0, "scheduler"], "cfq", "plan.paths[0].scheduler: unknown 'cfq'; there are none, mq-deadline"),
    (["paths", 0, "nomerges"], 3, "plan.paths[0].nomerges: 3 is more than 2"),
    (["above"], [{"name": "p3", "tables": ["x"]}], "plan.above[0].name: 'p3' cannot be a device's name"),
    (["above"], [{"name": "mpatha", "tables": ["x"]}], "plan.above[0].name: another device is named 'mpatha', too"),
    (["above"], [{"name": "top"}], "plan.above[0].tables: there must be at least one table"),
    (
        ["above"],
        [{"name": "top", "tables": ["0 64 linear {mpathb} 0"]}],
        "plan.above[0].tables[0]: there is no 'mpathb' yet; there are p0, mpatha",
    ),
    (
        ["above"],
        [{"name": "top", "tables": ["0 64 linear {mpatha} 8"]}],
        "plan: '0 64 linear {mpatha} 8' of top: mpatha has 64 sectors",
    ),
    (
        ["above"],
        [{"name": "top", "tables": ["0 8 linear {mpatha} 0"]}],
        "plan.clients[0].ops[0]: sectors 8..15 of a disk of 8",
    ),
    (["clients", 0, "device"], "top", "plan.clients[0].device: unknown 'top'; there are , mpatha"),
    (["steps", 4, "target"], "top", "plan.steps[4].target: unknown 'top'; there are , mpatha"),
    (
        ["steps", 4],
        {"at_ns": 9, "kind": "scheduler", "word": "bfq"},
        "plan.steps[4].word: unknown 'bfq'; there are none",
    ),
    (["steps", 4], {"at_ns": 9, "kind": "nomerges", "amount": 3}, "plan.steps[4].amount: 3 is more than 2"),
    (
        ["steps", 4],
        {"at_ns": 9, "kind": "attribute", "word": "x"},
        "plan.steps[4].word: 'x' is not a setting and its value",
    ),
    (["steps", 0, "when"], 5, "plan.steps[0]: there is no 'when'; there are at_ns, kind"),
]


@pytest.mark.parametrize(("keys", "value", "message"), WRONG, ids=[".".join(map(str, keys)) for keys, _, _ in WRONG])
def test_what_is_wrong_is_said_where_it_is(keys: list, value: object, message: str):
    raw = small()
    place = raw
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    with pytest.raises(PlanError) as caught:
        loads(json.dumps(raw))
    assert str(caught.value).startswith(message)


def test_two_clients_of_one_name_are_refused():
    raw = small()
    raw["clients"] *= 2
    with pytest.raises(PlanError, match=r"plan.clients\[0\]: another client is named '0', too"):
        loads(json.dumps(raw))


@pytest.mark.parametrize("text", ["", "{", "[1, 2", '{"seed": 1} x'])
def test_what_is_no_json_is_said_to_be_none(text: str):
    with pytest.raises(PlanError, match="this is no JSON"):
        loads(text)


@pytest.mark.parametrize("text", ["[]", "3", "null", '{"steps": {}}', '{"paths": [3]}'])
def test_what_is_no_plan_is_refused(text: str):
    with pytest.raises(PlanError, match=r"^plan"):
        loads(text)


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from([*Plan.__dataclass_fields__, "op", "kind", "x"]), inner)
        ),
    )
)
def test_nothing_but_a_plan_error_comes_of_nonsense(raw: object):
    try:
        loads(json.dumps(raw))
    except PlanError:
        return
