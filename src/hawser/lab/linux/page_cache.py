"""The page cache of block devices: buffered writes, which go out at a flush or at the last close.

Linux: block_write_full_folio() and __block_write_begin() in fs/buffer.c, write_cache_pages(). What is dirty goes out in order
of its place, one bio per block, all in one plug. Reading, and reading ahead, is in hawser.lab.linux.read_ahead.
"""

from collections.abc import Generator
from typing import Final

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


class PageCache:
    """Of one device. `block` is the size in which it is written: as large a power of two as its size allows, up to a page."""

    def __init__(self, kit: Kit, device: BlockDevice) -> None:
        self.kit = kit
        self.device = device
        self.block = block_size(device)
        self.pages: dict[int, Page] = {}

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
        return any(page.dirty for page in self.pages.values())

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
            submit_batch(self.kit, self.device, batch)
            yield AllDone(bios)
        # Whatever was wrong, a writer hears of an I/O error.
        return OK if bios.status == OK else IOERR

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

    def of(self, device: BlockDevice) -> PageCache:
        cache = self._caches.get(device.devt)
        if cache is None or cache.device is not device:
            cache = PageCache(self.kit, device)
            self._caches[device.devt] = cache
        return cache

    def known(self, device: BlockDevice) -> PageCache | None:
        """The cache, if there is one."""
        cache = self._caches.get(device.devt)
        return cache if cache is not None and cache.device is device else None

    def freeze(self, device: BlockDevice) -> Waiting:
        """Write out what is dirty of a device; errors of that are nobody's. Linux: bdev_freeze()."""
        cache = self.known(device)
        if cache is not None and cache.is_dirty():
            yield from cache.sync()

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
