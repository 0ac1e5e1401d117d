"""`none`: first in, first out, with the software queue's short backward merge scan.

Linux: blk-mq without an I/O scheduler; blk_bio_list_merge() looks at no more than 8 requests, from the newest, and stops at
one that is a neighbour but may not merge (block/blk-merge.c). There is one software queue here, not one per processor.
"""

from collections import deque
from typing import TYPE_CHECKING, Final

from hawser.block.bio import Bio
from hawser.block.elevators.base import Elevator, register_elevator
from hawser.block.merge import FAILED, MERGED, try_merge
from hawser.block.request import Request

if TYPE_CHECKING:
    from hawser.block.dispatch import DispatchQueue

MERGE_SCAN_MAX: Final = 8


class NoneElevator(Elevator):
    """A FIFO."""

    sorts = False

    def __init__(self, queue: "DispatchQueue") -> None:
        super().__init__(queue)
        self._fifo: deque[Request] = deque()

    def insert(self, request: Request, at_head: bool) -> None:
        if at_head:
            self._fifo.appendleft(request)
        else:
            self._fifo.append(request)

    def merge(self, bio: Bio) -> Request | None:
        fifo = self._fifo
        for back in range(1, min(len(fifo), MERGE_SCAN_MAX) + 1):
            request = fifo[-back]
            result = try_merge(request, bio, self.queue.limits)
            if result == MERGED:
                return request
            if result == FAILED:
                break
        return None

    def peek(self) -> Request | None:
        return self._fifo[0] if self._fifo else None

    def next(self) -> Request | None:
        return self._fifo.popleft() if self._fifo else None

    def waiting(self) -> int:
        return len(self._fifo)

    def requests(self) -> list[Request]:
        return list(self._fifo)

    def take_all(self) -> list[Request]:
        taken = list(self._fifo)
        self._fifo.clear()
        return taken


register_elevator("none", NoneElevator)
