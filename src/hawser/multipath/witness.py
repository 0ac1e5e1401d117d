"""Witness: the last acknowledged writes, kept to be read back through a path before it is trusted.

A path that comes back may lead to another disk, or to an old copy of this one (DESIGN, Hard problems 6; Kubernetes issue
59946 is one of many). Size and name do not tell; what was written last does. Every acknowledged write enters a ring, so a
later write of the same sectors is known too and the older entry is then cut down to nothing. Two writes of the same sectors
that were on their way at once testify nothing: they may have been executed in the other order than they were acknowledged in.
So it is beside one that was never acknowledged: one that failed, and a command of unknown fate until that was settled. Of these
the last UNCERTAIN_MAX are kept.

What an earlier process has handed over (hawser.service.witness_file) is known by its digests alone. Such a *remembered* entry
testifies as a whole or, once a later write has touched it, not at all.
"""

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio
from hawser.block.ops import Buffer
from hawser.block.orphan import Orphan
from hawser.core.units import KIB, SECTOR_SHIFT

if TYPE_CHECKING:
    from hawser.multipath.disk import PathDevice

ENTRIES_MAX: Final = 64
UNCERTAIN_MAX: Final = 128
# Larger writes are remembered by their range alone: they hide older entries and testify nothing.
BYTES_MAX: Final = 64 * KIB


@mypyc_attr(allow_interpreted_subclasses=True)
class Digester:
    """Makes digests of contents, always the same ones (the world's: with a key)."""

    def digest(self, data: Buffer) -> bytes:
        raise NotImplementedError


class Remembered:
    """What an earlier process has handed over: sectors [start, end) had this digest."""

    def __init__(self, start: int, end: int, digest: bytes) -> None:
        self.start = start
        self.end = end
        self.digest = digest


class Testimony:
    """What sectors [sector, end) must read as: `data`, or something with this `digest`, if that is not empty. `own` are orphans
    of the write itself: they make no difference to that.

    `holder` is the path whose own cache may hold it, until `place` of that path's writes are flushed; None where all see it.
    """

    def __init__(
        self,
        sector: int,
        end: int,
        data: Buffer,
        own: list[Orphan] | None,
        holder: "PathDevice | None",
        place: int,
        digest: bytes,
        digester: Digester | None,
    ) -> None:
        self.sector = sector
        self.end = end
        self.data = data
        self.own = own
        self.holder = holder
        self.place = place
        self.digest = digest
        self._digester = digester

    def is_visible(self, device: "PathDevice") -> bool:
        """Whether a read through `device` must find it: it may be in the cache of another path's server."""
        holder = self.holder
        return holder is None or holder is device or self.place <= holder.flushed

    def is_durable(self) -> bool:
        """Whether it is in no path's own cache."""
        return self.holder is None or self.place <= self.holder.flushed

    def end_sector(self) -> int:
        return self.end

    def size(self) -> int:
        """In bytes."""
        return (self.end - self.sector) << SECTOR_SHIFT

    def agrees(self, data: Buffer) -> bool:
        """Whether what was read is what it must be."""
        if self._digester is not None:
            return self._digester.digest(data) == self.digest
        return bytes(data) == bytes(self.data)

    def is_same_as(self, other: "Testimony") -> bool:
        return (self.sector, self.end, self.digest) == (other.sector, other.end, other.digest) and bytes(
            self.data
        ) == bytes(other.data)


class _Entry:
    """`started` and `number`: what the witness had counted when it was mapped, and before it was acknowledged itself."""

    def __init__(
        self,
        sector: int,
        end: int,
        bios: list[Bio] | None,
        started: int,
        number: int,
        own: list[Orphan] | None,
        holder: "PathDevice | None",
        digest: bytes = b"",
    ) -> None:
        self.sector = sector
        self.end = end
        self.bios = bios
        # Of what is remembered; with no data in `bios`.
        self.digest = digest
        self.started = started
        self.number = number
        self.own = own
        self.holder = holder
        self.place = holder.written if holder is not None else 0

    def silence(self) -> None:
        """It testifies nothing any more."""
        self.bios = None
        self.digest = b""


class _Uncertain:
    """Until `number` something may have been written to sectors [start, end), no one knows when: by a write that failed or, where
    there is one, by `orphan`. What was acknowledged before that was settled was told from it when it was acknowledged."""

    def __init__(self, start: int, end: int, number: int, orphan: Orphan | None) -> None:
        self.start = start
        self.end = end
        self.number = number
        self.orphan = orphan

    def touches(self, entry: _Entry) -> bool:
        """Whether it may have come after `entry`, which is no copy of the same write."""
        if not (entry.sector < self.end and self.start < entry.end and entry.started <= self.number):
            return False
        orphan = self.orphan
        if orphan is None:
            return True
        return self.number < entry.number and (entry.own is None or orphan not in entry.own)


class Witness:
    """A ring of the last ENTRIES_MAX acknowledged writes. `count` goes up by one with each, and with all that is uncertain."""

    def __init__(self) -> None:
        self._ring: list[_Entry | None] = [None] * ENTRIES_MAX
        self._next = 0
        self.count = 0
        # In their order.
        self._uncertain: list[_Uncertain] = []
        # What was mapped when so many were counted, or fewer, was beside what has left that list, or the ring by force.
        self._lost = -1
        self._digester: Digester | None = None

    def note(
        self,
        sector: int,
        size: int,
        bios: list[Bio],
        started: int,
        own: list[Orphan] | None,
        holder: "PathDevice | None",
    ) -> None:
        """A write, discard or write zeroes of `size` bytes has succeeded as a whole; `bios` hold its data, `own` are
        its orphans; `started` is what `count` was when it was mapped, `holder` the path that did it if that has its own cache."""
        has_data = size <= BYTES_MAX and started > self._lost and len(bios) > 0 and bios[0].data is not None
        end = sector + ((size + 511) >> SECTOR_SHIFT)
        self._add(_Entry(sector, end, bios if has_data else None, started, self.count, own, holder))

    def remember(self, found: list[Remembered], digester: Digester) -> None:
        """What an earlier process has handed over, the oldest first. Nothing was written since."""
        self._digester = digester
        for each in found:
            self._add(_Entry(each.start, each.end, None, self.count, self.count, None, None, each.digest))

    def _add(self, entry: _Entry) -> None:
        self._ring[self._next] = entry
        self.count += 1
        self._next = (self._next + 1) % ENTRIES_MAX

    def retract(self, sector: int, size: int) -> None:
        """A write of these sectors has failed, or has succeeded and testifies nothing. There older ones do not testify any more,
        nor will those that were beside it."""
        self._doubt(sector, sector + ((size + 511) >> SECTOR_SHIFT), None)

    def settled(self, orphan: Orphan) -> None:
        """It has taken effect by now, or never will. Of what was on its way beside it nobody knows which of the two came last."""
        self._doubt(orphan.start, orphan.end, orphan)

    def _doubt(self, start: int, end: int, orphan: Orphan | None) -> None:
        if len(self._uncertain) >= UNCERTAIN_MAX:
            self._forget_uncertain(self._uncertain.pop(0))
        self._uncertain.append(_Uncertain(start, end, self.count, orphan))
        self.count += 1

    def _forget_uncertain(self, oldest: _Uncertain) -> None:
        for entry in self._ring:
            if entry is not None and oldest.touches(entry):
                entry.silence()
        self._lost = max(self._lost, oldest.number)

    def forget_unflushed(self, holder: "PathDevice") -> None:
        """The cache of `holder` may be gone: what only that held testifies nothing any more."""
        for entry in self._ring:
            if entry is not None and entry.holder is holder and entry.place > holder.flushed:
                entry.silence()

    def testimonies(self) -> list[Testimony]:
        """What is certain, newest first: of each write what no later one touches, nor one that was on its way beside it."""
        found: list[Testimony] = []
        later: list[_Entry] = []
        oldest = self._ring[self._next]
        # Of what has left the ring nobody knows whether it was on its way beside an entry that was mapped before this.
        since = oldest.number if oldest is not None else 0
        for back in range(1, ENTRIES_MAX + 1):
            entry = self._ring[(self._next - back) % ENTRIES_MAX]
            if entry is None:
                break
            if entry.started >= since:
                found += self._testimonies_of(entry, later)
            later.append(entry)
        return found

    def _testimonies_of(self, entry: _Entry, later: list[_Entry]) -> list[Testimony]:
        found: list[Testimony] = []
        if entry.bios is not None:
            for start, end in self._certain(entry, later):
                data = _content(entry, start, end)
                found.append(Testimony(start, end, data, entry.own, entry.holder, entry.place, b"", None))
        elif entry.digest and self._certain(entry, later) == [(entry.sector, entry.end)]:
            found.append(Testimony(entry.sector, entry.end, b"", None, None, 0, entry.digest, self._digester))
        return found

    def _certain(self, entry: _Entry, later: list[_Entry]) -> list[tuple[int, int]]:
        """The parts of an entry that no other write may have come after."""
        parts = [(entry.sector, entry.end)]
        for other in self._ring:
            if other is not None and other is not entry and _overlap(entry, other):
                if other in later or entry.started <= other.number < entry.number:
                    parts = _without(parts, other.sector, other.end)
        for uncertain in self._uncertain:
            if uncertain.touches(entry):
                parts = _without(parts, uncertain.start, uncertain.end)
        return parts

    def forget(self) -> None:
        self._ring = [None] * ENTRIES_MAX
        self._lost = self.count
        self.count += 1


def _content(entry: _Entry, start: int, end: int) -> bytes:
    """What was written to sectors [start, end). The entry's first bio may have been partly done before."""
    assert entry.bios is not None
    first = entry.bios[0]
    whole = b"".join([bio.data for bio in entry.bios if bio.data is not None])
    return whole[(start - first.sector) << SECTOR_SHIFT : (end - first.sector) << SECTOR_SHIFT]


def _without(parts: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """Ranges of sectors without [start, end)."""
    left: list[tuple[int, int]] = []
    for first, last in parts:
        if end <= first or last <= start:
            left.append((first, last))
            continue
        if first < start:
            left.append((first, start))
        if end < last:
            left.append((end, last))
    return left


def _overlap(first: _Entry, second: _Entry) -> bool:
    return first.sector < second.end and second.sector < first.end
