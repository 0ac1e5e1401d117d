"""`zero`: reads give zeroes, writes vanish. Linux: drivers/md/dm-zero.c."""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.block.limits import QueueLimits
from hawser.block.ops import READ
from hawser.core.status import OK
from hawser.core.turn import Turn, Work
from hawser.dm.clone import CloneBio
from hawser.dm.target import SUBMITTED, TableError, Target, TargetContext, TargetHost, register_target

MAX_SECTORS: Final = 2560


class _Answer(Work):
    def __init__(self, host: TargetHost, clone: CloneBio) -> None:
        self.host = host
        self.clone = clone

    def run(self) -> None:
        self.host.finish_bio(self.clone)


class ZeroTarget(Target):
    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("zero", start, length)
        if words:
            raise TableError("No arguments required")
        self.host = context.host
        self.turn: Turn = context.turn

    def devices(self) -> list[BlockDevice]:
        return []

    def limits(self, below: QueueLimits) -> QueueLimits:
        return QueueLimits(
            max_sectors=MAX_SECTORS, max_write_zeroes_sectors=MAX_SECTORS, max_discard_sectors=MAX_SECTORS
        )

    def map_bio(self, clone: CloneBio) -> int:
        if clone.op == READ:
            clone.data = bytes(clone.size)
        clone.status = OK
        self.turn.defer(_Answer(self.host, clone))
        return SUBMITTED


register_target("zero", ZeroTarget)
