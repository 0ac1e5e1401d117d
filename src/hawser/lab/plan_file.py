"""Plan files: a plan as JSON text, for people to read, to change and to replay.

`loads(dumps(plan)) == plan`. Ops and steps leave out what is as usual, so that each is a line. Whatever does not fit is a
PlanError that says where it is, what is there, and what would be right.
"""

from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Final, get_args, get_type_hints

import msgspec

from hawser.dm.dmsetup.program import VERBS
from hawser.dm.parameters import NAMES, RELEASES, ParameterError, Parameters
from hawser.lab.devices.array import CACHE_LUN, CACHE_NONE, CACHE_PATH
from hawser.lab.devices.service_time import SPREADS
from hawser.lab.plan import (
    ALUA_KINDS,
    ANSWER_STEPS,
    CLIENT_STEPS,
    LINK_STEPS,
    MAP_NAME,
    MAP_STEPS,
    OP_WORDS,
    PORT_STATES,
    PORT_STEPS,
    QUEUE_STEPS,
    SCHEDULERS,
    SERVER_STEPS,
    TRANSPORTS,
    WORLD_STEPS,
    DevicePlan,
    LimitsPlan,
    Op,
    Plan,
    Step,
)
from hawser.lab.stacks import STACKS, Places, StackError, devices_above, is_path, names_in

CACHES: Final = (CACHE_LUN, CACHE_PATH, CACHE_NONE)
MODES: Final = ("bio", "rq", "mq")
KINDS: Final = (
    *SERVER_STEPS,
    *ANSWER_STEPS,
    *LINK_STEPS,
    *CLIENT_STEPS,
    *MAP_STEPS,
    *QUEUE_STEPS,
    *PORT_STEPS,
    *WORLD_STEPS,
)
NOMERGES_MAX: Final = 2
# What the word of a step may be, where it is not free.
STEP_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "alua": ("standby", "unavailable", "transitioning"),
    "port_group": PORT_STATES,
    **dict.fromkeys(ANSWER_STEPS, ("any", "read", "write", "flush")),
}
LINE_MAX: Final = 130
# What may be negative: nothing but this.
SIGNED: Final = ("seed",)


class PlanError(ValueError):
    """A text that is no plan, or a plan that cannot be played."""


def dumps(plan: Plan) -> str:
    """The plan as JSON text, ending with a newline."""
    return _write(_plain(plan), "") + "\n"


def loads(text: str) -> Plan:
    """The plan in `text`. PlanError says where and what is wrong."""
    try:
        raw = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise PlanError(f"this is no JSON: {error}") from None
    _refuse_unknown(raw, Plan, "plan")
    try:
        plan = msgspec.convert(raw, type=Plan)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise PlanError(f"{where.strip('`').replace('$', 'plan') or 'plan'}: {what}") from None
    check(plan)
    return plan


# Writing.


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        keep_all = not isinstance(value, (Op, Step))
        return {
            item.name: _plain(getattr(value, item.name))
            for item in fields(value)
            if keep_all or getattr(value, item.name) != item.default
        }
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _write(value: Any, indent: str) -> str:
    """On one line if it fits there."""
    line = msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
    if len(indent) + len(line) <= LINE_MAX or not isinstance(value, (dict, list)):
        return line
    deeper = indent + "  "
    if isinstance(value, list):
        return "[\n" + ",\n".join(deeper + _write(item, deeper) for item in value) + f"\n{indent}]"
    rows = [f"{deeper}{msgspec.json.encode(key).decode()}: {_write(item, deeper)}" for key, item in value.items()]
    return "{\n" + ",\n".join(rows) + f"\n{indent}}}"


# Reading.


def _refuse_unknown(raw: Any, kind: Any, where: str) -> None:
    """Keys that a plan does not have: msgspec passes over them, and a slip of the pen would go unseen."""
    if isinstance(raw, list):
        inner = get_args(kind)
        for number, item in enumerate(raw):
            _refuse_unknown(item, inner[0] if inner else None, f"{where}[{number}]")
    elif isinstance(raw, dict) and isinstance(kind, UnionType):
        _refuse_unknown(raw, get_args(kind)[0], where)
    elif isinstance(raw, dict) and is_dataclass(kind):
        hints = get_type_hints(kind)
        for key, item in raw.items():
            if key not in hints:
                raise PlanError(f"{where}: there is no {key!r}; there are {', '.join(hints)}")
            _refuse_unknown(item, hints[key], f"{where}.{key}")


# Checking.


def check(plan: Plan) -> None:
    """Whether the plan can be played. What it says of its paths may be false (Plan.truthful), and tables may be refused."""
    _check_numbers(plan, "plan")
    _check_disk(plan)
    _check_paths(plan)
    places = _check_devices(plan)
    names = [client.name for client in plan.clients]
    for number, client in enumerate(plan.clients):
        where = f"plan.clients[{number}]"
        _require(names.count(client.name) == 1, where, f"another client is named {client.name!r}, too")
        _require(client.batch >= 1, f"{where}.batch", f"{client.batch} is less than 1")
        _one_of(client.device, ("", *_device_names(plan)), f"{where}.device")
        size = _size(places, client.device, f"{where}.device")
        for place, op in enumerate(client.ops):
            _check_op(plan, size, op, f"{where}.ops[{place}]")
    _one_of(plan.semantics, RELEASES, "plan.semantics")
    for number, step in enumerate(plan.steps):
        _check_step(plan, step, f"plan.steps[{number}]", names)


def _require(holds: bool, where: str, what: str) -> None:
    if not holds:
        raise PlanError(f"{where}: {what}")


def _one_of(value: str, allowed: tuple[str, ...], where: str) -> None:
    _require(value in allowed, where, f"unknown {value!r}; there are {', '.join(allowed)}")


def _check_numbers(value: Any, where: str) -> None:
    """No number in it is negative."""
    for item in fields(value):
        found = getattr(value, item.name)
        place = f"{where}.{item.name}"
        if isinstance(found, int):
            _require(found >= 0 or item.name in SIGNED, place, f"{found} is negative")
        elif is_dataclass(found):
            _check_numbers(found, place)
        elif isinstance(found, list):
            for number, inner in enumerate(found):
                if is_dataclass(inner):
                    _check_numbers(inner, f"{place}[{number}]")


def _check_disk(plan: Plan) -> None:
    unit = plan.declared_unit_sectors
    _require(plan.unit_sectors >= 1, "plan.unit_sectors", "0 is less than 1")
    _require(unit >= 1 and unit & (unit - 1) == 0, "plan.declared_unit_sectors", f"{unit} is no power of two")
    size = plan.size_sectors
    _require(size > 0 and size % unit == 0, "plan.size_sectors", f"{size} is no multiple of a block of {unit} sectors")
    _one_of(plan.cache, CACHES, "plan.cache")
    _one_of(plan.mode, MODES, "plan.mode")
    for word in plan.stack.split():
        _one_of(word, STACKS, "plan.stack")
    _require(bool(plan.tables), "plan.tables", "there must be at least one table")
    _require(plan.luns >= 1, "plan.luns", "0 is less than 1")
    _one_of(plan.scheduler, SCHEDULERS, "plan.scheduler")
    _one_of(plan.alua, ALUA_KINDS, "plan.alua")
    _one_of(plan.alua_others, PORT_STATES, "plan.alua_others")
    _check_limits(plan.limits, unit, "plan.limits")


def _check_limits(limits: LimitsPlan, unit: int, where: str) -> None:
    for name in ("max_segments", "max_segment_sectors", "physical_sectors", "discard_granularity_sectors"):
        _require(getattr(limits, name) >= 1, f"{where}.{name}", "0 is less than 1")
    for name in ("max_sectors", "max_discard_sectors", "max_write_zeroes_sectors", "chunk_sectors"):
        most = getattr(limits, name)
        _require(
            most >= unit or (most == 0 and name != "max_sectors"), f"{where}.{name}", f"{most} is not a block of {unit}"
        )
    for name in ("chunk_sectors", "physical_sectors", "max_segment_sectors"):
        most = getattr(limits, name)
        _require(most % unit == 0 or name == "physical_sectors", f"{where}.{name}", f"{most} is no multiple of {unit}")
        _require(most & (most - 1) == 0, f"{where}.{name}", f"{most} is no power of two")


def _check_paths(plan: Plan) -> None:
    _require(bool(plan.paths), "plan.paths", "there must be at least one path")
    for number, path in enumerate(plan.paths):
        where, servers = f"plan.paths[{number}]", len(plan.servers)
        _require(path.server < servers, f"{where}.server", f"there is no server {path.server}; there are {servers}")
        _one_of(path.transport, TRANSPORTS, f"{where}.transport")
        _one_of(path.cache, CACHES, f"{where}.cache")
        _require(path.depth >= 1, f"{where}.depth", "0 is less than 1")
        _require(path.lun < plan.luns, f"{where}.lun", f"there is no disk {path.lun}; there are {plan.luns}")
        _one_of(path.scheduler, SCHEDULERS, f"{where}.scheduler")
        _require(path.nomerges <= NOMERGES_MAX, f"{where}.nomerges", f"{path.nomerges} is more than {NOMERGES_MAX}")
        if path.limits is not None:
            _check_limits(path.limits, plan.declared_unit_sectors, f"{where}.limits")
        _require(path.bytes_per_s >= 1, f"{where}.bytes_per_s", "0 is less than 1")
    for number, server in enumerate(plan.servers):
        where = f"plan.servers[{number}]"
        _one_of(server.spread, SPREADS, f"{where}.spread")
        _require(server.slots >= 1, f"{where}.slots", "0 is less than 1")
        _require(server.bytes_per_s >= 1, f"{where}.bytes_per_s", "0 is less than 1")


def _check_devices(plan: Plan) -> Places:
    """That each stands on what was made before it, and that it can be said where its sectors lie."""
    known = [f"p{number}" for number in range(len(plan.paths))]
    for place, device in enumerate(plan.below):
        _check_device(device, known, f"plan.below[{place}]")
    for number, table in enumerate(plan.tables):
        _check_names(table, known, f"plan.tables[{number}]")
    known.append(MAP_NAME)
    for place, device in enumerate(plan.above):
        _check_device(device, known, f"plan.above[{place}]")
    _one_of(plan.top, ("", *_device_names(plan)), "plan.top")
    try:
        return Places(plan)
    except StackError as error:
        raise PlanError(f"plan: {error}") from None


def _check_device(device: DevicePlan, known: list[str], where: str) -> None:
    name = device.name
    _require(name.isidentifier() and not is_path(name), f"{where}.name", f"{name!r} cannot be a device's name")
    _require(name not in known and name != MAP_NAME, f"{where}.name", f"another device is named {name!r}, too")
    _require(bool(device.tables), f"{where}.tables", "there must be at least one table")
    _one_of(device.scheduler, SCHEDULERS, f"{where}.scheduler")
    for number, table in enumerate(device.tables):
        _check_names(table, known, f"{where}.tables[{number}]")
    known.append(name)


def _check_names(table: str, known: list[str], where: str) -> None:
    for name in names_in(table):
        _require(name in known, where, f"there is no {name!r} yet; there are {', '.join(known)}")


def _device_names(plan: Plan) -> list[str]:
    return [device.name for device in plan.below] + [MAP_NAME] + [device.name for device in devices_above(plan)]


def _size(places: Places, name: str, where: str) -> int:
    """The sectors that a client may use."""
    try:
        places.shift(name)
        return len(places.of(name)) if name else places.size_sectors()
    except StackError as error:
        raise PlanError(f"{where}: {error}") from None


def _check_op(plan: Plan, size: int, op: Op, where: str) -> None:
    _one_of(op.op, OP_WORDS, f"{where}.op")
    if op.op == "flush":
        return
    unit = plan.declared_unit_sectors
    end = op.sector + op.count
    _require(op.count > 0, f"{where}.count", f"a {op.op} of no sectors")
    _require(end <= size, where, f"sectors {op.sector}..{end - 1} of a disk of {size}")
    _require(
        op.sector % unit == 0 and op.count % unit == 0, where, f"sectors {op.sector}..{end - 1} are no blocks of {unit}"
    )


def _check_step(plan: Plan, step: Step, where: str, names: list[str]) -> None:
    _one_of(step.kind, KINDS, f"{where}.kind")
    if step.kind in SERVER_STEPS or step.kind in ANSWER_STEPS or step.kind == "port_group":
        _check_target(step, where, "s", len(plan.servers))
    elif step.kind in LINK_STEPS:
        _check_target(step, where, "p", len(plan.paths))
    elif step.kind in CLIENT_STEPS:
        _one_of(step.target, tuple(names), f"{where}.target")
    elif step.kind in MAP_STEPS:
        _one_of(step.target, ("", *_device_names(plan)), f"{where}.target")
        if step.kind == "reload":
            numbers = tuple(str(number) for number in range(len(_tables_of(plan, step.target))))
            _one_of(step.word, numbers, f"{where}.word")
        elif step.kind == "dm":
            _check_program(plan, step, where)
    elif step.kind in QUEUE_STEPS:
        paths = [f"p{number}" for number in range(len(plan.paths))]
        _one_of(step.target, ("", *paths, *_device_names(plan)), f"{where}.target")
        _check_setting(step, where)
    words = STEP_WORDS.get(step.kind, ())
    if words:
        _one_of(step.word, words, f"{where}.word")


def _check_program(plan: Plan, step: Step, where: str) -> None:
    """The verb, and the table that it reads; what else it says is for dmsetup to judge."""
    words, reads, number = step.word.partition("<")
    verb, *others = words.split() or [""]
    _one_of(verb, (*VERBS, "probe", "parameter"), f"{where}.word")
    if verb == "parameter":
        _one_of(others[0].partition("=")[0] if others else "", NAMES, f"{where}.word")
        try:
            Parameters().assign(others[0])
        except ParameterError as error:
            raise PlanError(f"{where}.word: {error}") from None
    elif reads:
        numbers = tuple(str(place) for place in range(len(_tables_of(plan, step.target))))
        _one_of(number, numbers, f"{where}.word")


def _tables_of(plan: Plan, name: str) -> list[str]:
    for device in [*plan.below, *devices_above(plan)]:
        if device.name == name:
            return device.tables
    return plan.tables


def _check_setting(step: Step, where: str) -> None:
    if step.kind == "scheduler":
        _one_of(step.word, SCHEDULERS, f"{where}.word")
    elif step.kind == "nomerges":
        _require(step.amount <= NOMERGES_MAX, f"{where}.amount", f"{step.amount} is more than {NOMERGES_MAX}")
    else:
        name, _, value = step.word.partition(" ")
        _require(
            bool(name) and value.lstrip("-").isdigit(), f"{where}.word", f"{step.word!r} is not a setting and its value"
        )


def _check_target(step: Step, where: str, letter: str, count: int) -> None:
    names = tuple(f"{letter}{number}" for number in range(count))
    _require(
        step.target in names,
        f"{where}.target",
        f"there is no {step.target!r} for {step.kind!r}; there are {', '.join(names)}",
    )
