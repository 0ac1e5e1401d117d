"""DispatchQueue: how requests get from a plug to the driver: directly, or through the elevator; and what happens when it is full.

Linux: blk-mq of 6.12 (block/blk-mq.c: blk_mq_flush_plug_list, blk_mq_dispatch_rq_list, blk_insert_cloned_request; blk-mq-sched.c:
blk_mq_sched_dispatch_requests); `seeds.md` 3.7. One hardware queue. The rules:

- without an elevator (`none`) requests go to the driver one by one, in order; with one they go through it;
- what the driver refuses (RESOURCE, DEV_RESOURCE) goes to the dispatch list. It is first in line and merges no more;
- a run of the queue sends the dispatch list first, and only if all of that went asks the elevator, one request at a time
  while the queue has lately been refused (`dispatch_busy`);
- after a refusal the queue is run again at once if nothing has done so since; else a RESOURCE is tried again after 3 ms and a
  DEV_RESOURCE when something that is in flight has ended (`restart`).

Unlike the kernel, where a submitter sleeps until there is a tag for its request, requests without one wait in the elevator
(`none` has a list too), bounded and still mergeable: to what comes later they look the same.
"""

from collections import deque
from typing import Final

from hawser.block.bio import Bio
from hawser.block.driver import Driver
from hawser.block.elevators.base import Elevator
from hawser.block.elevators.none import NoneElevator
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD
from hawser.block.request import IDLE, IN_FLIGHT, Request, RequestOwner
from hawser.block.stats import DiskStats
from hawser.core.clock import Clock, Timer, Timers
from hawser.core.status import DEV_RESOURCE, IOERR, NOTSUPP, OFFLINE, OK, RESOURCE, status_name
from hawser.core.trace import WAITS
from hawser.core.turn import Turn, Work
from hawser.core.units import NS_PER_MS

DEPTH_DEFAULT: Final = 128
# Linux: BLK_MQ_RESOURCE_DELAY, the rerun after a refusal that no completion of the queue's own may end.
RESOURCE_DELAY_NS: Final = 3 * NS_PER_MS
# Linux: the delay of dm-rq's old loop when it left a request for its neighbours to catch up (`merge_deadline_ns`).
MERGE_DELAY_NS: Final = 10 * NS_PER_MS
# Linux: BLK_MQ_DISPATCH_BUSY_EWMA_WEIGHT and 1 << BLK_MQ_DISPATCH_BUSY_EWMA_FACTOR.
_BUSY_WEIGHT: Final = 8
_BUSY_STEP: Final = 16
# Linux: BLKDEV_DEFAULT_RQ; an elevator has twice the smaller of this and the depth.
REQUESTS_DEFAULT: Final = 128


class _Run(Work):
    def __init__(self, queue: "DispatchQueue") -> None:
        self.queue = queue

    def run(self) -> None:
        self.queue.rerun()


class _Delayed(Timer):
    """Runs the queue when its time has come (Linux: blk_mq_delay_run_hw_queue)."""

    def __init__(self, queue: "DispatchQueue") -> None:
        super().__init__()
        self.queue = queue

    def expire(self) -> None:
        self.queue.schedule()


class _PromiseEnds(Work):
    """Whom a tag was promised to has had its chance: it is anybody's."""

    def __init__(self, queue: "DispatchQueue") -> None:
        self.queue = queue

    def run(self) -> None:
        self.queue.promised_to = None


class DispatchQueue(RequestOwner):
    """`depth` tags; `in_flight` counts those in use, that is requests from dispatch until their owner was told of their end.

    `nomerges` is the queue's attribute of that name. `feedback` off: it takes whatever is inserted from above and says that it is
    not busy, as path devices did before the RFC of 2008; then merging above dies. `merge_deadline_ns`: see `_waits_to_merge`.
    """

    def __init__(
        self, name: str, driver: Driver, limits: QueueLimits, turn: Turn, timers: Timers, depth: int = DEPTH_DEFAULT
    ) -> None:
        assert depth >= 1
        self.name = name
        self.driver = driver
        self.limits = limits
        # Up to this size a bio whose data is one view is one segment.
        self.one_segment_bytes = limits.max_segment_size
        self.turn = turn
        self.timers = timers
        self.clock: Clock = timers.clock
        self.depth = depth
        self.nr_requests = depth
        self.in_flight = 0
        self.quiesced = False
        # What is behind it is gone: whoever asks shall come and be failed rather than wait (Linux: QUEUE_FLAG_DYING).
        self.dying = False
        self.nomerges = 0
        self.feedback = True
        self.stats = DiskStats()
        self.elevator: Elevator = NoneElevator(self)
        self.sorts = False
        self.scheduler = "none"
        # Whether something waits that a new bio may be merged into.
        self.merges_waiting = False
        self.dispatch_busy = 0
        self.restart = False
        self.merge_deadline_ns = 0
        self._last_start_ns = 0
        self._last_end = -1
        self._last_op = 0
        # What a plug that is being emptied has for this queue.
        self.in_plug: list[Request] = []
        self._dispatch: deque[Request] = deque()
        # Queues of devices above that have nothing in flight and found no tag here: who frees one wakes only itself.
        self.starved: list[DispatchQueue] = []
        self.promised_to: DispatchQueue | None = None
        self._promise_ends = _PromiseEnds(self)
        self._scheduled = False
        self._run = _Run(self)
        self._delayed = _Delayed(self)

    # From a plug.

    def issue(self, requests: list[Request]) -> None:
        """Requests of a plug that held this queue's alone. Linux: blk_mq_plug_issue_direct()."""
        if self.sorts or self.quiesced or self.merges_waiting:
            self._insert_all(requests)
            return
        count = len(requests)
        number = 0
        while number < count and self.in_flight < self.depth:
            request = requests[number]
            number += 1
            if not self._issue_directly(request):
                self.rerun()
                break
        self.driver.commit()
        if number < count:
            self.insert(requests[number:])

    def insert(self, requests: list[Request]) -> None:
        """Requests of a plug that held several queues'. Linux: blk_mq_insert_requests() where there is no elevator."""
        if self.sorts or self.quiesced or self.merges_waiting or self.dispatch_busy:
            self._insert_all(requests)
            return
        count = len(requests)
        number = 0
        while number < count and self.in_flight < self.depth:
            request = requests[number]
            number += 1
            if not self._issue_directly(request):
                break
        self.driver.commit()
        for place in range(number, count):
            self._enter(requests[place], False)
        self.rerun()

    def _insert_all(self, requests: list[Request]) -> None:
        for request in requests:
            self._enter(request, False)
        self.rerun()

    def _enter(self, request: Request, at_head: bool) -> None:
        """Let the elevator have it."""
        if self.turn.tracer is not None:
            self.trace(request, WAITS, f"{self.name}: {self.scheduler}")
        self.elevator.insert(request, at_head)
        self.merges_waiting = True

    def _issue_directly(self, request: Request) -> bool:
        """Past the elevator; False when the driver refused it, which then waits in the dispatch list."""
        status = self._send(request)
        if status == OK:
            if self.dispatch_busy:
                self._note_busy(False)
            return True
        if status == RESOURCE or status == DEV_RESOURCE:
            self._note_busy(True)
            self._dispatch.append(request)
            return False
        self.refused(request, status)
        return True

    def _send(self, request: Request) -> int:
        """Give a request to the driver, with a tag; a request that is refused has none again."""
        if self.in_flight == 0:
            self.stats.busy_since_ns = self.clock.now_ns
        self.in_flight += 1
        request.state = IN_FLIGHT
        tracer = self.turn.tracer
        if tracer is not None:
            tracer.sent(request, self.name, self.in_flight)
        status = self.driver.queue_rq(request)
        if status != OK:
            self.in_flight -= 1
            request.state = IDLE
            request.cannot_merge = True
            if tracer is not None:
                tracer.returned(request, self.name, self.in_flight, f"refused: {status_name(status)}")
        return status

    def refused(self, request: Request, status: int) -> None:
        """The driver has ended a request with `status` from within queue_rq."""
        raise NotImplementedError

    # From a device that is stacked on this one.

    def insert_cloned(self, clone: Request) -> int:
        """Send a stacked device's clone past elevator and merging. RESOURCE when no tag is free; any status but OK: not taken.

        Linux: blk_insert_cloned_request(), which also checks it against this queue's limits, as they may be smaller than they
        were when the original was merged: NOTSUPP where the operation is not offered any more, IOERR else. The caller commits.
        """
        limits = self.limits
        if self.dying:
            return OFFLINE
        most = limits.max_bytes_of(clone.op)
        if clone.size > most:
            return NOTSUPP if most == 0 else IOERR
        if clone.size > self.one_segment_bytes or clone.segments > limits.max_segments:
            clone.count_segments(limits)
            if clone.segments > (limits.max_discard_segments if clone.op == DISCARD else limits.max_segments):
                return IOERR
        if self.quiesced or self.in_flight >= self.depth or (self.promised_to is not None and self._is_promised(clone)):
            if not self.feedback:
                self._dispatch.append(clone)
                self.restart = True
                return OK
            if self.sorts:
                # With an elevator there was a tag of the scheduler's for the clone, and the driver's was asked for in vain.
                self.note_refusal(clone)
            return RESOURCE
        status = self._send(clone)
        if status != OK:
            self.note_refusal(clone)
        return status

    def starve(self, queue: "DispatchQueue") -> None:
        """`queue`, a device's above, waits for a tag of this one, and nothing of its own will come back and tell it of one."""
        if queue not in self.starved:
            self.starved.append(queue)

    def promise(self) -> None:
        """A tag is free: for the rest of the turn it is kept for who starves, once it has had time to run.

        Unlike the kernel, which leaves that to the rerun after RESOURCE_DELAY_NS. Here whoever frees a tag takes it again within
        the turn, so that the others would never find one.
        """
        if self.promised_to is None:
            self.promised_to = self.starved.pop(0)
            self.promised_to.schedule()
            self.turn.defer(self._promise_ends)

    def _is_promised(self, clone: Request) -> bool:
        """Whether the one tag that may be left is somebody else's."""
        original = clone.original
        if original is not None and original.queue is self.promised_to:
            self.promised_to = None
            return False
        return self.in_flight + 1 >= self.depth

    def note_refusal(self, clone: Request) -> None:
        """A clone was counted when it came, and ends here. Linux: blk_account_io_done() in blk_insert_cloned_request()."""
        raise NotImplementedError

    def busy(self) -> bool:
        """Whether a request sent now would wait. Linux: blk_lld_busy()."""
        if not self.feedback or self.dying:
            return False
        return self.in_flight >= self.depth or self.quiesced or self.driver.busy()

    # Running the queue.

    def schedule(self) -> None:
        """Run in this turn, once."""
        if not self._scheduled:
            self._scheduled = True
            self.turn.defer(self._run)

    def rerun(self) -> None:
        """Dispatch what waits: leftovers first, then the elevator's, as far as tags and driver allow."""
        self._scheduled = False
        if self.quiesced:
            return
        if self._dispatch:
            self.restart = True
            leftovers = self._dispatch
            self._dispatch = deque()
            if not self._dispatch_list(leftovers):
                self.driver.commit()
                return
            self._dispatch_waiting(True)
        elif self.merges_waiting:
            self._dispatch_waiting(self.dispatch_busy > 0)
        self.driver.commit()

    def _dispatch_waiting(self, one_by_one: bool) -> None:
        """Linux: blk_mq_do_dispatch_sched(), blk_mq_do_dispatch_ctx() and blk_mq_flush_busy_ctxs()."""
        going_on = True
        while going_on and not self._dispatch:
            most = 1 if self.dispatch_busy or (one_by_one and not self.sorts) else self.nr_requests
            batch = self._take(most)
            if not batch:
                break
            going_on = self._dispatch_list(batch)
        self.merges_waiting = self.elevator.waiting() > 0

    def _take(self, most: int) -> deque[Request]:
        """Up to `most` requests for the driver: no more than there are tags for, but for one that then waits for a tag where an
        elevator has chosen it. Linux: __blk_mq_do_dispatch_sched()."""
        batch: deque[Request] = deque()
        elevator = self.elevator
        free = self.depth - self.in_flight
        if free <= 0 and not self.sorts:
            return batch
        while len(batch) < most and self.driver.has_budget(len(batch)):
            if self.merge_deadline_ns and self._waits_to_merge():
                break
            request = elevator.next()
            if request is None:
                if not batch and elevator.waiting() and not self._delayed.is_armed():
                    # It holds back what it has, for a class or for a time that is none of ours (Linux: BLK_MQ_BUDGET_DELAY).
                    self.timers.arm(self._delayed, RESOURCE_DELAY_NS)
                break
            request.cannot_merge = True
            batch.append(request)
            if len(batch) > free or (len(batch) == free and not self.sorts):
                break
        return batch

    def _dispatch_list(self, requests: deque[Request]) -> bool:
        """Send them in order. False when some are left, which go to the dispatch list. Linux: blk_mq_dispatch_rq_list()."""
        status = OK
        while requests:
            if self.in_flight >= self.depth:
                # Linux: blk_mq_mark_tag_wait(). Whatever ends frees a tag and runs the queue.
                self.restart = True
                break
            request = requests.popleft()
            status = self._send(request)
            if status == RESOURCE or status == DEV_RESOURCE:
                requests.appendleft(request)
                break
            if status != OK:
                self.refused(request, status)
        if not requests:
            if self.dispatch_busy:
                self._note_busy(False)
            return True
        # The list itself, where it can be: it may be long.
        if self._dispatch:
            self._dispatch.extend(requests)
        else:
            self._dispatch = requests
        if not self.restart:
            self.schedule()
        elif status == RESOURCE and not self._delayed.is_armed():
            # What is in flight may be parked above or below, so that its completion is not to be relied on.
            self.timers.arm(self._delayed, RESOURCE_DELAY_NS)
        self._note_busy(True)
        return False

    def _note_busy(self, busy: bool) -> None:
        """Linux: blk_mq_update_dispatch_busy(), a moving average in integers."""
        self.dispatch_busy = ((_BUSY_WEIGHT - 1) * self.dispatch_busy + (_BUSY_STEP if busy else 0)) // _BUSY_WEIGHT

    def _waits_to_merge(self) -> bool:
        """Whether the next request had better wait for others to merge with: a single bio that goes on where the last
        request that was sent ended, less than `merge_deadline_ns` ago, while something is in flight.

        Linux: dm_old_request_peeked_before_merge_deadline() of 4.1 to 4.20 (`rq_based_seq_io_merge_deadline`).
        """
        request = self.elevator.peek()
        if request is None:
            return False
        now_ns = self.clock.now_ns
        if (
            self.in_flight
            and len(request.bios) == 1
            and request.segments == 1
            and request.sector == self._last_end
            and request.op == self._last_op
            and now_ns - self._last_start_ns < self.merge_deadline_ns
        ):
            self.restart = True
            if not self._delayed.is_armed():
                self.timers.arm(self._delayed, MERGE_DELAY_NS)
            return True
        self._last_start_ns = now_ns
        self._last_end = request.end_sector()
        self._last_op = request.op
        return False

    def trace(self, request: Request, step: str, detail: str) -> None:
        """Tell the I/Os of a request what has become of it. Asked only while somebody watches."""
        for bio in request.for_whom():
            if bio.life is not None:
                bio.life.note(step, detail)

    # Merging with what waits.

    def merge_waiting(self, bio: Bio) -> bool:
        """Merge a new bio into a request in the elevator. Linux: blk_mq_sched_bio_merge()."""
        request = self.elevator.merge(bio)
        if request is None:
            return False
        if not self.sorts:
            self.note_merge(request, bio)
        return True

    def note_merge(self, request: Request, bio: Bio) -> None:
        """A bio was merged into a request. Linux: blk_account_io_merge_bio()."""
        raise NotImplementedError

    def note_join(self, first: Request, second: Request) -> None:
        """A request was appended to another. Linux: blk_account_io_merge_request()."""
        raise NotImplementedError
