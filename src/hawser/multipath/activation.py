"""Activation: a group that is entered is made usable by the hardware handlers of its paths, and I/O waits meanwhile (pg_init).

    a group is entered      it needs to be activated (`init_required`), and I/O is held (`queue_io`)
    an I/O is mapped        a round begins: every active path of the current group is activated, once, at once or after
                            `pg_init_delay_msecs`; the I/O is asked for again later (request-based) or parked (bio-based)
    a path has answered     ok; try again, up to `pg_init_retries` rounds, then the path fails; device busy: the group is
                            bypassed; anything else: the path fails
    all have answered       another round where one is wanted, else I/O flows

A path that is reinstated in the current group is activated by itself; I/O is not held, but a request-based map says that it is
busy. A suspend waits for what is under way, and begins no other round. Linux: pg_init_all_paths(), pg_init_done(),
activate_or_offline_path() and flush_multipath_work() of drivers/md/dm-mpath.c, 6.12; `seeds.md` 3.14.
"""

from typing import TYPE_CHECKING, Final

from hawser.core.clock import Timer
from hawser.core.trace import PARKED
from hawser.core.turn import Work
from hawser.core.units import NS_PER_MS
from hawser.dm.clone import CloneBio
from hawser.dm.target import DELAY_REQUEUE, KILL, SUBMITTED, TargetContext
from hawser.multipath.disk import PathDevice, SharedDisk
from hawser.multipath.path import Path
from hawser.multipath.queueing import Queueing
from hawser.multipath.state import PathEvents
from hawser.scsi.device import (
    DH_DEV_OFFLINED,
    DH_DEV_TEMP_BUSY,
    DH_IMM_RETRY,
    DH_NOSYS,
    DH_OK,
    DH_RES_TEMP_UNAVAIL,
    DH_RETRY,
    ActivationOwner,
)

if TYPE_CHECKING:
    from hawser.multipath.target import Multipath

DELAY_MSECS_DEFAULT: Final = 2000


class _Late(Timer):
    def __init__(self, path_activation: "PathActivation") -> None:
        super().__init__()
        self.path_activation = path_activation

    def expire(self) -> None:
        self.path_activation.begin()


class _Soon(Work):
    def __init__(self, path_activation: "PathActivation") -> None:
        self.path_activation = path_activation

    def run(self) -> None:
        self.path_activation.begin()


class PathActivation(ActivationOwner):
    """The work that activates one path. Linux: activate_path of struct pgpath."""

    def __init__(self, activation: "Activation", path: Path) -> None:
        self.activation = activation
        self.path = path
        self._is_pending = False
        self._late = _Late(self)
        self._soon = _Soon(self)

    def queue(self, delay_ns: int) -> bool:
        """Do it, now or after a delay. False when it is about to be done already."""
        if self._is_pending:
            return False
        self._is_pending = True
        context = self.activation.target.context
        if delay_ns:
            context.timers.arm(self._late, delay_ns)
        else:
            context.turn.defer(self._soon)
        return True

    def begin(self) -> None:
        self._is_pending = False
        path = self.path
        queue = path.device.queue
        scsi = path.device.scsi
        if not path.is_active or (queue is not None and queue.dying):
            self.activated(DH_DEV_OFFLINED)
        elif scsi is None:
            self.activated(DH_NOSYS)
        else:
            scsi.activate(self)

    def activated(self, result: int) -> None:
        self.activation.done(self.path, result)


class _Ear(PathEvents):
    def __init__(self, activation: "Activation") -> None:
        self.activation = activation

    def path_failed(self, path: Path, reason: str) -> None:
        """What is asked of it is answered all the same."""

    def path_reinstated(self, path: Path) -> None:
        self.activation.path_reinstated(path)

    def path_left(self, path: Path) -> None:
        """That is about its cache."""

    def device_left(self, device: PathDevice) -> None:
        """The same."""


class Activation:
    """Of one map with a hardware handler. `in_progress`: activations of paths that have not been answered."""

    def __init__(self, target: "Multipath") -> None:
        self.target = target
        self.state = target.state
        geometry = target.geometry
        self.handler_name = geometry.handler.name
        self.retries = geometry.pg_init_retries
        delay_msecs = geometry.pg_init_delay_msecs
        self.delay_ns = (DELAY_MSECS_DEFAULT if delay_msecs is None else delay_msecs) * NS_PER_MS
        self.in_progress = 0
        # Set while a suspend waits for the end of what is under way.
        self._is_disabled = False
        self._is_over = False
        self._works = {id(path): PathActivation(self, path) for path in self.state.paths}
        self.state.needs_init = True
        self.state.events.append(_Ear(self))

    def holds(self) -> bool:
        """Whether I/O has to wait for the current group."""
        return self.state.queue_io or self.state.init_required

    def start(self) -> bool:
        """Begin a round, unless one is under way. Whether there is something to wait for now."""
        state = self.state
        if self.in_progress or self._is_disabled:
            return False
        state.init_count += 1
        state.init_required = False
        group = state.current
        if group is None:
            return False
        delay_ns = self.delay_ns if state.delay_retry else 0
        for path in group.paths:
            if path.is_active:
                self._queue(path, delay_ns)
        return self.in_progress > 0

    def _queue(self, path: Path, delay_ns: int) -> None:
        if self._works[id(path)].queue(delay_ns):
            self.in_progress += 1

    def path_reinstated(self, path: Path) -> None:
        """In the current group it has to be activated, too, unless it is the only one: then a group is chosen anew."""
        if path.group is self.state.current and self.state.valid_paths > 1:
            self._queue(path, 0)

    def done(self, path: Path, result: int) -> None:
        """A path has answered. Linux: pg_init_done()."""
        if self._is_over:
            return
        state = self.state
        is_good = result == DH_OK
        is_delayed = False
        if result in (DH_RETRY, DH_IMM_RETRY, DH_RES_TEMP_UNAVAIL):
            is_good = True
            is_delayed = result == DH_RETRY
            if not self._may_retry():
                self.target.fail(path, f"could not be activated in {state.init_count} rounds")
        elif result == DH_DEV_TEMP_BUSY:
            state.bypass(path.group, True)
        elif result != DH_OK:
            if result == DH_NOSYS:
                self.target.context.log.error(
                    f"multipath: Could not failover the device: Handler scsi_dh_{self.handler_name} Error {result}."
                )
            self.target.fail(path, f"activating it has failed ({result})")
        if is_good and not state.init_required:
            state.activated(path.group)
        self.in_progress -= 1
        if self.in_progress == 0:
            self._round_ended(is_delayed)

    def _may_retry(self) -> bool:
        """Have another round, if there have not been too many."""
        if self.state.init_count > self.retries or self._is_disabled:
            return False
        self.state.init_required = True
        return True

    def _round_ended(self, is_delayed: bool) -> None:
        state = self.state
        if state.init_required:
            state.delay_retry = is_delayed
            if self.start():
                return
        state.queue_io = False
        if self._is_disabled:
            self._is_disabled = False
            self.target.host.look_again()
        self.target.kick()

    def quiesce(self) -> bool:
        """A suspend has seen all I/O come back: begin no other round. Whether nothing is under way."""
        self._is_disabled = self.in_progress > 0
        return not self._is_disabled

    def unquiesce(self) -> None:
        """The suspend was given up."""
        self._is_disabled = False

    def end(self) -> None:
        """The map is gone: what answers now answers nobody."""
        self._is_over = True


class Activating(Queueing):
    """The part of Multipath that waits for the activation of its groups. `activation`: where there is a hardware handler."""

    def __init__(
        self, context: TargetContext, start: int, length: int, disk: SharedDisk, queue_if_no_path: bool
    ) -> None:
        super().__init__(context, start, length, disk, queue_if_no_path)
        self.activation: Activation | None = None

    def _hold_bio(self, clone: CloneBio) -> int:
        """What to do with a bio while the group is being activated."""
        assert self.activation is not None
        if self.abandoned:
            return KILL
        self._park(clone)
        if clone.life is not None:
            clone.life.note(PARKED, "until the group is activated")
        self.activation.start()
        return SUBMITTED

    def _hold_request(self) -> int:
        """The same with a request."""
        assert self.activation is not None
        self.activation.start()
        return KILL if self.abandoned else DELAY_REQUEUE

    def quiesce(self) -> bool:
        return self.activation is None or self.activation.quiesce()

    def presuspend_undo(self) -> None:
        if self.activation is not None:
            self.activation.unquiesce()
        super().presuspend_undo()

    def destroy(self) -> None:
        if self.activation is not None:
            self.activation.end()
        super().destroy()
