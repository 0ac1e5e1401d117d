"""What is left of a request that waits when the clients of some of its bios have gone away.

Linux has no counterpart: there a submitter cannot go away before its I/O has ended (DESIGN, Hard problems 7).
"""

from collections import deque

from hawser.block.bio import Bio
from hawser.block.request import Request


class Dropped:
    """`bios` of requests that the queue has made itself, `sequences`: whole requests of its flush machine, and `clones`:
    those from a device above, which knows what to do with the rest of them."""

    def __init__(self) -> None:
        self.bios: list[Bio] = []
        self.sequences: list[Request] = []
        self.clones: list[Request] = []


def without_dead(requests: deque[Request], dropped: Dropped) -> deque[Request]:
    """`requests` without the bios of dead clients, which go to `dropped`."""
    kept: deque[Request] = deque()
    for request in requests:
        kept.extend(drop_dead(request, dropped))
    return kept


def is_dead(request: Request) -> bool:
    """Whether a client of one of its bios has gone away."""
    return any(bio.client().dead for bio in request.bios)


def drop_dead(request: Request, dropped: Dropped) -> list[Request]:
    """What is left of an undispatched request without the bios of dead clients (they go to `dropped`): contiguous pieces."""
    if not is_dead(request):
        return [request]
    if request.original is not None:
        dropped.clones.append(request)
        return []
    if request.owner is not request.queue:
        dropped.sequences.append(request)
        return []
    request.queue.forget(request)
    pieces: list[Request] = []
    contiguous = False
    for bio in request.bios:
        if bio.client().dead:
            dropped.bios.append(bio)
            contiguous = False
            continue
        if contiguous:
            pieces[-1].bios.append(bio)
            pieces[-1].size += bio.size
            pieces[-1].segments += bio.segments
        else:
            pieces.append(request.piece(bio))
        contiguous = True
    return pieces
