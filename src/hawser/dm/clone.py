"""CloneBio: what a bio-based device sends down in place of the bio it was given. It shares the data.

Linux: struct dm_target_io and its bio (drivers/md/dm-core.h).
"""

from hawser.block.bio import Bio, BioOwner
from hawser.block.device import BlockDevice
from hawser.block.ops import IN_COMPANY, READ
from hawser.block.orphan import Orphan
from hawser.block.request import MapContext
from hawser.core.clock import NEVER
from hawser.core.status import OK
from hawser.dm.target import Target


class CloneBio(Bio):
    """`device` is where the target mapped it, `number` tells copies apart (Linux: target_bio_nr), `context` is what the target
    remembers between map and end (and, in a retry, of the try before), `mapped_ns` when the last try was mapped, if it wants to
    know, `written_before` how many writes a flush can promise, or had been acknowledged when a write was mapped."""

    def __init__(self, original: Bio, owner: BioOwner, target: Target) -> None:
        super().__init__(original.op, original.sector, original.size, owner, original.data, original.flags)
        self.original = original
        self.target = target
        self.device: BlockDevice | None = None
        self.number = 0
        self.context: MapContext | None = None
        self.answered_errors = 0
        self.mapped_ns = 0
        self.written_before = 0
        self.segments = original.segments
        self.ioprio = original.ioprio
        self.life = original.life
        # When it was begun, or NEVER when no target has taken it yet.
        self.start_ns = NEVER
        # Whether it is in the statistics: of several copies the first one is, for all of them.
        self.counts = True

    def is_known_above(self, orphan: Orphan) -> bool:
        above = self.original.orphans
        return above is not None and orphan in above

    def restore(self) -> None:
        """As it was before it was mapped: to be mapped again after a failure. It is never cut smaller by a retry."""
        original = self.original
        self.sector = original.sector
        self.size = original.size
        self.data = None if self.op == READ else original.data
        self.flags &= ~IN_COMPANY
        self.status = OK
        self.done = 0
        self.parts = None
        self.finished = False
        self.fate = 0
        self.orphan = None
        self.more_orphans = None
