"""RequestQueue: merge, elevator, tags, driver; requeue, quiesce; a list of those that wait.

Linux: blk-mq (block/blk-mq.c, blk-mq-sched.c). One hardware queue. A request that a driver refuses goes to the dispatch list,
first in line and no longer mergeable; while it waits nothing overtakes it. Requests without a tag wait in the elevator,
mergeable. `seeds.md` 3.7.
"""

from collections import deque
from typing import Final

from hawser.block.bio import Bio
from hawser.block.driver import Driver
from hawser.block.elevators.base import ELEVATORS, Elevator
from hawser.block.elevators.none import NoneElevator
from hawser.block.limits import QueueLimits
from hawser.block.merge import try_join
from hawser.block.ops import FLUSH, Buffer
from hawser.block.plug import Plug
from hawser.block.request import IDLE, IN_FLIGHT, NOT_SENT, Request, RequestOwner
from hawser.core.clock import Timer, Timers
from hawser.core.status import DEV_RESOURCE, IOERR, OK, RESOURCE, TRANSPORT
from hawser.core.turn import Turn, Work
from hawser.core.units import NS_PER_MS

DEPTH_DEFAULT: Final = 128
WAITING_MAX: Final = 4096
# Linux: BLK_MQ_RESOURCE_DELAY, the rerun after a refusal that no completion of the queue's own may end.
RESOURCE_DELAY_NS: Final = 3 * NS_PER_MS


class _Rerun(Work):
    def __init__(self, queue: "RequestQueue") -> None:
        self.queue = queue

    def run(self) -> None:
        self.queue.rerun()


class _ResourceTimer(Timer):
    def __init__(self, queue: "RequestQueue") -> None:
        super().__init__()
        self.queue = queue

    def expire(self) -> None:
        self.queue.schedule()


class _RequeueTimer(Timer):
    def __init__(self, queue: "RequestQueue") -> None:
        super().__init__()
        self.queue = queue

    def expire(self) -> None:
        self.queue.kick_requeued()


class _Refused(Work):
    """Delivers the requests that a driver ended from within queue_rq."""

    def __init__(self, queue: "RequestQueue") -> None:
        self.queue = queue
        self.requests: list[Request] = []

    def run(self) -> None:
        requests = self.requests
        self.requests = []
        for request in requests:
            self.queue.complete(request)
        self.queue.came_back()


class RequestQueue(RequestOwner):
    """`depth` tags; `in_flight` counts those in use, that is requests from dispatch until their owner was told of their end."""

    def __init__(
        self, name: str, driver: Driver, limits: QueueLimits, turn: Turn, timers: Timers, depth: int = DEPTH_DEFAULT
    ) -> None:
        assert depth >= 1
        self.name = name
        self.driver = driver
        self.limits = limits
        self.turn = turn
        self.timers = timers
        self.depth = depth
        self.in_flight = 0
        self.quiesced = False
        self.elevator: Elevator = NoneElevator()
        self.scheduler = "none"
        self._dispatch: deque[Request] = deque()
        self._requeued: deque[Request] = deque()
        self._scheduled = False
        self._work = _Rerun(self)
        self._refused = _Refused(self)
        self._resource_timer = _ResourceTimer(self)
        self._requeue_timer = _RequeueTimer(self)
        # Deferred whenever something in flight has come back to a stacked device's own queue, while a suspend waits for that.
        self.watcher: Work | None = None

    # Going down.

    def submit(self, bio: Bio, plug: Plug) -> None:
        """Queue a bio that fits the limits."""
        plug.add(self, bio)

    def insert(self, requests: list[Request]) -> None:
        """Requests of a finished plug: straight to the driver while nothing else waits, else behind what does."""
        if self._dispatch or self.quiesced or self.elevator.waiting():
            for request in requests:
                self._wait(request)
            self.rerun()
            return
        number = 0
        count = len(requests)
        while number < count and self.in_flight < self.depth:
            number += 1
            if not self._issue(requests[number - 1]):
                break
        while number < count:
            self._wait(requests[number])
            number += 1
        self.driver.commit()

    def insert_cloned(self, clone: Request) -> int:
        """Send a stacked device's clone past elevator and merging. RESOURCE when no tag is free; any status but OK: not taken.

        Linux: blk_insert_cloned_request(), which also checks it against this queue's limits, as they may be smaller than they
        were when the original was merged. The caller commits.
        """
        if clone.size > self.limits.max_bytes_of(clone.op) or len(clone.bios) > self.limits.max_segments:
            return IOERR
        if self.quiesced or self.in_flight >= self.depth:
            return RESOURCE
        self.in_flight += 1
        clone.state = IN_FLIGHT
        status = self.driver.queue_rq(clone)
        if status != OK:
            self.in_flight -= 1
            clone.state = IDLE
        return status

    def busy(self) -> bool:
        """Whether a request sent now would wait. Linux: blk_lld_busy()."""
        return self.in_flight >= self.depth or self.quiesced or self.driver.busy()

    def congested(self) -> bool:
        """Whether submitters should hold back: the wait list is at its limit."""
        return self.waiting() >= WAITING_MAX

    def rerun(self) -> None:
        """Dispatch what waits: leftovers first, then the elevator's, as far as tags and driver allow."""
        self._scheduled = False
        if self.quiesced:
            return
        dispatch = self._dispatch
        while dispatch and self.in_flight < self.depth:
            if not self._issue(dispatch.popleft()):
                self.driver.commit()
                return
        if not dispatch:
            while self.in_flight < self.depth:
                request = self.elevator.next()
                if request is None or not self._issue(request):
                    break
        self.driver.commit()

    def schedule(self) -> None:
        """Rerun in this turn, once."""
        if not self._scheduled:
            self._scheduled = True
            self.turn.defer(self._work)

    def _issue(self, request: Request) -> bool:
        """Give a request to the driver; False when it was refused and is now first in line."""
        self.in_flight += 1
        request.state = IN_FLIGHT
        status = self.driver.queue_rq(request)
        if status == OK:
            return True
        if status == RESOURCE or status == DEV_RESOURCE:
            self.in_flight -= 1
            request.state = IDLE
            request.cannot_merge = True
            self._dispatch.appendleft(request)
            # What is in flight may be parked above or below, so that its completion is not to be relied on.
            if status == RESOURCE and not self._resource_timer.is_armed():
                self.timers.arm(self._resource_timer, RESOURCE_DELAY_NS)
            return False
        request.finish(status, 0, NOT_SENT)
        self._deliver(request)
        return True

    def _deliver(self, request: Request) -> None:
        """Complete a request that never got to the driver, once the stack has unwound."""
        if not self._refused.requests:
            self.turn.defer(self._refused)
        self._refused.requests.append(request)

    def _wait(self, request: Request) -> None:
        """Join a waiting neighbour, or wait for a tag."""
        if not request.cannot_merge:
            for other in self.elevator.merge_candidates(request):
                if try_join(other, request, self.limits):
                    return
        self.elevator.insert(request)

    # Coming back.

    def complete(self, request: Request) -> None:
        """The driver's answer is in `request`: free its tag and tell its owner. Called by Driver.run, in a turn."""
        self.in_flight -= 1
        request.owner.request_done(request)
        if not self._scheduled and (self._dispatch or self.elevator.waiting()):
            self.schedule()

    def request_done(self, request: Request) -> None:
        """A request of this queue's own has ended: end its bios. Linux: blk_mq_end_request()."""
        if request.status == OK:
            request.update(request.size, request.data)
            return
        # With an orphan even a good prefix is not told: the ghost of the whole may still run over it.
        if request.good_bytes and request.orphan is None:
            request.update(request.good_bytes, request.data)
        for bio in request.bios:
            bio.fate = request.fate
            bio.orphan = request.orphan
        request.fail_rest(request.status)

    def end(self, request: Request, status: int) -> None:
        """End a request of this queue whose good part was completed already (`Request.update`): free its tag, fail the rest."""
        self.in_flight -= 1
        if status != OK:
            request.fail_rest(status)
        elif request.op == FLUSH:
            request.update(0, None)
        self.came_back()
        if not self._scheduled and (self._dispatch or self.elevator.waiting()):
            self.schedule()

    def hand_up(self, request: Request, status: int, data: Buffer | None, fate: int) -> None:
        """End a request that a stacked device above has cloned for this queue: its owner decides what becomes of its bios.

        Unlike a request of this queue's own, of what failed no good prefix is told: the device above sends all of it again.
        """
        request.data = data
        request.finish(status, request.size if status == OK else 0, fate)
        self.complete(request)
        self.came_back()

    def came_back(self) -> None:
        """Something is not in flight any more, or waits for nothing but a proof."""
        if self.watcher is not None:
            self.turn.defer(self.watcher)

    def requeue(self, request: Request, delay_ns: int) -> None:
        """Take back a request in flight whose try came to nothing: its tag is free, it goes first in line, now or after a delay.

        Linux: blk_mq_requeue_request() and blk_mq_delay_kick_requeue_list().
        """
        self.in_flight -= 1
        dropped: list[Bio] = []
        for piece in drop_dead(request, dropped):
            piece.state = IDLE
            piece.cannot_merge = True
            self._requeued.append(piece)
        for bio in dropped:
            bio.complete(IOERR)
        self.came_back()
        if delay_ns == 0:
            self.kick_requeued()
        elif not self._requeue_timer.is_armed():
            self.timers.arm(self._requeue_timer, delay_ns)

    def kick_requeued(self) -> None:
        """What was requeued need not wait longer."""
        self.timers.cancel(self._requeue_timer)
        while self._requeued:
            self._dispatch.appendleft(self._requeued.pop())
        if self._dispatch:
            self.schedule()

    # Control.

    def quiesce(self) -> None:
        """Dispatch nothing until `unquiesce`; what is in flight comes back. Linux: blk_mq_quiesce_queue()."""
        self.quiesced = True

    def unquiesce(self) -> None:
        self.quiesced = False
        self.schedule()

    def set_scheduler(self, name: str) -> None:
        """Change the elevator under load; what waits moves over. ValueError when there is none of that name."""
        if name not in ELEVATORS:
            raise ValueError(f"unknown I/O scheduler {name!r}; there are {', '.join(sorted(ELEVATORS))}")
        waiting = self.elevator.take_all()
        self.elevator = ELEVATORS[name]()
        self.scheduler = name
        for request in waiting:
            self.elevator.insert(request)

    def waiting(self) -> int:
        """Requests that are not in flight."""
        return self.elevator.waiting() + len(self._dispatch) + len(self._requeued)

    def waiting_requests(self) -> list[Request]:
        """They themselves. Asked only when something went wrong."""
        return [*self._requeued, *self._dispatch, *self.elevator.requests()]

    def idle(self) -> bool:
        return self.in_flight == 0 and self.waiting() == 0

    def take_waiting(self) -> list[Request]:
        """Everything that waits, first in line first. The caller answers for it, or puts it back."""
        waiting = [*self._requeued, *self._dispatch, *self.elevator.take_all()]
        self._requeued.clear()
        self._dispatch.clear()
        return waiting

    def put_back(self, requests: list[Request]) -> None:
        """What `take_waiting` gave, or pieces of it."""
        for request in requests:
            if request.cannot_merge:
                self._dispatch.append(request)
            else:
                self.elevator.insert(request)

    def bounce(self, status: int = TRANSPORT) -> None:
        """Give back, undispatched, everything that waits: the path has failed, its owners may know another one."""
        for request in self.take_waiting():
            self.in_flight += 1
            request.state = IN_FLIGHT
            request.finish(status, 0, NOT_SENT)
            self._deliver(request)

    def cancel_dead(self) -> None:
        """Fail, undispatched, every waiting bio whose client went away. What it was merged with stays."""
        dropped: list[Bio] = []
        for request in self.elevator.take_all():
            for left in drop_dead(request, dropped):
                self.elevator.insert(left)
        self._dispatch = _without_dead(self._dispatch, dropped)
        self._requeued = _without_dead(self._requeued, dropped)
        for bio in dropped:
            bio.complete(IOERR)


def _without_dead(requests: deque[Request], dropped: list[Bio]) -> deque[Request]:
    kept: deque[Request] = deque()
    for request in requests:
        kept.extend(drop_dead(request, dropped))
    return kept


def drop_dead(request: Request, dropped: list[Bio]) -> list[Request]:
    """What is left of an undispatched request without the bios of dead clients (they go to `dropped`): contiguous pieces.

    A clone from a device above is left whole: that device has dispatched it, and waits for it.
    """
    if request.original is not None or not any(bio.client().dead for bio in request.bios):
        return [request]
    pieces: list[Request] = []
    contiguous = False
    for bio in request.bios:
        if bio.client().dead:
            dropped.append(bio)
            contiguous = False
            continue
        if contiguous:
            pieces[-1].bios.append(bio)
            pieces[-1].size += bio.size
        else:
            pieces.append(request.piece(bio))
        contiguous = True
    return pieces
