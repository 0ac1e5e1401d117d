"""Open files: a block device as a program has it open. Opening can be refused; the last one to close writes what is dirty.

Linux: blkdev_open(), bdev_open() and bdev_release() in block/bdev.c; sd_open(); dm_blk_open(). An error of a program's system
call is an OsError with the errno's name.
"""

from collections.abc import Generator

from hawser.block.device import BlockDevice
from hawser.dm.condition import Condition
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.linux.devices import LinuxDevices, is_offline
from hawser.lab.linux.disk import LinuxDisk
from hawser.lab.linux.nodes import Nodes
from hawser.lab.linux.page_cache import PageCache, PageCaches

Closing = Generator[Condition, None, None]


class OsError(Exception):
    """A system call that failed."""

    def __init__(self, errno_name: str) -> None:
        super().__init__(errno_name)
        self.errno_name = errno_name


class OpenFile:
    """`disk` is None for a mapped device."""

    def __init__(self, device: BlockDevice, disk: LinuxDisk | None, writes: bool, is_exclusive: bool) -> None:
        self.device = device
        self.disk = disk
        self.writes = writes
        self.is_exclusive = is_exclusive
        self.is_open = True
        # What of the device's write errors it has heard of.
        self.errors_since = 0


class Files:
    """Who has what open."""

    def __init__(self, devices: LinuxDevices, nodes: Nodes, caches: PageCaches) -> None:
        self.devices = devices
        self.nodes = nodes
        self.caches = caches
        # Disks and partitions that `blockdev --setro` was said of, by number.
        self._read_only: set[str] = set()

    def open(self, path: str, writes: bool, is_exclusive: bool = False) -> OpenFile:
        """OsError when there is nothing, or when it will not be opened."""
        number = self.nodes.number_of(path)
        if not number:
            if self.nodes.is_directory(path) and writes:
                raise OsError("EISDIR")
            raise OsError("EINVAL" if self.nodes.exists(path) else "ENOENT")
        device = self.devices.by_number(number)
        if device is None or (isinstance(device, MappedDevice) and not device.kind):
            raise OsError("ENXIO")
        disk = self.devices.disk_of(device)
        if is_exclusive and self._is_taken(device, disk):
            raise OsError("EBUSY")
        if is_offline(disk.whole.device if disk is not None else device):
            raise OsError("ENXIO")
        if writes and disk is not None and disk.whole.refuses_writers:
            raise OsError("EROFS")
        return self._opened(device, disk, writes, is_exclusive)

    def _is_taken(self, device: BlockDevice, disk: LinuxDisk | None) -> bool:
        if disk is not None:
            return self.devices.is_taken_from_programs(disk)
        return device.devt in self.devices.claims or len(self.devices.holders(device)) > 0

    def _opened(self, device: BlockDevice, disk: LinuxDisk | None, writes: bool, is_exclusive: bool) -> OpenFile:
        if isinstance(device, MappedDevice):
            device.open_count += 1
            if is_exclusive:
                self.devices.claims.add(device.devt)
        elif disk is not None:
            disk.openers += 1
            disk.claimed += int(is_exclusive)
        file = OpenFile(device, disk, writes, is_exclusive)
        file.errors_since = self.caches.errors(device).sample()
        return file

    def close(self, file: OpenFile) -> Closing:
        """What nobody else has open any more is written out and forgotten; errors of that are nobody's."""
        cache = self.caches.known(file.device)
        if cache is not None and self._openers(file) == 1:
            yield from self._write_out(cache)
            self.caches.drop(file.device)
        self.close_now(file)

    def close_now(self, file: OpenFile) -> None:
        """The same without writing anything, as when a program is killed. Again for one that is closed: nothing happens."""
        if not file.is_open:
            return
        file.is_open = False
        if isinstance(file.device, MappedDevice):
            file.device.open_count -= 1
            if file.is_exclusive:
                self.devices.claims.discard(file.device.devt)
        elif file.disk is not None:
            file.disk.openers -= 1
            file.disk.claimed -= int(file.is_exclusive)

    def _write_out(self, cache: PageCache) -> Closing:
        if cache.is_dirty():
            yield from cache.sync()
            cache.errors.take_flag()

    def _openers(self, file: OpenFile) -> int:
        device = file.device
        own = device.open_count if isinstance(device, MappedDevice) else 0
        if file.disk is not None:
            own = file.disk.openers
        return own + len(self.devices.holders(device))

    def is_read_only(self, device: BlockDevice) -> bool:
        """As BLKROGET has it."""
        if isinstance(device, MappedDevice):
            return device.shows_read_only()
        disk = self.devices.disk_of(device)
        if disk is None:
            return False
        said = device.devt in self._read_only or disk.whole.number in self._read_only
        return said or disk.read_only or disk.whole.read_only

    def set_read_only(self, device: BlockDevice, read_only: bool) -> None:
        """BLKROSET. What a device is by itself it stays."""
        if isinstance(device, MappedDevice):
            device.said_read_only = read_only
        elif read_only:
            self._read_only.add(device.devt)
        else:
            self._read_only.discard(device.devt)
