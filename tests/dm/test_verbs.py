"""The verbs of dmsetup, byte for byte (transcripts 01, 12, 13, 21, 40)."""

import pytest

from hawser.core.units import MIB
from hawser.dm.dmsetup import brief as verbs
from hawser.dm.dmsetup.brief import VerbError
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.registry import DeviceRegistry
from hawser.lab.world import Store, World


@pytest.fixture
def world() -> World:
    world = World()
    world.ram_path("ram0", Store(32 * MIB))
    world.mapped("lin", "0 65536 linear 259:0 0")
    world.mapped("bad", "0 65536 error")
    world.mapped("two", "0 32768 linear 259:0 0\n32768 32768 linear 259:0 32768")
    return world


def test_ls(world: World):
    assert verbs.ls(world.registry) == "bad\t(254:1)\nlin\t(254:0)\ntwo\t(254:2)\n"
    assert verbs.ls(DeviceRegistry()) == "No devices found\n"


@pytest.mark.parametrize(
    ("name", "table", "status"),
    [
        ("lin", "0 65536 linear 259:0 0\n", "0 65536 linear \n"),
        ("bad", "0 65536 error \n", "0 65536 error \n"),
        ("two", "0 32768 linear 259:0 0\n32768 32768 linear 259:0 32768\n", "0 32768 linear \n32768 32768 linear \n"),
    ],
)
def test_table_and_status_of_one(world: World, name: str, table: str, status: str):
    assert verbs.table(world.registry, name) == table
    assert verbs.status(world.registry, name) == status


def test_table_and_status_of_all_carry_the_names(world: World):
    assert verbs.status(world.registry, None).splitlines()[1] == "lin: 0 65536 linear "
    assert verbs.table(world.registry, None).splitlines()[2:] == [
        "two: 0 32768 linear 259:0 0",
        "two: 32768 32768 linear 259:0 32768",
    ]
    assert verbs.table(DeviceRegistry(), None) == "No devices found\n"


def test_info(world: World):
    assert verbs.info(world.registry, "two") == (
        "Name:              two\n"
        "State:             ACTIVE\n"
        "Read Ahead:        256\n"
        "Tables present:    LIVE\n"
        "Open count:        0\n"
        "Event number:      0\n"
        "Major, minor:      254, 2\n"
        "Number of targets: 2\n"
        "\n"
    )
    world.registry.mapped("two").uuid = "UU-1"
    assert verbs.info(world.registry, "two").endswith("Number of targets: 2\nUUID: UU-1\n\n")
    assert verbs.info(world.registry, None).count("Name:") == 3


def test_a_device_without_a_table(world: World):
    device = MappedDevice("nt", "254:9", world.turn, world.clock, world.timers, world.log)
    world.registry.add(device)
    assert verbs.table(world.registry, "nt") == "\n"
    assert verbs.status(world.registry, "nt") == "\n"
    assert "Tables present:    None\n" in verbs.info(world.registry, "nt")
    with pytest.raises(
        VerbError, match=r"message ioctl on nt  failed: Invalid argument\nCommand failed.\nThe device has no"
    ):
        verbs.message(world.registry, "nt", 0, ["fail_path", "254:0"])


@pytest.mark.parametrize("verb", [verbs.status, verbs.info])
def test_a_device_that_does_not_exist(world: World, verb):
    with pytest.raises(VerbError, match=r"^Device does not exist.\nCommand failed.$"):
        verb(world.registry, "nosuch")


def test_the_table_of_a_device_that_does_not_exist(world: World):
    """40[63]."""
    with pytest.raises(VerbError) as caught:
        verbs.table(world.registry, "nosuch")
    assert str(caught.value) == (
        "device-mapper: table ioctl on nosuch  failed: No such device or address\nCommand failed."
    )


def test_messages_that_find_nobody(world: World):
    with pytest.raises(VerbError) as caught:
        verbs.message(world.registry, "nosuch", 0, ["queue_if_no_path"])
    assert (
        str(caught.value)
        == "device-mapper: message ioctl on nosuch  failed: No such device or address\nCommand failed."
    )
    with pytest.raises(VerbError, match="Target type does not support messages"):
        verbs.message(world.registry, "lin", 0, ["fail_path", "254:0"])


def test_a_name_or_number_is_taken_once(world: World):
    with pytest.raises(ValueError, match="there is a device lin already"):
        world.registry.add(MappedDevice("lin", "254:7", world.turn, world.clock, world.timers, world.log))
    with pytest.raises(ValueError, match="there is a device 254:0 already"):
        world.registry.add(MappedDevice("new", "254:0", world.turn, world.clock, world.timers, world.log))
