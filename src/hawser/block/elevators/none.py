"""`none`: first in, first out, with the software queue's short backward merge scan.

Linux: blk-mq without an I/O scheduler; blk_bio_list_merge() scans at most 8 requests from the newest (block/blk-merge.c).
"""

from collections import deque
from itertools import islice
from typing import Final

from hawser.block.elevators.base import Elevator, register_elevator
from hawser.block.request import Request

MERGE_SCAN_MAX: Final = 8


class NoneElevator(Elevator):
    """A FIFO."""

    def __init__(self) -> None:
        self._fifo: deque[Request] = deque()

    def insert(self, request: Request) -> None:
        self._fifo.append(request)

    def merge_candidates(self, request: Request) -> list[Request]:
        return list(islice(reversed(self._fifo), MERGE_SCAN_MAX))

    def next(self) -> Request | None:
        return self._fifo.popleft() if self._fifo else None

    def waiting(self) -> int:
        return len(self._fifo)

    def requests(self) -> list[Request]:
        return list(self._fifo)


register_elevator("none", NoneElevator)
