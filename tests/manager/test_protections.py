"""Rules of who looks after paths: what is compared at the start, what a late check says, who is slow and by what measure."""

import pytest
from tests.dm.controls import line, swap
from tests.manager.looked_after import FIRST_CHECK_NS, look_after
from tests.manager.marginal_scene import POLICY, US, Scene

from hawser.block.ops import FLUSH, WRITE
from hawser.block.orphan import CACHE, Orphan
from hawser.core.status import TRANSPORT
from hawser.core.units import MIB, NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer, Client, Store, World
from hawser.manager.identity import IdentityCheck, IdentityListener
from hawser.manager.keepalive import CHECK
from hawser.manager.policy import KEEPALIVE_NS, MarginalPolicy
from hawser.multipath.target import Multipath

FAST, SLOW = 200 * US, 10 * NS_PER_MS
TICK_S = POLICY.tick_ns / NS_PER_S
AFTER_S = POLICY.after_ns / NS_PER_S


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


class Verdict(IdentityListener):
    def __init__(self) -> None:
        self.problems: dict[str, str] = {}

    def compared(self, problems: dict[str, str]) -> None:
        self.problems = problems


def differing(places: list[int], fenced: list[Orphan]) -> dict[str, str]:
    """What is said of a second path whose disk differs in these bytes, while these ghosts may still write."""
    world = World()
    paths = [world.ram_path(f"p{number}", Store(MIB)) for number in range(2)]
    for place in places:
        paths[1].driver.store.data[place] ^= 1
    for orphan in fenced:
        world.disk.fences.add(orphan)
    verdict = Verdict()
    IdentityCheck([path.device for path in paths], verdict).start()
    world.run()
    return verdict.problems


def ghost(start: int, end: int, kind: int = 0) -> Orphan:
    orphan = Orphan("elsewhere", 0, WRITE, start, end, 1, None)
    orphan.kind = kind
    return orphan


def test_where_a_ghost_may_still_write_content_is_not_compared_and_elsewhere_it_is():
    assert differing([0], [ghost(0, 8)]) == {}
    assert "sector 2040 differs" in differing([MIB - 1], [ghost(0, 8)])["259:1"]
    assert "sector 2040 differs" in differing([0, MIB - 1], [ghost(0, 8)])["259:1"]


def test_where_everything_is_fenced_everything_is_compared():
    assert "sector 0 differs" in differing([0], [ghost(0, MIB // 512, CACHE)])["259:1"]


def test_the_first_place_that_differs_is_named():
    assert "sector 0 differs" in differing([0, MIB - 1], [])["259:1"]


def test_a_check_that_ends_when_its_path_is_in_the_table_no_more_says_nothing(mode: str):
    quiet = MarginalPolicy(factor=0, double_failed_ns=0)
    scene = Scene([FAST, FAST], quiet, keepalive_ns=KEEPALIVE_NS, mode=mode)
    scene.silence(1)
    scene.rest(KEEPALIVE_NS / NS_PER_S + 0.1)
    assert scene.paths[1].driver.outstanding()
    swap(scene.rig, line(scene.rig, [[0]], mode))
    scene.paths[1].driver.deliver_all(Answer())
    scene.world.settle()
    scene.rest(1)
    assert not scene.said(CHECK)
    assert scene.manager.target.state.valid_paths == 1


def test_a_trial_that_ends_when_its_path_is_in_the_table_no_more_says_nothing(mode: str):
    scene = Scene([SLOW, FAST], mode=mode, groups=2)
    scene.load(2 * TICK_S)
    scene.silence(1)
    scene.load(2 * TICK_S)
    assert scene.paths[1].driver.outstanding()
    swap(scene.rig, line(scene.rig, [[0]], mode))
    scene.paths[1].driver.deliver_all(Answer())
    scene.world.settle()
    scene.rest(2)
    assert scene.demoted() == "-"


def test_a_path_behind_a_stuck_flush_is_slow_all_the_same(mode: str):
    """The flush may take its time, the reads behind it may not."""
    scene = Scene([FAST, FAST, FAST], mode=mode)
    scene.load(TICK_S)
    scene.silence(1)
    Client(scene.paths[1].device).flush()
    scene.world.settle()
    assert [request.op for request in scene.paths[1].device.outstanding()] == [FLUSH]
    scene.load(AFTER_S + 2 * TICK_S)
    assert scene.demoted() == "-D-"


def test_what_was_known_long_ago_is_no_measure(mode: str):
    scene = Scene([FAST, FAST], mode=mode)
    scene.load(2 * TICK_S)
    scene.rest(90)
    scene.delay(1, 20 * NS_PER_S)
    Client(scene.paths[1].device).read(0, 512)
    scene.rest(AFTER_S + 4 * TICK_S)
    assert scene.demoted() == "-D"
    assert scene.said("those of idle paths"), "it was found out afresh"


def test_what_was_known_long_ago_says_nothing_where_all_have_become_slow(mode: str):
    scene = Scene([FAST, FAST], mode=mode)
    scene.load(2 * TICK_S)
    scene.rest(90)
    scene.delay(0, 20 * NS_PER_S)
    scene.delay(1, 20 * NS_PER_S)
    Client(scene.paths[1].device).read(0, 512)
    scene.rest(AFTER_S + 4 * TICK_S)
    assert scene.demoted() == "--"


def test_as_quick_as_the_others_is_quick_enough_to_come_back(mode: str):
    scene = Scene([SLOW, SLOW, 50 * SLOW], mode=mode)
    scene.load(AFTER_S + 20 * TICK_S)
    assert scene.demoted() == "--D"
    scene.delay(2, SLOW)
    scene.load(20)
    assert scene.demoted() == "---"


def test_a_path_that_is_alone_is_not_slow_by_the_measure_of_one_that_does_not_answer(mode: str):
    scene = Scene([SLOW, FAST], mode=mode, groups=2)
    scene.silence(1)
    scene.load(3 * AFTER_S)
    assert scene.demoted() == "--"


def test_a_device_one_of_whose_paths_has_failed_is_checked(mode: str):
    care = look_after(mode=mode)
    swap(care.rig, line(care.rig, [[0], [0, 1]], mode))
    care.manager.follow(care.rig.device)
    assert care.rig.device.table is not None
    target = care.rig.device.table.targets[0]
    assert isinstance(target, Multipath)
    care.manager.adopt(target)
    first, second = target.state.over(care.paths[0].device)
    target.fail(first, "one of them")
    assert (first.is_active, second.is_active) == (False, True)
    care.world.pass_time(2 * FIRST_CHECK_NS)
    assert (first.is_active, second.is_active) == (True, True)


def test_a_path_that_had_failed_stays_so_in_the_next_table_and_the_log_says_why(mode: str):
    scene = Scene([FAST, FAST], mode=mode)
    scene.manager.target.fail(scene.path(1), "its cable")
    swap(scene.rig, line(scene.rig, [[0, 1]], mode))
    assert scene.letters() == "AF"
    assert scene.said("it had failed and was not checked since")
    scene.world.pass_time(2 * FIRST_CHECK_NS)
    assert scene.letters() == "AA"


def test_failures_of_long_ago_do_not_keep_a_path_from_being_found_slow(mode: str):
    scene = Scene([FAST, FAST, FAST], mode=mode)
    scene.break_off(1)
    scene.paths[1].driver.default = Answer(TRANSPORT)
    scene.session_lost(1, "cut")
    scene.rest(POLICY.double_failed_ns / NS_PER_S + 10)
    scene.delay(1, FAST)
    scene.rest(30)
    assert (scene.letters(), scene.demoted()) == ("AAA", "---")
    scene.delay(1, SLOW)
    scene.load(AFTER_S + 4 * TICK_S)
    assert scene.demoted() == "-D-"
