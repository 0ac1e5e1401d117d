"""Recorder: a tracer that keeps what it sees, as rows from which a trace file is made.

Two kinds of rows with a beginning and an end: an I/O as its client sees it (`io`), and a command as a driver does
(`command`). What happens to an I/O in between is a row of its own. Beside them, how many commands each queue has in flight.
Times are those of the world's clock, that is of the beginning of the turn in which something happened.

Memory is bounded: no I/O is followed any more when ROWS_MAX rows are there, but those that are go on to their end.
"""

from typing import Final

from hawser.block.bio import Bio
from hawser.block.ops import DISCARD, FLUSH, FUA, OP_NAMES, READ, WRITE
from hawser.block.request import Request
from hawser.core.clock import Clock
from hawser.core.status import OK, status_name
from hawser.core.trace import ANSWERED, COMPLETED, ISSUED, QUEUED, Life, Tracer

ROWS_MAX: Final = 1_000_000
STILL_OPEN: Final = "was still open when the trace ended"

# What a row is.
IO_BEGINS: Final = 0
IO_STEP: Final = 1
IO_ENDS: Final = 2
COMMAND_BEGINS: Final = 3
COMMAND_ENDS: Final = 4
IN_FLIGHT: Final = 5


class Row:
    """`number`: which I/O or command (of IN_FLIGHT: how many); `name` and `detail` are for people. `members`: a command's
    I/Os. `origin`: of an I/O that begins, its flags and where its client submits from (BioOwner.cpu)."""

    def __init__(
        self,
        at_ns: int,
        kind: int,
        number: int,
        name: str,
        detail: str = "",
        members: list[int] | None = None,
        origin: tuple[int, int] | None = None,
    ) -> None:
        self.at_ns = at_ns
        self.kind = kind
        self.number = number
        self.name = name
        self.detail = detail
        self.members = members
        self.origin = origin


class _Followed(Life):
    """One I/O; `bio` is the client's own."""

    def __init__(self, recorder: "Recorder", number: int, bio: Bio) -> None:
        self.recorder = recorder
        self.number = number
        # None once it has ended.
        self.bio: Bio | None = bio

    def note(self, step: str, detail: str) -> None:
        if self.bio is not None:
            self.recorder.add(IO_STEP, self.number, step, detail)

    def ended(self, bio: object, status: int) -> None:
        if bio is self.bio:
            self.bio = None
            self.recorder.end_io(self.number, status)


class Recorder(Tracer):
    """`passed_over`: I/Os that were not followed for want of room. `devices`: the names of those whose I/O is followed; None: of
    all."""

    def __init__(self, clock: Clock, devices: frozenset[str] | None = None) -> None:
        self.clock = clock
        self.devices = devices
        self.rows: list[Row] = []
        self.passed_over = 0
        self.is_open = True
        self._ios = 0
        self._commands = 0
        self._numbers: dict[Request, int] = {}
        self._open: dict[int, _Followed] = {}

    def born(self, bio: object, device: str) -> Life | None:
        assert isinstance(bio, Bio)
        if not self.is_open or not self._is_followed(device):
            return None
        if len(self.rows) >= ROWS_MAX:
            self.passed_over += 1
            return None
        self._ios += 1
        life = _Followed(self, self._ios, bio)
        self._open[self._ios] = life
        name = describe(bio.op, bio.sector, bio.size, bio.flags)
        origin = (bio.flags, bio.owner.cpu)
        self.rows.append(Row(self.clock.now_ns, IO_BEGINS, self._ios, name, "", None, origin))
        self.add(IO_STEP, self._ios, QUEUED, device)
        return life

    def sent(self, request: object, queue: str, in_flight: int) -> None:
        assert isinstance(request, Request)
        members = self._members(request, ISSUED, queue)
        if not members and not (self.is_open and request.op == FLUSH and self._is_followed(queue)):
            return
        self._commands += 1
        self._numbers[request] = self._commands
        name = describe(request.op, request.sector, request.size, request.flags)
        self.add(COMMAND_BEGINS, self._commands, f"{queue}: {name}", "", members)
        self.add(IN_FLIGHT, in_flight, queue)

    def returned(self, request: object, queue: str, in_flight: int, outcome: str) -> None:
        assert isinstance(request, Request)
        number = self._numbers.pop(request, 0)
        if number:
            self._members(request, ANSWERED, f"{queue}: {outcome}")
            self.add(COMMAND_ENDS, number, queue, outcome)
            self.add(IN_FLIGHT, in_flight, queue)

    def _is_followed(self, device: str) -> bool:
        return self.devices is None or device in self.devices

    def _members(self, request: Request, step: str, detail: str) -> list[int]:
        """The I/Os that a request is for; each is told of `step`."""
        members: list[int] = []
        for bio in request.for_whom():
            life = bio.life
            if isinstance(life, _Followed) and life.bio is not None:
                members.append(life.number)
                life.note(step, detail)
        return members

    def open_ios(self) -> int:
        """Followed I/Os that have not ended."""
        return len(self._open)

    def close(self) -> None:
        """Nobody watches any more: what has not ended gets an end that says so."""
        self.is_open = False
        for number, life in list(self._open.items()):
            life.bio = None
            self.add(IO_ENDS, number, "", STILL_OPEN)
        self._open = {}
        for number in self._numbers.values():
            self.add(COMMAND_ENDS, number, "", STILL_OPEN)
        self._numbers = {}

    def end_io(self, number: int, status: int) -> None:
        del self._open[number]
        self.add(IO_STEP, number, COMPLETED, status_name(status))
        self.add(IO_ENDS, number, "", "" if status == OK else status_name(status))

    def add(self, kind: int, number: int, name: str, detail: str = "", members: list[int] | None = None) -> None:
        self.rows.append(Row(self.clock.now_ns, kind, number, name, detail, members))


def describe(op: int, sector: int, size: int, flags: int) -> str:
    """`write 4096 @ 1024 fua`: operation, bytes, first sector."""
    name = OP_NAMES.get(op, f"operation {op}")
    if op == READ or op == WRITE or op == DISCARD or size:
        name = f"{name} {size} @ {sector}"
    return f"{name} fua" if flags & FUA else name
