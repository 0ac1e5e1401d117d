"""Refit: what waits in a request-based device's own queue is made to fit a new table's limits and size.

Unlike the kernel: there such a request fails when it is inserted below (blk_insert_cloned_request()), and takes the path with
it. So it does on a machine that is faithful (hawser.dm.parameters).
"""

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.merge import segments_in
from hawser.block.request import Request
from hawser.block.split import SplitBio
from hawser.core.status import IOERR, NOTSUPP, OK


def refit(requests: list[Request], device: BlockDevice, faithful: bool) -> list[Request]:
    """`requests`, in order, those that do not fit `device` cut up. Bios that it cannot take at all are refused."""
    fitting: list[Request] = []
    for request in requests:
        # A clone from a device above cannot be cut here, that device would have to; nor can data of a flush sequence.
        if request.owner is not request.queue or _fits(request, device, faithful):
            fitting.append(request)
        else:
            fitting.extend(_cut(request, device))
    return fitting


def _fits(request: Request, device: BlockDevice, faithful: bool) -> bool:
    limits = device.limits
    request.count_segments(limits)
    is_larger = request.size > limits.max_bytes_of(request.op) or request.segments > limits.max_segments
    if is_larger and not faithful:
        return False
    for bio in request.bios:
        if device.check(bio) != OK:
            return False
    return True


def _cut(request: Request, device: BlockDevice) -> list[Request]:
    request.queue.forget(request)
    limits = device.limits
    most = limits.max_bytes_of(request.op) // limits.logical_block_size * limits.logical_block_size
    pieces: list[Request] = []
    is_open = False
    for bio in request.bios:
        status = _status(bio, most, device)
        if status != OK:
            device.refuse(bio, status)
            is_open = False
        elif bio.size - bio.done > most:
            pieces += [request.piece(part) for part in SplitBio(bio).pieces(most)]
            is_open = False
        else:
            last = pieces[-1] if is_open else None
            segments = segments_in(limits, bio)
            if last is not None and last.size + bio.size <= most and last.segments + segments <= limits.max_segments:
                last.bios.append(bio)
                last.size += bio.size
                last.segments += segments
            else:
                pieces.append(request.piece(bio))
                pieces[-1].segments = segments
            is_open = True
    return pieces


def _status(bio: Bio, most: int, device: BlockDevice) -> int:
    """Why a bio cannot be taken, or OK."""
    status = device.check(bio)
    if status == OK and bio.size - bio.done > most:
        if most == 0:
            return NOTSUPP
        if bio.done:
            # It is partly done already: a piece would not know of that.
            return IOERR
    return status
