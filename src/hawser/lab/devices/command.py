"""Command: one I/O on its way from a path to a server and back, as both ends and the wire between them see it.

It is its own timer: on the wire, in service, and on the wire back it waits for one moment at a time, so that a healthy command
costs one object and three timers.

Fault model. A command arrives whole or not at all, and so does its answer; what it carries is never changed. It may arrive and be
executed long after its path has given it up (`abandoned`), or have been dropped while its path still waits (`dropped`).
"""

from typing import TYPE_CHECKING, Final

from hawser.block.ops import FLUSH, OP_NAMES, READ, WRITE, is_write_class
from hawser.block.orphan import Orphan
from hawser.block.request import Request
from hawser.core.clock import Timer
from hawser.core.status import OK, status_name
from hawser.core.units import SECTOR_SHIFT
from hawser.lab.payload import decode, write_of

if TYPE_CHECKING:
    from hawser.lab.devices.answers import Treatment
    from hawser.lab.devices.connection import Connection
    from hawser.lab.devices.process import Process

# An NBD request header: what a command without data weighs.
HEADER_BYTES: Final = 28

# The values of what carries none.
NOTHING: Final[list[int]] = []
_FUA_WORDS: Final = {op: f"FUA {word}" for op, word in OP_NAMES.items()}

# Where a command is.
WAITING: Final = 0  # with our side: not handed to the transport
GOING: Final = 1  # on the wire to the server, or in a send queue
HELD: Final = 2  # with the server, which does not begin it before a while has passed
QUEUED: Final = 3  # with the server: in its queue, or not read by it
SERVED: Final = 4  # begun
ANSWERED: Final = 5  # done, and its answer held back
RETURNING: Final = 6  # its answer is on the wire
GONE: Final = 7


class Command(Timer):
    """`values` are a write's, per sector; of discards and write zeroes they are zeroes. `writes`: which writes they are from, in
    words. `good` counts sectors done."""

    def __init__(
        self,
        connection: "Connection",
        cookie: int,
        request: Request,
        op: int,
        fua: bool,
        count: int,
        values: list[int],
        writes: str,
    ) -> None:
        super().__init__()
        self.connection = connection
        self.cookie = cookie
        self.request = request
        self.op = op
        self.fua = fua
        self.sector = request.sector
        self.count = count
        self.values = values
        self.is_write = is_write_class(op)
        self.size = HEADER_BYTES
        self.stage = WAITING
        # Which life of the connection it was sent in.
        self.life = 0
        self.number = 0
        self.process: Process | None = None
        self.treatment: Treatment | None = None
        self.picture: list[int] | None = None
        # The answer.
        self.status = OK
        # The failed flush that it tells of.
        self.error = 0
        self.good = 0
        self.data: list[int] | None = None
        # What our side thinks of it.
        self.orphan: Orphan | None = None
        self.is_flush = False
        self.started = False
        self.abandoned = False
        self.dropped = False
        # Somebody has made sure that it takes no effect any more.
        self.forbidden = False
        self.text = describe(connection.prefix, cookie, op, fua, self.sector, count, writes)

    def expire(self) -> None:
        stage = self.stage
        if stage == GOING:
            self.connection.arrive(self)
        elif stage == RETURNING:
            self.connection.returned(self)
        else:
            self.connection.server.command_due(self)

    def outcome(self) -> str:
        """`read of ... on p0: ok`."""
        if self.status == OK:
            return f"{self.text}: ok"
        return f"{self.text}: {status_name(self.status)} error, {self.good} sectors good"


def describe(prefix: str, cookie: int, op: int, fua: bool, sector: int, count: int, writes: str) -> str:
    """`p0#1.15 write of sectors 8..15 (write 12)`: path, session and command number, and what it is."""
    word = _FUA_WORDS[op] if fua else OP_NAMES[op]
    if op == FLUSH:
        return f"{prefix}{cookie} {word}"
    return f"{prefix}{cookie} {word} of sectors {sector}..{sector + count - 1}{writes}"


def name_writes(values: list[int]) -> str:
    """Which writes these sectors are from: `write 12`, `writes 3 3 0`; several in the order in which they lie."""
    first = write_of(values[0])
    last = first
    numbers = ""
    for value in values:
        write = write_of(value)
        if write != last:
            numbers += f" {write}"
            last = write
    return f"writes {first}{numbers}" if numbers else f"write {first}"


def make_command(connection: "Connection", cookie: int, request: Request, fua: bool) -> Command:
    """A request as it goes over the wire."""
    op = request.op
    count = request.size >> SECTOR_SHIFT
    if op == WRITE:
        return _make_write(connection, cookie, request, fua, count)
    values = NOTHING if op == READ or op == FLUSH else [0] * count
    return Command(connection, cookie, request, op, fua, count, values, "")


def _make_write(connection: "Connection", cookie: int, request: Request, fua: bool, count: int) -> Command:
    bios = request.bios
    values: list[int] = []
    for part in request.payload():
        values += decode(part)
    if len(bios) == 1:
        # One I/O is one write.
        writes = f" (write {write_of(values[0])})"
    else:
        connection.hardware.marks.hit("merged")
        writes = f" ({name_writes(values)})"
    command = Command(connection, cookie, request, WRITE, fua, count, values, writes)
    command.size += request.size
    return command


def abandon(command: Command, path: str) -> None:
    """Our side does not wait for a write any more, and cannot say what becomes of it."""
    hardware = command.connection.hardware
    command.abandoned = True
    hardware.sightings.gave_up(path, command.values)
    if command.dropped:
        hardware.marks.hit("ghost never landed")
