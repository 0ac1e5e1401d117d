"""Between the NBD protocol's words and the block layer's: commands, errors, and reads that do not begin and end on a block."""

from typing import Final

from hawser.block.ops import DISCARD, FLUSH, READ, WRITE, WRITE_ZEROES
from hawser.core.status import INVAL, NOSPC, NOTSUPP, OK
from hawser.nbd import protocol

OPS: Final = {
    protocol.CMD_READ: READ,
    protocol.CMD_WRITE: WRITE,
    protocol.CMD_FLUSH: FLUSH,
    protocol.CMD_TRIM: DISCARD,
    protocol.CMD_WRITE_ZEROES: WRITE_ZEROES,
}


def error_of_status(status: int) -> int:
    """The NBD error for a status: the protocol has few, and an error of any path is EIO to the client."""
    if status == OK:
        return 0
    if status == NOSPC:
        return protocol.ENOSPC
    if status == INVAL:
        return protocol.EINVAL
    if status == NOTSUPP:
        return protocol.ENOTSUP
    return protocol.EIO
