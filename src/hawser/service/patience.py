"""Waiting: for a lock that somebody who is just ending still has, for something that happens in the loop, for a comparison."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from hawser.manager.identity import IdentityListener
from hawser.paths.disk_lock import LOCK_POLL_S, LOCK_WAIT_S, LockedError
from hawser.service.control_error import ControlVerbError

# I/O may be held back meanwhile.
POLL_SECONDS: Final = 0.002


async def patiently(take: Callable[[], None], told: Callable[[str], None], seconds: float = LOCK_WAIT_S) -> None:
    """Try to take a lock for so long; LockedError when somebody has it all that time. When it has to be waited for, `told` is,
    once, who has it and for how long."""
    deadline = monotonic() + seconds
    has_told = False
    while True:
        try:
            take()
            return
        except LockedError as locked:
            if monotonic() >= deadline:
                raise
            if not has_told:
                has_told = True
                told(f"{locked} has it locked: waiting for up to {seconds:g} s")
        await asyncio.sleep(LOCK_POLL_S)


async def until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Wait for something that happens in the server's loop. ControlVerbError when it does not in time."""
    deadline = monotonic() + seconds
    while not condition():
        if monotonic() > deadline:
            raise ControlVerbError(f"{otherwise} within {seconds:g} s")
        await asyncio.sleep(POLL_SECONDS)


class Compared(IdentityListener):
    """`problems` of an IdentityCheck, by device number, once it is over."""

    def __init__(self) -> None:
        self.problems: dict[str, str] | None = None

    def compared(self, problems: dict[str, str]) -> None:
        self.problems = problems
