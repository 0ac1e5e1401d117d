"""Suspension: a device holds its I/O back, so that its table can be swapped.

    active -> suspending   new I/O is held back, targets let go of what is parked, what is in flight comes back
    suspending -> suspended   nothing is in flight any more (but for withheld writes, when it is a noflush suspend)
    suspending -> active   cancelled: everything is undone
    suspended -> active   resumed, perhaps with another table

A flush suspend that somebody asked for also waits, for a while, until ghosts have settled (writes that were given up, and may
still take effect below): who suspends a device to copy its disk does not want them in the copy. One that only swaps a table
need not: fences outlive tables. Linux has no counterpart.

Bio-based devices keep the bios that come meanwhile, in order; request-based ones keep them in their own queue, where they may
merge. Linux: __dm_suspend() and __dm_resume() in drivers/md/dm.c; `seeds.md` 3.11. Where the kernel sleeps a listener waits here.
"""

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio
from hawser.block.plug import Plug
from hawser.block.request import NOT_SENT
from hawser.core.clock import Timer
from hawser.core.status import IOERR, RESOURCE
from hawser.core.turn import Work
from hawser.core.units import NS_PER_S
from hawser.dm.clone import CloneBio
from hawser.dm.target import TableError

if TYPE_CHECKING:
    from hawser.dm.mapped_device import MappedDevice

ACTIVE: Final = 0
SUSPENDING: Final = 1
SUSPENDED: Final = 2

# Bios that a suspended device keeps before it pushes back.
DEFERRED_MAX: Final = 1024
# So long a flush suspend waits for ghosts alone; then it says which have not settled.
GHOSTS_NS: Final = 5 * NS_PER_S


class ControlError(ValueError):
    """A control verb that cannot be done now; `errno_name` is what the ioctl would give."""

    def __init__(self, message: str, errno_name: str) -> None:
        super().__init__(message)
        self.errno_name = errno_name


@mypyc_attr(allow_interpreted_subclasses=True)
class ControlListener:
    """Who waits for a suspend, or for a resume that has to suspend first. Called within a turn, once."""

    def suspended(self) -> None:
        """Nothing is in flight any more."""

    def cancelled(self) -> None:
        """The suspend was given up, and so was a resume that waited for it."""

    def resumed(self, error: TableError | None) -> None:
        """The new table is live; or it was refused, and the device stays suspended with its old one."""


class _Told(Work):
    """Tells those who waited, once the stack has unwound."""

    def __init__(self, listeners: list[ControlListener], suspended: bool) -> None:
        self.listeners = listeners
        self.suspended = suspended

    def run(self) -> None:
        for listener in self.listeners:
            if self.suspended:
                listener.suspended()
            else:
                listener.cancelled()


class _GhostsLate(Timer):
    def __init__(self, suspension: "Suspension") -> None:
        super().__init__()
        self.suspension = suspension

    def expire(self) -> None:
        self.suspension.ghosts_late()


class Suspension(Work):
    """Of one device. It is the deferred work that looks whether everything has come back."""

    def __init__(self, device: "MappedDevice") -> None:
        self.device = device
        self.state = ACTIVE
        self.noflush = False
        # Handed back by targets, and come since; they are issued again in this order.
        self.returned: list[Bio] = []
        self.deferred: list[Bio] = []
        self._suspenders: list[ControlListener] = []
        self._resumers: list[ControlListener] = []
        self._then_resume = False
        # Whether targets know already of the suspend that is to come.
        self.prepared = False
        # Whether ghosts are waited for, too.
        self._heeds_ghosts = False
        self._ghosts_late = _GhostsLate(self)

    def begin(self, noflush: bool, listener: ControlListener | None) -> None:
        """Suspend, or join a suspend of the same kind that is under way."""
        if self.state == SUSPENDING and self.noflush != noflush:
            raise ControlError("A suspend of another kind is under way.", "EBUSY")
        listeners = [listener] if listener is not None else []
        if self.state == SUSPENDED:
            self.device.turn.defer(_Told(listeners, True))
            return
        self._suspenders += listeners
        if self.state == ACTIVE:
            self._start(noflush)
            if self._heeds_ghosts and self.device.ghosts():
                self.device.timers.arm(self._ghosts_late, GHOSTS_NS)

    def prepare(self) -> None:
        """Tell the targets before what is cached above is written out. Linux: __dm_suspend(). If that fails, they are not told:
        queueing stays off until a resume."""
        if self.state == ACTIVE:
            self._tell_targets(False)

    def _tell_targets(self, noflush: bool) -> None:
        """Unless they know."""
        if not self.prepared:
            self.prepared = True
            for target in self.device.live_targets():
                target.presuspend(noflush)

    def then_resume(self, noflush: bool, listener: ControlListener | None) -> None:
        """Suspend (if need be), and resume as soon as that is done."""
        if listener is not None:
            self._resumers.append(listener)
        self._then_resume = True
        if self.state == ACTIVE:
            self._start(noflush)

    def _start(self, noflush: bool) -> None:
        device = self.device
        self.state = SUSPENDING
        self.noflush = noflush
        self._heeds_ghosts = not noflush and not self._then_resume
        self._tell_targets(noflush)
        self.prepared = False
        device.close(noflush)
        device.turn.defer(self)

    def run(self) -> None:
        """Something has come back: was it the last?"""
        if self.state == SUSPENDING and self._outstanding() <= 0 and not self._waits_for_ghosts():
            self._finish()

    def _targets_are_quiet(self) -> bool:
        quiet = True
        for target in self.device.live_targets():
            quiet = target.quiesce() and quiet
        return quiet

    def _waits_for_ghosts(self) -> bool:
        if not self._heeds_ghosts or not self.device.ghosts():
            return False
        if not self._ghosts_late.is_armed():
            self.device.timers.arm(self._ghosts_late, GHOSTS_NS)
        return True

    def ghosts_late(self) -> None:
        """They are not waited for any longer (but I/O that waits behind one is)."""
        device = self.device
        for ghost in device.ghosts():
            device.log.warning(f"{device.name}: suspended, but not settled: {ghost}")
        self._heeds_ghosts = False
        device.turn.defer(self)

    def _outstanding(self) -> int:
        count = self.device.in_flight()
        return count - self.device.withheld() if self.noflush and count else count

    def _finish(self) -> None:
        if not self._targets_are_quiet():
            return
        device = self.device
        self.state = SUSPENDED
        device.timers.cancel(self._ghosts_late)
        device.drained()
        for target in device.live_targets():
            target.postsuspend()
        listeners = self._suspenders
        self._suspenders = []
        for listener in listeners:
            listener.suspended()
        if self._then_resume:
            self._resume()

    def _resume(self) -> None:
        self._then_resume = False
        listeners = self._resumers
        self._resumers = []
        error: TableError | None = None
        try:
            if self.state == SUSPENDED:
                self.device.resume_now()
        except TableError as found:
            error = found
        for listener in listeners:
            listener.resumed(error)

    def cancel(self) -> None:
        """Undo a suspend that is not complete."""
        assert self.state == SUSPENDING
        device = self.device
        for target in device.live_targets():
            target.presuspend_undo()
        listeners = self._suspenders + self._resumers
        self._suspenders = []
        self._resumers = []
        self._then_resume = False
        self.end()
        device.turn.defer(_Told(listeners, False))

    def end(self) -> None:
        """I/O flows again: first what was held back, in order."""
        self.state = ACTIVE
        bios = self.returned + self.deferred
        self.returned = []
        self.deferred = []
        device = self.device
        device.timers.cancel(self._ghosts_late)
        device.open()
        plug = Plug()
        for bio in bios:
            device.submit(bio, plug)
        plug.finish()

    def keep(self, bio: Bio) -> None:
        """A bio that came while the device cannot take it."""
        self.deferred.append(bio)

    def held_back(self) -> int:
        return len(self.returned) + len(self.deferred)

    def bounce(self) -> None:
        """The path that leads here has failed: what came from a map above, and waits for the resume, goes back. Clients of the
        device itself wait on."""
        clones = [bio for bio in self.deferred if isinstance(bio, CloneBio)]
        self.deferred = [bio for bio in self.deferred if not isinstance(bio, CloneBio)]
        for bio in clones:
            bio.fate = NOT_SENT
            self.device.refuse(bio, RESOURCE)

    def cancel_dead(self) -> None:
        """Fail what is kept for clients that are dead."""
        dead = [bio for bio in self.returned + self.deferred if bio.client().dead]
        if dead:
            # In place: the stack hands back into this very list.
            self.returned[:] = [bio for bio in self.returned if not bio.client().dead]
            self.deferred[:] = [bio for bio in self.deferred if not bio.client().dead]
            for bio in dead:
                bio.complete(IOERR)

    def abandon(self) -> None:
        """Nobody will resume the device: what it keeps fails. A suspend that is under way is given up."""
        if self.state == SUSPENDING:
            self.cancel()
        elif self.state == SUSPENDED:
            for bio in self.returned + self.deferred:
                self.device.refuse(bio, IOERR)
            self.returned = []
            self.deferred = []
