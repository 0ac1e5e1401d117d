"""What may stand on what, and replace what: the acceptance matrix of `seeds.md` 4.5 with its special cells (S1-10, S1-11).

Verdicts and words are those of Linux 6.12 (transcripts 13 and 14, and the oracle). Every cell ends with the device working as it
did before a refusal, or with its new table.
"""

import pytest
from tests.dm.controls import load, suspend

from hawser.block.limits import QueueLimits
from hawser.block.partition import Partition
from hawser.core.status import OK
from hawser.core.units import MIB
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.target import TableError
from hawser.lab.world import Client, Store, World

SECTORS = 1024
MODES = ("bio", "rq", "mq")
STATES = ("new", "same mode", "other mode")

UNSTACKABLE = "table load rejected: including non-request-stackable devices"
TYPE_OF = {"bio": 1, "rq": 2, "mq": 2}


NAMES = {"request device": "disk", "linear": "lin", "request-based multipath": "mprq", "partition": "part"}


def make_world() -> World:
    """Devices of every kind, all over one disk."""
    world = World()
    disk = world.ram_path("disk", Store(MIB)).device
    world.mapped("lin", f"0 {SECTORS} linear disk 0")
    world.mapped("mprq", f"0 {SECTORS} {multipath('rq', 'disk')}")
    world.registry.add(Partition("part", "259:100", disk, 0, SECTORS))
    return world


def multipath(mode: str, *paths: str) -> str:
    if not paths:
        return f"multipath 2 queue_mode {mode} 0 0 0"
    return f"multipath 2 queue_mode {mode} 0 1 1 round-robin 0 {len(paths)} 0 {' '.join(paths)}"


def verdict(mode: str, lower: str, state: str) -> str:
    """The message of the refusal, or nothing. 4.1: request-based stands on what has a queue of its own, bio-based on anything."""
    if mode != "bio" and lower in ("linear", "partition"):
        return UNSTACKABLE
    if state == "other mode":
        old = TYPE_OF["rq" if mode == "bio" else "bio"]
        return f"can't change device type (old={old} vs new={TYPE_OF[mode]}) after initial table load."
    return ""


def works(world: World, device: MappedDevice) -> bool:
    client = Client(device, world.disk)
    bios = [client.write(0, b"x" * 4096), client.flush()]
    world.run()
    bios.append(client.read(0, 4096))
    world.run()
    return [bio.status for bio in bios] == [OK] * 3 and bytes(bios[2].data or b"") == b"x" * 4096 and device.idle()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("lower", NAMES)
@pytest.mark.parametrize("mode", MODES)
def test_the_matrix(mode: str, lower: str, state: str):
    world = make_world()
    expected = verdict(mode, lower, state)
    line = f"0 {SECTORS} {multipath(mode, NAMES[lower])}"
    kind = "bio" if mode == "bio" else "request"
    if state == "new":
        if expected:
            with pytest.raises(TableError) as caught:
                world.mapped("top", line)
            assert (str(caught.value), caught.value.errno_name) == (expected, "EINVAL")
            return
        device = world.mapped("top", line)
    else:
        live = mode if state == "same mode" else ("rq" if mode == "bio" else "bio")
        device = world.mapped("top", f"0 {SECTORS} {multipath(live, 'disk')}")
        before = device.table
        if expected:
            with pytest.raises(TableError) as caught:
                load(world, device, line)
            assert (str(caught.value), caught.value.errno_name) == (expected, "EINVAL")
            assert (device.table, device.inactive) == (before, None)
            assert works(world, device)
            return
        load(world, device, line)
        suspend(world, device)
        assert device.resume()
        assert device.table is not before
    assert device.kind == kind
    assert (device.queue is None) == (mode == "bio")
    assert works(world, device)


@pytest.mark.parametrize("words", ["0 0 1 1", "1 queue_if_no_path 0 1 1"])
def test_a_target_that_is_ready_for_it_is_request_based_unless_it_says_otherwise(words: str):
    """S1-10. A target that maps bios alone makes its device bio-based, in the same way."""
    world = make_world()
    top = world.mapped("top", f"0 {SECTORS} multipath {words} round-robin 0 1 0 disk")
    assert (top.kind, top.queue is not None) == ("request", True)
    assert works(world, top)
    lin = world.registry.mapped("lin")
    assert lin is not None
    assert (lin.kind, lin.queue) == ("bio", None)


def refused(world: World, device: MappedDevice, table: str) -> str:
    inactive = device.inactive
    with pytest.raises(TableError) as caught:
        load(world, device, table)
    assert device.inactive is inactive
    return str(caught.value)


IMMUTABLE = "can't replace immutable target type multipath"


def test_what_may_replace_a_live_request_based_multipath():
    world = make_world()
    device = world.mapped("top", f"0 {SECTORS} {multipath('rq', 'disk')}")
    for words in ("zero", "linear disk 0", "striped 1 8 disk 0", "delay disk 0 1", "raid1 2 disk 0 disk 0"):
        assert refused(world, device, f"0 {SECTORS} {words}") == IMMUTABLE
    # A wildcard may stand in, but not be of another kind; one with a device is no immutable target.
    assert refused(world, device, f"0 {SECTORS} error disk 0") == "table load rejected: immutable target is required"
    assert refused(world, device, "0 16 error\n16 16 error") == "request-based DM doesn't support multiple targets"
    changed = "can't change device type (old=2 vs new=1) after initial table load."
    for table in ("0 8 error\n8 8 zero", "0 8 error\n8 8 linear disk 0", f"0 {SECTORS} {multipath('bio')}"):
        assert refused(world, device, table) == changed
    for words in ("error", multipath("rq"), multipath("mq"), multipath("mq", "disk")):
        load(world, device, f"0 {SECTORS} {words}")
    device.clear()
    assert works(world, device)


def test_error_on_a_live_request_based_device_stays_request_based():
    world = make_world()
    device = world.mapped("top", f"0 {SECTORS} {multipath('rq', 'disk')}")
    load(world, device, f"0 {SECTORS} error")
    suspend(world, device)
    device.resume()
    assert device.table is not None
    assert (device.table.kind, device.kind) == ("request", "request")
    # Nothing is immutable any more; the kind of the device is.
    for words in ("linear disk 0", "zero"):
        assert refused(world, device, f"0 {SECTORS} {words}").startswith("can't change device type (old=2 vs new=1)")
    load(world, device, f"0 {SECTORS} {multipath('mq', 'disk')}")
    suspend(world, device)
    device.resume()
    assert works(world, device)


def test_error_on_a_new_device_is_bio_based():
    world = make_world()
    device = world.mapped("er", f"0 {SECTORS} error")
    assert device.kind == "bio"
    assert refused(world, device, f"0 {SECTORS} {multipath('rq', 'disk')}").startswith(
        "can't change device type (old=1"
    )
    load(world, device, f"0 {SECTORS} {multipath('bio', 'disk')}")
    suspend(world, device)
    device.resume()
    assert works(world, device)


def test_request_based_without_paths_takes_over_a_bio_based_device():
    """Oracle: such a table inherits the kind of the live one, and cannot be refused for its own."""
    world = make_world()
    device = world.mapped("er", f"0 {SECTORS} {multipath('bio', 'disk')}")
    load(world, device, f"0 {SECTORS} {multipath('rq')}")
    suspend(world, device)
    device.resume()
    assert device.table is not None
    assert device.table.kind == "bio"
    assert refused(world, device, f"0 {SECTORS} {multipath('rq', 'disk')}").startswith(
        "can't change device type (old=1"
    )


def test_a_new_device_without_paths_is_what_its_table_says():
    world = make_world()
    device = world.mapped("z", f"0 {SECTORS} {multipath('rq')}")
    assert device.kind == "request"
    assert refused(world, device, f"0 {SECTORS} linear disk 0") == IMMUTABLE
    assert refused(world, device, f"0 {SECTORS} {multipath('bio', 'disk')}").startswith(
        "can't change device type (old=2"
    )
    load(world, device, f"0 {SECTORS} {multipath('rq', 'disk')}")


def test_without_paths_the_earlier_limits_are_kept():
    """What waits for a path was cut to them. Discards and write zeroes are those that the new table's targets offer."""
    world = make_world()
    small = QueueLimits(max_sectors=64, max_discard_sectors=128, max_write_zeroes_sectors=32)
    world.ram_path("small", Store(MIB), limits=small)
    device = world.mapped("top", f"0 {SECTORS} {multipath('rq', 'small')}")
    for words, discards, zeroes in ((multipath("rq"), 128, 32), ("error", 128, 0)):
        load(world, device, f"0 {SECTORS} {words}")
        suspend(world, device)
        device.resume()
        limits = device.limits
        assert (limits.max_sectors, limits.max_discard_sectors, limits.max_write_zeroes_sectors) == (
            64,
            discards,
            zeroes,
        )
        assert device.queue is not None
        assert device.queue.limits == limits


def test_zero_does_not_keep_limits():
    """It does not tell of its devices, so it does not count as a table without any."""
    world = make_world()
    world.ram_path("small", Store(MIB), limits=QueueLimits(max_sectors=64))
    device = world.mapped("top", f"0 {SECTORS} linear small 0")
    tables = [(f"0 {SECTORS} error", 64), ("0 8 error\n8 8 linear small 0", 64), ("0 8 error\n8 8 linear disk 0", 2560)]
    for table, sectors in [*tables, (f"0 {SECTORS} zero", 2560)]:
        load(world, device, table)
        suspend(world, device)
        device.resume()
        assert device.limits.max_sectors == sectors


def test_from_bio_to_request_not_even_before_there_is_a_live_table():
    world = make_world()
    device = MappedDevice("nt", "254:50", world.turn, world.clock, world.timers, world.log)
    load(world, device, f"0 {SECTORS} {multipath('bio', 'disk')}")
    assert refused(world, device, f"0 {SECTORS} {multipath('rq', 'disk')}").startswith(
        "can't change device type (old=1"
    )
    device.clear()
    assert refused(world, device, f"0 {SECTORS} {multipath('rq', 'disk')}").startswith(
        "can't change device type (old=1"
    )
    # Nothing is live, so nothing is immutable.
    load(world, device, f"0 {SECTORS} linear disk 0")
    device.resume()
    assert works(world, device)


def test_two_disks_of_different_kinds_below_request_based():
    world = make_world()
    for pair in (("disk", "lin"), ("disk", "part")):
        with pytest.raises(TableError, match=f"^{UNSTACKABLE}$"):
            world.mapped("top", f"0 {SECTORS} {multipath('rq', *pair)}")
    world.mapped("top", f"0 {SECTORS} {multipath('bio', 'disk', 'lin', 'part', 'mprq')}")
