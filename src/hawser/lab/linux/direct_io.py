"""Direct I/O of a block device: a read or write of a program becomes one bio, or several where it has more pages than one takes.

Linux: blkdev_read_iter(), blkdev_write_iter() and the three __blkdev_direct_IO*() of block/fops.c. Where pages of the page
cache are in the way, dirty ones are written first, and a write drops them.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio, BioOwner
from hawser.block.device import BlockDevice
from hawser.block.ops import READ, Buffer
from hawser.block.plug import Plug
from hawser.core.status import OK
from hawser.core.units import SECTOR_SHIFT
from hawser.dm.condition import Condition, Waiting
from hawser.lab.linux.errnos import errno_name
from hawser.lab.linux.files import Files, OpenFile, OsError
from hawser.lab.linux.kit import Kit
from hawser.lab.linux.page_cache import PAGE, PageCache

# Linux: BIO_MAX_VECS.
VECTORS_MAX: Final = 256
# Not bound to a processor by itself.
ANY_CPU: Final = -1


@mypyc_attr(allow_interpreted_subclasses=True)
class DirectIo(BioOwner):
    """One read or write. `address` is where its buffer begins in the program's memory: bios count the pages of that.

    When it is done, `moved` is how many bytes it has moved, or `error` the errno's name.
    """

    def __init__(self, op: int, position: int, size: int, data: Buffer | None, address: int, flags: int = 0) -> None:
        super().__init__()
        self.op = op
        self.position = position
        self.size = size
        self.data = data
        self.address = address
        self.flags = flags
        self.ioprio = 0
        self.cpu = ANY_CPU
        self.left = 0
        self.is_done = False
        self.error = ""
        self.moved = 0
        self._status = OK
        self._bios: list[Bio] = []

    def fail(self, error: str) -> None:
        self.error = error
        self._end()

    def begin(self, device: BlockDevice, kit: Kit, plug: Plug | None) -> None:
        """Submit its bios, in the caller's plug if there is one."""
        if self.size == 0:
            self._end()
            return
        if self.cpu == ANY_CPU:
            self.cpu = kit.cpu
        bios = self._make_bios()
        own = plug if plug is not None else Plug(len(bios) > 1)
        for bio in bios:
            device.submit(bio, own)
            kit.settle()
        if plug is None:
            own.finish()
            kit.settle()

    def _make_bios(self) -> list[Bio]:
        offset = 0
        while offset < self.size:
            # Up to so many pages, the first of which may be covered in part.
            most = VECTORS_MAX * PAGE - (self.address + offset) % PAGE
            size = min(most, self.size - offset)
            data = memoryview(self.data)[offset : offset + size] if self.data is not None else None
            bio = Bio(self.op, (self.position + offset) >> SECTOR_SHIFT, size, self, data, self.flags)
            bio.segments = pages_of(self.address + offset, size)
            bio.ioprio = self.ioprio
            self._bios.append(bio)
            offset += size
        self.left = len(self._bios)
        return self._bios

    def bio_done(self, bio: Bio) -> None:
        if bio.status != OK and self._status == OK:
            self._status = bio.status
        self.left -= 1
        if self.left:
            return
        if self._status != OK:
            self.error = errno_name(self._status)
        else:
            self.moved = self.size
        self._end()

    def _end(self) -> None:
        self.is_done = True
        self.ended()

    def ended(self) -> None:
        """It is done; for those who want to hear of it at once."""

    def read_data(self) -> bytes:
        """What a read has brought."""
        return b"".join(bytes(bio.data) for bio in self._bios if bio.data is not None)


class IoDone(Condition):
    def __init__(self, io: DirectIo) -> None:
        super().__init__()
        self.io = io

    def ready(self) -> bool:
        return self.io.is_done


def pages_of(address: int, size: int) -> int:
    """How many pages a stretch of memory touches."""
    return (address + size - 1) // PAGE - address // PAGE + 1


def start(files: Files, kit: Kit, file: OpenFile, io: DirectIo, plug: Plug | None) -> Waiting:
    """Submit a read or write, as far as the device reaches; what is refused has ended at once. Waits for the page cache only."""
    device = file.device
    try:
        check(files, device, io)
    except OsError as error:
        io.fail(error.errno_name)
        return
    if io.size:
        yield from _settle_cache(files, device, io)
    io.begin(device, kit, plug)


def check(files: Files, device: BlockDevice, io: DirectIo) -> None:
    """Cut it to the device's size. OsError where it cannot be."""
    size_bytes = device.size_sectors << SECTOR_SHIFT
    if io.op != READ:
        if files.is_read_only(device):
            raise OsError("EPERM")
        if io.size and io.position >= size_bytes:
            raise OsError("ENOSPC")
    io.size = max(0, min(io.size, size_bytes - io.position))
    if io.size and (io.position | io.size) & (device.limits.logical_block_size - 1):
        raise OsError("EINVAL")


def _settle_cache(files: Files, device: BlockDevice, io: DirectIo) -> Waiting:
    cache: PageCache | None = files.caches.known(device)
    if cache is None:
        return
    if cache.is_dirty():
        yield from cache.sync(io.position, io.position + io.size)
    if io.op != READ:
        cache.forget(io.position, io.position + io.size)
