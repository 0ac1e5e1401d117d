"""What an NBD server's errors mean to the block layer. The numbers are the protocol's (proto.md, "Error values")."""

from typing import Final

from hawser.core.status import IOERR, NOSPC, NOTSUPP, OFFLINE, RESOURCE, TRANSPORT
from hawser.nbd import protocol

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
