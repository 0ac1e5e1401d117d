"""What a multipath map does with ioctls: which path one goes down that is not for the map itself.

Linux: multipath_prepare_ioctl() of drivers/md/dm-mpath.c. It takes its turn in the selector like an I/O of no size. There is no
failover: what goes wrong on the path goes back to who asked.
"""

from typing import TYPE_CHECKING

from hawser.dm.passage import IoctlError, Passage

if TYPE_CHECKING:
    from hawser.multipath.target import Multipath


def path_for_ioctl(target: "Multipath") -> Passage:
    """IoctlError: ENOTCONN while it would have to wait (for a path, or for its group to be activated); EIO without any path."""
    state = target.state
    path = state.choose(0)
    if path is not None and not state.queue_io:
        return Passage(path.device, target.length == path.device.size_sectors)
    if path is None and not target.queue_if_no_path:
        raise IoctlError("EIO", f"{target.host.name()}: no path is left")
    target.kick()
    if target.activation is not None and state.init_required:
        target.activation.start()
    raise IoctlError("ENOTCONN", f"{target.host.name()}: waits for a path")
