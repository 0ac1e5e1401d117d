"""A map over paths whose commands take c + bytes / B (hawser.lab.model_driver), and a client that reads."""

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import READ
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.core.status import OK
from hawser.core.units import KIB
from hawser.dm.request_based import RequestMapper, RequestStack
from hawser.lab.model_driver import ModelDriver
from hawser.lab.world import MACHINE_TODAY, Client, Rig, World
from hawser.multipath.disk import CACHE_LUN, PathDevice

SEQUENTIAL_BIOS = 65_536
BLOCK = 4 * KIB
SECTORS = SEQUENTIAL_BIOS * 8 * 4
SEQUENCE = list(range(0, SEQUENTIAL_BIOS * 8, 8))


class ModelRig:
    """A map over paths whose commands take c + bytes / B (hawser.lab.model_driver)."""

    def __init__(
        self,
        mode: str,
        paths: int,
        depth: int,
        k: float,
        speeds: list[float] | None = None,
        selector: str = "round-robin 0",
        machine: str = MACHINE_TODAY,
        path_words: list[str] | None = None,
    ) -> None:
        """`path_words`: what the selector is told of each path."""
        self.world = World(machine)
        self.drivers: list[ModelDriver] = []
        for number in range(paths):
            driver = ModelDriver(self.world.turn, self.world.timers, k, speeds[number] if speeds else 1.0)
            queue = RequestQueue(f"p{number}", driver, QueueLimits(), self.world.turn, self.world.timers, depth)
            device = PathDevice(
                f"p{number}", f"259:{number}", SECTORS, queue, self.world.turn, self.world.disk, CACHE_LUN
            )
            self.world.registry.add(device)
            self.drivers.append(driver)
        told = path_words or [""] * paths
        words = " ".join(f"259:{number} {told[number]}".strip() for number in range(paths))
        count = len(told[0].split())
        line = f"0 {SECTORS} multipath 2 queue_mode {mode} 0 1 1 {selector} {paths} {count} {words}"
        self.device = self.world.mapped("mpatha", line)
        self.client = Client(self.device, self.world.disk)

    def submit(self, sectors: list[int], size: int = BLOCK, batch: int = 1) -> None:
        """Reads, so many in one plug; 1: without a plug."""
        plug = Plug(batch > 1)
        for number, sector in enumerate(sectors, 1):
            self.device.submit(Bio(READ, sector, size, self.client), plug)
            if number % batch == 0:
                plug.finish()
        plug.finish()

    def run(self) -> int:
        """Until all is done; nanoseconds."""
        self.world.run()
        assert all(bio.status == OK for bio in self.client.done)
        return self.world.clock.now_ns

    def commands(self) -> int:
        return sum(driver.commands for driver in self.drivers)


def mapper(rig: ModelRig | Rig) -> RequestMapper:
    stack = rig.device.stack()
    assert isinstance(stack, RequestStack)
    return stack.mapper
