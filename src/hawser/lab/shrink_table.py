"""What the shrinker knows of plans: copying them, and taking paths and servers out of them.

Paths are named by their places (`p2`, `{p2}` in tables and messages), so those behind one that goes are named anew everywhere.
"""

import re
from dataclasses import replace
from typing import Final

from hawser.lab.plan import Plan, Step
from hawser.lab.stacks import is_path

_PLACEHOLDER: Final = re.compile(r"\{p(\d+)\}")


def clone(plan: Plan) -> Plan:
    """A copy that shares nothing with `plan`. (copy.deepcopy cannot copy compiled classes.)"""
    return replace(
        plan,
        tables=list(plan.tables),
        limits=replace(plan.limits),
        servers=[replace(server) for server in plan.servers],
        paths=[replace(path, limits=replace(path.limits) if path.limits else None) for path in plan.paths],
        below=[replace(device, tables=list(device.tables)) for device in plan.below],
        above=[replace(device, tables=list(device.tables)) for device in plan.above],
        clients=[replace(client, ops=[replace(op) for op in client.ops]) for client in plan.clients],
        steps=[replace(step) for step in plan.steps],
    )


class Group:
    """A priority group of a table line: `paths` are its paths with their words, `{p0} 1`."""

    def __init__(self, selector: str, words: list[str], arguments: int, paths: list[list[str]]) -> None:
        self.selector = selector
        self.words = words
        self.arguments = arguments
        self.paths = paths

    def line(self) -> list[str]:
        text = [self.selector, str(len(self.words)), *self.words, str(len(self.paths)), str(self.arguments)]
        for path in self.paths:
            text += path
        return text


class TableLine:
    """A multipath line in pieces. ValueError when it is none: tables that must be refused are left as they are."""

    def __init__(self, line: str) -> None:
        words = line.split()
        if "\n" in line or len(words) < 6 or words[2] != "multipath":
            raise ValueError(line)
        self.head = words[:3]
        self._rest = words[3:]
        self.features = self._counted()
        self.handler = self._counted()
        count = int(self._next())
        self.initial = int(self._next())
        self.groups = [self._group() for _ in range(count)]
        if self._rest:
            raise ValueError(line)

    def line(self) -> str:
        words = [*self.head, str(len(self.features)), *self.features, str(len(self.handler)), *self.handler]
        words += [str(len(self.groups)), str(self.initial)]
        for group in self.groups:
            words += group.line()
        return " ".join(words)

    def _next(self) -> str:
        if not self._rest:
            raise ValueError("the line ends too early")
        return self._rest.pop(0)

    def _counted(self) -> list[str]:
        return [self._next() for _ in range(int(self._next()))]

    def _group(self) -> Group:
        selector = self._next()
        words = self._counted()
        count = int(self._next())
        arguments = int(self._next())
        return Group(selector, words, arguments, [[self._next() for _ in range(1 + arguments)] for _ in range(count)])


def without_path(plan: Plan, number: int) -> Plan:
    """`plan` without its path `number`, without what happens to it, and without the devices that stand on it alone."""
    found = clone(plan)
    del found.paths[number]
    found = without_name(found, f"p{number}")
    found.tables = [_renumbered(table, number) for table in found.tables]
    for device in [*found.below, *found.above]:
        device.tables = [_renumbered(table, number) for table in device.tables]
    found.steps = _steps_without(found.steps, "p", number)
    for step in found.steps:
        step.word = _renumbered(step.word, number)
    return found


def without_name(plan: Plan, name: str) -> Plan:
    """No map has `{name}` for a path any more; other devices that stand on it go, and so on up. (`plan` itself is changed.)"""
    plan.tables = [_table_without(table, name) for table in plan.tables]
    for devices in (plan.below, plan.above):
        for device in list(devices):
            device.tables = [_table_without(table, name) for table in device.tables]
            if any(f"{{{name}}}" in table for table in device.tables):
                devices.remove(device)
                without_name(plan, device.name)
    plan.steps = [step for step in plan.steps if step.target != name or is_path(name)]
    for client in plan.clients:
        client.device = "" if client.device == name else client.device
    plan.top = "" if plan.top == name else plan.top
    return plan


def without_server(plan: Plan, number: int) -> Plan:
    """`plan` without its server `number`, to which no path may lead any more."""
    assert not any(path.server == number for path in plan.paths)
    found = clone(plan)
    del found.servers[number]
    found.steps = _steps_without(found.steps, "s", number)
    for path in found.paths:
        if path.server > number:
            path.server -= 1
    return found


def _table_without(table: str, name: str) -> str:
    try:
        parts = TableLine(table)
    except ValueError:
        return table
    for group in parts.groups:
        group.paths = [path for path in group.paths if path[0] != f"{{{name}}}"]
    parts.groups = [group for group in parts.groups if group.paths]
    parts.initial = min(parts.initial, len(parts.groups))
    return parts.line()


def _renumbered(text: str, number: int) -> str:
    def name(match: re.Match[str]) -> str:
        path = int(match[1])
        return f"{{p{path - 1 if path > number else path}}}"

    return _PLACEHOLDER.sub(name, text)


def _steps_without(steps: list[Step], letter: str, number: int) -> list[Step]:
    """Targets are `p2` or `s2`; a client may be called anything else."""
    found: list[Step] = []
    for step in steps:
        if step.target == f"{letter}{number}":
            continue
        digits = step.target[1:]
        if step.target[:1] == letter and digits.isdigit() and int(digits) > number:
            step = replace(step, target=f"{letter}{int(digits) - 1}")
        found.append(step)
    return found
