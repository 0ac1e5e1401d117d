"""Waiting for a lock that somebody who is just ending still has."""

import asyncio
from collections.abc import Callable
from time import monotonic

from hawser.paths.disk_lock import LOCK_POLL_S, LOCK_WAIT_S, LockedError


async def patiently(take: Callable[[], None], seconds: float = LOCK_WAIT_S) -> None:
    """Try to take a lock for so long; LockedError when somebody has it all that time."""
    deadline = monotonic() + seconds
    while True:
        try:
            take()
            return
        except LockedError:
            if monotonic() >= deadline:
                raise
        await asyncio.sleep(LOCK_POLL_S)
