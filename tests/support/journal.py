"""What a client was told, and so what each sector may hold: the judge of tests with real servers.

A sector is a register. What a read may return: the last acknowledged write that nothing acknowledged has superseded, or any
write that has no end yet or ended without success after that (it may be there, or not). Two that were on their way at once may
take effect in either order. What a read has returned is fixed: what had ended before that read was sent, and is something else,
does not appear later. A sector that is being written may read as a mixture. What may be found *below* all caches is kept apart:
whatever was written since the last flush, and what that flush has covered.

Time is the order of events, no clock. Nothing here does I/O.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
# A stamp is repeated all over the sector.
_PIECE = 16
_NEVER = 1 << 62
_SHOWN_MAX = 6


class LostDataError(AssertionError):
    """A sector holds what it may not; the message says which, what it holds, and what it may hold."""


@dataclass(eq=False)
class Write:
    """One write or write zeroes of sectors [start, end). `number` is in its data; `ended` is an event's number."""

    number: int
    start: int
    end: int
    sent: int
    ended: int = _NEVER
    zeroes: bool = False
    fua: bool = False
    acknowledged: bool = False

    def content(self, sector: int) -> bytes:
        return bytes(SECTOR) if self.zeroes else stamp(sector, self.number)

    def tell(self) -> str:
        how = "acknowledged" if self.acknowledged else "on its way" if self.ended == _NEVER else "not acknowledged"
        return f"{self.number}{' (zeroes)' if self.zeroes else ''}, {how}"


@dataclass(eq=False)
class Read:
    """One read of sectors [start, end), and what each of them may turn out to hold."""

    start: int
    end: int
    sent: int
    may_hold: list[set[Write]]


@dataclass(eq=False)
class Flush:
    sent: int
    covers: list[set[Write]] = field(default_factory=list)


def stamp(sector: int, number: int) -> bytes:
    """What write `number` leaves in a sector: told apart from every other sector and every other write."""
    return (sector.to_bytes(8, "big") + number.to_bytes(8, "big")) * (SECTOR // _PIECE)


class Journal:
    """Of sectors [first, first + count) of one disk, which hold zeroes to begin with."""

    def __init__(self, first: int, count: int) -> None:
        self.first = first
        self.end = first + count
        self._tick = 0
        self._numbers = 0
        begin = Write(0, first, self.end, 0, 0, zeroes=True, acknowledged=True)
        self._may_hold: list[set[Write]] = [{begin} for _ in range(count)]
        self._below: list[set[Write]] = [{begin} for _ in range(count)]
        self._reads: set[Read] = set()

    # Writes.

    def write(self, start: int, count: int, zeroes: bool = False, fua: bool = False) -> Write:
        """It is sent now."""
        self._numbers += 1
        made = Write(self._numbers, start, start + count, self._now(), zeroes=zeroes, fua=fua)
        for index in self._indices(made):
            self._may_hold[index].add(made)
            self._below[index].add(made)
        for read in self._reads:
            for sector in range(max(read.start, start), min(read.end, made.end)):
                read.may_hold[sector - read.start].add(made)
        return made

    def data(self, write: Write) -> bytes:
        return b"".join(write.content(sector) for sector in range(write.start, write.end))

    def acknowledge(self, write: Write) -> None:
        """It was answered with success: what had ended before it was sent is no more."""
        write.acknowledged = True
        self.give_up(write)
        for index in self._indices(write):
            self._may_hold[index] = _after(write, self._may_hold[index])
            if write.fua:
                self._below[index] = _after(write, self._below[index])

    def give_up(self, write: Write) -> None:
        """It was answered with an error, or never will be: it may have been done or not, and is not done later."""
        write.ended = self._now()

    # Reads.

    def read(self, start: int, count: int) -> Read:
        """It is sent now."""
        made = Read(
            start,
            start + count,
            self._now(),
            [set(self._may_hold[s - self.first]) for s in range(start, start + count)],
        )
        self._reads.add(made)
        return made

    def forget(self, read: Read) -> None:
        """It was answered with an error, or never will be."""
        self._reads.discard(read)

    def check(self, read: Read, data: bytes) -> None:
        """What it returned; LostDataError if it may not have."""
        self.forget(read)
        assert len(data) == (read.end - read.start) * SECTOR
        for sector, held, may_hold in zip(range(read.start, read.end), _sectors(data), read.may_hold, strict=True):
            if not any(write.content(sector) == held for write in may_hold):
                if not _is_mixed(sector, held, may_hold, read.sent):
                    raise LostDataError(f"sector {sector} reads as {_tell(sector, held)}, not one of {_list(may_hold)}")
                continue
            index = sector - self.first
            self._may_hold[index] = {
                write for write in self._may_hold[index] if write.ended > read.sent or write.content(sector) == held
            }

    # Flushes, and what is below.

    def flush(self) -> Flush:
        """It is sent now."""
        return Flush(self._now(), [set(writes) for writes in self._may_hold])

    def flushed(self, flush: Flush) -> None:
        """It has succeeded: of what was there when it was sent only what could be read then may be found below."""
        for index, covered in enumerate(flush.covers):
            self._below[index] = {w for w in self._below[index] if w.sent > flush.sent or w in covered}

    def check_below(self, image: Path) -> None:
        """What the disk holds, with nothing on its way in the servers; LostDataError if what a flush covered is not there."""
        with image.open("rb") as file:
            file.seek(self.first * SECTOR)
            data = file.read((self.end - self.first) * SECTOR)
        for sector, held, may_hold in zip(range(self.first, self.end), _sectors(data), self._below, strict=True):
            if not any(write.content(sector) == held for write in may_hold):
                raise LostDataError(f"sector {sector} below is {_tell(sector, held)}, not one of {_list(may_hold)}")

    def _now(self) -> int:
        self._tick += 1
        return self._tick

    def _indices(self, write: Write) -> range:
        assert self.first <= write.start < write.end <= self.end, f"sectors {write.start}..{write.end - 1} are not kept"
        return range(write.start - self.first, write.end - self.first)


def _after(write: Write, others: Iterable[Write]) -> set[Write]:
    """What may be there when `write` has succeeded: it, or what was on its way beside it."""
    return {write, *(other for other in others if other.ended > write.sent)}


def _is_mixed(sector: int, held: bytes, may_hold: set[Write], sent: int) -> bool:
    """Of pieces of what may be there, while one of these was being written: a page cache is read and written at once."""
    if not any(write.ended > sent for write in may_hold):
        return False
    pieces = {write.content(sector)[:_PIECE] for write in may_hold}
    return all(held[at : at + _PIECE] in pieces for at in range(0, SECTOR, _PIECE))


def _sectors(data: bytes) -> list[bytes]:
    return [data[at : at + SECTOR] for at in range(0, len(data), SECTOR)]


def _tell(sector: int, held: bytes) -> str:
    number = int.from_bytes(held[8:16], "big")
    if held == bytes(SECTOR):
        return "zeroes"
    return f"write {number}" if held == stamp(sector, number) else f"torn or another's ({held[:16].hex()}...)"


def _list(writes: set[Write]) -> str:
    known = sorted(writes, key=lambda write: write.number)
    shown = "; ".join(write.tell() for write in known[-_SHOWN_MAX:])
    return shown if len(known) <= _SHOWN_MAX else f"{len(known)} writes, of which the last are {shown}"
