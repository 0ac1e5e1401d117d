"""What waits for a tag of a path that is demoted goes back to be mapped elsewhere, as it would if the path failed.

Unlike then (RequestQueue.bounce) only I/O of the map that has decided so is moved, and the path is blamed for nothing: it is
given back as *not sent* with RESOURCE, which is nobody's error. Probes, other maps' I/O, whatever was merged with those, and
what the flush machine has begun stay where they are: the path does work.
"""

from hawser.block.request import NOT_SENT, Request
from hawser.core.status import RESOURCE
from hawser.dm.clone import CloneBio
from hawser.dm.target import Target
from hawser.multipath.disk import PathDevice
from hawser.multipath.path import Path


def give_back_waiting(device: PathDevice, target: Target, paths: list[Path]) -> int:
    """Give back, undispatched, what `target`, whose paths are `paths`, has waiting at `device`; how many requests that was."""
    queue = device.requests
    stays: list[Request] = []
    goes: list[Request] = []
    for request in queue.take_waiting():
        is_own = (request.owner is queue and _is_of(request, target)) or _is_clone_over(request, paths)
        (goes if is_own else stays).append(request)
    queue.put_back(stays)
    for request in goes:
        queue.deliver(request, RESOURCE, NOT_SENT)
    if stays:
        queue.schedule()
    return len(goes)


def _is_of(request: Request, target: Target) -> bool:
    """Bio-based: whether all bios in it are what `target` has mapped here itself."""
    for bio in request.bios:
        if not isinstance(bio, CloneBio) or bio.target is not target:
            return False
    return len(request.bios) > 0


def _is_clone_over(request: Request, paths: list[Path]) -> bool:
    """Request-based: whether it is a clone for one of `paths`. Such a one waits here only where there is no feedback."""
    context = request.context
    return isinstance(context, Path) and context in paths
