"""Reloads: the state of the disk and of its paths' caches outlives the table (DESIGN, Hard problems 2 and 9)."""

import pytest
from tests.dm.controls import line, swap

from hawser.block.orphan import PROOF_FLUSHED, PROOF_PEER_GONE
from hawser.core.status import IOERR, OK
from hawser.core.units import NS_PER_S
from hawser.lab.world import Client, Rig, World, make_multipath
from hawser.multipath.disk import PathDevice
from hawser.multipath.state import PathEvents

DATA = b"d" * 4096


class Heard(PathEvents):
    def __init__(self) -> None:
        self.names: list[str] = []

    def device_left(self, device: PathDevice) -> None:
        self.names.append(device.name)


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def make_two_caches(mode: str) -> Rig:
    """Two servers with a cache each; the first has been written through."""
    rig = make_multipath(World(), mode=mode, paths=1, groups=2, cache="path")
    rig.client.write(0, DATA)
    rig.world.settle()
    assert rig.paths[0].device.is_dirty()
    return rig


def test_a_table_that_leaves_a_dirty_cache_out_waits_until_it_is_flushed(mode: str):
    rig = make_two_caches(mode)
    swap(rig, line(rig, [[1]], mode))
    assert not rig.world.disk.fences.active, "nothing has gone another way yet"
    waiting = [rig.client.read(0, 4096), rig.client.write(1600, DATA), rig.client.flush()]
    rig.world.pass_time(NS_PER_S)
    assert not any(bio.finished for bio in waiting)
    assert rig.paths[1].driver.sent == []
    first = rig.paths[0].device
    assert (first.is_left, first.left_behind is not None) == (True, True)
    first.cache_flushed(first.written)
    rig.world.run()
    assert [bio.status for bio in waiting] == [OK] * 3
    assert rig.world.disk.fences.proofs == {PROOF_FLUSHED: 1}
    assert rig.at_rest()


def test_a_table_whose_first_group_is_another_waits_too(mode: str):
    rig = make_two_caches(mode)
    swap(rig, line(rig, [[1], [0]], mode))
    read = rig.client.read(0, 4096)
    rig.world.pass_time(NS_PER_S)
    assert not read.finished
    rig.paths[0].device.cache_flushed(rig.paths[0].device.written)
    rig.world.run()
    assert read.status == OK
    assert rig.at_rest()


def test_a_table_that_goes_on_with_the_same_path_does_not(mode: str):
    rig = make_two_caches(mode)
    swap(rig, line(rig, [[0]], mode))
    rig.client.read(0, 4096)
    flush = rig.client.flush()
    rig.world.run()
    assert flush.status == OK
    assert not rig.paths[0].device.is_dirty()
    assert not rig.paths[0].device.is_left


def test_back_to_a_path_that_was_left_and_flushed(mode: str):
    rig = make_two_caches(mode)
    for group in ([[1]], [[0]]):
        swap(rig, line(rig, group, mode))
        write = rig.client.write(0, DATA)
        rig.world.settle()
        for path in rig.paths:
            if path.device.left_behind is not None:
                path.device.cache_flushed(path.device.written)
        rig.world.run()
        assert write.status == OK
    assert [path.device.is_left for path in rig.paths] == [False, True]
    assert rig.at_rest()


def test_a_cache_that_dies_between_the_tables_puts_its_writes_in_doubt(mode: str):
    rig = make_two_caches(mode)
    swap(rig, line(rig, [[1]], mode))
    rig.paths[0].device.cache_gone(PROOF_PEER_GONE)
    newcomer = Client(rig.device, rig.world.disk)
    flushes = [rig.client.flush(), newcomer.flush()]
    rig.world.run()
    assert [bio.status for bio in flushes] == [IOERR, OK]


def test_the_events_of_a_left_stranger_are_told(mode: str):
    rig = make_two_caches(mode)
    swap(rig, line(rig, [[1]], mode))
    heard = Heard()
    rig.device.table.targets[0].state.events.append(heard)
    rig.client.read(0, 512)
    rig.world.settle()
    assert heard.names == ["p0"]
