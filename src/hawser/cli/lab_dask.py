"""An existing Dask cluster that plays jobs, where one machine is not enough. `dask.distributed` is imported only here.

Every worker has to have the same hawser, to the source: outcomes are then the same as those of processes of this machine. What a
worker was at when it died is given to another by Dask itself, a few times; then the job has failed.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Final

from hawser.cli.lab_identity import identity, outside_of
from hawser.cli.lab_job import play_job_if_same
from hawser.cli.lab_workers import JOB_SECONDS_MAX
from hawser.lab.model.jobs import Executor, Job, Outcome

# How long to wait for the scheduler, for a first worker, and for another when none is left.
PATIENCE_S: Final = 15.0
# Jobs that are handed out for each thread of the cluster.
AHEAD: Final = 2
LOOK_EVERY_S: Final = 2.0
KEPT: Final = "what was done is kept, with --into: the same command goes on"
INSTALL: Final = "pip install 'hawser[sweep]'"


class ClusterError(Exception):
    """The cluster cannot be used, or is there no more. The message says which cluster, and what would be right."""


class Cluster(Executor):
    """`address`: of the scheduler, as in tcp://host:8786. A job may take about `seconds_max` of wall time.

    ClusterError when it does not answer within `patience_s`, has no worker for so long, or workers have another hawser.
    """

    def __init__(self, address: str, seconds_max: float = JOB_SECONDS_MAX, patience_s: float = PATIENCE_S) -> None:
        self.address = address
        self.seconds_max = seconds_max
        self.patience_s = patience_s
        self._distributed = _load()
        # What it has to say of a connection that is lost is said here.
        for name in list(logging.root.manager.loggerDict):
            if name.partition(".")[0] == "distributed":
                logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._client: Any = self._distributed.Client(address, timeout=self.patience_s)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"--dask {address}: no scheduler of Dask answers there within {self.patience_s:g} s "
                f"({str(error) or type(error).__name__}): want its address, as in tcp://host:8786"
            ) from None
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """The cluster stays as it is."""
        self._client.close(timeout=self.patience_s)

    def _check(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=self.patience_s)
        except OSError:
            raise ClusterError(
                f"--dask {self.address}: the cluster has no worker within {self.patience_s:g} s: start some, "
                f"`dask worker {self.address}`"
            ) from None
        wanted = identity()
        for worker, found in self._client.run(identity, on_error="return").items():
            if found != wanted:
                has = (
                    f"has no hawser that can play ({found})" if isinstance(found, Exception) else f"has hawser {found}"
                )
                raise ClusterError(
                    f"--dask {self.address}: worker {worker} {has}; this is {wanted}: want the same there"
                )

    def run(self, jobs: Sequence[Job], play: str) -> Iterator[tuple[Job, Outcome]]:
        """ClusterError when the scheduler is gone, or no worker is left."""
        left = deque(jobs)
        pending: dict[Any, Job] = {}
        try:
            while left or pending:
                for future, outcome in self._next(left, pending, play):
                    yield pending.pop(future), outcome
        finally:
            if self._client.status == "running":
                self._client.cancel(list(pending))

    def _next(self, left: deque[Job], pending: dict[Any, Job], play: str) -> list[tuple[Any, Outcome]]:
        """Hand out as many as there should be, and wait for outcomes."""
        try:
            most = AHEAD * max(1, sum(self._threads().values()))
            while left and len(pending) < most:
                job = left.popleft()
                words = (play, job.scenario, job.seed, identity(), outside_of(job.scenario))
                pending[self._client.submit(play_job_if_same, *words, pure=False)] = job
            return self._await(list(pending))
        except (OSError, self._distributed.CancelledError):
            raise self._gone() from None

    def _threads(self) -> dict[str, int]:
        """Of each worker."""
        if self._client.status != "running":
            raise self._gone()
        threads: dict[str, int] = self._client.nthreads()
        return threads

    def _gone(self) -> ClusterError:
        return ClusterError(f"--dask {self.address}: the scheduler is gone; {KEPT}")

    def _await(self, pending: list[Any]) -> list[tuple[Any, Outcome]]:
        """Wait until one has ended, or none has for longer than all that are handed out may take."""
        began = seen = time.monotonic()
        while True:
            try:
                ended = self._distributed.wait(pending, timeout=LOOK_EVERY_S, return_when="FIRST_COMPLETED")
                return [(future, self._outcome(future)) for future in ended.done]
            except TimeoutError:
                pass
            now = time.monotonic()
            if self._threads():
                seen = now
            if now - seen > self.patience_s:
                raise ClusterError(f"--dask {self.address}: no worker is left; {KEPT}")
            if now - began > AHEAD * self.seconds_max:
                # Dask cannot break off what a worker is at, but nobody waits for it any more.
                self._client.cancel(pending, force=True)
                late = Outcome(error="it was still running after its time, and was given up")
                return [(future, late) for future in pending]

    def _outcome(self, future: Any) -> Outcome:
        """Of one that has ended."""
        if future.status == "finished":
            return Outcome(*future.result())
        if future.status == "error":
            error = future.exception()
            return Outcome(error=f"{type(error).__name__}: {error}")
        raise self._gone()


def _load() -> Any:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise ClusterError(f"--dask wants dask.distributed, which is not here ({error}): {INSTALL}") from None
