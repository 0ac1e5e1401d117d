"""Limits of tables and tables that do not fit, with what Linux 6.12 shows in sysfs and logs for the same stacks."""

import pytest
from tests.dm.controls import load, suspend

from hawser.block.limits import UNLIMITED, QueueLimits
from hawser.block.partition import Partition
from hawser.core.units import KIB, MIB
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.target import TableError
from hawser.lab.world import Store, World

# The oracle's disks: scsi_debug with unmap, a ram disk, a null_blk without discards.
SCSI = QueueLimits(
    max_segments=2048,
    io_opt=512 * KIB,
    max_discard_sectors=8388607,
    max_hw_discard_sectors=8388607,
    max_write_zeroes_sectors=65535,
    write_cache=True,
    fua=True,
)
RAM = QueueLimits(
    physical_block_size=4096,
    io_min=4096,
    max_hw_sectors=254,
    max_sectors=254,
    max_discard_sectors=UNLIMITED,
    discard_granularity=4096,
)
NULL = QueueLimits(max_hw_sectors=254, max_sectors=254, discard_granularity=0)

NO_DISCARD = (0, 0)
ANY_DISCARD = (UNLIMITED, 512)
SCSI_DISCARD = (8388607, 512)
RAM_DISCARD = (UNLIMITED, 4096)


def make() -> World:
    world = World()
    for name, limits in (("scsi", SCSI), ("ram", RAM), ("null", NULL)):
        world.ram_path(name, Store(MIB), limits=limits)
    return world


def shown(limits: QueueLimits) -> tuple[int, int, int, int, bool, tuple[int, int], int, int]:
    """max_sectors, max_segments, minimum_io_size, optimal_io_size, write_cache, discards, write zeroes, chunk_sectors."""
    discards = (limits.max_discard_sectors, limits.discard_granularity)
    return (
        limits.max_sectors,
        limits.max_segments,
        limits.io_min,
        limits.io_opt,
        limits.write_cache,
        discards,
        limits.max_write_zeroes_sectors,
        limits.chunk_sectors,
    )


MP = "multipath 2 queue_mode bio 0 1 1 round-robin 0 1 0"
OPT = 512 * KIB
LIMITS = [
    ("0 1024 linear scsi 0", (2560, 2048, 512, OPT, True, SCSI_DISCARD, 65535, 0)),
    ("0 1024 striped 1 8 scsi 0", (2560, 2048, 4096, 4096, True, SCSI_DISCARD, 65535, 8)),
    ("0 1024 delay scsi 0 0", (2560, 2048, 512, OPT, True, SCSI_DISCARD, 0, 0)),
    ("0 1024 flakey scsi 0 1 1", (2560, 2048, 512, OPT, True, SCSI_DISCARD, 0, 0)),
    ("0 1024 dust scsi 0 512", (2560, 2048, 512, OPT, True, SCSI_DISCARD, 0, 0)),
    ("0 1024 zero", (2560, 65535, 512, 0, False, ANY_DISCARD, 0, 0)),
    ("0 1024 error", (2560, 65535, 512, 0, False, ANY_DISCARD, 0, 0)),
    ("0 1024 error scsi 0", (2560, 2048, 512, OPT, True, ANY_DISCARD, 0, 0)),
    ("0 1024 error ram 0", (254, 128, 4096, 0, False, RAM_DISCARD, 0, 0)),
    ("0 1024 error null 0", (254, 128, 512, 0, False, ANY_DISCARD, 0, 0)),
    ("0 1024 linear null 0", (254, 128, 512, 0, False, NO_DISCARD, 0, 0)),
    (f"0 1024 {MP} scsi", (2560, 2048, 512, OPT, True, SCSI_DISCARD, 65535, 0)),
    ("0 1024 multipath 2 queue_mode bio 0 0 0", (2560, 65535, 512, 0, False, NO_DISCARD, UNLIMITED, 0)),
    ("0 1024 multipath 0 0 0 0", (2560, 65535, 512, 0, False, NO_DISCARD, UNLIMITED, 0)),
    ("0 1024 linear scsi 0\n1024 8 zero", (2560, 2048, 512, OPT, True, SCSI_DISCARD, 0, 0)),
    ("0 1024 linear scsi 0\n1024 8 error", (2560, 2048, 512, OPT, True, SCSI_DISCARD, 0, 0)),
    ("0 8 linear scsi 0\n8 8 linear ram 0", (254, 128, 4096, OPT, True, (8388607, 4096), 0, 0)),
    ("0 8 linear scsi 0\n8 8 linear null 0", (254, 128, 512, OPT, True, NO_DISCARD, 0, 0)),
    ("0 8 zero\n8 8 error", (2560, 65535, 512, 0, False, ANY_DISCARD, 0, 0)),
]


@pytest.mark.parametrize(("table", "expected"), LIMITS)
def test_limits_are_those_that_linux_shows(table: str, expected: tuple[object, ...]):
    assert shown(make().mapped("dev", table).limits) == expected


@pytest.mark.parametrize(
    ("table", "nowait"),
    [
        ("0 8 linear scsi 0", True),
        ("0 8 striped 1 8 scsi 0", True),
        ("0 8 zero", True),
        ("0 8 error", False),
        ("0 8 delay scsi 0 0", False),
        ("0 8 flakey scsi 0 1 1", False),
        ("0 8 dust scsi 0 512", False),
        (f"0 8 {MP} scsi", False),
        ("0 8 linear scsi 0\n8 8 error", False),
    ],
)
def test_only_what_never_blocks_may_be_asked_not_to_wait(table: str, nowait: bool):
    assert make().mapped("dev", table).limits.nowait is nowait


# A disk of 4 KiB blocks, and one of 512 bytes; the refusals of a first load, with all that Linux logs.
BLOCKS = [
    ("0 8 linear big 4", "start=4 not aligned to h/w logical block size 4096 of big"),
    ("0 9 linear big 0", "len=9 not aligned to h/w logical block size 4096 of big"),
    ("0 9 linear big 4", "start=4 not aligned to h/w logical block size 4096 of big"),
    ("0 9 striped 3 3 big 0 big 8 big 16", "len=3 not aligned to h/w logical block size 4096 of big"),
    ("0 9 error big 0", "len=9 not aligned to h/w logical block size 4096 of big"),
    ("0 7 multipath 0 0 1 1 round-robin 0 1 0 big", "len=7 not aligned to h/w logical block size 4096 of big"),
    ("0 1 linear small 0\n1 7 linear big 0", "len=7 not aligned to h/w logical block size 4096 of big"),
    (
        "0 4 linear small 0\n4 8 linear big 0",
        "table line 1 (start sect 4 len 8) not aligned to h/w logical block size 4096",
    ),
    (
        "0 8 linear big 0\n8 4 linear small 0",
        "table line 2 (start sect 8 len 4) not aligned to h/w logical block size 4096",
    ),
    (
        "0 4 linear small 0\n4 16 linear big 0\n20 4 linear small 0",
        "table line 1 (start sect 4 len 16) not aligned to h/w logical block size 4096",
    ),
    (
        "0 4 zero\n4 8 linear big 0\n12 4 zero",
        "table line 1 (start sect 4 len 8) not aligned to h/w logical block size 4096",
    ),
    ("0 2048 linear small 1", "small too small for target: start=1, len=2048, dev_size=2048"),
    ("0 8 linear small 2048", "small too small for target: start=2048, len=8, dev_size=2048"),
    ("0 2048 error small 8", "small too small for target: start=8, len=2048, dev_size=2048"),
    ("0 2056 delay small 0 1", "small too small for target: start=0, len=2056, dev_size=2048"),
    ("0 128 linear part 0", "part too small for target: start=0, len=128, dev_size=64"),
    ("0 2048 linear below 0", "dm-0 too small for target: start=0, len=2048, dev_size=1024"),
]
GOOD = [
    "0 8 linear big 8",
    "0 4 linear small 0\n4 4 linear small 8\n8 8 linear big 0",
    "0 48 striped 3 8 big 0 big 16 big 32",
    "0 8 dust big 0 512",
    "0 64 linear part 0",
]


def blocks_world() -> World:
    world = World()
    world.ram_path("big", Store(MIB), limits=QueueLimits(logical_block_size=4096))
    small = world.ram_path("small", Store(MIB)).device
    world.mapped("below", "0 1024 linear small 0")
    world.registry.add(Partition("part", "259:100", small, 8, 64))
    return world


@pytest.mark.parametrize(("table", "error"), BLOCKS)
def test_what_does_not_fit_is_refused_at_the_first_load(table: str, error: str):
    world = blocks_world()
    with pytest.raises(TableError) as caught:
        world.mapped("bad", table)
    assert (str(caught.value), caught.value.errno_name) == (f"254:1: {error}", "EINVAL")
    assert caught.value.log == [
        f"table: 254:1: {error}",
        "core: Cannot calculate initial queue limits",
        "ioctl: unable to set up device queue for new table.",
    ]


@pytest.mark.parametrize("table", GOOD)
def test_what_fits(table: str):
    assert blocks_world().mapped("good", table).limits.logical_block_size in (512, 4096)


def test_a_first_load_that_does_not_fit_leaves_the_type_open():
    world = blocks_world()
    device = MappedDevice("nt", "254:1", world.turn, world.clock, world.timers, world.log)
    with pytest.raises(TableError, match="len=7"):
        load(world, device, "0 7 multipath 0 0 1 1 round-robin 0 1 0 big")
    assert device.kind == ""
    load(world, device, "0 8 linear small 0")
    assert device.kind == "bio"


def test_over_a_live_table_it_is_refused_at_resume_only():
    """Oracle: the device stays suspended with its old table, and goes on with that when it is resumed again."""
    world = blocks_world()
    device = world.mapped("dev", "0 8 linear small 0")
    live = device.table
    load(world, device, "0 9 linear big 0")
    suspend(world, device)
    with pytest.raises(TableError) as caught:
        device.resume()
    assert str(caught.value) == "254:1: len=9 not aligned to h/w logical block size 4096 of big"
    assert caught.value.log == [f"table: {caught.value}"]
    assert (device.table, device.inactive, device.is_suspended()) == (live, None, True)
    device.resume()
    assert not device.is_suspended()


def test_queue_attributes_are_there_when_the_first_table_is_loaded():
    """S1-04: before that a device has none, and I/O to it fails; it has no size before it is resumed."""
    world = make()
    for mode in ("bio", "rq"):
        device = MappedDevice("nt", "254:7", world.turn, world.clock, world.timers, world.log)
        assert (device.kind, device.queue) == ("", None)
        load(world, device, f"0 1024 multipath 2 queue_mode {mode} 0 1 1 round-robin 0 1 0 ram")
        assert (device.limits.max_sectors, device.size_sectors, device.queue is None) == (254, 0, mode == "bio")
        device.resume()
        assert device.size_sectors == 1024


def test_a_device_without_a_table_is_not_too_small():
    """Its size is not known yet."""
    world = World()
    device = MappedDevice("nt", "254:0", world.turn, world.clock, world.timers, world.log)
    world.registry.add(device)
    world.mapped("top", "0 8 linear nt 0")


def test_blocks_that_do_not_line_up_are_told():
    world = World()
    world.ram_path("big", Store(MIB), limits=QueueLimits(logical_block_size=4096, physical_block_size=4096))
    with pytest.raises(TableError):
        world.mapped("bad", "0 8 linear big 4")
    # Chunks that are smaller than a block are let pass: once when the table is loaded, once when it is live.
    world.mapped("odd", "0 24 striped 3 4 big 0 big 8 big 16")
    inconsistent = "table: 254:0: adding target device (start sect 0 len 24) caused an alignment inconsistency"
    assert [line for _, line in world.log.lines] == [
        "table: 254:0: adding target device big caused an alignment inconsistency: physical_block_size=4096, "
        "logical_block_size=4096, alignment_offset=0, start=2048",
        inconsistent,
        inconsistent,
    ]
