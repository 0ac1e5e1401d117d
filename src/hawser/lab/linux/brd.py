"""brd, the ram disk: bio-based, without a queue; a bio is done before submitting it has returned.

Linux: drivers/block/brd.c. A discard gives whole pages back, which are zeroes then.
"""

from typing import Final

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, READ, WRITE
from hawser.block.plug import Plug
from hawser.core.status import IOERR, OK
from hawser.core.turn import Turn
from hawser.core.units import SECTOR_SHIFT
from hawser.lab.linux.memory import Memory

PAGE_SECTORS: Final = 8


class RamDisk(BlockDevice):
    def __init__(
        self, name: str, devt: str, size_sectors: int, limits: QueueLimits, turn: Turn, memory: Memory
    ) -> None:
        super().__init__(name, devt, size_sectors, limits, turn)
        self.memory = memory

    def start(self, bio: Bio, plug: Plug) -> None:
        if bio.op == READ:
            bio.data = self.memory.read(bio.sector, bio.size)
        elif bio.op == WRITE:
            assert bio.data is not None
            self.memory.write(bio.sector, bio.data)
        elif bio.op == DISCARD:
            first = -(-bio.sector // PAGE_SECTORS) * PAGE_SECTORS
            end = bio.end_sector() // PAGE_SECTORS * PAGE_SECTORS
            if end > first:
                self.memory.clear(first, (end - first) << SECTOR_SHIFT)
        self.refuse(bio, OK)

    def idle(self) -> bool:
        return True

    def cancel_dead(self) -> None:
        """Nothing ever waits here."""


class ZeroDisk(RamDisk):
    """Reads as zeroes, and forgets what is written. Of no transcript: something to stand on in a batch."""

    def start(self, bio: Bio, plug: Plug) -> None:
        if bio.op == READ:
            bio.data = bytes(bio.size)
        self.refuse(bio, OK)


class ErrorDisk(RamDisk):
    """Fails all that it is asked."""

    def start(self, bio: Bio, plug: Plug) -> None:
        self.refuse(bio, IOERR)
