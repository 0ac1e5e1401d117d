"""Volume: a mapped device under the name, and with the promises, that NBD clients see."""

from typing import TYPE_CHECKING, Final

from hawser.block.bio import BioOwner
from hawser.core.units import KIB, MIB, SECTOR_SHIFT
from hawser.dm.disks import disks_below
from hawser.dm.mapped_device import MappedDevice
from hawser.nbd import protocol
from hawser.nbd.export import Export, ExportDirectory

if TYPE_CHECKING:
    from hawser.exports.server import Server

BLOCK_PREFERRED: Final = 4 * KIB
BLOCK_MAX: Final = 32 * MIB


class Volume:
    """`name` is the export's. What its paths cannot promise is not offered. `server`: whose clients those are who open it; None:
    of the server at whose door they came."""

    def __init__(self, name: str, device: MappedDevice, server: "Server | None" = None) -> None:
        self.name = name
        self.device = device
        self.server = server
        # By index of their connections; an index that is free again goes to the next one.
        self._clients: list[BioOwner | None] = []

    def open(self, client: BioOwner) -> None:
        """`client` opens it: in what was lost before, on any disk below, it has no part. `client.cpu` becomes its index."""
        for disk in disks_below(self.device):
            client.open_disk(disk)
        if None not in self._clients:
            self._clients.append(None)
        client.cpu = self._clients.index(None)
        self._clients[client.cpu] = client

    def close(self, client: BioOwner) -> None:
        """`client` has gone, or is going: its index is free."""
        self._clients[client.cpu] = None

    def export(self) -> Export:
        limits = self.device.limits
        flags = protocol.FLAG_HAS_FLAGS | protocol.FLAG_CAN_MULTI_CONN
        if self.device.read_only:
            flags |= protocol.FLAG_READ_ONLY
        if limits.write_cache:
            flags |= protocol.FLAG_SEND_FLUSH | protocol.FLAG_SEND_FUA
        if limits.max_discard_sectors and not self.device.read_only:
            flags |= protocol.FLAG_SEND_TRIM
        if limits.max_write_zeroes_sectors and not self.device.read_only:
            flags |= protocol.FLAG_SEND_WRITE_ZEROES
        block = limits.logical_block_size
        preferred = max(BLOCK_PREFERRED, block, limits.physical_block_size)
        size = self.device.size_sectors << SECTOR_SHIFT
        return Export(self.name, size, flags, f"hawser {self.device.name}", block, preferred, BLOCK_MAX)


class Volumes(ExportDirectory):
    """The volumes that are to be had in one place, by name."""

    def __init__(self) -> None:
        self._volumes: dict[str, Volume] = {}

    def add(self, volume: Volume) -> None:
        self._volumes[volume.name] = volume

    def get(self, name: str) -> Volume:
        return self._volumes[name]

    def find(self, name: str) -> Export | None:
        volume = self._volumes.get(name)
        return volume.export() if volume is not None else None

    def names(self) -> list[str]:
        return sorted(self._volumes)
