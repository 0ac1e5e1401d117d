"""SharedDisk: the one disk behind several paths, with what must be known about it whichever map or path is used.

It holds the fences, the *doubt* (a generation that grows whenever acknowledged writes may have been lost before a flush made them
durable) and the paths' caches (DESIGN, Hard problems 2 and 3). A path declares where its cache is:

    lun    one cache behind all paths, which outlives any of them (an array's LUN, one host's page cache)
    none   written through: what is acknowledged is on stable storage
    path   a cache of its own (each NBD server, unless the user knows better)

Of `path` paths one at a time carries I/O. When it is left with unflushed writes, the whole disk is fenced until its cache is
flushed, or proved gone. If it may be gone, so may be the writes: they are written again from what was kept of them
(hawser.multipath.retained), before anything else happens. Where they were not kept, the flushes of all who had the disk open fail
from then on.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio, BioOwner
from hawser.block.device import BlockDevice, QueueDevice
from hawser.block.disk import Disk
from hawser.block.flush import FlushGate
from hawser.block.ops import DISCARD, FLUSH, FUA, NOUNMAP, WRITE, is_write_class
from hawser.block.orphan import CACHE, FULL, PROOF_FLUSHED, Orphan
from hawser.block.queue import RequestQueue
from hawser.block.request import ANSWERED, Request
from hawser.core.log import LogSink
from hawser.core.status import OK, RESOURCE, may_tell_of_loss
from hawser.core.turn import Turn, Work
from hawser.dm.target import TargetHost
from hawser.multipath.fence import FenceSet
from hawser.multipath.replay import Replay, ReplayListener
from hawser.multipath.retained import RETAINED_BYTES_MAX, Retained
from hawser.multipath.witness import Witness

CACHE_LUN: Final = "lun"
CACHE_PATH: Final = "path"
CACHE_NONE: Final = "none"
CACHES: Final = (CACHE_LUN, CACHE_PATH, CACHE_NONE)


class SharedDisk(Disk):
    """`doubt` is compared with what `BioOwner.doubt_seen` says at each flush. `retain_bytes`: how much of unflushed writes is
    kept for each path with a cache of its own; 0: nothing."""

    def __init__(self, name: str, log: LogSink) -> None:
        super().__init__(name)
        self.log = log
        self.doubt = 0
        # Whether somebody has opened the disk since the last doubt.
        self._was_opened = False
        self.paths: list[PathDevice] = []
        self.fences = FenceSet(self, log)
        self.witness = Witness()
        self.retain_bytes = RETAINED_BYTES_MAX
        self.replay_listeners: list[ReplayListener] = []

    def hosts_over_caches(self) -> list[TargetHost]:
        """The maps, live or loaded, that have paths with a cache of their own."""
        hosts = [listener.host_over_caches() for listener in self.fences.listeners]
        return [host for host in hosts if host is not None]

    def replay_broke_off(self, by: "PathDevice", reason: str) -> None:
        for listener in list(self.replay_listeners):
            listener.replay_broke_off(by, reason)

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

        What may be lost cannot testify either: a path that comes back without it is still the same disk. Nor is it written again
        later: reads may have shown by then that it is gone.
        """
        self.doubt += 1
        self._was_opened = False
        self.witness.forget()
        for path in self.paths:
            path.forget_retained()
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
    """Hears of flushes that fail, whoever asked for them: those behind writes, where a path cannot do FUA itself, and those of
    devices between a map and its path, of whose errors the map does not know whether they are answers."""

    def __init__(self, device: "PathDevice") -> None:
        self.device = device

    def flush_failed(self, flush: Request) -> None:
        self.device.heard_flush_error(flush.status, flush.fate)


class _Wanted(Work):
    def __init__(self, device: "PathDevice") -> None:
        self.device = device

    def run(self) -> None:
        if self.device.is_lost:
            self.device.want_replay()


class _ForcedFlush(BioOwner):
    """Flushes a path because too much of what it has acknowledged is retained."""

    def __init__(self, device: "PathDevice") -> None:
        super().__init__()
        self.device = device
        self.written = 0
        self.is_running = False

    def start(self) -> None:
        self.is_running = True
        self.written = self.device.written
        self.device.submit_alone(Bio(FLUSH, 0, 0, self))

    def bio_done(self, bio: Bio) -> None:
        self.is_running = False
        self.device.forced_flush_ended(bio, self.written)


class PathDevice(QueueDevice):
    """The device that is one path's end here. `uri` is how the user named it.

    `written` counts write-class I/Os acknowledged by the path, `flushed` how many of them a flush has covered. `is_lost`: what is
    retained of it has to be written again before anything else.
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
        # What proves that this cache can do no more harm; empty as long as nothing does.
        self._proof = ""
        self.retained = Retained()
        # So many of its writes, the first ones, are not retained though a flush may not have covered them.
        self._forgotten = 0
        self.is_lost = False
        self.replay: Replay | None = None
        self._forced_flush = _ForcedFlush(self)
        # Stands for writes that have to wait until that flush has made room.
        self._full: Orphan | None = None
        self.cache_ear: CacheEar | None = None
        disk.paths.append(self)

    def acknowledged(self, op: int, flags: int, sector: int, size: int, bios: list[Bio], started: int) -> None:
        """The path has done a write-class I/O, whose data are in `bios` (the first may have begun earlier). `started`: what the
        witness had counted when it was mapped. Said before that counts it."""
        assert self.has_own_cache
        self.written += 1
        most = self.shared.retain_bytes
        if most == 0:
            return
        retained = self.retained
        flags &= FUA | NOUNMAP
        retained.keep(self.written, op, flags, sector, size, bios, started, self.shared.witness.count)
        if retained.bytes > most // 2 and not self.is_left:
            self._force_flush()
            if retained.bytes >= most and self._full is None:
                self._full = Orphan(self.name, self.requests.driver.epoch, WRITE, 0, self.size_sectors, 0, None)
                self._full.kind = FULL
                self._full.is_harmless = True
                self.shared.fences.add(self._full)

    def _force_flush(self) -> None:
        if not self._forced_flush.is_running:
            self._forced_flush.start()

    def forced_flush_ended(self, bio: Bio, written: int) -> None:
        if bio.status == OK:
            self.cache_flushed(written)
            if self.retained.bytes > self.shared.retain_bytes // 2 and not self.is_left and not self.is_lost:
                # It was written meanwhile. (What is to be written again stays, whatever is flushed.)
                self._force_flush()
        full = self._full
        if full is not None:
            # After an error, too: what waits finds out whether there is a path.
            self._full = None
            full.resolve(PROOF_FLUSHED)

    def heard_flush_error(self, status: int, fate: int) -> None:
        """A flush of the path's own queue has failed. If that was the server's answer, it tells of a lost write, once."""
        if fate != ANSWERED or status == RESOURCE or not self.answers_are_final():
            return
        if self.left_behind is not None:
            # Whoever asks again to have that cache flushed learns nothing new.
            if self.doubted:
                return
            self.doubted = True
        self.shared.cast_doubt(f"{self.name} answered a flush with an error")

    def heard_fua_error(self, status: int) -> None:
        """A write that the path was to make durable by itself was answered with an error."""
        if may_tell_of_loss(status):
            self.shared.cast_doubt(f"{self.name} answered a write with FUA with an error, which may be of a lost write")

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
        self._proof = ""
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
                if self.left_behind is not None:
                    self._revoke_proof()
                self.leave()

    def _revoke_proof(self) -> None:
        """What was proved of the cache that was left is not so any more."""
        self._proof = ""
        if self.left_behind is not None:
            self.left_behind.is_harmless = False

    def session_ended(self) -> None:
        """The session that the writes were acknowledged in is over: its server may have lost what was not flushed."""
        if self.is_dirty():
            self._revoke_proof()
            if self._can_replay():
                self._lose()
            elif not self.doubted:
                self.doubted = True
                self.shared.cast_doubt(
                    f"{self.name}: the session ended with writes that were acknowledged and not flushed"
                )
        self.leave()

    def _can_replay(self) -> bool:
        shared = self.shared
        return (
            shared.retain_bytes > 0
            and shared.fences.enabled
            and len(shared.replay_listeners) > 0
            and not self.doubted
            and self.flushed >= self._forgotten
        )

    def forget_retained(self) -> None:
        """What is retained may be gone already; unless it is about to be written again, with nothing in between."""
        if not self.is_lost and self.has_own_cache:
            self.retained.drop(self.written)
            self._forgotten = self.written

    def _lose(self) -> None:
        """What is retained may not be in the cache any more: it cannot testify, and has to be written again."""
        self.shared.witness.forget_unflushed(self)
        if not self.is_lost:
            self.is_lost = True
            self.shared.log.warning(
                f"{self.shared.name}: {self.name}: writes that were acknowledged and not flushed may be lost; they will be "
                "written again"
            )

    def cache_flushed(self, written: int) -> None:
        """A flush that was sent when `written` writes were acknowledged has succeeded."""
        self.flushed = max(self.flushed, written)
        if not self.is_lost:
            self.retained.drop(self.flushed)
        if not self.is_dirty():
            self._clean(PROOF_FLUSHED)

    def cache_gone(self, proof: str) -> None:
        """The server that held the cache is gone, with whatever was not flushed; or a declared time has passed."""
        if self.is_dirty():
            if self._can_replay():
                self._lose()
            elif not self.doubted:
                self.shared.cast_doubt(f"{self.name} is gone with writes that were acknowledged and not flushed")
        self.flushed = self.written
        self._clean(proof)

    def _clean(self, proof: str) -> None:
        self._proof = proof
        if self.left_behind is not None:
            self.left_behind.is_harmless = True
        if self.is_lost:
            # Of what was acknowledged last not everybody may have been told yet, and it has to be retained first.
            self.turn.defer(_Wanted(self))
        else:
            self._resolve()

    def want_replay(self) -> None:
        """The cache can do no more harm, and what it held has to be written again: ask for a path to do it by."""
        if self.retained.is_empty() and self.replay is None:
            self.is_lost = False
            self._settle()
            return
        if self.replay is None:
            uncertain = self.retained.uncertain()
            self.replay = Replay(self, self.retained.extents(uncertain))
            if uncertain:
                self.shared.cast_doubt(
                    f"{self.name}: of writes of the same sectors that were on their way at once it cannot be told which came last"
                )
        if not self.replay.extents:
            # Of all that there was nobody can tell: it needs no path, and there may be none that works.
            self._end_replay()
            self._settle()
            return
        for listener in list(self.shared.replay_listeners):
            listener.replay_wanted(self)

    def replay_by(self, by: "PathDevice") -> None:
        """Write again by way of `by` what the cache held, unless that is under way."""
        if self.replay is not None:
            self.replay.begin(by)

    def replayed(self) -> None:
        """All of it is written. Unless the cache was lost or left once more meanwhile, the disk is as it was."""
        self._end_replay()
        self.shared.log.info(f"{self.shared.name}: {self.name}: what its cache held was written again")
        self._settle()

    def replay_failed(self, reason: str) -> None:
        self._end_replay()
        self.shared.cast_doubt(f"{self.name}: what its cache held could not be written again: {reason}")
        self._settle()

    def _settle(self) -> None:
        if self.is_left and self.is_dirty():
            # It holds anew what was written again by way of it, and I/O has gone another way since.
            self._revoke_proof()
        elif self._proof:
            self._resolve()

    def _end_replay(self) -> None:
        self.replay = None
        self.is_lost = False
        self.retained.drop(self.flushed)

    def _resolve(self) -> None:
        # (It may hold anew what was written again by way of it.)
        if self.cache_ear is not None and not self.is_dirty():
            self.cache_ear.cache_cleaned()
        proof = self._proof
        if self.doubted:
            self.doubted = False
            self.shared.settle_doubt(f"{self.name}: whether writes of the session that ended were lost cannot be told")
        orphan = self.left_behind
        if orphan is not None:
            self.left_behind = None
            orphan.resolve(proof)


def has_own_cache(device: BlockDevice) -> bool:
    return isinstance(device, PathDevice) and device.has_own_cache


def written_by(device: BlockDevice) -> int:
    """How many writes it has acknowledged, where somebody counts them."""
    return device.written if isinstance(device, PathDevice) else 0


def count_write(
    device: BlockDevice, op: int, flags: int, sector: int, size: int, bios: list[Bio], started: int
) -> None:
    """A write by way of `device` has succeeded, or the part of it that is `size` bytes long; see `PathDevice.acknowledged`."""
    if not isinstance(device, PathDevice) or not device.has_own_cache:
        return
    if op == DISCARD and len(bios) > 1:
        for bio in bios:
            device.acknowledged(op, flags, bio.sector, bio.size, [bio], started)
    else:
        device.acknowledged(op, flags, sector, size, bios, started)
