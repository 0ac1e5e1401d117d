"""Paths that are up and idle are asked, so that their end is noticed before a client's I/O needs them."""

import pytest
from tests.dm.controls import line, swap
from tests.manager.marginal_scene import US, Scene

from hawser.core.status import IOERR, TIMEOUT
from hawser.core.units import NS_PER_S
from hawser.lab.world import Answer
from hawser.manager.keepalive import FACTOR_MAX
from hawser.manager.policy import KEEPALIVE_NS, MarginalPolicy

EVERY_S = KEEPALIVE_NS // NS_PER_S
FAST = 200 * US


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def make(mode: str = "rq", paths: int = 2, **options) -> Scene:
    quiet = MarginalPolicy(factor=0, double_failed_ns=0)
    return Scene([FAST] * paths, quiet, keepalive_ns=KEEPALIVE_NS, mode=mode, **options)


def asked(scene: Scene, number: int = 0) -> int:
    return len(scene.paths[number].driver.sent)


def test_an_idle_path_is_asked_ever_more_seldom_up_to_a_limit(mode: str):
    scene = make(mode)
    times = []
    for second in range(80):
        before = asked(scene)
        scene.rest(1)
        if asked(scene) > before:
            times.append(second + 1)
    assert times == [EVERY_S * ticks for ticks in (1, 3, 7, 11, 15)]
    assert FACTOR_MAX == 4
    assert scene.letters() == "AA"


def test_a_path_that_answers_io_is_not_asked(mode: str):
    scene = make(mode)
    for _ in range(30):
        scene.client.read(0, 512)
        scene.world.settle()
        scene.client.read(16, 512)
        scene.rest(1)
    assert asked(scene) == 30
    assert scene.manager._keepalive is not None and scene.manager._keepalive.checks == 0


def test_a_check_that_fails_fails_the_path_and_says_why(mode: str):
    scene = make(mode, paths=3)
    scene.delay(1, NS_PER_S, TIMEOUT)
    scene.rest(EVERY_S + 1.01)
    assert scene.letters() == "AFA"
    assert scene.said("259:1 (p1): check: read of 4096 bytes at sector 0: timeout error")
    scene.delay(1, FAST)
    scene.rest(1)
    assert scene.letters() == "AAA"
    before = asked(scene, 1)
    # (The read that found it up counts as a sign of life.)
    scene.rest(2 * EVERY_S)
    assert asked(scene, 1) == before + 1, "from the shortest interval on again"


def test_a_path_that_does_not_answer_is_asked_once():
    scene = make()
    scene.silence(0)
    scene.rest(20 * EVERY_S)
    assert asked(scene) == 1
    assert scene.letters() == "AA", "its driver will give up"


def test_an_error_that_is_an_answer_is_an_answer(mode: str):
    scene = make(mode)
    for path in scene.paths:
        path.driver.answers_are_final = True
    scene.delay(0, FAST, IOERR)
    scene.rest(20 * EVERY_S)
    assert asked(scene) > 1 and scene.letters() == "AA"
    scene.paths[1].driver.answers_are_final = False
    scene.delay(1, FAST, IOERR)
    scene.rest(FACTOR_MAX * EVERY_S)
    assert scene.letters() == "AF"


def test_all_paths_over_the_device_fail(mode: str):
    scene = make(mode)
    swap(scene.rig, line(scene.rig, [[0, 1], [1, 0]], mode))
    scene.paths[1].driver.default = Answer(TIMEOUT)
    scene.rest(EVERY_S)
    assert scene.letters() == "AF"
    assert [path.is_active for path in scene.manager.target.state.paths] == [True, False, False, True]


def test_a_failed_path_is_the_managers(mode: str):
    scene = make(mode)
    scene.message("fail_path 259:0")
    scene.rest(20 * EVERY_S)
    assert asked(scene) == 0


def test_without_a_multipath_target_nobody_asks():
    scene = make()
    swap(scene.rig, f"0 {scene.rig.device.size_sectors} error")
    scene.rest(20 * EVERY_S)
    assert asked(scene) == 0
    swap(scene.rig, line(scene.rig, [[0, 1]], "rq"))
    scene.rest(EVERY_S)
    assert asked(scene) == 1


def test_an_idle_path_that_swallows_everything_is_used_last_before_anybody_needs_it():
    """With the shipped policy: long before its driver gives up."""
    scene = Scene([FAST] * 3, keepalive_ns=KEEPALIVE_NS)
    scene.rest(EVERY_S + 1)
    scene.silence(1)
    scene.rest(2 * EVERY_S + 4)
    assert scene.demoted() == "-D-"
