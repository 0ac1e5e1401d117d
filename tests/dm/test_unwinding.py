"""A device or table that cannot be made leaves nothing behind, whichever step fails (S1-06).

Steps are looking up a device, making a target, and working out limits. Each fails in turn, as a table is refused or as memory
runs out, until all have been passed; every target that was made is destroyed exactly once.
"""

from collections.abc import Callable

import pytest
from tests.dm.controls import suspend

from hawser.block.device import BlockDevice
from hawser.block.limits import QueueLimits
from hawser.core.status import OK
from hawser.core.units import MIB
from hawser.dm.clone import CloneBio
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.table import parse_lines
from hawser.dm.target import REMAPPED, DeviceFinder, TableError, Target, TargetContext, register_target
from hawser.lab.world import Client, Store, World


class Steps(DeviceFinder):
    """Fails the step numbered `fails_at`; 0: none. Keeps the targets that exist, and those that have gone."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.count = 0
        self.fails_at = 0
        self.out_of_memory = False
        self.living: list[Target] = []
        self.gone: list[Target] = []

    def start(self, fails_at: int, out_of_memory: bool) -> None:
        self.count = 0
        self.fails_at = fails_at
        self.out_of_memory = out_of_memory

    def step(self) -> None:
        self.count += 1
        if self.count == self.fails_at:
            if self.out_of_memory:
                raise MemoryError
            raise TableError("no such luck", "ENOMEM")

    def find(self, name: str) -> BlockDevice | None:
        self.step()
        return self.world.registry.find(name)


class Fragile(Target):
    """One device. Making it, looking its device up and its limits are steps."""

    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("fragile", start, length)
        assert isinstance(context.devices, Steps)
        self.steps = context.devices
        device = self.steps.find(words[0])
        assert device is not None
        self.device = device
        self.steps.step()
        self.steps.living.append(self)

    def devices(self) -> list[BlockDevice]:
        return [self.device]

    def limits(self, below: QueueLimits) -> QueueLimits:
        self.steps.step()
        return below

    def map_bio(self, clone: CloneBio) -> int:
        clone.device = self.device
        return REMAPPED

    def destroy(self) -> None:
        self.steps.living.remove(self)
        self.steps.gone.append(self)


register_target("fragile", Fragile)

THREE = "0 8 fragile disk\n8 8 fragile disk\n16 8 fragile disk"
MIXED = "0 8 fragile disk\n8 8 linear disk 8\n16 8 raid1 2 disk 16 disk 32\n24 8 fragile disk"
MULTIPATH = "0 64 multipath 2 queue_mode bio 0 1 1 round-robin 0 2 0 disk other"
TABLES = [THREE, MIXED, MULTIPATH]


class Bench:
    def __init__(self) -> None:
        self.world = World()
        for name in ("disk", "other"):
            self.world.ram_path(name, Store(MIB))
        self.steps = Steps(self.world)

    def device(self) -> MappedDevice:
        world = self.world
        return MappedDevice("dev", "254:9", world.turn, world.clock, world.timers, world.log)

    def load(self, device: MappedDevice, table: str) -> None:
        device.load(parse_lines(table), self.steps)

    def left_behind(self) -> tuple[int, int, bool, int]:
        """Targets, listeners of fences, work and timers."""
        listeners = len(self.world.disk.fences.listeners)
        return len(self.steps.living), listeners, self.world.turn.pending(), self.world.timers.next_deadline_ns()


def fail_each(bench: Bench, out_of_memory: bool, attempt: Callable[[], None], check: Callable[[], None]) -> int:
    """How many steps there were: each has failed once before the attempt succeeded."""
    failed = 0
    while True:
        bench.steps.start(failed + 1, out_of_memory)
        try:
            attempt()
        except (TableError, MemoryError, ValueError):
            failed += 1
            check()
        else:
            return failed


@pytest.mark.parametrize("out_of_memory", [False, True])
@pytest.mark.parametrize("table", TABLES)
def test_a_first_load_that_fails(table: str, out_of_memory: bool):
    bench = Bench()
    device = bench.device()
    clean = bench.left_behind()

    def check() -> None:
        assert bench.left_behind() == clean
        assert (device.kind, device.queue, device.table, device.inactive) == ("", None, None, None)
        assert len(set(map(id, bench.steps.gone))) == len(bench.steps.gone)

    steps = fail_each(bench, out_of_memory, lambda: bench.load(device, table), check)
    assert steps == {THREE: 9, MIXED: 9, MULTIPATH: 2}[table]
    bench.steps.start(0, False)
    device.resume()
    client = Client(device, bench.world.disk)
    bio = client.write(0, bytes(24 * 512))
    bench.world.run()
    assert bio.status == OK


@pytest.mark.parametrize("out_of_memory", [False, True])
@pytest.mark.parametrize("table", [THREE, MIXED])
def test_a_reload_that_fails(table: str, out_of_memory: bool):
    """The tables that there were stay, live and inactive."""
    bench = Bench()
    device = bench.device()
    bench.load(device, THREE)
    device.resume()
    bench.load(device, MIXED)
    live, inactive = device.table, device.inactive
    kept = bench.left_behind()

    def check() -> None:
        assert bench.left_behind() == kept
        assert (device.table, device.inactive) == (live, inactive)

    steps = fail_each(bench, out_of_memory, lambda: bench.load(device, table), check)
    assert steps == {THREE: 6, MIXED: 7}[table]
    assert device.inactive is not inactive


@pytest.mark.parametrize("out_of_memory", [False, True])
@pytest.mark.parametrize("table", [THREE, MIXED])
def test_a_resume_that_fails(table: str, out_of_memory: bool):
    """The new table is gone, and the device is suspended with the old one."""
    bench = Bench()
    device = bench.device()
    bench.load(device, THREE)
    device.resume()
    live = device.table
    targets = len(bench.steps.living)

    def attempt() -> None:
        fails_at = bench.steps.fails_at
        bench.steps.start(0, False)
        bench.load(device, table)
        suspend(bench.world, device)
        bench.steps.start(fails_at, out_of_memory)
        device.resume()

    def check() -> None:
        assert (device.table, device.inactive, device.is_suspended()) == (live, None, True)
        assert len(bench.steps.living) == targets

    assert fail_each(bench, out_of_memory, attempt, check) == (3 if table == THREE else 2)
    assert device.table is not live
    assert not device.is_suspended()
    assert len(bench.steps.living) == (3 if table == THREE else 2)


def test_a_table_that_is_refused_as_a_whole():
    """All targets were made, and none may stay."""
    bench = Bench()
    device = bench.device()
    bench.load(device, MULTIPATH)
    device.resume()
    clean = bench.left_behind()
    for table in (
        THREE,
        MIXED,
        f"{THREE}\n24 8 fragile nosuch\n",
        f"{THREE}\n25 8 fragile disk",
        f"{THREE}\n24 0 zero",
    ):
        with pytest.raises((TableError, AssertionError)):
            bench.load(device, table)
        assert bench.left_behind() == clean
        assert device.inactive is None
