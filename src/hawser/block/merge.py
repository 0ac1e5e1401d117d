"""May a bio join a request, and at which end? Merging is what the two queue modes differ about.

Linux: block/blk-merge.c (blk_rq_merge_ok, blk_try_merge, ll_back_merge_fn, ll_front_merge_fn, attempt_merge); `seeds.md` 3.4. A
merge of a bio that only size or segments forbid marks the request as not mergeable for good, as Linux does; one of two requests
does not. Of what must agree Linux also has cgroup, integrity, encryption, write hint and atomic writes: nothing here has these.

Flags of which the two may differ (fail fast, read ahead) make a *mixed* request: each bio keeps its own, the request shows the
first one's.
"""

from typing import Final

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FAILFAST_MASK, FUA, NOMERGE, PREFLUSH, RAHEAD, READ, WRITE
from hawser.block.request import MIXED, Request
from hawser.core.units import SECTOR_SHIFT

# What an attempt comes to. FAILED: they are neighbours and may not merge, so that looking further is pointless.
NONE: Final = 0
MERGED: Final = 1
FAILED: Final = 2

_UNMERGEABLE: Final = NOMERGE | PREFLUSH | FUA
_MIXABLE: Final = FAILFAST_MASK | RAHEAD


def is_mergeable(op: int, flags: int) -> bool:
    """Whether I/O of this kind merges at all: flushes, write zeroes and anything ordered or marked do not."""
    return (op == READ or op == WRITE or op == DISCARD) and flags & _UNMERGEABLE == 0


def try_merge(request: Request, bio: Bio, limits: QueueLimits) -> int:
    """Append or prepend `bio` to `request` if it is adjacent and fits. `bio` is known to be mergeable.

    Discards of a device that takes several ranges at once are appended wherever they are.
    """
    if bio.op == DISCARD and limits.max_discard_segments > 1:
        return _merge_range(request, bio, limits)
    back = request.sector + (request.size >> SECTOR_SHIFT) == bio.sector
    if not back and bio.sector + (bio.size >> SECTOR_SHIFT) != request.sector:
        return NONE
    if not _agree(request, bio):
        return NONE
    segments = request.segments + segments_in(limits, bio)
    start = request.sector if back else bio.sector
    if has_gap(limits, request.size if back else bio.size):
        return FAILED
    if request.size + bio.size > most_from(limits, request.op, start) or segments > limits.max_segments:
        request.cannot_merge = True
        return FAILED
    if (request.flags ^ bio.flags) & _MIXABLE or request.flags & MIXED:
        _mix(request, bio, back)
    request.segments = segments if request.op != DISCARD else 1
    request.size += bio.size
    if back:
        request.bios.append(bio)
    else:
        request.bios.insert(0, bio)
        request.sector = bio.sector
    return MERGED


def try_join(first: Request, second: Request, limits: QueueLimits) -> bool:
    """Append all of `second`, which starts where `first` ends, to `first`. Linux: attempt_merge()."""
    if first.op != second.op or first.ioprio != second.ioprio or first.cannot_merge or second.cannot_merge:
        return False
    if first.op == DISCARD and limits.max_discard_segments > 1:
        return _join_ranges(first, second, limits)
    if first.end_sector() != second.sector or has_gap(limits, first.size):
        return False
    segments = first.segments + second.segments
    if first.size + second.size > most_from(limits, first.op, first.sector) or segments > limits.max_segments:
        return False
    if (first.flags ^ second.flags) & _MIXABLE or (first.flags | second.flags) & MIXED:
        _mark_mixed(first)
        _mark_mixed(second)
    first.segments = segments if first.op != DISCARD else 1
    _append(first, second)
    return True


def most_from(limits: QueueLimits, op: int, sector: int) -> int:
    """The most bytes that a request which begins at `sector` may have. Linux: blk_rq_get_max_sectors()."""
    most = limits.max_bytes_of(op)
    if limits.chunk_sectors and op != DISCARD:
        return min(most, (limits.chunk_sectors - sector % limits.chunk_sectors) << SECTOR_SHIFT)
    return most


def segments_in(limits: QueueLimits, bio: Bio) -> int:
    """How many segments the data of `bio` is on a device of these limits. A discard is one range."""
    count = bio.segments
    if bio.op == DISCARD:
        return 1
    if bio.size <= limits.max_segment_size:
        return count
    vector = -(-bio.size // count)
    return count * -(-vector // limits.max_segment_size)


def has_gap(limits: QueueLimits, before: int) -> bool:
    """Whether data behind `before` bytes would leave a gap within a page that the device cannot skip (virt_boundary).

    Every bio's data is taken to begin at such a boundary. Linux: bio_will_gap().
    """
    return limits.virt_boundary_mask != 0 and before & limits.virt_boundary_mask != 0


def _agree(request: Request, bio: Bio) -> bool:
    return request.op == bio.op and not request.cannot_merge and request.ioprio == bio.ioprio


def _merge_range(request: Request, bio: Bio, limits: QueueLimits) -> int:
    """Linux: bio_attempt_discard_merge()."""
    if not _agree(request, bio):
        return NONE
    if request.segments >= limits.max_discard_segments or request.size + bio.size > limits.max_bytes_of(DISCARD):
        request.cannot_merge = True
        return FAILED
    request.bios.append(bio)
    request.size += bio.size
    request.segments += 1
    return MERGED


def _join_ranges(first: Request, second: Request, limits: QueueLimits) -> bool:
    """Linux: req_attempt_discard_merge()."""
    segments = first.segments + second.segments
    if segments > limits.max_discard_segments or first.size + second.size > limits.max_bytes_of(DISCARD):
        first.cannot_merge = True
        return False
    first.segments = segments
    _append(first, second)
    return True


def _append(first: Request, second: Request) -> None:
    first.bios.extend(second.bios)
    first.size += second.size
    first.start_ns = min(first.start_ns, second.start_ns)


def _mix(request: Request, bio: Bio, back: bool) -> None:
    """Linux: blk_rq_set_mixed_merge() and blk_update_mixed_merge(). Read-ahead bios count as failing fast in every way."""
    _mark_mixed(request)
    if bio.flags & RAHEAD:
        bio.flags |= FAILFAST_MASK
    if not back:
        request.flags = request.flags & ~FAILFAST_MASK | bio.flags & FAILFAST_MASK


def _mark_mixed(request: Request) -> None:
    if not request.flags & MIXED:
        failfast = request.flags & FAILFAST_MASK
        for bio in request.bios:
            bio.flags |= failfast
        request.flags |= MIXED
