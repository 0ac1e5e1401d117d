"""What can be asked of a block device: operations and flags.

Operation numbers are Linux's REQ_OP_* (include/linux/blk_types.h); flags are our own bits for the REQ_* of the same name.
"""

from typing import Final

READ: Final = 0
WRITE: Final = 1
FLUSH: Final = 2
DISCARD: Final = 3
WRITE_ZEROES: Final = 9

OP_NAMES: Final = {READ: "read", WRITE: "write", FLUSH: "flush", DISCARD: "discard", WRITE_ZEROES: "write zeroes"}

FUA: Final = 1
PREFLUSH: Final = 2
NOMERGE: Final = 4
NOUNMAP: Final = 8
# Unlike the others these three may differ between bios that merge (Linux: REQ_FAILFAST_MASK, REQ_RAHEAD).
FAILFAST_DEV: Final = 16
FAILFAST_TRANSPORT: Final = 32
FAILFAST_DRIVER: Final = 64
RAHEAD: Final = 128
NOWAIT: Final = 256
# Set on what has failed together with others in one request: the error may be theirs.
IN_COMPANY: Final = 512

FAILFAST_MASK: Final = FAILFAST_DEV | FAILFAST_TRANSPORT | FAILFAST_DRIVER

Buffer = bytes | bytearray | memoryview


def is_write_class(op: int) -> bool:
    """Whether the operation changes what is stored: those are what a fence is about."""
    return op == WRITE or op == DISCARD or op == WRITE_ZEROES


def is_fua_write(op: int, flags: int) -> bool:
    """Whether it has to be durable when it is acknowledged."""
    return bool(flags & FUA) and is_write_class(op)
