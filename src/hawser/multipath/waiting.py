"""What waits inside a multipath target, and what lets it go: parked for want of a path, fenced, or withheld.

    parked     bios that found no usable path, or that shall be mapped once more (Linux: queued_bios of drivers/md/dm-mpath.c)
    fenced     what overlaps an orphan (hawser.multipath.fence); requests are bounded here, the rest by `congested`
    withheld   writes that have succeeded, whose acknowledgement an orphan of their own forbids

A noflush suspend hands parked and fenced I/O back to the device, which keeps it for the next table; withheld writes are never
executed again, and are told when the proof comes, even if this target has been replaced by then.

Whatever changes is looked at by one deferred piece of work, so that an orphan may be resolved from anywhere.
"""

from typing import Final

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.ops import DISCARD, NOMERGE, is_write_class
from hawser.block.orphan import CLIENT, FULL, LOOK, PROOF_ANSWER, Orphan
from hawser.block.request import Request
from hawser.block.split import SplitBio
from hawser.core.status import IOERR, OK
from hawser.core.trace import FENCED, PARKED, WITHHELD
from hawser.core.turn import Work
from hawser.core.units import MIB
from hawser.dm.clone import CloneBio
from hawser.dm.target import END_DONE, END_INCOMPLETE, KILL, REQUEUE, SUBMITTED, Target, TargetContext, TargetHost
from hawser.multipath.disk import SharedDisk, has_own_cache
from hawser.multipath.fence import FENCED_MAX, FenceListener, must_withhold

# What waits for a path, or to be mapped once more, before submitters are to hold back: in bios, and in bytes of them all.
# (Request-based it waits in the device's own queue: REQUEUED_BYTES_MAX of hawser.block.queue.)
PARKED_MAX: Final = 1024
PARKED_BYTES_MAX: Final = 64 * MIB


class _Replay(Work):
    """The worker that maps parked bios again (Linux: process_queued_bios)."""

    def __init__(self, target: "WaitingRoom") -> None:
        self.target = target

    def run(self) -> None:
        self.target.replay()


class _FenceEar(FenceListener):
    def __init__(self, target: "WaitingRoom") -> None:
        self.target = target

    def fences_changed(self) -> None:
        self.target.fences_changed()

    def host_over_caches(self) -> TargetHost | None:
        return self.target.host if any(has_own_cache(device) for device in self.target.devices()) else None


class WaitingRoom(Target):
    """The part of Multipath that keeps things waiting."""

    def __init__(self, context: TargetContext, start: int, length: int, disk: SharedDisk) -> None:
        super().__init__("multipath", start, length)
        self.context = context
        self.host = context.host
        self.disk = disk
        self.fences = disk.fences
        # Set when the map is given up: what waits behind a fence then fails.
        self.abandoned = False
        # Set while a noflush suspend is under way: what would have to wait goes back to the device.
        self.handing_back = False
        self._ear = _FenceEar(self)
        self.fences.listeners.append(self._ear)
        self._parked: list[CloneBio] = []
        self._parked_bytes = 0
        self._fenced_bios: list[CloneBio] = []
        self._fenced_requests: list[Request] = []
        # Discards that have to do nothing, for as long as it takes to say so.
        self._skipped_bios: list[CloneBio] = []
        self._skipped_requests: list[Request] = []
        self._withheld_bios: list[CloneBio] = []
        self._withheld_requests: list[Request] = []
        self._replay = _Replay(self)
        self._replaying = False
        self._fences_moved = False

    def destroy(self) -> None:
        if self._ear in self.fences.listeners:
            self.fences.listeners.remove(self._ear)

    def bounce(self) -> None:
        """A path that leads through this map has failed. The paths of this one have not."""

    def _fence_bio(self, clone: CloneBio) -> int:
        """What to do with a bio that a fence blocks."""
        if self.abandoned:
            return KILL
        if self.handing_back:
            return REQUEUE
        if clone.op == DISCARD and self._may_skip(clone.sector, clone.end_sector(), [clone.original]):
            self._skipped_bios.append(clone)
            self._schedule_replay()
            return SUBMITTED
        self._fenced_bios.append(clone)
        hold(clone.original, 1)
        if clone.life is not None:
            clone.life.note(FENCED, self._behind(clone.op, clone.sector, clone.end_sector(), clone.original.orphans))
        return SUBMITTED

    def _fence_request(self, request: Request) -> int:
        if self.abandoned:
            return KILL
        start, end = request.span()
        if request.op == DISCARD and request.owner is request.queue and self._may_skip(start, end, request.bios):
            self._skipped_requests.append(request)
            self._schedule_replay()
            return SUBMITTED
        if len(self._fenced_requests) >= FENCED_MAX:
            return REQUEUE
        self._fenced_requests.append(request)
        self.host.lend_tags(1)
        for bio in request.for_whom():
            hold(bio, 1)
        if self.context.turn.tracer is not None:
            self._trace_request(request, FENCED, self._behind(request.op, start, end, request.orphans))
        return SUBMITTED

    def _may_skip(self, start: int, end: int, bios: list[Bio]) -> bool:
        """Whether a fenced discard of these bios succeeds without being sent: nobody is promised what it leaves behind.

        Not one that may be under way already, by another copy; not one of a device above, which may send the same to another disk
        (the legs of a mirror shall not differ); and not where it is about to be let go.
        """
        for bio in bios:
            if bio.orphans is not None or not _is_a_clients(bio):
                return False
        orphan = self.fences.first_block(DISCARD, start, end, None)
        if orphan is None or orphan.kind == FULL:
            return False
        self.fences.skipped_discards += 1
        for bio in bios:
            if bio.life is not None:
                bio.life.note(FENCED, f"not sent, and done: a discard behind {orphan.describe()}")
        return True

    def _end_skipped(self) -> None:
        requests, bios = self._skipped_requests, self._skipped_bios
        self._skipped_requests, self._skipped_bios = [], []
        for request in requests:
            self.host.succeed_request(request)
        for clone in bios:
            clone.status = OK
            self.host.finish_bio(clone)

    def _behind(self, op: int, start: int, end: int, own: list[Orphan] | None) -> str:
        """Which orphan an I/O waits behind, for who watches."""
        orphan = self.fences.first_block(op, start, end, own)
        return f"behind {orphan.describe()}" if orphan is not None else ""

    def _trace_request(self, request: Request, step: str, detail: str) -> None:
        for bio in request.for_whom():
            if bio.life is not None:
                bio.life.note(step, detail)

    def _hand_back_fenced(self) -> None:
        """A noflush suspend has begun. Bios are mapped once more, and are refused then."""
        self._requeue_fenced()
        self._park_fenced()

    def _park_fenced(self) -> None:
        for clone in self._fenced_bios:
            hold(clone.original, -1)
            self._park(clone)
        self._fenced_bios = []

    def _requeue_fenced(self) -> None:
        requests = self._fenced_requests
        self._fenced_requests = []
        for request in reversed(requests):
            for bio in request.for_whom():
                hold(bio, -1)
            self.host.lend_tags(-1)
            self.host.requeue_request(request, False)

    def _keep_blocked(self) -> None:
        """Let go what no fence blocks any more. What stays keeps its place: it may be thousands, and so may be the fences."""
        fences = self.fences
        requests, bios = self._fenced_requests, self._fenced_bios
        kept_requests: list[Request] = []
        kept_bios: list[CloneBio] = []
        self._fenced_requests, self._fenced_bios = [], []
        for request in requests:
            start, end = request.span()
            is_kept = fences.blocks(request.op, start, end, request.orphans)
            (kept_requests if is_kept else self._fenced_requests).append(request)
        for clone in bios:
            is_kept = fences.blocks(clone.op, clone.sector, clone.end_sector(), clone.original.orphans)
            (kept_bios if is_kept else self._fenced_bios).append(clone)
        self._requeue_fenced()
        self._park_fenced()
        # (What a flush suspend waits for is mapped within these, and may be fenced anew.)
        self._fenced_requests = kept_requests + self._fenced_requests
        self._fenced_bios = kept_bios + self._fenced_bios

    def _park(self, clone: CloneBio) -> None:
        self._parked.append(clone)
        self._parked_bytes += clone.size

    def _park_for_replay(self, clone: CloneBio) -> None:
        self._park(clone)
        if clone.life is not None:
            clone.life.note(PARKED, "to be mapped once more")
        self._schedule_replay()

    def _retry_alone(self, clone: CloneBio) -> int:
        """The error of a request that it was merged into need not be its own."""
        if clone.original.client().dead:
            return END_DONE
        clone.flags |= NOMERGE
        self._park_for_replay(clone)
        return END_INCOMPLETE

    def _schedule_replay(self) -> None:
        if not self._replaying:
            self._replaying = True
            self.context.turn.defer(self._replay)

    def replay(self) -> None:
        """Let go what no fence holds any more; map the parked bios again, with their recorded extent."""
        self._replaying = False
        if self._skipped_bios or self._skipped_requests:
            self._end_skipped()
        if self._fences_moved:
            self._release_fenced()
        parked = self._parked
        self._parked = []
        self._parked_bytes = 0
        if parked:
            self.host.map_again(parked)

    def _add_orphan(self, original: Bio, orphan: Orphan) -> None:
        if original.orphans is None:
            original.orphans = []
        if orphan not in original.orphans:
            original.orphans.append(orphan)
        self.fences.add(orphan)

    def _add_request_orphan(self, original: Request, orphan: Orphan) -> None:
        if original.orphans is None:
            original.orphans = []
        original.orphans.append(orphan)
        for bio in original.bios:
            if bio.orphans is None:
                bio.orphans = []
            if orphan not in bio.orphans:
                bio.orphans.append(orphan)
        self.fences.add(orphan)

    def _withhold_bio(self, clone: CloneBio) -> None:
        """It has succeeded, and must not say so yet."""
        self._withheld_bios.append(clone)
        hold(clone.original, 1)
        if clone.life is not None:
            clone.life.note(WITHHELD, "an orphan of its own may land on a write that was beside it")

    def _withhold_request(self, clone: Request, original: Request) -> None:
        self._withheld_requests.append(clone)
        self.host.lend_tags(1)
        for bio in original.for_whom():
            hold(bio, 1)
        if self.context.turn.tracer is not None:
            self._trace_request(original, WITHHELD, "an orphan of its own may land on a write that was beside it")

    def fences_changed(self) -> None:
        self._fences_moved = True
        self._schedule_replay()

    def _release_fenced(self) -> None:
        self._fences_moved = False
        if self.fences.active and not self.abandoned and not self.handing_back:
            self._keep_blocked()
        else:
            self._requeue_fenced()
            self._park_fenced()
        self._release_withheld()
        self.host.look_again()

    def _release_withheld(self) -> None:
        if self._withheld_requests:
            clones = self._withheld_requests
            self._withheld_requests = []
            for clone in clones:
                original = clone.original
                assert original is not None
                if must_withhold(original.orphans):
                    if not self.abandoned:
                        self._withheld_requests.append(clone)
                        continue
                    clone.status = IOERR
                    clone.good_bytes = 0
                for waiting in original.for_whom():
                    hold(waiting, -1)
                self.host.lend_tags(-1)
                self.host.finish_request(clone)
        if self._withheld_bios:
            bios = self._withheld_bios
            self._withheld_bios = []
            for bio in bios:
                if must_withhold(bio.original.orphans):
                    if not self.abandoned:
                        self._withheld_bios.append(bio)
                        continue
                    bio.status = IOERR
                hold(bio.original, -1)
                self.host.finish_bio(bio)

    def cancel_dead(self) -> None:
        """Clients died: what waits here of theirs fails, what is on its way fences its range for the others."""
        self._drop_dead_bios()
        self._requeue_fenced()
        for device in self.devices():
            for request in device.outstanding():
                if is_write_class(request.op) and any(bio.client().dead for bio in request.bios):
                    self._haunt(device, request)

    def _drop_dead_bios(self) -> None:
        for waiting in (self._parked, self._fenced_bios):
            dead = [clone for clone in waiting if clone.original.client().dead]
            for clone in dead:
                waiting.remove(clone)
                if waiting is self._fenced_bios:
                    hold(clone.original, -1)
                else:
                    self._parked_bytes -= clone.size
                clone.status = IOERR
                self.host.finish_bio(clone)

    def _haunt(self, device: BlockDevice, request: Request) -> None:
        """A write of a dead client's is in flight: until it ends it is fenced like an orphan."""
        original = request.original
        if original is not None:
            if not _is_haunted(original.orphans):
                start, end = request.span()
                ghost = _ghost_of(device, request.op, start, end)
                original.orphans = [*(original.orphans or []), ghost]
                self.fences.add(ghost)
            return
        clones: list[CloneBio] = []
        for bio in request.bios:
            clone = self._own_clone(bio)
            if clone is not None and clone not in clones:
                clones.append(clone)
        for clone in clones:
            if not _is_haunted(clone.original.orphans):
                ghost = _ghost_of(device, clone.op, clone.sector, clone.end_sector())
                clone.original.orphans = [*(clone.original.orphans or []), ghost]
                self.fences.add(ghost)

    def _own_clone(self, bio: Bio) -> CloneBio | None:
        """The clone of this target's that a bio of a path's request comes from, through whatever stands between; if it does."""
        while True:
            owner = bio.owner
            if isinstance(bio, CloneBio):
                if bio.target is self:
                    return bio
                bio = bio.original
            elif isinstance(owner, SplitBio):
                bio = owner.whole
            else:
                return None

    def ghosts(self) -> list[str]:
        return [orphan.describe() for orphan in self.fences.orphans if orphan.kind != LOOK]

    def withheld(self) -> int:
        return len(self._withheld_bios) + len(self._withheld_requests)

    def idle(self) -> bool:
        return not (
            self._parked
            or self._fenced_bios
            or self._fenced_requests
            or self._skipped_bios
            or self._skipped_requests
            or self._withheld_bios
            or self._withheld_requests
        )

    def congested(self) -> bool:
        if len(self._parked) >= PARKED_MAX or self._parked_bytes >= PARKED_BYTES_MAX:
            return True
        return len(self._fenced_bios) + len(self._withheld_bios) >= FENCED_MAX


def hold(bio: Bio, count: int) -> None:
    """Tell a client that an I/O of its has begun to wait for a proof (1), or need not any more (-1)."""
    bio.client().waits_for_proof(count, count * bio.size)


def _is_a_clients(bio: Bio) -> bool:
    """Whether a client has asked this device for it, perhaps for more at once; and not a device above."""
    owner = bio.owner
    while isinstance(owner, SplitBio):
        bio = owner.whole
        owner = bio.owner
    return bio.client() is owner


def common_orphans(bios: list[Bio]) -> list[Orphan] | None:
    """The orphans that carried a copy of each of these bios."""
    if not bios or bios[0].orphans is None:
        return None
    common = [orphan for orphan in bios[0].orphans if not orphan.proof]
    for bio in bios:
        common = [orphan for orphan in common if bio.orphans is not None and orphan in bio.orphans]
    return common or None


def _ghost_of(device: BlockDevice, op: int, start: int, end: int) -> Orphan:
    ghost = Orphan(device.name, 0, op, start, end, 1, None)
    ghost.kind = CLIENT
    return ghost


def _is_haunted(orphans: list[Orphan] | None) -> bool:
    if orphans is not None:
        for orphan in orphans:
            if orphan.kind == CLIENT and not orphan.proof:
                return True
    return False


def end_client_ghosts(orphans: list[Orphan]) -> None:
    """The command of a dead client has ended; if its fate is unknown, an orphan of its own is in place by now."""
    for orphan in list(orphans):
        if orphan.kind == CLIENT:
            orphan.resolve(PROOF_ANSWER)
