"""Time as the world tells it: a clock that is set, and timers that are advanced.

The engine never asks what time it is. The world (the service's event loop, or the laboratory) sets `Clock.now_ns` once per
turn and calls `Timers.advance`. Nanoseconds are on the world's own monotonic scale; only differences mean anything.
"""

from heapq import heappop, heappush
from typing import Final

from mypy_extensions import mypyc_attr

NEVER: Final = -1


class Clock:
    """The current time of the turn, in nanoseconds."""

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns


@mypyc_attr(allow_interpreted_subclasses=True)
class Timer:
    """Something that wants to be told of a moment. Subclasses override `expire`; one Timer holds at most one deadline."""

    def __init__(self) -> None:
        self.deadline_ns = NEVER
        self.ticket = 0

    def expire(self) -> None:
        """Called once, in a turn whose time has reached the deadline. The timer is disarmed and may be armed again."""
        raise NotImplementedError

    def is_armed(self) -> bool:
        return self.deadline_ns != NEVER


class Timers:
    """A heap of deadlines. Re-arming and cancelling leave a stale entry behind, which is passed over when it comes up.

    Stale entries are swept when they outnumber the live ones, so the heap stays within twice its live size.
    """

    SWEEP_MIN: Final = 64

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._heap: list[tuple[int, int, Timer]] = []
        self._ticket = 0
        self._live = 0

    def arm(self, timer: Timer, delay_ns: int) -> None:
        """Make `timer` expire `delay_ns` from now; a deadline it had before is forgotten."""
        assert delay_ns >= 0
        if timer.deadline_ns == NEVER:
            self._live += 1
        self._ticket += 1
        timer.ticket = self._ticket
        timer.deadline_ns = self.clock.now_ns + delay_ns
        heappush(self._heap, (timer.deadline_ns, self._ticket, timer))
        if len(self._heap) > self.SWEEP_MIN and len(self._heap) > 2 * self._live:
            self._sweep()

    def cancel(self, timer: Timer) -> None:
        """Forget the deadline of `timer`, if it has one."""
        if timer.deadline_ns != NEVER:
            timer.deadline_ns = NEVER
            timer.ticket = 0
            self._live -= 1

    def next_deadline_ns(self) -> int:
        """The earliest live deadline, or NEVER."""
        heap = self._heap
        while heap:
            if heap[0][2].ticket == heap[0][1]:
                return heap[0][0]
            heappop(heap)
        return NEVER

    def advance(self) -> int:
        """Expire, in order of deadline and then of arming, everything that is due. Returns how many timers expired."""
        expired = 0
        now_ns = self.clock.now_ns
        heap = self._heap
        while heap and heap[0][0] <= now_ns:
            _, ticket, timer = heappop(heap)
            if timer.ticket != ticket:
                continue
            timer.deadline_ns = NEVER
            timer.ticket = 0
            self._live -= 1
            timer.expire()
            expired += 1
        return expired

    def _sweep(self) -> None:
        # In place: `advance` may be walking over it. A sorted list is a heap.
        self._heap[:] = sorted(entry for entry in self._heap if entry[2].ticket == entry[1])
