"""RAM as a path: `ram:?size=1G`. All `ram:` paths of one disk share one store, as paths to one disk do.

Beside demonstrations and tests it serves as the target of fault injection: a RAM path can be made to fail and be mended, and with
`delay=SECONDS` it takes its time, as real storage does, so that there is something in flight to fail.
"""

from collections import deque

from hawser.block.driver import Driver
from hawser.block.ops import FLUSH, READ, WRITE
from hawser.block.request import NOT_SENT, Request
from hawser.core.clock import Timer, Timers
from hawser.core.status import OK, TRANSPORT
from hawser.core.turn import Turn
from hawser.core.units import SECTOR_SHIFT
from hawser.paths.facts import PathFacts
from hawser.paths.fileio import MAX_BYTES


class RamStore:
    """The bytes behind all RAM paths of one disk."""

    def __init__(self, size_bytes: int) -> None:
        self.data = bytearray(size_bytes)


class _Due(Timer):
    def __init__(self, driver: "RamPathDriver") -> None:
        super().__init__()
        self.driver = driver

    def expire(self) -> None:
        self.driver.answer_due()


class RamPathDriver(Driver):
    """`broken`: it fails everything, as a pulled cable does, before it reaches the store. Answers take `delay_ns`."""

    def __init__(self, name: str, store: RamStore, turn: Turn, timers: Timers, delay_ns: int = 0) -> None:
        super().__init__(turn)
        self.name = name
        self.store = store
        self.timers = timers
        self.delay_ns = delay_ns
        self.broken = False
        self.answers_are_final = True
        self.facts = PathFacts(len(store.data), 512, 512, False, True, True, True, True, MAX_BYTES)
        # What is on its way to the store, with the time at which it gets there.
        self._under_way: deque[tuple[int, Request]] = deque()
        self._due = _Due(self)

    def trouble(self) -> str:
        return "is broken" if self.broken else ""

    def set_broken(self, broken: bool) -> None:
        """Break or mend the path, and tell who listens. What was under way has not reached the store, and never will."""
        if broken == self.broken:
            return
        self.broken = broken
        listener = self.listener
        if broken:
            self.epoch += 1
            if listener is not None:
                listener.session_lost(self, "broken by hand")
            self._lose()
        elif listener is not None:
            listener.session_ready(self)

    def shut_down(self) -> None:
        self.broken = True
        self._lose()

    def outstanding(self) -> list[Request]:
        return [request for _, request in self._under_way]

    def queue_rq(self, request: Request) -> int:
        if self.broken:
            request.finish(TRANSPORT, 0, NOT_SENT)
            self.complete(request)
        elif self.delay_ns == 0:
            self._answer(request)
        else:
            self._under_way.append((self.timers.clock.now_ns + self.delay_ns, request))
            if not self._due.is_armed():
                self.timers.arm(self._due, self.delay_ns)
        return OK

    def answer_due(self) -> None:
        """Answer what has been under way for long enough."""
        under_way = self._under_way
        now_ns = self.timers.clock.now_ns
        while under_way and under_way[0][0] <= now_ns:
            self._answer(under_way.popleft()[1])
        if under_way:
            self.timers.arm(self._due, under_way[0][0] - now_ns)

    def _answer(self, request: Request) -> None:
        data = self.store.data
        start = request.sector << SECTOR_SHIFT
        if request.op == READ:
            request.data = data[start : start + request.size]
        elif request.op == WRITE:
            for view in request.payload():
                data[start : start + len(view)] = view
                start += len(view)
        elif request.op != FLUSH:
            data[start : start + request.size] = bytes(request.size)
        request.finish(OK, request.size)
        self.complete(request)

    def _lose(self) -> None:
        self.timers.cancel(self._due)
        lost = self._under_way
        self._under_way = deque()
        for _, request in lost:
            request.finish(TRANSPORT, 0, NOT_SENT)
            self.complete(request)
