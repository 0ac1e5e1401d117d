"""A partition: its I/O is the disk's, at an offset; nothing request-based stands on it."""

import pytest

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FLUSH, READ, WRITE
from hawser.block.partition import Partition
from hawser.block.request import UNKNOWN
from hawser.core.status import INVAL, IOERR, OK, TIMEOUT
from hawser.core.units import MIB
from hawser.dm.target import TableError
from hawser.lab.world import LIMITS, Answer, Client, RamPath, Store, World


def make(start: int = 64, size: int = 256, limits: QueueLimits = LIMITS) -> tuple[World, RamPath, Client]:
    world = World()
    disk = world.ram_path("disk", Store(MIB), limits=limits)
    part = Partition("disk1", "259:1", disk.device, start, size)
    world.registry.add(part)
    return world, disk, Client(part)


def test_sectors_move_flushes_do_not():
    world, disk, client = make()
    client.write(3, b"x" * 1024)
    client.flush()
    world.run()
    client.discard(16, 4096)
    world.run()
    read = client.read(3, 1024)
    world.run()
    assert disk.driver.sent == [(WRITE, 67, 1024), (FLUSH, 0, 0), (DISCARD, 80, 4096), (READ, 67, 1024)]
    assert ({bio.status for bio in client.done}, read.data, read.sector) == ({OK}, b"x" * 1024, 3)
    assert client.device.idle()


def test_it_ends_where_it_ends():
    world, disk, client = make()
    bios = [client.write(255, bytes(1024)), client.read(256, 512), client.read(0, 100), client.read(255, 512)]
    world.run()
    assert [bio.status for bio in bios] == [IOERR, IOERR, INVAL, OK]
    assert disk.driver.sent == [(READ, 319, 512)]


def test_io_of_partition_and_disk_merges_in_one_queue():
    world, disk, client = make()
    disk.device.requests.quiesce()
    client.submit([Bio(WRITE, number, 512, client, bytes(512)) for number in range(8)])
    world.settle()
    assert disk.device.requests.waiting() == 1
    disk.device.requests.unquiesce()
    world.run()
    assert disk.driver.sent == [(WRITE, 64, 4096)]


def test_chunks_are_counted_from_the_start_of_the_disk():
    limits = QueueLimits(chunk_sectors=16)
    world, disk, client = make(start=12, limits=limits)
    client.write(0, bytes(20 * 512))
    world.run()
    assert disk.driver.sent == [(WRITE, 12, 4 * 512), (WRITE, 16, 16 * 512)]


def test_errors_and_fates_come_up_and_orphans_with_the_partitions_sectors():
    world, disk, client = make()
    disk.driver.script.append(Answer(TIMEOUT, fate=UNKNOWN))
    bio = client.write(3, bytes(512))
    world.run()
    assert (bio.status, bio.fate) == (TIMEOUT, UNKNOWN)
    assert bio.orphan is not None
    assert (bio.orphan.start, bio.orphan.end, bio.orphan.is_echo) == (3, 4, True)


def test_what_it_says_is_what_its_disk_says():
    world, disk, client = make()
    part = client.device
    disk.driver.default = Answer(silent=True)
    client.write(0, bytes(512))
    assert (part.idle(), len(part.outstanding()), len(part.under_way()), part.congested()) == (False, 1, 1, False)
    disk.driver.answers_are_final = True
    assert part.answers_are_final()
    assert (part.disk, part.limits, part.first_sector, part.queue) == (disk.device.disk, LIMITS, 64, None)
    disk.driver.deliver_all(Answer())
    world.run()
    assert part.idle()


def test_a_dead_client_and_a_failed_path_reach_the_disk():
    world = World()
    disk = world.ram_path("disk", Store(MIB), depth=1)
    part = Partition("disk1", "259:1", disk.device, 8, 64)
    client = Client(part)
    disk.driver.default = Answer(silent=True)
    bios = [client.write(8 * number, bytes(512)) for number in range(3)]
    part.bounce()
    world.settle()
    assert [bio.finished for bio in bios] == [False, True, True]
    waiting = client.write(40, bytes(512))
    client.dead = True
    part.cancel_dead()
    assert (waiting.status, bios[0].finished) == (IOERR, False)


@pytest.mark.parametrize(("mode", "good"), [("rq", False), ("mq", False), ("bio", True)])
def test_what_may_stand_on_it(mode: str, good: bool):
    world, _, _ = make()
    line = f"0 256 multipath 2 queue_mode {mode} 0 1 1 round-robin 0 1 0 disk1"
    if good:
        client = Client(world.mapped("top", line), world.disk)
        bio = client.write(0, bytes(4096))
        world.run()
        assert bio.status == OK
    else:
        with pytest.raises(TableError, match="including non-request-stackable devices"):
            world.mapped("top", line)


def test_alignment_is_counted_from_the_start_of_the_disk():
    """A partition at sector 4 of a disk of 4 KiB physical blocks: from its sector 4 on, blocks line up."""
    limits = QueueLimits(physical_block_size=4096, io_min=4096)
    world, _, _ = make(start=4, limits=limits)
    assert world.mapped("off", "0 64 linear disk1 0").limits.alignment_offset == 2048
    assert world.mapped("on", "0 64 linear disk1 4").limits.alignment_offset == 0
    assert world.mapped("more", "0 64 linear disk1 2").limits.alignment_offset == 1024
