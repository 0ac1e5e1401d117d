"""The messages of a multipath map. Linux: multipath_message() and action_dev() of drivers/md/dm-mpath.c; `seeds.md` 3.15.

    queue_if_no_path  fail_if_no_path                     what becomes of I/O without a path
    fail_path DEV  reinstate_path DEV                     every path over that device
    disable_group N  enable_group N  switch_group N       groups, from 1

Their names are read without regard to case.
"""

from typing import TYPE_CHECKING, Final

from hawser.dm.arguments import look_up
from hawser.dm.target import MessageError, TableError
from hawser.multipath.path import Path

if TYPE_CHECKING:
    from hawser.multipath.target import Multipath

# Why a device cannot be opened for a table, though there may be one of that number.
ABOUT_OPENING: Final = ("ENXIO", "EBUSY", "EACCES", "EROFS")


def obey(target: "Multipath", words: list[str]) -> None:
    """MessageError, with the kernel's words, when it is refused; then nothing has changed."""
    count = len(words)
    verb = words[0].lower() if words else ""
    if count == 1 and verb == "queue_if_no_path":
        target.set_queue_if_no_path(True)
        target.wait_for_path(target.state.valid_paths)
    elif count == 1 and verb == "fail_if_no_path":
        target.set_queue_if_no_path(False)
        target.wait_no_more()
    elif count == 2 and verb in ("disable_group", "enable_group"):
        target.state.set_bypassed(words[1], verb == "disable_group")
    elif count == 2 and verb == "switch_group":
        target.state.switch_group(words[1])
    elif count == 2 and verb in ("fail_path", "reinstate_path"):
        _obey_about_path(target, verb, words[1])
    elif count != 2:
        raise MessageError(f"Invalid multipath message arguments. Expected 2 arguments, got {count}.")
    else:
        raise MessageError(f"Unrecognised multipath message received: {words[0]}")


def _obey_about_path(target: "Multipath", verb: str, name: str) -> None:
    paths: list[Path] = []
    try:
        paths = target.state.over(look_up(target.context.devices, "", name, "error getting device"))
    except TableError as error:
        # A number is one, whether there is such a device or not, and it does not matter who else uses it.
        if error.errno_name not in ABOUT_OPENING:
            raise MessageError(f"message: error getting device {name}", error.errno_name) from None
    if not paths:
        raise MessageError(f"message: {name} is not a path of this device", is_logged=False)
    for path in paths:
        if verb == "fail_path":
            path.failed_by_user = True
            target.fail(path, "")
        elif path.is_active or not target.state.must_look_first(path):
            target.reinstate(path)
