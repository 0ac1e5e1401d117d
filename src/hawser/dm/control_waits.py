"""What of the control of mapped devices may have to wait: suspend, resume, and waiting for an event.

Linux: do_suspend(), do_resume() and dev_wait() in drivers/md/dm-ioctl.c, dm_suspend() and dm_wait_event() in dm.c. Each is a
generator of conditions (hawser.dm.condition); one that is closed before its end was interrupted, as by a signal, and undoes what
it had begun.
"""

from typing import Final

from hawser.core.clock import NEVER
from hawser.core.units import NS_PER_MS
from hawser.dm.condition import Condition, Waiting
from hawser.dm.control import Control
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.suspension import ControlError, ControlListener
from hawser.dm.target import TableError

GIVE_UP_AGAIN_NS: Final = 200 * NS_PER_MS


class _Heard(ControlListener):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.done = False
        self.was_cancelled = False
        self.error: TableError | None = None

    def suspended(self) -> None:
        self.done = True

    def cancelled(self) -> None:
        self.done = True
        self.was_cancelled = True

    def resumed(self, error: TableError | None) -> None:
        self.done = True
        self.error = error


class _Told(Condition):
    """A listener has heard how it went; or the time is over."""

    def __init__(self, heard: _Heard, deadline_ns: int = NEVER) -> None:
        super().__init__()
        self.heard = heard
        self.deadline_ns = deadline_ns

    def ready(self) -> bool:
        return self.heard.done


class _NotSuspending(Condition):
    """No suspend is under way."""

    def __init__(self, device: MappedDevice) -> None:
        super().__init__()
        self.device = device

    def ready(self) -> bool:
        return not self.device.is_suspending()


class _Event(Condition):
    """The device has another event number than that, or is gone."""

    def __init__(self, device: MappedDevice, event_nr: int) -> None:
        super().__init__()
        self.device = device
        self.event_nr = event_nr

    def ready(self) -> bool:
        return self.device.event_nr != self.event_nr or self.device.removed


def suspend(control: Control, device: MappedDevice, noflush: bool, lock_fs: bool = True) -> Waiting:
    """Hold the device's I/O back and wait until none is in flight. One that is suspended is left so.

    `lock_fs`: first what is cached above is written out, unless it is a noflush suspend.
    """
    if device.is_suspending():
        # Somebody else has the lock.
        yield _NotSuspending(device)
    if device.is_suspended():
        return
    if not noflush and lock_fs:
        yield from _freeze(control, device)
    heard = _Heard()
    device.suspend(noflush, heard)
    try:
        yield _Told(heard)
    finally:
        if not heard.done:
            device.cancel_suspend()
    if heard.was_cancelled:
        raise control.refuse("EINTR")


def _freeze(control: Control, device: MappedDevice) -> Waiting:
    """What is cached above is written out; if that fails the device stays as it is, though its targets have been told of the
    suspend. Linux: lock_fs() of __dm_suspend()."""
    if control.freeze is None:
        return
    device.prepare_suspend()
    went_well = False
    try:
        went_well = yield from control.freeze(device)
    finally:
        if not went_well:
            device.forget_preparation()
    if not went_well:
        raise control.refuse("EIO")


def resume(
    control: Control, device: MappedDevice, noflush: bool, lock_fs: bool = True, patience_ns: int = NEVER
) -> Waiting:
    """Make the inactive table live, if there is one (for which an active device is suspended first), and let I/O flow.

    Unlike the kernel: what is in flight is waited for no longer than `patience_ns`, and then given up, as often as it is sent
    again by another path.
    """
    if device.inactive is None:
        if device.is_suspended():
            try:
                device.resume()
            except ControlError as refusal:
                raise control.refuse(refusal.errno_name) from None
        return
    if device.table is not None and not device.is_suspended() and not noflush and lock_fs:
        yield from _freeze(control, device)
    heard = _Heard()
    try:
        if device.resume(heard, noflush):
            return
    except TableError as misfit:
        # (A variable of its own: in what mypyc compiles it would share the other one's type.)
        raise control.refuse_table(misfit) from None
    try:
        while not heard.done:
            deadline_ns = NEVER if patience_ns == NEVER else device.clock.now_ns + patience_ns
            yield _Told(heard, deadline_ns)
            if not heard.done:
                device.give_up()
                patience_ns = GIVE_UP_AGAIN_NS
    finally:
        if not heard.done:
            device.cancel_suspend()
    if heard.was_cancelled:
        raise control.refuse("EINTR")
    if heard.error is not None:
        raise control.refuse_table(heard.error)


def wait_event(device: MappedDevice, event_nr: int) -> Waiting:
    """Wait until the device's event number is not `event_nr`."""
    if device.event_nr == event_nr:
        yield _Event(device, event_nr)
