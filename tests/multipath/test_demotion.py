"""A demoted path: it works, is called active, and is used when there is no other."""

import pytest

from hawser.core.status import IOERR, OK
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer, Client, Rig, World, make_multipath
from hawser.multipath.demotion import demote, promote
from hawser.multipath.target import Multipath

MODES = ["rq", "bio"]
SELECTORS = ["round-robin 0", "queue-length 0", "service-time 0"]


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


class Scene:
    """A map, its target, and where its I/O goes."""

    def __init__(self, **options: object) -> None:
        self.rig: Rig = make_multipath(World(), **options)  # type: ignore[arg-type]
        target = self.rig.device.live_targets()[0]
        assert isinstance(target, Multipath)
        self.target = target
        self.state = target.state

    def demote(self, number: int, reason: str = "slow") -> None:
        demote(self.target, self.rig.paths[number].device, reason)

    def promote(self, number: int) -> None:
        promote(self.target, self.rig.paths[number].device)

    def fail(self, number: int) -> None:
        self.target.fail(self.state.paths[number], "broken")

    def reinstate(self, number: int) -> None:
        self.target.reinstate(self.state.paths[number])

    def spread(self, reads: int = 12) -> list[int]:
        """How many of so many reads, one after the other, each path gets."""
        before = [len(path.driver.sent) for path in self.rig.paths]
        for number in range(reads):
            self.rig.client.read(number * 16, 512)
            self.rig.world.settle()
        assert {bio.status for bio in self.rig.client.done} == {OK}
        return [len(path.driver.sent) - was for path, was in zip(self.rig.paths, before, strict=True)]


@pytest.mark.parametrize("selector", SELECTORS)
def test_it_is_passed_over_and_still_called_active(mode: str, selector: str):
    scene = Scene(mode=mode, selector=selector, paths=3)
    event = scene.rig.device.event_nr
    table = scene.target.status_table()
    scene.demote(1)
    assert scene.spread() == [6, 0, 6]
    assert scene.rig.letters() == "AAA"
    assert scene.target.status_table() == table
    assert (scene.state.valid_paths, scene.rig.device.event_nr) == (3, event + 1)
    scene.promote(1)
    assert scene.spread() == [4, 4, 4]
    assert scene.rig.device.event_nr == event + 2


@pytest.mark.parametrize("selector", SELECTORS)
def test_it_is_used_when_there_is_no_other_and_no_longer_than_that(mode: str, selector: str):
    scene = Scene(mode=mode, selector=selector, paths=2)
    scene.demote(1)
    scene.fail(0)
    assert scene.spread() == [0, 12]
    scene.reinstate(0)
    assert scene.spread() == [12, 0]
    scene.promote(1)
    assert scene.spread() == [6, 6]


def test_another_group_is_used_before_it(mode: str):
    scene = Scene(mode=mode, paths=1, groups=2)
    assert scene.spread() == [12, 0]
    scene.demote(0)
    assert scene.spread() == [0, 12]
    scene.fail(1)
    assert scene.spread() == [12, 0]


def test_a_group_that_was_disabled_is_not(mode: str):
    scene = Scene(mode=mode, paths=1, groups=2)
    scene.rig.message("disable_group 2")
    scene.demote(0)
    assert scene.spread() == [12, 0]
    scene.rig.message("enable_group 2")
    assert scene.spread() == [0, 12]
    scene.rig.message("disable_group 2")
    assert scene.spread() == [12, 0]
    scene.rig.message("switch_group 2")
    assert scene.spread() == [0, 12]


def test_it_may_fail_and_come_back_and_is_still_demoted(mode: str):
    scene = Scene(mode=mode, paths=3)
    scene.demote(1)
    scene.fail(1)
    assert scene.rig.letters() == "AFA"
    assert scene.spread() == [6, 0, 6]
    scene.reinstate(1)
    assert scene.rig.letters() == "AAA"
    assert scene.spread() == [6, 0, 6]
    scene.fail(1)
    scene.promote(1)
    assert scene.spread() == [6, 0, 6]
    scene.reinstate(1)
    assert scene.spread() == [4, 4, 4]


def test_all_that_are_demoted_are_used_when_the_others_are_gone(mode: str):
    scene = Scene(mode=mode, paths=3)
    scene.demote(0)
    scene.demote(1)
    assert scene.spread() == [0, 0, 12]
    scene.fail(2)
    assert scene.spread() == [6, 6, 0]
    scene.fail(0)
    assert scene.spread() == [0, 12, 0]


def test_demoting_and_promoting_twice_counts_once(mode: str):
    scene = Scene(mode=mode, paths=2)
    scene.demote(0)
    scene.rig.world.settle()
    event = scene.rig.device.event_nr
    scene.demote(0)
    scene.rig.world.settle()
    assert (scene.state.demoted_paths, scene.rig.device.event_nr) == (1, event)
    scene.promote(0)
    scene.rig.world.settle()
    scene.promote(0)
    scene.rig.world.settle()
    assert (scene.state.demoted_paths, scene.rig.device.event_nr) == (0, event + 1)


def test_an_answered_error_is_tried_elsewhere_even_if_only_a_demoted_path_is_left_for_that(mode: str):
    scene = Scene(mode=mode, paths=2)
    for path in scene.rig.paths:
        path.driver.answers_are_final = True
    scene.demote(1)
    scene.rig.paths[0].driver.default = Answer(IOERR)
    bio = scene.rig.client.read(0, 512)
    scene.rig.world.settle()
    assert bio.status == OK
    assert [len(path.driver.sent) for path in scene.rig.paths] == [1, 1]


def test_an_answered_error_is_tried_on_a_path_that_is_not_demoted_if_there_is_one(mode: str):
    """Of the path's own group there is no other but a demoted one, and another group has one that is not."""
    scene = Scene(mode=mode, paths=2, groups=2)
    for path in scene.rig.paths:
        path.driver.answers_are_final = True
    scene.demote(1)
    scene.rig.paths[0].driver.default = Answer(IOERR)
    bio = scene.rig.client.read(0, 512)
    scene.rig.world.settle()
    assert bio.status == OK
    assert [len(path.driver.sent) for path in scene.rig.paths] == [1, 0, 1, 0]


def slow_and_full(mode: str) -> Scene:
    """Two paths with a tag each, of which the first one is slow."""
    scene = Scene(mode=mode, paths=2, depth=1)
    scene.rig.paths[0].driver.default = Answer(delay_ns=NS_PER_S)
    return scene


def ask_apart(scene: Scene, count: int) -> None:
    for number in range(count):
        scene.rig.client.read(number * 16, 512)


def test_what_waits_for_its_tags_goes_elsewhere_at_once_and_the_path_is_not_blamed():
    """Bio-based: request-based, what has no tag waits above."""
    scene = slow_and_full("bio")
    ask_apart(scene, 8)
    scene.rig.world.pass_time(NS_PER_MS)
    assert len(scene.rig.client.done) == 4
    scene.demote(0)
    scene.rig.world.settle()
    assert len(scene.rig.client.done) == 7
    assert [len(path.driver.sent) for path in scene.rig.paths] == [1, 7]
    assert (scene.rig.letters(), scene.state.paths[0].fail_count) == ("AA", 0)
    scene.rig.world.pass_time(NS_PER_S)
    assert {bio.status for bio in scene.rig.client.done} == {OK} and len(scene.rig.client.done) == 8
    assert scene.rig.at_rest()


def test_the_last_path_keeps_what_waits_for_it():
    scene = slow_and_full("bio")
    scene.fail(1)
    ask_apart(scene, 3)
    scene.rig.world.settle()
    scene.demote(0)
    scene.rig.world.settle()
    assert scene.rig.client.done == []
    scene.rig.world.pass_time(3 * NS_PER_S)
    assert [bio.status for bio in scene.rig.client.done] == [OK] * 3


def test_without_feedback_a_clone_that_waits_goes_elsewhere_too():
    scene = slow_and_full("rq")
    for path in scene.rig.paths:
        path.device.requests.feedback = False
    ask_apart(scene, 4)
    scene.rig.world.pass_time(NS_PER_MS)
    assert len(scene.rig.client.done) == 2
    scene.demote(0)
    scene.rig.world.settle()
    assert len(scene.rig.client.done) == 3
    assert (scene.rig.letters(), scene.state.paths[0].fail_count) == ("AA", 0)
    scene.rig.world.pass_time(NS_PER_S)
    assert [bio.status for bio in scene.rig.client.done] == [OK] * 4
    assert scene.rig.at_rest()


def test_what_is_not_the_maps_own_stays_where_it_is():
    """Somebody reads through the path itself, as a probe does: nobody would send that anywhere else."""
    scene = slow_and_full("bio")
    probe = Client(scene.rig.paths[0].device)
    ask_apart(scene, 2)
    scene.rig.world.settle()
    bios = [probe.read(800, 512), probe.read(900, 512)]
    scene.rig.world.settle()
    scene.demote(0)
    scene.rig.world.settle()
    assert not any(bio.finished for bio in bios)
    scene.rig.world.pass_time(3 * NS_PER_S)
    assert [bio.status for bio in bios] == [OK, OK]


def test_another_maps_io_stays_where_it_is():
    scene = slow_and_full("bio")
    world = scene.rig.world
    words = f"0 2048 multipath 2 queue_mode bio 0 1 1 round-robin 0 1 0 {scene.state.paths[0].device.devt}"
    other = Client(world.mapped("other", words))
    ask_apart(scene, 2)
    world.settle()
    bios = [other.read(800, 512), other.read(900, 512)]
    world.settle()
    scene.demote(0)
    world.settle()
    assert not any(bio.finished for bio in bios)
    world.pass_time(3 * NS_PER_S)
    assert [bio.status for bio in bios] == [OK, OK]


def test_a_busy_group_is_busy_whatever_a_demoted_path_has_free():
    """Request-based: what has to wait waits above, where it merges, and does not try the tag that is no use."""
    scene = Scene(mode="rq", paths=2, depth=1)
    scene.demote(0)
    scene.rig.paths[1].driver.default = Answer(delay_ns=NS_PER_MS)
    scene.rig.client.read(0, 512)
    scene.rig.world.settle()
    assert scene.target.busy()
    scene.promote(0)
    assert not scene.target.busy()
