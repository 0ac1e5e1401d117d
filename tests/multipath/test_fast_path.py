"""S2-2: while nothing switches, an I/O goes to its path without anything that concerns the whole map (Linux 2da1610ae2).

Linux takes the lock of the target only where a group may change; here nothing is locked, and what the lock guards there is the
slow way through the groups. Two instruments: the counter of slow choices, which compiled and interpreted engines have, and a
profiler that sees every call that an interpreted one makes, those of locks too.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import FrameType

import pytest
from tests.dm.controls import line, swap

from hawser.block.bio import Bio
from hawser.block.ops import READ, WRITE
from hawser.core.status import OK
from hawser.dm.parameters import LINUX_6_12, LINUX_6_16, SEMANTICS
from hawser.lab.world import Rig, World, make_multipath
from hawser.multipath import state as state_module
from hawser.multipath.state import PathState

IOS = 2000
# What concerns the whole map: choosing and entering groups, failing and reinstating, parking, waking whatever waits.
SLOW = {
    "_choose_group", "_choose_in", "_enter", "_leave_group", "_leave_strangers", "_sort_out", "choose_other", "fail", "reinstate",
    "set_bypassed", "switch_group", "raise_event", "kick", "replay", "_schedule_replay", "map_again", "_park", "fences_changed",
    "_release_fenced", "kick_requeued", "wait_for_path",
}  # fmt: skip
LOCKS = {"acquire", "acquire_lock", "release", "__enter__", "__exit__", "allocate_lock"}


class Profile:
    """How often each function was called, by name, the built-in ones too."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def _see(self, frame: FrameType, event: str, arg: object) -> None:
        if event == "call":
            self.calls[frame.f_code.co_name] += 1
        elif event == "c_call":
            self.calls[getattr(arg, "__name__", "")] += 1

    def of(self, work: Callable[[], object]) -> Counter[str]:
        self.calls = Counter()
        sys.setprofile(self._see)
        try:
            work()
        finally:
            sys.setprofile(None)
        return self.calls


def state_of(rig: Rig) -> PathState:
    return rig.device.table.targets[0].state


def submit(rig: Rig, count: int, batch: int = 16) -> None:
    """Reads and writes, so many in a plug, until all are done."""
    for first in range(0, count, batch):
        bios = [
            Bio(READ if number % 2 else WRITE, number % 256 * 8, 4096, rig.client, None if number % 2 else bytes(4096))
            for number in range(first, min(count, first + batch))
        ]
        rig.client.submit(bios)
        rig.world.settle()


def make(mode: str, semantics: str = LINUX_6_12, **options) -> Rig:
    """A map whose first I/O is over: it has chosen the group."""
    world = World()
    world.registry.parameters.set(SEMANTICS, semantics)
    rig = make_multipath(world, mode=mode, groups=2, paths=3, **options)
    submit(rig, 1)
    assert state_of(rig).slow_choices == 1
    return rig


@pytest.mark.parametrize("mode", ["bio", "rq"])
@pytest.mark.parametrize("semantics", [LINUX_6_12, LINUX_6_16])
@pytest.mark.parametrize("selector", ["round-robin 0", "queue-length 0", "service-time 0"])
def test_in_steady_state_no_io_goes_the_slow_way(selector: str, semantics: str, mode: str):
    rig = make(mode, semantics, selector=selector)
    submit(rig, IOS)
    assert state_of(rig).slow_choices == 1
    assert [bio.status for bio in rig.client.done] == [OK] * (IOS + 1)
    assert sum(len(path.driver.sent) for path in rig.paths[:3]) > 1
    assert not any(path.driver.sent for path in rig.paths[3:])


@pytest.mark.parametrize("mode", ["bio", "rq"])
@pytest.mark.parametrize(
    ("message", "slow"),
    [
        ("switch_group 2", 1),
        ("disable_group 1", 1),
        ("enable_group 1", 1),
        ("switch_group 1", 1),
        # The rest of the group is as good as ever.
        ("fail_path 259:0", 0),
        ("queue_if_no_path", 0),
    ],
)
def test_what_switches_costs_one_io_the_slow_way(message: str, slow: int, mode: str):
    rig = make(mode)
    rig.message(message)
    submit(rig, 100)
    assert state_of(rig).slow_choices == 1 + slow


@pytest.mark.parametrize("mode", ["bio", "rq"])
def test_when_a_group_has_no_path_left_the_next_io_finds_another_one(mode: str):
    rig = make(mode)
    for number in range(3):
        rig.message(f"fail_path 259:{number}")
    submit(rig, 100)
    assert state_of(rig).slow_choices == 2


def test_a_new_table_chooses_once_again():
    rig = make("bio")
    swap(rig, line(rig, [[0, 1], [2]], "bio"))
    submit(rig, 100)
    assert state_of(rig).slow_choices == 1


interpreted = pytest.mark.skipif(
    not state_module.__file__.endswith(".py"), reason="a profiler does not see what compiled code calls"
)


@interpreted
@pytest.mark.parametrize("features", ["", "queue_if_no_path"])
def test_in_steady_state_a_bio_takes_no_lock_and_calls_nothing_of_the_whole_map(features: str):
    rig = make("bio", features=features)
    calls = Profile().of(lambda: submit(rig, IOS))
    assert {name: calls[name] for name in SLOW | LOCKS if calls[name]} == {}
    # It does see what there is: one look for a path for each bio, in the map, and one at the selector.
    assert (calls["choose"], calls["select"], calls["map_bio"], calls["end_bio"]) == (IOS, IOS, IOS, IOS)


@interpreted
def test_the_profiler_sees_a_switch_and_a_lock():
    rig = make("bio")
    lock = threading.Lock()

    def switch() -> None:
        rig.message("switch_group 2")
        submit(rig, 1)
        lock.acquire()
        lock.release()

    calls = Profile().of(switch)
    assert [calls[name] for name in ("_choose_group", "_choose_in", "_enter", "_leave_group")] == [1] * 4
    assert calls["raise_event"] > 0
    assert (calls["acquire"], calls["release"]) == (1, 1)


def test_the_engine_knows_no_locks():
    """What a `with` statement takes, a profiler does not see. (tools/check_engine_imports.py looks at the source.)"""
    rooms = tuple(f"hawser.{room}." for room in ("core", "block", "dm", "multipath", "manager"))
    engine = {name: module for name, module in sys.modules.items() if name.startswith(rooms)}
    assert "hawser.multipath.target" in engine
    lock = type(threading.Lock())
    for name, module in engine.items():
        held = [key for key, value in vars(module).items() if value is threading or isinstance(value, lock)]
        assert not held, f"{name}: {held}"


@interpreted
def test_the_calls_of_a_bio_are_as_many_however_many_paths_and_groups_there_are():
    """Round-robin takes the head of a list; no path is looked at that is not used."""
    seen: list[int] = []
    for groups, paths in ((1, 2), (8, 16)):
        rig = make_multipath(World(), mode="bio", groups=groups, paths=paths)
        submit(rig, 1)
        calls = Profile().of(partial(submit, rig, 512, batch=1))
        seen.append(sum(calls.values()))
    assert abs(seen[0] - seen[1]) < 16
