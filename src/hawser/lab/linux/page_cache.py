"""The page cache of block devices: buffered writes, which go out at a flush or at the last close.

Linux: block_write_full_folio() and __block_write_begin() in fs/buffer.c, write_cache_pages(). What is dirty goes out in order
of its place, one bio per block, all in one plug. Reading, and reading ahead, is in hawser.lab.linux.read_ahead.
"""

from collections import deque
from collections.abc import Generator
from typing import Final, TypeVar

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.limits import QueueLimits
from hawser.block.ops import READ, WRITE, Buffer
from hawser.core.status import IOERR, OK
from hawser.core.units import KIB, SECTOR_SHIFT
from hawser.dm.condition import Condition, Waiting
from hawser.lab.linux.kit import Kit
from hawser.lab.linux.submission import submit_alone, submit_batch
from hawser.lab.linux.waits import AllDone, Bios

PAGE: Final = 4 * KIB
# Linux: VM_READAHEAD_PAGES.
READ_AHEAD_PAGES: Final = 32

StatusLater = Generator[Condition, None, int]
T = TypeVar("T")


class Page:
    """`valid`: all of it holds data; else `blocks` names the blocks that do. `filling` is the read that will make it valid."""

    def __init__(self) -> None:
        self.data = bytearray(PAGE)
        self.valid = False
        self.blocks: set[int] = set()
        self.dirty: set[int] = set()
        # Set on the page at which the next window is to be read.
        self.mark = False
        self.filling: Bios | None = None


class WriteErrors:
    """What went wrong when pages of a device were written, until whoever asks has heard of it. It outlives the pages.
    Linux: errseq_t wb_err, and AS_EIO (`flagged`), of an address_space."""

    def __init__(self) -> None:
        self.count = 0
        self.seen = True
        self.flagged = False

    def note(self) -> None:
        self.flagged = True
        if self.seen:
            self.count += 1
            self.seen = False

    def sample(self) -> int:
        """At an open. Linux: errseq_sample()."""
        return self.count if self.seen else 0

    def check(self, since: int) -> bool:
        """Whether something went wrong since. Linux: file_check_and_advance_wb_err()."""
        self.flagged = False
        if self.count == since:
            return False
        self.seen = True
        return True

    def take_flag(self) -> bool:
        """Linux: filemap_check_errors()."""
        was, self.flagged = self.flagged, False
        return was


class _Place:
    """Somebody in the line for an `InodeLock`."""

    def __init__(self, exclusive: bool) -> None:
        self.exclusive = exclusive


class _Granted(Condition):
    def __init__(self, lock: "InodeLock", place: _Place) -> None:
        super().__init__()
        self.lock = lock
        self.place = place

    def ready(self) -> bool:
        return self.lock.may_enter(self.place)


class InodeLock:
    """i_rwsem of a block device's inode: discards, zeroes and lseek(2) alone, buffered reads and writes together; who came first
    goes first. Linux: blk_ioctl_discard(), blk_ioctl_zeroout(), blkdev_llseek(), blkdev_read_iter(), blkdev_write_iter()."""

    def __init__(self) -> None:
        self._line: deque[_Place] = deque()
        self._shared = 0
        self._exclusive = False

    def may_enter(self, place: _Place) -> bool:
        return self._line[0] is place and not self._exclusive and not (place.exclusive and self._shared)

    def take(self, exclusive: bool) -> Waiting:
        place = _Place(exclusive)
        self._line.append(place)
        try:
            while not self.may_enter(place):
                yield _Granted(self, place)
        finally:
            self._line.remove(place)
        if exclusive:
            self._exclusive = True
        else:
            self._shared += 1

    def during(self, exclusive: bool, work: Generator[Condition, None, T]) -> Generator[Condition, None, T]:
        """Do that with the lock."""
        yield from self.take(exclusive)
        try:
            return (yield from work)
        finally:
            self.give(exclusive)

    def give(self, exclusive: bool) -> None:
        if exclusive:
            self._exclusive = False
        else:
            self._shared -= 1


class PageCache:
    """Of one device. `block` is the size in which it is written: as large a power of two as its size allows, up to a page."""

    def __init__(self, kit: Kit, device: BlockDevice, errors: WriteErrors) -> None:
        self.kit = kit
        self.device = device
        self.block = block_size(device)
        self.pages: dict[int, Page] = {}
        self.lock = InodeLock()
        self.errors = errors
        # Writes under way, and the pages that are in them.
        self._writing: list[tuple[Bios, list[int]]] = []

    def write(self, position: int, data: Buffer) -> StatusLater:
        """Take `data`; blocks that it covers only in part are read first."""
        view = memoryview(data)
        offset = 0
        while offset < len(view):
            index, start = divmod(position + offset, PAGE)
            length = min(PAGE - start, len(view) - offset)
            page = self.pages.setdefault(index, Page())
            status = yield from self._complete_blocks(page, index, start, start + length)
            if status != OK:
                return status
            page.data[start : start + length] = view[offset : offset + length]
            for block in range(start // self.block, -(-(start + length) // self.block)):
                page.blocks.add(block)
                page.dirty.add(block)
            page.valid = page.valid or len(page.blocks) == PAGE // self.block
            offset += length
        return OK

    def _complete_blocks(self, page: Page, index: int, start: int, end: int) -> StatusLater:
        """Read the blocks at both ends that are not wholly written and not there."""
        size = self.block
        for block in sorted({start // size, (end - 1) // size}):
            whole = start <= block * size and (block + 1) * size <= end
            if not whole and not page.valid and block not in page.blocks:
                status = yield from self.read_block(page, index, block)
                if status != OK:
                    return status
        return OK

    def read_block(self, page: Page, index: int, block: int) -> StatusLater:
        bios = Bios(self.kit.cpu)
        bio = bios.bio(READ, (index * PAGE + block * self.block) >> SECTOR_SHIFT, self.block)
        submit_alone(self.device, bio)
        yield AllDone(bios)
        if bios.status == OK and bio.data is not None:
            page.data[block * self.block : (block + 1) * self.block] = bio.data
            page.blocks.add(block)
        return bios.status

    def is_dirty(self) -> bool:
        return bool(self._writing) or any(page.dirty for page in self.pages.values())

    def sync(self, first: int = 0, end: int | None = None) -> StatusLater:
        """Write what is dirty, between two places if they are given, and wait for it."""
        bios = Bios(self.kit.cpu)
        batch: list[Bio] = []
        for index in self._between(first, end):
            page = self.pages[index]
            for block in sorted(page.dirty):
                place = index * PAGE + block * self.block
                data = bytes(page.data[block * self.block : (block + 1) * self.block])
                batch.append(bios.bio(WRITE, place >> SECTOR_SHIFT, self.block, data))
            page.dirty.clear()
        if batch:
            self._writing.append((bios, sorted({(bio.sector << SECTOR_SHIFT) // PAGE for bio in batch})))
            submit_batch(self.kit, self.device, batch)
        # Linux: filemap_fdatawait_range(), which waits for what others write, too.
        status = OK
        for under_way in list(self._writing):
            writes, pages = under_way
            if not any((index + 1) * PAGE > first and (end is None or index * PAGE < end) for index in pages):
                continue
            yield AllDone(writes)
            if writes.status != OK:
                # Whatever was wrong, a writer hears of an I/O error.
                status = IOERR
            if under_way in self._writing:
                self._writing.remove(under_way)
                if writes.status != OK:
                    self.errors.note()
        return status

    def forget(self, first: int = 0, end: int | None = None) -> None:
        """Drop pages, dirty or not: all, or those that something has gone over that does not know of them."""
        for index in self._between(first, end):
            del self.pages[index]

    def _between(self, first: int, end: int | None) -> list[int]:
        found = [index for index in self.pages if (index + 1) * PAGE > first and (end is None or index * PAGE < end)]
        return sorted(found)


class PageCaches:
    """Those of a machine, by device. They live as long as somebody has the device open."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self._caches: dict[str, PageCache] = {}
        self._errors: dict[str, tuple[BlockDevice, WriteErrors]] = {}

    def errors(self, device: BlockDevice) -> WriteErrors:
        found = self._errors.get(device.devt)
        if found is None or found[0] is not device:
            found = (device, WriteErrors())
            self._errors[device.devt] = found
        return found[1]

    def of(self, device: BlockDevice) -> PageCache:
        cache = self._caches.get(device.devt)
        if cache is None or cache.device is not device:
            cache = PageCache(self.kit, device, self.errors(device))
            self._caches[device.devt] = cache
        return cache

    def known(self, device: BlockDevice) -> PageCache | None:
        """The cache, if there is one."""
        cache = self._caches.get(device.devt)
        return cache if cache is not None and cache.device is device else None

    def freeze(self, device: BlockDevice) -> Generator[Condition, None, bool]:
        """Write out what is dirty of a device; whether that went well. Linux: bdev_freeze()."""
        cache = self.known(device)
        if cache is not None and cache.is_dirty():
            yield from cache.sync()
        return not self.errors(device).take_flag()

    def drop(self, device: BlockDevice) -> None:
        self._caches.pop(device.devt, None)


def block_size(device: BlockDevice) -> int:
    """Linux: set_init_blocksize()."""
    size = device.limits.logical_block_size
    size_bytes = device.size_sectors << SECTOR_SHIFT
    while size < PAGE and size_bytes & size == 0:
        size <<= 1
    return size


def default_read_ahead_pages(limits: QueueLimits) -> int:
    """Linux: blk_apply_bdi_limits()."""
    return max(limits.io_opt * 2 // PAGE, READ_AHEAD_PAGES)
