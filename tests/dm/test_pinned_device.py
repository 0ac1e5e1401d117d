"""Pinned by mutants: what a mapped device takes from its table and from the devices below it."""

import pytest
from tests.dm.stacked import Stacked

from hawser.block.bio import Bio
from hawser.block.dispatch import DEPTH_DEFAULT
from hawser.block.limits import QueueLimits
from hawser.block.ops import READ, WRITE
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.plug import Plug
from hawser.block.request import UNKNOWN
from hawser.core.status import IOERR, OK, TIMEOUT
from hawser.core.units import MIB, SECTOR_SHIFT, SECTOR_SIZE
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.table import parse_lines
from hawser.dm.target import TableError
from hawser.lab.world import Answer, Client, Store, World, make_multipath
from hawser.multipath.disk import SharedDisk

SECTORS = MIB >> SECTOR_SHIFT


def test_a_path_takes_128_commands_unless_it_is_told_otherwise():
    """Linux: BLKDEV_DEFAULT_RQ is 128."""
    world = World()
    path = world.ram_path("p", Store(MIB), limits=QueueLimits())
    path.driver.default = Answer(silent=True)
    client = Client(path.device)
    client.submit([Bio(READ, number * 2, SECTOR_SIZE, client) for number in range(200)])
    assert len(path.driver.sent) == DEPTH_DEFAULT == 128


def test_a_bio_over_three_targets_is_cut_at_both_boundaries():
    world = World()
    store = Store(MIB)
    for sector in range(32):
        store.data[sector * SECTOR_SIZE] = sector
    path = world.ram_path("p", store)
    device = world.mapped("three", "0 8 linear 259:0 16\n8 4 linear 259:0 0\n12 8 linear 259:0 8")
    client = Client(device)
    bio = client.read(5, 13 * SECTOR_SIZE)
    world.run()
    assert bio.data is not None
    assert [bio.data[place] for place in range(0, bio.size, SECTOR_SIZE)] == [
        21,
        22,
        23,
        0,
        1,
        2,
        3,
        8,
        9,
        10,
        11,
        12,
        13,
    ]
    assert path.device.idle() and device.idle()


def make_device(world: World) -> MappedDevice:
    device = MappedDevice("new", "254:9", world.turn, world.clock, world.timers, world.log)
    world.registry.add(device)
    return device


def test_a_device_that_was_suspended_before_its_first_table_holds_io_back():
    for words in ("linear 259:0 0", "multipath 0 0 1 1 round-robin 0 1 0 259:0"):
        world = World()
        path = world.ram_path("p", Store(MIB))
        device = make_device(world)
        device.suspend(False)
        world.settle()
        device.load(parse_lines(f"0 {SECTORS} {words}"), world.registry)
        client = Client(device)
        assert device.is_suspended()
        device.resume()
        bio = client.read(0, SECTOR_SIZE)
        world.run()
        assert (bio.status, len(path.driver.sent)) == (OK, 1)
        device.suspend(False)
        world.settle()
        assert device.is_suspended(), "and it can be suspended again"


def test_a_device_that_was_not_suspended_takes_io_as_soon_as_it_has_a_table():
    world = World()
    world.ram_path("p", Store(MIB))
    device = make_device(world)
    device.load(parse_lines(f"0 {SECTORS} multipath 0 0 1 1 round-robin 0 1 0 259:0"), world.registry)
    queue = device.queue
    assert queue is not None and not queue.quiesced


def test_one_read_only_device_below_makes_it_read_only():
    world = World()
    paths = [world.ram_path(f"p{number}", Store(MIB)) for number in range(2)]
    paths[1].device.read_only = True
    device = world.mapped("half", "0 8 linear 259:0 0\n8 8 linear 259:1 0")
    assert device.read_only
    bio = Client(device).write(0, bytes(SECTOR_SIZE))
    world.run()
    assert bio.status == IOERR


@pytest.mark.parametrize(
    ("table", "is_same"),
    [
        ("0 16 linear 259:0 0", True),
        ("0 8 linear 259:0 0\n8 8 linear 259:0 8", True),
        ("0 8 error\n8 8 linear 259:0 8", True),
        ("0 16 linear 259:0 1", False),
        ("0 8 linear 259:0 8\n8 8 linear 259:0 0", False),
        ("0 16 striped 2 8 259:0 0 259:0 8", False),
        ("0 8 linear 259:0 0\n8 8 linear 259:1 8", False),
    ],
)
def test_it_has_the_disk_below_if_the_sectors_have_the_same_numbers(table: str, is_same: bool):
    world = World()
    first = world.disk
    world.ram_path("p0", Store(MIB))
    world.disk = SharedDisk("other", world.log)
    world.ram_path("p1", Store(MIB))
    assert world.mapped("both", table).disk is (first if is_same else None)


def test_an_error_of_a_map_below_is_no_answer():
    """It says EIO when no path is left: that is a dead path to whoever stands on it, whatever its own paths mean by it."""
    stacked = Stacked(modes=("bio", "bio"), maps=2)
    for made in stacked.paths:
        for path in made:
            path.driver.answers_are_final = True
    assert stacked.paths[0][0].device.answers_are_final()
    assert not stacked.lower[0].answers_are_final()
    stacked.paths[0][0].driver.default = Answer(IOERR)
    bio = stacked.client.read(0, SECTOR_SIZE)
    stacked.world.run()
    assert bio.status == OK


def test_while_a_flush_suspend_waits_a_dead_clients_part_of_a_fenced_request_is_dropped():
    """The living one's part is mapped when the fence falls."""
    rig = make_multipath(World(), mode="rq", paths=2)
    world = rig.world
    rig.paths[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN))
    rig.client.write(0, bytes(4096))
    world.settle()
    living, dying = Client(rig.device, world.disk), Client(rig.device, world.disk)
    plug = Plug()
    bios = [Bio(WRITE, 0, 4096, living, b"l" * 4096), Bio(WRITE, 8, 4096, dying, b"d" * 4096)]
    for bio in bios:
        rig.device.submit(bio, plug)
    plug.finish()
    rig.device.suspend(False)
    world.settle()
    dying.dead = True
    rig.device.cancel_dead()
    world.settle()
    assert [bio.finished for bio in bios] == [False, True]
    rig.paths[0].driver.settle(PROOF_ANSWER)
    rig.device.resume()
    world.run()
    assert bios[0].status == OK
    assert bytes(rig.store.data[:8192]) == b"l" * 4096 + bytes(4096)


def test_a_table_that_was_swapped_in_does_not_resume_the_next_suspend():
    rig = make_multipath(World(), mode="rq")
    device = rig.device
    device.load(parse_lines(f"0 {SECTORS} multipath 0 0 1 1 round-robin 0 1 0 259:1"), rig.world.registry)
    assert not device.resume()
    rig.world.settle()
    assert (device.inactive, device.is_suspended()) == (None, False)
    device.suspend(True)
    rig.world.run()
    assert device.is_suspended()


def test_one_wildcard_is_enough_to_replace_an_immutable_target():
    """Linux: dm_table_get_wildcard_target()."""
    rig = make_multipath(World(), mode="bio")
    with pytest.raises(TableError, match="can't replace immutable target type multipath"):
        rig.device.load(parse_lines(f"0 {SECTORS} linear 259:0 0"), rig.world.registry)
    rig.device.load(parse_lines(f"0 8 error\n8 {SECTORS - 8} linear 259:0 8"), rig.world.registry)
    rig.device.resume()
    rig.world.run()
    statuses = [rig.client.read(sector, SECTOR_SIZE) for sector in (0, 8)]
    rig.world.run()
    assert [bio.status for bio in statuses] == [IOERR, OK]
