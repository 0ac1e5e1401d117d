"""Flaky paths: one that fails a second time soon after the first is used last before it can fail a third time."""

from dataclasses import replace

import pytest
from tests.dm.controls import line, swap
from tests.manager.marginal_scene import POLICY, US, Scene

from hawser.core.status import TRANSPORT
from hawser.core.units import NS_PER_S

FAST = 200 * US
HOLD_S = POLICY.hold_ns / NS_PER_S


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_second_failure_soon_after_the_first_is_one_too_many(mode: str):
    scene = Scene([FAST, FAST, FAST], mode=mode)
    scene.break_off(1)
    scene.rest(30)
    assert scene.demoted() == "---"
    scene.break_off(1)
    assert scene.demoted() == "-D-"
    assert scene.manager.marginal == {"259:1": "it failed twice within 60 s"}
    assert scene.letters() == "AAA"
    scene.rest(HOLD_S + 1)
    assert scene.demoted() == "---"


def test_it_does_not_carry_io_between_its_reinstatement_and_that(mode: str):
    scene = Scene([FAST, FAST], mode=mode)
    scene.break_off(1)
    scene.load(0.1)
    scene.session_lost(1, "cut")
    sent = list(scene.paths[1].driver.sent)
    scene.load(0.2)
    assert scene.letters() == "AA"
    # The probe's read.
    assert len(scene.paths[1].driver.sent) == len(sent) + 1


def test_failures_far_apart_are_forgiven(mode: str):
    scene = Scene([FAST, FAST], mode=mode)
    for _ in range(4):
        scene.break_off(1)
        scene.rest(61)
    assert scene.demoted() == "--"


def test_a_users_failures_do_not_count(mode: str):
    scene = Scene([FAST, FAST], mode=mode)
    for _ in range(4):
        scene.message("fail_path 259:1")
        scene.rest(1)
        scene.message("reinstate_path 259:1")
    assert scene.demoted() == "--"


def test_each_failure_while_it_is_demoted_starts_its_time_anew(mode: str):
    scene = Scene([FAST, FAST], mode=mode)
    scene.break_off(1)
    scene.break_off(1)
    for _ in range(4):
        scene.rest(HOLD_S - 1)
        scene.break_off(1)
        assert scene.demoted() == "-D"
    scene.rest(HOLD_S + 1)
    assert scene.demoted() == "--"
    scene.break_off(1)
    assert scene.demoted() == "-D", "once more within the time of two"


def test_the_only_path_is_judged_when_there_is_another(mode: str):
    scene = Scene([FAST, FAST], mode=mode)
    scene.delay(0, 0, TRANSPORT)
    scene.session_lost(0, "cut")
    scene.break_off(1)
    scene.break_off(1)
    assert scene.demoted() == "--"
    scene.delay(0, FAST)
    scene.rest(2)
    assert (scene.letters(), scene.demoted()) == ("AA", "-D")


def test_when_both_are_flaky_one_is_used_as_before(mode: str):
    scene = Scene([FAST, FAST], mode=mode)
    for _ in range(2):
        scene.session_lost(0, "cut")
        scene.session_lost(1, "cut")
        scene.rest(1)
    assert scene.letters() == "AA"
    assert sorted(scene.demoted()) == ["-", "D"]


def test_two_paths_over_one_device_fail_once():
    scene = Scene([FAST, FAST])
    swap(scene.rig, line(scene.rig, [[0, 1], [0, 1]], "rq"))
    scene.break_off(1)
    assert scene.demoted() == "----"
    scene.break_off(1)
    assert scene.demoted() == "-D-D"
    scene.rest(HOLD_S + 1)
    assert scene.demoted() == "----"


def test_failures_can_be_of_no_interest():
    scene = Scene([FAST, FAST], replace(POLICY, double_failed_ns=0))
    for _ in range(4):
        scene.break_off(1)
    assert scene.demoted() == "--"
