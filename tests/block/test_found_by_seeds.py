"""What random worlds found wrong in queues, each as a short story."""

from dataclasses import replace

from hawser.block.bio import Bio
from hawser.block.ops import READ, WRITE
from hawser.core.status import IOERR, OK
from hawser.core.units import KIB, MIB, NS_PER_MS, NS_PER_S
from hawser.dm.table import parse_lines
from hawser.lab.world import LIMITS, Answer, Client, RamPath, Store, World, make_multipath

REAL_TIME = 1 << 13


def urgent(client: Client, sector: int, size: int = 512) -> Bio:
    bio = Bio(WRITE, sector, size, client, bytes(size))
    bio.ioprio = REAL_TIME
    return bio


def make(depth: int = 1) -> tuple[World, RamPath, Client]:
    world = World()
    path = world.ram_path("p", Store(MIB), depth=depth)
    path.device.requests.set_scheduler("mq-deadline")
    return world, path, Client(path.device)


def test_what_has_waited_long_enough_behind_a_higher_class_goes_although_nothing_ends():
    """The queue has to look again by itself: nothing else runs it. Linux: BLK_MQ_BUDGET_DELAY."""
    world, path, client = make(depth=8)
    path.driver.script.append(Answer(delay_ns=60 * NS_PER_S))
    client.submit([urgent(client, 0)])
    low = client.read(100, 512)
    world.pass_time(9 * NS_PER_S)
    assert not low.finished
    world.pass_time(2 * NS_PER_S)
    assert low.finished


def test_a_dead_clients_urgent_write_that_waited_holds_nobody_back():
    """It was dropped, but its class counted it for ever."""
    world, path, client = make()
    path.driver.script.append(Answer(delay_ns=NS_PER_MS))
    client.read(800, 512)
    world.settle()
    dying = Client(path.device)
    dying.submit([urgent(dying, 0)])
    low = client.read(100, 512)
    dying.dead = True
    path.device.cancel_dead()
    world.pass_time(2 * NS_PER_MS)
    assert [bio.status for bio in dying.done] == [IOERR]
    assert low.finished, "not only after 10 s"


def test_an_urgent_write_that_is_cut_for_smaller_limits_holds_nobody_back():
    """Its pieces were counted, and so was what they had been, for ever."""
    world = World()
    rig = make_multipath(world, paths=2, depth=1)
    small = world.ram_path("small", rig.store, limits=replace(LIMITS, max_sectors=8))
    queue = rig.device.queue
    assert queue is not None
    queue.set_scheduler("mq-deadline")
    for path in rig.paths:
        path.driver.script.append(Answer(delay_ns=NS_PER_MS))
    for number in range(2):
        rig.client.read(800 + 100 * number, 512)
    world.settle()
    big = urgent(rig.client, 0, 16 * KIB)
    low = Bio(READ, 1000, 512, rig.client)
    rig.client.submit([big])
    rig.client.submit([low])
    world.settle()
    assert queue.waiting() == 2
    rig.device.suspend(noflush=True)
    world.pass_time(2 * NS_PER_MS)
    table = f"0 {rig.device.size_sectors} multipath 0 0 1 1 round-robin 0 1 0 {small.device.devt}"
    rig.device.load(parse_lines(table), world.registry)
    rig.device.resume()
    world.pass_time(50 * NS_PER_MS)
    assert (big.finished, big.status, low.finished) == (True, OK, True)
    assert [size for op, _, size in small.driver.sent if op == WRITE] == [4 * KIB] * 4
