"""What an operator does to the map in a run: messages, suspend and resume, reload; and what puts it right in the end."""

from hawser.core.clock import Timer
from hawser.dm.suspension import ACTIVE, ControlError, ControlListener
from hawser.dm.target import MessageError, TableError
from hawser.lab.era import Era
from hawser.lab.plan import Step
from hawser.multipath.disk import PathDevice


class _Resume(Timer):
    def __init__(self, verbs: "MapVerbs") -> None:
        super().__init__()
        self.verbs = verbs

    def expire(self) -> None:
        self.verbs.resume()


class _Resumed(ControlListener):
    """A table that turns out not to fit leaves the device suspended with its old one: the operator resumes that."""

    def __init__(self, verbs: "MapVerbs") -> None:
        self.verbs = verbs

    def resumed(self, error: TableError | None) -> None:
        if error is not None:
            self.verbs.refused(error)


class MapVerbs:
    """Of one era's map."""

    def __init__(self, era: Era) -> None:
        self.era = era
        self.hardware = era.hardware
        self._resume = _Resume(self)
        self._resumed = _Resumed(self)

    def is_suspended(self) -> bool:
        """Whether I/O is held back: the suspend may be on its way still."""
        return self.era.map._suspension.state != ACTIVE

    def apply(self, step: Step) -> None:
        """A step of MAP_STEPS. What is refused changes nothing."""
        if step.kind == "message":
            self._message(step.word)
        elif step.kind == "suspend":
            self._suspend(step.amount == 1, step.duration_ns)
        else:
            self._reload(int(step.word), step.amount == 1)

    def _message(self, text: str) -> None:
        words = self.era.words(text).split()
        if words and words[0] == "reinstate_path" and any(path.link.server.is_wrong() for path in self.era.paths):
            # Who reinstates a path by hand vouches for its disk, and these would lie.
            return
        before = self.era.target().status_info()
        try:
            self.era.map.message(0, words)
        except MessageError as refusal:
            self.hardware.marks.hit("message refused")
            self.hardware.trace.note("map", "refuses", f"{' '.join(words)}: {refusal}")
            assert self.era.target().status_info() == before, "a refused message has changed something"

    def _suspend(self, noflush: bool, duration_ns: int) -> None:
        if self.is_suspended():
            return
        self._hit_marks(noflush)
        self.hardware.trace.note("map", "suspends", "without flushing" if noflush else "")
        self.era.map.suspend(noflush)
        self.era.timers.arm(self._resume, duration_ns)

    def _hit_marks(self, noflush: bool) -> None:
        """What a suspend meets."""
        marks = self.hardware.marks
        target = self.era.target()
        own = self.era.map.queue
        waiting = own.waiting() if own is not None else 0
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
        device = self.era.map
        if not self.is_suspended():
            return
        if device._suspension.held_back() or (device.queue is not None and device.queue.waiting()):
            self.hardware.marks.hit("deferred while suspended")
        self.hardware.trace.note("map", "resumes")
        try:
            device.resume(self._resumed)
        except TableError as refusal:
            self.refused(refusal)

    def refused(self, refusal: TableError) -> None:
        """The new table is gone."""
        self.hardware.trace.note("map", "refuses", str(refusal))
        self.era.map.resume()

    def _reload(self, number: int, noflush: bool) -> None:
        problem = self.era.reload(number)
        if problem:
            self.hardware.trace.note("map", "refuses", f"table {number}: {problem}")
            return
        if self.is_suspended():
            # Whoever resumes it makes the new table live.
            return
        if any(path.outstanding() for path in self.era.paths):
            self.hardware.marks.hit("reloaded under load")
        self._hit_marks(noflush)
        self.hardware.trace.note("map", "reloads", f"table {number}{' without flushing' if noflush else ''}")
        try:
            self.era.map.resume(self._resumed, noflush)
        except ControlError as refusal:
            self.hardware.trace.note("map", "refuses", str(refusal))

    def heal(self) -> None:
        """An operator puts right what an operator may have done, and sees to it that no ghost lands any more."""
        era = self.era
        era.timers.cancel(self._resume)
        self.resume()
        era.settle()
        for path in era.paths:
            path.forbid_ghosts()
        if not era.target().state.paths:
            era.reload(0)
            era.map.resume(self._resumed)
            era.settle()
        target = era.target()
        for number in range(1, len(target.state.groups) + 1):
            era.map.message(0, ["enable_group", str(number)])
        target.set_queue_if_no_path(True)
        self.reinstate()
        if era.device is not era.map and "multipath-above" in self.era.plan.stack:
            era.device.message(0, ["reinstate_path", era.map.devt])

    def reinstate(self) -> None:
        """By hand what nobody else will: what a hand has failed, and what no manager can probe."""
        for path in self.era.target().state.paths:
            is_looked_after = self.era.manager is not None and isinstance(path.device, PathDevice)
            if not path.is_active and (path.failed_by_user or not is_looked_after):
                self.era.map.message(0, ["reinstate_path", path.device.devt])
