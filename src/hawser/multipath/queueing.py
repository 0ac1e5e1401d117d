"""What to do when no path is left: queue or fail, as the table and its user say, and as suspends set aside for a while.

Linux: queue_if_no_path(), multipath_presuspend(), multipath_postsuspend() and multipath_resume() of drivers/md/dm-mpath.c. A
flush suspend cannot end while I/O is parked, so it turns queueing off and resume restores it; so does, bio-based, a noflush one,
whose parked bios are handed back instead.

The no-path timer (enable_nopath_timeout()) turns queueing off for good when the machine allows a map without paths only so long
(hawser.dm.parameters). It runs from the moment at which there is none and the map queues, until a path is reinstated.

Linux counts off twice what has failed on a path and then finds none: its selector is told of the end when the path fails, and
once more when the parked bio is ended for want of a path, as process_queued_bios() ends it by bio_endio() and it still names that
path. `queue-length` says -1 in flight of it then, and prefers it for ever. And a suspend that is interrupted leaves queueing off,
as nobody undoes multipath_presuspend(). Nobody is served like that; a machine that is compared with Linux does the same
(`faithful` of hawser.dm.parameters).
"""

from mypy_extensions import mypyc_attr

from hawser.core.clock import Timer
from hawser.core.trace import PARKED
from hawser.core.units import NS_PER_S
from hawser.dm.clone import CloneBio
from hawser.dm.target import BIO_BASED, KILL, REQUEUE, SUBMITTED, TargetContext
from hawser.multipath.disk import SharedDisk
from hawser.multipath.path import Path
from hawser.multipath.waiting import WaitingRoom


@mypyc_attr(allow_interpreted_subclasses=True)
class Sleeper:
    """Who looks at I/O that is on its way, and does not while there is none."""

    def wake(self) -> None:
        """Something is mapped to a path. It is no sleeper any more."""
        raise NotImplementedError


class _NoPathTimer(Timer):
    def __init__(self, target: "Queueing") -> None:
        super().__init__()
        self.target = target

    def expire(self) -> None:
        self.target.no_path_for_long()


class Queueing(WaitingRoom):
    """The part of Multipath that decides whether to wait for a path."""

    def __init__(
        self, context: TargetContext, start: int, length: int, disk: SharedDisk, queue_if_no_path: bool
    ) -> None:
        super().__init__(context, start, length, disk)
        # As it is now, and as it will be again when a suspend that has turned it off is over.
        self.queue_if_no_path = queue_if_no_path
        self._saved_queue_if_no_path = False
        self._is_set_aside = False
        self.is_suspended = False
        self.sleeper: Sleeper | None = None
        self.parameters = context.devices.module_parameters()
        self._no_path_timer = _NoPathTimer(self)
        self._faithful = self.parameters.faithful
        # On which path each parked bio was tried last; of a faithful one, which counts off twice.
        self._tried: dict[CloneBio, Path] = {}

    def wait_for_path(self, valid_paths: int) -> None:
        """Something has happened after which there may be no path, and queueing may be on: then its time begins."""
        seconds = self.parameters.queue_if_no_path_timeout_secs
        if seconds and valid_paths == 0 and self.queue_if_no_path:
            self.context.timers.arm(self._no_path_timer, seconds * NS_PER_S)

    def wait_no_more(self) -> None:
        self.context.timers.cancel(self._no_path_timer)

    def no_path_for_long(self) -> None:
        """The no-path timer has expired."""
        self.context.log.warning(f"multipath: queue_if_no_path timeout on {self.host.name()}, failing queued IO")
        self.set_queue_if_no_path(False)

    def destroy(self) -> None:
        self.wait_no_more()
        super().destroy()

    def _park_tried(self, clone: CloneBio, path: Path) -> None:
        """It has failed on this path, and is to be mapped once more."""
        if self._faithful:
            self._tried[clone] = path
        self._park_for_replay(clone)

    def _park_without_path(self, clone: CloneBio) -> int:
        """What to do with a bio for which there is no path."""
        if self.queue_if_no_path:
            self._park(clone)
            if clone.life is not None:
                clone.life.note(PARKED, "until there is a path")
            return SUBMITTED
        if self._tried:
            path = self._tried.pop(clone, None)
            if path is not None:
                path.group.selector.end_io(path, clone.size, clone.mapped_ns)
        return REQUEUE if self.handing_back else KILL

    def replay(self) -> None:
        super().replay()
        if self._tried:
            # The others have a path again.
            self._tried = {clone: self._tried[clone] for clone in self._parked if clone in self._tried}

    def set_queue_if_no_path(self, on: bool) -> None:
        """Turned off, what was parked is mapped once more, and fails if there is still no path.

        Unlike the kernel: while a suspend has turned it off, turning it on again waits for the resume, as the suspend might else
        never end.
        """
        if self._is_set_aside and not self._faithful:
            self._saved_queue_if_no_path = on
        else:
            self.queue_if_no_path = on
            if not on:
                self._saved_queue_if_no_path = False
        if not on:
            self.kick()

    def wants_to_queue(self) -> bool:
        """Whether I/O without a path waits, or will when a suspend is over."""
        return self._saved_queue_if_no_path if self._is_set_aside else self.queue_if_no_path

    def is_leaving(self) -> bool:
        """Whether a suspend is under way, or complete: nothing shall be begun that nobody has asked for."""
        return self._is_set_aside or self.handing_back or self.is_suspended

    def presuspend(self, noflush: bool) -> None:
        if not noflush or self.kind == BIO_BASED:
            if self._is_set_aside and self._saved_queue_if_no_path and not self.queue_if_no_path:
                self.context.log.error(
                    f"multipath: {self.host.name()}: QIFNP disabled but saved as enabled, saving again loses state, not saving!"
                )
            else:
                self._saved_queue_if_no_path = self.queue_if_no_path
            self._is_set_aside = True
            self.queue_if_no_path = False
        if noflush:
            self.handing_back = True
            self._hand_back_fenced()
        self.kick()

    def presuspend_undo(self) -> None:
        if self._faithful:
            self.handing_back = False
        else:
            # Unlike the kernel, where queueing stays off when a suspend was interrupted.
            self.resume()

    def postsuspend(self) -> None:
        self.handing_back = False
        self.is_suspended = True

    def resume(self) -> None:
        self.handing_back = False
        self.is_suspended = False
        if self._is_set_aside:
            self._is_set_aside = False
            self.queue_if_no_path = self.queue_if_no_path or self._saved_queue_if_no_path

    def abandon(self) -> None:
        """The process ends: whatever waits behind a fence fails, as nothing will lift it any more."""
        self.abandoned = True
        self.handing_back = False
        self.fences_changed()
        self.kick()

    def kick(self) -> None:
        self._schedule_replay()
        self.host.kick_requeued()
