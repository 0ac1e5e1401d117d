"""Plainer numbers: for each number of a plan, the value that a reader would rather see.

Each function offers changes, in a fixed order: first those of all I/Os of a client at once, then single ones. What is plain
already is not offered. The shrinker keeps those with which the plan still fails.
"""

from typing import Final

from hawser.core.units import NS_PER_MS
from hawser.lab.plan import ClientPlan, Op, Plan, ServerPlan, Step

# Durations are halved down to this.
SHORTEST_NS: Final = NS_PER_MS
USUAL_DEPTH: Final = 32

# What is plain about a map's queue, and about a path and its queue.
PLAIN_PLAN: Final[dict[str, object]] = {
    "scheduler": "none",
    "nomerges": 0,
    "merge_deadline_ns": 0,
    "asks": True,
    "marginal_tick_ns": 0,
    "keepalive_ns": 0,
    "hedge_after_ns": 0,
}
PLAIN_PATH: Final[dict[str, object]] = {
    "depth": USUAL_DEPTH,
    "scheduler": "none",
    "nomerges": 0,
    "limits": None,
    "fua": True,
    "write_cache": True,
    "feedback": True,
}

# Steps of which `amount` 0 is the plain sort.
PLAIN_AMOUNT: Final = ("kill", "suspend", "reload", "lose")


class Change:
    """`word` is what changes, of the client, server, path or step `number`; of I/O `place` of a client if not negative."""

    def __init__(self, word: str, number: int, place: int = -1) -> None:
        self.word = word
        self.number = number
        self.place = place
        self.key = f"{word} {number} {place}"

    def apply(self, plan: Plan) -> None:
        """Change `plan`, which is a copy."""
        raise NotImplementedError


def plainer_world(plan: Plan) -> list[Change]:
    """Servers and paths of the usual kind."""
    found: list[Change] = []
    for word, plain in PLAIN_PLAN.items():
        if getattr(plan, word) != plain:
            found.append(_OfPlan(word, 0))
    usual = ServerPlan()
    for number, server in enumerate(plan.servers):
        if server.spread != usual.spread:
            found.append(_OfServer("spread", number))
        if server.queue_max:
            found.append(_OfServer("queue", number))
        if server.slots > 1:
            found.append(_OfServer("slots", number))
        if server.commands_max:
            found.append(_OfServer("commands", number))
    for number, path in enumerate(plan.paths):
        for word, plain in PLAIN_PATH.items():
            if getattr(path, word) != plain:
                found.append(_OfPath(word, number))
    return found


class _OfPlan(Change):
    def apply(self, plan: Plan) -> None:
        setattr(plan, self.word, PLAIN_PLAN[self.word])


class _OfServer(Change):
    def apply(self, plan: Plan) -> None:
        server = plan.servers[self.number]
        if self.word == "spread":
            server.spread = ServerPlan().spread
        elif self.word == "queue":
            server.queue_max = 0
        elif self.word == "commands":
            server.commands_max = 0
        else:
            server.slots = 1


class _OfPath(Change):
    def apply(self, plan: Plan) -> None:
        setattr(plan.paths[self.number], self.word, PLAIN_PATH[self.word])


# Clients.


def plainer_clients(plan: Plan) -> list[Change]:
    """One I/O at a time, in single sectors, at once, without ado."""
    found: list[Change] = []
    for number, client in enumerate(plan.clients):
        found += [_OfClient(word, number) for word in _ado(client)]
    for number, client in enumerate(plan.clients):
        for place, op in enumerate(client.ops):
            found += [_OfOp(word, number, place) for word in _ado_of_op(plan, op)]
    return found


def _ado(client: ClientPlan) -> list[str]:
    """What there is to calm down about a client as a whole."""
    ops = client.ops
    present = {
        "start": client.start_ns > 0,
        "depth": client.depth != 1,
        "batch": client.batch != 1,
        "delays": any(op.delay_ns for op in ops),
        "all fua": any(op.fua for op in ops),
        "all preflush": any(op.preflush for op in ops),
        "priority": client.priority > 0,
        "barriers": any(op.barrier for op in ops),
    }
    return [word for word, is_there in present.items() if is_there]


class _OfClient(Change):
    def apply(self, plan: Plan) -> None:
        client = plan.clients[self.number]
        word = self.word
        if word == "start":
            client.start_ns = 0
        elif word == "batch":
            client.batch = 1
        elif word == "priority":
            client.priority = 0
        elif word == "depth":
            client.depth = 1
            client.batch = 1
        for op in client.ops:
            if word == "delays":
                op.delay_ns = 0
            elif word == "all fua":
                op.fua = False
            elif word == "all preflush":
                op.preflush = False
            elif word == "barriers":
                op.barrier = False


def _ado_of_op(plan: Plan, op: Op) -> list[str]:
    present = {
        "first half": op.count > plan.declared_unit_sectors,
        "second half": op.count > plan.declared_unit_sectors,
        "delay": op.delay_ns > 0,
        "round delay": rounded(op.delay_ns) != op.delay_ns,
        "fua": op.fua,
        "preflush": op.preflush,
        "barrier": op.barrier,
    }
    return [word for word, is_there in present.items() if is_there]


class _OfOp(Change):
    def apply(self, plan: Plan) -> None:
        op = plan.clients[self.number].ops[self.place]
        word = self.word
        if word in ("first half", "second half"):
            unit = plan.declared_unit_sectors
            left = max(unit, op.count // 2 // unit * unit)
            if word == "second half":
                op.sector += op.count - left
            op.count = left
        elif word == "delay":
            op.delay_ns = 0
        elif word == "round delay":
            op.delay_ns = rounded(op.delay_ns)
        elif word == "fua":
            op.fua = False
        elif word == "preflush":
            op.preflush = False
        else:
            op.barrier = False


# Steps.


def plainer_steps(plan: Plan) -> list[Change]:
    """Shorter, and at round moments."""
    found: list[Change] = []
    for number, step in enumerate(plan.steps):
        found += [_OfStep(word, number) for word in _ado_of_step(step)]
    return found


def _ado_of_step(step: Step) -> list[str]:
    present = {
        "halve": step.duration_ns >= 2 * SHORTEST_NS,
        "round duration": rounded(step.duration_ns) != step.duration_ns,
        "round moment": rounded(step.at_ns) != step.at_ns,
        "amount": step.amount != 0 and step.kind in PLAIN_AMOUNT,
    }
    return [word for word, is_there in present.items() if is_there]


class _OfStep(Change):
    def apply(self, plan: Plan) -> None:
        step = plan.steps[self.number]
        word = self.word
        if word == "halve":
            step.duration_ns = rounded(step.duration_ns // 2)
        elif word == "round duration":
            step.duration_ns = rounded(step.duration_ns)
        elif word == "round moment":
            step.at_ns = rounded(step.at_ns)
        else:
            step.amount = 0


def rounded(time_ns: int) -> int:
    """Two significant digits, downwards."""
    unit: int = 10 ** max(0, len(str(time_ns)) - 2)
    return time_ns // unit * unit
