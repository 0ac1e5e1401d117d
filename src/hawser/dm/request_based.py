"""Request-based I/O: bios merge in the device's own queue; each request is mapped when it is dispatched, and cloned.

Linux: drivers/md/dm-rq.c; `seeds.md` 3.7 to 3.10. The mapper is the driver of the device's own queue: its `queue_rq` asks the
target whether the paths are busy (then the request waits above, where it can still merge), has it clone and map the request, and
inserts the clone into the path's queue. Completion has two hooks: the bio hook completes the good prefix at once, the request
hook lets the target decide about the rest.
"""

from collections.abc import Callable
from typing import Final

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.driver import Driver
from hawser.block.elevators import mq_deadline
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FUA
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.block.request import NOT_SENT, Request, RequestOwner
from hawser.core.clock import Timers
from hawser.core.status import DEV_RESOURCE, IOERR, OK, RESOURCE, TARGET
from hawser.core.turn import Turn, Work
from hawser.core.units import NS_PER_MS
from hawser.dm.refit import refit
from hawser.dm.stack import Stack
from hawser.dm.table import Table
from hawser.dm.target import (
    DELAY_REQUEUE,
    END_APART,
    END_DELAY_REQUEUE,
    END_DONE,
    END_REQUEUE,
    KILL,
    REMAPPED,
    REQUEUE,
    SUBMITTED,
    Target,
)

# Linux: the delay of dm_mq_delay_requeue_request().
REQUEUE_DELAY_NS: Final = 100 * NS_PER_MS
DEPTH: Final = 2048
# Linux: that of queues with one hardware queue (elevator_init_mq).
SCHEDULER_DEFAULT: Final = mq_deadline.NAME


# What makes a device's own queue: the laboratory has another one, of 2008.
QueueMaker = Callable[[str, Driver, QueueLimits, Turn, Timers, int], RequestQueue]


class _DelayedRequeue(Work):
    """Puts originals back once the stack has unwound: their tag is in use until queue_rq has returned."""

    def __init__(self, queue: RequestQueue) -> None:
        self.queue = queue
        self.requests: list[Request] = []

    def run(self) -> None:
        requests = self.requests
        self.requests = []
        for request in requests:
            self.queue.requeue(request, REQUEUE_DELAY_NS)


class RequestMapper(Driver):
    """The driver of a request-based device's own queue."""

    def __init__(self, stack: "RequestStack", turn: Turn, depth: int) -> None:
        super().__init__(turn)
        self.stack = stack
        self.target: Target | None = None
        # Clones that may exist at once. Linux: the contexts come with the tags (dm_mq_init_request), so that memory cannot
        # run out.
        self.contexts_free = depth
        # Whether it asks if the paths are busy. Off: it learns it from the refusal of a clone (the laboratory compares).
        self.asks = True
        self._touched: list[Driver] = []

    def queue_rq(self, request: Request) -> int:
        target = self.target
        if target is None:
            return IOERR
        if self.contexts_free == 0 or (self.asks and target.busy()):
            return self._without_a_tag(target)
        result = target.clone_and_map(request)
        if result == REMAPPED:
            return self._insert(target, request)
        if result == SUBMITTED:
            return OK
        if result == REQUEUE:
            return RESOURCE
        if result == DELAY_REQUEUE:
            self.stack.requeue_later(request)
            return OK
        assert result == KILL
        return IOERR

    def _insert(self, target: Target, request: Request) -> int:
        clone = request.mapped
        assert clone is not None
        queue = clone.queue
        status = queue.insert_cloned(clone)
        if status == OK:
            self.contexts_free -= 1
            driver = queue.driver
            if not driver.plugged:
                driver.plugged = True
                self._touched.append(driver)
            return OK
        if status == RESOURCE or status == DEV_RESOURCE:
            request.mapped = None
            target.release_clone(clone)
            return self._without_a_tag(target)
        # The path refused it: the target shall see that as the clone's end, and may try another path.
        clone.status = status
        clone.fate = NOT_SENT
        self.contexts_free -= 1
        self.turn.defer(_Refused(self.stack, clone))
        return OK

    def _without_a_tag(self, target: Target) -> int:
        own = self.stack.own
        # Beside this request nothing is in flight whose end would have it tried again.
        if own.in_flight == 1:
            target.starve(own)
        return RESOURCE

    def commit(self) -> None:
        touched = self._touched
        if touched:
            self._touched = []
            for driver in touched:
                driver.plugged = False
                driver.commit()

    def busy(self) -> bool:
        return self.target is not None and self.target.busy()


class _Refused(Work):
    def __init__(self, stack: "RequestStack", clone: Request) -> None:
        self.stack = stack
        self.clone = clone

    def run(self) -> None:
        self.stack.clones.request_done(self.clone)


class _CloneOwner(RequestOwner):
    """Where clones come back to."""

    def __init__(self, stack: "RequestStack") -> None:
        self.stack = stack

    def request_done(self, clone: Request) -> None:
        stack = self.stack
        target = stack.mapper.target
        original = clone.original
        assert target is not None and original is not None
        if clone.fate == NOT_SENT and clone.status == RESOURCE:
            stack.take_back(original, clone, target)
            return
        if (original.orphans is not None or clone.orphan is not None) and target.withholds(clone):
            stack.own.came_back()
            return
        stack.mapper.contexts_free += 1
        if not clone.flags & FUA or target.may_tell(clone):
            stack.tell_good(original, clone)
        # The request hook.
        result = target.end_request(clone)
        if clone.status != OK and not stack.bio_hook:
            result = END_DONE
        if result == END_DONE or (result == END_APART and original.owner is not stack.own):
            stack.end(original, clone)
        elif result == END_APART:
            original.mapped = None
            stack.own.requeue(original, 0, apart=True)
        elif result == END_REQUEUE or result == END_DELAY_REQUEUE:
            original.mapped = None
            stack.own.requeue(original, REQUEUE_DELAY_NS if result == END_DELAY_REQUEUE else 0)


class RequestStack(Stack):
    def __init__(
        self,
        name: str,
        limits: QueueLimits,
        turn: Turn,
        timers: Timers,
        make_queue: QueueMaker = RequestQueue,
        depth: int = DEPTH,
        hw_queues: int = 1,
    ) -> None:
        self.device = None
        self.mapper = RequestMapper(self, turn, depth)
        self.own = make_queue(name, self.mapper, limits, turn, timers, depth)
        # Linux: elevator_get_default().
        self.own.set_scheduler(SCHEDULER_DEFAULT if hw_queues == 1 else "none")
        self.queue = self.own
        self.takes_while_blocked = True
        self.clones: RequestOwner = _CloneOwner(self)
        self.turn = turn
        self._later = _DelayedRequeue(self.own)
        # While a flush suspend is under way: what it waits for is mapped past the queue.
        self._flushing = False
        # The bios' hook of completion, which holds errors back until the target has decided. Off, they reach the submitter, as
        # they would if only the end of requests were hooked: to show what it is for ("Why does request-based dm use
        # bio->bi_end_io(), too?", the RFC of 2008).
        self.bio_hook = True

    def set_table(self, table: Table, limits: QueueLimits) -> None:
        assert len(table.targets) == 1
        self.mapper.target = table.targets[0]
        self.own.set_limits(limits)
        self.own.flushes.gate = table.targets[0]

    def block(self, noflush: bool, watcher: Work, returned: list[Bio]) -> None:
        own = self.own
        if not noflush:
            # What waited for a path is mapped once more and fails, now that there is no queueing (Linux: dm_kick_requeue).
            own.bring_in_requeued()
        own.quiesce()
        own.watcher = watcher
        self._flushing = not noflush

    def drained(self) -> None:
        self.own.watcher = None
        self._flushing = False

    def unblock(self) -> None:
        self.drained()
        self.own.unquiesce()
        self.own.kick_requeued()

    def in_flight(self) -> int:
        return self.own.in_flight

    def refit(self, device: BlockDevice, faithful: bool) -> None:
        own = self.own
        own.put_back(refit(own.take_waiting(), device, faithful))

    def fail_waiting(self) -> None:
        self.own.bounce(IOERR)

    def start(self, bio: Bio, plug: Plug) -> None:
        plug.add(self.own, bio)

    def idle(self) -> bool:
        return self.own.idle()

    def cancel_dead(self) -> None:
        self.own.cancel_dead()
        target = self.mapper.target
        if target is not None:
            target.cancel_dead()
            for device in target.devices():
                device.cancel_dead()

    def requeue_later(self, request: Request) -> None:
        """From within queue_rq: take the request back as soon as that has returned, to be dispatched again after a delay."""
        if not self._later.requests:
            self.turn.defer(self._later)
        self._later.requests.append(request)

    def take_back(self, original: Request, clone: Request, target: Target) -> None:
        """The device below has not sent the clone, as somebody's I/O in it is wanted no more: as if it had refused it at once."""
        original.mapped = None
        self.mapper.contexts_free += 1
        target.release_clone(clone)
        self.requeue_request(original, False)

    def requeue_request(self, request: Request, delayed: bool) -> None:
        if self._flushing and not any(bio.client().dead for bio in request.bios):
            self._map_now(request)
        else:
            self.own.requeue(request, REQUEUE_DELAY_NS if delayed else 0)

    def _map_now(self, request: Request) -> None:
        """A fence has let go a request that a flush suspend waits for: it still holds its tag in the quiesced queue."""
        status = self.mapper.queue_rq(request)
        if status == OK:
            self.mapper.commit()
        elif status == RESOURCE:
            self.own.requeue(request, 0)
        elif request.owner is self.own:
            self.own.end(request, status)
        else:
            self.own.hand_up(request, status, None, NOT_SENT)

    def kick_requeued(self) -> None:
        self.own.kick_requeued()

    def lend_tags(self, count: int) -> None:
        self.own.depth += count
        self.mapper.contexts_free += count

    def clone_owner(self) -> RequestOwner:
        return self.clones

    def finish_request(self, clone: Request) -> None:
        original = clone.original
        assert original is not None
        self.mapper.contexts_free += 1
        self.tell_good(original, clone)
        self.end(original, clone)

    def succeed_request(self, request: Request) -> None:
        self.own.update(request, request.size, None)
        self.own.end(request, OK)

    def tell_good(self, original: Request, clone: Request) -> None:
        """The bio hook: bios that have succeeded are told at once, as far as all before them have; the others are held back.

        Linux: end_clone_bio(). A bio that was done in part counts as not done.
        """
        good = clone.good_bytes
        if good and original.owner is self.own:
            whole = good if clone.status == OK else clone.whole_bios_of(good)
            if whole:
                data = clone.data
                if whole < good and data is not None:
                    data = memoryview(data)[:whole]
                self.own.update(original, whole, data)

    def end(self, original: Request, clone: Request) -> None:
        """The clone has the last word. An original that is itself a clone goes up to the device that made it."""
        original.mapped = None
        if clone.status == TARGET and clone.op >= DISCARD and clone.queue.limits.max_bytes_of(clone.op) == 0:
            self.switch_off(clone.op)
        if original.owner is self.own:
            self.own.end(original, clone.status)
        else:
            self.own.hand_up(original, clone.status, clone.data, clone.fate)
