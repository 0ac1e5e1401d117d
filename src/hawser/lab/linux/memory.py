"""Memory: the bytes behind a simulated disk, which several paths may share."""

from hawser.block.ops import FLUSH, READ, WRITE, Buffer
from hawser.block.request import Request
from hawser.core.units import SECTOR_SHIFT


class Memory:
    """`size_bytes` bytes, zeroes at first."""

    def __init__(self, size_bytes: int) -> None:
        self.data = bytearray(size_bytes)

    def read(self, sector: int, size: int) -> bytes:
        start = sector << SECTOR_SHIFT
        return bytes(self.data[start : start + size])

    def write(self, sector: int, data: Buffer) -> None:
        start = sector << SECTOR_SHIFT
        self.data[start : start + len(data)] = data

    def clear(self, sector: int, size: int) -> None:
        """Zeroes, of a discard or a write of zeroes."""
        start = sector << SECTOR_SHIFT
        self.data[start : start + size] = bytes(size)

    def apply(self, request: Request) -> Buffer | None:
        """Carry a request out; a read's data."""
        if request.op == READ:
            return self.read(request.sector, request.size)
        if request.op == WRITE:
            sector = request.sector
            for view in request.payload():
                self.write(sector, view)
                sector += len(view) >> SECTOR_SHIFT
        elif request.op != FLUSH:
            self.clear(request.sector, request.size)
        return None
