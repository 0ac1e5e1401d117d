"""Command: what a path was given to do, from the moment it was sent to the last that can come of it.

It outlives its request: a command that timed out is *late* and may still be answered, one whose session ended is a *ghost* and
may still be executed. Values are those of hawser.lab.payload.
"""

from typing import Final

from hawser.block.ops import FLUSH, FUA, READ, WRITE, is_write_class
from hawser.block.orphan import Orphan
from hawser.block.request import Request
from hawser.core.units import SECTOR_SHIFT
from hawser.lab.devices.array import Controller
from hawser.lab.payload import decode

# Where it is.
STUCK: Final = 0  # in our own send queue: a black hole
RECEIVED: Final = 1  # at the server, nothing done
BEGUN: Final = 2  # the server has its picture of the blocks that it will write back
DONE: Final = 3  # executed (or refused): the answer is on its way


class Command:
    """`request` is None once nobody waits for the answer; `orphan` is then what the answer would prove."""

    def __init__(self, request: Request) -> None:
        self.request: Request | None = request
        self.orphan: Orphan | None = None
        self.op = request.op
        self.sector = request.sector
        self.count = request.size >> SECTOR_SHIFT
        self.values = _values(request)
        self.fua = request.flags & FUA != 0
        self.stage = RECEIVED
        self.picture: list[int] | None = None
        self.result: list[int] = []
        self.status = 0
        self.good = self.count

    def is_write(self) -> bool:
        return is_write_class(self.op)

    def comes_before(self, other: "Command") -> bool:
        """Commands of one path are kept in this order, so that it does not matter in which one they came."""
        if self.op != other.op:
            return self.op < other.op
        if self.sector != other.sector:
            return self.sector < other.sector
        return self.values < other.values

    def needs_picture(self, server: Controller) -> bool:
        """Whether its blocks have to be read, modified and written back, in two steps."""
        unit = server.array.unit_sectors
        return unit > 1 and self.is_write() and (self.sector % unit != 0 or (self.sector + self.count) % unit != 0)

    def begin(self, server: Controller) -> None:
        self.picture = server.begin(self.sector, self.count)
        self.stage = BEGUN

    def execute(self, server: Controller, through: bool = False) -> None:
        """Do it; `through`: past the server's cache, which is gone."""
        if self.op == READ:
            self.result = server.read(self.sector, self.count)
        elif self.op == FLUSH:
            server.flush()
        else:
            server.write(self.sector, self.values[: self.good], self.fua or through, self.picture)
        self.picture = None
        self.stage = DONE

    def name(self) -> str:
        """`write 1 to sectors 0..1`, `the read of sector 0`."""
        if self.op == FLUSH:
            return "the flush"
        last = self.sector + self.count - 1
        place = f"sector {self.sector}" if self.count == 1 else f"sectors {self.sector}..{last}"
        if self.op == READ:
            return f"the read of {place}"
        return f"{writes_in(self.values)} to {place}"


def writes_in(values: list[int]) -> str:
    """`write 1`, or `writes 1 and 2` where they were merged."""
    numbers: list[str] = []
    for value in values:
        number = str(value >> 16)
        if number not in numbers:
            numbers.append(number)
    return ("write " if len(numbers) == 1 else "writes ") + " and ".join(numbers)


def _values(request: Request) -> list[int]:
    if request.op == WRITE:
        return decode(b"".join(request.payload()))
    if request.op == READ or request.op == FLUSH:
        return []
    return [0] * (request.size >> SECTOR_SHIFT)
