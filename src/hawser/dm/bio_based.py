"""Bio-based I/O: each bio is mapped at once, before anything could merge, and its clone goes through the path's own queue.

Linux: drivers/md/dm.c (dm_submit_bio, __map_bio, clone_endio); `seeds.md` 3.12. Fan-in of pieces that a target boundary cut is
hawser.block.split's, that of copies hawser.block.copies'.
"""

from hawser.block.bio import Bio, BioOwner
from hawser.block.copies import Copies, hand_up_orphans
from hawser.block.device import BlockDevice
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FLUSH, PREFLUSH, READ
from hawser.block.plug import Plug
from hawser.block.request import NOT_SENT
from hawser.block.split import SplitBio
from hawser.block.stats import DiskStats
from hawser.core.clock import NEVER, Clock
from hawser.core.status import DM_REQUEUE, IOERR, NOTSUPP, OK, TARGET
from hawser.core.trace import MAPPED
from hawser.core.turn import Turn, Work
from hawser.core.units import SECTOR_SHIFT
from hawser.dm.clone import CloneBio
from hawser.dm.routes import Route, routes_of
from hawser.dm.stack import Stack
from hawser.dm.table import Table
from hawser.dm.target import END_DONE, END_REQUEUE, KILL, REMAPPED, REQUEUE, SUBMITTED


class _Ending(Work):
    """Ends, once the stack has unwound, a clone that its target would not map."""

    def __init__(self, stack: "BioStack", clone: CloneBio) -> None:
        self.stack = stack
        self.clone = clone

    def run(self) -> None:
        self.stack.finish_bio(self.clone)


class _CloneOwner(BioOwner):
    """Where clones come back to."""

    def __init__(self, stack: "BioStack") -> None:
        super().__init__()
        self.stack = stack

    def bio_done(self, bio: Bio) -> None:
        assert isinstance(bio, CloneBio)
        self.stack.clone_done(bio)

    def client_of(self, bio: Bio) -> BioOwner:
        assert isinstance(bio, CloneBio)
        return bio.original.client()


class _FlushFirst(BioOwner):
    """Of a write that wants a flush before it: the flush, and when that has succeeded the data. Linux: dm_io_complete()."""

    def __init__(self, stack: "BioStack", whole: Bio) -> None:
        super().__init__()
        self.stack = stack
        self.whole = whole

    def begin(self, plug: Plug) -> None:
        self.stack.start(Bio(FLUSH, self.whole.sector, 0, self), plug)

    def bio_done(self, bio: Bio) -> None:
        whole = self.whole
        if bio.op != FLUSH or bio.status != OK:
            whole.fate = bio.fate
            whole.orphan = bio.orphan
            whole.more_orphans = bio.more_orphans
            whole.complete(bio.status)
            return
        if whole.client().dead:
            # It went away meanwhile; its data was not dispatched.
            whole.fate = NOT_SENT
            whole.complete(IOERR)
            return
        data = Bio(whole.op, whole.sector, whole.size, self, whole.data, whole.flags & ~PREFLUSH)
        data.segments = whole.segments
        data.ioprio = whole.ioprio
        data.life = whole.life
        plug = Plug()
        self.stack.submit_again(data, plug)
        plug.finish()

    def client_of(self, bio: Bio) -> BioOwner:
        return self.whole.client()


class BioStack(Stack):
    def __init__(self, turn: Turn, clock: Clock, stats: DiskStats) -> None:
        self.queue = None
        self.device = None
        self.clock = clock
        self.stats = stats
        self.takes_while_blocked = False
        self.turn = turn
        self.pending = 0
        # Set while a suspend is under way; `_returned` when it is a noflush one.
        self._watcher: Work | None = None
        self._returned: list[Bio] | None = None
        self._owner = _CloneOwner(self)
        self._table = Table([])

    def set_table(self, table: Table, limits: QueueLimits) -> None:
        self._table = table

    def block(self, noflush: bool, watcher: Work, returned: list[Bio]) -> None:
        self._watcher = watcher
        self._returned = returned if noflush else None

    def drained(self) -> None:
        self._watcher = None
        self._returned = None

    def unblock(self) -> None:
        self.drained()

    def in_flight(self) -> int:
        return self.pending

    def start(self, bio: Bio, plug: Plug) -> None:
        if bio.op == FLUSH:
            self._send(bio, self._table.flush_routes, plug)
            return
        if bio.flags & PREFLUSH and bio.size:
            _FlushFirst(self, bio).begin(plug)
            return
        target = self._table.find(bio.sector)
        if bio.size > target.room(bio.sector, bio.op):
            self._cut(bio, plug)
        elif bio.op < DISCARD:
            self.pending += 1
            self._map(CloneBio(bio, self._owner, target), plug)
        else:
            self._send(bio, routes_of(target, bio.op), plug)

    def _start_piece(self, piece: Bio, plug: Plug) -> None:
        target = self._table.find(piece.sector)
        if piece.op < DISCARD:
            self.pending += 1
            self._map(CloneBio(piece, self._owner, target), plug)
        else:
            self._send(piece, routes_of(target, piece.op), plug)

    def _send(self, bio: Bio, routes: list[Route], plug: Plug) -> None:
        """Copies of what has no data to whoever wants some. Linux: __send_duplicate_bios()."""
        self.pending += max(1, len(routes))
        if not routes:
            # Nobody has anything to flush; or nobody can do the other things.
            clone = CloneBio(bio, self._owner, self._table.targets[0])
            clone.status = OK if bio.op == FLUSH else NOTSUPP
            if clone.status == OK:
                self._begin(clone)
            self.turn.defer(_Ending(self, clone))
        elif len(routes) == 1:
            self._map_copy(bio, routes[0], True, plug)
        else:
            copies = Copies(bio)
            bios = [copies.copy(None, bio.sector) for _ in routes]
            for number, route in enumerate(routes):
                self._map_copy(bios[number], route, number == 0, plug)

    def _map_copy(self, bio: Bio, route: Route, counts: bool, plug: Plug) -> None:
        clone = CloneBio(bio, self._owner, route.target)
        clone.number = route.number
        clone.counts = counts
        if bio.op == FLUSH:
            clone.sector = route.target.start
        self._map(clone, plug)

    def _cut(self, bio: Bio, plug: Plug) -> None:
        """Cut where a target ends, or takes no longer I/O. Linux: dm_split_and_process_bio()."""
        split = SplitBio(bio)
        left = bio.size
        room = self._room(bio.sector, bio.op)
        while room < left:
            self._start_piece(split.cut(room, mergeable=True), plug)
            left -= room
            room = self._room(split.sector(), bio.op)
        self._start_piece(split.rest(), plug)

    def _room(self, sector: int, op: int) -> int:
        return self._table.find(sector).room(sector, op)

    def _map(self, clone: CloneBio, plug: Plug) -> None:
        result = clone.target.map_bio(clone)
        if (
            clone.start_ns == NEVER
            and clone.counts
            and (result == REMAPPED or (result == SUBMITTED and not clone.target.accounts_remapped))
        ):
            self._begin(clone)
        if result == REMAPPED:
            device: BlockDevice | None = clone.device
            assert device is not None
            if clone.life is not None and not clone.target.explains:
                clone.life.note(MAPPED, f"{clone.target.type_name}: to {device.name}, sector {clone.sector}")
            device.submit(clone, plug)
        elif result == KILL or result == REQUEUE:
            clone.status = IOERR if result == KILL else DM_REQUEUE
            self.turn.defer(_Ending(self, clone))

    def clone_done(self, clone: CloneBio) -> None:
        """A clone came back. Linux: clone_endio()."""
        result = clone.target.end_bio(clone)
        if result == END_DONE:
            self.finish_bio(clone)
        elif result == END_REQUEUE:
            clone.status = DM_REQUEUE
            self.finish_bio(clone)
        elif self._watcher is not None:
            # It may be withheld now, which a noflush suspend does not wait for.
            self.turn.defer(self._watcher)

    def begin_bio(self, clone: CloneBio) -> None:
        """Linux: dm_submit_bio_remap() of a target that accounts_remapped_io."""
        if clone.start_ns == NEVER and clone.counts:
            self._begin(clone)

    def finish_bio(self, clone: CloneBio) -> None:
        original = clone.original
        self.pending -= 1
        if clone.start_ns != NEVER:
            self._account(clone)
        if clone.status == TARGET and clone.op >= DISCARD and clone.device is not None:
            if clone.device.limits.max_bytes_of(clone.op) == 0:
                self.switch_off(clone.op)
        if self._watcher is not None:
            self.turn.defer(self._watcher)
            if clone.status == DM_REQUEUE and self._take_back(original):
                return
        if clone.status == OK:
            if original.op == READ:
                original.data = clone.data
        else:
            original.fate = clone.fate
        if clone.orphan is not None:
            hand_up_orphans(clone, original, clone.device, clone.target.moves_sectors)
        # A requeue that no suspend waits for is an error (Linux: dm_handle_requeue); it must not escape under its own name.
        original.complete(IOERR if clone.status == DM_REQUEUE else clone.status)

    def submit_again(self, bio: Bio, plug: Plug) -> None:
        """A bio that comes back from below to be started, whatever the device is doing."""
        device = self.device
        assert device is not None
        device.submit(bio, plug)

    def _begin(self, clone: CloneBio) -> None:
        """A target has taken it. Linux: dm_start_io_acct()."""
        stats = self.stats
        clone.start_ns = self.clock.now_ns
        if stats.reads_in_flight == 0 and stats.writes_in_flight == 0:
            stats.busy_since_ns = clone.start_ns
        if clone.op == READ:
            stats.reads_in_flight += 1
        else:
            stats.writes_in_flight += 1

    def _account(self, clone: CloneBio) -> None:
        """Linux: dm_end_io_acct(). A flush counts as the empty write that it is in the kernel."""
        stats = self.stats
        now_ns = self.clock.now_ns
        sectors = clone.original.size >> SECTOR_SHIFT
        if clone.op == READ:
            stats.reads_in_flight -= 1
            stats.reads.done(sectors, now_ns - clone.start_ns)
        else:
            stats.writes_in_flight -= 1
            group = stats.discards if clone.op == DISCARD else stats.writes
            group.done(sectors, now_ns - clone.start_ns)
        if stats.reads_in_flight == 0 and stats.writes_in_flight == 0:
            stats.busy_ns += now_ns - stats.busy_since_ns

    def _take_back(self, original: Bio) -> bool:
        """During a noflush suspend the device keeps what targets hand back, but not for clients that are dead."""
        if self._returned is None or original.client().dead:
            return False
        self._returned.append(original)
        return True

    def map_again(self, clones: list[CloneBio]) -> None:
        plug = Plug()
        for clone in clones:
            clone.restore()
            self._map(clone, plug)
        plug.finish()

    def idle(self) -> bool:
        return self.pending == 0

    def cancel_dead(self) -> None:
        for target in self._table.targets:
            target.cancel_dead()
        for device in self._table.devices():
            device.cancel_dead()
