"""Limits: how those of several devices become one's, and what a device does with a bio that does not fit."""

from dataclasses import replace

import pytest

from hawser.block.bio import Bio
from hawser.block.limits import STACKING_START, UNLIMITED, QueueLimits, stack_limits
from hawser.block.ops import DISCARD, NOMERGE, NOWAIT, READ, WRITE, WRITE_ZEROES
from hawser.block.split import SplitBio
from hawser.core.status import AGAIN, INVAL, IOERR, MEDIUM, NOTSUPP, OK
from hawser.core.units import KIB, MIB
from hawser.lab.world import Answer, Client, RamPath, Store, World, make_multipath

PATTERN = bytes(range(256)) * 64


def make(limits: QueueLimits) -> tuple[World, RamPath, Client]:
    world = World()
    path = world.ram_path("p", Store(MIB), limits=limits)
    return world, path, Client(path.device)


def test_stacking_takes_the_stricter_of_each():
    first = QueueLimits(512, 4096, 4096, 4 * KIB, 256, 128, 0, 64, write_cache=True)
    second = QueueLimits(4096, 4096, 4096, 6 * KIB, 2560, 64, 128, 32, fua=True)
    whole = stack_limits(stack_limits(STACKING_START, first), second)
    hardware = UNLIMITED // 8 * 8
    assert whole == QueueLimits(
        4096, 4096, 4096, 12 * KIB, 256, 64, 0, 32, write_cache=True, fua=True, max_hw_sectors=hardware
    )


@pytest.mark.parametrize(
    ("first", "second", "field", "value"),
    [
        (QueueLimits(chunk_sectors=64), QueueLimits(chunk_sectors=96), "chunk_sectors", 32),
        (QueueLimits(chunk_sectors=64), QueueLimits(), "chunk_sectors", 64),
        (QueueLimits(), QueueLimits(virt_boundary_mask=4095), "virt_boundary_mask", 4095),
        (QueueLimits(virt_boundary_mask=4095), QueueLimits(), "virt_boundary_mask", 4095),
        (QueueLimits(), QueueLimits(io_opt=64 * KIB), "io_opt", 64 * KIB),
        (QueueLimits(nowait=False), QueueLimits(), "nowait", False),
        (QueueLimits(), QueueLimits(nowait=False), "nowait", False),
        (QueueLimits(rotational=True), QueueLimits(), "rotational", True),
        (QueueLimits(), QueueLimits(stable_writes=True), "stable_writes", True),
        (QueueLimits(max_segment_size=4 * KIB), QueueLimits(), "max_segment_size", 4 * KIB),
    ],
)
def test_how_each_limit_is_stacked(first: QueueLimits, second: QueueLimits, field: str, value: object):
    """`seeds.md` 3.2. In either order."""
    for pair in ((first, second), (second, first)):
        whole = stack_limits(stack_limits(STACKING_START, pair[0]), pair[1])
        assert getattr(whole, field) == value


def test_blocks_that_do_not_line_up_are_said_to_be_misaligned():
    inside_a_block = stack_limits(STACKING_START, QueueLimits(512, 4096, 4096), 1)
    assert (inside_a_block.misaligned, inside_a_block.alignment_offset) == (False, 4096 - 512)
    assert stack_limits(inside_a_block, QueueLimits(512, 4096, 4096), 0).misaligned


def test_discards_are_aligned_as_seen_from_where_a_target_begins():
    below = QueueLimits(max_discard_sectors=64, discard_granularity=4096)
    assert stack_limits(STACKING_START, below, 1).discard_alignment == 7 * 512
    assert stack_limits(STACKING_START, below, 8).discard_alignment == 0
    assert stack_limits(STACKING_START, replace(below, discard_alignment=512), 8).discard_alignment == 512
    assert stack_limits(STACKING_START, replace(below, max_discard_sectors=0), 1).discard_alignment == 0


def test_settled_limits_are_those_that_the_kernel_works_out():
    """Transcript 70: a ram disk, and a SCSI disk whose best size is 512 KiB."""
    ram = QueueLimits(512, 4096, max_sectors=UNLIMITED, max_hw_sectors=255, max_discard_sectors=64).settled()
    assert (ram.io_min, ram.max_sectors, ram.discard_granularity) == (4096, 255, 4096)
    scsi = QueueLimits(io_opt=512 * KIB, max_sectors=UNLIMITED).settled()
    assert (scsi.max_sectors, scsi.max_hw_sectors, scsi.discard_granularity) == (2560, UNLIMITED, 0)
    large = QueueLimits(io_opt=4 * MIB, max_sectors=UNLIMITED).settled()
    assert large.max_sectors == 8192
    assert QueueLimits(io_opt=4 * MIB, max_sectors=UNLIMITED, max_user_sectors=32).settled().max_sectors == 32
    assert not QueueLimits(fua=True).settled().fua


@pytest.mark.parametrize("size", [4 * KIB, 6 * KIB, 16 * KIB])
def test_a_large_bio_is_cut_and_joined(size: int):
    world, path, client = make(QueueLimits(max_sectors=8))
    client.write(8, PATTERN[:size])
    read = client.read(8, size)
    world.run()
    assert read.status == OK
    assert read.data == PATTERN[:size]
    assert max(length for _, _, length in path.driver.sent) == 4 * KIB
    assert len(path.driver.sent) == 2 * -(-size // (4 * KIB))


def test_all_pieces_but_the_last_are_not_mergeable():
    _, _, client = make(QueueLimits())
    pieces = SplitBio(Bio(WRITE, 0, 10 * KIB, client, PATTERN[: 10 * KIB])).pieces(4 * KIB)
    assert [(piece.sector, piece.size, piece.flags) for piece in pieces] == [
        (0, 4096, NOMERGE),
        (8, 4096, NOMERGE),
        (16, 2048, 0),
    ]


def test_a_piece_has_the_segments_of_its_own_part():
    _, _, client = make(QueueLimits())
    whole = Bio(READ, 0, 10 * KIB, client)
    whole.segments = 5
    assert [piece.segments for piece in SplitBio(whole).pieces(4 * KIB)] == [2, 2, 1]


def test_the_first_error_of_the_pieces_is_the_error_of_the_whole():
    world, path, client = make(QueueLimits(max_sectors=8))
    path.driver.script.extend([Answer(), Answer(MEDIUM, delay_ns=1), Answer(IOERR, delay_ns=2), Answer()])
    bio = client.read(0, 16 * KIB)
    world.run()
    assert (client.done, bio.status) == ([bio], MEDIUM)


def cuts(limits: QueueLimits, bio: Bio) -> list[tuple[int, int]]:
    """The pieces of a bio as they reach the driver: sectors and lengths in sectors."""
    world, path, client = make(limits)
    bio.owner = client
    client.submit([bio])
    world.run()
    assert [done.status for done in client.done] == [OK]
    return [(sector, size // 512) for _, sector, size in path.driver.sent]


def read(sector: int, sectors: int, segments: int = 1) -> Bio:
    bio = Bio(READ, sector, sectors * 512, Client(World().ram_path("", Store(0)).device))
    bio.segments = segments
    return bio


def test_a_cut_lies_on_a_physical_block_where_it_can():
    limits = QueueLimits(physical_block_size=4096, max_sectors=12)
    assert cuts(limits, read(0, 32)) == [(0, 8), (8, 8), (16, 8), (24, 8)]
    assert cuts(limits, read(4, 32)) == [(4, 12), (16, 8), (24, 8), (32, 4)]
    assert cuts(QueueLimits(physical_block_size=4096, max_sectors=3), read(1, 8)) == [(1, 3), (4, 3), (7, 1), (8, 1)]


def test_a_cut_lies_where_a_chunk_ends():
    assert cuts(QueueLimits(chunk_sectors=16), read(10, 30)) == [(10, 6), (16, 16), (32, 8)]


def test_a_bio_of_too_many_segments_is_cut():
    assert cuts(QueueLimits(max_segments=4), read(0, 80, segments=10)) == [(0, 32), (32, 32), (64, 16)]
    assert cuts(QueueLimits(max_segments=2, max_segment_size=4 * KIB), read(0, 40)) == [(0, 16), (16, 16), (32, 8)]


def test_a_discard_is_cut_where_the_next_one_is_aligned_to_the_granularity():
    limits = QueueLimits(max_discard_sectors=20, discard_granularity=4 * KIB)
    discard = Bio(DISCARD, 3, 40 * 512, read(0, 1).owner)
    assert cuts(limits, discard) == [(3, 13), (16, 16), (32, 11)]


def test_what_may_not_wait_is_not_cut():
    world, path, client = make(QueueLimits(max_sectors=8))
    client.submit([Bio(READ, 0, size, client, None, NOWAIT) for size in (4 * KIB, 8 * KIB)])
    world.run()
    assert sorted(bio.status for bio in client.done) == [OK, AGAIN]
    assert path.driver.sent == [(READ, 0, 4 * KIB)]


@pytest.mark.parametrize(("op", "count"), [(DISCARD, 4), (WRITE_ZEROES, 8)])
def test_discards_and_zeroes_have_their_own_size(op: int, count: int):
    world, path, client = make(QueueLimits(max_sectors=4, max_discard_sectors=32, max_write_zeroes_sectors=16))
    client.submit([Bio(op, 0, 64 * KIB, client)])
    world.run()
    assert [bio.status for bio in client.done] == [OK]
    assert len(path.driver.sent) == count


@pytest.mark.parametrize("op", [DISCARD, WRITE_ZEROES])
def test_what_is_not_offered_is_refused(op: int):
    world, path, client = make(QueueLimits())
    client.submit([Bio(op, 0, 4 * KIB, client)])
    world.run()
    assert [bio.status for bio in client.done] == [NOTSUPP]
    assert path.driver.sent == []


@pytest.mark.parametrize(
    ("sector", "size", "status"),
    [(2048, 512, IOERR), (2047, 1024, IOERR), (1, 4096, INVAL), (0, 512, INVAL), (0, 0, INVAL)],
)
def test_a_bio_that_is_out_of_range_or_not_aligned_is_refused_but_not_within_submit(
    sector: int, size: int, status: int
):
    world, path, client = make(QueueLimits(logical_block_size=4096))
    client.submit([Bio(READ, sector, size, client)])
    assert client.done == []
    world.run()
    assert [bio.status for bio in client.done] == [status]
    assert path.driver.sent == []


def test_a_read_only_device_takes_reads_and_flushes_only():
    world, path, client = make(QueueLimits(max_discard_sectors=8))
    path.device.read_only = True
    client.read(0, 512)
    client.flush()
    client.write(0, bytes(512))
    client.discard(0, 512)
    world.run()
    assert sorted(bio.status for bio in client.done) == [OK, OK, IOERR, IOERR]


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_discard_may_be_larger_than_a_write(mode: str):
    """Each operation has a limit of its own, for clones too."""
    limits = QueueLimits(max_sectors=64, max_discard_sectors=128, max_write_zeroes_sectors=256)
    rig = make_multipath(World(), mode=mode, limits=limits)
    bios = [rig.client.discard(0, 64 * KIB), rig.client.write_zeroes(0, 128 * KIB), rig.client.read(0, 128 * KIB)]
    rig.world.run()
    assert [bio.status for bio in bios] == [OK] * 3
    assert sorted(size for path in rig.paths for _, _, size in path.driver.sent) == [32 * KIB] * 4 + [
        64 * KIB,
        128 * KIB,
    ]
