"""Clients of a drawn plan: who asks for what, how much at once, and at which pace."""

from typing import Final

from hawser.core.rng import Rng
from hawser.lab.draw_faults import log_between
from hawser.lab.draw_stacks import SECOND
from hawser.lab.plan import ClientPlan, Op, Plan
from hawser.lab.stacks import Places
from hawser.lab.workloads import (
    Ground,
    Mix,
    Place,
    Runs,
    Size,
    anywhere,
    bimodal,
    burst,
    database,
    file_system,
    fixed,
    hot_spot,
    mixed,
    paced,
    racer,
    uniform,
    zipf,
)

CLIENTS_MAX: Final = 4
OPS_MIN: Final = 20
OPS_MAX: Final = 150
WORKLOADS: Final = ("mixed", "mixed", "mixed", "racer", "racer", "file system", "database", "burst", "sequential")
# What a few shapes wish for: much at once.
BUSY: Final = ("big writes", "big mix", "neighbours")
# Blocks that file systems and databases want to themselves.
OWN_BLOCKS_MIN: Final = 8


class ClientDraw:
    """Some features are off for the whole plan: what a run never does cannot hide what it does."""

    def __init__(self, rng: Rng, plan: Plan, span_ns: int) -> None:
        self.rng = rng
        self.plan = plan
        self.span_ns = span_ns
        self.unit = plan.declared_unit_sectors
        self.size = Places(plan).size_sectors()
        # What clients may have open, where it is the same disk.
        self.devices = ["", SECOND] if plan.top else [""]
        limits = plan.limits
        self.discards = rng.chance(2, 3) and (limits.max_discard_sectors > 0 or rng.chance(1, 6))
        self.zeroes = rng.chance(2, 3) and (limits.max_write_zeroes_sectors > 0 or rng.chance(1, 6))
        self.flushes = rng.chance(3, 4)
        self.fuas = rng.chance(1, 2)
        self.preflushes = rng.chance(1, 4)
        self.priorities = rng.chance(1, 5)

    def clients(self, workload: str = "", total: int = 0) -> list[ClientPlan]:
        """One to four clients that share `total` ops. `workload` if it is given, else what the dice say for each."""
        rng = self.rng
        count = 1 if rng.chance(1, 4) else rng.between(2, CLIENTS_MAX)
        total = total or rng.between(OPS_MIN, OPS_MAX)
        same = WORKLOADS[rng.below(len(WORKLOADS))] if rng.chance(1, 2) else ""
        clients: list[ClientPlan] = []
        for number in range(count):
            kind = workload or same or WORKLOADS[rng.below(len(WORKLOADS))]
            ops = self.ops(kind, max(4, total // count), number, count)
            client = self._paced(str(number), kind, ops)
            client.device = self.devices[rng.below(len(self.devices))]
            client.priority = rng.between(1, 3) if self.priorities else 0
            clients.append(client)
        return clients

    def ops(self, kind: str, total: int, number: int = 0, count: int = 1) -> list[Op]:
        """`total` ops of that workload, for client `number` of `count`."""
        rng, whole = self.rng, Ground(0, self.size, self.unit)
        own = whole.blocks() // count
        alone = whole.part(number * own, own) if own >= OWN_BLOCKS_MIN and rng.chance(3, 4) else whole
        if kind == "racer":
            ops = racer(rng, whole, total, rng.between(2, 8))
        elif kind == "file system":
            ops = file_system(rng, alone, total)
        elif kind == "database":
            ops = database(rng, alone, total)
        elif kind == "burst":
            length = rng.between(8, 40)
            ops = burst(rng, whole, total, length, self.span_ns // (1 + total // length), rng.between(10, 90))
        elif kind in ("big writes", "big mix", "neighbours"):
            ops = self._large(kind, alone, total)
        elif kind == "sequential":
            ops = self._sequential(alone, total)
        else:
            ops = mixed(rng, whole, total, self._mix(), self._size(), self._place(whole))
        return [self._allowed(op) for op in ops]

    def _sequential(self, ground: Ground, total: int) -> list[Op]:
        rng = self.rng
        reads = (0, 50, 100)[rng.below(3)]
        mix = Mix(reads, 100 - reads, 0, 0, 2, 2, 0)
        return mixed(rng, ground, total, mix, fixed(rng.between(1, 2)), Runs(ground, rng.between(4, 32)))

    def _large(self, kind: str, ground: Ground, total: int) -> list[Op]:
        """What has to be cut, or what lies beside what waits already, on either side."""
        rng = self.rng
        if kind == "neighbours":
            place = Runs(ground, 16) if rng.chance(1, 3) else hot_spot(ground, rng, rng.between(8, 24), 100)
            return mixed(rng, ground, total, Mix(30, 60, 3, 3, 1, 2, 0), fixed(1), place)
        mix = Mix(15, 75, 2, 2, 4, 4, 2) if kind == "big writes" else Mix(45, 45, 2, 2, 4, 4, 2)
        return mixed(rng, ground, total, mix, uniform(1, 6), Runs(ground, 6) if rng.chance(1, 2) else anywhere(ground))

    def _mix(self) -> Mix:
        rng = self.rng
        reads = (10, 30, 50, 80)[rng.below(4)]
        barriers = (0, 3, 15)[rng.below(3)]
        return Mix(reads, 90 - reads, rng.below(12), rng.below(12), rng.below(12), rng.below(30), barriers)

    def _size(self) -> Size:
        sizes = [fixed(1), uniform(1, 4), uniform(1, 16), bimodal(1, 16), bimodal(1, 64, 5)]
        return sizes[self.rng.below(len(sizes))]

    def _place(self, ground: Ground) -> Place:
        rng, kind = self.rng, self.rng.below(4)
        if kind == 0:
            return zipf(ground, rng, rng.between(2, 5))
        if kind == 1:
            return hot_spot(ground, rng, rng.between(1, 8))
        return Runs(ground, rng.between(2, 12)) if kind == 2 else anywhere(ground)

    def _allowed(self, op: Op) -> Op:
        """What this plan has switched off becomes something that it has."""
        if op.op == "discard" and not self.discards:
            op.op = "zero"
        if op.op == "zero" and not self.zeroes:
            op.op = "write"
        if op.op == "flush" and not self.flushes:
            op.op, op.count = "read", self.unit
        if not self.fuas:
            op.fua = False
        if self.preflushes and op.op == "write" and self.rng.chance(1, 8):
            op.preflush = True
        return op

    def _paced(self, name: str, kind: str, ops: list[Op]) -> ClientPlan:
        rng = self.rng
        start_ns = rng.below(self.span_ns // 4) if rng.chance(1, 4) else 0
        if kind == "burst":
            return ClientPlan(name, ops, 0, rng.between(1, 16), start_ns)
        busy = kind in BUSY
        depth = rng.between(12, 32) if busy else log_between(rng, 1, 32)
        batch = rng.between(1, max(1, min(depth, 8))) if rng.chance(1, 2) else 1
        if not busy:
            ops = paced(ops, rng, self.span_ns - start_ns, rng.between(1, 16))
        return ClientPlan(name, ops, depth, batch, start_ns)
