"""Gateways: all disks of one process, started and stopped together.

A start is all or nothing: where one disk cannot be served, or not yet, no client of any is let in, and the error says which
disk it is. Each step is done for all disks at once, and is over when it is for the slowest; numbers are given out in the order
of the options. The ends of all disks run side by side, so that together they take no longer than one.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

from hawser.core.log import LogSink
from hawser.exports.addresses import Addresses
from hawser.service.common import Common
from hawser.service.gateway import Gateway
from hawser.service.one_disk import disk_of_another
from hawser.service.options import ProcessOptions, ServeOptions
from hawser.service.start_error import StartError

DISKS_MAX: Final = 64


class Gateways:
    """`start`, then `stop`, within a running asyncio loop. `addresses` as of Common: several disks need them."""

    def __init__(
        self, process: ProcessOptions, disks: list[ServeOptions], log: LogSink, addresses: Addresses | None = None
    ) -> None:
        assert 0 < len(disks) <= DISKS_MAX and (len(disks) == 1 or addresses is not None)
        self.log = log
        self.common = Common(process, log, addresses)
        self.all = [Gateway(disk, log, self.common) for disk in disks]

    async def start(self) -> None:
        """Serve all disks. StartError says which cannot be, and why."""
        await self._side_by_side([gateway.open() for gateway in self.all], asyncio.ALL_COMPLETED)
        self._one_by_one(_refuse_the_disk_of_another)
        self._one_by_one(Gateway.make_devices)
        # (What an earlier process left in a cache may take for ever to settle.)
        await self._side_by_side([gateway.settle() for gateway in self.all], asyncio.FIRST_EXCEPTION)
        self._one_by_one(Gateway.load)
        self._one_by_one(Gateway.listen)
        self._one_by_one(Gateway.let_in)

    async def _side_by_side(self, works: list[Coroutine[None, None, None]], until: str) -> None:
        """A step of each disk; what goes on when it is over is given up."""
        tasks = [asyncio.create_task(work) for work in works]
        try:
            await asyncio.wait(tasks, return_when=until)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        problems: list[tuple[Gateway, StartError]] = []
        for gateway, task in zip(self.all, tasks, strict=True):
            error = None if task.cancelled() else task.exception()
            if isinstance(error, StartError):
                problems.append((gateway, error))
            elif error is not None:
                raise error
        self._refuse(problems)

    def _one_by_one(self, step: Callable[[Gateway], None]) -> None:
        problems: list[tuple[Gateway, StartError]] = []
        for gateway in self.all:
            try:
                step(gateway)
            except StartError as error:
                problems.append((gateway, error))
        self._refuse(problems)

    def _refuse(self, problems: list[tuple[Gateway, StartError]]) -> None:
        if problems and len(self.all) == 1:
            raise problems[0][1]
        for gateway, error in problems:
            self.log.error(f"disk {gateway.options.name}: {error}")
        if problems:
            names = ", ".join(gateway.options.name for gateway, _ in problems)
            raise StartError(f"no disk is served, as not all can be: {names}")

    async def stop(self) -> None:
        """Answer or fail what is in flight on all disks, then let go of everything; under 5 s whatever the paths do."""
        # Of all of them first: a device may stand on several disks.
        self.common.loop.run(self._stop_servers)
        ends = await asyncio.gather(*(gateway.stop() for gateway in self.all), return_exceptions=True)
        if self.common.agent is not None:
            await self.common.agent.stop()
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    def _stop_servers(self) -> None:
        for gateway in self.all:
            gateway.server.stop()


def _refuse_the_disk_of_another(gateway: Gateway) -> None:
    for path in gateway.paths:
        problem = disk_of_another(gateway, path)
        if problem:
            raise StartError(f"path {path.uri.text}: {problem}")
