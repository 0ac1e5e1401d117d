"""A mirror under random load, errors, ghosts, suspends and dying clients: what is read is explicable, and the legs are alike.

Every run is fixed by its seed. The oracle is the laboratory's (hawser.lab.oracles.history), and knows nothing of mirrors.
"""

import pytest
from tests.dm.targets.chaos import SECTORS, ChaosClient, ChaosDriver, read_all

from hawser.core.rng import Rng
from hawser.core.units import NS_PER_MS
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.table import parse_lines
from hawser.dm.targets.raid1 import Raid1Target
from hawser.lab.oracles.history import History
from hawser.lab.payload import decode
from hawser.lab.world import Store, World
from hawser.multipath.disk import SharedDisk

STEPS = 400


class Scene:
    """A mirror over two disks, the second at an offset; `above`: two linear maps over it and bio-based multipath over those."""

    def __init__(self, seed: int, above: bool, depth: int) -> None:
        self.rng = Rng(seed)
        self.world = World()
        self.drivers: list[ChaosDriver] = []
        for number in range(2):
            self.world.disk = SharedDisk(f"disk{number}", self.world.log)
            path = self.world.ram_path(f"d{number}", Store(64 * 512), depth, make_driver=ChaosDriver)
            assert isinstance(path.driver, ChaosDriver)
            path.driver.rng = self.rng.split()
            path.driver.ghostly = above
            self.drivers.append(path.driver)
        self.mirror = self.world.mapped("mirror", f"0 {SECTORS} raid1 2 259:0 0 259:1 16")
        self.device: MappedDevice = self.mirror
        if above:
            for name in ("left", "right"):
                self.world.mapped(name, f"0 {SECTORS} linear mirror 0")
            words = "3 queue_if_no_path queue_mode bio 0 1 1 round-robin 0 2 0 left right"
            self.device = self.world.mapped("mp", f"0 {SECTORS} multipath {words}")
        self.above = above
        self.history = History(SECTORS)
        self.clients: list[ChaosClient] = []
        # In 1000 requests; one leg at a time is in trouble, until it is out.
        self.per_mille = (0, 20, 60)[seed % 3]
        self._choose_trouble()

    def client(self) -> ChaosClient:
        made = ChaosClient(self.world, self.device, self.history, self.rng.split(), len(self.clients) * 10_000)
        self.clients.append(made)
        return made

    def target(self) -> Raid1Target:
        target = self.mirror.live_targets()[0]
        assert isinstance(target, Raid1Target)
        return target

    def _choose_trouble(self) -> None:
        bad = self.rng.below(2)
        self.drivers[bad].per_mille = self.per_mille
        self.drivers[1 - bad].per_mille = 0

    def step(self) -> None:
        rng = self.rng
        if not all(leg.in_sync for leg in self.target().legs) and self.mirror.idle():
            # What was written beside the failure is on the other leg: now that one may have errors, too.
            for driver in self.drivers:
                driver.per_mille = self.per_mille
        alive = [client for client in self.clients if not client.dead]
        what = rng.below(100)
        if what < 70:
            client = alive[rng.below(len(alive))]
            if len(client.open) < 4:
                client.ask()
        elif what < 94:
            self.world.pass_time(rng.below(3) * NS_PER_MS)
        elif what < 96 and len(self.clients) < 9:
            alive[rng.below(len(alive))].leave()
            self.device.cancel_dead()
            self.client()
        elif what < 98:
            self._suspend_and_resume()
        else:
            self._mend()

    def _suspend_and_resume(self) -> None:
        """Of the mirror, which then may get back a leg that failed; or of what is above it; given up if it takes too long."""
        device = self.mirror if self.rng.chance(2, 3) else self.device
        device.suspend(device is self.device and self.rng.chance(1, 2))
        self.world.pass_time(self.rng.below(12) * NS_PER_MS)
        if device.is_suspended() and device is self.mirror:
            self._bring_back_legs()
        device.cancel_suspend()
        if device.is_suspended():
            device.resume()

    def _bring_back_legs(self) -> None:
        """Copy a leg in sync to one that is out, and load the table anew, if nothing is under way to it any more."""
        legs = self.target().legs
        if all(leg.in_sync for leg in legs) or any(driver.ghosts for driver in self.drivers):
            return
        good = 0 if legs[0].in_sync else 1
        source, place = legs[good].offset * 512, legs[1 - good].offset * 512
        content = self.drivers[good].store.data[source : source + SECTORS * 512]
        self.drivers[1 - good].store.data[place : place + SECTORS * 512] = content
        self.mirror.load(parse_lines(f"0 {SECTORS} raid1 {self.target().status_table()}"), self.world.registry)
        self._choose_trouble()

    def _mend(self) -> None:
        for driver in self.drivers:
            driver.settle_some()
        if self.above:
            for name in ("left", "right"):
                if self.device.table is not None and not self.device.is_suspended():
                    self.device.message(0, ["reinstate_path", name])

    def finish(self) -> None:
        """Everything mends, and comes to an end."""
        for driver in self.drivers:
            driver.per_mille = 0
            driver.ghostly = False
        for _ in range(20):
            for device in (self.mirror, self.device):
                device.cancel_suspend()
                if device.is_suspended():
                    device.resume()
            self._mend()
            self.world.run()


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("seed", range(100))
def test_what_is_read_is_explicable_and_the_legs_are_alike(seed: int, above: bool):
    scene = Scene(seed, above, depth=1 + seed % 3)
    scene.drivers[seed % 2].slowest_ms = 1
    for _ in range(3):
        scene.client()
    for _ in range(STEPS):
        scene.step()
    scene.finish()
    assert scene.history.faults == []
    for client in scene.clients:
        assert client.open == {}
    assert scene.device.idle()
    assert scene.mirror.idle()
    assert not any(driver.outstanding() for driver in scene.drivers)
    assert sum(client.succeeded for client in scene.clients) > 0
    last = scene.client()
    started = scene.history.begin_read()
    values = read_all(scene.world, last)
    assert scene.history.end_read(0, started, values) == ""
    # Nothing is under way: whatever leg is in sync holds what was just read.
    for number, leg in enumerate(scene.target().legs):
        if leg.in_sync:
            start = leg.offset * 512
            content = bytes(scene.drivers[number].store.data[start : start + SECTORS * 512])
            assert decode(content) == values
