"""A write of unknown fate below a target reaches the fence of a multipath above it, at the sectors that it has there; and the
fence of one below stays where it is. A ghost is a write whose path never answered, and which may still land."""

import pytest
from tests.dm.targets.rigs import TargetRig, pattern

from hawser.block.bio import Bio
from hawser.block.ops import WRITE
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.partition import Partition
from hawser.block.request import UNKNOWN
from hawser.core.status import IOERR, OK, TIMEOUT
from hawser.core.units import NS_PER_MS
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.world import Answer, Client
from hawser.multipath.disk import SharedDisk
from hawser.multipath.target import Multipath

MS = NS_PER_MS
GHOST = Answer(TIMEOUT, fate=UNKNOWN)


class Above(TargetRig):
    """Multipath, bio-based, whose two paths both lead to `dev`."""

    def __init__(self, table: str, disks: int = 2) -> None:
        super().__init__(table, disks)
        size = self.device.size_sectors
        for name in ("left", "right"):
            self.world.mapped(name, f"0 {size} linear dev 0")
        words = "2 queue_mode bio 0 1 1 round-robin 0 2 0 left right"
        self.top: MappedDevice = self.world.mapped("mp", f"0 {size} multipath {words}")
        target = self.top.live_targets()[0]
        assert isinstance(target, Multipath)
        self.multipath = target
        self.client = Client(self.top)
        self.client.open_disk(target.disk)

    def settle_ghosts(self) -> None:
        for disk in self.disks:
            disk.driver.settle(PROOF_ANSWER)
        self.world.run()

    def fenced(self) -> list[tuple[int, int]]:
        return [(orphan.start, orphan.end) for orphan in self.multipath.fences.orphans]


# A device that moves sectors, where a write of sectors 40 to 47 lies: (disk, its sector there).
MOVED = [
    ("0 1024 linear 259:0 100", 0, 140),
    ("0 40 linear 259:1 0\n40 900 linear 259:0 500", 0, 500),
    ("0 1024 delay 259:0 8 0", 0, 48),
    ("0 1024 flakey 259:0 8 60 1", 0, 48),
    ("0 1024 dust 259:0 8 4096", 0, 48),
    ("0 1024 striped 2 8 259:0 0 259:1 0", 1, 16),
    ("0 1024 striped 2 16 259:0 0 259:1 16", 0, 24),
]


@pytest.mark.parametrize(("table", "disk", "sector"), MOVED)
def test_the_fence_is_where_the_sectors_are_above(table: str, disk: int, sector: int):
    rig = Above(table)
    driver = rig.disks[disk].driver
    driver.script.append(GHOST)
    first = rig.client.write(40, pattern(1, 8))
    rig.world.run()
    assert driver.sent[0] == (1, sector, 4096)
    # The retry has gone the other way and succeeded. Who writes there again must wait, who reads need not, others not at all.
    assert (first.status, rig.fenced()) == (OK, [(40, 48)])
    over, beside = rig.client.write(47, pattern(9, 1)), rig.client.write(48, pattern(9, 1))
    at_the_lower_place = rig.client.write((sector + 8) % 512 + 256, pattern(9, 1))
    read = rig.client.read(40, 4096)
    rig.world.run()
    assert (over.finished, beside.status, at_the_lower_place.status) == (False, OK, OK)
    assert bytes(read.data or b"") == pattern(1, 8)
    rig.settle_ghosts()
    assert (over.status, rig.fenced()) == (OK, [])
    again = rig.client.read(40, 4096)
    rig.world.run()
    assert bytes(again.data or b"") == pattern(1, 7) + pattern(9, 1)
    assert rig.top.idle()


def test_a_merged_command_is_an_orphan_for_each_that_it_carried():
    """Chunks 0 and 2 lie one behind the other on the first stripe, and go as one command."""
    rig = Above("0 1024 striped 2 8 259:0 0 259:1 0")
    rig.disks[0].driver.script.append(GHOST)
    rig.client.submit([Bio(WRITE, sector, 4096, rig.client, pattern(sector, 8)) for sector in (0, 16)])
    rig.world.run()
    assert rig.disks[0].driver.sent[0] == (WRITE, 0, 8192)
    assert sorted(rig.fenced()) == [(0, 8), (16, 24)]
    rig.settle_ghosts()
    assert rig.fenced() == []


def test_of_a_discard_that_was_shared_out_all_of_it_is_fenced():
    rig = Above("0 1024 striped 2 8 259:0 0 259:1 0")
    rig.disks[1].driver.script.append(GHOST)
    first = rig.client.discard(0, 64 * 512)
    rig.world.run()
    assert (first.status, rig.fenced()) == (OK, [(0, 64)])
    over = rig.client.write(0, pattern(1, 1))
    rig.world.run()
    assert not over.finished
    rig.settle_ghosts()
    assert over.status == OK


@pytest.mark.parametrize(("other", "withheld"), [(140, True), (148, False)])
def test_a_write_in_flight_beside_the_ghost_is_seen_below(other: int, withheld: bool):
    """It overlaps on the disk, where the sectors have other numbers. Then even the retry's success has to wait."""
    rig = Above("0 1024 linear 259:0 100")
    driver = rig.disks[0].driver
    driver.default = Answer(silent=True)
    beside = Client(rig.disks[0].device)
    beside.write(other, pattern(7, 8))
    driver.script.append(GHOST)
    first = rig.client.write(40, pattern(1, 8))
    driver.default = Answer()
    rig.world.run()
    assert first.finished is not withheld
    driver.deliver_all(Answer())
    rig.settle_ghosts()
    assert first.status == OK


def test_what_waits_for_a_tag_beside_the_ghost_counts_as_well():
    rig = TargetRig("0 1024 linear 259:0 100", 1, depth=1)
    size = rig.device.size_sectors
    top = rig.world.mapped("mp", f"0 {size} multipath 3 queue_if_no_path queue_mode bio 0 1 1 round-robin 0 1 0 dev")
    target = top.live_targets()[0]
    assert isinstance(target, Multipath)
    client = Client(top)
    driver = rig.disks[0].driver
    driver.script.append(Answer(TIMEOUT, fate=UNKNOWN, delay_ns=MS))
    client.write(40, pattern(1, 8))
    client.write(44, pattern(2, 8))
    rig.world.pass_time(MS)
    assert [orphan.overlapped for orphan in target.fences.orphans] == [True]


def test_a_ghost_below_two_devices_that_move_sectors():
    rig = Above("0 512 linear 259:0 100")
    rig.world.mapped("over", "0 256 linear dev 10")
    top = rig.world.mapped("m2", "0 256 multipath 2 queue_mode bio 0 1 1 round-robin 0 1 0 over")
    target = top.live_targets()[0]
    assert isinstance(target, Multipath)
    rig.disks[0].driver.script.append(GHOST)
    client = Client(top)
    client.write(5, pattern(1, 2))
    rig.world.run()
    assert [(orphan.start, orphan.end) for orphan in target.fences.orphans] == [(5, 7)]
    rig.settle_ghosts()
    assert target.fences.orphans == []


@pytest.mark.parametrize("table", ["0 1024 linear mid 100", "0 1024 striped 1 8 mid 0", "0 1024 raid1 2 mid 0 259:2 0"])
@pytest.mark.parametrize("mode", ["bio", "rq"])
def test_what_a_multipath_below_has_fenced_stays_fenced_there(table: str, mode: str):
    rig = TargetRig("0 8 zero", 3)
    world = rig.world
    mid = world.mapped("mid", f"0 2000 multipath 2 queue_mode {mode} 0 1 1 round-robin 0 1 0 259:0")
    below = mid.live_targets()[0]
    assert isinstance(below, Multipath)
    world.disk = SharedDisk("above", world.log)
    dev = world.mapped("dev2", table)
    client = Client(dev)
    rig.disks[0].driver.script.append(GHOST)
    first = client.write(40, pattern(1, 8))
    world.run()
    assert first.status == (OK if "raid1" in table else TIMEOUT if mode == "rq" else IOERR)
    assert len(below.fences.orphans) == 1
    # A mirror that did without says nothing of it: its success is no copy of what the disk below may still get.
    assert first.orphan is (None if "raid1" in table or mode == "rq" else below.fences.orphans[0])
    rig.disks[0].driver.settle(PROOF_ANSWER)
    assert below.fences.orphans == []


# A mirror below multipath.

RAID = "0 1024 raid1 2 259:0 0 259:1 8"


@pytest.mark.parametrize("bad", [0, 1])
def test_a_ghost_on_a_leg_that_is_out_is_fenced_above(bad: int):
    """The mirror does without the leg, and needs no fence. But it is a ghost like any other to whoever is above."""
    rig = Above(RAID)
    rig.disks[bad].driver.script.append(GHOST)
    first = rig.client.write(40, pattern(1, 8))
    rig.world.run()
    assert (first.status, rig.info()) == (OK, f"2 259:0 259:1 1 {'DA' if bad == 0 else 'AD'}")
    assert rig.fenced() == [(40, 48)]
    over, read = rig.client.write(47, pattern(9, 1)), rig.client.read(40, 4096)
    rig.world.run()
    assert (over.finished, bytes(read.data or b"")) == (False, pattern(1, 8))
    rig.settle_ghosts()
    assert (over.status, rig.fenced()) == (OK, [])


def test_ghosts_on_both_legs_are_fenced_and_the_retry_goes_to_the_one_that_stays():
    rig = Above(RAID)
    for disk in rig.disks:
        disk.driver.script.append(GHOST)
    first = rig.client.write(40, pattern(1, 8))
    rig.world.run()
    # The path that the write went by has failed, the other one leads to the same mirror.
    assert (first.status, rig.info()) == (OK, "2 259:0 259:1 1 AD")
    assert rig.fenced() == [(40, 48), (40, 48)]
    over = rig.client.write(40, pattern(9, 8))
    rig.world.run()
    rig.disks[1].driver.settle(PROOF_ANSWER)
    rig.world.run()
    assert not over.finished
    rig.settle_ghosts()
    read = rig.client.read(40, 4096)
    rig.world.run()
    assert (over.status, bytes(read.data or b"")) == (OK, pattern(9, 8))


def test_a_ghost_of_the_last_leg_is_an_error_with_unknown_fate():
    rig = TargetRig(RAID)
    rig.disks[0].driver.script.extend([Answer(IOERR), GHOST])
    rig.disks[1].driver.script.extend([Answer(), GHOST])
    rig.client.write(0, pattern(1, 1))
    rig.world.run()
    bio = rig.client.write(8, pattern(2, 1))
    rig.world.run()
    assert (bio.status, bio.fate, rig.info()) == (TIMEOUT, UNKNOWN, "2 259:0 259:1 1 DA")
    assert bio.orphan is not None
    assert (bio.orphan.start, bio.orphan.end, bio.orphan.is_echo, bio.more_orphans) == (8, 9, True, None)
    rig.disks[1].driver.settle(PROOF_ANSWER)
    assert bio.orphan.proof == PROOF_ANSWER


def test_a_mirror_of_mirrors_hands_up_what_is_left_on_the_innermost_leg():
    rig = TargetRig(RAID, 3)
    outer = rig.world.mapped("outer", "0 512 raid1 2 dev 16 259:2 0")
    top = rig.world.mapped("mp", "0 512 multipath 2 queue_mode bio 0 1 1 round-robin 0 1 0 outer")
    target = top.live_targets()[0]
    assert isinstance(target, Multipath)
    rig.disks[1].driver.script.append(GHOST)
    client = Client(top)
    bio = client.write(3, pattern(1, 4))
    rig.world.run()
    assert (bio.status, rig.info(), outer.live_targets()[0].status_info()[-2:]) == (OK, "2 259:0 259:1 1 AD", "AA")
    assert [(orphan.start, orphan.end) for orphan in target.fences.orphans] == [(3, 7)]
    rig.disks[1].driver.settle(PROOF_ANSWER)
    assert target.fences.orphans == []


def test_a_write_that_was_cut_above_a_mirror_hands_up_the_ghost_of_a_piece():
    """It succeeds, as both pieces did; one of them has left a ghost on one leg."""
    rig = TargetRig(RAID)
    rig.world.mapped("lines", "0 512 linear dev 0\n512 512 linear dev 512")
    top = rig.world.mapped("mp", "0 1024 multipath 2 queue_mode bio 0 1 1 round-robin 0 1 0 lines")
    target = top.live_targets()[0]
    assert isinstance(target, Multipath)
    rig.keep_apart()
    rig.disks[1].driver.script.extend([Answer(), GHOST])
    client = Client(top)
    bio = client.write(508, pattern(1, 8))
    rig.world.run()
    assert (bio.status, rig.info()) == (OK, "2 259:0 259:1 1 AD")
    assert [(orphan.start, orphan.end) for orphan in target.fences.orphans] == [(512, 516)]


def test_when_the_path_through_a_mirror_fails_its_legs_do_not():
    """What is under way to one leg and waits for a tag of the other is not bounced: the legs would differ."""
    rig = TargetRig(RAID, depth=1)
    rig.world.mapped("lin", "0 1024 linear dev 0")
    top = rig.world.mapped("mp", "0 1024 multipath 3 queue_if_no_path queue_mode bio 0 1 1 round-robin 0 1 0 lin")
    client = Client(top)
    first = rig.disks[0].driver
    first.default = Answer(silent=True)
    bios = [client.write(0, pattern(1, 1)), client.write(8, pattern(2, 1))]
    rig.world.settle()
    top.message(0, ["fail_path", "lin"])
    rig.world.run()
    assert (rig.info()[-2:], [bio.finished for bio in bios]) == ("AA", [False, False])
    first.default = Answer()
    first.deliver_all(Answer())
    rig.world.run()
    assert [bio.status for bio in bios] == [OK, OK]
    assert rig.store(0)[: 16 * 512] == rig.store(1)[8 * 512 : 24 * 512]


def test_a_dead_clients_write_through_stripes_and_a_partition_is_fenced_above():
    """Whatever stands between, the multipath above finds its own clone of what is in flight."""
    rig = TargetRig("0 512 striped 2 8 259:0 0 259:1 0")
    rig.world.registry.add(Partition("dev1", "254:100", rig.device, 64, 256))
    top = rig.world.mapped("mp", "0 256 multipath 2 queue_mode bio 0 1 1 round-robin 0 1 0 dev1")
    target = top.live_targets()[0]
    assert isinstance(target, Multipath)
    client, other = Client(top), Client(top)
    for disk in rig.disks:
        disk.driver.default = Answer(silent=True)
    client.write(3, pattern(1, 2))
    client.discard(32, 32 * 512)
    client.dead = True
    top.cancel_dead()
    assert sorted((orphan.start, orphan.end) for orphan in target.fences.orphans) == [(3, 5), (32, 64)]
    late = [other.write(4, pattern(9, 1)), other.read(33, 512)]
    rig.world.run()
    assert not any(bio.finished for bio in late)
    for disk in rig.disks:
        disk.driver.default = Answer()
        disk.driver.deliver_all(Answer())
    rig.world.run()
    assert ([bio.status for bio in late], target.fences.orphans) == ([OK, OK], [])


@pytest.mark.parametrize("mode", ["bio", "rq"])
def test_a_leg_that_lost_writes_fails_the_flushes_of_those_who_were_there(mode: str):
    """Its multipath knows who has opened the disk since: a mirror asks in its client's name."""
    rig = TargetRig("0 8 zero")
    for number in range(2):
        words = f"2 queue_mode {mode} 0 1 1 round-robin 0 1 0 259:{number}"
        rig.world.mapped(f"mp{number}", f"0 1024 multipath {words}")
    mirror = rig.world.mapped("mirror", "0 1024 raid1 2 mp0 0 mp1 0")
    disks = [rig.disks[number].device.shared for number in range(2)]
    for disk in disks:
        disk.cast_doubt("test")
    newer = Client(mirror)
    for disk in disks:
        newer.open_disk(disk)
    flush = newer.flush()
    rig.world.run()
    assert (flush.status, mirror.live_targets()[0].status_info()[-2:]) == (OK, "AA")
    disks[0].cast_doubt("test")
    flush = newer.flush()
    rig.world.run()
    assert (flush.status, mirror.live_targets()[0].status_info()[-2:]) == (OK, "FA")
