"""Many runs at once: a pool of processes that play chunks of seeds, whose results come back in the order of the seeds.

A run that never ends, or that takes all memory, is a failure of its seed: each process watches the time and the memory of its
own.
"""

import multiprocessing
import os
import resource
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from types import FrameType
from typing import Final, TypeVar

CHUNK: Final = 8
# Chunks that are handed out for each process: none has to wait for the slowest.
AHEAD: Final = 4
SEED_SECONDS_MAX: Final = 120.0
WORKER_BYTES_MAX: Final = 3 << 30

A = TypeVar("A")
R = TypeVar("R")


@dataclass
class Result:
    """What is kept of a run."""

    seed: int
    faults: list[str]
    crash: list[str]
    digest: str
    bios: int
    end_ns: int
    hits: dict[str, int] = field(default_factory=dict)


class WorkerDiedError(Exception):
    """A process of the pool is gone; `work` is what it, or one of its fellows, was at."""

    def __init__(self, work: object) -> None:
        super().__init__(f"a process died while it was at {work}: was it killed for want of memory?")
        self.work = work


def default_jobs() -> int:
    return os.cpu_count() or 1


def play_chunk(work: tuple[str, list[int]]) -> list[Result]:
    """Play seeds of a kind (hawser.cli.lab_plans)."""
    from hawser.cli.lab_plans import draw
    from hawser.lab.trial import attempt

    kind, seeds = work
    found: list[Result] = []
    for seed in seeds:
        _watch(SEED_SECONDS_MAX)
        trial = attempt(draw(seed, kind))
        _watch(0)
        found.append(Result(seed, trial.faults, trial.crash, trial.digest, trial.bios, trial.end_ns, trial.hits))
    return found


def chunks(seeds: Iterable[int], kind: str) -> Iterator[tuple[str, list[int]]]:
    """Cut into pieces of work."""
    chunk: list[int] = []
    for seed in seeds:
        chunk.append(seed)
        if len(chunk) == CHUNK:
            yield kind, chunk
            chunk = []
    if chunk:
        yield kind, chunk


def in_order(call: Callable[[A], R], work: Iterable[A], jobs: int) -> Generator[tuple[A, R], None, None]:
    """Each piece of work with its result, in the order of the work; by this process alone if there is one job.

    WorkerDiedError when a process is gone. Close the iterator (or exhaust it) to end the pool; what is under way is broken off.
    """
    if jobs == 1:
        for piece in work:
            yield piece, call(piece)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, begin_worker) as pool:
        try:
            yield from _through_pool(pool, call, work, jobs)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()


def _through_pool(
    pool: ProcessPoolExecutor, call: Callable[[A], R], work: Iterable[A], jobs: int
) -> Iterator[tuple[A, R]]:
    pending: deque[tuple[A, Future[R]]] = deque()
    left = iter(work)
    while True:
        while len(pending) < AHEAD * jobs:
            piece = next(left, None)
            if piece is None:
                break
            pending.append((piece, pool.submit(call, piece)))
        if not pending:
            return
        piece, future = pending.popleft()
        try:
            result = future.result()
        except BrokenProcessPool:
            raise WorkerDiedError(piece) from None
        yield piece, result


def begin_worker() -> None:
    """Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, _too_long)
    limit = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = WORKER_BYTES_MAX if limit == resource.RLIM_INFINITY else min(WORKER_BYTES_MAX, limit)
    resource.setrlimit(resource.RLIMIT_AS, (most, limit))


def _watch(seconds: float) -> None:
    """Only where there is a handler: in the processes of a pool."""
    if signal.getsignal(signal.SIGALRM) is _too_long:
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"it was still running after {SEED_SECONDS_MAX:.0f} s")
