"""The story of the demonstration: every kind of failure is in it, everything is undone, and it scales."""

import pytest

from hawser.service.demo_story import FAIL, PATHS, PLUG, PULL, REINSTATE, UNDOES, Scene, tell

DEVTS = ["259:0", "259:1", "259:2", "259:3"]


@pytest.mark.parametrize("seconds", [1.0, 3.0, 20.0, 600.0])
def test_scenes_are_in_order_and_within_the_time(seconds: float):
    times = [scene.at_s for scene in tell(seconds)]
    assert times == sorted(times)
    assert seconds * 0.05 < times[0]
    assert times[-1] < seconds * 0.95


def test_one_two_and_all_paths_fail_by_cable_and_by_hand():
    failures = {(scene.action, len(scene.paths)) for scene in tell(20)}
    assert {(PULL, 1), (PULL, 2), (PULL, PATHS), (FAIL, 1)} <= failures
    assert {index for scene in tell(20) if scene.action == PULL for index in scene.paths} == set(range(PATHS))


def test_what_is_done_is_undone_and_nothing_twice():
    done: set[tuple[str, int]] = set()
    for scene in tell(20):
        for index in scene.paths:
            if scene.action in UNDOES:
                done.remove((UNDOES[scene.action], index))
            else:
                assert (scene.action, index) not in done
                done.add((scene.action, index))
    assert not done


def test_without_any_path_is_a_tenth_of_the_time_and_only_once():
    down: set[int] = set()
    dark: list[float] = []
    for scene in tell(20):
        was_dark = len(down) == PATHS
        (down.difference_update if scene.action in UNDOES else down.update)(scene.paths)
        if (len(down) == PATHS) != was_dark:
            dark.append(scene.at_s)
    assert [round(moment, 6) for moment in dark] == [10.8, 12.8]


@pytest.mark.parametrize(
    ("action", "paths", "text"),
    [
        (PULL, (0,), "259:0 pulled"),
        (PLUG, (1, 3), "259:1 and 259:3 plugged in again"),
        (PULL, (0, 1, 2, 3), "all 4 paths pulled: I/O waits, nothing fails"),
        (FAIL, (2,), "message mpatha 0 fail_path 259:2"),
        (REINSTATE, (2,), "message mpatha 0 reinstate_path 259:2"),
    ],
)
def test_a_scene_says_what_happens(action: str, paths: tuple[int, ...], text: str):
    assert Scene(0.0, action, paths).text(DEVTS) == text
