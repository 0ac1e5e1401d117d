"""Status of an I/O: the block layer's codes, and the one question that multipath asks of them.

Names and numbers are Linux's `blk_status_t` (include/linux/blk_types.h). They are plain integers, not an Enum, because every
completion carries one. `is_path_error` is the kernel's `blk_path_error()`: it alone decides whether an I/O is worth a retry
on another path.
"""

from typing import Final

OK: Final = 0
NOTSUPP: Final = 1
TIMEOUT: Final = 2
NOSPC: Final = 3
TRANSPORT: Final = 4
TARGET: Final = 5
RESV_CONFLICT: Final = 6
MEDIUM: Final = 7
PROTECTION: Final = 8
RESOURCE: Final = 9
IOERR: Final = 10
DM_REQUEUE: Final = 11
AGAIN: Final = 12
DEV_RESOURCE: Final = 13
OFFLINE: Final = 16
DURATION_LIMIT: Final = 17
INVAL: Final = 19

_NAMES: Final = {
    OK: "ok",
    NOTSUPP: "operation not supported",
    TIMEOUT: "timeout",
    NOSPC: "critical space allocation",
    TRANSPORT: "recoverable transport",
    TARGET: "critical target",
    RESV_CONFLICT: "reservation conflict",
    MEDIUM: "critical medium",
    PROTECTION: "protection",
    RESOURCE: "kernel resource",
    IOERR: "I/O",
    DM_REQUEUE: "dm internal retry",
    AGAIN: "nonblocking retry",
    DEV_RESOURCE: "device resource",
    OFFLINE: "device offline",
    DURATION_LIMIT: "command duration limit exceeded",
    INVAL: "invalid",
}

# errno numbers of Linux, as seeds.md 3.1 lists them; the engine may not import errno's module of the host.
_ERRNO: Final = {
    OK: 0,
    NOTSUPP: 95,
    TIMEOUT: 110,
    NOSPC: 28,
    TRANSPORT: 67,
    TARGET: 121,
    RESV_CONFLICT: 52,
    MEDIUM: 61,
    PROTECTION: 84,
    RESOURCE: 12,
    AGAIN: 11,
    DEV_RESOURCE: 16,
    OFFLINE: 19,
    DURATION_LIMIT: 62,
    INVAL: 22,
}
_EIO: Final = 5


def is_path_error(status: int) -> bool:
    """Whether another path may do better: every error except those that are the medium's or the request's own.

    Linux: blk_path_error(). `status` is one of this module's codes, not OK.
    """
    return not (
        status == NOTSUPP
        or status == NOSPC
        or status == TARGET
        or status == RESV_CONFLICT
        or status == MEDIUM
        or status == PROTECTION
    )


def may_tell_of_loss(status: int) -> bool:
    """Whether this answer to a write with FUA may be the word, said once, of another write that is lost: servers do it by a write
    and an fdatasync() (nbdkit, nbd-server; Linux: generic_write_sync()), whose error is that of the whole file (errseq_t)."""
    return status == IOERR or status == NOSPC


def status_name(status: int) -> str:
    """The block layer's words for a status, as its `... error, dev ...` log line has them."""
    return _NAMES.get(status, f"status {status}")


def errno_of(status: int) -> int:
    """The errno a submitter sees (Linux: blk_status_to_errno). DM_REQUEUE must never escape, hence becomes EIO too."""
    return _ERRNO.get(status, _EIO)
