"""FenceSet: while an orphan lives, what overlaps it waits.

The conservative form of DESIGN's Hard problems 1. Linux has no counterpart. The rules:

- writes, discards and write zeroes that overlap an orphan wait, except the orphan's own retry; a discard that a client asks the
  map for succeeds without being sent instead, as it promises nothing about what is read afterwards;
- reads that overlap it wait until its write has succeeded by another copy: an old value that was read must not be followed by
  the orphan's. When acknowledged writes come into doubt, that copy may be lost, and reads wait again;
- if an overlapping write was in flight beside the orphan, even the success of the orphan's own retry is told only when the
  orphan is resolved: the ghost could land on the other write after both were acknowledged;
- ranges are rounded out to the largest block that a server may read, modify and write back;
- an abandoned cache (`CACHE`) fences the whole disk, flushes included;
- where too much is retained of what no flush has covered (`FULL`), writes wait for the flush that makes room;
- while the witness is read back through a path (`LOOK`), writes of those sectors wait, for a bounded time; reads pass.

An orphan is resolved by a proof. Nothing is looked up per I/O while there is none: `active` is False.

`enabled` is the shipped switch that turns them off, to show what they prevent: orphans are recorded all the same, but nothing
waits for them.
"""

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio
from hawser.block.ops import FLUSH, READ, is_write_class
from hawser.block.orphan import CACHE, CLIENT, COMMAND, FULL, LOOK, UNPROVEN, Orphan, OrphanWatcher
from hawser.block.request import NOT_SENT, Request, RequestOwner
from hawser.core.log import LogSink
from hawser.core.status import OK, RESOURCE
from hawser.dm.target import TargetHost
from hawser.multipath.orphan_index import OrphanIndex

if TYPE_CHECKING:
    from hawser.multipath.disk import SharedDisk

# Originals of one map that may wait behind fences, besides whatever else is in flight; more are pushed back to the device's
# queue, which then waits as a whole. Clients reach their own limits first (hawser.exports.connection).
FENCED_MAX: Final = 8192


class _ReadAgain(RequestOwner):
    """Owns a read that is on its way, and what it finds must not be told: it comes back as one that was not sent."""

    def __init__(self, owner: RequestOwner) -> None:
        self.owner = owner

    def request_done(self, request: Request) -> None:
        request.owner = self.owner
        if request.status == OK:
            request.data = None
            request.status = RESOURCE
            request.good_bytes = 0
            request.fate = NOT_SENT
        self.owner.request_done(request)

    def sharers(self, request: Request) -> list[Bio]:
        return self.owner.sharers(request)


@mypyc_attr(allow_interpreted_subclasses=True)
class FenceListener:
    """A map that may have I/O waiting behind a fence."""

    def fences_changed(self) -> None:
        """An orphan was resolved, or its write succeeded by another copy: look again at what waits."""
        raise NotImplementedError

    def host_over_caches(self) -> TargetHost | None:
        """The map that it is part of, if that has paths with a cache of their own."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class FenceSet(OrphanWatcher):
    """The orphans of one disk. `proofs` counts how they were resolved, `unproven` those lifted by a declared time only.

    `enabled` is set before the first I/O or never. `active`: whether anything may have to wait.
    """

    def __init__(self, disk: "SharedDisk", log: LogSink) -> None:
        self.disk = disk
        self.log = log
        self.enabled = True
        self.active = False
        # In the order in which they came.
        self.orphans: list[Orphan] = []
        self._index = OrphanIndex()
        self._caches: list[Orphan] = []
        self.listeners: list[FenceListener] = []
        self.unit_sectors = 1
        self.proofs: dict[str, int] = {}
        self.unproven = 0
        # Discards that succeeded without being sent (Multipath decides which).
        self.skipped_discards = 0
        self._said_off = False

    def add(self, orphan: Orphan) -> None:
        """Fence on account of `orphan`, unless that is done already or it is resolved."""
        if orphan.watcher is not None:
            return
        if orphan.proof:
            self._settled(orphan)
            return
        unit = self.unit_sectors
        orphan.start = orphan.start // unit * unit
        orphan.end = -(-orphan.end // unit) * unit
        orphan.watcher = self
        self.orphans.append(orphan)
        self._index.add(orphan)
        if orphan.kind == CACHE:
            self._caches.append(orphan)
        if not self.enabled:
            self._say_off()
            return
        if not orphan.is_echo:
            orphan.overlapped = self._is_overlapped(orphan)
        self.active = True
        if orphan.kind == LOOK:
            return
        if orphan.kind == FULL:
            self.log.info(f"{self.disk.name}: {orphan.path_name}: writes wait until a flush has made room for more")
            return
        self.log.warning(f"{self.disk.name}: fence: {orphan.describe()}: fate unknown, overlapping I/O waits")

    def blocks(self, op: int, start: int, end: int, own: list[Orphan] | None) -> bool:
        """Whether an I/O on sectors [start, end) must wait; `own` are orphans that it is itself a copy of."""
        return self.enabled and self.first_block(op, start, end, own) is not None

    def first_block(self, op: int, start: int, end: int, own: list[Orphan] | None) -> Orphan | None:
        """An orphan on whose account such an I/O must wait."""
        if op == FLUSH:
            return self._caches[0] if self._caches else None
        return self._index.blocking(op, start, end, own)

    def may_change(self, start: int, end: int, own: list[Orphan] | None) -> bool:
        """Whether something may still be written to sectors [start, end) that is not `own`."""
        return self.enabled and self._index.harmful(start, end, own)

    def orphan_resolved(self, orphan: Orphan) -> None:
        self.orphans.remove(orphan)
        self._index.remove(orphan)
        if orphan.kind == CACHE:
            self._caches.remove(orphan)
        self.active = self.enabled and len(self.orphans) > 0
        if orphan.proof == UNPROVEN:
            self.unproven += 1
        self._settled(orphan)
        if orphan.kind not in (FULL, LOOK):
            self.proofs[orphan.proof] = self.proofs.get(orphan.proof, 0) + 1
            self.log.info(f"{self.disk.name}: fence lifted: {orphan.describe()}: {orphan.proof}")
        self._tell()

    def _settled(self, orphan: Orphan) -> None:
        if orphan.kind in (COMMAND, CLIENT):
            self.disk.witness.settled(orphan)

    def orphan_acknowledged(self, orphan: Orphan) -> None:
        self._tell()

    def doubt(self) -> None:
        """What was acknowledged may be lost: so may the copy on whose account reads pass. From now on they wait for the proof.

        The count stands for that copy, whose bio has ended and will not lower it again. Reads that have passed on its account are
        done once more: they may have found what was there before.
        """
        doubted = [orphan for orphan in self.orphans if orphan.kind != LOOK]
        for orphan in doubted:
            orphan.unacked += 1
        if doubted and self.enabled:
            for path in self.disk.paths:
                path.bounce()
                driver = path.requests.driver
                for request in [*driver.outstanding(), *driver.unreported()]:
                    if request.op == READ and any(request.touches(orphan.start, orphan.end) for orphan in doubted):
                        request.owner = _ReadAgain(request.owner)

    def _tell(self) -> None:
        for listener in list(self.listeners):
            listener.fences_changed()

    def _say_off(self) -> None:
        if not self._said_off:
            self._said_off = True
            self.log.error(f"{self.disk.name}: fences are off: data may be lost or corrupted")

    def _is_overlapped(self, orphan: Orphan) -> bool:
        """Whether a write that overlaps it is on its way on any path. (Its own request is not: it has just ended.)"""
        for request in self.disk.outstanding():
            if is_write_class(request.op) and request.touches(orphan.start, orphan.end):
                return True
        return False


def must_withhold(orphans: list[Orphan] | None) -> bool:
    """Whether the success of a write with these orphans must not be told yet."""
    if orphans is None:
        return False
    for orphan in orphans:
        if orphan.overlapped and not orphan.proof and orphan.kind == COMMAND:
            return True
    return False
