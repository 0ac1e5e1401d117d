"""StackRig: the engine over paths whose commands take c + bytes / B (hawser.lab.model_driver), one after the other per path.

The device model of `seeds.md` 1.6: t4 is the time of the data of 4 KiB, k = c / t4. A path holds as many commands as its queue
has tags; what happens above it is the engine's own doing, unchanged. Made for experiments about merging and mapping, which need
nothing of arrays, sessions or faults.
"""

from typing import Final

from hawser.block.bio import Bio, BioOwner
from hawser.block.device import BlockDevice
from hawser.block.limits import QueueLimits
from hawser.block.ops import READ
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.core.rng import Rng
from hawser.core.status import OK
from hawser.core.units import KIB
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.request_based import RequestMapper, RequestStack
from hawser.lab.model.old_queues import BypassingQueue, Sticky
from hawser.lab.model.reader import Host, Reader
from hawser.lab.model_driver import T4_NS, ModelDriver
from hawser.lab.world import MACHINE_TODAY, World
from hawser.multipath.disk import CACHE_LUN, PathDevice
from hawser.multipath.target import Multipath

BLOCK: Final = 4 * KIB
BLOCK_SECTORS: Final = 8
# 1 GiB.
SECTORS: Final = 1 << 21
# How many bios of 4 KiB a request of the default limits holds (128 segments).
BIOS_MAX: Final = 128

# Beside the modes of multipath: the first path itself, without a map.
RAW: Final = "raw"


def gain(k: float, bios: float) -> float:
    """How much faster data moves in commands of so many times 4 KiB than in commands of 4 KiB."""
    return (1 + k) / (1 + k / bios)


class _Tally(BioOwner):
    """Counts what came back."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0
        self.failed = 0

    def bio_done(self, bio: Bio) -> None:
        self.done += 1
        if bio.status != OK:
            self.failed += 1


class StackRig:
    """`paths` paths of `depth` tags each under one map, or, if `apart`, under a map of its own each. `mode`: rq, bio, or RAW.

    `speeds`: of each path's data; `path_words`: what the selector is told of each; `scheduler`: of the map's own queue, or that
    of the path if RAW; `bypass`: the path's queue is a BypassingQueue."""

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
        t4_ns: int = T4_NS,
        scheduler: str = "mq-deadline",
        apart: bool = False,
        bypass: bool = False,
    ) -> None:
        self.world = World(machine)
        self.drivers: list[ModelDriver] = []
        self.queues: list[RequestQueue] = []
        self.devices: list[BlockDevice] = []
        self.maps: list[MappedDevice] = []
        self.readers: list[Reader] = []
        self.client = _Tally()
        # From when it was run, until the last command was answered. (What is armed in the engine may expire later than that.)
        self.took_ns = 0
        self._submitted = 0
        for number in range(paths):
            speed = speeds[number] if speeds is not None else 1.0
            self._add_path(number, ModelDriver(self.world.turn, self.world.timers, k, speed, t4_ns), depth, bypass)
        if mode == RAW:
            self.queues[0].set_scheduler(scheduler)
            return
        self.devices.clear()
        told = path_words if path_words is not None else [""] * paths
        groups = [[number] for number in range(paths)] if apart else [list(range(paths))]
        for members in groups:
            self._add_map(mode, selector, members, told, scheduler)

    def _add_path(self, number: int, driver: ModelDriver, depth: int, bypass: bool) -> None:
        world = self.world
        name = f"p{number}"
        make = BypassingQueue if bypass else RequestQueue
        queue = make(name, driver, QueueLimits(), world.turn, world.timers, depth)
        device = PathDevice(name, f"259:{number}", SECTORS, queue, world.turn, world.disk, CACHE_LUN)
        world.registry.add(device)
        self.drivers.append(driver)
        self.queues.append(queue)
        self.devices.append(device)

    def _add_map(self, mode: str, selector: str, members: list[int], told: list[str], scheduler: str) -> None:
        words = " ".join([f"259:{number} {told[number]}".strip() for number in members])
        line = (
            f"0 {SECTORS} multipath 2 queue_mode {mode} 0 1 1 {selector} {len(members)} {len(told[0].split())} {words}"
        )
        device = self.world.mapped(f"mpath{len(self.maps)}", line)
        if device.queue is not None:
            device.queue.set_scheduler(scheduler)
        self.maps.append(device)
        self.devices.append(device)

    # What the stack is made of.

    @property
    def device(self) -> BlockDevice:
        """The first one that takes I/O."""
        return self.devices[0]

    def own_queue(self) -> RequestQueue:
        """That of the first map, which is request-based."""
        queue = self.devices[0].queue
        assert queue is not None
        return queue

    def mapper(self) -> RequestMapper:
        stack = self.maps[0].stack()
        assert isinstance(stack, RequestStack)
        return stack.mapper

    def target(self) -> Multipath:
        target = self.maps[0].live_targets()[0]
        assert isinstance(target, Multipath)
        return target

    def set_feedback(self, feedback: bool) -> None:
        """Whether paths say that they are busy, and refuse clones for which they have no tag."""
        for queue in self.queues:
            queue.feedback = feedback

    def set_tags(self, tags: int) -> None:
        """How many requests the map itself may have in flight."""
        queue = self.own_queue()
        queue.depth = queue.nr_requests = tags
        self.mapper().contexts_free = tags

    def set_nomerges(self, nomerges: int) -> None:
        """The attribute of that name, of every queue."""
        for queue in self.queues:
            queue.nomerges = nomerges
        for device in self.maps:
            if device.queue is not None:
                device.queue.nomerges = nomerges

    def stay(self, repeat: int) -> None:
        """The selector stays with a path for so many I/Os, as those before Linux 4.6 did."""
        state = self.target().state
        sticky = Sticky(repeat)
        sticky.valid = list(state.groups[0].selector.valid)
        state.groups[0].selector = sticky

    # What is asked of it.

    def submit(self, sectors: list[int], size: int = BLOCK, batch: int = 1) -> None:
        """Reads, so many in one plug; 1: without a plug."""
        device = self.devices[0]
        plug = Plug(batch > 1)
        for number, sector in enumerate(sectors, 1):
            device.submit(Bio(READ, sector, size, self.client), plug)
            if number % batch == 0:
                plug.finish()
        plug.finish()
        self._submitted += len(sectors)

    def sequence(self, bios: int, batch: int = 1, first: int = 0) -> None:
        """Reads of 4 KiB one behind the other, from block `first` on, over and over if there are more than the disk has."""
        blocks = SECTORS // BLOCK_SECTORS
        self.submit([number % blocks * BLOCK_SECTORS for number in range(first, first + bios)], BLOCK, batch)

    def read(
        self,
        count: int,
        readers: int = 1,
        size: int = BLOCK,
        outstanding: int = 1,
        batch: int = 1,
        plug: bool = True,
        op: int = READ,
        seed: int | None = None,
        span_sectors: int = SECTORS,
        host: Host | None = None,
    ) -> None:
        """So many readers (hawser.lab.model.reader) of `count` I/Os each, which begin now; reader n reads device n, counted
        round. Each has a stretch of its own; with a `seed` all read all of `span_sectors`, at random."""
        stretch = span_sectors if seed is not None else span_sectors // readers // BLOCK_SECTORS * BLOCK_SECTORS
        seeds = Rng(seed) if seed is not None else None
        for number in range(readers):
            device = self.devices[number % len(self.devices)]
            first = 0 if seed is not None else number * stretch
            rng = seeds.split() if seeds is not None else None
            self.readers.append(
                Reader(device, self.world.timers, count, size, outstanding, batch, plug, first, stretch, op, rng, host)
            )
        for reader in self.readers:
            reader.begin()

    def run(self) -> int:
        """Until all is done; how many nanoseconds that took."""
        began_ns = self.world.clock.now_ns
        self.world.run()
        assert (self.client.done, self.client.failed) == (self._submitted, 0)
        for reader in self.readers:
            assert (reader.left, reader.failed) == (0, 0)
        took_ns = max([driver.free_at_ns for driver in self.drivers]) - began_ns
        self.took_ns += took_ns
        return took_ns

    # What came of it.

    def commands(self) -> int:
        return sum([driver.commands for driver in self.drivers])

    def bytes_done(self) -> int:
        return sum([driver.bytes_done for driver in self.drivers])

    def sectors_per_command(self) -> float:
        return self.bytes_done() / 512 / self.commands()

    def mb_per_s(self) -> float:
        """In 10^6 bytes per second, while something was asked for."""
        return self.bytes_done() * 1000 / self.took_ns

    def merges_above(self) -> int:
        """Bios that joined a request of the map's own queue."""
        return sum([int(device.stats.reads.merges + device.stats.writes.merges) for device in self.maps])

    def merges_below(self) -> int:
        """Bios that joined a request of a path's queue."""
        return sum([int(queue.stats.reads.merges + queue.stats.writes.merges) for queue in self.queues])
