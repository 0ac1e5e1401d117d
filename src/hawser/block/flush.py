"""FlushMachine: flushes of a queue, and writes that want one before or behind them.

Linux: block/blk-flush.c; `seeds.md` 3.13. A bio with PREFLUSH or FUA is taken through up to three steps: a flush before, its
data, a flush behind (where the device cannot do FUA itself). All that wait for a flush share the next one:

    C1  one flush is on its way at a time
    C2  it is held back while data of such a sequence is on its way, so that more may share it
    C3  but not for longer than PENDING_MAX_NS

The shared flush has no data and no bio. It goes to the front of what is to be dispatched; on a request-based device it is cloned
and mapped like any request, to one path. Its error is that of all who waited for it.

Unlike the kernel each who waited may be refused although the flush succeeded: who had the disk open when acknowledged writes were
lost is told so by its flushes (`FlushGate`; DESIGN, Hard problems 3).
"""

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio
from hawser.block.ops import FLUSH, FUA, PREFLUSH
from hawser.block.request import ANSWERED, NOT_SENT, Request, RequestOwner, bare_flush
from hawser.core.clock import Timer
from hawser.core.status import IOERR, OK
from hawser.core.trace import WAITS
from hawser.core.units import NS_PER_S

if TYPE_CHECKING:
    from hawser.block.queue import RequestQueue

PENDING_MAX_NS: Final = 5 * NS_PER_S

# Steps of a sequence, in their order.
_BEFORE: Final = 1
_DATA: Final = 2
_BEHIND: Final = 4


@mypyc_attr(allow_interpreted_subclasses=True)
class FlushGate:
    """Who knows whether a flush may promise anything to the client that asked for it."""

    def may_promise(self, bio: Bio) -> bool:
        return True

    def flush_failed(self, flush: Request) -> None:
        """A flush failed: who waited for it hears so, or that its write has failed, and nobody hears of what else is lost."""


class _Sequence:
    """A request on its way through the machine; `steps` are those that it has not begun. What came of it is in status and
    fate."""

    def __init__(self, request: Request, steps: int) -> None:
        self.request = request
        self.steps = steps


class _Overdue(Timer):
    """C3: what waits has waited long enough."""

    def __init__(self, machine: "FlushMachine") -> None:
        super().__init__()
        self.machine = machine

    def expire(self) -> None:
        self.machine.kick()


class FlushMachine(RequestOwner):
    """Of one queue. `pending` wait for the next flush, `running` for the one that is on its way."""

    def __init__(self, queue: "RequestQueue") -> None:
        self.queue = queue
        self.gate: FlushGate | None = None
        self._pending: list[_Sequence] = []
        self._running: list[_Sequence] = []
        self._pending_since_ns = 0
        self._is_flushing = False
        # Those whose data step has begun: a few.
        self._in_data: list[_Sequence] = []
        self._overdue = _Overdue(self)

    def take(self, bio: Bio) -> Request | None:
        """Begin with a bio that is a flush or asks for one. A request that is returned goes the way of all others now; None: the
        machine has taken it."""
        queue = self.queue
        limits = queue.limits
        request = Request(bio, queue, queue)
        request.cannot_merge = True
        steps = _DATA if bio.size else 0
        if limits.caches():
            if bio.op == FLUSH or bio.flags & PREFLUSH:
                steps |= _BEFORE
            if bio.flags & FUA and not limits.fua:
                steps |= _BEHIND
        request.flags &= ~PREFLUSH if limits.fua else ~(PREFLUSH | FUA)
        if steps == 0 or not self._may_promise(bio):
            queue.deliver(request, OK if self._may_promise(bio) else IOERR, ANSWERED)
            return None
        if steps == _DATA:
            request.count_segments(limits)
            return request
        request.count_segments(limits)
        request.owner = self
        sequence = _Sequence(request, steps)
        if steps & _BEFORE:
            self._wait(sequence)
            self.kick()
            return None
        # Linux: the data goes the usual way, it need not wait.
        self._begin_data(sequence)
        return request

    def request_done(self, request: Request) -> None:
        """The shared flush, or the data of a sequence, has ended."""
        sequence = self._take_from_data(request)
        if sequence is None:
            self._flushed(request)
        elif request.status == OK and sequence.steps:
            self._wait(sequence)
        else:
            self._end(sequence, request.status, request.fate)
        self.kick()

    def sharers(self, request: Request) -> list[Bio]:
        return [sequence.request.bios[0] for sequence in self._running]

    def _wait(self, sequence: _Sequence) -> None:
        if not self._pending:
            self._pending_since_ns = self.queue.clock.now_ns
        self._pending.append(sequence)
        if self.queue.turn.tracer is not None:
            self.queue.trace(sequence.request, WAITS, f"{self.queue.name}: for the next flush")

    def kick(self) -> None:
        """Send a flush, if somebody waits for one and nothing holds it back. Linux: blk_kick_flush()."""
        if self._is_flushing or not self._pending:
            return
        queue = self.queue
        if self._in_data:
            left_ns = self._pending_since_ns + PENDING_MAX_NS - queue.clock.now_ns
            if left_ns > 0:
                queue.timers.arm(self._overdue, left_ns)
                return
        queue.timers.cancel(self._overdue)
        self._is_flushing = True
        self._running = self._pending
        self._pending = []
        queue.requeue_flush(bare_flush(queue, self))

    def _flushed(self, flush: Request) -> None:
        """All who waited for it take their next step. Linux: flush_end_io()."""
        self._is_flushing = False
        self.queue.note_flush(flush)
        waited = self._running
        self._running = []
        if flush.status != OK and self.gate is not None:
            self.gate.flush_failed(flush)
        for sequence in waited:
            if flush.status != OK:
                self._end(sequence, flush.status, flush.fate)
            elif sequence.steps & _DATA and sequence.request.bios[0].client().dead:
                # It went away meanwhile; its data was not dispatched.
                self._end(sequence, IOERR, NOT_SENT)
            elif sequence.steps & _BEFORE and sequence.steps & _DATA:
                sequence.steps &= ~_BEFORE
                self._begin_data(sequence)
                self.queue.requeue_data(sequence.request)
            else:
                self._end(sequence, OK, ANSWERED)

    def _begin_data(self, sequence: _Sequence) -> None:
        sequence.steps &= ~_DATA
        self._in_data.append(sequence)

    def _take_from_data(self, request: Request) -> _Sequence | None:
        for sequence in self._in_data:
            if sequence.request is request:
                self._in_data.remove(sequence)
                return sequence
        return None

    def _end(self, sequence: _Sequence, status: int, fate: int) -> None:
        """Every step is done, or one has failed: end the bio."""
        request = sequence.request
        bios = request.bios
        if status == OK and not self._may_promise(bios[0]):
            status = IOERR
        self.queue.end_sequence(request, status, fate)

    def _may_promise(self, bio: Bio) -> bool:
        return self.gate is None or self.gate.may_promise(bio)

    # What waits here, in neither list of the queue.

    def waiting(self) -> int:
        """Requests that wait for a flush, the data of which, if any, is not on its way."""
        return len(self._pending) + len(self._running)

    def bounce(self, status: int) -> None:
        """The path has failed: who waits for a flush that is not on its way need not."""
        bounced = self._pending
        self._pending = []
        for sequence in bounced:
            self._end(sequence, status, NOT_SENT if sequence.steps & _DATA or not sequence.request.size else ANSWERED)

    def cancel_dead(self) -> None:
        """Those whose client is dead end, undispatched."""
        dead = [sequence for sequence in self._pending if sequence.request.bios[0].client().dead]
        self._pending = [sequence for sequence in self._pending if sequence not in dead]
        for sequence in dead:
            self._end(sequence, IOERR, NOT_SENT if sequence.steps & _DATA or not sequence.request.size else ANSWERED)
