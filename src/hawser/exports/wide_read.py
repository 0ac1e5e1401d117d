"""WideRead: a read that does not begin and end on a block, widened to blocks; its answer is cut to what was asked for."""

from typing import TYPE_CHECKING

from hawser.block.bio import Bio, BioOwner
from hawser.core.status import OK

if TYPE_CHECKING:
    from hawser.exports.connection import Connection


class WideRead(BioOwner):
    """`offset`, `length` and `block` in bytes; `start` and `size` are what is read."""

    def __init__(self, connection: "Connection", offset: int, length: int, block: int) -> None:
        super().__init__()
        self.connection = connection
        self.skip = offset % block
        self.length = length
        self.start = offset - self.skip
        self.size = -(-(self.skip + length) // block) * block

    def bio_done(self, bio: Bio) -> None:
        if bio.status == OK and bio.data is not None:
            bio.data = memoryview(bio.data)[self.skip : self.skip + self.length]
        self.connection.bio_done(bio)

    def client_of(self, bio: Bio) -> BioOwner:
        return self.connection.owner
