"""Where a bio has to be cut to fit a device, and the fan-in of its pieces.

Linux: bio_split_to_limits() with get_max_io_size(), bio_split_rw_at(), bio_split_discard() and bio chaining (block/blk-merge.c,
block/bio.c); `seeds.md` 3.3. A piece is as large as the device takes, but ends on a physical block where it can (else on a
logical one), and does not cross a chunk. The pieces but the last are marked not mergeable, as the kernel does; the whole
completes when all pieces have, with the first error.
"""

from hawser.block.bio import Bio, BioOwner
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, NOMERGE, READ, WRITE, Buffer
from hawser.block.orphan import Orphan
from hawser.block.request import ANSWERED, NOT_SENT, UNKNOWN
from hawser.core.status import OK
from hawser.core.trace import SPLIT
from hawser.core.units import SECTOR_SHIFT


def front_bytes(limits: QueueLimits, op: int, sector: int, size: int, vector: int) -> int:
    """How many of `size` bytes from `sector` on go into the first piece; `size` when they all do, 0 when the operation is not
    offered. The data lies in vectors of `vector` bytes each (the last may be shorter)."""
    if op == DISCARD:
        return _front_of_discard(limits, sector, size)
    most = largest_io(limits, op, sector)
    if op == READ or op == WRITE:
        most = min(most, _most_in_segments(limits, vector))
    if size <= most:
        return size
    return most // limits.logical_block_size * limits.logical_block_size


def largest_io(limits: QueueLimits, op: int, sector: int) -> int:
    """The most bytes that an I/O which begins at `sector` should have. Linux: get_max_io_size()."""
    most = limits.max_bytes_of(op) >> SECTOR_SHIFT
    if limits.chunk_sectors:
        most = min(most, limits.chunk_sectors - sector % limits.chunk_sectors)
    physical = limits.physical_block_size >> SECTOR_SHIFT
    start = sector % physical
    end = (start + most) // physical * physical
    if end > start:
        return (end - start) << SECTOR_SHIFT
    return most // limits.block_sectors() * limits.block_sectors() << SECTOR_SHIFT


def _most_in_segments(limits: QueueLimits, vector: int) -> int:
    per_vector = -(-vector // limits.max_segment_size)
    if per_vector > 1:
        return limits.max_segments * limits.max_segment_size
    return limits.max_segments * vector


def _front_of_discard(limits: QueueLimits, sector: int, size: int) -> int:
    """A discard is cut where the next one is aligned to the granularity."""
    granularity = max(limits.discard_granularity >> SECTOR_SHIFT, 1)
    most = limits.max_discard_sectors // granularity * granularity or limits.max_discard_sectors
    if size >> SECTOR_SHIFT <= most:
        return size
    beyond = (sector + most - (limits.discard_alignment >> SECTOR_SHIFT) % granularity) % granularity
    return (most - beyond if most > beyond else most) << SECTOR_SHIFT


class SplitBio(BioOwner):
    """Fan-in of the pieces of one bio. Call `cut` for each piece but the last, then `rest`."""

    def __init__(self, whole: Bio) -> None:
        super().__init__()
        self.whole = whole
        self.vector = vector_of(whole)
        self.done_bytes = 0
        self.left = 0
        self.status = OK
        # Of what failed, the fate that says most; whether anything succeeded.
        self.fate = NOT_SENT
        self.any_succeeded = False
        self.views: list[Buffer | None] = []
        self._starts: list[int] = []

    def cut(self, size: int, mergeable: bool = False) -> Bio:
        """The next piece, of `size` bytes; more follow.

        What limits cut merges with nothing (Linux: bio_submit_split()); where targets meet it may (dm_split_and_process_bio()).
        """
        return self._piece(size, self.whole.flags if mergeable else self.whole.flags | NOMERGE)

    def rest(self) -> Bio:
        """The last piece."""
        return self._piece(self.whole.size - self.done_bytes, self.whole.flags)

    def sector(self) -> int:
        """Where the next piece begins."""
        return self.whole.sector + (self.done_bytes >> SECTOR_SHIFT)

    def pieces(self, most_bytes: int) -> list[Bio]:
        """All of it in pieces of one size, for whom limits are no matter."""
        cut: list[Bio] = []
        while self.whole.size - self.done_bytes > most_bytes:
            cut.append(self.cut(most_bytes))
        return [*cut, self.rest()]

    def _piece(self, size: int, flags: int) -> Bio:
        whole = self.whole
        start = self.done_bytes
        assert 0 < size <= whole.size - start
        data: Buffer | None = None
        if whole.op == WRITE and whole.data is not None:
            data = memoryview(whole.data)[start : start + size]
        piece = Bio(whole.op, self.sector(), size, self, data, flags)
        piece.segments = -(-size // self.vector)
        piece.ioprio = whole.ioprio
        piece.life = whole.life
        if whole.life is not None:
            whole.life.note(SPLIT, f"{size} bytes from sector {piece.sector}")
        self._starts.append(piece.sector)
        self.views.append(None)
        self.left += 1
        self.done_bytes += size
        return piece

    def bio_done(self, bio: Bio) -> None:
        if bio.status != OK:
            self._failed(bio)
        else:
            self.any_succeeded = True
            if bio.op == READ:
                self.views[self._starts.index(bio.sector)] = bio.data
        if bio.orphan is not None:
            # Of a mirror's write that has succeeded, too: on one leg it may have failed.
            self._orphaned([bio.orphan, *(bio.more_orphans or [])])
        self.left -= 1
        if self.left == 0 and self.done_bytes == self.whole.size:
            self._finish()

    def _failed(self, bio: Bio) -> None:
        if self.status == OK:
            self.status = bio.status
        if bio.fate == UNKNOWN or self.fate == NOT_SENT:
            self.fate = bio.fate

    def _orphaned(self, orphans: list[Orphan]) -> None:
        whole = self.whole
        if whole.orphan is None:
            whole.orphan = orphans.pop(0)
        if orphans:
            whole.more_orphans = [*(whole.more_orphans or []), *orphans]

    def client_of(self, bio: Bio) -> BioOwner:
        return self.whole.client()

    def _finish(self) -> None:
        whole = self.whole
        if self.status == OK:
            if whole.op == READ:
                whole.data = b"".join([view for view in self.views if view is not None])
        else:
            # What was carried out in part was not simply never sent.
            whole.fate = ANSWERED if self.fate == NOT_SENT and self.any_succeeded else self.fate
        whole.complete(self.status)


def vector_of(bio: Bio) -> int:
    """The bytes of each of the vectors that a bio's data lies in."""
    return max(1, -(-bio.size // bio.segments))
