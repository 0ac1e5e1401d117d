"""Buffered reads of a block device: what is read ahead, and when.

Linux: page_cache_sync_ra(), page_cache_async_ra() and page_cache_ra_unbounded() in mm/readahead.c; mpage_readahead() in
fs/mpage.c, which makes as few bios as it can; filemap_read(). A page that could not be read ahead is read again by itself,
block by block, and then an error is the reader's.
"""

from collections.abc import Generator
from typing import Final

from hawser.block.bio import Bio
from hawser.block.ops import RAHEAD, READ
from hawser.core.status import OK
from hawser.core.units import SECTOR_SHIFT
from hawser.dm.condition import Condition
from hawser.lab.linux.page_cache import PAGE, Page, PageCache
from hawser.lab.linux.submission import submit_batch
from hawser.lab.linux.waits import AllDone, Bios

# Linux: BIO_MAX_VECS.
VECTORS_MAX: Final = 256


class _Filling(Bios):
    """Reads pages; those that come are valid."""

    def __init__(self, pages: list[Page], cpu: int) -> None:
        super().__init__(cpu)
        self.pages = pages
        self.firsts: dict[int, int] = {}

    def bio_done(self, bio: Bio) -> None:
        super().bio_done(bio)
        first = self.firsts[id(bio)]
        if bio.status != OK or bio.data is None:
            return
        view = memoryview(bio.data)
        for number in range(-(-bio.size // PAGE)):
            page = self.pages[first + number]
            part = view[number * PAGE : (number + 1) * PAGE]
            page.data[: len(part)] = part
            page.valid = True


class Reader:
    """One open file's reads. `start`, `size`, `ahead` are its window: pages read, of which the last `ahead` were not asked for.
    Linux: struct file_ra_state."""

    def __init__(self, cache: PageCache, read_ahead_pages: int) -> None:
        self.cache = cache
        self.read_ahead_pages = read_ahead_pages
        self.start = 0
        self.size = 0
        self.ahead = 0
        self.previous = -1

    def read(self, position: int, size: int) -> Generator[Condition, None, bytes | None]:
        """`size` bytes that the device has; None when they cannot be read."""
        pages = self.cache.pages
        out = bytearray()
        index = position // PAGE
        end = -(-(position + size) // PAGE)
        while index < end:
            if index not in pages:
                self._read_ahead(index, end - index)
            page = pages.setdefault(index, Page())
            if page.mark:
                page.mark = False
                self._read_on(index, end - index)
            if not page.valid and page.filling is not None:
                yield AllDone(page.filling)
            if not page.valid:
                valid = yield from self._read_page(page, index)
                if not valid:
                    # Linux: shrink_readahead_size_eio().
                    self.read_ahead_pages //= 4
                    if not out:
                        return None
                    self.previous = index
                    start = position % PAGE
                    return bytes(out[start:])
            out += page.data
            index += 1
        self.previous = (position + size) // PAGE
        start = position % PAGE
        return bytes(out[start : start + size])

    def _read_page(self, page: Page, index: int) -> Generator[Condition, None, bool]:
        """One page by itself. Whether it came. Linux: block_read_full_folio()."""
        cache = self.cache
        size_bytes = cache.device.size_sectors << SECTOR_SHIFT
        good = True
        for block in range(PAGE // cache.block):
            if block not in page.blocks and index * PAGE + block * cache.block < size_bytes:
                status = yield from cache.read_block(page, index, block)
                good = good and status == OK
        page.valid = good
        return good

    def _most(self, wanted: int) -> int:
        """The largest window. Linux: ractl_max_pages()."""
        return max(self.read_ahead_pages, min(wanted, self.cache.device.limits.max_bytes() // PAGE))

    def _read_ahead(self, index: int, wanted: int) -> None:
        """A page is missing."""
        if not self.read_ahead_pages:
            self._fill(index, 1, -1)
            return
        most = self._most(wanted)
        if index == 0 or wanted > most or 0 <= index - self.previous <= 1:
            self.start = index
            self.size = first_window(wanted, most)
            self.ahead = self.size - wanted if self.size > wanted else self.size >> 1
            self._fill(index, self.size, index + self.size - self.ahead)
            return
        known = 0
        while known < most and index - 1 - known in self.cache.pages:
            known += 1
        if known <= wanted:
            # Small and at random: as it was asked for.
            self._fill(index, wanted, -1)
            return
        self.start = index
        self.size = min((known * 2 if known == index else known) + wanted, most)
        self.ahead = 1
        self._fill(index, self.size, index + self.size - 1)

    def _read_on(self, index: int, wanted: int) -> None:
        """The mark was met: read the next window while this one is used."""
        if not self.read_ahead_pages:
            return
        most = self._most(wanted)
        if index == self.start + self.size - self.ahead:
            self.start += self.size
            self.size = max(self.size, next_window(self.size, most))
        else:
            start = index + 1
            while start in self.cache.pages and start - index <= most:
                start += 1
            if start - index > most:
                return
            self.start = start
            self.size = next_window(start - index + wanted, most)
        self.ahead = self.size
        self._fill(self.start, self.size, self.start)

    def _fill(self, index: int, count: int, mark: int) -> None:
        """Read `count` pages, those that are there already left out, in runs as long as they go."""
        pages = self.cache.pages
        last = ((self.cache.device.size_sectors << SECTOR_SHIFT) - 1) // PAGE
        run: list[int] = []
        for number in range(index, min(index + count, last + 1)):
            if number in pages:
                self._fill_run(run)
                run = []
                continue
            page = Page()
            page.mark = number == mark
            pages[number] = page
            run.append(number)
        self._fill_run(run)

    def _fill_run(self, run: list[int]) -> None:
        if not run:
            return
        device = self.cache.device
        pages = [self.cache.pages[number] for number in run]
        filling = _Filling(pages, self.cache.kit.cpu)
        for page in pages:
            page.filling = filling
        size_bytes = device.size_sectors << SECTOR_SHIFT
        batch: list[Bio] = []
        for first in range(0, len(run), VECTORS_MAX):
            part = run[first : first + VECTORS_MAX]
            place = part[0] * PAGE
            bio = filling.bio(READ, place >> SECTOR_SHIFT, min(len(part) * PAGE, size_bytes - place), None, RAHEAD)
            bio.segments = len(part)
            filling.firsts[id(bio)] = first
            batch.append(bio)
        submit_batch(self.cache.kit, device, batch)


def first_window(wanted: int, most: int) -> int:
    """Linux: get_init_ra_size()."""
    size = 1 << (wanted - 1).bit_length() if wanted > 1 else 1
    if size <= most // 32:
        return size * 4
    return size * 2 if size <= most // 4 else most


def next_window(size: int, most: int) -> int:
    """Linux: get_next_ra_size()."""
    if size < most // 16:
        return 4 * size
    return 2 * size if size <= most // 2 else most
