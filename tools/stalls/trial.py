"""One row, several times: load, the fault in its midst, and how long the slowest I/O took, said by our own client and by fio."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.fleet import Fleet
from tests.support.upstreams import Upstream
from tools.stalls import peer
from tools.stalls.load import BLOCK, Load, Stall
from tools.stalls.plan import Variant
from tools.stalls.rig import DISK_BYTES, Rig

# Load before the fault, and after it where nothing has to time out.
BEFORE_S = 0.4
AFTER_S = 0.5
# How much longer than it should be a stall may last before nobody waits for it any more.
PATIENCE_S = 15.0
HALF = DISK_BYTES // 2
# hawser.paths.nbd.LINGER_NS: a black hole's connection is reset so long after the first time-out, and a quiesce counts from then.
LINGER_S = 5.0


@dataclass
class Result:
    """Of one row: a figure for each trial, in seconds. `healthy`: the slowest I/O before the fault."""

    variant: Variant
    stalls: list[Stall] = field(default_factory=list)
    healthy: list[float] = field(default_factory=list)
    fio: list[float] = field(default_factory=list)
    unproven: int = 0
    error: str = ""


@contextmanager
def rig_of(variant: Variant) -> Iterator[Rig]:
    """A rig in a directory of its own, taken apart at the end."""
    directory = Path(tempfile.mkdtemp(prefix="hw-", dir="/tmp"))
    fleet = Fleet(directory)
    rig: Rig | None = None
    try:
        rig = Rig(fleet, variant)
        yield rig
    finally:
        if rig is not None:
            rig.close()
        fleet.close()
        shutil.rmtree(directory, ignore_errors=True)


def run(variant: Variant, number: int, result: Result, with_fio: bool) -> None:
    """One trial on a rig of its own; what it finds is added to `result`."""
    try:
        with rig_of(variant) as rig:
            _ours(rig, number, result)
            if with_fio:
                result.fio.append(_fio(rig, number))
            log = rig.gateway.log()
            if "Traceback" in log:
                result.error = "a traceback in hawser's log"
            result.unproven += log.count(": unproven")
    except (AssertionError, OSError) as error:
        result.error = str(error).splitlines()[0] if str(error) else type(error).__name__


def after_s(variant: Variant) -> float:
    """How long a trial goes on after the fault."""
    if variant.quiesce_s:
        lingers = LINGER_S if variant.fault == "hole" else 0.0
        return variant.io_timeout_s + lingers + variant.quiesce_s + AFTER_S
    return AFTER_S if variant.fault == "kill" else variant.io_timeout_s + 1.0


def _ours(rig: Rig, number: int, result: Result) -> None:
    rig.prepare()
    victim = rig.aim()
    load = Load(rig.gateway.client(), rig.variant.load, 0, HALF // BLOCK, seed=number)
    time.sleep(BEFORE_S)
    struck_ns = time.monotonic_ns()
    rig.strike(victim)
    time.sleep(after_s(rig.variant))
    load.stop(after_s(rig.variant) + PATIENCE_S)
    if load.errors:
        raise AssertionError(f"the client was told of {len(load.errors)} errors, such as {load.errors[0]}")
    stall = load.stall(struck_ns)
    if stall.answered == 0:
        raise AssertionError("nothing was answered after the fault")
    result.healthy.append(load.stall(0, struck_ns - int(BEFORE_S / 2 * 1e9)).longest)
    result.stalls.append(stall)
    rig.heal(victim)


def _fio(rig: Rig, number: int) -> float:
    rig.prepare()
    victim: Upstream = rig.aim()
    seconds = BEFORE_S + after_s(rig.variant) + 0.5
    process = peer.start(rig.fleet, rig.gateway, rig.variant.load, HALF, HALF, seconds, f"fio{number}")
    time.sleep(BEFORE_S)
    rig.strike(victim)
    longest_s = peer.longest_s(process, seconds + PATIENCE_S)
    rig.heal(victim)
    return longest_s
