"""The engine over nothing: paths that answer at once without touching data, and a client that keeps a depth of bios in flight.

For measuring what the engine itself costs per I/O (Linux: null_blk).
"""

from hawser.block.bio import Bio, BioOwner
from hawser.block.device import BlockDevice
from hawser.block.driver import Driver
from hawser.block.ops import READ
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.block.request import Request
from hawser.core.rng import Rng
from hawser.core.status import OK
from hawser.core.units import SECTOR_SHIFT
from hawser.lab.world import LIMITS, World
from hawser.multipath.disk import CACHE_LUN, PathDevice


class NullDriver(Driver):
    """Every request succeeds at once; reads get a shared buffer of zeroes."""

    def __init__(self, world: World, largest: int) -> None:
        super().__init__(world.turn)
        self.zeroes = bytes(largest)
        self.requests = 0

    def queue_rq(self, request: Request) -> int:
        self.requests += 1
        size = request.size
        if request.op == READ:
            request.data = self.zeroes if size == len(self.zeroes) else self.zeroes[:size]
        request.finish(OK, size)
        self.complete(request)
        return OK


class NullClient(BioOwner):
    def __init__(self) -> None:
        super().__init__()
        self.completed = 0
        self.failed = 0

    def bio_done(self, bio: Bio) -> None:
        self.completed += 1
        if bio.status != OK:
            self.failed += 1


class NullRig:
    """A multipath map over `paths` null paths of one disk of `size_bytes`; request-based it has this I/O scheduler.

    Mode `raw`: the first path itself, without a map.
    """

    def __init__(
        self, mode: str, paths: int, selector: str, size_bytes: int, block: int, scheduler: str = "none"
    ) -> None:
        self.world = World()
        self.block = block
        self.drivers: list[NullDriver] = []
        sectors = size_bytes >> SECTOR_SHIFT
        words: list[str] = []
        for number in range(paths):
            driver = NullDriver(self.world, block)
            self.drivers.append(driver)
            queue = RequestQueue(f"null{number}", driver, LIMITS, self.world.turn, self.world.timers)
            device = PathDevice(
                f"null{number}", f"259:{number}", sectors, queue, self.world.turn, self.world.disk, CACHE_LUN
            )
            self.world.registry.add(device)
            words.append(device.devt)
        if mode == "raw":
            self.device: BlockDevice = device
        else:
            table = f"0 {sectors} multipath 2 queue_mode {mode} 0 1 1 {selector} {paths} 0 {' '.join(words)}"
            self.device = self.world.mapped("null", table)
        if self.device.queue is not None:
            self.device.queue.set_scheduler(scheduler)
        self.blocks = size_bytes // block
        self.client = NullClient()

    def run(self, ios: int, depth: int, seed: int) -> int:
        """`ios` random reads of one block, in plugs of `depth`; how many were completed."""
        rng = Rng(seed)
        sectors_per_block = self.block >> SECTOR_SHIFT
        sectors = [rng.below(self.blocks) * sectors_per_block for _ in range(depth * 16)]
        plug = Plug()
        client = self.client
        device = self.device
        turn = self.world.turn
        place = 0
        submitted = 0
        while submitted < ios:
            for _ in range(depth):
                device.submit(Bio(READ, sectors[place], self.block, client), plug)
                place += 1
                if place == len(sectors):
                    place = 0
            submitted += depth
            plug.finish()
            turn.drain()
        return client.completed
