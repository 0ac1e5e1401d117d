"""Where on the array the sectors of a device lie, worked out from the tables alone; and plans with fewer devices."""

import pytest

from hawser.block.ops import WRITE
from hawser.lab.draw import draw_plan
from hawser.lab.plan import ClientPlan, DevicePlan, Op, PathPlan, Plan, ServerPlan
from hawser.lab.plan_file import check
from hawser.lab.run import Run
from hawser.lab.shrink_devices import plans_with_fewer_devices
from hawser.lab.stacks import (
    Places,
    StackError,
    devices_above,
    devices_beside,
    leads_to_path,
    longest_delay_ns,
    top_name,
)
from hawser.lab.world import Client, Store, World

SIZE = 16
MAP = f"0 {SIZE} multipath 1 queue_if_no_path 0 1 1 round-robin 0 1 0 {{p0}}"
SECOND = DevicePlan("mpathb", [MAP.replace("{p0}", "{p1}")])


def plan_with(*above: DevicePlan, **more) -> Plan:
    """A map over p0 of disk 0; p1 leads to disk 1."""
    return Plan(
        size_sectors=SIZE,
        luns=2,
        tables=[MAP],
        servers=[ServerPlan()],
        paths=[PathPlan(0), PathPlan(0, lun=1)],
        above=list(above),
        **more,
    )


TABLES = [
    ("0 16 linear {mpatha} 0", [(sector,) for sector in range(16)]),
    ("0 4 linear {mpatha} 12\n4 4 linear {mpatha} 0", [(n,) for n in (12, 13, 14, 15, 0, 1, 2, 3)]),
    ("0 8 delay {mpatha} 8 5", [(n,) for n in range(8, 16)]),
    ("0 8 striped 2 2 {mpatha} 0 {mpathb} 4", [(n,) for n in (0, 1, 20, 21, 2, 3, 22, 23)]),
    ("0 4 raid1 2 {mpatha} 2 {mpathb} 8", [(2, 24), (3, 25), (4, 26), (5, 27)]),
    ("0 16 multipath 0 0 1 1 round-robin 0 2 0 {mpatha} {mpatha}", [(sector,) for sector in range(16)]),
]


@pytest.mark.parametrize(("table", "places"), TABLES)
def test_where_sectors_lie(table: str, places: list[tuple[int, ...]]):
    plan = plan_with(SECOND, DevicePlan("top", [table]))
    found = Places(plan)
    assert found.top() == places
    assert found.size_sectors() == len(places)
    for sector, lie in enumerate(places):
        for place in lie:
            assert found.sector_of(place) == sector
    assert found.sector_of(31) == -1


@pytest.mark.parametrize(("table", "places"), TABLES)
def test_the_engine_puts_them_there(table: str, places: list[tuple[int, ...]]):
    """Sector by sector, over disks of RAM."""
    world = World()
    stores = [Store(SIZE * 512), Store(SIZE * 512)]
    words = {f"{{p{lun}}}": world.ram_path(f"p{lun}", store).device.devt for lun, store in enumerate(stores)}

    def make(name: str, text: str):
        for word, devt in words.items():
            text = text.replace(word, devt)
        device = world.mapped(name, text)
        words[f"{{{name}}}"] = device.devt
        return device

    make("mpatha", MAP)
    make("mpathb", SECOND.tables[0])
    client = Client(make("top", table))
    for sector in range(len(places)):
        client.write(sector, bytes([sector + 1]) * 512)
    world.run()
    assert all(bio.op == WRITE and bio.status == 0 for bio in client.done)
    seen = {lun * SIZE + n: store.data[n * 512] for lun, store in enumerate(stores) for n in range(SIZE)}
    expected = {place: sector + 1 for sector, lie in enumerate(places) for place in lie}
    assert {place: value for place, value in seen.items() if value} == expected


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("0 16 linear {nosuch} 0", "nosuch has no sectors"),
        ("0 16 linear {mpatha} 8", "mpatha has 16 sectors"),
        ("0 16 linear {p7} 0", "there is no p7"),
        ("0 16 linear 259:0 0", "259:0 stands for no device"),
        ("0 16 zero", "nobody knows where the sectors of zero lie"),
        ("0 16 linear {top} 0", "top has 0 sectors"),
        ("0 16", "'0 16' of top"),
    ],
)
def test_a_table_of_which_nobody_can_tell_is_refused(table: str, wrong: str):
    with pytest.raises(StackError, match=wrong):
        Places(plan_with(DevicePlan("top", [table])))


def test_a_client_of_another_device_has_its_sectors_moved():
    moved = Places(plan_with(DevicePlan("half", ["0 8 linear {mpatha} 8"]), top="mpatha"))
    assert (moved.shift("half"), moved.shift("mpatha"), moved.shift("")) == (8, 0, 0)
    twisted = Places(plan_with(DevicePlan("twisted", ["0 8 linear {mpatha} 8\n8 8 linear {mpatha} 0"]), top="mpatha"))
    with pytest.raises(StackError, match="twisted has its sectors in another order than mpatha"):
        twisted.shift("twisted")


def test_the_short_words_for_stacks():
    plan = plan_with(stack="split-above")
    (upper,) = devices_above(plan)
    assert (upper.name, upper.tables) == ("upper", ["0 8 linear {mpatha} 0\n8 8 linear {mpatha} 8"])
    assert top_name(plan) == "upper"
    assert Places(plan).top() == [(sector,) for sector in range(16)]
    assert top_name(plan_with()) == "mpatha"


def test_what_is_asked_about_devices():
    plan = plan_with(SECOND, DevicePlan("top", ["0 8 delay {mpatha} 0 5 {mpatha} 8 30"]))
    assert [device.name for device in devices_beside(plan)] == ["mpathb", "top"]
    assert [leads_to_path(plan, name) for name in ("mpatha", "mpathb", "top")] == [True, True, False]
    assert longest_delay_ns(plan) == 30_000_000


# Fewer devices.


def test_without_its_devices_a_plan_can_still_be_played():
    """Each candidate of the shrinker is a plan, and makes sense."""
    tried = 0
    for seed in range(60):
        plan = draw_plan(seed)
        if not plan.above and not plan.below:
            assert plans_with_fewer_devices(plan) == []
            continue
        for candidate in plans_with_fewer_devices(plan):
            assert len(devices_beside(candidate)) <= len(devices_beside(plan))
            assert candidate != plan
            check(candidate)
            tried += 1
    assert tried > 50


def test_what_stood_on_a_device_that_is_gone_stands_on_what_it_stood_on():
    plan = plan_with(
        DevicePlan("slow", ["0 16 delay {mpatha} 0 5"]),
        DevicePlan("top", ["0 16 linear {slow} 0"]),
        clients=[ClientPlan("0", [Op("write", 3, 2), Op("read", 3, 2)])],
    )
    plan.luns, plan.paths = 1, plan.paths[:1]
    found = plans_with_fewer_devices(plan)
    assert any(not candidate.above for candidate in found)
    below = [candidate for candidate in found if [device.name for device in candidate.above] == ["top"]]
    assert below[0].above[0].tables == ["0 16 linear {mpatha} 0"]
    plainer = [candidate for candidate in found if len(candidate.above) == 2]
    assert plainer[0].above[0].tables == ["0 16 linear {mpatha} 0"]
    for candidate in found:
        assert not Run(candidate).go().faults
