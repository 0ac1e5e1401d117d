"""The load's process, from the outside: start it, hear its reports, tell it to end."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from typing import Final

import msgspec

from hawser.service.demo_load import LoadReport

# What is in flight, and then reading everything back, may take so long. After that the load has lost an I/O.
FINISH_SECONDS: Final = 30.0


class LoadProcess:
    """`report` is the newest; `on_report` hears of each. `log` is the file that takes what the process complains of."""

    def __init__(self, log: str, on_report: Callable[[LoadReport], None]) -> None:
        self.report = LoadReport()
        self.on_report = on_report
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self, socket_path: str, export: str, clients: int, depth: int, seed: int) -> None:
        words = [socket_path, export, str(clients), str(depth), str(seed)]
        with open(self._log, "wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "hawser.service.demo_load", *words),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._listening = asyncio.create_task(self._listen())

    def has_ended(self) -> bool:
        return self._listening is None or self._listening.done()

    def complaint(self) -> str:
        """The last thing that the process wrote to its standard error; empty if it did not."""
        try:
            with open(self._log, encoding="utf-8", errors="replace") as log:
                lines = log.read().split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    async def finish(self) -> None:
        """Have it end its load, wait for what is in flight and read everything back; within a bound."""
        process = self._process
        if process is None or self._listening is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._listening), FINISH_SECONDS)

    async def end(self) -> None:
        """It is gone after this, whatever it did."""
        process = self._process
        if process is None or self._listening is None:
            return
        if process.returncode is None and not self._listening.done():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening

    async def _listen(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.report = msgspec.json.decode(line, type=LoadReport)
            self.on_report(self.report)


def new_seed() -> int:
    """A number for a run that no other one has."""
    return int.from_bytes(os.urandom(6), "little")
