"""Judge: whether a step is replayed, by its kind.

Where a table is not replayed, what depends on it cannot be, either: the judge keeps a device without a table in its place, so
that names and minor numbers go on as they would, and remembers what the table stood on. See hawser.lab.conformance.kinds.
"""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.block.elevators.base import ELEVATORS
from hawser.dm.dmsetup.program import VERBS
from hawser.dm.dmsetup.report import explains_itself
from hawser.dm.dmsetup.task import mangled
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.suspension import ControlError
from hawser.dm.table import TableLine
from hawser.dm.target import TARGETS
from hawser.lab.conformance.kinds import (
    DMSETUP,
    FOLLOWS,
    NOTE,
    PROGRAM,
    SCHEDULER,
    STATISTICS,
    TARGET,
    Kind,
)
from hawser.lab.conformance.words import TABLE_VERBS, StepWords
from hawser.lab.linux.machine import Machine
from hawser.lab.linux.nodes import absolute
from hawser.lab.linux.shell import is_known
from hawser.lab.linux.sysfs import is_modelled

SCHEDULERS_MISSING: Final = ("bfq", "kyber")
# Targets of Linux 6.12.
LINUX_TARGETS: Final = (
    "cache clone crypt delay dust ebs era error flakey integrity io-latency linear log-writes mirror multipath raid snapshot "
    "snapshot-merge snapshot-origin striped switch thin thin-pool unstriped vdo verity writecache zero zoned"
)
# Verbs that, without a device's name, are about all devices.
VERBS_OF_ALL: Final = ("ls", "info", "status", "measure", "table", "deps", "remove_all", "mknodes")
# What may be done to a device below one that is not really there, to the same end as if it were.
VERBS_BELOW: Final = ("create", "load", "reload", "clear", "suspend", "resume", "table")


class Verdict:
    """`kind`: why the step does not count, or None; `runs`: whether it is run all the same."""

    def __init__(self, kind: Kind | None, runs: bool) -> None:
        self.kind = kind
        self.runs = runs


class Judge:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        # What devices whose tables were not replayed would stand on, by their names.
        self._below: dict[str, set[str]] = {}
        self._jobs: set[str] = set()
        # By all their names the devices whose elevator is one that is not here; and whether there was ever one.
        self._sorted_elsewhere: set[str] = set()
        self._has_others = False

    def judge(self, cmd: list[str], stdin: str) -> Verdict:
        step = StepWords(cmd, stdin)
        if step.waits:
            skipped = step.job in self._jobs
            self._jobs.discard(step.job)
            return Verdict(FOLLOWS, False) if skipped else Verdict(None, True)
        verdict = self._judge(step)
        if verdict.kind is not None and step.is_background:
            self._jobs.add(step.job)
        return verdict

    def _judge(self, step: StepWords) -> Verdict:
        if step.program == "note":
            return Verdict(NOTE, False)
        kind = kind_of(step)
        if kind is not None:
            self._replace(step)
            if kind is SCHEDULER:
                self._has_others = True
                self._sorted_elsewhere |= self._names_of_disk(step)
            return Verdict(kind, False)
        if self._has_others and self._is_sorted_elsewhere(step):
            return Verdict(FOLLOWS, True)
        self._forget_recreated(step)
        return self._following(step)

    # What depends on something that was skipped.

    def _following(self, step: StepWords) -> Verdict:
        tokens = step.tokens()
        named = [name for name in self._below if not tokens.isdisjoint(self._names_of(name))]
        if named:
            return self._about(step, named)
        if self._below and self._is_about_all(step):
            return Verdict(FOLLOWS, step.verb == "remove_all")
        below = set().union(*self._below.values())
        if tokens.isdisjoint(below) or (step.program == "dmsetup" and step.verb in VERBS_BELOW):
            return Verdict(None, True)
        if step.program == "sysfs" and step.argv[1:2] == ["set"]:
            return Verdict(None, True)
        return Verdict(FOLLOWS, True)

    def _about(self, step: StepWords, named: list[str]) -> Verdict:
        """A step that names devices which are not really there."""
        if step.verb == "remove":
            for name in named:
                self._remove(name)
        elif step.verb in TABLE_VERBS and step.lines and not self._is_replaced(step):
            self._replace(step)
        elif step.verb == "rename" and len(step.arguments.words) > 2:
            new = step.arguments.words[2]
            self._below[new] = self._below.pop(named[0])
            return Verdict(FOLLOWS, True)
        return Verdict(FOLLOWS, False)

    def _is_replaced(self, step: StepWords) -> bool:
        return any(name in self._below for name in step.device_names())

    def _is_about_all(self, step: StepWords) -> bool:
        return step.program == "dmsetup" and step.verb in VERBS_OF_ALL and not step.device_names()

    def _names_of(self, name: str) -> set[str]:
        """What a device may be called."""
        device = self.machine.system.devices.mapped_name(mangled(name))
        return {name, *(self._names(device) if device is not None else [])}

    def _names(self, device: MappedDevice) -> list[str]:
        return [device.devt, device.disk_name()]

    # Elevators that are not here.

    def _names_of_disk(self, step: StepWords) -> set[str]:
        """Of the device whose elevator is set."""
        disk = step.argv[2].split("/")[3]
        system = self.machine.system
        for device in system.devices.all_devices():
            if device.disk_name() == disk:
                return self._all_names(device)
        return {disk}

    def _all_names(self, device: BlockDevice) -> set[str]:
        """Those of the recorder's, too."""
        system = self.machine.system
        number = device.devt
        labels = {label for label, node in system.labels.items() if system.nodes.number_of(node) == number}
        return {number, device.disk_name(), device.name, *labels}

    def _is_sorted_elsewhere(self, step: StepWords) -> bool:
        """Whether it counts the I/O of a device with such an elevator, looks at its settings, or lists the elevators that are
        loaded by now."""
        is_set = step.program == "sysfs" and step.argv[1:2] == ["set"]
        of_elevators = step.program in ("sysfs", "cat") and any(word.endswith("/scheduler") for word in step.argv)
        if is_set and of_elevators:
            self._sorted_elsewhere -= self._names_of_disk(step)
            return False
        of_settings = step.argv[:2] == ["iostat", "delta"] or any("/iosched" in word for word in step.argv)
        return of_elevators or (of_settings and not self._sorted_elsewhere.isdisjoint(step.tokens()))

    # Devices that are not really there.

    def _replace(self, step: StepWords) -> None:
        """A table is skipped: put an empty device in the place of a new one."""
        if step.verb not in TABLE_VERBS:
            return
        for name in step.device_names()[:1]:
            system = self.machine.system
            if name in self._below and step.verb == "create":
                self._remove(name)
            device = system.devices.mapped_name(mangled(name))
            if device is None and step.verb == "create":
                try:
                    device = system.control.create(mangled(name), step.arguments.value("uuid"))
                    system.surroundings.add_node(device)
                except ControlError:
                    system.kit.log.take()
                    return
            if device is not None:
                self._below[name] = self._below.get(name, set()) | self._stood_on(step.lines)

    def _stood_on(self, lines: list[TableLine]) -> set[str]:
        """The devices that lines name, and what those stand on, by all their names."""
        found: set[str] = set()
        system = self.machine.system
        devices = [system.devices.find(word) for line in lines for word in line.words]
        todo = [device for device in devices if device is not None]
        while todo:
            device = todo.pop()
            found |= self._all_names(device)
            if isinstance(device, MappedDevice) and device.table is not None:
                todo += device.table.devices()
        return found

    def _forget_recreated(self, step: StepWords) -> None:
        """A device of that name is made anew: the one before must have been refused, or is gone."""
        if step.verb == "create":
            for name in step.device_names():
                if name in self._below:
                    self._remove(name)

    def _remove(self, name: str) -> None:
        del self._below[name]
        system = self.machine.system
        device = system.devices.mapped_name(mangled(name))
        if device is None:
            return
        try:
            system.control.remove(device)
        except ControlError:
            device.deferred_remove = True
        system.surroundings.remove_node(mangled(name))
        system.kit.log.take()


def kind_of(step: StepWords) -> Kind | None:
    """Why a step is not replayed, as far as its own words tell."""
    if step.program == "dmsetup":
        return _kind_of_dmsetup(step)
    if not is_known(step.program):
        return PROGRAM
    if step.program in ("ls", "cat"):
        paths = [word for word in step.argv[1:] if not word.startswith("-")]
        return PROGRAM if any(_is_elsewhere(path) for path in paths) else None
    return _kind_of_sysfs(step.argv) if step.program == "sysfs" else None


def _kind_of_sysfs(argv: list[str]) -> Kind | None:
    sets = argv[1] == "set"
    if not all(is_modelled(absolute(path)) for path in (argv[2:3] if sets else argv[2:])):
        return PROGRAM
    if sets:
        path, value = argv[2], argv[3].strip()
        if path.endswith("/scheduler") and value in SCHEDULERS_MISSING and value not in ELEVATORS:
            return SCHEDULER
    return None


def _is_elsewhere(path: str) -> bool:
    """Whether it is somewhere of which nothing is known here."""
    place = absolute(path)
    return not (is_modelled(place) or (place.startswith("/dev/") and place != "/dev/"))


def _kind_of_dmsetup(step: StepWords) -> Kind | None:
    arguments = step.arguments
    if _is_report(step) and explains_itself(arguments):
        return DMSETUP
    program = arguments.value("exec").split()[:1]
    if program and not is_known(program[0]) and VERBS.get(step.verb) is not None:
        return PROGRAM
    if step.verb == "stats" or (step.verb == "message" and arguments.words[3:4] and _is_statistics(arguments.words[3])):
        return STATISTICS
    for line in step.lines:
        kind = _kind_of_line(line)
        if kind is not None:
            return kind
    return None


def _is_report(step: StepWords) -> bool:
    """Whether rows have fields, seen or not."""
    verb = VERBS.get(step.verb)
    selects = verb is not None and verb.selects and step.arguments.has("select")
    return selects or step.verb == "splitname" or step.arguments.has("columns")


def _is_statistics(word: str) -> bool:
    return word.lower().startswith("@stats_")


def _kind_of_line(line: TableLine) -> Kind | None:
    if line.type_name in LINUX_TARGETS.split() and line.type_name not in TARGETS:
        return TARGET
    if line.type_name != "multipath":
        return None
    return None
