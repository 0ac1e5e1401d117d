"""Control of mapped devices: names, uuids, numbers, removal now or later, and what the kernel's log says of refusals."""

import pytest

from hawser.dm.control import Control
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.registry import DeviceRegistry
from hawser.dm.suspension import ControlError
from hawser.dm.table import parse_lines
from hawser.lab.world import Store, World

MIB = 1 << 20


class Desk:
    """Control over devices of a laboratory's world, with one disk 259:0."""

    def __init__(self) -> None:
        self.world = World()
        self.world.ram_path("d0", Store(MIB))
        self.control = Control(self.world.registry, self.world.log, self._make)

    def _make(self, name: str, devt: str) -> MappedDevice:
        world = self.world
        return MappedDevice(name, devt, world.turn, world.clock, world.timers, world.log)

    def live(self, name: str, table: str) -> MappedDevice:
        device = self.control.create(name, "")
        self.control.load(device, parse_lines(table))
        device.resume()
        return device

    def errno(self, verb: str, *words: object) -> str:
        with pytest.raises(ControlError) as caught:
            getattr(self.control, verb)(*words)
        return caught.value.errno_name

    def logged(self) -> list[str]:
        lines = [line for _, line in self.world.log.lines]
        self.world.log.lines.clear()
        return lines


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_lowest_free_minor_is_taken(desk: Desk) -> None:
    numbers = [desk.control.create(name, "").devt for name in ("a", "b", "c")]
    assert numbers == ["254:0", "254:1", "254:2"]
    desk.control.remove(desk.world.registry.mapped("b"))  # type: ignore[arg-type]
    assert desk.control.create("d", "").devt == "254:1"
    assert desk.control.create("e", "", 7).devt == "254:7"
    assert desk.errno("create", "f", "", 7) == "ENXIO"


@pytest.mark.parametrize(
    ("name", "uuid", "errno", "line"),
    [
        ("a", "", "EBUSY", []),
        ("x", "U", "EBUSY", []),
        ("", "", "EINVAL", ["ioctl: name not supplied when creating device"]),
        ("a/b", "", "EINVAL", ["ioctl: device name cannot contain '/'"]),
        ("..", "", "EINVAL", ['ioctl: device name cannot be "control", ".", or ".."']),
    ],
)
def test_a_device_that_cannot_be_made(desk: Desk, name: str, uuid: str, errno: str, line: list[str]) -> None:
    desk.control.create("a", "U")
    assert desk.errno("create", name, uuid) == errno
    assert desk.logged() == line


def test_names_and_uuids_change(desk: Desk) -> None:
    device = desk.control.create("a", "")
    desk.control.create("b", "V")
    assert desk.control.rename("a", "c") is device
    assert desk.world.registry.mapped("c") is device
    assert desk.world.registry.mapped("a") is None
    assert desk.errno("rename", "c", "b") == "EBUSY"
    assert desk.errno("rename", "nobody", "n") == "ENXIO"
    desk.control.set_uuid("c", "U")
    assert desk.errno("set_uuid", "c", "W") == "EINVAL"
    assert desk.errno("set_uuid", "b", "U") == "EBUSY"
    assert desk.logged()[-2:] == [
        "ioctl: Unable to change uuid of mapped device c to W because uuid is already set to U",
        "ioctl: Unable to change uuid on mapped device b to one that already exists: U",
    ]


@pytest.mark.parametrize("uuid", ["", "u" * 129])
def test_a_uuid_that_is_none(desk: Desk, uuid: str) -> None:
    device = desk.control.create("a", "")
    assert desk.errno("set_uuid", "a", uuid) == "EINVAL"
    assert (device.uuid, desk.logged()) == ("", ["ioctl: Invalid new mapped device name or uuid string supplied."])


def test_what_is_open_is_not_removed_but_may_be_later(desk: Desk) -> None:
    below = desk.live("below", "0 100 linear 259:0 0")
    above = desk.live("above", "0 100 linear 254:0 0")
    assert desk.errno("remove", below) == "EBUSY"
    assert desk.control.remove(below, deferred=True) is False
    desk.control.reap()
    assert desk.world.registry.mapped("below") is below
    assert desk.control.remove(above) is True
    desk.control.reap()
    assert desk.world.registry.all_mapped() == []


def test_a_deferred_removal_may_be_cancelled(desk: Desk) -> None:
    device = desk.live("a", "0 100 linear 259:0 0")
    device.open_count = 1
    desk.control.remove(device, deferred=True)
    assert desk.control.message(device, 0, ["@cancel_deferred_remove"]) == ""
    device.open_count = 0
    desk.control.reap()
    assert desk.world.registry.mapped("a") is device


def test_remove_all_leaves_what_is_open(desk: Desk) -> None:
    kept = desk.live("kept", "0 100 linear 259:0 0")
    desk.live("under", "0 100 linear 259:0 0")
    desk.live("over", "0 100 linear 254:1 0")
    kept.open_count = 1
    desk.control.remove_all()
    assert desk.world.registry.all_mapped() == [kept]
    assert desk.logged() == ["ioctl: remove_all left 1 open device(s)"]


def test_a_table_that_is_refused_is_logged_and_changes_nothing(desk: Desk) -> None:
    device = desk.control.create("a", "")
    assert desk.errno("load", device, parse_lines("0 100 linear 9:9 0")) == "ENXIO"
    assert desk.logged() == [
        "table: 254:0: linear: Device lookup failed (-ENXIO)",
        "ioctl: error adding target to table",
    ]
    assert desk.errno("load", device, []) == "EINVAL"
    assert device.inactive is None


@pytest.mark.parametrize(
    ("sector", "words", "line"),
    [
        (0, [], "ioctl: Empty message received."),
        (100, ["x"], "ioctl: Target message sector outside device."),
        (0, ["x"], "ioctl: Target type does not support messages"),
        (0, ["@no"], "ioctl: Unsupported message sent to DM core: @no"),
    ],
)
def test_a_message_that_nobody_takes(desk: Desk, sector: int, words: list[str], line: str) -> None:
    device = desk.live("a", "0 100 linear 259:0 0")
    assert desk.errno("message", device, sector, words) == "EINVAL"
    assert desk.logged() == [line]


def test_without_a_maker_there_are_no_new_devices() -> None:
    with pytest.raises(ControlError):
        Control(DeviceRegistry()).create("a", "")
