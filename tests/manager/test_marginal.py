"""Slow and flaky paths: who is used last, since when, and when that is over."""

from dataclasses import replace

import pytest
from tests.dm.controls import line, swap
from tests.manager.marginal_scene import POLICY, US, Scene

from hawser.block.ops import FLUSH
from hawser.core.status import IOERR, OK, TRANSPORT
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer
from hawser.manager.marginal import OWN_CACHE_FACTOR, TRIALS_GOOD
from hawser.multipath.disk import CACHE_PATH

FAST = 200 * US
SLOW = 50 * FAST
AFTER_S = POLICY.after_ns / NS_PER_S
TICK_S = POLICY.tick_ns / NS_PER_S
HOLD_S = POLICY.hold_ns / NS_PER_S


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


# Slow.


@pytest.mark.parametrize("write", [False, True])
def test_a_slow_path_is_used_last_after_the_stated_time(mode: str, write: bool):
    scene = Scene([FAST, SLOW, FAST, FAST], mode=mode)
    scene.load(AFTER_S - TICK_S, write=write)
    assert scene.demoted() == "----"
    scene.load(2 * TICK_S, write=write)
    assert scene.demoted() == "-D--"
    sent = len(scene.paths[1].driver.sent)
    scene.client.done.clear()
    scene.load(TICK_S, write=write)
    # One trial read, and no client's I/O.
    assert len(scene.paths[1].driver.sent) == sent + 1
    assert {bio.status for bio in scene.client.done} == {OK}
    assert scene.letters() == "AAAA"


def test_the_log_and_the_manager_say_why_with_the_figures():
    scene = Scene([FAST, SLOW, FAST])
    event = scene.rig.device.event_nr
    scene.load(AFTER_S + TICK_S)
    reason = "its reads take 10 ms, those of its group 0.2 ms; for 2 s"
    assert scene.manager.marginal == {"259:1": reason}
    assert scene.said("used last") == [
        f"multipath: 254:0: path 259:1 (p1) is used last: {reason}; for 5 s at least",
    ]
    assert scene.rig.device.event_nr == event + 1


@pytest.mark.parametrize(
    ("delays_ns", "verdict"),
    [
        ([20 * US, 1990 * US, 20 * US], "---"),
        ([20 * US, 2010 * US, 20 * US], "-D-"),
        ([1000 * US, 9900 * US, 1000 * US], "---"),
        ([1000 * US, 10_100 * US, 1000 * US], "-D-"),
        # Two of four are slow: the others' median is what is quick. Three of four: nobody can tell.
        ([SLOW, SLOW, FAST, FAST], "DD--"),
        ([SLOW, SLOW, SLOW, FAST], "----"),
        ([FAST, SLOW], "-D"),
    ],
)
def test_what_is_an_outlier(delays_ns: list[int], verdict: str):
    scene = Scene(delays_ns)
    scene.load(2 * AFTER_S)
    assert scene.demoted() == verdict


def test_a_moment_of_slowness_is_forgiven():
    scene = Scene([FAST, FAST, FAST])
    for _ in range(6):
        scene.delay(1, SLOW)
        scene.load(AFTER_S - TICK_S)
        scene.delay(1, FAST)
        scene.load(2 * TICK_S)
    assert scene.demoted() == "---"


def test_few_samples_are_not_enough():
    """A slow I/O each two seconds: it is the fifth that tells."""
    scene = Scene([FAST, SLOW])
    for count in range(1, 5):
        scene.load(0.02, together=2)
        scene.rest(1.98)
        assert scene.demoted() == "--", count
    scene.load(0.02, together=2)
    scene.rest(0.5)
    assert scene.demoted() == "-D"


def test_a_suspicion_that_nothing_new_speaks_for_is_dropped():
    scene = Scene([FAST, SLOW])
    for _ in range(8):
        scene.load(0.02, together=2)
        scene.rest(25)
    assert scene.demoted() == "--"


@pytest.mark.parametrize("write", [False, True])
def test_a_path_that_is_alone_in_its_group_is_compared_with_other_groups_by_reads(mode: str, write: bool):
    scene = Scene([SLOW, FAST, FAST], mode=mode, groups=3)
    scene.load(AFTER_S, write=write)
    assert scene.demoted() == "---"
    scene.load(3 * TICK_S, write=write)
    assert scene.demoted() == "D--"
    assert scene.said("its reads take 10 ms, those of idle paths 0.2 ms; for 2.5 s; for 5 s at least")
    sent = len(scene.paths[0].driver.sent)
    scene.load(TICK_S, write=write)
    assert len(scene.paths[0].driver.sent) == sent + 1
    scene.delay(0, FAST)
    scene.load(HOLD_S, write=write)
    assert scene.demoted() == "---"
    # Nobody goes back to it (failback is manual, as in multipath.conf).
    assert scene.manager.target.state.current is scene.path(1).group


@pytest.mark.parametrize(
    "delays_ns",
    [[SLOW, SLOW], [FAST, SLOW], [1900 * US, 20 * US], [9 * FAST * 10, FAST * 10]],
    ids=["both are", "it is not the one in use", "not by much", "not by far"],
)
def test_a_path_that_is_alone_is_left_alone(mode: str, delays_ns: list[int]):
    scene = Scene(delays_ns, mode=mode, groups=2)
    scene.load(3 * AFTER_S)
    assert scene.demoted() == "--"


def test_nobody_reads_through_paths_whose_io_is_quick(mode: str):
    scene = Scene([1900 * US, FAST], mode=mode, groups=2)
    scene.load(AFTER_S)
    assert scene.paths[1].driver.sent == []


def test_what_is_read_to_find_out_is_no_reason_to_read_on(mode: str):
    """Both paths are as slow, and nobody wants anything of them any more."""
    scene = Scene([SLOW, SLOW], mode=mode, groups=2)
    scene.load(AFTER_S)
    assert len(scene.paths[1].driver.sent) > 0
    scene.rest(3 * TICK_S)
    sent = [len(path.driver.sent) for path in scene.paths]
    scene.rest(20 * TICK_S)
    assert [len(path.driver.sent) for path in scene.paths] == sent


def test_a_group_that_was_disabled_is_no_company(mode: str):
    scene = Scene([SLOW, FAST], mode=mode, groups=2)
    scene.message("disable_group 2")
    scene.load(3 * AFTER_S)
    assert scene.demoted() == "--"
    assert scene.paths[1].driver.sent == []


def test_a_path_that_is_alone_and_swallows_everything_is_slow(mode: str):
    scene = Scene([FAST, FAST], mode=mode, groups=2)
    scene.load(TICK_S)
    scene.silence(0)
    scene.load(AFTER_S + 4 * TICK_S)
    assert scene.demoted() == "D-"
    assert "nothing ends, one of its reads has waited for" in scene.said("used last")[0]


def test_slow_writes_of_a_path_that_is_alone_say_nothing(mode: str):
    """Nothing tells what writes would take elsewhere."""
    scene = Scene([FAST, FAST], mode=mode, groups=2)
    for _ in range(200):
        scene.delay(0, SLOW)
        scene.client.write(0, bytes(512))
        scene.world.settle()
        scene.delay(0, FAST)
        scene.world.pass_time(20 * NS_PER_MS)
    assert scene.demoted() == "--"


def test_a_path_with_a_cache_of_its_own_must_be_slow_for_longer_and_is_flushed_first(mode: str):
    scene = Scene([SLOW, FAST], mode=mode, groups=2, cache=CACHE_PATH)
    scene.load(OWN_CACHE_FACTOR * AFTER_S, write=True)
    assert scene.demoted() == "--"
    scene.load(3 * TICK_S, write=True)
    assert scene.demoted() == "D-"
    assert scene.said("was left with unflushed writes")
    scene.rest(1.1)
    assert FLUSH in [op for op, _, _ in scene.paths[0].driver.sent]
    assert scene.rig.at_rest() and {bio.status for bio in scene.client.done} == {OK}
    assert (scene.paths[0].device.left_behind, scene.world.disk.doubt) == (None, 0)
    scene.delay(0, FAST)
    scene.load(2 * HOLD_S, write=True)
    assert scene.demoted() == "--"
    assert len(scene.said("was left with unflushed writes")) == 1, "it is not gone back to"


def test_failures_of_a_path_with_a_cache_of_its_own_are_no_reason(mode: str):
    """I/O has left it by then. Put last, it would be left once more whenever the other one is reinstated."""
    scene = Scene([FAST, FAST], mode=mode, groups=2, cache=CACHE_PATH)
    for _ in range(4):
        scene.break_off(0)
    assert scene.demoted() == "--"


def test_the_last_path_that_is_not_demoted_stays_so(mode: str):
    """The group's other paths fail while it is suspected."""
    scene = Scene([FAST, SLOW, FAST], mode=mode)
    scene.load(AFTER_S - TICK_S)
    for number in (0, 2):
        scene.delay(number, 0, TRANSPORT)
        scene.session_lost(number, "cut")
    scene.load(AFTER_S)
    assert scene.demoted() == "---"
    assert scene.letters() == "FAF"


def test_a_slow_path_is_used_when_the_others_fail(mode: str):
    scene = Scene([FAST, SLOW], mode=mode)
    scene.load(AFTER_S + TICK_S)
    assert scene.demoted() == "-D"
    scene.delay(0, 0, TRANSPORT)
    scene.session_lost(0, "cut")
    bio = scene.client.read(0, 512)
    scene.world.pass_time(20 * NS_PER_MS)
    assert bio.status == OK and scene.letters() == "FA"


def test_reads_and_writes_are_compared_with_their_like():
    """One path does all the writes, which take long, and the others all the reads: none of them is slow."""
    scene = Scene([FAST, FAST, FAST])
    for _ in range(200):
        scene.client.read(0, 512)
        scene.world.settle()
        scene.client.read(16, 512)
        scene.world.settle()
        scene.delay(2, SLOW)
        scene.client.write(32, bytes(512))
        scene.world.pass_time(20 * NS_PER_MS)
        scene.delay(2, FAST)
    assert scene.demoted() == "---"


@pytest.mark.parametrize("write", [False, True])
def test_flushes_are_no_measure(mode: str, write: bool):
    """An I/O, a flush, an I/O, a flush, over two paths in turn: one path gets the flushes, and they take as long as they do.

    Statistics count them among reads (request-based) or writes (bio-based), as Linux does.
    """
    scene = Scene([FAST, FAST], mode=mode)
    for _ in range(300):
        scene.delay(0, FAST)
        if write:
            scene.client.write(0, bytes(512))
        else:
            scene.client.read(0, 512)
        scene.world.pass_time(NS_PER_MS)
        scene.delay(1, SLOW)
        scene.client.flush()
        scene.world.pass_time(12 * NS_PER_MS)
    assert min(len(path.driver.sent) for path in scene.paths) > 100
    assert scene.demoted() == "--"


def test_a_path_that_swallows_everything_is_slow_though_nothing_ends(mode: str):
    scene = Scene([FAST, FAST, FAST], mode=mode)
    scene.load(TICK_S)
    scene.silence(1)
    scene.load(AFTER_S + 2 * TICK_S)
    assert scene.demoted() == "-D-"
    assert "nothing ends, one of its reads has waited for" in scene.said("used last")[0]


def test_a_lost_answer_is_no_sign_while_others_come(mode: str):
    scene = Scene([FAST, FAST, FAST], mode=mode)
    scene.load(TICK_S)
    scene.paths[1].driver.script.append(Answer(silent=True))
    scene.load(2 * AFTER_S)
    assert scene.demoted() == "---"


def test_when_all_io_is_stuck_on_the_slow_path_what_was_known_of_the_others_tells():
    scene = Scene([FAST, FAST])
    scene.load(TICK_S)
    scene.delay(1, 20 * NS_PER_S)
    scene.client.read(0, 512)
    scene.client.read(16, 512)
    scene.rest(AFTER_S + 2 * TICK_S)
    assert scene.demoted() == "-D"


def test_off_is_off():
    scene = Scene([FAST, SLOW], replace(POLICY, factor=0))
    scene.load(2 * AFTER_S)
    assert scene.demoted() == "--"


# Back again.


def healed(mode: str, delay_ns: int = FAST) -> Scene:
    """A slow path that is used last, and from now on takes so long."""
    scene = Scene([FAST, SLOW, FAST], mode=mode)
    scene.load(AFTER_S)
    assert scene.demoted() == "-D-"
    scene.delay(1, delay_ns)
    return scene


def test_it_comes_back_after_its_time_when_reads_are_quick_again(mode: str):
    scene = healed(mode)
    scene.load(HOLD_S - TICK_S)
    assert scene.demoted() == "-D-"
    scene.load(2 * TICK_S)
    assert scene.demoted() == "---"
    assert scene.manager.marginal == {}
    assert len(scene.said("is used as before: 10 reads in a row were quick, the last one took 0.2 ms")) == 1
    before = len(scene.paths[1].driver.sent)
    scene.load(1)
    assert len(scene.paths[1].driver.sent) >= before + 50


def test_it_has_to_be_better_than_what_had_it_demoted(mode: str):
    """The bound is 2 ms; it comes back below 1 ms."""
    scene = healed(mode, 1500 * US)
    scene.load(4 * HOLD_S)
    assert scene.demoted() == "-D-"
    scene.delay(1, 900 * US)
    scene.load(TRIALS_GOOD * TICK_S + TICK_S)
    assert scene.demoted() == "---"


def test_quick_reads_have_to_come_in_a_row(mode: str):
    scene = healed(mode, SLOW)
    scene.load(HOLD_S)
    for _ in range(4):
        scene.delay(1, FAST)
        scene.load((TRIALS_GOOD - 1) * TICK_S)
        scene.delay(1, SLOW)
        scene.load(TICK_S)
    assert scene.demoted() == "-D-"


def test_a_trial_that_fails_is_not_quick(mode: str):
    scene = healed(mode, FAST)
    scene.delay(1, 0, TRANSPORT)
    scene.load(3 * HOLD_S)
    assert scene.demoted() == "-D-"
    scene.delay(1, FAST)
    scene.load(TRIALS_GOOD * TICK_S + TICK_S)
    assert scene.demoted() == "---"


def test_there_is_one_trial_at_a_time(mode: str):
    scene = healed(mode)
    scene.silence(1)
    before = len(scene.paths[1].driver.sent)
    scene.load(10 * TICK_S)
    assert len(scene.paths[1].driver.sent) == before + 1


def test_the_time_doubles_with_each_relapse_up_to_a_limit_and_is_forgotten():
    scene = Scene([FAST, FAST, FAST], replace(POLICY, hold_max_ns=15 * NS_PER_S))
    for _ in range(4):
        scene.delay(1, SLOW)
        scene.load(AFTER_S + 2 * TICK_S)
        assert scene.demoted() == "-D-"
        scene.delay(1, FAST)
        scene.load(16)
        assert scene.demoted() == "---"
    scene.rest(POLICY.forget_ns / NS_PER_S)
    scene.delay(1, SLOW)
    scene.load(AFTER_S + 2 * TICK_S)
    held = [text.rpartition("; for ")[2] for text in scene.said("is used last")]
    assert held == ["5 s at least", "10 s at least", "15 s at least", "15 s at least", "5 s at least"]


# Reloads.


def test_a_new_table_goes_on_with_it(mode: str):
    scene = Scene([FAST, SLOW, FAST], mode=mode)
    scene.load(AFTER_S + TICK_S)
    old = scene.manager.target
    swap(scene.rig, line(scene.rig, [[1, 0], [2]], mode))
    assert scene.manager.target is not old
    assert scene.demoted() == "D--"
    assert old.state.events == []
    sent = [len(path.driver.sent) for path in scene.paths]
    scene.load(0.2)
    assert len(scene.paths[1].driver.sent) == sent[1]
    scene.delay(1, FAST)
    scene.load(HOLD_S + TICK_S)
    assert scene.demoted() == "---"


def test_a_new_table_that_has_nothing_else_uses_it(mode: str):
    scene = Scene([FAST, SLOW], mode=mode)
    scene.load(AFTER_S + TICK_S)
    swap(scene.rig, line(scene.rig, [[1]], mode))
    assert (scene.demoted(), scene.manager.marginal) == ("-", {})
    bio = scene.client.read(0, 512)
    scene.rest(1)
    assert bio.status == OK


def test_without_a_multipath_target_nobody_looks():
    scene = Scene([FAST, SLOW, FAST])
    scene.load(AFTER_S + TICK_S)
    swap(scene.rig, f"0 {scene.rig.device.size_sectors} error")
    assert not scene.marginal._tick.is_armed()
    swap(scene.rig, line(scene.rig, [[0, 1, 2]], "rq"))
    assert scene.demoted() == "-D-"


def test_an_error_that_is_an_answer_is_quick_enough(mode: str):
    """The path is alive: the trial has told how quick it is."""
    scene = healed(mode)
    scene.paths[1].driver.answers_are_final = True
    scene.delay(1, FAST, IOERR)
    scene.load(HOLD_S + TICK_S)
    assert scene.demoted() == "---"
