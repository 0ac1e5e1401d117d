"""SharedDisk: the one disk behind several paths, with what must be known about it whichever map or path is used.

It holds the fences, the *doubt* (a generation that grows whenever acknowledged writes may have been lost before a flush made them
durable) and the paths' caches (DESIGN, Hard problems 2 and 3). A path declares where its cache is:

    lun    one cache behind all paths, which outlives any of them (an array's LUN, one host's page cache)
    none   written through: what is acknowledged is on stable storage
    path   a cache of its own (each NBD server, unless the user knows better)

Of `path` paths one at a time carries I/O. When it is left with unflushed writes, the whole disk is fenced until its cache is
flushed, or proved gone; if it is gone, so may be the writes, and the flushes of all who had the disk open fail from then on.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from hawser.block.device import QueueDevice
from hawser.block.disk import Disk
from hawser.block.flush import FlushGate
from hawser.block.ops import WRITE, is_write_class
from hawser.block.orphan import CACHE, PROOF_FLUSHED, Orphan
from hawser.block.queue import RequestQueue
from hawser.block.request import ANSWERED, Request
from hawser.core.log import LogSink
from hawser.core.status import OK, RESOURCE
from hawser.core.turn import Turn
from hawser.multipath.fence import FenceSet
from hawser.multipath.witness import Witness

CACHE_LUN: Final = "lun"
CACHE_PATH: Final = "path"
CACHE_NONE: Final = "none"
CACHES: Final = (CACHE_LUN, CACHE_PATH, CACHE_NONE)


class SharedDisk(Disk):
    """`doubt` is compared with what `BioOwner.doubt_seen` says at each flush."""

    def __init__(self, name: str, log: LogSink) -> None:
        super().__init__(name)
        self.log = log
        self.doubt = 0
        # Whether somebody has opened the disk since the last doubt.
        self._was_opened = False
        self.paths: list[PathDevice] = []
        self.fences = FenceSet(self, log)
        self.witness = Witness()

    def outstanding(self) -> list[Request]:
        """Requests on their way on any path: they have passed the fences, whether a tag was free or not."""
        found: list[Request] = []
        for path in self.paths:
            found += path.requests.driver.outstanding()
            found += path.requests.waiting_requests()
        return found

    def open(self) -> int:
        """A client opens the disk: which doubts it need not share. Its flushes fail when there are more."""
        self._was_opened = True
        return self.doubt

    def settle_doubt(self, reason: str) -> None:
        """What was in doubt is settled now, one way or the other. Who opened the disk meanwhile may have lost by it, too."""
        if self._was_opened:
            self.cast_doubt(reason)

    def cast_doubt(self, reason: str) -> None:
        """Acknowledged writes may be lost: flushes of those who had the disk open fail from now on.

        What may be lost cannot testify either: a path that comes back without it is still the same disk.
        """
        self.doubt += 1
        self._was_opened = False
        self.witness.forget()
        self.fences.doubt()
        self.log.error(f"{self.name}: {reason}; flushes fail until the disk is opened again")


@mypyc_attr(allow_interpreted_subclasses=True)
class CacheEar:
    """Who remembers, beyond the end of this process, whether a path's own cache may be dirty (hawser.paths.write_record).

    Told of what it cannot have seen in the answers to commands.
    """

    def cache_dirtied(self) -> None:
        raise NotImplementedError

    def cache_cleaned(self) -> None:
        raise NotImplementedError


class _PathGate(FlushGate):
    """A path that cannot do FUA itself flushes behind such writes: if that fails, what was acknowledged before is lost, too."""

    def __init__(self, device: "PathDevice") -> None:
        self.device = device

    def flush_failed(self, flush: Request) -> None:
        device = self.device
        if flush.fate == ANSWERED and flush.status != RESOURCE and device.answers_are_final():
            device.shared.cast_doubt(f"{device.name} answered a flush with an error")


class PathDevice(QueueDevice):
    """The device that is one path's end here. `uri` is how the user named it.

    `written` counts write-class I/Os acknowledged by the path, `flushed` how many of them a flush has covered.
    """

    def __init__(
        self, name: str, devt: str, size_sectors: int, queue: RequestQueue, turn: Turn, disk: SharedDisk, cache: str
    ) -> None:
        assert cache in CACHES
        super().__init__(name, devt, size_sectors, queue, turn)
        self.requests = queue
        queue.flushes.gate = _PathGate(self)
        self.shared = disk
        self.disk = disk
        self.cache = cache
        self.has_own_cache = cache == CACHE_PATH
        self.uri = name
        self.weight = 1
        self.written = 0
        self.flushed = 0
        self.doubted = False
        # Whether I/O goes another way, and what stands for this path's cache as long as it may hold unflushed writes.
        self.is_left = False
        self.left_behind: Orphan | None = None
        self.cache_ear: CacheEar | None = None
        disk.paths.append(self)

    def is_dirty(self) -> bool:
        """Whether this path's own cache may hold writes that no flush has covered, or is about to."""
        if not self.has_own_cache:
            return False
        if self.written > self.flushed:
            return True
        queue = self.requests
        driver = queue.driver
        if any(is_write_class(request.op) for request in [*driver.outstanding(), *queue.waiting_requests()]):
            return True
        # Answered, but not counted yet: the session may end in the very turn of the answer.
        return any(request.status == OK and is_write_class(request.op) for request in driver.unreported())

    def leave(self) -> None:
        """I/O is about to go another way. A dirty cache fences the disk until it is flushed or gone."""
        self.is_left = True
        if self.left_behind is not None or not self.is_dirty():
            return
        orphan = Orphan(self.name, self.requests.driver.epoch, WRITE, 0, self.size_sectors, 1, None)
        orphan.kind = CACHE
        self.left_behind = orphan
        self.shared.log.warning(
            f"{self.shared.name}: {self.name} was left with unflushed writes in a cache of its own: all I/O waits until it is "
            "flushed or proved gone"
        )
        self.shared.fences.add(orphan)

    def late_write(self) -> None:
        """A write that was given up has been answered after all, or was answered with an error: it may be in this path's cache.

        Said before its own fence falls.
        """
        if self.has_own_cache:
            self.written += 1
            if self.cache_ear is not None:
                self.cache_ear.cache_dirtied()
            if self.is_left:
                self.leave()

    def session_ended(self) -> None:
        """The session that the writes were acknowledged in is over: its server may have lost what was not flushed."""
        if self.is_dirty() and not self.doubted:
            self.doubted = True
            self.shared.cast_doubt(f"{self.name}: the session ended with writes that were acknowledged and not flushed")
        self.leave()

    def cache_flushed(self, written: int) -> None:
        """A flush that was sent when `written` writes were acknowledged has succeeded."""
        self.flushed = max(self.flushed, written)
        if not self.is_dirty():
            self._clean(PROOF_FLUSHED)

    def cache_gone(self, proof: str) -> None:
        """The server that held the cache is gone, with whatever was not flushed; or a declared time has passed."""
        if self.is_dirty() and not self.doubted:
            self.shared.cast_doubt(f"{self.name} is gone with writes that were acknowledged and not flushed")
        self.flushed = self.written
        self._clean(proof)

    def _clean(self, proof: str) -> None:
        if self.cache_ear is not None:
            self.cache_ear.cache_cleaned()
        if self.doubted:
            self.doubted = False
            self.shared.settle_doubt(f"{self.name}: whether writes of the session that ended were lost cannot be told")
        orphan = self.left_behind
        if orphan is not None:
            self.left_behind = None
            orphan.resolve(proof)
