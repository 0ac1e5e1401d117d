"""The kernel's number for what a read or a write is: its operation and flags, as words of tables name them (bi_opf).

Linux: enum req_op and enum req_flag_bits (include/linux/blk_types.h). A write is always marked as one that somebody waits for, as
those of direct I/O are; other flags that bios have no counterpart of here are never set.
"""

from typing import Final

from hawser.block.bio import Bio
from hawser.block.ops import (
    FAILFAST_DEV,
    FAILFAST_DRIVER,
    FAILFAST_TRANSPORT,
    FUA,
    NOMERGE,
    NOWAIT,
    PREFLUSH,
    RAHEAD,
    WRITE,
)

# REQ_OP_BITS is 8: the first flag is 1 << 8.
_FLAGS: Final = (
    (FAILFAST_DEV, 1 << 8),
    (FAILFAST_TRANSPORT, 1 << 9),
    (FAILFAST_DRIVER, 1 << 10),
    (NOMERGE, 1 << 14),
    (FUA, 1 << 17),
    (PREFLUSH, 1 << 18),
    (RAHEAD, 1 << 19),
    (NOWAIT, 1 << 21),
)
# REQ_SYNC and REQ_IDLE.
_DIRECT_WRITE: Final = 1 << 11 | 1 << 15


def kernel_flags(bio: Bio) -> int:
    found = bio.op | _DIRECT_WRITE if bio.op == WRITE else bio.op
    for ours, theirs in _FLAGS:
        if bio.flags & ours:
            found |= theirs
    return found
