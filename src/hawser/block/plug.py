"""Plug: the batch of one submitter, ordered over all the queues that it touches.

Linux: struct blk_plug (block/blk-core.c, blk-mq.c: blk_mq_add_to_plug, blk_mq_flush_plug_list; blk-merge.c:
blk_attempt_plug_merge). The order of the one list decides what merges: a new bio is compared with the newest request if that is
its own queue's; else, when the plug holds several queues, with the oldest request of its own queue, and with nothing more
(kernel transcripts 60 to 63).
"""

from typing import TYPE_CHECKING, Final

from hawser.block.bio import Bio
from hawser.block.merge import is_mergeable, try_merge
from hawser.block.request import Request
from hawser.core.units import KIB

if TYPE_CHECKING:
    from hawser.block.queue import RequestQueue

REQUESTS_MAX: Final = 32
REQUESTS_MAX_MULTIPLE: Final = 64
FLUSH_SIZE: Final = 128 * KIB


class Plug:
    """Made by the outermost submitter, who calls `finish` when its batch is complete."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.multiple = False

    def add(self, queue: "RequestQueue", bio: Bio) -> None:
        """Merge `bio` into what is here, or add a request for it; flush first when the plug is full."""
        requests = self.requests
        if requests:
            if self._merge(queue, bio):
                return
            count = len(requests)
            limit = REQUESTS_MAX_MULTIPLE if self.multiple else REQUESTS_MAX
            if count >= limit or requests[0].size >= FLUSH_SIZE:
                self.finish()
                requests = self.requests
            elif requests[count - 1].queue is not queue:
                self.multiple = True
        requests.append(Request(bio, queue, queue))

    def _merge(self, queue: "RequestQueue", bio: Bio) -> bool:
        if not is_mergeable(bio.op, bio.flags):
            return False
        requests = self.requests
        newest = requests[len(requests) - 1]
        if newest.queue is queue:
            return try_merge(newest, bio, queue.limits)
        if self.multiple:
            for request in requests:
                if request.queue is queue:
                    return try_merge(request, bio, queue.limits)
        return False

    def finish(self) -> None:
        """Hand everything to its queues, oldest queue first, and let their drivers commit. The plug may be used again."""
        requests = self.requests
        if not requests:
            return
        self.requests = []
        if not self.multiple:
            requests[0].queue.insert(requests)
            return
        self.multiple = False
        while requests:
            queue = requests[0].queue
            queue.insert([request for request in requests if request.queue is queue])
            requests = [request for request in requests if request.queue is not queue]
