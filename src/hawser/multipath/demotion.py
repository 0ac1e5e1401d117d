"""Demoting the paths over a device (hawser.multipath.state), and promoting them.

What waits for a tag of such a device goes back to be mapped elsewhere, as it would if the path failed; what is in flight comes
back in its own time. Unlike then (RequestQueue.bounce) only I/O of the map that has decided so is moved, and the path is blamed
for nothing: it is given back as *not sent* with RESOURCE, which is nobody's error (request-based the stack takes it back).
Probes, other maps' I/O, whatever was merged with those, and what the flush machine has begun stay where they are: the path works.
"""

from hawser.block.request import NOT_SENT, Request
from hawser.core.status import RESOURCE
from hawser.dm.clone import CloneBio
from hawser.multipath.disk import PathDevice
from hawser.multipath.path import Path
from hawser.multipath.target import Multipath


def demote(target: Multipath, device: PathDevice, reason: str) -> None:
    """Use the paths of `target` over `device` only where there is no other. They are active still."""
    paths = target.state.over(device)
    for path in paths:
        target.state.demote(path, reason)
    if any(path.is_aside for path in paths):
        _give_back_waiting(device, target)


def promote(target: Multipath, device: PathDevice) -> None:
    """Use the paths of `target` over `device` like any other again."""
    for path in target.state.over(device):
        target.state.promote(path)


def _give_back_waiting(device: PathDevice, target: Multipath) -> None:
    """Give back, undispatched, what `target` has waiting at `device`."""
    queue = device.requests
    stays: list[Request] = []
    goes: list[Request] = []
    for request in queue.take_waiting():
        is_own = (request.owner is queue and _is_of(request, target)) or _is_clone_over(request, target.state.paths)
        (goes if is_own else stays).append(request)
    queue.put_back(stays)
    for request in goes:
        queue.deliver(request, RESOURCE, NOT_SENT)
    if stays:
        queue.schedule()


def _is_of(request: Request, target: Multipath) -> bool:
    """Bio-based: whether all bios in it are what `target` has mapped here itself."""
    for bio in request.bios:
        if not isinstance(bio, CloneBio) or bio.target is not target:
            return False
    return len(request.bios) > 0


def _is_clone_over(request: Request, paths: list[Path]) -> bool:
    """Request-based: whether it is a clone for one of `paths`. Such a one waits here only where there is no feedback."""
    context = request.context
    return isinstance(context, Path) and context in paths
