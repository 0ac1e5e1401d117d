"""Where ioctls go that neither the block layer nor device mapper answers, and what the integrity measurement records."""

import pytest
from tests.dm.controls import begin_suspend, suspend

from hawser.core.units import MIB
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.passage import IoctlError, passage
from hawser.lab.world import Answer, Store, World, make_multipath

SECTORS = MIB >> 9


@pytest.fixture(params=["rq", "bio", "mq"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def refusal(device: MappedDevice) -> str:
    with pytest.raises(IoctlError) as caught:
        passage(device)
    return caught.value.errno_name


def test_to_the_path_whose_turn_it_is(mode: str):
    """It takes its turn like an I/O, and is neither sent nor counted here."""
    rig = make_multipath(World(), mode=mode)
    went = [passage(rig.device) for _ in range(3)]
    assert [place.device.devt for place in went] == ["259:0", "259:1", "259:0"]
    assert all(place.is_whole for place in went)
    rig.client.read(0, 512)
    rig.world.run()
    assert [len(path.driver.sent) for path in rig.paths] == [0, 1]
    rig.message("fail_path 259:0")
    assert [passage(rig.device).device.devt for _ in range(2)] == ["259:1", "259:1"]


def test_the_group_that_was_asked_for_is_in_use_then(mode: str):
    rig = make_multipath(World(), mode=mode, groups=2, paths=1)
    rig.message("switch_group 2")
    assert passage(rig.device).device.devt == "259:1"
    assert rig.status().split()[8] == "2"


def test_a_map_that_is_shorter_than_its_paths_passes_only_what_the_privileged_ask(mode: str):
    world = World()
    world.ram_path("p0", Store(2 * MIB))
    device = world.mapped("mp", f"0 {SECTORS} multipath 2 queue_mode {mode} 0 1 1 round-robin 0 1 0 259:0")
    assert not passage(device).is_whole


@pytest.mark.parametrize(("features", "errno_name"), [("", "EIO"), ("queue_if_no_path", "ENOTCONN")])
def test_without_a_path(features: str, errno_name: str, mode: str):
    rig = make_multipath(World(), mode=mode, features=features)
    for path in rig.paths:
        rig.message(f"fail_path {path.device.devt}")
    assert refusal(rig.device) == errno_name
    rig.message("reinstate_path 259:1")
    assert passage(rig.device).device.devt == "259:1"


def test_a_flush_suspend_that_is_under_way_does_not_queue_any_more(mode: str):
    rig = make_multipath(World(), mode=mode, features="queue_if_no_path")
    rig.paths[0].driver.script.append(Answer(silent=True))
    rig.client.read(0, 512)
    rig.world.settle()
    for path in rig.paths:
        rig.message(f"fail_path {path.device.devt}")
    begin_suspend(rig.device)
    assert refusal(rig.device) == "EIO"


def test_what_a_suspended_device_or_one_without_a_table_says(mode: str):
    rig = make_multipath(World(), mode=mode)
    suspend(rig.world, rig.device)
    assert refusal(rig.device) == "EAGAIN"
    rig.device.resume()
    assert passage(rig.device).device.devt == "259:0"
    world = rig.world
    assert refusal(MappedDevice("new", "254:9", world.turn, world.clock, world.timers, world.log)) == "ENOTTY"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (f"0 {SECTORS} linear 259:0 0", True),
        (f"0 {SECTORS - 8} linear 259:0 8", False),
        (f"0 {SECTORS - 8} linear 259:0 0", False),
        (f"0 {SECTORS} flakey 259:0 0 1 0", True),
        (f"0 {SECTORS} dust 259:0 0 512", True),
        (f"0 {SECTORS} delay 259:0 0 1", None),
        (f"0 {SECTORS} error", None),
        (f"0 {SECTORS} zero", None),
        (f"0 {SECTORS // 2} linear 259:0 0\n{SECTORS // 2} {SECTORS // 2} linear 259:0 {SECTORS // 2}", None),
    ],
)
def test_which_targets_pass_it_on(table: str, expected: bool | None):
    world = World()
    world.ram_path("p0", Store(MIB))
    device = world.mapped("mp", table)
    if expected is None:
        assert refusal(device) == "ENOTTY"
    else:
        assert (passage(device).device.devt, passage(device).is_whole) == ("259:0", expected)


def test_what_the_integrity_measurement_records(mode: str):
    """Documentation/admin-guide/device-mapper/dm-ima.rst, section 6. Groups and paths count from 0 in it."""
    rig = make_multipath(World(), mode=mode, groups=2, selector="service-time 0")
    rig.message("fail_path 259:1")
    rig.message("disable_group 2")
    rig.client.read(0, 512)
    rig.world.run()
    assert rig.device.table.targets[0].status_ima() == (
        "target_name=multipath,target_version=1.14.0,nr_priority_groups=2,"
        "pg_state_0=A,nr_pgpaths_0=2,path_selector_name_0=service-time,"
        "path_name_0_0=259:0,is_active_0_0=A,fail_count_0_0=0,path_selector_status_0_0=,"
        "path_name_0_1=259:1,is_active_0_1=F,fail_count_0_1=1,path_selector_status_0_1=,"
        "pg_state_1=D,nr_pgpaths_1=2,path_selector_name_1=service-time,"
        "path_name_1_0=259:2,is_active_1_0=A,fail_count_1_0=0,path_selector_status_1_0=,"
        "path_name_1_1=259:3,is_active_1_1=A,fail_count_1_1=0,path_selector_status_1_1=;"
    )
    rig.message("enable_group 2")
    assert ",pg_state_0=E," in rig.device.table.targets[0].status_ima()


def test_of_a_map_without_groups_it_records_that():
    world = World()
    device = world.mapped("mp", f"0 {SECTORS} multipath 0 0 0 0")
    assert device.table.targets[0].status_ima() == "target_name=multipath,target_version=1.14.0,nr_priority_groups=0;"


# What a kernel with `ima_policy=critical_data` had in its list of measurements when these tables were loaded.
RECORDED = [
    (
        "round-robin 0 1 1 254:0 1 service-time 0 2 2 254:0 1 10 254:1 1 20",
        "target_name=multipath,target_version=1.14.0,nr_priority_groups=2,pg_state_0=E,nr_pgpaths_0=1,"
        "path_selector_name_0=round-robin,path_name_0_0=254:0,is_active_0_0=A,fail_count_0_0=0,path_selector_status_0_0=,"
        "pg_state_1=E,nr_pgpaths_1=2,path_selector_name_1=service-time,path_name_1_0=254:0,is_active_1_0=A,"
        "fail_count_1_0=0,path_selector_status_1_0=,path_name_1_1=254:1,is_active_1_1=A,fail_count_1_1=0,"
        "path_selector_status_1_1=;",
    ),
    (
        "round-robin 0 1 1 254:0 1",
        "target_name=multipath,target_version=1.14.0,nr_priority_groups=1,pg_state_0=E,nr_pgpaths_0=1,"
        "path_selector_name_0=round-robin,path_name_0_0=254:0,is_active_0_0=A,fail_count_0_0=0,path_selector_status_0_0=;",
    ),
]


@pytest.mark.parametrize(("groups", "recorded"), RECORDED)
def test_as_linux_6_12_117_has_recorded_it(groups: str, recorded: str):
    world = World()
    world.ram_path("ram0", Store(32 * MIB))
    for number in range(2):
        world.mapped(f"u{number}", "0 65536 linear 259:0 0")
    count = 2 if "service-time" in groups else 1
    device = world.mapped("mp", f"0 65536 multipath 2 queue_mode bio 0 {count} 1 {groups}")
    assert device.table.targets[0].status_ima() == recorded
