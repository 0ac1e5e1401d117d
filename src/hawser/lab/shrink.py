"""Shrink: cut a plan that fails down to one that still fails in the same way, and that a person can read.

Delta debugging (Zeller, Hildebrandt: "Simplifying and Isolating Failure-Inducing Input", TSE 2002) over everything that a plan
holds: steps, clients, operations, paths, servers, tables; then each number is made plainer. What is random in a run is drawn by
name, so that most of it stays as it was when something goes. The same plan shrinks to the same plan, always; RUNS_MAX bounds
the work.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from hawser.lab.plan import ClientPlan, LimitsPlan, Op, Plan, Step
from hawser.lab.shrink_devices import plans_with_fewer_devices
from hawser.lab.shrink_numbers import Change, plainer_clients, plainer_steps, plainer_world
from hawser.lab.shrink_table import TableLine, clone, without_path, without_server
from hawser.lab.trial import attempt

RUNS_MAX: Final = 3000
ROUNDS_MAX: Final = 8
KIND_WORDS: Final = 8

BACK: Final = "something superseded is back"

# What the oracles say -> the kind of fault that it is. Anything else is known by its first words.
PHRASES: Final = (
    ("(after a power loss)", "a power loss leaves what it must not"),
    ("is back, which", BACK),
    ("zeroes are back, which", BACK),
    ("which nobody wrote", "a value that nobody wrote"),
    ("is torn", "a torn sector"),
    ("a flush succeeded although", "a flush succeeded that had to fail"),
    ("never answered", "an I/O is never answered"),
    ("although a path could be used", "an I/O waited too long"),
    ("and still was sent client I/O", "a failed path was sent client I/O"),
    ("completed twice", "an I/O is completed twice"),
    ("has failed although nothing is wrong", "a path failed though nothing is wrong"),
    ("error although nothing is wrong", "an I/O failed though nothing is wrong"),
    ("the mirror has lost", "a mirror lost a leg though nothing is wrong"),
    ("the legs of", "the legs of a mirror differ"),
)

# Kinds that mean that acknowledged data was lost or corrupted.
LOSSES: Final = (BACK, "a power loss leaves what it must not", "a value that nobody wrote", "a torn sector")

LAST_LOOK: Final = "reader: "
IN_THE_END: Final = ", in the end"

Judge = Callable[[Plan], list[str]]
T = TypeVar("T")


def kind_of(fault: str) -> str:
    """What stays the same about a fault when a plan gets smaller: numbers and names do not. What only the last look at the
    whole disk has found is of a kind of its own: a client's finding makes a better story.
    """
    for phrase, kind in PHRASES:
        if phrase in fault:
            return kind + IN_THE_END if fault.startswith(LAST_LOOK) else kind
    words = [word for word in fault.split() if not re.search(r"\d", word)]
    return " ".join(words[:KIND_WORDS])


def is_loss(fault: str) -> bool:
    """Whether it means that acknowledged data was lost or corrupted."""
    return kind_of(fault).removesuffix(IN_THE_END) in LOSSES


def judge_by_run(plan: Plan) -> list[str]:
    return attempt(plan).faults


class Shrunk:
    """`plan` fails with a fault of `kind` after `runs` runs; `fault` says what it is now."""

    def __init__(self, plan: Plan, kind: str, fault: str, runs: int) -> None:
        self.plan = plan
        self.kind = kind
        self.fault = fault
        self.runs = runs


def shrink(
    plan: Plan,
    judge: Judge = judge_by_run,
    progress: Callable[[int, Plan], None] | None = None,
    runs_max: int = RUNS_MAX,
) -> Shrunk:
    """The smallest plan that was found. ValueError when `plan` does not fail. `progress` is told the runs and the best so far."""
    faults = judge(plan)
    if not faults:
        raise ValueError("this plan does not fail: there is nothing to shrink")
    shrinker = Shrinker(plan, faults[0], judge, progress, runs_max)
    shrinker.work()
    return Shrunk(shrinker.plan, shrinker.kind, shrinker.fault, shrinker.runs)


class Shrinker:
    """`plan` is the smallest one so far."""

    def __init__(
        self,
        plan: Plan,
        fault: str,
        judge: Judge,
        progress: Callable[[int, Plan], None] | None,
        runs_max: int,
    ) -> None:
        self.plan = clone(plan)
        self.fault = fault
        self.kind = kind_of(fault)
        self.runs = 1
        self._judge = judge
        self._progress = progress
        self._runs_max = runs_max
        # A plan that tells the truth about its paths must not fail for a lie.
        self._is_truthful = plan.truthful()

    def work(self) -> None:
        """Everything that can go, goes; again, until nothing does."""
        for _ in range(ROUNDS_MAX):
            before = _weight(self.plan)
            self._reduce(list(self.plan.steps), self._with_steps)
            self._reduce(list(self.plan.clients), self._with_clients)
            for index in range(len(self.plan.clients)):
                self._shorten_client(index)
            self._strip_world()
            self._drop_paths()
            for offers in (plainer_world, plainer_clients, plainer_steps):
                self._try_each(offers)
            if _weight(self.plan) >= before or self.runs >= self._runs_max:
                return

    # Trying.

    def attempt(self, candidate: Plan) -> bool:
        """Whether it fails in the same way; then it is the plan from now on."""
        if self.runs >= self._runs_max or (self._is_truthful and not candidate.truthful()):
            return False
        self.runs += 1
        for fault in self._judge(candidate):
            if kind_of(fault) == self.kind:
                self.plan = candidate
                self.fault = fault
                break
        else:
            return False
        if self._progress is not None:
            self._progress(self.runs, self.plan)
        return True

    def _reduce(self, items: list[T], build: Callable[[list[T]], Plan]) -> None:
        """Delta debugging of a list: halves first, single items last."""
        if items and self.attempt(build([])):
            return
        size = len(items)
        while size > 1:
            size = (size + 1) // 2
            start = 0
            while start < len(items):
                left = items[:start] + items[start + size :]
                if left and self.attempt(build(left)):
                    items = left
                else:
                    start += size

    def _try_each(self, offers: Callable[[Plan], list[Change]]) -> None:
        """Make every change that is offered and with which it still fails; some are offered again and again."""
        refused: set[str] = set()
        while self.runs < self._runs_max:
            left = [change for change in offers(self.plan) if change.key not in refused]
            if not left:
                return
            candidate = clone(self.plan)
            left[0].apply(candidate)
            if not self.attempt(candidate):
                refused.add(left[0].key)

    # Leaving out.

    def _with_steps(self, steps: list[Step]) -> Plan:
        return replace(clone(self.plan), steps=[replace(step) for step in steps])

    def _with_clients(self, clients: list[ClientPlan]) -> Plan:
        copies = [replace(client, ops=[replace(op) for op in client.ops]) for client in clients]
        return replace(clone(self.plan), clients=copies)

    def _shorten_client(self, index: int) -> None:
        def build(ops: list[Op]) -> Plan:
            found = clone(self.plan)
            found.clients[index].ops = [replace(op) for op in ops]
            return found

        self._reduce(list(self.plan.clients[index].ops), build)

    def _strip_world(self) -> None:
        self._strip_devices()
        if self.plan.manager:
            self.attempt(replace(clone(self.plan), manager=False))
        if self.plan.limits != LimitsPlan():
            self.attempt(replace(clone(self.plan), limits=LimitsPlan()))
        reloads = any(step.kind == "reload" or "<" in step.word for step in self.plan.steps)
        if len(self.plan.tables) > 1 and not reloads:
            self.attempt(replace(clone(self.plan), tables=self.plan.tables[:1]))
        self._strip_table()

    def _strip_devices(self) -> None:
        """What is offered is offered anew whenever something has gone."""
        going_on = True
        while going_on and self.runs < self._runs_max:
            going_on = any(self.attempt(candidate) for candidate in plans_with_fewer_devices(self.plan))

    def _strip_table(self) -> None:
        for number in range(len(self.plan.tables)):
            try:
                features = TableLine(self.plan.tables[number]).features
            except ValueError:
                continue
            for word in [word for word in features if word not in ("queue_mode", "bio", "rq", "mq")]:
                parts = TableLine(self.plan.tables[number])
                parts.features.remove(word)
                self.attempt(self._with_table(number, parts))
            parts = TableLine(self.plan.tables[number])
            for group in parts.groups:
                group.selector, group.words, group.arguments = "round-robin", [], 0
                group.paths = [path[:1] for path in group.paths]
            if parts.line() != self.plan.tables[number]:
                self.attempt(self._with_table(number, parts))

    def _with_table(self, number: int, parts: TableLine) -> Plan:
        found = clone(self.plan)
        found.tables[number] = parts.line()
        return found

    def _drop_paths(self) -> None:
        for number in reversed(range(len(self.plan.paths))):
            if len(self.plan.paths) > 1:
                self.attempt(without_path(self.plan, number))
        for number in reversed(range(len(self.plan.servers))):
            if not any(path.server == number for path in self.plan.paths):
                self.attempt(without_server(self.plan, number))
        for number in reversed(range(1, len(self.plan.servers))):
            moved = clone(self.plan)
            for path in moved.paths:
                path.server = 0 if path.server == number else path.server
            self.attempt(without_server(moved, number))


def _weight(plan: Plan) -> int:
    """How much there is to read; the shrinker is done when it gets no less."""
    weight = 20 * (len(plan.steps) + len(plan.clients) + len(plan.paths) + len(plan.servers))
    weight += len(plan.stack) + plan.manager + sum(len(table) for table in plan.tables)
    weight += sum(20 + len(table) for device in [*plan.below, *plan.above] for table in device.tables)
    for client in plan.clients:
        weight += client.depth + client.batch + (client.start_ns > 0) + client.priority
        for op in client.ops:
            weight += 10 + op.count + op.fua + op.preflush + op.barrier + (op.delay_ns > 0)
    for step in plan.steps:
        weight += step.duration_ns.bit_length() + len(str(step.at_ns).rstrip("0"))
    return weight
