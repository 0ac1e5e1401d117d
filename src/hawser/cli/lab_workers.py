"""Processes of this machine that play jobs, each one at a time: who takes too long is killed, who dies has failed that one job.

A ProcessPoolExecutor would do (hawser.cli.lab_pool), were it not that a process that dies takes all of its fellows' work with it.
"""

import multiprocessing
import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Final

from hawser.cli.lab_job import play_job
from hawser.cli.lab_pool import begin_worker
from hawser.lab.model.jobs import Executor, Job, Outcome

JOB_SECONDS_MAX: Final = 600.0
READY: Final = "ready"
# How long a process may take to begin, and to end.
START_SECONDS_MAX: Final = 120.0
END_SECONDS_MAX: Final = 5.0


class Workers(Executor):
    """`count` processes; a job may take `seconds_max` of wall time."""

    def __init__(self, count: int, seconds_max: float = JOB_SECONDS_MAX) -> None:
        self.count = count
        self.seconds_max = seconds_max

    def run(self, jobs: Sequence[Job], play: str) -> Iterator[tuple[Job, Outcome]]:
        left = deque(jobs)
        workers: list[_Worker] = []
        try:
            while True:
                while left and len(workers) < self.count:
                    workers.append(_Worker())
                for worker in workers:
                    if left and worker.job is None:
                        worker.begin(left.popleft(), play, self.seconds_max)
                busy = [worker for worker in workers if worker.job is not None]
                if not busy:
                    return
                for worker, outcome in _ended(busy):
                    assert worker.job is not None
                    job, worker.job = worker.job, None
                    if outcome.error and not worker.is_alive():
                        workers.remove(worker)
                        worker.end()
                    yield job, outcome
        finally:
            for worker in workers:
                worker.end()


class _Worker:
    """A process, and what it is at."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other,), daemon=True)
        self.process.start()
        other.close()
        self.job: Job | None = None
        self.deadline = 0.0
        self._seconds = 0.0
        self._is_ready = False

    def begin(self, job: Job, play: str, seconds: float) -> None:
        """Its time begins when the process is there."""
        self.job = job
        self._seconds = seconds
        self.deadline = time.monotonic() + (seconds if self._is_ready else START_SECONDS_MAX)
        try:
            self.connection.send((play, job.scenario, job.seed))
        except OSError:
            pass  # it is dead, as will be heard

    def hear(self) -> Outcome | None:
        """What it has to say, once there is something to hear: that it is ready (None), or an outcome."""
        try:
            said = self.connection.recv()
        except (EOFError, OSError):
            self.process.join(END_SECONDS_MAX)
            return Outcome(error=f"its process died ({_status(self.process.exitcode)})")
        if said == READY:
            self._is_ready = True
            self.deadline = time.monotonic() + self._seconds
            return None
        text, error = said
        return Outcome(text, error)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def is_alive(self) -> bool:
        return self.process.is_alive()

    def end(self) -> None:
        """Whatever it is at is given up."""
        self.process.terminate()
        self.process.join(END_SECONDS_MAX)
        if self.process.is_alive():
            self.kill()
        self.connection.close()
        self.process.close()


def _ended(busy: list[_Worker]) -> list[tuple[_Worker, Outcome]]:
    """Wait until there is something to hear: what has ended, died, or had its time. It may be nothing."""
    patience = min(worker.deadline for worker in busy) - time.monotonic()
    ready = wait([worker.connection for worker in busy], max(0.0, patience))
    found: list[tuple[_Worker, Outcome]] = []
    for worker in busy:
        if worker.connection in ready:
            outcome = worker.hear()
            if outcome is not None:
                found.append((worker, outcome))
        elif time.monotonic() >= worker.deadline:
            worker.kill()
            found.append((worker, Outcome(error="it was still running after its time, and was killed")))
    return found


def _status(code: int | None) -> str:
    if code is None:
        return "it does not end, either"
    return f"killed by signal {-code}: for want of memory?" if code < 0 else f"exit status {code}"


def _serve(connection: Connection) -> None:
    """The life of a process: jobs, until there is nobody who would send one."""
    begin_worker()
    connection.send(READY)
    while True:
        try:
            play, scenario, seed = connection.recv()
        except EOFError:
            return
        connection.send(play_job(play, scenario, seed))
