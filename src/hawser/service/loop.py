"""Loop: the real world's turns. An epoll tells of sockets; each event sets the clock, runs, and drains the engine's turn.

In a process of its own (`run_in_own_loop`) that epoll is asyncio's, too: hawser.service.selector. Under any other
event loop the epoll is one file descriptor that the event loop watches. The sockets themselves are not left to it:
uvloop (0.23) tells of a socket with a pending error once and closes its watcher; what had come before the error is
then never read, and the next `add_writer` of that file descriptor raises."""

import asyncio
import ctypes
import gc
import select
from collections.abc import Callable, Coroutine
from time import monotonic_ns
from typing import Any, Final

from hawser.core.clock import NEVER, Clock, Timers
from hawser.core.reactor import Handler, Reactor
from hawser.core.turn import Turn
from hawser.core.units import MIB, NS_PER_S
from hawser.service.selector import SharedSelector

# The engine makes no reference cycles per I/O, so collections may be rare: generation 0 after this many more objects.
GC_THRESHOLD: Final = 50_000
# How often a handler may go on within one turn before the other file descriptors are looked at.
ROUNDS_MAX: Final = 16
# Events that are taken from the kernel at once.
EVENTS_MAX: Final = 64
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
        # Whether asyncio has something to do after the event at hand.
        self._return = False
        selector = getattr(self.asyncio_loop, "_selector", None)
        self._epoll = selector.epoll if isinstance(selector, SharedSelector) else select.epoll()
        self._readers: dict[int, Handler] = {}
        self._writers: dict[int, Handler] = {}
        self._masks: dict[int, int] = {}
        # File descriptors that were added while a batch of events is handled, whose events in it are their predecessors'.
        self._added: set[int] = set()
        if isinstance(selector, SharedSelector):
            selector.poll = self.poll
        else:
            self.asyncio_loop.add_reader(self._epoll.fileno(), self._ready)

    def watch_reads(self, fd: int, handler: Handler) -> None:
        self._readers[fd] = handler
        self._watch(fd)

    def ignore_reads(self, fd: int) -> None:
        if self._readers.pop(fd, None) is not None:
            self._watch(fd)

    def watch_writes(self, fd: int, handler: Handler) -> None:
        self._writers[fd] = handler
        self._watch(fd)

    def ignore_writes(self, fd: int) -> None:
        if self._writers.pop(fd, None) is not None:
            self._watch(fd)

    def _watch(self, fd: int) -> None:
        """Tell the kernel what is wanted of a file descriptor now. It has to be open: ignore first, then close."""
        mask = (select.EPOLLIN if fd in self._readers else 0) | (select.EPOLLOUT if fd in self._writers else 0)
        before = self._masks.get(fd, 0)
        if mask == before:
            return
        if mask == 0:
            del self._masks[fd]
            self._epoll.unregister(fd)
            return
        self._masks[fd] = mask
        if before:
            self._epoll.modify(fd, mask)
        else:
            self._epoll.register(fd, mask)
            self._added.add(fd)

    def time_has_passed(self) -> None:
        self.clock.now_ns = monotonic_ns()

    def at_end_of_turn(self, handler: Handler) -> None:
        self._ending.append(handler)

    def run(self, call: Callable[[], None]) -> None:
        """Do something to the engine from outside: a control verb, a start, a stop."""
        self.clock.now_ns = monotonic_ns()
        call()
        self._finish()

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        """asyncio's wait for events (SharedSelector): the data plane's are handled here, the others returned. It ends after
        `timeout` seconds (negative: never), or when asyncio was given something to do."""
        until_ns = monotonic_ns() + int(timeout * NS_PER_S) if timeout >= 0 else NEVER
        foreign: list[tuple[int, int]] = []
        self._return = False
        while True:
            events = self._epoll.poll(timeout, EVENTS_MAX)
            if not events:
                return foreign
            self._handle(events, foreign)
            if foreign or self._return:
                return foreign
            if until_ns != NEVER:
                timeout = (until_ns - self.clock.now_ns) / NS_PER_S
                if timeout <= 0:
                    return foreign

    def _ready(self) -> None:
        """The epoll, as a file descriptor of another event loop, has events."""
        self._handle(self._epoll.poll(0, EVENTS_MAX), [])

    def _handle(self, events: list[tuple[int, int]], foreign: list[tuple[int, int]]) -> None:
        """An error or a hang-up is found by reading; or by writing, by those who only write."""
        if self._added:
            self._added.clear()
        for fd, mask in events:
            if fd in self._added:
                continue
            reader = self._readers.get(fd)
            if reader is not None:
                if mask & ~select.EPOLLOUT:
                    self.clock.now_ns = monotonic_ns()
                    reader.readable()
                    self._finish()
                    if fd in self._added:
                        continue
            elif fd not in self._writers:
                foreign.append((fd, mask))
                continue
            writer = self._writers.get(fd)
            if writer is not None and (reader is None or mask & select.EPOLLOUT):
                self.clock.now_ns = monotonic_ns()
                writer.writable()
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
            self._return = True
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
            self._return = True
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
    """Run `work`, the whole of a process, in an event loop that shares its epoll with the data plane."""
    with asyncio.Runner(loop_factory=own_loop) as runner:
        return runner.run(work)


def own_loop() -> asyncio.AbstractEventLoop:
    """asyncio's own event loop over a SharedSelector."""
    return asyncio.SelectorEventLoop(SharedSelector())
