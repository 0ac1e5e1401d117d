"""`dmsetup create --concise`: several devices in one word."""

import pytest

from hawser.dm.control import Control
from hawser.dm.dmsetup.call import Surroundings
from hawser.dm.dmsetup.change import split_concise
from hawser.dm.dmsetup.program import Answer, dmsetup
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.world import Store, World


def create(word: str) -> tuple[World, Answer]:
    world = World()
    world.ram_path("d0", Store(1 << 20))

    def make(name: str, devt: str) -> MappedDevice:
        return MappedDevice(name, devt, world.turn, world.clock, world.timers, world.log)

    control = Control(world.registry, world.log, make)
    answer = Answer()
    for condition in dmsetup(control, Surroundings(control), ["create", "--concise", word], "", answer):
        world.settle()
        assert condition.ready()
    return world, answer


@pytest.mark.parametrize(
    ("word", "devices"),
    [
        ("", []),
        ("a", [["a"]]),
        ("a,,,,0 8 zero", [["a", "", "", "", "0 8 zero"]]),
        ("a,  u,\t3, ro,  0 8 zero", [["a", "u", "3", "ro", "0 8 zero"]]),
        ("a,,,,0 8 zero,8 8 error", [["a", "", "", "", "0 8 zero\n8 8 error"]]),
        ("a,,,,0 8 zero;  b,,,,0 8 error", [["a", "", "", "", "0 8 zero"], ["b", "", "", "", "0 8 error"]]),
        ("a,,,,0 8 zero;", [["a", "", "", "", "0 8 zero"]]),
        ("a\\,b,,,,0 8 zero", [["a,b", "", "", "", "0 8 zero"]]),
        ("a\\", [["a"]]),
        ("\\", [[""]]),
    ],
)
def test_fields_are_cut_at_commas_and_devices_at_semicolons(word: str, devices: list[list[str]]) -> None:
    assert split_concise(word) == devices


def test_each_device_is_made_with_all_its_lines() -> None:
    world, answer = create("one,U,7,ro,0 8 zero,8 8 linear 259:0 0;two,,,,0 8 error")
    one, two = world.registry.mapped("one"), world.registry.mapped("two")
    assert (answer.rc, one is not None, two is not None) == (0, True, True)
    assert one is not None
    assert one.table is not None
    assert (one.uuid, one.devt, one.read_only) == ("U", "254:7", True)
    assert [target.type_name for target in one.table.targets] == ["zero", "linear"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("a", "Parsed 1 fields: name: a uuid: (null) minor: (null) flags: (null) table: (null)"),
        ("a,U,1", "Parsed 3 fields: name: a uuid: U minor: 1 flags: (null) table: (null)"),
        ("a,U,1,rw", "Parsed 4 fields: name: a uuid: U minor: 1 flags: rw table: (null)"),
        ("a,U,1,rw,", "Parsed 5 fields: name: a uuid: U minor: 1 flags: rw table: "),
        (
            "a,,,,0 8 zero\\",
            "Backslash must be followed by another character at end of string.\nParsed 5 fields: name: a ",
        ),
        ("\\", "at end of string.\nParsed 1 fields: name:  uuid: (null) minor: (null) flags: (null) table: (null)"),
        (
            "a,,,,0 8 zero\\;",
            "Incomplete entry: five comma-separated fields are required for each device\nParsed 5 fields: ",
        ),
        (
            "a,,,,0 8 zero\\\\",
            "Incomplete entry: five comma-separated fields are required for each device\nParsed 5 fields: ",
        ),
        ("a,,,r,0 8 zero", "Invalid flags parameter 'r' must be 'ro' or 'rw' or empty."),
    ],
)
def test_what_is_missing_is_named(word: str, said: str) -> None:
    world, answer = create(word)
    assert (answer.rc, world.registry.all_mapped()) == (1, [])
    assert said in answer.stderr
