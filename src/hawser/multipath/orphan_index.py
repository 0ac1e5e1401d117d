"""OrphanIndex: which orphans overlap a range of sectors, without a look at all of them.

A path may leave a thousand behind (hawser.block.driver), and for each that is resolved whatever waits is looked at again. They
are kept in classes by length, a power of two each, in the order of their starts: what overlaps a range begins before its end, and
less than the longest of its class before its start.
"""

from bisect import bisect_left, bisect_right

from hawser.block.ops import READ
from hawser.block.orphan import Orphan


class _Class:
    """Orphans of up to `longest` sectors, and more than half of that; `starts` are theirs, in the same order."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.starts: list[int] = []
        self.orphans: list[Orphan] = []

    def add(self, orphan: Orphan) -> None:
        place = bisect_right(self.starts, orphan.start)
        self.starts.insert(place, orphan.start)
        self.orphans.insert(place, orphan)

    def places(self, start: int, end: int) -> tuple[int, int]:
        """[first, last) of those that may overlap sectors [start, end): not those behind, nor those so far ahead that even the
        longest would be over."""
        return bisect_right(self.starts, start - self.longest), bisect_left(self.starts, end)

    def remove(self, orphan: Orphan) -> None:
        place = bisect_left(self.starts, orphan.start)
        while self.orphans[place] is not orphan:
            place += 1
        del self.starts[place]
        del self.orphans[place]


class OrphanIndex:
    """The range of an orphan does not change while it is in here."""

    def __init__(self) -> None:
        self._classes: list[_Class] = []

    def add(self, orphan: Orphan) -> None:
        longest = _longest(orphan)
        for found in self._classes:
            if found.longest == longest:
                found.add(orphan)
                return
        made = _Class(longest)
        made.add(orphan)
        self._classes.append(made)

    def remove(self, orphan: Orphan) -> None:
        """One that was added."""
        longest = _longest(orphan)
        for found in self._classes:
            if found.longest == longest:
                found.remove(orphan)
                if not found.orphans:
                    self._classes.remove(found)
                return
        raise AssertionError("not in the index")

    def blocking(self, op: int, start: int, end: int, own: list[Orphan] | None) -> Orphan | None:
        """One, but for `own`, that an I/O on sectors [start, end) must wait for: a read only if it is not acknowledged."""
        for found in self._classes:
            first, last = found.places(start, end)
            for place in range(first, last):
                orphan = found.orphans[place]
                if orphan.end <= start or (own is not None and orphan in own):
                    continue
                if op != READ or orphan.unacked > 0:
                    return orphan
        return None

    def harmful(self, start: int, end: int, own: list[Orphan] | None) -> bool:
        """Whether one may still write to sectors [start, end) that is not `own`."""
        for found in self._classes:
            first, last = found.places(start, end)
            for place in range(first, last):
                orphan = found.orphans[place]
                if orphan.end > start and not orphan.is_harmless and (own is None or orphan not in own):
                    return True
        return False


def _longest(orphan: Orphan) -> int:
    """Of the class that it is in."""
    length = max(1, orphan.end - orphan.start)
    return 1 << (length - 1).bit_length()
