"""Partition: a stretch of a disk. Its I/O goes to the disk's queue, at an offset, and merges there.

Linux: a struct block_device with a bd_partno; blk_partition_remap() in block/blk-core.c. It has no queue of its own, therefore
nothing request-based can be stacked on it (device_is_not_rq_stackable() in drivers/md/dm-table.c).
"""

from hawser.block.bio import Bio
from hawser.block.copies import Copies
from hawser.block.device import BlockDevice
from hawser.block.plug import Plug
from hawser.block.request import Request
from hawser.core.status import OK


class Partition(BlockDevice):
    """Sectors [start, start + size_sectors) of `whole`. Its limits are the disk's."""

    def __init__(self, name: str, devt: str, whole: BlockDevice, start: int, size_sectors: int) -> None:
        assert start >= 0 and start + size_sectors <= whole.size_sectors
        super().__init__(name, devt, size_sectors, whole.limits, whole.turn)
        self.whole = whole
        self.first_sector = whole.first_sector + start
        self.read_only = whole.read_only
        self.disk = whole.disk
        self.scsi = whole.scsi
        self._start = start

    def submit(self, bio: Bio, plug: Plug) -> None:
        """Only the partition's end is checked here. It is the disk that cuts, as its chunks are counted from its own start."""
        status = self.check(bio)
        if status != OK:
            self.refuse(bio, status)
        else:
            self.start(bio, plug)

    def start(self, bio: Bio, plug: Plug) -> None:
        # A flush has no sectors to move.
        offset = self._start if bio.size else 0
        self.whole.submit(Copies(bio).copy(self.whole, offset + bio.sector), plug)

    def idle(self) -> bool:
        return self.whole.idle()

    def cancel_dead(self) -> None:
        self.whole.cancel_dead()

    def answers_are_final(self) -> bool:
        return self.whole.answers_are_final()

    def bounce(self) -> None:
        """The path through the partition has failed, and so has the disk."""
        self.whole.bounce()

    def outstanding(self) -> list[Request]:
        return self.whole.outstanding()

    def under_way(self) -> list[Request]:
        return self.whole.under_way()

    def congested(self) -> bool:
        return self.whole.congested()
