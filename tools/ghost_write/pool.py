"""Rows side by side: a pool of processes, each with one row's servers at a time. All of them end with it, whatever happens."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.support.fleet import Fleet
from tools.ghost_write import caches, neighbour
from tools.ghost_write.plan import CACHES, Variant
from tools.ghost_write.trial import Outcome, Trial

INSIST_S = 0.5


@dataclass(frozen=True)
class Work:
    """One row on one side."""

    number: int
    variant: Variant
    naive: bool
    queue_mode: str
    cache: str


def play(work: Work) -> tuple[Work, Outcome]:
    """A trial that cannot be made (a server that does not start, say) is an outcome, too: an error."""
    directory = Path(tempfile.mkdtemp(prefix="gw-", dir="/tmp"))
    fleet = Fleet(directory)
    trial: Trial | None = None
    try:
        if work.variant.fault in CACHES:
            return work, caches.run(fleet, work.variant, work.naive, work.queue_mode)
        if work.variant.overlap == "neighbour":
            return work, neighbour.run(fleet, work.variant, work.naive, work.queue_mode)
        trial = Trial(fleet, work.variant, work.naive, work.queue_mode, work.cache)
        return work, trial.run()
    except (AssertionError, OSError) as error:
        # Nothing but the first line: what a log said is long.
        return work, Outcome(error=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    finally:
        if trial is not None:
            trial.rig.close()
        fleet.close()
        shutil.rmtree(directory, ignore_errors=True)


def play_all(works: list[Work], jobs: int) -> Iterator[tuple[Work, Outcome]]:
    """As they are done."""
    context = multiprocessing.get_context("fork")
    with context.Pool(min(jobs, len(works)), initializer=_begin) as pool:
        try:
            yield from pool.imap_unordered(play, works)
            # Each leaves by itself: a signal may come to it just before it waits for a lock, and go unseen.
            pool.close()
            pool.join()
        except BaseException:
            done = threading.Event()
            threading.Thread(target=_insist, args=(done,), daemon=True).start()
            pool.terminate()
            pool.join()
            done.set()
            raise


def _insist(done: threading.Event) -> None:
    """Tell those that have not heard it again to end; one that has does not mind."""
    while not done.wait(INSIST_S):
        for child in multiprocessing.active_children():
            child.terminate()


def _begin() -> None:
    """Told to end, a process takes its servers with it: `play` ends by an exception then. An interrupt comes to all of them."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(128 + number)
