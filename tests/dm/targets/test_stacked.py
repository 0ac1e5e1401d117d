"""Every target above and below multipath, in both of its modes: random load while paths fail and come back and devices are
suspended; nothing is lost, and everything comes to rest."""

import pytest
from tests.dm.targets.chaos import SECTORS, ChaosClient, read_all

from hawser.block.ops import DISCARD, FLUSH, WRITE_ZEROES
from hawser.core.rng import Rng
from hawser.core.status import IOERR, NOTSUPP, OK, TRANSPORT
from hawser.core.units import MIB, NS_PER_MS
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.oracles.history import History
from hawser.lab.world import Answer, Client, RamPath, Store, World
from hawser.multipath.disk import SharedDisk

# Over the maps mp0 and mp1.
OVER = [
    f"0 {SECTORS} linear mp0 100",
    f"0 3 linear mp0 7\n3 {SECTORS - 3} linear mp1 50",
    f"0 {SECTORS} striped 2 2 mp0 0 mp1 32",
    f"0 {SECTORS} delay mp0 8 3 mp0 8 2",
    f"0 {SECTORS} flakey mp0 8 1000 1",
    f"0 {SECTORS} dust mp0 8 512",
    f"0 {SECTORS} raid1 2 mp0 0 mp1 64",
]
# What they cannot do is refused as such, and not counted as lost.
LACKS = {"delay": (WRITE_ZEROES,), "flakey": (WRITE_ZEROES,), "dust": (WRITE_ZEROES,)}


class Stack:
    """`multipaths` maps of two paths each; each map over a disk of its own."""

    def __init__(self, mode: str, multipaths: int) -> None:
        self.world = World()
        self.paths: list[RamPath] = []
        self.maps: list[MappedDevice] = []
        for number in range(multipaths):
            self.world.disk = SharedDisk(f"disk{number}", self.world.log)
            store = Store(MIB)
            made = [self.world.ram_path(f"p{number}{side}", store, 4) for side in "ab"]
            self.paths += made
            names = " ".join(path.device.devt for path in made)
            words = f"3 queue_if_no_path queue_mode {mode} 0 1 1 round-robin 0 2 0 {names}"
            self.maps.append(self.world.mapped(f"mp{number}", f"0 1024 multipath {words}"))
        for path in self.paths:
            path.driver.default = Answer(delay_ns=NS_PER_MS)

    def shake(self, rng: Rng, devices: list[MappedDevice]) -> None:
        """Something happens to a path or a device."""
        path = self.paths[rng.below(len(self.paths))]
        what = rng.below(4)
        if what == 0:
            path.driver.default = Answer(TRANSPORT)
        elif what == 1:
            self.mend()
        else:
            device = devices[rng.below(len(devices))]
            device.suspend(what == 2)
            self.world.pass_time(rng.below(6) * NS_PER_MS)
            device.cancel_suspend()
            if device.is_suspended():
                device.resume()

    def mend(self) -> None:
        for path in self.paths:
            path.driver.default = Answer(delay_ns=NS_PER_MS)
        for device in self.maps:
            for path in self.paths:
                if path.device in device.live_targets()[0].devices() and not device.is_suspended():
                    device.message(0, ["reinstate_path", path.device.devt])


def drive(stack: Stack, top: MappedDevice, seed: int, devices: list[MappedDevice]) -> list[ChaosClient]:
    rng = Rng(seed)
    history = History(SECTORS)
    clients = [ChaosClient(stack.world, top, history, rng.split(), number * 10_000) for number in range(3)]
    for _ in range(300):
        what = rng.below(20)
        if what < 14:
            client = clients[rng.below(3)]
            if len(client.open) < 4:
                client.ask()
        elif what < 18:
            stack.world.pass_time(rng.below(3) * NS_PER_MS)
        else:
            stack.shake(rng, devices)
    for _ in range(5):
        stack.mend()
        stack.world.run()
    assert history.faults == []
    last = ChaosClient(stack.world, top, history, rng, 90_000)
    started = history.begin_read()
    assert history.end_read(0, started, read_all(stack.world, last)) == ""
    return clients


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mode", ["rq", "bio"])
@pytest.mark.parametrize("table", OVER)
def test_over_multipath_nothing_is_lost(table: str, mode: str, seed: int):
    stack = Stack(mode, 2)
    top = stack.world.mapped("top", table)
    clients = drive(stack, top, seed, [top])
    lacks = LACKS.get(table.split()[2], ())
    for client in clients:
        assert client.open == {}
        assert {bio.status for bio in client.done} <= {OK, NOTSUPP}
        assert {bio.op for bio in client.done if bio.status == NOTSUPP} <= set(lacks)
    assert all(device.idle() for device in [top, *stack.maps])
    assert top.live_targets()[0].status_info()[-2:] in ("", "AA", " 0", "se")


# Below bio-based multipath: what one path leads through. The disks are 259:0 and 259:2, for the other path 259:1 and 259:3.
UNDER = [
    (f"0 {SECTORS} linear 259:0 100", f"0 {SECTORS} linear 259:1 100"),
    (f"0 {SECTORS} striped 2 2 259:0 0 259:2 32", f"0 {SECTORS} striped 2 2 259:1 0 259:3 32"),
    (f"0 {SECTORS} delay 259:0 8 3 259:0 8 2", f"0 {SECTORS} linear 259:1 8"),
    (f"0 {SECTORS} flakey 259:0 8 0 1000", f"0 {SECTORS} linear 259:1 8"),
    (f"0 {SECTORS} flakey 259:0 8 0 1000 1 error_writes", f"0 {SECTORS} linear 259:1 8"),
    (f"0 {SECTORS} dust 259:0 8 512", f"0 {SECTORS} linear 259:1 8"),
    (f"0 {SECTORS} error 259:0 8", f"0 {SECTORS} linear 259:1 8"),
]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("left", "right"), UNDER)
def test_under_multipath_nothing_is_lost(left: str, right: str, seed: int):
    stack = Stack("bio", 0)
    for name in ("d0", "d1"):
        store = Store(MIB)
        for side in "ab":
            path = stack.world.ram_path(name + side, store, 4)
            path.driver.default = Answer(delay_ns=NS_PER_MS)
    sides = [stack.world.mapped("left", left), stack.world.mapped("right", right)]
    if "dust" in left:
        for message in ("enable", "addbadblock 10", "addbadblock 12 3"):
            sides[0].message(0, message.split())
    words = "3 queue_if_no_path queue_mode bio 0 1 1 round-robin 0 2 0 left right"
    top = stack.world.mapped("top", f"0 {SECTORS} multipath {words}")
    rng = Rng(seed)
    history = History(SECTORS)
    clients = [ChaosClient(stack.world, top, history, rng.split(), number * 10_000) for number in range(3)]
    for step in range(200):
        clients[rng.below(3)].ask()
        stack.world.pass_time(rng.below(3) * NS_PER_MS)
        if step % 20 == 0:
            for name in ("left", "right"):
                top.message(0, ["reinstate_path", name])
        if step % 33 == 0:
            device = [top, *sides][rng.below(3)]
            device.suspend(rng.chance(1, 2))
            stack.world.run()
            assert device.is_suspended()
            device.resume()
    stack.world.run()
    assert history.faults == []
    for client in clients:
        assert client.open == {}
        assert {bio.status for bio in client.done} <= {OK, NOTSUPP}
        assert {bio.op for bio in client.done if bio.status == NOTSUPP} <= {WRITE_ZEROES, DISCARD}
    assert all(device.idle() for device in [top, *sides])


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_leg_whose_paths_are_all_gone_is_out_and_nobody_else_hears_of_it(mode: str):
    stack = Stack(mode, 2)
    top = stack.world.mapped("top", f"0 {SECTORS} raid1 2 mp0 0 mp1 0")
    stack.maps[0].message(0, ["fail_if_no_path"])
    client = Client(top)
    for path in stack.paths[:2]:
        path.driver.default = Answer(TRANSPORT)
    bios = [client.write(0, b"x" * 4096), client.flush()]
    stack.world.run()
    bios.append(client.read(0, 4096))
    stack.world.run()
    assert [bio.status for bio in bios] == [OK] * 3
    assert top.live_targets()[0].status_info() == "2 254:0 254:1 1 DA"
    assert bytes(bios[2].data or b"") == b"x" * 4096
    assert FLUSH in [op for op, _, _ in stack.paths[2].driver.sent + stack.paths[3].driver.sent]


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_an_error_that_is_an_answer_costs_a_leg_but_no_path(mode: str):
    """Both paths give it, so it is the disk's; the mirror has another one."""
    stack = Stack(mode, 2)
    top = stack.world.mapped("top", f"0 {SECTORS} raid1 2 mp0 0 mp1 0")
    for path in stack.paths[:2]:
        path.driver.answers_are_final = True
        path.driver.default = Answer(IOERR)
    client = Client(top)
    bio = client.write(0, bytes(512))
    stack.world.run()
    assert (bio.status, top.live_targets()[0].status_info()[-2:]) == (OK, "DA")
    assert " F " not in stack.maps[0].live_targets()[0].status_info()
