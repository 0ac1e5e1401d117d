"""Retained: the writes that one path has acknowledged and no flush has covered, kept to be written again if its cache is lost.

DESIGN, Hard problems 2 and 3. A server with a cache of its own may lose what it has not flushed when it dies. What was
acknowledged must be read all the same, and the next flush must cover it: so it is kept here, and written again by way of whatever
path is used then (hawser.multipath.replay). NFS clients do so with unstable writes, and write them again when the server's
verifier has changed (RFC 8881, 18.32).

Of two writes of the same sectors that were on their way at once nobody knows which came last, although reads may have shown it:
they may have been executed in the other order than they were acknowledged in. What both touch is not written again.

It is bounded. At half of the limit a flush is asked for, so that the rest goes on; at the limit writes wait for it.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from typing import Final

from hawser.block.bio import Bio
from hawser.block.ops import WRITE, Buffer
from hawser.core.units import KIB, MIB, SECTOR_SHIFT

RETAINED_BYTES_MAX: Final = 64 * MIB
# What each costs beside its data: so many small ones are bounded, too.
KEPT_BYTES: Final = KIB


class Kept:
    """A write-class I/O. `place`: how many the path had acknowledged with it. `first` is the sector that `data` begins at; no
    data: a discard or write zeroes. `started` and `number`: how many writes of the disk had been acknowledged when it was mapped,
    and before it was acknowledged itself."""

    def __init__(
        self,
        place: int,
        op: int,
        flags: int,
        start: int,
        end: int,
        first: int,
        data: list[Buffer],
        cost: int,
        started: int,
        number: int,
    ) -> None:
        self.place = place
        self.started = started
        self.number = number
        self.op = op
        self.flags = flags
        self.start = start
        self.end = end
        self.first = first
        self.data = data
        self.cost = cost


class Extent:
    """Sectors [start, end) that have to be written again: `data` of a write, None of a discard or write zeroes."""

    def __init__(self, op: int, flags: int, start: int, end: int, data: Buffer | None) -> None:
        self.op = op
        self.flags = flags
        self.start = start
        self.end = end
        self.data = data


class Retained:
    """Of one path. `bytes` is what it holds, with what each I/O costs beside its data."""

    def __init__(self) -> None:
        self.bytes = 0
        self._kept: deque[Kept] = deque()

    def keep(
        self, place: int, op: int, flags: int, sector: int, size: int, bios: list[Bio], started: int, number: int
    ) -> None:
        """The path has acknowledged `size` bytes from `sector` on, with the data of `bios`; the first may begin earlier."""
        data: list[Buffer] = []
        first = sector
        cost = KEPT_BYTES
        if op == WRITE:
            first = bios[0].sector
            left = size + ((sector - first) << SECTOR_SHIFT)
            for bio in bios:
                view = bio.data
                assert view is not None
                if left <= 0:
                    break
                data.append(view)
                cost += len(view)
                left -= len(view)
        end = sector + ((size + 511) >> SECTOR_SHIFT)
        self._kept.append(Kept(place, op, flags, sector, end, first, data, cost, started, number))
        self.bytes += cost

    def drop(self, flushed: int) -> None:
        """A flush has covered the first `flushed` writes of the path."""
        kept = self._kept
        while kept and kept[0].place <= flushed:
            self.bytes -= kept.popleft().cost

    def is_empty(self) -> bool:
        return not self._kept

    def uncertain(self) -> list[tuple[int, int]]:
        """The sectors that two of them touch which were on their way at once: ascending, disjoint."""
        found = Cover()
        before: list[Kept] = []
        for kept in self._kept:
            for other in reversed(before):
                if other.number < kept.started:
                    # So were all before it.
                    break
                if other.start < kept.end and kept.start < other.end:
                    found.add(max(kept.start, other.start), min(kept.end, other.end))
            before.append(kept)
        return found.parts()

    def extents(self, uncertain: list[tuple[int, int]]) -> list[Extent]:
        """What the sectors hold after all of it, but for the uncertain ones: disjoint, ascending."""
        found: list[Extent] = []
        covered = Cover()
        for first, last in uncertain:
            covered.add(first, last)
        for kept in reversed(self._kept):
            for start, end in covered.gaps(kept.start, kept.end):
                found.append(Extent(kept.op, kept.flags, start, end, _content(kept, start, end)))
            covered.add(kept.start, kept.end)
        found.sort(key=_start)
        return found


class Cover:
    """A set of sectors, as ranges: ascending, and joined where they touch. There may be ten thousand of them, and all I/O waits
    meanwhile: each step is a search by halves."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def parts(self) -> list[tuple[int, int]]:
        return list(zip(self._starts, self._ends, strict=True))

    def gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of [start, end) that are not in it."""
        found: list[tuple[int, int]] = []
        number = bisect_right(self._ends, start)
        while start < end:
            is_last = number == len(self._starts) or self._starts[number] >= end
            first = end if is_last else self._starts[number]
            if start < first:
                found.append((start, first))
            start = end if is_last else self._ends[number]
            number += 1
        return found

    def add(self, start: int, end: int) -> None:
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]


def _start(extent: Extent) -> int:
    return extent.start


def _content(kept: Kept, start: int, end: int) -> Buffer | None:
    if kept.op != WRITE:
        return None
    whole = kept.data[0] if len(kept.data) == 1 else b"".join(kept.data)
    return memoryview(whole)[(start - kept.first) << SECTOR_SHIFT : (end - kept.first) << SECTOR_SHIFT]
