"""System calls on files and block devices: opening and measuring them, whole reads and writes, zeroing.

Everything here may block, and runs at start or in a thread.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import stat
import struct
from dataclasses import dataclass
from typing import Final

from hawser.block.ops import Buffer
from hawser.core.status import INVAL, IOERR, NOSPC, NOTSUPP, OFFLINE, TIMEOUT, TRANSPORT
from hawser.core.units import MIB
from hawser.paths.facts import SERIAL, PathFacts

IOV_MAX: Final = 1024
MAX_BYTES: Final = 32 * MIB
ZERO_CHUNK: Final = MIB
# Linux: a file of sysfs is a page at most.
SYSFS_MAX: Final = 4096

# Linux: include/uapi/linux/fs.h and falloc.h, for 64-bit machines.
BLKGETSIZE64: Final = 0x80081272
BLKSSZGET: Final = 0x1268
BLKDISCARD: Final = 0x1277
BLKZEROOUT: Final = 0x127F
FALLOC_FL_KEEP_SIZE: Final = 0x01
FALLOC_FL_PUNCH_HOLE: Final = 0x02
FALLOC_FL_ZERO_RANGE: Final = 0x10

# File systems that ask a server, which may be gone: /proc/self/mountinfo has these names, before a dot if there is one.
REMOTE: Final = ("9p", "afs", "ceph", "cifs", "fuse", "fuseblk", "nfs", "nfs4", "smb3", "virtiofs")

_STATUS: Final = {
    errno.ENOSPC: NOSPC,
    errno.EDQUOT: NOSPC,
    errno.EOPNOTSUPP: NOTSUPP,
    errno.EINVAL: INVAL,
    errno.ENODEV: OFFLINE,
    errno.ENXIO: OFFLINE,
    errno.ESTALE: OFFLINE,
    errno.ETIMEDOUT: TIMEOUT,
    errno.ENOLINK: TRANSPORT,
}

_libc: Final = ctypes.CDLL(None, use_errno=True)


class PathOpenError(Exception):
    """A path cannot be opened; the message says which and why."""


@dataclass(frozen=True)
class OpenFile:
    """`devt` is the block device's own number, or empty for a regular file. `may_hang`: a system call on it may never return."""

    name: str
    fd: int
    facts: PathFacts
    devt: str
    may_hang: bool


def status_of_errno(number: int) -> int:
    """The block layer's status for an errno of a system call (Linux: errno_to_blk_status)."""
    return _STATUS.get(number, IOERR)


def open_file(name: str, direct: bool, read_only: bool) -> OpenFile:
    """Open a regular file or block device and measure it. What may not be written is opened for reading.
    PathOpenError says why not."""
    _check_kind(name)
    flags = os.O_CLOEXEC | (os.O_DIRECT if direct else 0)
    try:
        try:
            fd = os.open(name, flags | (os.O_RDONLY if read_only else os.O_RDWR))
            writable = not read_only
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EROFS, errno.EPERM):
                raise
            fd = os.open(name, flags | os.O_RDONLY)
            writable = False
    except OSError as error:
        raise PathOpenError(f"{name}: {error.strerror}") from None
    try:
        return _measure(name, fd, writable)
    except (OSError, PathOpenError) as error:
        os.close(fd)
        raise PathOpenError(str(error) if isinstance(error, PathOpenError) else f"{name}: {error}") from None


def _check_kind(name: str) -> None:
    """Look before opening: to open a pipe may block, and to open a device of another kind may do things."""
    try:
        mode = os.stat(name).st_mode
    except OSError as error:
        raise PathOpenError(f"{name}: {error.strerror}") from None
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise PathOpenError(f"{name}: is neither a regular file nor a block device")


def _measure(name: str, fd: int, writable: bool) -> OpenFile:
    what = os.fstat(fd)
    size = size_of(fd)
    if stat.S_ISREG(what.st_mode):
        block, devt = 512, ""
        may_hang = _is_remote(what.st_dev)
    elif stat.S_ISBLK(what.st_mode):
        block = struct.unpack("=i", fcntl.ioctl(fd, BLKSSZGET, bytes(4)))[0]
        devt = f"{os.major(what.st_rdev)}:{os.minor(what.st_rdev)}"
        may_hang = True
    else:
        raise PathOpenError(f"{name}: is neither a regular file nor a block device")
    size = size // block * block
    if size == 0:
        raise PathOpenError(f"{name}: is smaller than one block of {block} bytes")
    wwid = wwid_of(devt) if devt else ""
    facts = PathFacts(size, block, block, not writable, True, True, True, True, MAX_BYTES, wwid)
    return OpenFile(name, fd, facts, devt, may_hang)


def size_of(fd: int) -> int:
    """How many bytes an open file or block device has now. OSError."""
    what = os.fstat(fd)
    if stat.S_ISBLK(what.st_mode):
        return int(struct.unpack("=Q", fcntl.ioctl(fd, BLKGETSIZE64, bytes(8)))[0])
    return what.st_size


def wwid_of(devt: str, sysfs: str = "/sys") -> str:
    """What names the disk of a block device `major:minor` in the whole world, as sysfs has it; empty where that says nothing.

    multipath-tools: get_uid(), by way of udev's ID_SERIAL. A partition has its disk's, and its number. Linux:
    Documentation/ABI (stable/sysfs-block, testing/sysfs-block-device): wwid of scsi devices and NVMe namespaces, serial of
    virtio disks.
    """
    place = f"{sysfs}/dev/block/{devt}"
    number = _line(f"{place}/partition")
    disk = f"{place}/.." if number else place
    wwid = _line(f"{disk}/wwid") or _line(f"{disk}/device/wwid")
    if not wwid:
        serial = _line(f"{disk}/serial") or _line(f"{disk}/device/serial")
        wwid = SERIAL + serial if serial else ""
    return f"{wwid}-part{number}" if wwid and number else wwid


def _line(name: str) -> str:
    """What a file of sysfs says, without blanks at either end; empty if it cannot be read."""
    try:
        with open(name) as file:
            return " ".join(file.read(SYSFS_MAX).split())
    except (OSError, UnicodeDecodeError):
        return ""


def _is_remote(device: int) -> bool:
    """Whether what is mounted there asks a server. Where that cannot be told, it is taken for local."""
    try:
        with open("/proc/self/mountinfo") as file:
            return remote_kind(file.read(), f"{os.major(device)}:{os.minor(device)}") != ""
    except OSError:
        return False


def remote_kind(mountinfo: str, number: str) -> str:
    """The file system's type, if the one with this `major:minor` is one that asks a server. proc_pid_mountinfo(5): the number is
    the third field, the type the first one behind the dash."""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) > 2 and fields[2] == number and right:
            kind = right.split()[0]
            return kind if kind.partition(".")[0] in REMOTE else ""
    return ""


def read_fully(fd: int, size: int, offset: int, aligned: bool) -> tuple[Buffer, int]:
    """Read up to `size` bytes; what was read and how much. `aligned`: into a page-aligned buffer, as O_DIRECT wants it."""
    if not aligned:
        data = os.pread(fd, size, offset)
        if len(data) == size:
            return data, size
    buffer = mmap.mmap(-1, size) if aligned else bytearray(size)
    view = memoryview(buffer)
    done = 0
    while done < size:
        count = os.preadv(fd, [view[done:]], offset + done)
        if count == 0:
            break
        done += count
    return view[:done], done


def write_fully(fd: int, views: list[Buffer], offset: int, durable: bool, aligned: bool) -> int:
    """Write all of `views`; how many bytes were written. `durable`: they are on stable storage then (RWF_DSYNC).

    The kernel stops where a file system is full, and says so only if it is asked for the rest: then that is the OSError.
    """
    flags = os.RWF_DSYNC if durable else 0
    if aligned:
        whole = b"".join(views)
        page = mmap.mmap(-1, len(whole))
        page.write(whole)
        views = [memoryview(page)]
    done = 0
    for start in range(0, len(views), IOV_MAX):
        part = views[start : start + IOV_MAX]
        wanted = sum(len(view) for view in part)
        count = os.pwritev(fd, part, offset + done, flags)
        done += count
        if count != wanted:
            if count == 0 or aligned:
                break
            part_done = count
            while part_done < wanted:
                rest = memoryview(b"".join(part))[part_done:]
                count = os.pwritev(fd, [rest], offset + done, flags)
                if count == 0:
                    return done
                done += count
                part_done += count
    return done


def zero_range(file: OpenFile, offset: int, size: int, keep_allocated: bool) -> None:
    """Make a range read as zeroes, by the cheapest means that the file or device has, and by writing them where it has none."""
    try:
        if file.devt:
            fcntl.ioctl(file.fd, BLKZEROOUT, struct.pack("=QQ", offset, size))
        else:
            mode = FALLOC_FL_ZERO_RANGE if keep_allocated else FALLOC_FL_PUNCH_HOLE
            _fallocate(file.fd, mode | FALLOC_FL_KEEP_SIZE, offset, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY, errno.EINVAL):
            raise
        zeroes = mmap.mmap(-1, ZERO_CHUNK)
        done = 0
        while done < size:
            view = memoryview(zeroes)[: min(ZERO_CHUNK, size - done)]
            done += os.pwrite(file.fd, view, offset + done)


def _fallocate(fd: int, mode: int, offset: int, size: int) -> None:
    if _libc.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(size)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
