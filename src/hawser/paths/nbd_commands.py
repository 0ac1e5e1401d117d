"""Commands of an NBD session: how a request is asked for, and what a server's errors mean to the block layer (proto.md, "Error
values")."""

from typing import Final

from hawser.block.ops import DISCARD, FLUSH, NOUNMAP, READ, WRITE, WRITE_ZEROES, Buffer
from hawser.block.orphan import Orphan
from hawser.block.request import Request
from hawser.core.status import IOERR, NOSPC, NOTSUPP, OFFLINE, RESOURCE, TRANSPORT
from hawser.core.units import SECTOR_SHIFT
from hawser.nbd import protocol
from hawser.nbd.protocol import request_header

COMMANDS: Final = {
    READ: protocol.CMD_READ,
    WRITE: protocol.CMD_WRITE,
    FLUSH: protocol.CMD_FLUSH,
    DISCARD: protocol.CMD_TRIM,
    WRITE_ZEROES: protocol.CMD_WRITE_ZEROES,
}

# An in-range I/O that the server calls out of range or not permitted: it is not the disk that it was (DESIGN, Hard problems 5).
_MISMATCH: Final = (protocol.EINVAL, protocol.EPERM, protocol.EOVERFLOW)


def status_of_error(error: int) -> int:
    """The block layer's status for an error that an NBD server answered to an in-range I/O."""
    if error in _MISMATCH:
        return OFFLINE
    if error == protocol.ENOSPC:
        return NOSPC
    if error == protocol.ENOTSUP:
        return NOTSUPP
    if error == protocol.ENOMEM:
        return RESOURCE
    if error == protocol.ESHUTDOWN:
        return TRANSPORT
    return IOERR


def command_views(request: Request, cookie: int) -> list[Buffer]:
    """A write, discard or write zeroes as it goes onto the wire, without FUA."""
    flags = protocol.CMD_FLAG_NO_HOLE if request.op == WRITE_ZEROES and request.flags & NOUNMAP else 0
    views: list[Buffer] = [
        request_header(COMMANDS[request.op], flags, cookie, request.sector << SECTOR_SHIFT, request.size)
    ]
    if request.op == WRITE:
        views.extend(request.payload())
    return views


class Late:
    """A command that timed out: how much data its answer would bring, and the orphan that the answer would prove.

    `is_flush`: an error would be the only word about a lost write (DESIGN, Hard problems 3); so may one if `is_durable`: of a
    write with FUA.
    """

    def __init__(self, payload: int, orphan: Orphan | None, is_flush: bool, is_durable: bool) -> None:
        self.payload = payload
        self.orphan = orphan
        self.is_flush = is_flush
        self.is_durable = is_durable
