"""Advisory locks: one gateway for one disk, as far as that can be enforced, and the proof that an earlier process is over.

They are flock(2)'s: on a file description, which belongs to the whole process. When a process is killed while threads of it are
in a system call, its descriptions stay open until the last of these threads has returned. So who gets the lock knows more than
that nobody else is there now: no system call of an earlier holder is under way any more, and none of its writes to files and
block devices can still come. (Not so where a killed process does not wait for its I/O: O_DIRECT over NFS.)

Programs that care take flock on block devices, too (https://systemd.io/BLOCK_DEVICE_LOCKING: udev, for a moment, when a device
appears). Byte-range locks, which QEMU uses, are others, and do not collide with these.

A process has one lock for each file, however many of its paths lead there. It is held until the process ends: only then have its
threads returned.
"""

import errno
import fcntl
import os
from typing import Final

# How long a start waits for somebody who is just ending, or has the lock for a moment only.
LOCK_WAIT_S: Final = 5.0
LOCK_POLL_S: Final = 0.05

_UNSUPPORTED: Final = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class LockedError(Exception):
    """Somebody else has the lock; the message says who, as far as that can be told."""


class NoLocksError(Exception):
    """The file system has no such locks; the message says what it said."""


def lock(fd: int, is_shared: bool) -> None:
    """Lock the description, without waiting. LockedError or NoLocksError when that is not to be had; OSError for any other
    reason."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockedError(holder(fd)) from None
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            raise NoLocksError(error.strerror or str(error)) from None
        raise


def holder(fd: int) -> str:
    """Who has a file locked, as the kernel tells (proc_locks(5)): `process 123`, or `another process`."""
    try:
        what = os.fstat(fd)
        name = f"{os.major(what.st_dev):02x}:{os.minor(what.st_dev):02x}:{what.st_ino}"
        with open("/proc/locks") as file:
            for line in file:
                words = line.split()
                # A line with an arrow is of somebody who waits.
                if len(words) >= 6 and words[1] == "FLOCK" and words[5] == name and int(words[4]) > 0:
                    return f"process {words[4]}"
    except (OSError, ValueError):
        pass
    return "another process"


class _Held:
    def __init__(self, fd: int, is_shared: bool) -> None:
        self.fd = fd
        self.is_shared = is_shared


# What this process has locked, by device and inode number.
_held: Final[dict[tuple[int, int], _Held]] = {}


def lock_disk(fd: int, is_shared: bool) -> None:
    """Lock the file or block device that is open as `fd`, by a description of its own, for as long as this process runs. Shared:
    only to read from it. Raises as `lock` does."""
    what = os.fstat(fd)
    key = (what.st_dev, what.st_ino)
    held = _held.get(key)
    if held is not None:
        if held.is_shared and not is_shared:
            lock(held.fd, is_shared)
            held.is_shared = False
        return
    # With the same rights: over NFS an exclusive lock needs that to write.
    own = os.open(f"/proc/self/fd/{fd}", fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE | os.O_CLOEXEC)
    try:
        lock(own, is_shared)
    except (LockedError, NoLocksError, OSError):
        os.close(own)
        raise
    _held[key] = _Held(own, is_shared)
