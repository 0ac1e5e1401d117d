"""Load: clients of a scenario. They make up their I/O as they go, from a seed, and keep how long each took.

Closed clients issue as much as was answered in a turn, as a batch; an open one issues at its own times, whatever was answered.
Nobody checks what they read.
"""

from typing import Final

from hawser.block.bio import Bio, BioOwner
from hawser.block.device import BlockDevice
from hawser.block.ops import READ, WRITE, Buffer, is_write_class
from hawser.block.plug import Plug
from hawser.core.clock import Clock, Timer, Timers
from hawser.core.rng import Rng
from hawser.core.status import OK
from hawser.core.turn import Work
from hawser.core.units import NS_PER_S, SECTOR_SHIFT
from hawser.lab.model.meter import LoadMeter
from hawser.multipath.disk import SharedDisk

# So many places, sizes and directions are drawn beforehand, as a draw costs as much as a third of an I/O; then they repeat.
PATTERN: Final = 4096


class LoadBio(Bio):
    """One that knows when it was issued."""

    def __init__(
        self, op: int, sector: int, size: int, owner: BioOwner, data: Buffer | None, flags: int, issued_ns: int
    ) -> None:
        super().__init__(op, sector, size, owner, data, flags)
        self.issued_ns = issued_ns


class Pattern:
    """What is asked for, in order, again and again. `stretch`: the first sector and the number of sectors to stay in."""

    def __init__(
        self, rng: Rng, sizes: list[int], write_percent: int, is_sequential: bool, stretch: tuple[int, int]
    ) -> None:
        self.ops: list[int] = []
        self.sizes: list[int] = []
        self.sectors: list[int] = []
        self.first, self.length = stretch
        self.is_sequential = is_sequential
        self.count = 0
        self._next = self.first
        self._alone = len(sizes) == 1
        for _ in range(PATTERN):
            size = sizes[0] if self._alone else sizes[rng.below(len(sizes))]
            sectors = size >> SECTOR_SHIFT
            self.sizes.append(size)
            self.ops.append(WRITE if rng.below(100) < write_percent else READ)
            self.sectors.append(self.first + rng.below(self.length // sectors) * sectors)

    def sector_of(self, place: int) -> int:
        """Where I/O number `place` of the pattern goes now."""
        if not self.is_sequential:
            return self.sectors[place]
        sectors = self.sizes[place] >> SECTOR_SHIFT
        if self._next + sectors > self.first + self.length:
            self._next = self.first
        sector = self._next
        self._next += sectors
        return sector


class _Refill(Work):
    def __init__(self, client: "Client") -> None:
        self.client = client

    def run(self) -> None:
        self.client.refill()


class _Arrival(Timer):
    def __init__(self, client: "Client") -> None:
        super().__init__()
        self.client = client

    def expire(self) -> None:
        self.client.arrive()


class Client(BioOwner):
    """One client. `depth` 0: it is open, and `arrive` is called by its timer. `limit`: how many I/Os it asks for (0: no end)."""

    def __init__(
        self,
        device: BlockDevice,
        disk: SharedDisk,
        timers: Timers,
        pattern: Pattern,
        meter: LoadMeter,
        depth: int,
        batch: int,
        plug: bool,
        limit: int,
    ) -> None:
        super().__init__()
        self.open_disk(disk)
        self.device = device
        self.timers = timers
        self.clock: Clock = timers.clock
        self.pattern = pattern
        self.meter = meter
        self.depth = depth
        self.batch = batch
        self.plug = plug
        self.limit = limit
        self.issued = 0
        self.answered = 0
        self.failed = 0
        self._will_refill = False
        self._refill = _Refill(self)
        self._payload = bytes(max(pattern.sizes))

    def begin(self) -> None:
        """Ask for the first I/Os, now."""
        self.refill()

    def refill(self) -> None:
        """Issue as many as were answered, in plugs of up to `batch`."""
        self._will_refill = False
        end = self.answered + self.depth
        if self.limit and end > self.limit:
            end = self.limit
        while self.issued < end:
            self.issue(min(self.batch, end - self.issued))

    def issue(self, count: int) -> None:
        """So many of the pattern at once."""
        pattern = self.pattern
        plug = Plug(self.plug)
        place = self.issued % PATTERN
        for _ in range(count):
            op = pattern.ops[place]
            size = pattern.sizes[place]
            data: Buffer | None = None
            if op == WRITE:
                data = self._payload if len(self._payload) == size else memoryview(self._payload)[:size]
            self.submit(op, pattern.sector_of(place), size, data, 0, plug)
            place += 1
            if place == PATTERN:
                place = 0
        plug.finish()

    def submit(self, op: int, sector: int, size: int, data: Buffer | None, flags: int, plug: Plug) -> None:
        self.issued += 1
        self.device.submit(LoadBio(op, sector, size, self, data, flags, self.clock.now_ns), plug)

    def bio_done(self, bio: Bio) -> None:
        assert isinstance(bio, LoadBio)
        self.answered += 1
        is_good = bio.status == OK
        if not is_good:
            self.failed += 1
        self.meter.answered(bio.issued_ns, self.clock.now_ns, bio.size, is_good)
        if self.depth and not self._will_refill:
            self._will_refill = True
            self.device.turn.defer(self._refill)

    def arrive(self) -> None:
        raise NotImplementedError

    def finished(self) -> bool:
        """Whether all that it was to ask for is answered; never of one without an end."""
        return self.limit > 0 and self.answered >= self.limit


class OpenClient(Client):
    """`rate`: I/Os a second, in bursts of `batch`, at exponential intervals (`is_poisson`) or at equal ones."""

    def __init__(
        self,
        device: BlockDevice,
        disk: SharedDisk,
        timers: Timers,
        pattern: Pattern,
        meter: LoadMeter,
        batch: int,
        plug: bool,
        limit: int,
        rate: float,
        is_poisson: bool,
        rng: Rng,
    ) -> None:
        super().__init__(device, disk, timers, pattern, meter, 0, batch, plug, limit)
        self.rng = rng
        self.is_poisson = is_poisson
        self._gap_ns = NS_PER_S * batch / rate
        self._at_ns = 0.0
        self._arrival = _Arrival(self)

    def begin(self) -> None:
        self._at_ns = float(self.clock.now_ns)
        self._await()

    def _await(self) -> None:
        gap_ns = self._gap_ns
        if self.is_poisson:
            gap_ns *= self.rng.exponential()
        self._at_ns += gap_ns
        self.timers.arm(self._arrival, max(0, int(self._at_ns) - self.clock.now_ns))

    def arrive(self) -> None:
        count = self.batch
        if self.limit:
            count = min(count, self.limit - self.issued)
        self.issue(count)
        if self.limit == 0 or self.issued < self.limit:
            self._await()


class TraceClient(Client):
    """Asks for what somebody has asked for before, at the same times; or when as little is open as was then, and then again and
    again from the beginning. `batches`, `gates`: see LoadModel; times from when it begins."""

    def __init__(
        self,
        device: BlockDevice,
        disk: SharedDisk,
        timers: Timers,
        pattern: Pattern,
        meter: LoadMeter,
        plug: bool,
        batches: list[tuple[int, list[tuple[int, int, int, int]]]],
        gates: list[tuple[int, int]],
    ) -> None:
        total = sum([len(ios) for _, ios in batches]) if not gates else 0
        super().__init__(device, disk, timers, pattern, meter, 0, 1, plug, total)
        self.batches = batches
        self.gates = gates
        self._number = 0
        self._start_ns = 0
        self._arrival = _Arrival(self)
        largest = max([size for _, ios in batches for _, _, size, _ in ios], default=0)
        self._zeroes = bytes(largest)

    def begin(self) -> None:
        self._start_ns = self.clock.now_ns
        self._await()

    def _await(self) -> None:
        if self._number == len(self.batches):
            if not self.gates:
                return
            self._number = 0
        if not self.gates:
            at_ns = self._start_ns + self.batches[self._number][0]
            self.timers.arm(self._arrival, max(0, at_ns - self.clock.now_ns))
        elif not self._arrival.is_armed() and self.issued - self.answered <= self.gates[self._number][0]:
            self.timers.arm(self._arrival, self.gates[self._number][1])

    def bio_done(self, bio: Bio) -> None:
        super().bio_done(bio)
        if self.gates:
            self._await()

    def arrive(self) -> None:
        plug = Plug(self.plug)
        going_on = True
        while going_on:
            at_ns, ios = self.batches[self._number]
            self._number += 1
            for op, sector, size, flags in ios:
                # What has no data but a length (discard, write zeroes) takes none.
                data: Buffer | None = memoryview(self._zeroes)[:size] if op == WRITE else None
                assert op == READ or is_write_class(op) or size == 0
                self.submit(op, sector, size, data, flags, plug)
            going_on = self._joins(at_ns)
        plug.finish()
        self._await()

    def _joins(self, at_ns: int) -> bool:
        """Whether the next batch belongs to the one of `at_ns`, and may come as well."""
        number = self._number
        if not self.gates or number == len(self.batches) or self.batches[number][0] != at_ns:
            return False
        return self.issued - self.answered <= self.gates[number][0]
