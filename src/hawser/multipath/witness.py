"""Witness: the last acknowledged writes, kept to be read back through a path before it is trusted.

A path that comes back may lead to another disk, or to an old copy of this one (DESIGN, Hard problems 6; Kubernetes issue 59946 is
one of many). Size and name do not tell; what was written last does. Every acknowledged write enters a ring, so a later write of
the same sectors is known too and the older entry is then cut down to nothing.
"""

from typing import Final

from hawser.block.bio import Bio
from hawser.block.ops import Buffer
from hawser.core.units import KIB, SECTOR_SHIFT

ENTRIES_MAX: Final = 64
# Larger writes are remembered by their range alone: they hide older entries and testify nothing.
BYTES_MAX: Final = 64 * KIB


class Testimony:
    """What sectors from `sector` on must read as."""

    def __init__(self, sector: int, data: Buffer) -> None:
        self.sector = sector
        self.data = data

    def end_sector(self) -> int:
        return self.sector + (len(self.data) >> SECTOR_SHIFT)


class _Entry:
    def __init__(self, sector: int, end: int, bios: list[Bio] | None) -> None:
        self.sector = sector
        self.end = end
        self.bios = bios


class Witness:
    """A ring of the last ENTRIES_MAX acknowledged writes."""

    def __init__(self) -> None:
        self._ring: list[_Entry | None] = [None] * ENTRIES_MAX
        self._next = 0

    def note(self, sector: int, size: int, bios: list[Bio]) -> None:
        """A write, discard or write zeroes of `size` bytes has succeeded as a whole; `bios` hold its data."""
        has_data = size <= BYTES_MAX and len(bios) > 0 and bios[0].data is not None
        end = sector + ((size + 511) >> SECTOR_SHIFT)
        self._ring[self._next] = _Entry(sector, end, bios if has_data else None)
        self._next = (self._next + 1) % ENTRIES_MAX

    def retract(self, sector: int, size: int) -> None:
        """A write of unknown effect touched these sectors: no older one testifies about them any more."""
        end = sector + ((size + 511) >> SECTOR_SHIFT)
        for entry in self._ring:
            if entry is not None and entry.sector < end and sector < entry.end:
                entry.bios = None

    def testimonies(self) -> list[Testimony]:
        """The newest writes that no later one touches, newest first."""
        found: list[Testimony] = []
        later: list[_Entry] = []
        for back in range(1, ENTRIES_MAX + 1):
            entry = self._ring[(self._next - back) % ENTRIES_MAX]
            if entry is None:
                break
            if entry.bios is not None and not any(_overlap(entry, other) for other in later):
                found.append(Testimony(entry.sector, _content(entry)))
            later.append(entry)
        return found

    def forget(self) -> None:
        self._ring = [None] * ENTRIES_MAX


def _content(entry: _Entry) -> bytes:
    """What was written from the entry's sector on. Its first bio may have been partly done before."""
    assert entry.bios is not None
    first = entry.bios[0]
    whole = b"".join([bio.data for bio in entry.bios if bio.data is not None])
    return whole[(entry.sector - first.sector) << SECTOR_SHIFT :]


def _overlap(first: _Entry, second: _Entry) -> bool:
    return first.sector < second.end and second.sector < first.end
