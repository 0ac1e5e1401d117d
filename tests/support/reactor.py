"""A reactor for unit tests: real file descriptors, virtual time, one thread, no event loop.

It takes turns as the service's loop does: set the clock, run what is ready, expire timers, drain the turn, let handlers
send. What is ready is found by poll(2); time passes only when the test says so. A test that waits for another thread or
process waits for what it expects, up to DEADLINE_S.
"""

import select
import time
from collections.abc import Callable

from hawser.core.clock import NEVER, Clock, Timers
from hawser.core.reactor import Handler, Reactor
from hawser.core.turn import Turn

DEADLINE_S = 20.0
ROUNDS_MAX = 100_000


class PollReactor(Reactor):
    """`turn_rounds`: how often handlers may go on within one turn before other file descriptors are looked at."""

    def __init__(self, turn_rounds: int = 16) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.turn = Turn()
        self.turn_rounds = turn_rounds
        self.readers: dict[int, Handler] = {}
        self.writers: dict[int, Handler] = {}
        self._ending: list[Handler] = []
        self._poll = select.poll()

    # What handlers ask for.

    def watch_reads(self, fd: int, handler: Handler) -> None:
        self.readers[fd] = handler
        self._register(fd)

    def ignore_reads(self, fd: int) -> None:
        self.readers.pop(fd, None)
        self._register(fd)

    def watch_writes(self, fd: int, handler: Handler) -> None:
        self.writers[fd] = handler
        self._register(fd)

    def ignore_writes(self, fd: int) -> None:
        self.writers.pop(fd, None)
        self._register(fd)

    def at_end_of_turn(self, handler: Handler) -> None:
        self._ending.append(handler)

    def _register(self, fd: int) -> None:
        events = (select.POLLIN if fd in self.readers else 0) | (select.POLLOUT if fd in self.writers else 0)
        if events:
            self._poll.register(fd, events)
        else:
            try:
                self._poll.unregister(fd)
            except KeyError:
                pass

    # What a test does.

    def run(self, call: Callable[[], object]) -> None:
        """Do something to the engine, as one turn."""
        call()
        self._finish()

    def step(self, wait_s: float = 0.0) -> bool:
        """One look at the file descriptors, each that is ready a turn; whether there was anything to do."""
        busy = bool(self._ending) or self.turn.pending()
        if busy:
            self._finish()
        for fd, events in self._poll.poll(0 if busy else wait_s * 1000):
            busy = True
            if fd in self.readers and events & ~select.POLLOUT:
                self.run(self.readers[fd].readable)
            if fd in self.writers and events & ~select.POLLIN:
                self.run(self.writers[fd].writable)
        return busy

    def settle(self) -> None:
        """Everything that can happen without time passing, other threads' work aside."""
        for _ in range(ROUNDS_MAX):
            if not self.step():
                return
        raise AssertionError("the file descriptors never came to rest")

    def until(self, condition: Callable[[], object]) -> None:
        """Wait, in real time, for other threads or processes to bring `condition` about."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            self.step(0.01)

    def pass_time(self, delay_ns: int) -> None:
        """Let `delay_ns` of virtual time pass, from one deadline to the next."""
        self.settle()
        until_ns = self.clock.now_ns + delay_ns
        while True:
            deadline_ns = self.timers.next_deadline_ns()
            if deadline_ns == NEVER or deadline_ns > until_ns:
                break
            self.clock.now_ns = max(self.clock.now_ns, deadline_ns)
            self._finish()
            self.settle()
        self.clock.now_ns = until_ns
        self.settle()

    def _finish(self) -> None:
        self.timers.advance()
        self.turn.drain()
        for _ in range(self.turn_rounds):
            if not self._ending:
                break
            ending = self._ending
            self._ending = []
            for handler in ending:
                handler.after_turn()
            self.turn.drain()
