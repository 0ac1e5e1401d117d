"""CommandAgent: a fence agent that is a program. `hawser serve --fence-agent "CMD ARGS"` runs `CMD ARGS PATH REASON`; exit
status 0 says that nothing which was sent over that path can take effect any more.

It is tried again when it fails, a limited number of times since somebody asked last, and killed when it
takes too long. One runs per path at a time.
"""

import asyncio
import contextlib
import os
import signal
from typing import Final

from hawser.core.log import LogSink
from hawser.paths.fence_agent import FenceAgent, FenceCall
from hawser.service.loop import Loop

AGENT_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 5.0
TRIES_MAX: Final = 5
# How much of what it prints is logged.
OUTPUT_MAX: Final = 500


class CommandAgent(FenceAgent):
    """`command` is the program and its first arguments. It is killed after `agent_s` seconds; two tries are `retry_s` apart."""

    def __init__(
        self,
        command: list[str],
        loop: Loop,
        log: LogSink,
        agent_s: float = AGENT_SECONDS,
        retry_s: float = RETRY_SECONDS,
    ) -> None:
        self.command = command
        self.loop = loop
        self.log = log
        self.agent_s = agent_s
        self.retry_s = retry_s
        # Who waits, by path; and the tasks that ask for them.
        self._calls: dict[str, list[FenceCall]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        # How often it has failed since somebody asked last.
        self._tries: dict[str, int] = {}
        self._told: list[FenceCall] = []

    def ask(self, path: str, reason: str, call: FenceCall) -> None:
        self._tries[path] = 0
        calls = self._calls.get(path)
        if calls is not None:
            calls.append(call)
            return
        self._calls[path] = [call]
        # From within a turn: asyncio has to be woken.
        self.loop.asyncio_loop.call_soon_threadsafe(self._start, path, reason)

    def withdraw(self, call: FenceCall) -> None:
        for calls in self._calls.values():
            if call in calls:
                calls.remove(call)

    def _start(self, path: str, reason: str) -> None:
        self._tasks[path] = asyncio.create_task(self._fence(path, reason))

    async def stop(self) -> None:
        """Kill what runs."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _fence(self, path: str, reason: str) -> None:
        calls = self._calls[path]
        try:
            while calls and self._tries[path] < TRIES_MAX:
                # Of those who ask while it runs it knows nothing.
                asked = list(calls)
                failure = await self._run(path, reason)
                if not failure:
                    self.log.warning(f"{path}: the fence agent has succeeded")
                    self._told = asked
                    self.loop.run(self._tell)
                    for call in asked:
                        self.withdraw(call)
                    self._tries[path] = 0
                    continue
                self._tries[path] += 1
                tries = self._tries[path]
                self.log.error(f"{path}: the fence agent has failed: {failure} (try {tries} of {TRIES_MAX})")
                await asyncio.sleep(self.retry_s)
        finally:
            del self._tasks[path]
            del self._calls[path]
            del self._tries[path]

    def _tell(self) -> None:
        for call in self._told:
            if any(call in calls for calls in self._calls.values()):
                call.fenced()

    async def _run(self, path: str, reason: str) -> str:
        """Why it has not succeeded; empty when it has."""
        making = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *self.command,
                path,
                reason,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        )
        try:
            process = await asyncio.shield(making)
        except OSError as error:
            return error.strerror or str(error)
        except asyncio.CancelledError:
            # It may run already, with programs of its own.
            with contextlib.suppress(OSError):
                await _kill(await making)
            raise
        try:
            output, _ = await asyncio.wait_for(process.communicate(), self.agent_s)
        except TimeoutError:
            return f"it took longer than {self.agent_s:g} s"
        finally:
            await _kill(process)
        words = output.decode(errors="replace").strip()[:OUTPUT_MAX]
        if words:
            self.log.info(f"{path}: the fence agent says: {words!r}")
        return "" if process.returncode == 0 else f"exit status {process.returncode}"


async def _kill(process: asyncio.subprocess.Process) -> None:
    """If it runs still: with all that it has started, which would keep its output open."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
