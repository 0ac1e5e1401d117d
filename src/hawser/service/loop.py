"""Loop: the real world's turns. asyncio tells of readable sockets; each event sets the clock, runs, and drains the engine's turn.

The data plane stands on `add_reader` and `add_writer`, without streams, tasks or futures.
"""

import asyncio
import ctypes
import gc
from collections.abc import Callable, Coroutine
from time import monotonic_ns
from typing import Any, Final

from hawser.core.clock import NEVER, Clock, Timers
from hawser.core.reactor import Handler, Reactor
from hawser.core.turn import Turn
from hawser.core.units import MIB, NS_PER_S

# The engine makes no reference cycles per I/O, so collections may be rare: generation 0 after this many more objects.
GC_THRESHOLD: Final = 50_000
# How often a handler may go on within one turn before the other file descriptors are looked at.
ROUNDS_MAX: Final = 16
# glibc: mallopt(3). Data buffers come from the heap and stay in it; by default each of 128 KiB or more is mapped,
# faulted in page by page, and unmapped again, which costs more than reading into it.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
MMAP_THRESHOLD: Final = 32 * MIB
TRIM_THRESHOLD: Final = 64 * MIB


class Loop(Reactor):
    """`clock`, `timers` and `turn` are the engine's."""

    def __init__(self) -> None:
        self.clock = Clock(monotonic_ns())
        self.timers = Timers(self.clock)
        self.turn = Turn()
        self.asyncio_loop = asyncio.get_running_loop()
        self._ending: list[Handler] = []
        self._wake: asyncio.TimerHandle | None = None
        self._wake_ns = NEVER
        self._more_posted = False

    def watch_reads(self, fd: int, handler: Handler) -> None:
        self.asyncio_loop.add_reader(fd, self._readable, handler)

    def ignore_reads(self, fd: int) -> None:
        self.asyncio_loop.remove_reader(fd)

    def watch_writes(self, fd: int, handler: Handler) -> None:
        self.asyncio_loop.add_writer(fd, self._writable, handler)

    def ignore_writes(self, fd: int) -> None:
        self.asyncio_loop.remove_writer(fd)

    def at_end_of_turn(self, handler: Handler) -> None:
        self._ending.append(handler)

    def run(self, call: Callable[[], None]) -> None:
        """Do something to the engine from outside: a control verb, a start, a stop."""
        self.clock.now_ns = monotonic_ns()
        call()
        self._finish()

    def _readable(self, handler: Handler) -> None:
        self.clock.now_ns = monotonic_ns()
        handler.readable()
        self._finish()

    def _writable(self, handler: Handler) -> None:
        self.clock.now_ns = monotonic_ns()
        handler.writable()
        self._finish()

    def _timer(self) -> None:
        self._wake = None
        self._wake_ns = NEVER
        self.clock.now_ns = monotonic_ns()
        self._finish()

    def _more(self) -> None:
        self._more_posted = False
        self.clock.now_ns = monotonic_ns()
        self._finish()

    def _finish(self) -> None:
        """Expire what is due, drain the turn, let handlers send; go on in the next round if the budget is used up."""
        self.timers.advance()
        drained = self.turn.drain()
        rounds = 0
        while self._ending and rounds < ROUNDS_MAX:
            rounds += 1
            ending = self._ending
            self._ending = []
            for handler in ending:
                handler.after_turn()
            drained = self.turn.drain()
        if (self._ending or not drained) and not self._more_posted:
            self._more_posted = True
            self.asyncio_loop.call_soon(self._more)
        deadline_ns = self.timers.next_deadline_ns()
        if deadline_ns != self._wake_ns:
            self._set_wake(deadline_ns)

    def _set_wake(self, deadline_ns: int) -> None:
        if self._wake is not None:
            if self._wake_ns != NEVER and deadline_ns != NEVER and deadline_ns > self._wake_ns:
                # Waking too early is harmless, and cheaper than setting an alarm for each of many short timers.
                return
            self._wake.cancel()
            self._wake = None
        self._wake_ns = deadline_ns
        if deadline_ns != NEVER:
            delay = max(0, deadline_ns - self.clock.now_ns) / NS_PER_S
            self._wake = self.asyncio_loop.call_later(delay, self._timer)


def keep_buffers() -> None:
    """Let freed data buffers be used again without going back to the kernel, where the C library has a say in that."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, TRIM_THRESHOLD)


def tune_garbage_collector() -> None:
    """Leave what exists now out of collections, and collect rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 50)


def run_in_own_loop(work: Coroutine[Any, Any, int]) -> int:
    """Run `work`, the whole of a process, in an event loop: uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
