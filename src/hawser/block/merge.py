"""May a bio join a request, and at which end? Merging is what the two queue modes differ about.

Linux: block/blk-merge.c (blk_rq_merge_ok, ll_back_merge_fn, ll_front_merge_fn); `seeds.md` 3.4. A merge that only size or
segments forbid marks the request as not mergeable for good, as Linux does.
"""

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FUA, NOMERGE, PREFLUSH, READ, WRITE
from hawser.block.request import Request
from hawser.core.units import SECTOR_SHIFT


def is_mergeable(op: int, flags: int) -> bool:
    """Whether I/O of this kind merges at all: flushes, write zeroes and anything ordered or marked do not."""
    return (op == READ or op == WRITE or op == DISCARD) and flags & (NOMERGE | PREFLUSH | FUA) == 0


def try_merge(request: Request, bio: Bio, limits: QueueLimits) -> bool:
    """Append or prepend `bio` to `request` if it is adjacent and fits. `bio` is known to be mergeable."""
    back = request.sector + (request.size >> SECTOR_SHIFT) == bio.sector
    if not back and bio.sector + (bio.size >> SECTOR_SHIFT) != request.sector:
        return False
    if request.cannot_merge or request.op != bio.op or not is_mergeable(request.op, request.flags):
        return False
    if request.flags != bio.flags:
        return False
    if not _fits(request, bio.size, 1, limits):
        return False
    if back:
        request.bios.append(bio)
    else:
        request.bios.insert(0, bio)
        request.sector = bio.sector
    request.size += bio.size
    return True


def try_join(first: Request, second: Request, limits: QueueLimits) -> bool:
    """Append all of `second`, which starts where `first` ends, to `first`. Linux: attempt_merge()."""
    if first.end_sector() != second.sector or first.op != second.op or first.flags != second.flags:
        return False
    if first.cannot_merge or second.cannot_merge or not is_mergeable(first.op, first.flags):
        return False
    if first.orphans is not None or second.orphans is not None:
        return False
    if (
        first.size + second.size > limits.max_bytes_of(first.op)
        or len(first.bios) + len(second.bios) > limits.max_segments
    ):
        return False
    first.bios.extend(second.bios)
    first.size += second.size
    return True


def _fits(request: Request, size: int, segments: int, limits: QueueLimits) -> bool:
    if request.size + size > limits.max_bytes_of(request.op) or len(request.bios) + segments > limits.max_segments:
        request.cannot_merge = True
        return False
    return True
