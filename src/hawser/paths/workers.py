"""Threads for I/O that may block: O_DIRECT, flushes, and files that were slow once. Results come back through an eventfd.

A thread stuck in the kernel cannot be stopped; the threads are daemons, and the process ends by `os._exit`.
"""

import os
import threading
from collections import deque
from queue import SimpleQueue
from typing import Final

from mypy_extensions import mypyc_attr

from hawser.block.request import Request
from hawser.core.reactor import Handler, Reactor

THREADS_MAX: Final = 8


@mypyc_attr(allow_interpreted_subclasses=True)
class Job:
    """`work` runs in a thread and must not touch the engine; `done` runs in the loop afterwards."""

    def __init__(self, request: Request) -> None:
        self.request = request

    def work(self) -> None:
        raise NotImplementedError

    def done(self) -> None:
        raise NotImplementedError


class Workers(Handler):
    """A pool of at most `limit` threads, started as they are needed."""

    def __init__(self, reactor: Reactor, limit: int = THREADS_MAX) -> None:
        self.reactor = reactor
        self.limit = limit
        self.pending = 0
        self._threads = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._results: deque[Job] = deque()
        self._bell = -1

    def submit(self, job: Job) -> None:
        if self._bell < 0:
            self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self.reactor.watch_reads(self._bell, self)
        self.pending += 1
        if self._threads < self.limit and self._threads < self.pending:
            self._threads += 1
            threading.Thread(target=self._serve, name=f"hawser-io-{self._threads}", daemon=True).start()
        self._jobs.put(job)

    def _serve(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            job.work()
            self._results.append(job)
            os.eventfd_write(self._bell, 1)

    def readable(self) -> None:
        os.eventfd_read(self._bell)
        results = self._results
        while results:
            self.pending -= 1
            results.popleft().done()

    def close(self) -> None:
        """Nothing is under way, and nothing will be: the threads end. (One may be about to ring: the bell stays.)"""
        assert self.pending == 0
        for _ in range(self._threads):
            self._jobs.put(None)
        self._threads = 0
