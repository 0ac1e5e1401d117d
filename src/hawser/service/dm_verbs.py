"""dmsetup, asked of a running server: its verbs run in the server's loop, and those that wait are looked at now and then.

Whoever asks may go away: what he waited for is then given up, as if the program had been interrupted.
"""

import asyncio
from collections.abc import Callable
from time import monotonic_ns
from typing import Final

from hawser.core.clock import NEVER
from hawser.dm.condition import Condition, Waiting
from hawser.dm.dmsetup.call import Surroundings
from hawser.dm.dmsetup.program import VERBS, Answer, dmsetup
from hawser.service.common import Common

DM_VERBS: Final = tuple(VERBS)
POLL_SECONDS: Final = 0.002


class DmRun:
    """One run of dmsetup. `reason` is why it was refused, in words for people, where its own words do not say."""

    def __init__(self, common: Common, argv: list[str], stdin: str, files: dict[str, str] | None = None) -> None:
        self.common = common
        self.answer = Answer()
        self.reason = ""
        self._run: Waiting = dmsetup(common.control, ServerSurroundings(common, files or {}), argv, stdin, self.answer)
        self._condition: Condition | None = None
        self.is_done = False

    async def wait(self, is_gone: Callable[[], bool]) -> None:
        """Run it to its end, or until `is_gone` says that nobody wants to know any more."""
        try:
            self.common.loop.run(self._step)
            while not self.is_done and not is_gone():
                await asyncio.sleep(POLL_SECONDS)
                if self._is_ready():
                    self.common.loop.run(self._step)
        finally:
            self.common.loop.run(self._close)

    def _is_ready(self) -> bool:
        condition = self._condition
        if condition is None or condition.ready():
            return True
        return condition.deadline_ns != NEVER and monotonic_ns() >= condition.deadline_ns

    def _step(self) -> None:
        control = self.common.control
        control.reason = ""
        try:
            self._condition = next(self._run)
        except StopIteration:
            self.is_done = True
            self.reason = control.reason if self.answer.rc else ""
            control.reap()

    def _close(self) -> None:
        self._run.close()


class ServerSurroundings(Surroundings):
    """A server's devices have no nodes in /dev; time is the loop's. Files are what whoever asks has sent of them."""

    def __init__(self, common: Common, files: dict[str, str]) -> None:
        super().__init__(common.control)
        self.common = common
        self.files = files

    def read_file(self, path: str) -> str | None:
        return self.files.get(path)

    def now_ns(self) -> int:
        return self.common.loop.clock.now_ns
