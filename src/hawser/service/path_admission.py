"""Admission: may what a URI names be a path to the disk that is being served? The checks of a start, while clients are served.

What its server says is compared before: size, blocks, identity, abilities that clients were told of. Its content is compared
while the map's I/O is held back (hawser.service.path_changes): caches are flushed first, so that all paths must show the same.
Where no other path can be read, what was written last has to testify; where nothing does, only a user's word is left.
"""

import asyncio
from time import monotonic
from typing import Final

from hawser.block.bio import Bio, BioOwner
from hawser.block.limits import QueueLimits
from hawser.block.ops import FLUSH
from hawser.core.status import OK, status_name
from hawser.core.units import SECTOR_SHIFT
from hawser.manager.identity import IdentityCheck
from hawser.manager.probe import UP, Probe, ProbeListener
from hawser.multipath.disk import PathDevice
from hawser.paths.fileio import PathOpenError
from hawser.paths.nbd import NbdDriver
from hawser.paths.uri import PathUri
from hawser.service.control_error import ControlVerbError
from hawser.service.gateway import Gateway
from hawser.service.one_disk import disk_of_another
from hawser.service.path_factory import RealPath
from hawser.service.patience import POLL_SECONDS, Compared, until
from hawser.service.start_error import StartError

# So long a path may take to be read, or to flush its cache: I/O is held back meanwhile.
LOOK_SECONDS: Final = 5.0


class _Probed(ProbeListener):
    def __init__(self) -> None:
        self.verdict = ""
        self.reason = ""

    def probed(self, device: PathDevice, verdict: str, reason: str) -> None:
        self.verdict = verdict
        self.reason = reason


class _Flush(BioOwner):
    """Of a path's own cache."""

    def __init__(self, device: PathDevice) -> None:
        super().__init__()
        self.device = device
        self.written = device.written
        self.is_over = False
        self.problem = ""

    def start(self) -> None:
        self.device.submit_alone(Bio(FLUSH, 0, 0, self))

    def bio_done(self, bio: Bio) -> None:
        self.is_over = True
        if bio.status == OK:
            self.device.cache_flushed(self.written)
        else:
            self.problem = f"{bio.describe()}: {status_name(bio.status)} error"
            self.device.heard_flush_error(bio.status, bio.fate)


async def open_path(gateway: Gateway, uri: PathUri, old: RealPath | None = None) -> RealPath:
    """Reach what a URI names, and see whether it can be the disk that is served, in the place of `old` if there is such a path.

    ControlVerbError when it cannot.
    """
    factory = gateway.factory
    assert factory is not None
    try:
        path = await factory.open_one(uri)
    except (StartError, PathOpenError) as error:
        raise ControlVerbError(f"path {uri.text}: {error}") from None
    problem = path.problem or _problem(gateway, path, old) or disk_of_another(gateway, path)
    if problem:
        close_path(gateway, path)
        raise ControlVerbError(f"path {uri.text}: {problem}")
    return path


def close_path(gateway: Gateway, path: RealPath) -> None:
    """Let go of a path that no map uses."""
    gateway.loop.run(path.driver.shut_down)
    path.driver.close()
    if gateway.state is not None and isinstance(path.driver, NbdDriver) and path.driver.recorder is not None:
        gateway.state.forget(path.driver.recorder)


def _problem(gateway: Gateway, path: RealPath, old: RealPath | None) -> str:
    """Why what it says of itself does not fit, or an empty string."""
    facts = path.facts
    assert facts is not None and gateway.factory is not None
    measure = next((other for other in gateway.paths if other.facts is not None), None)
    if measure is not None:
        problem = gateway.factory.disagreement(path, measure, gateway.paths)
        if problem:
            return f"not the same disk as {problem}"
    served = gateway.served_bytes()
    if facts.size_bytes < served:
        return f"not the same disk: its size is {facts.size_bytes} bytes, not {served}"
    block = gateway.devices[0].limits.logical_block_size if gateway.devices else facts.block_size
    several_servers = path.uri.is_nbd() and any(other.uri.is_nbd() for other in gateway.paths if other is not old)
    needed = max(facts.block_size, facts.rmw_unit) if several_servers else facts.block_size
    if needed > block:
        return (
            f"it needs blocks of {needed} bytes, and clients were told of {block}: start with all paths, or with "
            f"--block-size {needed}"
        )
    return ""


def check_abilities(limits: QueueLimits, device: PathDevice) -> None:
    """ControlVerbError when a path cannot do what the map's `limits` have promised to clients."""
    own = device.limits
    for what, is_promised, can in (
        ("discard", limits.max_discard_sectors > 0, own.max_discard_sectors > 0),
        ("write zeroes", limits.max_write_zeroes_sectors > 0, own.max_write_zeroes_sectors > 0),
        ("flush", limits.write_cache, own.write_cache),
    ):
        if is_promised and not can:
            raise ControlVerbError(f"path {device.uri}: it cannot {what}, and clients were told that the disk can")


async def flush_caches(gateway: Gateway) -> dict[str, str]:
    """Flush the caches of paths that have one of their own and may be dirty: why that failed, by device. I/O is held back."""
    flushes = [
        _Flush(device)
        for device in gateway.devices
        if device.is_dirty() and not device.requests.driver.trouble() and not device.requests.driver.mismatch
    ]

    def begin() -> None:
        for flush in flushes:
            flush.start()

    gateway.loop.run(begin)
    deadline = monotonic() + LOOK_SECONDS
    while monotonic() < deadline and not all(flush.is_over for flush in flushes):
        await asyncio.sleep(POLL_SECONDS)
    return {
        flush.device.devt: flush.problem or "it was not flushed in time"
        for flush in flushes
        if flush.problem or not flush.is_over
    }


async def compare(gateway: Gateway, path: RealPath, device: PathDevice, is_forced: bool) -> None:
    """Compare what a new path shows with what the others do, and with what was written last. ControlVerbError."""
    target = gateway.target
    assert target is not None
    others = [
        other
        for other in gateway.devices
        if other is not device and target.state.uses(other) and not other.requests.driver.trouble()
    ]
    compared = Compared()
    check = IdentityCheck([*others[:1], device], compared)
    gateway.loop.run(check.start)
    try:
        await until(lambda: compared.problems is not None, LOOK_SECONDS, "it was not read to be compared")
    finally:
        gateway.loop.run(lambda: check.give_up("it was not read in time to be compared"))
    problem = (compared.problems or {}).get(device.devt, "")
    if problem:
        raise ControlVerbError(f"path {device.uri}: {problem}")
    facts = path.facts
    assert facts is not None
    if check.is_blank() and facts.size_bytes >> SECTOR_SHIFT != device.size_sectors:
        raise ControlVerbError(
            f"path {device.uri}: its size is {facts.size_bytes} bytes, not {gateway.served_bytes()}, and all that was read is "
            "blank"
        )
    await _ask_witness(gateway, device, len(others) == 0 and not is_forced)


async def _ask_witness(gateway: Gateway, device: PathDevice, must_tell: bool) -> None:
    probed = _Probed()
    probe = Probe(device, probed, gateway.loop.timers, may_hold=False)
    gateway.loop.run(probe.start)
    await until(lambda: probed.verdict != "", LOOK_SECONDS, f"path {device.uri}: it was not read to be compared")
    if probed.verdict != UP:
        raise ControlVerbError(f"path {device.uri}: {probed.reason}")
    if must_tell and probe.agreed == 0:
        raise ControlVerbError(
            f"path {device.uri}: no other path can be read, and nothing was written that could tell whether it is the same disk; "
            "if you know that it is: --force"
        )
