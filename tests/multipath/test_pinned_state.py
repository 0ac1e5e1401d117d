"""Pinned by mutants: failing and reinstating seen from the state machine itself, and whose commands a death fences."""

import pytest

from hawser.core.status import OK
from hawser.core.units import NS_PER_MS
from hawser.lab.world import Answer, Client, Rig, World, make_multipath
from hawser.multipath.disk import CACHE_PATH
from hawser.multipath.state import PathState


def make(**options) -> tuple[Rig, PathState]:
    rig = make_multipath(World(), **options)
    return rig, rig.device.table.targets[0].state


def test_failing_a_path_twice_counts_once():
    rig, state = make(paths=3)
    state.fail(state.paths[0], "first")
    state.fail(state.paths[0], "second")
    rig.world.settle()
    assert (state.valid_paths, state.paths[0].fail_count, rig.device.event_nr) == (2, 1, 1)
    assert [path.is_active for path in state.paths] == [False, True, True]


def test_reinstating_says_whether_it_is_the_only_path_and_counts_once():
    rig, state = make(paths=2)
    for path in state.paths:
        state.fail(path, "")
        rig.world.settle()
    assert state.reinstate(state.paths[0])
    rig.world.settle()
    assert not state.reinstate(state.paths[0])
    rig.world.settle()
    assert not state.reinstate(state.paths[1])
    rig.world.settle()
    assert (state.valid_paths, rig.device.event_nr) == (2, 4)


def test_events_that_come_together_are_told_as_one():
    rig, state = make(paths=3)
    heard: list[int] = []
    rig.device.event_hooks.append(lambda: heard.append(rig.device.event_nr))
    for path in state.paths[:2]:
        state.fail(path, "")
    state.reinstate(state.paths[0])
    assert heard == []
    rig.world.settle()
    assert heard == [1]
    state.fail(state.paths[0], "")
    rig.world.settle()
    assert heard == [1, 2]


def test_a_path_of_the_current_group_is_in_use_again_when_it_is_reinstated_and_another_is_not():
    """A late answer of a path that I/O has left fences the disk (PathDevice.late_write); one of a path in use does not."""
    rig, state = make(groups=2, paths=1, cache=CACHE_PATH)
    rig.client.read(0, 512)
    rig.world.run()
    for path in state.paths:
        state.fail(path, "")
        state.reinstate(path)
    assert [path.device.is_left for path in rig.paths] == [False, True]
    rig.paths[0].device.late_write()
    assert not rig.world.disk.fences.active
    rig.paths[1].device.late_write()
    assert rig.world.disk.fences.active


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_death_fences_neither_reads_nor_what_the_living_write(mode: str):
    rig, _ = make(mode=mode)
    other = Client(rig.device, rig.world.disk)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    rig.client.read(0, 512)
    write = other.write(100, bytes(512))
    rig.client.dead = True
    rig.device.cancel_dead()
    assert rig.world.disk.fences.orphans == []
    rig.world.run()
    assert write.status == OK


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_bypassed_groups_are_used_when_there_is_no_other(mode: str):
    rig, _ = make(mode=mode, groups=2, paths=1)
    for message in ("enable_group 1", "disable_group 1", "fail_path 259:1"):
        rig.message(message)
        rig.client.read(0, 512)
        rig.world.run()
    assert [len(path.driver.sent) for path in rig.paths] == [2, 1]
    assert {bio.status for bio in rig.client.done} == {OK}
