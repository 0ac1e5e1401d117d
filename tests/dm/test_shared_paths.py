"""Two maps over one path: whoever has its tags must not have them for ever."""

import pytest

from hawser.block.bio import Bio
from hawser.core.status import OK
from hawser.core.units import MIB, NS_PER_MS, SECTOR_SHIFT
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.world import Answer, Client, RamPath, Store, World

SECTORS = MIB >> SECTOR_SHIFT
DEPTH = 8


class Greedy(Client):
    """Has DEPTH reads on their way, always, until it is told to stop."""

    def __init__(self, device: MappedDevice, world: World) -> None:
        super().__init__(device, world.disk)
        self.goes_on = True

    def start(self) -> None:
        for number in range(DEPTH):
            # Never neighbours, so that they do not merge.
            self.read(number * 16, 4096)

    def bio_done(self, bio: Bio) -> None:
        super().bio_done(bio)
        if self.goes_on:
            self.read(bio.sector, 4096)


def map_over(world: World, name: str, mode: str, *paths: RamPath) -> MappedDevice:
    devices = " ".join(path.device.devt for path in paths)
    words = f"2 queue_mode {mode} 0 1 1 round-robin 0 {len(paths)} 0 {devices}"
    return world.mapped(name, f"0 {SECTORS} multipath {words}")


def slow_path(world: World, name: str, store: Store, depth: int) -> RamPath:
    path = world.ram_path(name, store, depth)
    path.driver.default = Answer(OK, delay_ns=NS_PER_MS)
    return path


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("has_another", [False, True], ids=["alone", "with-another"])
def test_a_map_is_not_starved_by_another_one_over_the_same_path(depth: int, has_another: bool):
    """The one took each tag again in the turn in which it came back; the other, which had none, looked every 3 ms in vain."""
    world = World()
    store = Store(MIB)
    shared, another = (slow_path(world, name, store, depth) for name in ("shared", "another"))
    greedy = Greedy(map_over(world, "greedy", "rq", shared, *([another] if has_another else [])), world)
    other = Client(map_over(world, "other", "rq", shared), world.disk)
    greedy.start()
    world.pass_time(10 * NS_PER_MS)
    for number in range(10):
        before = len(greedy.done)
        read = other.read(1024 + number * 16, 4096)
        world.pass_time(10 * NS_PER_MS)
        assert read.finished and read.status == OK
        assert len(greedy.done) > before
    greedy.goes_on = False
    world.run()
    assert len({id(bio) for bio in greedy.done}) == len(greedy.done) >= DEPTH
    assert greedy.device.idle() and other.device.idle() and shared.device.idle()


def test_two_greedy_maps_share_a_path():
    world = World()
    shared = slow_path(world, "shared", Store(MIB), 2)
    both = [Greedy(map_over(world, name, "rq", shared), world) for name in ("one", "two")]
    for greedy in both:
        greedy.start()
    world.pass_time(200 * NS_PER_MS)
    shares = [len(greedy.done) for greedy in both]
    assert min(shares) > 100, shares
    # No tag was left lying.
    assert sum(shares) >= 390
