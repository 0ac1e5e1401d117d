"""Do these paths lead to one disk? The same blocks are read through each before anything is served, and compared.

Multipath-tools goes by the WWID alone. Files and NBD exports have none, so content has to tell: the first block, the
last, and some between that depend on the disk's size only. Nothing may be writing meanwhile.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import READ, WRITE
from hawser.block.plug import Plug
from hawser.core.rng import Rng
from hawser.core.status import OK, status_name
from hawser.core.units import SECTOR_SHIFT
from hawser.multipath.disk import PathDevice

BLOCK: Final = 4096
BLOCKS: Final = 32


@mypyc_attr(allow_interpreted_subclasses=True)
class IdentityListener:
    def compared(self, problems: dict[str, str]) -> None:
        """For each device (by number) that cannot be used: why not. The first one that could be read is the measure."""
        raise NotImplementedError


def sample_size(device: PathDevice) -> int:
    """How many bytes a sample has: BLOCK, or the device's own block where that is larger; all of a disk that is smaller."""
    return min(max(BLOCK, device.limits.logical_block_size), device.size_sectors << SECTOR_SHIFT)


def sample_sectors(size_sectors: int, sample_bytes: int = BLOCK) -> list[int]:
    """Where the samples are taken: in whole blocks of `sample_bytes`, ascending, each once."""
    blocks = (size_sectors << SECTOR_SHIFT) // sample_bytes
    if blocks == 0:
        return [0]
    rng = Rng(size_sectors)
    chosen = {0, blocks - 1, *(rng.below(blocks) for _ in range(min(BLOCKS, blocks) - 2))}
    return sorted(block * (sample_bytes >> SECTOR_SHIFT) for block in chosen)


def _settled_sectors(device: PathDevice, size: int, beyond: int) -> list[int]:
    """Where samples of `size` bytes are taken of this disk, from the sector `beyond` on: not where something may yet be written,
    unless that is everywhere."""
    sectors = [sector + beyond for sector in sample_sectors(device.size_sectors - beyond, size)]
    fences = device.shared.fences
    settled = [sector for sector in sectors if not fences.blocks(WRITE, sector, sector + (size >> SECTOR_SHIFT), None)]
    return settled or sectors


class _Reader(BioOwner):
    """Reads the samples through one path."""

    def __init__(self, check: "IdentityCheck", device: PathDevice, beyond: int) -> None:
        super().__init__()
        self.check = check
        self.device = device
        self.size = min(sample_size(device), (device.size_sectors - beyond) << SECTOR_SHIFT)
        self.sectors = _settled_sectors(device, self.size, beyond)
        self.content: dict[int, bytes] = {}
        self.problem = ""
        self.left = len(self.sectors)

    def start(self) -> None:
        plug = Plug()
        for sector in self.sectors:
            self.device.submit(Bio(READ, sector, self.size, self), plug)
        plug.finish()

    def bio_done(self, bio: Bio) -> None:
        if bio.status != OK or bio.data is None:
            self.problem = self.problem or f"{bio.describe()}: {status_name(bio.status)} error"
        else:
            self.content[bio.sector] = bytes(bio.data)
        self.left -= 1
        if self.left == 0:
            self.check.reader_done()


class IdentityCheck:
    """Compares `devices`, which have the same size, from the sector `beyond` on; `listener` hears of the result once."""

    def __init__(self, devices: list[PathDevice], listener: IdentityListener, beyond: int = 0) -> None:
        self.listener = listener
        self.readers = [_Reader(self, device, beyond) for device in devices]
        self._left = len(self.readers)

    def start(self) -> None:
        for reader in self.readers:
            reader.start()
        if not self.readers:
            self.listener.compared({})

    def give_up(self, reason: str) -> None:
        """Compare what there is now: for the paths that have not answered everything, `reason` is the problem."""
        if self._left == 0:
            return
        for reader in self.readers:
            if reader.left > 0:
                reader.problem = reader.problem or reason
        self._left = 0
        self.listener.compared(self._problems())

    def is_blank(self) -> bool:
        """Whether what was read is zeroes all through: two disks that are blank look the same."""
        return not any(any(content) for reader in self.readers for content in reader.content.values())

    def reader_done(self) -> None:
        if self._left == 0:
            # It was given up.
            return
        self._left -= 1
        if self._left == 0:
            self.listener.compared(self._problems())

    def _problems(self) -> dict[str, str]:
        problems: dict[str, str] = {}
        measure: _Reader | None = None
        for reader in self.readers:
            if reader.problem:
                problems[reader.device.devt] = reader.problem
            elif measure is None:
                measure = reader
            else:
                for sector in reader.sectors:
                    if reader.content[sector] != measure.content[sector]:
                        problems[reader.device.devt] = (
                            f"not the same disk as {measure.device.name}: the content of sector {sector} differs"
                        )
                        break
        return problems
