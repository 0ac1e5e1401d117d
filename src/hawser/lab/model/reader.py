"""Reader: somebody who keeps so many I/Os of one kind open, and the processor that it, and others, take turns on.

What the engine does takes no virtual time. Where the time of a processor matters it is a stated parameter: each I/O occupies a
Host for so long before it is with the device, one after the other, whoever asks for it.
"""

from typing import Final

from hawser.block.bio import Bio, BioOwner
from hawser.block.device import BlockDevice
from hawser.block.ops import READ
from hawser.block.plug import Plug
from hawser.core.clock import Timer, Timers
from hawser.core.rng import Rng
from hawser.core.status import OK
from hawser.core.units import SECTOR_SHIFT

# No more bios of one reader than this are open.
OUTSTANDING_MAX: Final = 1 << 20


class Host:
    """A processor. `bio_ns`: how long an I/O occupies it. `busy_ns` counts."""

    def __init__(self, timers: Timers, bio_ns: int) -> None:
        self.timers = timers
        self.bio_ns = bio_ns
        self.busy_ns = 0
        self._free_at_ns = 0

    def take(self, bios: int) -> int:
        """How long until it has done what so many more I/Os ask of it."""
        now_ns = self.timers.clock.now_ns
        self._free_at_ns = max(self._free_at_ns, now_ns) + bios * self.bio_ns
        self.busy_ns += bios * self.bio_ns
        return self._free_at_ns - now_ns


class _Batch(Timer):
    def __init__(self, reader: "Reader", count: int) -> None:
        super().__init__()
        self.reader = reader
        self.count = count

    def expire(self) -> None:
        self.reader.submit(self.count)


class Reader(BioOwner):
    """`count` I/Os of `size` bytes, `outstanding` of them open; whenever `batch` were answered as many more are issued: as one
    plug if `plug`, else each by itself. They go through `span_sectors` from `first_sector` on, over and over; with `rng` at
    random.

    `done` and `failed` count. `op`: READ, or WRITE with zeroes for data."""

    def __init__(
        self,
        device: BlockDevice,
        timers: Timers,
        count: int,
        size: int,
        outstanding: int,
        batch: int,
        plug: bool,
        first_sector: int,
        span_sectors: int,
        op: int = READ,
        rng: Rng | None = None,
        host: Host | None = None,
    ) -> None:
        super().__init__()
        if count % batch or outstanding % batch or not 0 < outstanding <= OUTSTANDING_MAX:
            raise ValueError(
                f"reader: {count} I/Os, {outstanding} open: both have to be multiples of its batch of {batch}, and no more "
                f"than {OUTSTANDING_MAX} open"
            )
        self.device = device
        self.timers = timers
        self.left = count
        self.size = size
        self.outstanding = outstanding
        self.batch = batch
        self.plug = plug
        self.first_sector = first_sector
        self.step_sectors = size >> SECTOR_SHIFT
        self.places = span_sectors // self.step_sectors
        self.op = op
        self.rng = rng
        self.host = host
        self.done = 0
        self.failed = 0
        self._place = 0
        self._answered = 0
        self._data = bytes(size) if op != READ else None

    def begin(self) -> None:
        for _ in range(self.outstanding // self.batch):
            self._issue()

    def _issue(self) -> None:
        count = min(self.batch, self.left)
        if count == 0:
            return
        self.left -= count
        host = self.host
        if host is None:
            self.submit(count)
        else:
            self.timers.arm(_Batch(self, count), host.take(count))

    def submit(self, count: int) -> None:
        plug = Plug(self.plug)
        for _ in range(count):
            self.device.submit(Bio(self.op, self._sector(), self.size, self, self._data), plug)
        plug.finish()

    def _sector(self) -> int:
        place = self._place
        if self.rng is not None:
            place = self.rng.below(self.places)
        else:
            self._place = (place + 1) % self.places
        return self.first_sector + place * self.step_sectors

    def bio_done(self, bio: Bio) -> None:
        self.done += 1
        if bio.status != OK:
            self.failed += 1
        self._answered += 1
        if self._answered == self.batch:
            self._answered = 0
            self._issue()
