"""The verbs that may have to wait: suspend, resume, remove, remove_all, wipe_table.

lvm2: _simple(), _remove(), _remove_all() and _error_device() of dmsetup.c; dm_task_run() of libdm/ioctl/libdm-iface.c, which
tries a remove that is to be retried 25 times, 200 ms apart.
"""

from typing import Final

from hawser.core.clock import NEVER
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.dm.condition import Delay, WaitingBool
from hawser.dm.control_waits import resume as resume_device
from hawser.dm.control_waits import suspend as suspend_device
from hawser.dm.dmsetup.call import Call
from hawser.dm.dmsetup.change import show_node, tidy_nodes
from hawser.dm.dmsetup.show import put_info
from hawser.dm.dmsetup.task import Task, task_for
from hawser.dm.suspension import ControlError
from hawser.dm.table import TableLine

# How long `--force` waits for what is in flight, before it is given up: all of it within 5 s.
FORCE_PATIENCE_NS: Final = 3 * NS_PER_S
RETRIES: Final = 25
RETRY_DELAY_NS: Final = 200 * NS_PER_MS


def suspend(call: Call, words: list[str]) -> WaitingBool:
    task = task_for(call, words[0] if words else None)
    if task is None:
        return False
    device = task.find()
    if device is None:
        return task.failed("suspend", "ENXIO")
    try:
        yield from suspend_device(call.control, device, call.has("noflush"), not call.has("nolockfs"))
    except ControlError as error:
        return task.failed("suspend", error.errno_name)
    if call.has("verbose"):
        put_info(call, device)
    return True


def resume(call: Call, words: list[str]) -> WaitingBool:
    task = task_for(call, words[0] if words else None)
    if task is None:
        return False
    return (yield from _resume(call, task, call.has("noflush"), call.has("verbose"), NEVER))


def _resume(call: Call, task: Task, noflush: bool, shows: bool, patience_ns: int) -> WaitingBool:
    device = task.find()
    if device is None:
        return task.failed("resume", "ENXIO")
    try:
        yield from resume_device(call.control, device, noflush, not call.has("nolockfs"), patience_ns)
    except ControlError as error:
        return task.failed("resume", error.errno_name)
    show_node(call, device)
    if shows:
        put_info(call, device)
    return True


def remove(call: Call, words: list[str]) -> WaitingBool:
    if call.has("force") and words:
        # What uses it shall not hang on it: it gets errors first.
        if call.arguments.cookie:
            call.complain("WARNING: Use of cookie and --force is not compatible.")
        yield from _wipe(call, words[0])
    task = task_for(call, words[0] if words else None)
    if task is None:
        return False
    return (yield from _remove(call, task))


def _remove(call: Call, task: Task) -> WaitingBool:
    tries = RETRIES if call.has("retry") else 1
    for number in range(tries):
        if number:
            yield Delay(call.surroundings.now_ns() + RETRY_DELAY_NS)
        device = task.find()
        if device is None:
            return task.failed("remove", "ENXIO")
        name = device.name
        try:
            call.control.remove(device, call.has("deferred"))
            # At once, even if the device stays until its last user has gone.
            call.surroundings.remove_node(name)
            return True
        except ControlError as error:
            task.failed("remove", error.errno_name)
    return False


def remove_all(call: Call, words: list[str]) -> WaitingBool:
    call.control.remove_all(call.has("deferred"))
    if call.has("force"):
        for device in call.control.registry.all_mapped():
            yield from _wipe(call, device.name)
        call.control.remove_all(call.has("deferred"))
        left = len(call.control.registry.all_mapped())
        if left:
            call.complain(f"Unable to remove {left} device(s).")
    tidy_nodes(call)
    return True


def wipe_table(call: Call, words: list[str]) -> WaitingBool:
    if not words or not words[0]:
        return call.complain("No device specified.")
    return (yield from _wipe(call, words[0]))


def _wipe(call: Call, word: str) -> WaitingBool:
    """Put `error` in the place of a device's table."""
    task = task_for(call, word)
    if task is None:
        return False
    device = task.find()
    if device is None:
        task.failed("table", "ENXIO")
        return task.failed("reload", "ENXIO")
    table = device.inactive if call.has("inactive") else device.table
    size = table.size_sectors if table is not None else 0
    try:
        call.control.load(device, [TableLine(0, size, "error", [])], call.has("readonly"))
    except ControlError as error:
        return task.failed("reload", error.errno_name)
    patience_ns = FORCE_PATIENCE_NS if call.has("force") else NEVER
    done = yield from _resume(call, task, call.has("noflush") or call.has("force"), False, patience_ns)
    if not done:
        device.clear()
    return done
