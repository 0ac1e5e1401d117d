"""What an operator does to mapped devices and queues in a run: messages, suspend and resume, reload, schedulers; and what puts it
right in the end."""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.core.clock import Timer
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.suspension import ACTIVE, ControlError, ControlListener
from hawser.dm.target import MessageError, TableError
from hawser.dm.targets.dust import DustTarget
from hawser.dm.targets.flakey import FlakeyTarget
from hawser.lab.era import Era
from hawser.lab.map_watch import MapWatch
from hawser.lab.plan import MAP_NAME, QUEUE_STEPS, Step
from hawser.lab.programs import Programs
from hawser.multipath.disk import PathDevice
from hawser.multipath.target import Multipath

# What a flakey device becomes when everything is repaired: it is never down.
ALWAYS_UP: Final = "1 0"


class _Resume(Timer):
    def __init__(self, verbs: "DeviceVerbs") -> None:
        super().__init__()
        self.verbs = verbs

    def expire(self) -> None:
        self.verbs.resume()


class _Resumed(ControlListener):
    """A table that turns out not to fit leaves the device suspended with its old one: the operator resumes that."""

    def __init__(self, verbs: "DeviceVerbs") -> None:
        self.verbs = verbs

    def resumed(self, error: TableError | None) -> None:
        if error is not None:
            self.verbs.refused(error)


class DeviceVerbs:
    """Of one mapped device. `lane` is where the trace has what is done to it."""

    def __init__(self, era: Era, name: str) -> None:
        self.era = era
        self.name = name
        self.lane = "map" if name == MAP_NAME else f"map {name}"
        self.device: MappedDevice = era.devices[name]
        self.hardware = era.hardware
        self._resume = _Resume(self)
        self._resumed = _Resumed(self)

    def is_suspended(self) -> bool:
        """Whether I/O is held back: the suspend may be on its way still."""
        return self.device._suspension.state != ACTIVE

    def message(self, text: str) -> None:
        words = self.era.filled(text).split()
        if words and words[0] == "reinstate_path" and not self._is_looked_after():
            if any(path.link.server.is_wrong() for path in self.era.paths):
                # Where no manager checks it first, who reinstates a path by hand vouches for its disk, and these would lie.
                return
        before = self._status()
        try:
            self.device.message(0, words)
        except MessageError as refusal:
            self.hardware.marks.hit("message refused")
            self.hardware.trace.note(self.lane, "refuses", f"{' '.join(words)}: {refusal}")
            assert self._status() == before, "a refused message has changed something"

    def _is_looked_after(self) -> bool:
        """Whether all paths here are checked before they are put back."""
        for watch in self.era.watches:
            if watch.name == self.name and watch.manager is not None:
                return all(isinstance(path.device, PathDevice) for path in watch.target().state.paths)
        return False

    def _status(self) -> str:
        return " ".join(target.status_info() for target in self.device.live_targets())

    def suspend(self, noflush: bool, duration_ns: int) -> None:
        if self.is_suspended():
            return
        self._hit_marks(noflush)
        self.hardware.trace.note(self.lane, "suspends", "without flushing" if noflush else "")
        self.device.suspend(noflush)
        self.era.timers.arm(self._resume, duration_ns)

    def _hit_marks(self, noflush: bool) -> None:
        """What a suspend meets."""
        marks = self.hardware.marks
        own = self.device.queue
        waiting = own.waiting() if own is not None else 0
        for target in self.device.live_targets():
            if isinstance(target, Multipath):
                if target._parked or (waiting and target.state.valid_paths == 0):
                    marks.hit("suspend with parked bios")
                if target._fenced_bios or target._fenced_requests or target._withheld_bios or target._withheld_requests:
                    marks.hit("suspend behind a fence")
        for path in self.era.paths:
            if path.outstanding():
                marks.hit("suspend with I/O in flight")
                break
        if noflush:
            marks.hit("noflush suspend")

    def resume(self) -> None:
        """Resume, or give up a suspend that waits still."""
        device = self.device
        if not self.is_suspended():
            return
        if device._suspension.held_back() or (device.queue is not None and device.queue.waiting()):
            self.hardware.marks.hit("deferred while suspended")
        self.hardware.trace.note(self.lane, "resumes")
        try:
            device.resume(self._resumed)
        except TableError as refusal:
            self.refused(refusal)

    def refused(self, refusal: TableError) -> None:
        """The new table is gone."""
        self.hardware.trace.note(self.lane, "refuses", str(refusal))
        self.device.resume()

    def reload(self, number: int, noflush: bool) -> None:
        problem = self.era.reload(self.name, self.era.tables_of(self.name)[number])
        if problem:
            self.hardware.trace.note(self.lane, "refuses", f"table {number}: {problem}")
            return
        if self.is_suspended():
            # Whoever resumes it makes the new table live.
            return
        if any(path.outstanding() for path in self.era.paths):
            self.hardware.marks.hit("reloaded under load")
        self._hit_marks(noflush)
        self.hardware.trace.note(self.lane, "reloads", f"table {number}{' without flushing' if noflush else ''}")
        try:
            self.device.resume(self._resumed, noflush)
        except ControlError as refusal:
            self.hardware.trace.note(self.lane, "refuses", str(refusal))

    # Healing.

    def heal(self) -> None:
        """Let I/O flow, and repair what misbehaves by its nature."""
        self.era.timers.cancel(self._resume)
        self.resume()
        self.era.settle()
        for target in self.device.live_targets():
            if isinstance(target, DustTarget):
                self.device.message(target.start, ["clearbadblocks"])
            elif isinstance(target, FlakeyTarget):
                self._replace_flakey()
                return

    def _replace_flakey(self) -> None:
        """By the same that is always up."""
        lines: list[str] = []
        for target in self.device.live_targets():
            words = target.status_table()
            if isinstance(target, FlakeyTarget):
                words = f"{target.device.devt} {target.offset} {ALWAYS_UP}"
            lines.append(f"{target.start} {target.length} {target.type_name} {words}")
        problem = self.era.reload(self.name, "\n".join(lines))
        assert not problem, problem
        self.device.resume(self._resumed)


class MapVerbs:
    """Of all mapped devices of an era, and of its queues."""

    def __init__(self, era: Era) -> None:
        self.era = era
        self.hardware = era.hardware
        self._devices = [DeviceVerbs(era, name) for name in era.devices]
        self.programs = Programs(era)

    def is_suspended(self) -> bool:
        """Whether a device holds I/O back."""
        for device in self._devices:
            if device.is_suspended():
                return True
        return False

    def _of(self, name: str) -> DeviceVerbs:
        return next(device for device in self._devices if device.name == (name or MAP_NAME))

    def apply(self, step: Step) -> None:
        """A step of MAP_STEPS or QUEUE_STEPS. What is refused changes nothing."""
        if step.kind in QUEUE_STEPS:
            self._set(step)
        elif step.kind == "message":
            self._of(step.target).message(step.word)
        elif step.kind == "dm":
            self.programs.start(step)
        elif step.kind == "suspend":
            self._of(step.target).suspend(step.amount == 1, step.duration_ns)
        else:
            self._of(step.target).reload(int(step.word), step.amount == 1)

    def _set(self, step: Step) -> None:
        """A device without a queue of its own has nothing to set, and a scheduler may have no such setting."""
        queue = self.era.queue_of(step.target or MAP_NAME)
        if queue is None:
            return
        if step.kind == "scheduler":
            queue.set_scheduler(step.word)
        elif step.kind == "nomerges":
            queue.nomerges = step.amount
        else:
            name, _, value = step.word.partition(" ")
            if name in queue.elevator.attributes():
                if queue.elevator.waiting():
                    self.hardware.marks.hit("scheduler tuned with I/O queued")
                queue.elevator.set_attribute(name, int(value))

    # Healing.

    def heal(self) -> None:
        """An operator puts right what an operator may have done, and sees to it that no ghost lands any more."""
        era = self.era
        self.programs.end()
        for device in self._devices:
            device.heal()
            era.settle()
        for path in era.paths:
            path.forbid_ghosts()
        for watch in era.watches:
            self._heal_map(watch)

    def reinstate(self) -> None:
        """By hand what nobody else will: what a hand has failed, and what no manager can probe."""
        for watch in self.era.watches:
            self._reinstate(watch)

    def _heal_map(self, watch: MapWatch) -> None:
        era = self.era
        if not watch.target().state.paths:
            era.reload(watch.name, era.tables_of(watch.name)[0])
            watch.device.resume(self._of(watch.name)._resumed)
            era.settle()
        target = watch.target()
        for number in range(1, len(target.state.groups) + 1):
            watch.device.message(0, ["enable_group", str(number)])
        target.set_queue_if_no_path(True)
        self._reinstate(watch)

    def _reinstate(self, watch: MapWatch) -> None:
        for path in watch.target().state.paths:
            is_looked_after = watch.manager is not None and isinstance(path.device, PathDevice)
            if not path.is_active and (path.failed_by_user or not is_looked_after or _is_mismatch(path.device)):
                watch.device.message(0, ["reinstate_path", path.device.devt])


def _is_mismatch(device: BlockDevice) -> bool:
    """Whether it was found to lead to another disk, and nobody has said since that it may be right again."""
    return isinstance(device, PathDevice) and device.requests.driver.mismatch != ""
