"""Whether what the disk holds in the end may be, by what was acknowledged and in which order. Pure functions.

After an acknowledged write an older one must not be seen again. Of two that were under way at once either may be the last;
but once both were acknowledged, which one it was must not change. A discard promises no content: what was read after it
must not change.
"""

from __future__ import annotations

from dataclasses import dataclass

from tools.ghost_write.plan import ZEROING, Variant

NEWER = "newer data"
GHOST = "OLD DATA over newer"
CHANGED = "CHANGED after both were acknowledged"
OTHER = "OTHER DATA over newer"
LOST = "acknowledged data LOST"
BEFORE = b"0"


def letter(which: str, op: str) -> bytes:
    """The byte that the older or the newer operation leaves."""
    if op in ZEROING:
        return b"\0"
    return b"W" if which == "older" else b"N"


@dataclass(frozen=True)
class Seen:
    """`final` is the content of the whole range in the end; `settled` what was read there when the newer operation (or the last
    of both, if they were under way at once) had been acknowledged, None if that never happened."""

    final: bytes
    settled: bytes | None
    older_acknowledged: bool
    newer_acknowledged: bool


def verdict(variant: Variant, seen: Seen) -> tuple[str, bool]:
    """What became of the data, in words, and whether acknowledged data was lost."""
    start, _ = variant.whole_range()
    newer = _part(variant.newer_range(), start)
    overlap = _common(newer, _part(variant.older_range(), start))
    if variant.order != "after" or variant.newer == "discard":
        if seen.settled is not None and seen.settled[newer] != seen.final[newer]:
            return (GHOST if variant.newer == "discard" and variant.order == "after" else CHANGED), True
    elif seen.newer_acknowledged:
        right = letter("newer", variant.newer)
        if seen.final[newer].strip(right):
            old = letter("older", variant.older)
            return (GHOST if old in seen.final[overlap] else OTHER), True
    return _rest(variant, seen, start)


def _rest(variant: Variant, seen: Seen, start: int) -> tuple[str, bool]:
    """Where only the older operation went its data must stand."""
    if seen.older_acknowledged and variant.older != "discard":
        older, newer = _part(variant.older_range(), start), _part(variant.newer_range(), start)
        for left, right in ((older.start, min(older.stop, newer.start)), (max(older.start, newer.stop), older.stop)):
            if left < right and seen.final[left:right].strip(letter("older", variant.older)):
                return LOST, True
    return NEWER if seen.newer_acknowledged else "nothing lost", False


def _part(place: tuple[int, int], start: int) -> slice:
    return slice(place[0] - start, place[0] - start + place[1])


def _common(one: slice, other: slice) -> slice:
    return slice(max(one.start, other.start), min(one.stop, other.stop))
