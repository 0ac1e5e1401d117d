"""Plug: the batch of one submitter, ordered over all the queues that it touches.

Linux: struct blk_plug (block/blk-core.c; blk-mq.c: blk_add_rq_to_plug, blk_mq_flush_plug_list; blk-merge.c:
blk_attempt_plug_merge). The order of the one list decides what merges: a new bio is compared with the newest request if that is
its own queue's; else, when the plug has held several queues, with the oldest request of its own queue, and with nothing more
(kernel transcripts 60 to 63). What does not merge here is tried against what waits in the queue's elevator.

A submitter without a plug still has one per bio, of which nothing comes but that the request is handed over at once:
`Plug(False)`.
"""

from typing import TYPE_CHECKING, Final

from hawser.block.bio import Bio
from hawser.block.merge import MERGED, is_mergeable, try_merge
from hawser.block.ops import FLUSH, FUA, PREFLUSH
from hawser.block.request import Request
from hawser.core.units import KIB

if TYPE_CHECKING:
    from hawser.block.queue import RequestQueue

REQUESTS_MAX: Final = 32
REQUESTS_MAX_MULTIPLE: Final = 64
FLUSH_SIZE: Final = 128 * KIB

# The values of a queue's `nomerges`: all attempts, only the cheap ones, none.
MERGES_ALL: Final = 0
MERGES_SIMPLE: Final = 1
MERGES_NONE: Final = 2


class Plug:
    """Made by the outermost submitter, who calls `finish` when its batch is complete. `multiple`: it has held several queues."""

    def __init__(self, batch: bool = True) -> None:
        self.requests: list[Request] = []
        self.multiple = False
        self.batch = batch

    def add(self, queue: "RequestQueue", bio: Bio) -> None:
        """Merge `bio` into what is here or waits in its queue, or add a request for it; flush first when the plug is full."""
        op = bio.op
        flags = bio.flags
        mergeable = is_mergeable(op, flags)
        if mergeable:
            if queue.nomerges != MERGES_NONE and self._merge(queue, bio):
                return
        elif op == FLUSH or flags & (PREFLUSH | FUA):
            request = queue.flushes.take(bio)
            if request is not None:
                self.put(request)
            return
        request = Request(bio, queue, queue)
        if not mergeable:
            request.cannot_merge = True
        elif bio.segments != 1 or bio.size > queue.one_segment_bytes:
            request.count_segments(queue.limits)
        self.put(request)

    def put(self, request: Request) -> None:
        """Add a request; what is here goes first when there is no room. Linux: blk_add_rq_to_plug()."""
        requests = self.requests
        queue = request.queue
        if requests:
            limit = REQUESTS_MAX_MULTIPLE if self.multiple else REQUESTS_MAX
            if len(requests) >= queue.nr_requests:
                # Linux takes a request's tag when it is made; who waits for one hands over what is plugged.
                limit = min(limit, self._tags(queue))
            if len(requests) >= limit or (requests[0].size >= FLUSH_SIZE and queue.nomerges != MERGES_NONE):
                self.flush()
                requests = self.requests
            elif requests[0].queue is not queue:
                self.multiple = True
        requests.append(request)
        if not self.batch:
            self.finish()

    def _tags(self, queue: "RequestQueue") -> int:
        """How many requests of all queues may be here, as long as `queue` has tags for its own."""
        others = 0
        for request in self.requests:
            if request.queue is not queue:
                others += 1
        return queue.nr_requests + others

    def _merge(self, queue: "RequestQueue", bio: Bio) -> bool:
        requests = self.requests
        if requests:
            newest = requests[len(requests) - 1]
            if newest.queue is queue:
                if try_merge(newest, bio, queue.limits) == MERGED:
                    queue.note_merge(newest, bio)
                    return True
            elif self.multiple and self._merge_oldest(queue, bio):
                return True
        return queue.merges_waiting and queue.merge_waiting(bio)

    def _merge_oldest(self, queue: "RequestQueue", bio: Bio) -> bool:
        for request in self.requests:
            if request.queue is queue:
                if try_merge(request, bio, queue.limits) == MERGED:
                    queue.note_merge(request, bio)
                    return True
                return False
        return False

    def finish(self) -> None:
        """Hand everything to its queues and let their drivers commit. The plug may be used again, as a new one."""
        if self.requests:
            self.flush()
        self.multiple = False

    def flush(self) -> None:
        """Hand everything to its queues, oldest queue first; the batch goes on."""
        requests = self.requests
        self.requests = []
        if not self.multiple:
            requests[0].queue.issue(requests)
            return
        queues: list[RequestQueue] = []
        for request in requests:
            queue = request.queue
            if not queue.in_plug:
                queues.append(queue)
            queue.in_plug.append(request)
        batches: list[list[Request]] = []
        # All, before any is handed over: that may empty other plugs, with requests of the same queues.
        for queue in queues:
            batches.append(queue.in_plug)
            queue.in_plug = []
        for number, queue in enumerate(queues):
            queue.insert(batches[number])
