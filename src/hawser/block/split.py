"""Cutting a bio that is larger than a device takes, and joining the answers.

Linux: bio_split() and bio chaining (block/blk-merge.c). The pieces but the last are marked not mergeable, as the kernel does;
the whole completes when all pieces have, with the first error.
"""

from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import NOMERGE, READ, WRITE, Buffer
from hawser.core.status import OK
from hawser.core.units import SECTOR_SHIFT


class SplitBio(BioOwner):
    """Fan-in of the pieces of one bio. `most_bytes` is a multiple of the logical block."""

    def __init__(self, whole: Bio, most_bytes: int) -> None:
        super().__init__()
        assert most_bytes >= 1 << SECTOR_SHIFT
        self.whole = whole
        self.most_bytes = most_bytes
        self.left = -(-whole.size // most_bytes)
        self.status = OK
        self.views: list[Buffer | None] = [None] * self.left
        self._pieces: list[Bio] = []

    def pieces(self) -> list[Bio]:
        """The pieces, in order; call once."""
        whole = self.whole
        view = memoryview(whole.data) if whole.op == WRITE and whole.data is not None else None
        for start in range(0, whole.size, self.most_bytes):
            size = min(self.most_bytes, whole.size - start)
            data = view[start : start + size] if view is not None else None
            flags = whole.flags | NOMERGE if start + size < whole.size else whole.flags
            self._pieces.append(Bio(whole.op, whole.sector + (start >> SECTOR_SHIFT), size, self, data, flags))
        return list(self._pieces)

    def bio_done(self, bio: Bio) -> None:
        if bio.status != OK:
            if self.status == OK:
                self.status = bio.status
                self.whole.fate = bio.fate
        elif bio.op == READ:
            self.views[(bio.sector - self.whole.sector) // (self.most_bytes >> SECTOR_SHIFT)] = bio.data
        self.left -= 1
        if self.left == 0:
            self._finish()

    def client_of(self, bio: Bio) -> BioOwner:
        return self.whole.client()

    def _finish(self) -> None:
        whole = self.whole
        self._pieces = []
        if self.status == OK and whole.op == READ:
            whole.data = b"".join([view for view in self.views if view is not None])
        whole.complete(self.status)
