"""StreamClient: load for benchmarks of the engine. It makes up its I/O as it goes, as cheaply as can be, and nobody judges it."""

from typing import Final

from hawser.block.bio import Bio, BioOwner
from hawser.block.device import BlockDevice
from hawser.block.ops import READ, WRITE
from hawser.block.plug import Plug
from hawser.core.rng import Rng
from hawser.core.status import OK
from hawser.core.turn import Work
from hawser.core.units import SECTOR_SHIFT
from hawser.dm.mapped_device import MappedDevice
from hawser.multipath.disk import SharedDisk

PATTERN: Final = 4096


class _Refill(Work):
    def __init__(self, client: "StreamClient") -> None:
        self.client = client

    def run(self) -> None:
        self.client.refill()


class StreamClient(BioOwner):
    """Keeps `depth` I/Os of `count` sectors open until `total` were answered; `start` it once.

    Places and directions repeat after PATTERN I/Os: they are drawn beforehand, as a draw costs as much as a third of an I/O.
    """

    def __init__(
        self,
        device: BlockDevice,
        disk: SharedDisk,
        rng: Rng,
        total: int,
        depth: int = 32,
        count: int = 8,
        write_percent: int = 30,
        sequential: bool = False,
    ) -> None:
        super().__init__()
        self.device = device
        self.open_disk(disk)
        self.total = total
        self.depth = depth
        self.issued = 0
        self.answered = 0
        self.failed = 0
        self._size = count << SECTOR_SHIFT
        self._payload = bytes(self._size)
        self._mapped = device if isinstance(device, MappedDevice) else None
        self._will_refill = False
        self._refill = _Refill(self)
        blocks = device.size_sectors // count
        assert blocks > 0 and total >= 0 and depth > 0
        self._sectors: list[int] = []
        self._ops: list[int] = []
        for number in range(PATTERN):
            self._sectors.append((number % blocks if sequential else rng.below(blocks)) * count)
            self._ops.append(WRITE if rng.below(100) < write_percent else READ)

    def start(self) -> None:
        self.refill()

    def refill(self) -> None:
        """Issue as many as were answered, as one plug."""
        self._will_refill = False
        if self._mapped is not None and self._mapped.congested():
            return
        plug = Plug()
        device = self.device
        size = self._size
        issued = self.issued
        end = min(self.total, self.answered + self.depth)
        while issued < end:
            place = issued % PATTERN
            op = self._ops[place]
            issued += 1
            device.submit(Bio(op, self._sectors[place], size, self, self._payload if op == WRITE else None), plug)
        self.issued = issued
        plug.finish()

    def bio_done(self, bio: Bio) -> None:
        self.answered += 1
        if bio.status != OK:
            self.failed += 1
        if not self._will_refill:
            self._will_refill = True
            self.device.turn.defer(self._refill)

    def finished(self) -> bool:
        return self.answered >= self.total
