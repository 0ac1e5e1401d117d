"""BlockDevice: something with sectors that takes bios.

Linux: struct block_device with its gendisk. `QueueDevice` is one with a request queue, hence request-stackable: what stands on a
driver. Device-mapper's devices are in hawser.dm.
"""

from typing import Final

from hawser.block.bio import Bio
from hawser.block.disk import Disk
from hawser.block.limits import QueueLimits
from hawser.block.ops import FLUSH, NOWAIT
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.block.request import Request
from hawser.block.split import SplitBio, front_bytes, vector_of
from hawser.block.stats import DiskStats
from hawser.core.status import AGAIN, INVAL, IOERR, NOTSUPP, OK
from hawser.core.trace import QUEUED
from hawser.core.turn import Turn, Work
from hawser.core.units import SECTOR_SHIFT
from hawser.scsi.device import ScsiDevice

# (No larger: past this an integer is slow to compare.)
ANY_SIZE: Final = 1 << 61


class _Refusal(Work):
    """Ends, once the stack has unwound, a bio that was refused at the door."""

    def __init__(self, bio: Bio, status: int) -> None:
        self.bio = bio
        self.status = status

    def run(self) -> None:
        self.bio.complete(self.status)


class BlockDevice:
    """`devt` is `major:minor`, `name` what people call it, `size_sectors` in 512-byte sectors.

    `queue` is None for a bio-based device: nothing request-based can be stacked on it.
    """

    def __init__(self, name: str, devt: str, size_sectors: int, limits: QueueLimits, turn: Turn) -> None:
        self.name = name
        self.devt = devt
        self.size_sectors = size_sectors
        self.read_only = False
        # Where it begins on its disk (Linux: get_start_sect()).
        self.first_sector = 0
        self.turn = turn
        self.queue: RequestQueue | None = None
        self.stats = DiskStats()
        self.disk: Disk | None = None
        # What it is to those who speak SCSI, if it does.
        self.scsi: ScsiDevice | None = None
        # Whether this is where they are made to fit, or some place further down.
        self.cuts_reads_and_writes = True
        self.set_limits(limits)

    def set_limits(self, limits: QueueLimits) -> None:
        self.limits = limits
        self._block_mask = limits.logical_block_size - 1
        # Reads and writes of so many segments up to this size fit, wherever they begin; of others it has to be worked out.
        self._fits_bytes = self._fits_segments = ANY_SIZE
        if self.cuts_reads_and_writes:
            slack = (limits.physical_block_size >> SECTOR_SHIFT) - 1
            most = 0 if limits.chunk_sectors else max(0, limits.max_sectors - slack) << SECTOR_SHIFT
            self._fits_bytes = min(most, limits.max_segments * limits.max_segment_size)
            self._fits_segments = 1
        if self.queue is not None:
            self.queue.set_limits(limits)

    def submit(self, bio: Bio, plug: Plug) -> None:
        """Check a bio, cut it to the limits, and pass it on. Errors come as a completion, in this turn, like everything else.

        Out of range or not aligned to the logical block: IOERR and INVAL, as Linux' submit_bio_noacct() has it.
        """
        if self.turn.tracer is not None:
            self._trace_entry(bio)
        status = self.check(bio)
        if status != OK:
            self.turn.defer(_Refusal(bio, status))
        elif bio.size <= self._fits_bytes and bio.op < FLUSH and bio.segments <= self._fits_segments:
            self.start(bio, plug)
        elif bio.op == FLUSH:
            self._start_flush(bio, plug)
        else:
            self._start_large(bio, plug)

    def _trace_entry(self, bio: Bio) -> None:
        tracer = self.turn.tracer
        if bio.life is not None:
            bio.life.note(QUEUED, self.name)
        elif tracer is not None and bio.client() is bio.owner:
            bio.life = tracer.born(bio, self.name)

    def refuse(self, bio: Bio, status: int) -> None:
        """End a bio that cannot be taken, or need not be, in this turn."""
        self.turn.defer(_Refusal(bio, status))

    def submit_alone(self, bio: Bio) -> None:
        """`submit`, for who has nothing to send beside it."""
        plug = Plug()
        self.submit(bio, plug)
        plug.finish()

    def start(self, bio: Bio, plug: Plug) -> None:
        """Take a bio that fits."""
        raise NotImplementedError

    def counters(self, now_ns: int) -> list[int]:
        """The seventeen numbers of /sys/block/*/stat. In flight is what has a tag of the queue, or what the targets have."""
        stats = self.stats
        queue = self.queue
        in_flight = int(stats.reads_in_flight + stats.writes_in_flight) if queue is None else queue.in_flight
        return stats.fields(now_ns, in_flight)

    def idle(self) -> bool:
        """Whether nothing is in flight, waiting or parked here."""
        raise NotImplementedError

    def cancel_dead(self) -> None:
        """Fail every bio that was not dispatched and whose client is dead."""
        raise NotImplementedError

    def answers_are_final(self) -> bool:
        """Whether an error of this device comes from something that is alive (see hawser.block.driver)."""
        return False

    def bounce(self) -> None:
        """The path that leads here has failed: what waits for a tag goes back undispatched, whoever sent it may know another."""

    def give_up(self) -> None:
        """Nobody wants to wait for what drivers below have no answer to: it ends as if its time were over."""

    def outstanding(self) -> list[Request]:
        """The requests of drivers below that have no answer yet. Asked only when something went wrong."""
        return []

    def under_way(self) -> list[Request]:
        """`outstanding()` and what waits for a tag. Asked only when something went wrong."""
        return self.outstanding()

    def disk_name(self) -> str:
        """What Linux would call it in a log line (%pg): `sda1`, `dm-0`."""
        return self.name

    def congested(self) -> bool:
        """Whether submitters should hold back (I6)."""
        return False

    def check(self, bio: Bio) -> int:
        """Why the device cannot take `bio`, or OK."""
        if bio.sector + (bio.size >> SECTOR_SHIFT) > self.size_sectors:
            return IOERR
        if (bio.size | bio.sector << SECTOR_SHIFT) & self._block_mask:
            return INVAL
        if bio.size == 0 and bio.op != FLUSH:
            return INVAL
        if self.read_only and bio.op != 0 and bio.op != FLUSH:
            return IOERR
        return OK

    def _start_flush(self, bio: Bio, plug: Plug) -> None:
        """Where nothing is cached there is nothing to flush. Linux: submit_bio_noacct()."""
        if self.limits.caches() or self.size_sectors == 0:
            self.start(bio, plug)
        else:
            self.refuse(bio, OK)

    def _start_large(self, bio: Bio, plug: Plug) -> None:
        """Start a bio that may have to be cut. The pieces go down one after the other, first piece first."""
        limits = self.limits
        size = bio.size
        front = front_bytes(limits, bio.op, bio.sector, size, vector_of(bio))
        if front == size:
            self.start(bio, plug)
        elif front == 0:
            self.refuse(bio, NOTSUPP)
        elif bio.flags & NOWAIT:
            self.refuse(bio, AGAIN)
        else:
            split = SplitBio(bio)
            while front < size:
                self.start(split.cut(front), plug)
                size -= front
                front = front_bytes(limits, bio.op, split.sector(), size, split.vector)
            self.start(split.rest(), plug)


class QueueDevice(BlockDevice):
    """A device on a request queue of its own."""

    def __init__(
        self, name: str, devt: str, size_sectors: int, queue: RequestQueue, turn: Turn, read_only: bool = False
    ) -> None:
        super().__init__(name, devt, size_sectors, queue.limits, turn)
        self.read_only = read_only
        self.queue = queue
        self.stats = queue.stats
        self._own_queue = queue

    def start(self, bio: Bio, plug: Plug) -> None:
        if self._own_queue.dying:
            self.refuse(bio, IOERR)
        else:
            plug.add(self._own_queue, bio)

    def idle(self) -> bool:
        return self._own_queue.idle()

    def cancel_dead(self) -> None:
        self._own_queue.cancel_dead()

    def answers_are_final(self) -> bool:
        return self._own_queue.driver.answers_are_final

    def bounce(self) -> None:
        self._own_queue.bounce()

    def give_up(self) -> None:
        self._own_queue.driver.give_up()

    def outstanding(self) -> list[Request]:
        return self._own_queue.driver.outstanding()

    def under_way(self) -> list[Request]:
        return [*self.outstanding(), *self._own_queue.waiting_requests()]

    def congested(self) -> bool:
        return self._own_queue.congested()
