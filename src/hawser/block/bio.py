"""Bio: one I/O as a client asked for it, and who is told when it is done.

Linux: struct bio (include/linux/blk_types.h). A bio is contiguous on one device. Its completion is a call of its owner's
`bio_done`, made exactly once (invariant I1), never from within `submit`.
"""

from mypy_extensions import mypyc_attr

from hawser.block.disk import Disk
from hawser.block.ops import OP_NAMES, READ, Buffer
from hawser.block.orphan import Orphan
from hawser.core.status import OK
from hawser.core.trace import Life
from hawser.core.units import SECTOR_SHIFT


@mypyc_attr(allow_interpreted_subclasses=True)
class BioOwner:
    """Whoever submitted a bio: a client connection, a stacked device, a checker.

    `dead` is set when the owner went away: its bios that were not dispatched are then dropped rather than sent (DESIGN, Hard
    problems 7). `doubts_seen` are the doubt generations of the disks that it has opened, as they were then: a flush fails when
    its disk has had doubts since (Hard problems 3). `cpu` is where it submits from (path selector `io-affinity`).
    """

    def __init__(self) -> None:
        self.dead = False
        self.cpu = 0
        # Made by who opens something: most owners pass on what a client has asked them for, and many live for one I/O.
        self.doubts_seen: dict[Disk, int] | None = None

    def open_disk(self, disk: Disk) -> None:
        """The doubts that `disk` has had up to now are none of this owner's."""
        if self.doubts_seen is None:
            self.doubts_seen = {}
        self.doubts_seen[disk] = disk.open()

    def doubt_seen(self, disk: Disk) -> int:
        """Up to which doubt `disk` owes this owner nothing. Of a disk that a later table has brought: not even the first."""
        return self.doubts_seen.get(disk, 0) if self.doubts_seen is not None else 0

    def bio_done(self, bio: "Bio") -> None:
        """`bio.status` is final; for a read that is OK, `bio.data` holds `bio.size` bytes."""
        raise NotImplementedError

    def waits_for_proof(self, count: int, size: int) -> None:
        """So many more of its I/Os (or, negative, fewer), of `size` bytes together, wait behind a fence or for a proof."""

    def client_of(self, bio: "Bio") -> "BioOwner":
        """Who asked for `bio`: this owner, unless it passes on what somebody else asked it for."""
        return self


class Bio:
    """`sector` in 512-byte sectors, `size` in bytes; `data` is what to write, or None until a read has its answer.

    `segments` is how many vectors the data lies in (all of one size but the last): 1 where it is one view. `ioprio` is Linux's
    (class << 13 | level); 0 is no class, which counts as best effort.

    `done` counts the leading bytes that are complete already (a good prefix of a request that failed further on); `parts` are
    the views that they were read into, joined when the bio completes. `orphans` are unresolved copies of it.
    """

    def __init__(
        self, op: int, sector: int, size: int, owner: BioOwner, data: Buffer | None = None, flags: int = 0
    ) -> None:
        self.op = op
        self.sector = sector
        self.size = size
        self.owner = owner
        self.data = data
        self.flags = flags
        self.segments = 1
        self.ioprio = 0
        self.status = OK
        self.done = 0
        self.finished = False
        self.parts: list[Buffer] | None = None
        self.orphans: list[Orphan] | None = None
        self.cookie: bytes | None = None
        # Set while somebody watches (hawser.core.trace).
        self.life: Life | None = None
        # Why it failed, when it did: see hawser.block.request. Of one that was cut on its way, several commands may be orphans.
        self.fate = 0
        self.orphan: Orphan | None = None
        self.more_orphans: list[Orphan] | None = None

    def client(self) -> BioOwner:
        """Who asked for it in the first place, above all stacking."""
        return self.owner.client_of(self)

    def end_sector(self) -> int:
        """The first sector behind the bio; a partial last sector counts whole."""
        return self.sector + ((self.size + 511) >> SECTOR_SHIFT)

    def complete(self, status: int) -> None:
        """End the bio: the only way to do so, once."""
        assert not self.finished, "bio completed twice"
        self.finished = True
        self.status = status
        if self.parts is not None and status == OK:
            self._join()
        if self.orphans is not None:
            for orphan in self.orphans:
                if not self.is_known_above(orphan):
                    orphan.bio_ended(status == OK)
        if self.life is not None:
            self.life.ended(self, status)
        self.owner.bio_done(self)

    def is_known_above(self, orphan: Orphan) -> bool:
        """Whether what it was made for has the same orphan, and counts for it."""
        return False

    def take_part(self, view: Buffer | None, size: int) -> None:
        """The next `size` bytes are done, a read's are in `view`; the bio as a whole is not."""
        assert 0 < size < self.size - self.done
        self.done += size
        if self.op == READ:
            assert view is not None
            if self.parts is None:
                self.parts = []
            self.parts.append(view)

    def _join(self) -> None:
        assert self.parts is not None and self.data is not None
        self.parts.append(self.data)
        self.data = b"".join(self.parts)
        self.parts = None

    def describe(self) -> str:
        return f"{OP_NAMES[self.op]} of {self.size} bytes at sector {self.sector}"
