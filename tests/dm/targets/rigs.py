"""A device of one or several lines over disks of RAM, and a client."""

from hawser.block.limits import QueueLimits
from hawser.block.plug import MERGES_NONE
from hawser.core.units import MIB, SECTOR_SIZE
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.target import Target
from hawser.lab.world import LIMITS, Client, RamPath, Store, World
from hawser.multipath.disk import SharedDisk


class TargetRig:
    """`disks` are 259:0 on, each with a store and a SharedDisk of its own."""

    def __init__(self, table: str, disks: int = 2, limits: QueueLimits = LIMITS, depth: int = 64) -> None:
        self.world = World()
        self.disks: list[RamPath] = []
        for number in range(disks):
            self.world.disk = SharedDisk(f"disk{number}", self.world.log)
            self.disks.append(self.world.ram_path(f"d{number}", Store(MIB), depth, limits=limits))
        self.device: MappedDevice = self.world.mapped("dev", table)
        self.client = Client(self.device)

    def keep_apart(self) -> None:
        """Nothing merges on the disks, though clients plug: each piece is seen."""
        for disk in self.disks:
            assert disk.device.queue is not None
            disk.device.queue.nomerges = MERGES_NONE

    def target(self) -> Target:
        table = self.device.table
        assert table is not None
        return table.targets[0]

    def info(self) -> str:
        return self.target().status_info()

    def store(self, number: int) -> bytes:
        return bytes(self.disks[number].driver.store.data)

    def sent(self) -> list[list[tuple[int, int, int]]]:
        """What each disk got, as (op, sector, size), since this was asked before."""
        found = [list(disk.driver.sent) for disk in self.disks]
        for disk in self.disks:
            disk.driver.sent.clear()
        return found

    def at_rest(self) -> bool:
        idle = all(disk.device.idle() and not disk.driver.outstanding() for disk in self.disks)
        return idle and self.device.idle() and not self.world.turn.pending()


def pattern(first: int, count: int) -> bytes:
    """Sectors that say their numbers."""
    return b"".join((first + number).to_bytes(8, "little") * (SECTOR_SIZE // 8) for number in range(count))
