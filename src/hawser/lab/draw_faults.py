"""Faults of a drawn plan: what happens, to whom, when, for how long.

Swarm testing (Groce, Zhang, Eide, Chen, Regehr: "Swarm Testing", ISSTA 2012): each plan switches whole classes of faults on or
off, so that some runs have one kind often and others many; a fault that hides another does so in some plans only. Faults like
company: a third of them follow closely upon an earlier one.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

from hawser.core.rng import Rng
from hawser.core.status import INVAL, IOERR, MEDIUM, NOSPC, TARGET
from hawser.core.units import NS_PER_MS, NS_PER_S, NS_PER_US, SECTOR_SIZE
from hawser.lab.devices.array import CACHE_PATH
from hawser.lab.plan import FILE, RESTARTS, SCHEDULERS, UNIX, DevicePlan, Plan, Step
from hawser.lab.stacks import devices_beside, has_type, maps_of, names_in, types_in

T = TypeVar("T")

STEPS_MAX: Final = 12
POWER_LOSSES_MAX: Final = 2
SHORTEST_NS: Final = 100 * NS_PER_US
LONGEST_NS: Final = 5 * NS_PER_S

# Class -> kinds of steps. `identity` and `power` are rarer than the others, as a run has little left after them.
CLASSES: Final[dict[str, tuple[str, ...]]] = {
    "crash": ("kill",),
    "identity": ("other_disk", "smaller", "read_only"),
    "hang": ("stop",),
    "slow": ("slow", "brown_out"),
    "cache": ("flush_error", "write_back"),
    "alua": ("alua",),
    "late": ("answer_late", "execute_late"),
    "lost": ("answer_never", "lost_command"),
    "twice": ("answer_twice",),
    "error": ("error", "error_after"),
    "short": ("short",),
    "cut": ("lose", "lose_far", "close"),
    "hole": ("black_hole",),
    "flap": ("flap",),
    "client": ("disconnect", "reconnect"),
    "message": ("message",),
    "dust": ("dust",),
    "suspend": ("suspend",),
    "reload": ("reload",),
    "queue": ("scheduler", "attribute", "nomerges"),
    "power": ("power_loss",),
}
RARE: Final = ("identity", "power")
# After these nothing may be left by which a wrong disk could be told (SharedDisk.cast_doubt forgets the witness, and so does a
# gateway that starts again): then nobody promises that it is.
FORGETTING: Final = ("flush_error", "error", "error_after", "alua", "power_loss")
ANSWER_WORDS: Final = ("any", "read", "write", "write", "flush")
ALUA_WORDS: Final = ("standby", "unavailable", "transitioning")
ERRORS: Final = (IOERR, IOERR, IOERR, MEDIUM, MEDIUM, NOSPC, TARGET, INVAL)
# Settings of mq-deadline with a small number, or one of any magnitude.
SETTINGS: Final = [
    "fifo_batch {0}",
    "writes_starved {0}",
    "front_merges {0}",
    "read_expire {1}",
    "write_expire {1}",
    "prio_aging_expire {1}",
    "async_depth {1}",
]
REFUSED_MESSAGES: Final = (
    "frobnicate now",
    "fail_path",
    "fail_path nosuch",
    "reinstate_path 259:999",
    "switch_group 99",
    "disable_group nought",
    "queue_if_no_path now",
    "",
)


def log_between(rng: Rng, low: int, high: int) -> int:
    """A number from [low, high] whose magnitude is uniform, more or less. Integers only."""
    octaves = max(0, (high // max(1, low)).bit_length() - 1)
    start = low << rng.below(octaves + 1)
    return min(high, start + rng.below(start + 1))


@dataclass
class FaultDraw:
    """Draws steps for `plan`, whose clients are active for about `span_ns`."""

    rng: Rng
    plan: Plan
    span_ns: int

    def classes(self) -> list[str]:
        """Those that are switched on, each as likely as this plan's mood has it."""
        percent = (12, 25, 45)[self.rng.below(3)]
        chosen: list[str] = []
        for name in CLASSES:
            roll = self.rng.below(100)
            if roll < (percent // 3 if name in RARE else percent) and self.is_possible(name):
                chosen.append(name)
        return chosen

    def is_possible(self, name: str) -> bool:
        if name == "identity":
            return bool(self._servers("other_disk"))
        if name == "reload":
            return len(self.plan.tables) > 1 or bool(self._reloadable())
        if name == "dust":
            return has_type(self.plan, "dust")
        return True

    def steps(self, classes: list[str], count: int) -> list[Step]:
        """`count` steps of these classes, and what makes good some of them."""
        steps: list[Step] = []
        for _ in range(count if classes else 0):
            kinds = CLASSES[classes[self.rng.below(len(classes))]]
            kind = kinds[self.rng.below(len(kinds))]
            step = self.step(kind, self.moment(steps))
            steps += [step, *self._sequel(step)]
        return steps

    def moment(self, others: list[Step]) -> int:
        """Any time while clients are active, or soon after another step."""
        if others and self.rng.chance(1, 3):
            other = others[self.rng.below(len(others))]
            return other.at_ns + log_between(self.rng, 10 * NS_PER_US, max(NS_PER_MS, self.span_ns // 20))
        return self.rng.below(self.span_ns)

    def duration(self) -> int:
        longest_ns = min(LONGEST_NS, max(4 * SHORTEST_NS, self.span_ns // 3))
        return log_between(self.rng, SHORTEST_NS, longest_ns)

    def step(self, kind: str, at_ns: int) -> Step:
        """One step of this kind."""
        rng = self.rng
        step = Step(at_ns, kind)
        if kind in CLASSES["message"]:
            step.target, table = self._any(maps_of(self.plan))
            step.word = self._message(names_in(table))
        elif kind in CLASSES["dust"]:
            self._dust_step(step)
        elif kind in CLASSES["queue"]:
            self._queue_step(step)
        elif kind in ("disconnect", "reconnect"):
            step.target = self.plan.clients[rng.below(len(self.plan.clients))].name
        elif kind == "suspend":
            step.duration_ns, step.amount = self.duration(), rng.below(2)
            step.target = self._device()
        elif kind == "reload":
            self._reload_step(step)
        elif kind == "power_loss":
            step.duration_ns = self.duration()
        elif kind in ("lose", "lose_far", "close", "black_hole", "brown_out", "flap"):
            self._link_step(step)
        else:
            self._server_step(step)
        return step

    def _any(self, items: list[T]) -> T:
        return items[self.rng.below(len(items))]

    def _device(self) -> str:
        """The map, mostly, or a device beside it."""
        beside = devices_beside(self.plan)
        return self._any(beside).name if beside and self.rng.chance(1, 2) else ""

    def _reloadable(self) -> list[DevicePlan]:
        """Devices beside the map that have other tables."""
        return [device for device in devices_beside(self.plan) if len(device.tables) > 1]

    def _reload_step(self, step: Step) -> None:
        rng, others = self.rng, self._reloadable()
        tables = self.plan.tables
        if others and (len(tables) < 2 or rng.chance(1, 2)):
            device = self._any(others)
            step.target, tables = device.name, device.tables
        step.word, step.amount = str(rng.below(len(tables))), rng.below(2)

    def _dust_step(self, step: Step) -> None:
        """Bad blocks, and whether they count."""
        rng = self.rng
        device = self._any([one for one in devices_beside(self.plan) if "dust" in types_in(one.tables[0])])
        step.kind, step.target = "message", device.name
        block = rng.below(blocks_of(self.plan, device))
        failures = f" {rng.below(4)}" if rng.chance(1, 2) else ""
        words = [f"addbadblock {block}{failures}"] * 4 + ["enable", "enable", "enable"]
        step.word = self._any([*words, f"removebadblock {block}", "disable", "clearbadblocks", "frobnicate"])

    def _queue_step(self, step: Step) -> None:
        """Of the map's queue, of a path's, or of another map's."""
        rng = self.rng
        queues = [name for name, _ in maps_of(self.plan)] * 2 + [f"p{number}" for number in range(len(self.plan.paths))]
        step.target = self._any(queues)
        if step.kind == "scheduler":
            step.word = SCHEDULERS[rng.below(len(SCHEDULERS))]
        elif step.kind == "nomerges":
            step.amount = rng.below(3)
        else:
            step.word = draw_setting(rng)

    def _link_step(self, step: Step) -> None:
        rng = self.rng
        step.target = f"p{rng.below(len(self.plan.paths))}"
        if step.kind == "lose":
            step.amount = (0, 50, 100)[rng.below(3)]
        elif step.kind == "black_hole":
            step.duration_ns = self._around_timeout(int(step.target[1:])) if rng.chance(1, 2) else self.duration()
        elif step.kind == "brown_out":
            step.duration_ns, step.amount = self.duration(), log_between(rng, 2, 200)
        elif step.kind == "flap":
            step.duration_ns, step.amount = log_between(rng, NS_PER_MS, 100 * NS_PER_MS), rng.between(2, 8)

    def _server_step(self, step: Step) -> None:
        rng, kind = self.rng, step.kind
        servers = self._servers(kind)
        server = servers[rng.below(len(servers))]
        step.target = f"s{server}"
        if kind in CLASSES["late"] or (kind == "stop" and rng.chance(1, 3)):
            step.duration_ns = self._around_timeout(self._path_to(server))
        elif kind in ("kill", "stop", "slow", "alua", "answer_twice", *CLASSES["identity"]):
            step.duration_ns = self.duration()
        if kind in ("kill", "other_disk"):
            step.amount = rng.below(2)
        elif kind == "slow":
            step.amount = log_between(rng, 2, 50)
        elif kind == "write_back":
            step.amount = log_between(rng, 1, self.plan.size_sectors)
        elif kind in CLASSES["error"]:
            step.amount = ERRORS[rng.below(len(ERRORS))]
        elif kind == "short":
            step.amount = rng.between(1, 8)
        if kind == "alua":
            step.word = ALUA_WORDS[rng.below(3)]
        elif kind in ("answer_late", "answer_never", "lost_command", "answer_twice", "execute_late", *CLASSES["error"]):
            step.word = ANSWER_WORDS[rng.below(len(ANSWER_WORDS))]
        elif kind == "short":
            step.word = ("any", "read", "write")[rng.below(3)]

    def _servers(self, kind: str) -> list[int]:
        """Those that it may happen to. A file has no session whose end would tell that its disk was exchanged."""
        found: list[int] = []
        for path in self.plan.paths:
            is_file = path.transport == FILE
            if path.server not in found and not (is_file and kind in CLASSES["identity"]):
                found.append(path.server)
        return found

    def _path_to(self, server: int) -> int:
        return next(number for number, path in enumerate(self.plan.paths) if path.server == server)

    def _around_timeout(self, path: int) -> int:
        """Within the time that an answer has, within the time that a session is kept for it, or past both."""
        facts, kind = self.plan.paths[path], self.rng.below(3)
        if kind == 0:
            return self.rng.between(facts.io_timeout_ns // 5, facts.io_timeout_ns)
        if kind == 1:
            return facts.io_timeout_ns + self.rng.below(max(1, facts.linger_ns * 9 // 10))
        return facts.io_timeout_ns + facts.linger_ns + log_between(self.rng, NS_PER_MS, NS_PER_S)

    def _message(self, names: list[str]) -> str:
        rng = self.rng
        path, groups = f"{{{names[rng.below(len(names))]}}}", len(names)
        return [
            f"fail_path {path}",
            f"fail_path {path}",
            f"reinstate_path {path}",
            f"switch_group {rng.between(1, min(3, groups))}",
            f"switch_group {rng.between(1, min(3, groups))}",
            f"disable_group {rng.between(1, min(3, groups))}",
            f"enable_group {rng.between(1, min(3, groups))}",
            "queue_if_no_path",
            "fail_if_no_path",
            REFUSED_MESSAGES[rng.below(len(REFUSED_MESSAGES))],
        ][rng.below(10)]

    def _sequel(self, step: Step) -> list[Step]:
        """What an operator or a client does about it, mostly."""
        later_ns = step.at_ns + self.duration()
        if step.kind == "disconnect" and self.rng.chance(4, 5):
            return [Step(later_ns, "reconnect", step.target)]
        if step.word.startswith("fail_path {") and self.rng.chance(4, 5):
            return [Step(later_ns, "message", step.target, word=step.word.replace("fail_path", "reinstate_path"))]
        if step.word.startswith("disable_group") and self.rng.chance(1, 2):
            return [Step(later_ns, "message", step.target, word=step.word.replace("disable", "enable"))]
        return []


def draw_setting(rng: Rng) -> str:
    """Of a scheduler: name and value."""
    return SETTINGS[rng.below(len(SETTINGS))].format(rng.below(4), log_between(rng, 1, 64))


def blocks_of(plan: Plan, dust: DevicePlan) -> int:
    """How many blocks a dust device has, by the size in its table."""
    return max(1, plan.size_sectors * SECTOR_SIZE // int(dust.tables[0].split()[5]))


def tamed(plan: Plan, steps: list[Step], span_ns: int) -> list[Step]:
    """In order of time, with few power losses; wrong disks come late, when something was written, and only where the witness can
    know them."""
    forgets = (
        plan.paths[0].cache == CACHE_PATH
        or bool(plan.below)
        # Whoever else has the disk open does not hear of the end of sessions; another disk has another witness.
        or len(maps_of(plan)) > 1
        or any(step.kind in FORGETTING for step in steps)
    )
    kept: list[Step] = []
    power_losses = 0
    for step in steps:
        if step.kind == "other_disk":
            step.at_ns = max(step.at_ns, span_ns // 2)
            step.kind = "smaller" if forgets else step.kind
        if step.kind in RESTARTS and plan.cache == CACHE_PATH and _is_local(plan, step.target):
            step.amount = 0
        power_losses += step.kind == "power_loss"
        if step.kind != "power_loss" or power_losses <= POWER_LOSSES_MAX:
            kept.append(step)
    return sorted(kept, key=lambda step: step.at_ns)


def _is_local(plan: Plan, server: str) -> bool:
    """Whether the end of this server's process is taken for the end of its cache."""
    return any(path.transport == UNIX and f"s{path.server}" == server for path in plan.paths)


def declare(rng: Rng, plan: Plan) -> None:
    """What is declared of the paths, now that it is known what happens to them: true, or nothing at all.

    A server's own cache writes back when it likes: nobody can say how long.
    """
    declares_percent = (30, 60, 100)[rng.below(3)]
    for path in plan.paths:
        if path.transport == FILE:
            continue
        path.eof_drains = path.eof_drains or rng.below(100) < (20 if path.transport == UNIX else 35)
        if rng.below(100) < declares_percent and plan.cache != CACHE_PATH:
            path.quiesce_ns = plan.stall_ns(path.server) + log_between(rng, NS_PER_MS, 200 * NS_PER_MS)
        elif rng.chance(1, 4) and path.transport != UNIX:
            path.eof_drains = True
