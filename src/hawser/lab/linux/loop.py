"""loop: a request-based disk over any other device. Its worker turns each request into one bio there.

Linux: drivers/block/loop.c with direct I/O (lo_rw_aio(), __blkdev_direct_IO_async()): the bio has as many vectors as the
request had, and is cut to the limits of the device below by that. A flush becomes one there; discards and zeroes, where they
are offered, become zeroes there. Without direct I/O requests go through the page cache of the device below.
"""

from collections import deque
from typing import Final

from hawser.block.bio import Bio, BioOwner
from hawser.block.device import BlockDevice
from hawser.block.ops import FLUSH, READ, WRITE, WRITE_ZEROES, Buffer
from hawser.block.request import Request
from hawser.core.clock import Timer
from hawser.core.status import IOERR, NOTSUPP, OK
from hawser.core.units import NS_PER_US, SECTOR_SHIFT
from hawser.lab.linux.kit import Kit
from hawser.lab.linux.page_cache import READ_AHEAD_PAGES, PageCaches
from hawser.lab.linux.read_ahead import Reader
from hawser.lab.linux.softirq import MachineDriver
from hawser.lab.linux.submission import submit_alone
from hawser.lab.linux.tasks import Run

# Until the worker has been woken.
WORKER_DELAY_NS: Final = 20 * NS_PER_US


class _Worker(Timer):
    def __init__(self, driver: "LoopDriver") -> None:
        super().__init__()
        self.driver = driver

    def expire(self) -> None:
        self.driver.work()


class _Below(BioOwner):
    """The bio below has ended, and so has the request."""

    def __init__(self, driver: "LoopDriver", request: Request) -> None:
        super().__init__()
        self.driver = driver
        self.request = request

    def bio_done(self, bio: Bio) -> None:
        if bio.op == READ and bio.status == OK:
            self.request.data = bio.data
        self.driver.answered(self.request, bio.status)


class LoopDriver(MachineDriver):
    """`offset` in sectors of the device below."""

    def __init__(self, kit: Kit, below: BlockDevice, offset: int, is_direct: bool, caches: PageCaches) -> None:
        super().__init__(kit.softirq)
        self.kit = kit
        self.below = below
        self.offset = offset
        self.is_direct = is_direct
        self.caches = caches
        self.read_ahead_pages = READ_AHEAD_PAGES
        self._waiting: deque[Request] = deque()
        self._outstanding: dict[int, Request] = {}
        self._worker = _Worker(self)

    def queue_rq(self, request: Request) -> int:
        self._waiting.append(request)
        self._outstanding[id(request)] = request
        if not self._worker.is_armed():
            self.kit.timers.arm(self._worker, WORKER_DELAY_NS)
        return OK

    def work(self) -> None:
        """Send what has come, in order."""
        while self._waiting:
            self._send(self._waiting.popleft())
            self.kit.settle()

    def _send(self, request: Request) -> None:
        below = self.below
        if request.op == FLUSH:
            self.kit.tasks.start(self._flush(request))
            return
        sector = request.sector + self.offset
        op = request.op
        if op != READ and op != WRITE:
            if not below.limits.max_write_zeroes_sectors:
                self.answered(request, NOTSUPP)
                return
            op = WRITE_ZEROES
        data: Buffer | None = b"".join(request.payload()) if op == WRITE else None
        if not self.is_direct and (op == READ or op == WRITE):
            self.kit.tasks.start(self._buffered(request, sector, data))
            return
        bio = Bio(op, sector, request.size, _Below(self, request), data)
        bio.segments = max(1, sum(part.segments for part in request.bios))
        submit_alone(below, bio)

    def _buffered(self, request: Request, sector: int, data: Buffer | None) -> Run:
        """Through the page cache of the device below, in a thread of its own."""
        cache = self.caches.of(self.below)
        position = sector << SECTOR_SHIFT
        if data is not None:
            status = yield from cache.write(position, data)
        else:
            request.data = yield from Reader(cache, self.read_ahead_pages).read(position, request.size)
            status = OK if request.data is not None else IOERR
        self.answered(request, status)
        return 0

    def _flush(self, request: Request) -> Run:
        """Linux: vfs_fsync() of the device below."""
        status = yield from self.caches.of(self.below).sync()
        if status == OK and self.below.limits.caches():
            submit_alone(self.below, Bio(FLUSH, 0, 0, _Below(self, request)))
        else:
            self.answered(request, status)
        return 0

    def answered(self, request: Request, status: int) -> None:
        """Every error but "not supported" is an I/O error above. Linux: lo_complete_rq()."""
        del self._outstanding[id(request)]
        if status != OK and status != NOTSUPP:
            status = IOERR
        request.finish(status, request.size if status == OK else 0)
        self.complete(request)

    def outstanding(self) -> list[Request]:
        return list(self._outstanding.values())
