"""Streams: what dd reads from and writes to, a block device or one of the files that are always there."""

from collections.abc import Generator
from typing import Final

from mypy_extensions import mypyc_attr

from hawser.block.ops import FUA, READ, WRITE
from hawser.core.status import OK
from hawser.core.units import SECTOR_SHIFT
from hawser.dm.condition import Condition, Waiting
from hawser.lab.linux.direct_io import DirectIo, IoDone, start
from hawser.lab.linux.files import OpenFile, OsError
from hawser.lab.linux.programs.small import flush
from hawser.lab.linux.read_ahead import Reader
from hawser.lab.linux.system import System

ZEROES: Final = ("/dev/zero", "/dev/full", "/dev/urandom", "/dev/random")

DataLater = Generator[Condition, None, bytes]
CountLater = Generator[Condition, None, int]


@mypyc_attr(allow_interpreted_subclasses=True)
class Stream:
    """One that is empty and takes whatever comes: /dev/null, standard output, a file."""

    def __init__(self) -> None:
        self.is_direct = False
        # In bytes, of what can be sought in.
        self.position = 0

    def seek(self, offset: int) -> bool:
        """Go to a place; whether there is one."""
        return True

    def settle_seek(self) -> Waiting:
        """Wait for what lseek(2) waits for."""
        yield from ()

    def read(self, size: int) -> DataLater:
        """Up to `size` bytes; nothing at the end. OsError."""
        yield from ()
        return b""

    def write(self, data: bytes) -> CountLater:
        """How many bytes went. OsError."""
        yield from ()
        return len(data)

    def sync(self) -> Waiting:
        """OsError."""
        yield from ()

    def close(self) -> Waiting:
        yield from ()

    def close_now(self) -> None:
        """Without waiting for anything."""


class _Zeroes(Stream):
    def read(self, size: int) -> DataLater:
        yield from ()
        return bytes(size)


class _Full(Stream):
    def write(self, data: bytes) -> CountLater:
        yield from ()
        raise OsError("ENOSPC")


class DeviceStream(Stream):
    """`is_synchronous`: each write is on the disk when it has returned (O_SYNC, O_DSYNC)."""

    def __init__(self, system: System, file: OpenFile, flags: list[str]) -> None:
        super().__init__()
        self.system = system
        self.file = file
        self.is_direct = "direct" in flags
        self.is_synchronous = "sync" in flags or "dsync" in flags
        pages = system.sysfs.settings_of(file.device).read_ahead_pages
        self._reader = Reader(system.caches.of(file.device), pages)

    def _end(self) -> int:
        return self.file.device.size_sectors << SECTOR_SHIFT

    def seek(self, offset: int) -> bool:
        if offset > self._end():
            return False
        self.position = offset
        return True

    def read(self, size: int) -> DataLater:
        if self.is_direct:
            io = yield from self._transfer(READ, size, None, 0)
            self.position += io.moved
            return io.read_data()
        size = min(size, self._end() - self.position)
        if size <= 0:
            return b""
        data = yield from self._reader.cache.lock.during(False, self._reader.read(self.position, size))
        if data is None:
            raise OsError("EIO")
        self.position += len(data)
        return data

    def _transfer(self, op: int, size: int, data: bytes | None, flags: int) -> Generator[Condition, None, DirectIo]:
        io = DirectIo(op, self.position, size, data, 0, flags)
        yield from start(self.system.files, self.system.kit, self.file, io, None)
        yield IoDone(io)
        if io.error:
            raise OsError(io.error)
        return io

    def write(self, data: bytes) -> CountLater:
        device = self.file.device
        if self.is_direct:
            io = yield from self._transfer(WRITE, len(data), data, FUA if self.is_synchronous else 0)
            count = io.moved
        else:
            if self.system.files.is_read_only(device):
                raise OsError("EPERM")
            count = min(len(data), self._end() - self.position)
            if count <= 0:
                raise OsError("ENOSPC")
            cache = self.system.caches.of(device)
            status = yield from cache.lock.during(False, cache.write(self.position, data[:count]))
            if status != OK:
                raise OsError("EIO")
        self.position += count
        if self.is_synchronous:
            yield from flush(self.system, self.file, self.position - count, self.position)
        return count

    def settle_seek(self) -> Waiting:
        """Linux: blkdev_llseek()."""
        lock = self._reader.cache.lock
        yield from lock.take(True)
        lock.give(True)

    def sync(self) -> Waiting:
        yield from flush(self.system, self.file)

    def close(self) -> Waiting:
        yield from self.system.files.close(self.file)

    def close_now(self) -> None:
        self.system.files.close_now(self.file)


def open_input(system: System, path: str, flags: list[str]) -> Stream:
    """An empty path is standard input, which is empty. OsError."""
    if path in ZEROES:
        return _Zeroes()
    if not path or system.nodes.is_other_file(path):
        return Stream()
    return DeviceStream(system, system.files.open(path, False), flags)


def open_output(system: System, path: str, flags: list[str], creates: bool) -> Stream:
    """What is not there is created. OsError."""
    if path == "/dev/full":
        return _Full()
    nodes = system.nodes
    if not path or (nodes.is_other_file(path) and not nodes.is_directory(path)):
        return Stream()
    if not nodes.exists(path) and creates and nodes.is_directory(path.rpartition("/")[0] or "/"):
        nodes.make_plain(path)
        return Stream()
    return DeviceStream(system, system.files.open(path, True), flags)
