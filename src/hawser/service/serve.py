"""The process behind `hawser serve`: start, say `ready`, serve, stop on SIGTERM or SIGINT; SIGHUP does not end it."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Final, NoReturn

from hawser.core.log import LogSink
from hawser.exports.addresses import Addresses
from hawser.service.control import ControlServer
from hawser.service.gateways import Gateways
from hawser.service.hangup import is_heard
from hawser.service.loop import keep_buffers, run_in_own_loop, tune_garbage_collector
from hawser.service.options import ProcessOptions, ServeOptions
from hawser.service.start_error import StartError
from hawser.service.watchdog import BEAT_SECONDS, Watchdog

HANGUP: Final = "SIGHUP: the configuration is read once, at the start; SIGTERM stops"


async def serve(
    process: ProcessOptions, disks: list[ServeOptions], addresses: Addresses | None, log: LogSink, watchdog: Watchdog
) -> int:
    """Serve until told to stop; the exit status."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if is_heard():
        # A terminal that is closed is no reason to take a disk away from its clients, and no more is a wish for a reload.
        loop.add_signal_handler(signal.SIGHUP, log.warning, HANGUP)
    gateways = Gateways(process, disks, log, addresses)
    control: ControlServer | None = None
    try:
        if not await _unless(stop, gateways.start()):
            log.info("stopping before it was ready")
            await _end(gateways, control, watchdog)
            return 0
        if process.control:
            control = ControlServer(gateways.common, process.control)
            try:
                await control.start()
            except OSError as error:
                raise StartError(f"control socket {process.control}: {error.strerror or error}") from None
    except StartError as error:
        log.error(str(error))
        await gateways.stop()
        return 1
    for gateway in gateways.all:
        for uri in gateway.ready:
            sys.stdout.write(f"ready {uri}\n")
    sys.stdout.flush()
    keep_buffers()
    tune_garbage_collector()
    await stop.wait()
    log.info("stopping")
    await _end(gateways, control, watchdog)
    return 0


async def _end(gateways: Gateways, control: ControlServer | None, watchdog: Watchdog) -> None:
    """The orderly end, with somebody who sees to it that it does end."""
    watchdog.stopping()
    beats = asyncio.create_task(_beat(watchdog))
    if control is not None:
        await control.stop()
    await gateways.stop()
    beats.cancel()


async def _beat(watchdog: Watchdog) -> None:
    while True:
        watchdog.beat()
        await asyncio.sleep(BEAT_SECONDS)


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Do the work, unless told to stop first: it is cancelled then, and the answer is no."""
    task = asyncio.create_task(work)
    waiter = asyncio.create_task(stop.wait())
    await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
        return False
    task.result()
    return True


def run(process: ProcessOptions, disks: list[ServeOptions], addresses: Addresses | None, log: LogSink) -> int:
    """`serve` in an event loop of its own. `addresses`: where several disks may listen (hawser.service.common)."""
    watchdog = Watchdog(log)
    watchdog.start()
    try:
        return run_in_own_loop(serve(process, disks, addresses, log, watchdog))
    finally:
        watchdog.cancel()


def leave(status: int) -> NoReturn:
    """End the process although threads may be stuck in the kernel: everything is flushed, nothing is waited for."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
