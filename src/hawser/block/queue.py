"""RequestQueue: what comes back from the driver; requeue, quiesce, change of elevator; what waits when its path or client is
gone.

Linux: blk-mq (block/blk-mq.c: blk_mq_end_request, blk_mq_requeue_work, blk_account_io_done; elevator.c: elevator_switch).
How requests go down is in hawser.block.dispatch.
"""

from collections import deque
from typing import Final

from hawser.block.bio import Bio
from hawser.block.dispatch import DEPTH_DEFAULT, REQUESTS_DEFAULT, DispatchQueue
from hawser.block.driver import Driver
from hawser.block.elevators.base import ELEVATORS
from hawser.block.flush import FlushMachine
from hawser.block.leftovers import Dropped, drop_dead, is_dead, without_dead
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FLUSH, IN_COMPANY, READ, WRITE, WRITE_ZEROES, Buffer
from hawser.block.plug import Plug
from hawser.block.request import IDLE, IN_FLIGHT, NOT_SENT, Request
from hawser.block.stats import Counters
from hawser.core.clock import Timer, Timers
from hawser.core.status import IOERR, OFFLINE, OK, RESOURCE, status_name
from hawser.core.trace import MERGED, REQUEUED
from hawser.core.turn import Turn, Work
from hawser.core.units import MIB, NS_PER_MS, SECTOR_SHIFT

# What waits before submitters are to hold back: requests, wherever they do; and bytes of those that were taken back, to be tried
# again later. (A map without a path has nothing else.)
WAITING_MAX: Final = 4096
REQUEUED_BYTES_MAX: Final = 64 * MIB


class _RequeueTimer(Timer):
    def __init__(self, queue: "RequestQueue") -> None:
        super().__init__()
        self.queue = queue

    def expire(self) -> None:
        self.queue.kick_requeued()


class _Ended(Work):
    """Delivers the requests that ended without the driver's doing, once the stack has unwound."""

    def __init__(self, queue: "RequestQueue") -> None:
        self.queue = queue
        self.requests: list[Request] = []

    def run(self) -> None:
        requests = self.requests
        self.requests = []
        for request in requests:
            self.queue.complete(request)
        self.queue.came_back()


class _Kick(Work):
    """Brings in what was requeued, once the stack has unwound."""

    def __init__(self, queue: "RequestQueue") -> None:
        self.queue = queue

    def run(self) -> None:
        self.queue.bring_in_requeued()


class RequestQueue(DispatchQueue):
    """A queue with its requests: as owner of its own ones it ends their bios."""

    def __init__(
        self, name: str, driver: Driver, limits: QueueLimits, turn: Turn, timers: Timers, depth: int = DEPTH_DEFAULT
    ) -> None:
        super().__init__(name, driver, limits, turn, timers, depth)
        self.flushes = FlushMachine(self)
        self._requeued: deque[Request] = deque()
        self._requeued_bytes = 0
        self._requeued_flushes: deque[Request] = deque()
        self._ended = _Ended(self)
        self._requeue_timer = _RequeueTimer(self)
        self._kick = _Kick(self)
        self._is_kicked = False
        # Deferred whenever something in flight has come back to a stacked device's own queue, while a suspend waits for that.
        self.watcher: Work | None = None

    # Going down.

    def submit(self, bio: Bio, plug: Plug) -> None:
        """Queue a bio that fits the limits."""
        plug.add(self, bio)

    def congested(self) -> bool:
        """Whether submitters should hold back: the wait list is at its limit."""
        return self.waiting() >= WAITING_MAX or self._requeued_bytes >= REQUEUED_BYTES_MAX

    def refused(self, request: Request, status: int) -> None:
        self.deliver(request, status, NOT_SENT)

    def deliver(self, request: Request, status: int, fate: int) -> None:
        """End a request that is not with the driver, once the stack has unwound."""
        self.in_flight += 1
        request.state = IN_FLIGHT
        request.finish(status, request.size if status == OK else 0, fate)
        if not self._ended.requests:
            self.turn.defer(self._ended)
        self._ended.requests.append(request)

    # Coming back.

    def complete(self, request: Request) -> None:
        """The driver's answer is in `request`: free its tag and tell its owner. Called by Driver.run, in a turn."""
        self._free(request)
        if self.turn.tracer is not None:
            self.turn.tracer.returned(request, self.name, self.in_flight, status_name(request.status))
        owner = request.owner
        if owner is not self.flushes:
            self._account(request, request.size)
        owner.request_done(request)
        if self.restart or self.merges_waiting:
            self.run_again()

    def _free(self, request: Request) -> None:
        """Its tag is free again. Linux: blk_mq_free_request()."""
        self.in_flight -= 1
        if self.starved:
            self.promise()
        if self.in_flight == 0:
            self.stats.busy_ns += self.clock.now_ns - self.stats.busy_since_ns
        if request.node is not None:
            self.elevator.finished(request)

    def run_again(self) -> None:
        """A tag is free: what waited for one may go. Linux: blk_mq_sched_restart()."""
        self.restart = False
        if not self._scheduled and (self._dispatch or self.merges_waiting):
            self.schedule()

    def request_done(self, request: Request) -> None:
        """A request of this queue's own has ended: end its bios. Linux: blk_mq_end_request()."""
        if request.status == OK:
            request.update(request.size, request.data)
            return
        if request.parts is not None and request.orphan is None:
            request.end_by_parts()
            return
        # With an orphan even a good prefix is not told: the ghost of the whole may still run over it.
        if request.good_bytes and request.orphan is None:
            request.update(request.good_bytes, request.data)
        self._fail(request, request.status, request.fate)

    def _fail(self, request: Request, status: int, fate: int) -> None:
        in_company = IN_COMPANY if len(request.bios) > 1 else 0
        for bio in request.bios:
            bio.fate = fate
            bio.orphan = request.orphan
            bio.flags |= in_company
        request.fail_rest(status)

    def update(self, request: Request, good_bytes: int, data: Buffer | None) -> None:
        """Complete the bios at the head of a request that goes on, and count what they were."""
        self._group(request).sectors += good_bytes >> SECTOR_SHIFT
        request.update(good_bytes, data)

    def end(self, request: Request, status: int) -> None:
        """End a request of this queue whose good part was completed already (`update`): free its tag, fail the rest."""
        self._free(request)
        if self.turn.tracer is not None:
            self.turn.tracer.returned(request, self.name, self.in_flight, status_name(status))
        if status != OK:
            self._account(request, request.size)
            request.fail_rest(status)
        else:
            self._account(request, 0)
        self.came_back()
        if self.restart or self.merges_waiting:
            self.run_again()

    def hand_up(self, request: Request, status: int, data: Buffer | None, fate: int) -> None:
        """End a request that somebody else has made for this queue, a stacked device above or the flush machine: its owner
        decides what becomes of its bios.

        Unlike a request of this queue's own, of what failed no good prefix is told: all of it is sent again.
        """
        request.data = data
        request.finish(status, request.size if status == OK else 0, fate)
        self.complete(request)
        self.came_back()

    def end_sequence(self, request: Request, status: int, fate: int) -> None:
        """The flush machine has done with a request: end its bio."""
        request.owner = self
        self.stats.flush_writes.add(self.clock.now_ns - request.start_ns)
        self._account(request, request.size)
        if status == OK:
            request.update(request.size, request.data)
        else:
            self._fail(request, status, fate)
        self.came_back()

    def came_back(self) -> None:
        """Something is not in flight any more, or waits for nothing but a proof."""
        if self.watcher is not None:
            self.turn.defer(self.watcher)

    # Counting.

    def _account(self, request: Request, size: int) -> None:
        """A request has ended, the last `size` bytes of it just now. Linux: blk_account_io_completion(),
        blk_account_io_done()."""
        self._group(request).done(size >> SECTOR_SHIFT, self.clock.now_ns - request.start_ns)

    def _group(self, request: Request) -> Counters:
        op = request.op
        stats = self.stats
        if op == READ:
            return stats.reads
        if op == WRITE or op == WRITE_ZEROES:
            return stats.writes
        if op == DISCARD:
            return stats.discards
        # What a client asked for is, in the kernel, an empty write that wants a flush; what comes from above is a bare command.
        if request.owner is self:
            return stats.writes
        stats.flush_reads.add(self.clock.now_ns - request.start_ns)
        return stats.reads

    def note_refusal(self, clone: Request) -> None:
        self._account(clone, 0)

    def note_merge(self, request: Request, bio: Bio) -> None:
        self._group(request).merges += 1
        if bio.life is not None:
            bio.life.note(MERGED, f"{self.name}: now {request.size} bytes from sector {request.sector}")

    def note_join(self, first: Request, second: Request) -> None:
        self._group(second).merges += 1
        if self.turn.tracer is not None:
            self.trace(second, MERGED, f"{self.name}: into a request from sector {first.sector}")

    def note_flush(self, flush: Request) -> None:
        """The flush machine's own request has ended."""
        self.stats.flushes.done(0, self.clock.now_ns - flush.start_ns)

    # Once more.

    def requeue(self, request: Request, delay_ns: int, apart: bool = False) -> None:
        """Take back a request in flight whose try came to nothing: its tag is free, it goes first in line, now or after a delay;
        taken `apart`, each of its bios as a request of its own.

        Linux: blk_mq_requeue_request() and blk_mq_delay_kick_requeue_list(). Unlike the kernel without an elevator, where it
        could still merge, it keeps its boundaries.
        """
        self.in_flight -= 1
        if self.turn.tracer is not None:
            when = f"in {delay_ns // NS_PER_MS} ms" if delay_ns else "at once"
            self.turn.tracer.returned(request, self.name, self.in_flight, f"requeued {when}")
            self.trace(request, REQUEUED, f"{self.name}: {when}")
        dropped = Dropped()
        parts = [request]
        if apart:
            self.forget(request)
            parts = [request.piece(bio) for bio in request.bios]
        for part in parts:
            for piece in drop_dead(part, dropped):
                piece.state = IDLE
                piece.cannot_merge = True
                self._take_back(piece)
        self._end_dropped(dropped)
        self.came_back()
        if delay_ns == 0:
            self.kick_requeued()
        elif not self._requeue_timer.is_armed():
            self.timers.arm(self._requeue_timer, delay_ns)

    def requeue_data(self, request: Request) -> None:
        """The flush before a write is done: now its data."""
        self._take_back(request)
        self.kick_requeued()

    def _take_back(self, request: Request) -> None:
        self._requeued.append(request)
        self._requeued_bytes += request.size

    def requeue_flush(self, flush: Request) -> None:
        """A flush of the flush machine's goes to the front of what is dispatched."""
        self._requeued_flushes.append(flush)
        self.kick_requeued()

    def kick_requeued(self) -> None:
        """What was requeued need not wait longer."""
        self.timers.cancel(self._requeue_timer)
        if not self._is_kicked and (self._requeued or self._requeued_flushes):
            self._is_kicked = True
            self.turn.defer(self._kick)

    def bring_in_requeued(self) -> None:
        """Linux: blk_mq_requeue_work(): one after the other to the head, so that of several the last comes first."""
        self._is_kicked = False
        self._requeued_bytes = 0
        while self._requeued:
            request = self._requeued.popleft()
            # Linux: blk_mq_insert_request(); the command itself passes the elevator by.
            if request.op == FLUSH and request.owner is self.flushes:
                self._dispatch.appendleft(request)
            else:
                self._enter(request, True)
        while self._requeued_flushes:
            self._dispatch.appendleft(self._requeued_flushes.popleft())
        self.rerun()

    # Control.

    def quiesce(self) -> None:
        """Dispatch nothing until `unquiesce`; what is in flight comes back. Linux: blk_mq_quiesce_queue()."""
        self.quiesced = True

    def unquiesce(self) -> None:
        self.quiesced = False
        self.schedule()

    def die(self) -> None:
        """What is behind the queue is gone for good: what waits, and whatever comes, fails. Linux: blk_mark_disk_dead()."""
        self.dying = True
        self.bounce(OFFLINE)

    def set_limits(self, limits: QueueLimits) -> None:
        self.limits = limits
        self.one_segment_bytes = limits.max_segment_size

    def set_scheduler(self, name: str) -> None:
        """Change the elevator under load; what waits moves over. ValueError when there is none of that name."""
        if name not in ELEVATORS:
            raise ValueError(f"unknown I/O scheduler {name!r}; there are {', '.join(sorted(ELEVATORS))}")
        waiting = self.elevator.take_all()
        self.nr_requests = 2 * min(self.depth, REQUESTS_DEFAULT) if name != "none" else self.depth
        self.elevator = ELEVATORS[name](self)
        self.sorts = self.elevator.sorts
        self.scheduler = name
        for request in waiting:
            self.elevator.insert(request, False)
        if waiting:
            self.schedule()

    def waiting(self) -> int:
        """Requests that are not in flight."""
        return (
            self.elevator.waiting()
            + len(self._dispatch)
            + len(self._requeued)
            + len(self._requeued_flushes)
            + self.flushes.waiting()
        )

    def waiting_requests(self) -> list[Request]:
        """They themselves, but for those that wait for a flush. Asked only when something went wrong."""
        return [*self._requeued, *self._dispatch, *self.elevator.requests()]

    def idle(self) -> bool:
        return self.in_flight == 0 and self.waiting() == 0

    def take_waiting(self) -> list[Request]:
        """Everything that waits for the driver, first in line first. The caller answers for it, or puts it back."""
        waiting = [*self._requeued_flushes, *self._dispatch, *self._requeued, *self.elevator.take_all()]
        self._requeued_flushes.clear()
        self._requeued.clear()
        self._requeued_bytes = 0
        self._dispatch.clear()
        self.merges_waiting = False
        return waiting

    def forget(self, request: Request) -> None:
        """A request that waited is no more; others may stand for what is left of it. Linux: blk_mq_free_request()."""
        if request.node is not None:
            self.elevator.finished(request)

    def put_back(self, requests: list[Request]) -> None:
        """What `take_waiting` gave, or pieces of it."""
        for request in requests:
            if request.cannot_merge:
                self._dispatch.append(request)
            else:
                self._enter(request, False)

    def bounce(self, status: int = RESOURCE) -> None:
        """Give back, undispatched, everything that waits: a path that leads here has failed, its owners may know another one. By
        itself that is nobody's error: other paths may lead here, too."""
        for request in self.take_waiting():
            self.deliver(request, status, NOT_SENT)
        self.flushes.bounce(status)

    def cancel_dead(self) -> None:
        """Fail, undispatched, every waiting bio whose client went away. What it was merged with stays."""
        dropped = Dropped()
        if any(is_dead(request) for request in self.elevator.requests()):
            for request in self.elevator.take_all():
                for left in drop_dead(request, dropped):
                    self.elevator.insert(left, False)
            self.merges_waiting = self.elevator.waiting() > 0
        self._dispatch = without_dead(self._dispatch, dropped)
        self._requeued = without_dead(self._requeued, dropped)
        self._requeued_bytes = sum([request.size for request in self._requeued])
        self.flushes.cancel_dead()
        self._end_dropped(dropped)

    def _end_dropped(self, dropped: Dropped) -> None:
        for request in dropped.sequences:
            self.deliver(request, IOERR, NOT_SENT)
        for request in dropped.clones:
            # No fault of this device's: it is mapped once more, as far as anybody still wants it.
            self.deliver(request, RESOURCE, NOT_SENT)
        for bio in dropped.bios:
            bio.complete(IOERR)
