"""The `trace` verb of the control socket: follow every I/O for a while, and send the trace file piece by piece.

The pieces are made between turns, a small one at a time, and after each the process is left to I/O for longer than the piece has
taken, so that clients are served while the file is on its way. Whoever asked may go away: then nothing is followed any more.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Final

from hawser.block.recorder import Recorder
from hawser.service.chosen import Chosen
from hawser.service.control_error import ControlVerbError
from hawser.service.trace_facts import trace_facts
from hawser.service.trace_file import chunks

SECONDS_MAX: Final = 600.0
# How long I/Os that were begun in time may take to end.
FINISH_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.01
# So many times as long as a piece of the file takes to make and to send nothing more of it is made.
LEFT_TO_IO: Final = 2.0
# How often it is looked whether somebody still wants it.
LOOK_SECONDS: Final = 0.1


async def trace(chosen: Chosen, args: list[str], is_gone: Callable[[], bool]) -> AsyncIterator[str]:
    """`trace SECONDS`: the text of a trace file. ControlVerbError when it cannot be had."""
    seconds = _seconds(args)
    loop = chosen.common.loop
    turn = loop.turn
    if turn.tracer is not None:
        raise ControlVerbError("trace: another one is under way; wait for its end")
    recorder = Recorder(loop.clock, _followed(chosen))
    surroundings = trace_facts(chosen, seconds)
    turn.tracer = recorder
    start_ns = loop.clock.now_ns
    try:
        deadline = monotonic() + seconds
        while not is_gone() and monotonic() < deadline:
            await asyncio.sleep(min(LOOK_SECONDS, deadline - monotonic()))
        recorder.is_open = False
        deadline = monotonic() + FINISH_SECONDS
        while not is_gone() and recorder.open_ios() and monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
    finally:
        turn.tracer = None
    if is_gone():
        return
    recorder.close()
    names = ", ".join(gateway.options.name for gateway in chosen.gateways)
    began = monotonic()
    for chunk in chunks(recorder, start_ns, f"hawser {names}", surroundings):
        yield chunk
        await asyncio.sleep(LEFT_TO_IO * (monotonic() - began))
        began = monotonic()


def _followed(chosen: Chosen) -> frozenset[str] | None:
    """The devices whose I/O is followed: where a map was named, those that lead to its disk, and its paths; else all, None."""
    if not chosen.map_name:
        return None
    paths = [device.name for gateway in chosen.gateways for device in gateway.devices]
    return frozenset([*(device.name for device in chosen.maps()), *paths])


def _seconds(args: list[str]) -> float:
    try:
        (text,) = args
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= SECONDS_MAX:
        raise ControlVerbError(f"trace takes a number of seconds above 0, up to {SECONDS_MAX:.0f}, such as 1 or 0.5")
    return seconds
