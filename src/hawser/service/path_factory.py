"""Real paths: from URIs to devices, each opened, measured and compared with the others before anything is served."""

import asyncio
import os
import stat
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

from hawser.block.dispatch import DEPTH_DEFAULT
from hawser.block.driver import Driver
from hawser.block.limits import MAX_SECTORS_DEFAULT, UNLIMITED, QueueLimits
from hawser.block.queue import RequestQueue
from hawser.core.log import LogSink
from hawser.core.rng import Rng
from hawser.core.units import SECTOR_SHIFT
from hawser.multipath.disk import CACHE_NONE, PathDevice, SharedDisk
from hawser.paths.disk_lock import LockedError, NoLocksError, lock_disk
from hawser.paths.facts import PathFacts, wwids_differ
from hawser.paths.fence_agent import FenceAgent
from hawser.paths.file import FileDriver
from hawser.paths.fileio import PathOpenError
from hawser.paths.nbd import NbdDriver
from hawser.paths.ram import RamPathDriver, RamStore
from hawser.paths.uri import PathUri
from hawser.service.loop import Loop
from hawser.service.path_numbers import PathNumbers
from hawser.service.patience import patiently
from hawser.service.start_error import StartError
from hawser.service.state_dir import StateDir

CONNECT_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.01


@dataclass
class RealPath:
    """A path on its way to being a device. `facts` is None until it was reached; `problem` says why not. `inode`: of a file its
    file system and inode number, of a block device only its number."""

    uri: PathUri
    driver: Driver
    facts: PathFacts | None
    problem: str = ""
    devt: str = ""
    inode: tuple[int, int] | None = None

    def wwid(self) -> str:
        """What is known of it without reaching it, or since."""
        return self.facts.wwid if self.facts is not None else self.uri.wwid


def _inode(fd: int) -> tuple[int, int]:
    what = os.fstat(fd)
    return (0, what.st_rdev) if stat.S_ISBLK(what.st_mode) else (what.st_dev, what.st_ino)


class PathFactory:
    """Opens paths of one disk. Its RAM paths share a store."""

    def __init__(
        self,
        loop: Loop,
        log: LogSink,
        io_timeout_ns: int,
        read_only: bool,
        seed: int,
        numbers: PathNumbers,
        agent: FenceAgent | None = None,
        state: StateDir | None = None,
        block_size: int = 0,
    ) -> None:
        self.loop = loop
        self.agent = agent
        self.log = log
        self.io_timeout_ns = io_timeout_ns
        self.read_only = read_only
        self.rng = Rng(seed)
        self.numbers = numbers
        self.state = state
        self.block_size = block_size
        # What was named and cannot be used, with the reason.
        self.left_out: dict[str, str] = {}
        self._store: RamStore | None = None

    async def open(self, uris: list[PathUri]) -> list[RealPath]:
        """Open what can be opened. Paths that cannot be used at all are named in the log and left out. StartError when another
        process has the disk."""
        opened: list[RealPath] = []
        self._warn_of_one_place(uris)
        for uri in uris:
            try:
                path = self._open(uri)
                opened.append(path)
                if isinstance(path.driver, FileDriver):
                    await self._lock(path.driver)
            except PathOpenError as error:
                self._leave_out(uri, str(error))
        await self._wait_for_servers(opened)
        return self._agree(opened)

    async def open_one(self, uri: PathUri) -> RealPath:
        """Open a path that comes later, which has to be reached now. PathOpenError, or StartError when another process has it."""
        path = self._open(uri)
        if isinstance(path.driver, FileDriver):
            try:
                await self._lock(path.driver)
            except StartError:
                path.driver.close()
                raise
        await self._wait_for_servers([path])
        if path.facts is None:
            path.problem = path.problem or f"not reached within {CONNECT_SECONDS:g} s"
        return path

    def _warn_of_one_place(self, uris: list[PathUri]) -> None:
        """Right for whoever wants more connections; mostly a line that was copied. (All of RAM are one place by design.)"""
        numbers: dict[str, list[str]] = {}
        for number, uri in enumerate(uris, 1):
            if uri.scheme != "ram":
                numbers.setdefault(uri.place(), []).append(str(number))
        for place, those in numbers.items():
            if len(those) > 1:
                many = f"{', '.join(those[:-1])} and {those[-1]}"
                self.log.warning(f"paths {many} are one place, {place}: what fails there fails for all of them")

    def _leave_out(self, uri: PathUri, reason: str) -> None:
        self.log.error(f"path {uri.text}: {reason}; it is left out")
        self.left_out[uri.text] = reason

    async def _lock(self, file: FileDriver) -> None:
        """A file that somebody else has locked is not a path that is missing: the disk is his, by whatever path."""
        try:
            await patiently(
                lambda: lock_disk(file.fd, file.facts.read_only),
                lambda told: self.log.info(f"path {file.name}: {told}"),
            )
        except LockedError as locked:
            raise StartError(f"path {file.name}: {locked} has it locked: one gateway for one disk") from None
        except (NoLocksError, OSError) as error:
            self.log.warning(
                f"path {file.name}: cannot be locked ({error}); that nobody else writes to it is not enforced"
            )

    def _open(self, uri: PathUri) -> RealPath:
        turn = self.loop.turn
        if uri.scheme == "file":
            timeout_ns = uri.timeout_ns or self.io_timeout_ns
            timers = self.loop.timers
            file = FileDriver(
                uri.filename, uri.direct, self.read_only, timeout_ns, turn, timers, self.loop, self.log, self.agent
            )
            facts = replace(file.facts, wwid=uri.wwid or file.facts.wwid)
            return RealPath(uri, file, facts, devt=file.file.devt, inode=_inode(file.fd))
        if uri.scheme == "ram":
            if self._store is None:
                self._store = RamStore(uri.size_bytes)
            if len(self._store.data) != uri.size_bytes:
                raise PathOpenError(
                    f"the ram: paths of one disk share a store, which has {len(self._store.data)} bytes"
                )
            ram = RamPathDriver("ram", self._store, turn, self.loop.timers, uri.delay_ns)
            return RealPath(uri, ram, replace(ram.facts, wwid=uri.wwid))
        timeout_ns = uri.timeout_ns or self.io_timeout_ns
        loop = self.loop
        rng = self.rng.split()
        nbd = NbdDriver(uri, timeout_ns, loop, turn, loop.clock, loop.timers, self.log, rng, self.agent)
        nbd.read_only = self.read_only
        if self.state is not None:
            nbd.recorder = self.state.recorder(uri)
        loop.run(nbd.connect)
        return RealPath(uri, nbd, None)

    async def _wait_for_servers(self, paths: list[RealPath]) -> None:
        """Until each has answered, or failed to while another has, or the time is over. Where none has, one that was silent is
        asked again meanwhile: it may only be slow, and there is nothing to serve without it."""
        servers = [path.driver for path in paths if isinstance(path.driver, NbdDriver)]
        is_local = len(servers) < len(paths)
        deadline = monotonic() + CONNECT_SECONDS
        while monotonic() < deadline:
            waiting = [driver for driver in servers if driver.facts is None and not driver.has_failed()]
            reached = is_local or any(driver.facts is not None for driver in servers)
            if not waiting and (reached or not any(driver.is_silent() for driver in servers)):
                break
            await asyncio.sleep(POLL_SECONDS)
        for path in paths:
            if isinstance(path.driver, NbdDriver):
                path.facts = path.driver.facts
                path.problem = path.driver.trouble()

    def _agree(self, paths: list[RealPath]) -> list[RealPath]:
        """All paths that were reached must be able to be one disk; those that cannot be the first one's are left out. The first
        is the first that can be written to, if any can: a disk does not become read-only for the order of its paths."""
        reached = [path for path in paths if path.facts is not None]
        first = min(reached, key=lambda path: path.facts is not None and path.facts.read_only, default=None)
        if first is None or first.facts is None:
            return []
        if first.facts.read_only and not self.read_only:
            self.log.warning(f"path {first.uri.text}: is read-only, and so is the disk")
        agreed: list[RealPath] = []
        for path in paths:
            problem = self.disagreement(path, first, agreed)
            if problem:
                self._leave_out(path.uri, f"not the same disk as {problem}")
                path.driver.shut_down()
                continue
            if path.facts is None and isinstance(path.driver, NbdDriver):
                # It is given the facts of the others, and must agree with them when it comes.
                # (What another server calls its export says nothing of this one.)
                path.driver.facts = replace(first.facts, wwid=path.uri.wwid, export_name="", description="")
            agreed.append(path)
        return agreed

    def disagreement(self, path: RealPath, first: RealPath, agreed: list[RealPath]) -> str:
        """Why a path cannot lead to the disk of the others, whether it was reached or not; empty when it can."""
        if path.facts is not None and first.facts is not None:
            # (The largest block size is everybody's.)
            difference = path.facts.differs_from(replace(first.facts, block_size=UNLIMITED, wwid=""))
            if difference:
                return f"{first.uri.text}: {difference}"
        for other in agreed:
            difference = wwids_differ(path.wwid(), other.wwid())
            if difference:
                return f"{other.uri.text}: {difference}"
        return ""

    def make_devices(self, paths: list[RealPath], disk: SharedDisk) -> list[PathDevice]:
        """A device for each path, with the block size that all together need (DESIGN, Hard problems 4)."""
        known = [path.facts for path in paths if path.facts is not None]
        block = max(self.block_size, *(facts.block_size for facts in known))
        if sum(1 for path in paths if path.uri.is_nbd()) > 1:
            block = max(block, *(facts.rmw_unit for facts in known))
        disk.fences.unit_sectors = max(1, block >> SECTOR_SHIFT)
        size = min(facts.size_bytes for facts in known) // block * block
        first = self.numbers.reserve(len(paths))
        return [self._device(path, first + index, known[0], block, size, disk) for index, path in enumerate(paths)]

    def make_device(self, path: RealPath, disk: SharedDisk, size_bytes: int, others: list[PathDevice]) -> PathDevice:
        """A device for a path that comes later, with the block size that is served. Its number was nobody's before."""
        assert path.facts is not None
        block = others[0].limits.logical_block_size if others else path.facts.block_size
        return self._device(path, self.numbers.reserve(1), path.facts, block, size_bytes, disk)

    def _device(
        self, path: RealPath, number: int, first: PathFacts, block: int, size: int, disk: SharedDisk
    ) -> PathDevice:
        facts = path.facts or first
        uri = path.uri
        most = min(min(facts.max_bytes, first.max_bytes) >> SECTOR_SHIFT, MAX_SECTORS_DEFAULT)
        limits = QueueLimits(
            logical_block_size=block,
            physical_block_size=block,
            io_min=block,
            max_sectors=most,
            max_discard_sectors=most if facts.can_discard else 0,
            max_write_zeroes_sectors=most if facts.can_zero else 0,
            write_cache=facts.can_flush or uri.cache == CACHE_NONE,
            fua=facts.can_flush,
        )
        name = self.numbers.name(uri.place(), number, disk.paths)
        queue = RequestQueue(name, path.driver, limits, self.loop.turn, self.loop.timers, uri.depth or DEPTH_DEFAULT)
        devt = self.numbers.devt(path.devt, number, disk.paths)
        device = PathDevice(name, devt, size >> SECTOR_SHIFT, queue, self.loop.turn, disk, uri.cache)
        device.uri = uri.text
        device.weight = uri.weight
        device.read_only = self.read_only or facts.read_only
        if isinstance(path.driver, (NbdDriver, FileDriver)):
            path.driver.device = device
        if isinstance(path.driver, NbdDriver):
            device.cache_ear = path.driver.recorder
        return device
