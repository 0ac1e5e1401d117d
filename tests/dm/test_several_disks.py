"""A device over several disks: what one of them has lost before a client came is not that client's loss, and what it loses
later is, whichever of them it is."""

import pytest

from hawser.core.status import IOERR, OK
from hawser.core.units import MIB
from hawser.dm.disks import disks_below
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.table import parse_lines
from hawser.lab.world import Client, Store, World
from hawser.multipath.disk import SharedDisk

DISKS = 2
ABOVE = {
    "striped": "0 2048 striped 2 8 mp0 0 mp1 0",
    "linear": "0 1024 linear mp0 0\n1024 1024 linear mp1 0",
    "raid1": "0 1024 raid1 2 mp0 0 mp1 0",
}


class Fleet:
    """`mp0` and `mp1` are maps of a path each, to disks of their own; `top` stands on both."""

    def __init__(self, above: str, mode: str) -> None:
        self.world = World()
        self.disks: list[SharedDisk] = []
        for number in range(DISKS):
            self.world.disk = SharedDisk(f"disk{number}", self.world.log)
            self.disks.append(self.world.disk)
            self.world.ram_path(f"d{number}", Store(MIB), 64)
            words = f"2 queue_mode {mode} 0 1 1 round-robin 0 1 0 259:{number}"
            self.world.mapped(f"mp{number}", f"0 2048 multipath {words}")
        self.top: MappedDevice = self.world.mapped("top", ABOVE[above])

    def client(self) -> Client:
        """Who opens `top` now."""
        client = Client(self.top)
        for disk in disks_below(self.top):
            client.open_disk(disk)
        return client

    def flush(self, client: Client) -> int:
        bio = client.flush()
        self.world.run()
        assert bio.finished
        return bio.status

    def legs(self) -> str:
        return self.top.live_targets()[0].status_info().rpartition(" ")[2]


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("lossy", range(DISKS))
@pytest.mark.parametrize("above", ABOVE)
def test_what_a_disk_has_lost_before_is_nothing_to_who_comes_later(above: str, mode: str, lossy: int):
    """There was one number for all disks, the first one's: a second disk that had ever been in doubt failed every flush."""
    fleet = Fleet(above, mode)
    fleet.disks[lossy].cast_doubt("test")
    client = fleet.client()
    client.write(0, b"x" * 4096)
    assert fleet.flush(client) == OK
    if above == "raid1":
        assert fleet.legs() == "AA"


@pytest.mark.parametrize("lossy", range(DISKS))
@pytest.mark.parametrize("above", ["striped", "linear"])
def test_what_any_of_them_loses_later_fails_the_flushes_of_those_who_were_there(above: str, mode: str, lossy: int):
    fleet = Fleet(above, mode)
    # As many doubts in one as there will be in the other: they are not to be taken for each other's.
    fleet.disks[1 - lossy].cast_doubt("test")
    client = fleet.client()
    fleet.disks[lossy].cast_doubt("test")
    assert [fleet.flush(client), fleet.flush(client)] == [IOERR, IOERR]
    assert fleet.flush(fleet.client()) == OK


@pytest.mark.parametrize("lossy", range(DISKS))
def test_a_mirror_goes_on_without_the_leg_that_lost_something(mode: str, lossy: int):
    fleet = Fleet("raid1", mode)
    client = fleet.client()
    fleet.disks[lossy].cast_doubt("test")
    assert fleet.flush(client) == OK
    assert fleet.legs() == ("FA", "AF")[lossy]


def test_a_disk_that_a_later_table_brings_owes_nothing_to_those_who_are_there(mode: str):
    """Of the time before it came nothing is known: it counts as lost."""
    fleet = Fleet("linear", mode)
    only_first = fleet.world.mapped("other", "0 1024 linear mp0 0")
    client = Client(only_first)
    for disk in disks_below(only_first):
        client.open_disk(disk)
    fleet.disks[1].cast_doubt("test")
    only_first.load(parse_lines("0 1024 linear mp1 0"), fleet.world.registry)
    assert not only_first.resume()
    fleet.world.run()
    assert fleet.flush(client) == IOERR
    newcomer = Client(only_first)
    for disk in disks_below(only_first):
        newcomer.open_disk(disk)
    assert fleet.flush(newcomer) == OK


def test_the_disks_below_are_told_each_once(mode: str):
    fleet = Fleet("striped", mode)
    assert disks_below(fleet.top) == fleet.disks
    both = fleet.world.mapped("both", "0 1024 linear mp0 0\n1024 1024 linear top 0")
    assert disks_below(both) == fleet.disks
    above = fleet.world.mapped("above", "0 1024 multipath 2 queue_mode bio 0 1 1 round-robin 0 1 0 both")
    assert disks_below(above) == fleet.disks
    assert disks_below(fleet.world.mapped("nothing", "0 1024 zero")) == []
