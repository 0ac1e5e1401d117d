"""`zero`: reads give zeroes, writes and discards vanish. Linux: drivers/md/dm-zero.c."""

from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, RAHEAD, READ, WRITE
from hawser.core.turn import Turn
from hawser.dm.answers import Answer
from hawser.dm.clone import CloneBio
from hawser.dm.target import KILL, SUBMITTED, TableError, Target, TargetContext, TargetHost, register_target
from hawser.dm.targets.error import takes_any_discard


class ZeroTarget(Target):
    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("zero", start, length)
        if words:
            raise TableError("No arguments required")
        self.num_flush_bios = 0
        self.num_write_zeroes_bios = 0
        self.discards_supported = True
        self.iterates_devices = False
        self.host: TargetHost = context.host
        self.turn: Turn = context.turn

    def limits(self, below: QueueLimits) -> QueueLimits:
        return takes_any_discard(below)

    def map_bio(self, clone: CloneBio) -> int:
        if clone.op == READ:
            if clone.flags & RAHEAD:
                # To read zeroes ahead would only fill caches.
                return KILL
            clone.data = bytes(clone.size)
        elif clone.op != WRITE and clone.op != DISCARD:
            return KILL
        self.turn.defer(Answer(self.host, clone))
        return SUBMITTED


register_target("zero", ZeroTarget, "1.2.0", nowait=True)
