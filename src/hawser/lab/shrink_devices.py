"""Fewer devices around the map: what the shrinker offers about them, and how the rest of a plan follows."""

from hawser.lab.plan import MAP_NAME, ClientPlan, DevicePlan, Op, Plan
from hawser.lab.shrink_table import clone, without_name
from hawser.lab.stacks import PASSING, Places, StackError, devices_beside, names_in, types_in


def plans_with_fewer_devices(plan: Plan) -> list[Plan]:
    """The map alone, then without one device each, then with a plainer one each."""
    if not plan.below and not plan.above and not plan.stack:
        return []
    bare = clone(plan)
    for device in devices_beside(plan):
        bare = _passed_over(bare, device) if _passes(device) else without_name(bare, device.name)
    bare.stack, bare.top, bare.below, bare.above = "", "", [], []
    found = [bare]
    if plan.stack:
        plain = clone(plan)
        plain.stack = ""
        found.append(plain)
    for device in [*reversed(plan.above), *reversed(plan.below)]:
        found.append(_without(plan, device))
        found += _plainer(plan, device)
    return [fitted for fitted in (_fitted(candidate) for candidate in found) if fitted is not None]


def _without(plan: Plan, device: DevicePlan) -> Plan:
    """What stood on it stands on what it stood on, where that is the same; else that goes, too."""
    found = clone(plan)
    if _passes(device):
        found = _passed_over(found, device)
    else:
        without_name(found, device.name)
    found.below = [other for other in found.below if other.name != device.name]
    found.above = [other for other in found.above if other.name != device.name]
    return found


def _passed_over(plan: Plan, device: DevicePlan) -> Plan:
    below = names_in(device.tables[0])[0]
    plan.tables = [_moved(table, device.name, below) for table in plan.tables]
    for other in [*plan.below, *plan.above]:
        other.tables = [_moved(table, device.name, below) for table in other.tables]
    plan.steps = [step for step in plan.steps if step.target != device.name]
    for step in plan.steps:
        step.word = _moved(step.word, device.name, below)
    is_device = any(other.name == below for other in [*plan.below, *plan.above]) or below == MAP_NAME
    for client in plan.clients:
        if client.device == device.name:
            client.device = below if is_device else ""
    plan.top = "" if plan.top == device.name else plan.top
    return plan


def _moved(text: str, name: str, below: str) -> str:
    return text.replace(f"{{{name}}}", f"{{{below}}}")


def _passes(device: DevicePlan) -> bool:
    """Whether it is one line that passes everything on."""
    lines = device.tables[0].splitlines()
    return len(lines) == 1 and types_in(device.tables[0])[0] in PASSING


def _plainer(plan: Plan, device: DevicePlan) -> list[Plan]:
    """One table, or a linear one."""
    found: list[Plan] = []
    kinds = types_in(device.tables[0])
    if len(device.tables) > 1:
        found.append(_with_tables(plan, device, device.tables[:1]))
    if _passes(device) and kinds != ["linear"]:
        words = device.tables[0].split()
        found.append(_with_tables(plan, device, [" ".join([*words[:2], "linear", *words[3:5]])]))
    return found


def _with_tables(plan: Plan, device: DevicePlan, tables: list[str]) -> Plan:
    found = clone(plan)
    for other in [*found.below, *found.above]:
        if other.name == device.name:
            other.tables = list(tables)
    found.steps = [step for step in found.steps if step.target != device.name]
    return found


def _fitted(plan: Plan) -> Plan | None:
    """With what clients ask for cut to the device that they have open now. None: the plan makes no sense any more."""
    try:
        places = Places(plan)
        for client in plan.clients:
            places.shift(client.device)
            _fit(client, len(places.of(client.device)) if client.device else places.size_sectors())
    except StackError:
        return None
    return plan


def _fit(client: ClientPlan, size: int) -> None:
    kept: list[Op] = []
    for op in client.ops:
        if op.op == "flush" or op.sector + op.count <= size:
            kept.append(op)
    client.ops = kept
