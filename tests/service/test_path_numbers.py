"""Numbers and names of paths, over all disks of a process."""

from hawser.dm.registry import DeviceRegistry
from hawser.lab.world import World, make_multipath
from hawser.service.path_numbers import PathNumbers


def test_a_number_is_given_out_once():
    numbers = PathNumbers(DeviceRegistry())
    assert [numbers.reserve(2), numbers.reserve(0), numbers.reserve(1), numbers.reserve(1)] == [0, 2, 2, 3]


def test_a_number_that_a_device_of_this_machine_has_is_passed_over():
    # Its paths are 259:0 and 259:1.
    rig = make_multipath(World())
    known = DeviceRegistry()
    known.add(rig.paths[1].device)
    numbers = PathNumbers(known)
    first = numbers.reserve(3)
    assert numbers.devt("8:16", first, []) == "8:16"
    assert numbers.devt("", first, []) == "259:0"
    assert numbers.devt("", first + 1, []) == "259:3"
    # Two paths over one block device: one of them has its number.
    assert numbers.devt("259:1", first + 2, []) == "259:2"
    assert numbers.devt("259:0", first + 2, [rig.paths[0].device]) == "259:2"
    assert numbers.devt("259:0", first, [rig.paths[0].device]) == "259:4"


def test_a_name_that_is_taken_gets_a_number():
    rig = make_multipath(World())
    known = DeviceRegistry()
    known.add(rig.paths[0].device)
    numbers = PathNumbers(known)
    name, other = rig.paths[0].device.name, rig.paths[1].device.name
    assert numbers.name(name, 7, []) == f"{name} (path 7)"
    assert numbers.name(other, 7, []) == other
    assert numbers.name(other, 7, [rig.paths[1].device]) == f"{other} (path 7)"
