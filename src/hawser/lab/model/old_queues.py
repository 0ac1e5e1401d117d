"""What the kernel once did and does not do any more, to compare with: queues and selectors of the laboratory alone.

- BypassingQueue: until Linux 5.4 a device with several hardware queues had its requests go straight to the driver, its I/O
  scheduler or no, and what found no tag waited in the dispatch list, where nothing merges (commit a12de1d42d ended that).
- Sticky: until Linux 4.6 a selector stayed with a path for `repeat_count` I/Os (rr_min_io in multipath.conf) before it was asked
  again.
"""

from hawser.block.queue import RequestQueue
from hawser.block.request import Request
from hawser.multipath.path import Path
from hawser.multipath.selectors.base import PathSelector


class BypassingQueue(RequestQueue):
    """Its elevator is there, and is asked for nothing by those who submit."""

    def issue(self, requests: list[Request]) -> None:
        for request in requests:
            if self._dispatch or self.quiesced or self.in_flight >= self.depth:
                request.cannot_merge = True
                self._dispatch.append(request)
                self.restart = True
            else:
                self._issue_directly(request)
        self.driver.commit()

    def insert(self, requests: list[Request]) -> None:
        self.issue(requests)


class Sticky(PathSelector):
    """Round-robin that stays with a path for `repeat` I/Os."""

    name = "sticky"

    def __init__(self, repeat: int) -> None:
        super().__init__()
        self.repeat = repeat
        self._left = repeat

    def select(self, size: int) -> Path | None:
        valid = self.valid
        if not valid:
            return None
        if self._left == 0:
            valid.append(valid.pop(0))
            self._left = self.repeat
        self._left -= 1
        return valid[0]
