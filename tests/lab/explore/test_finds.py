"""What the exploration found in the engine with the fences on: the shortest stories, replayed."""

from dataclasses import replace

import pytest

from hawser.lab.explore.moves import enabled, move_of_name
from hawser.lab.explore.scenarios import SCENARIOS, SMALL, Scenario, Shape
from hawser.lab.explore.search import Exploration, make_move_in, replay


def own_caches(clients: str, caches_reads: bool) -> Scenario:
    shape = Shape((clients,), failures=2, timeouts=2, crashes=1)
    return replace(SCENARIOS["cache-path"], small=shape, full=shape, caches_reads=caches_reads)


LOST_COPY = (
    "submit 0 0, time-out 0 0, execute 1 0, answer 1 0, submit 0 0, crash 1 0, prove 1 0, tick 0 0, execute 0 0, "
    "execute 0 0, submit 0 0, execute 0 1, execute 0 0"
)
STALE_READ = (
    "submit 0 0, execute 0 0, submit 0 0, time-out 0 0, execute 1 0, tick 0 0, execute 0 0, answer 1 0, submit 0 0, "
    "time-out 1 0, tick 0 0, execute 1 0, answer 1 0, execute 0 0"
)


def test_reads_wait_again_when_the_acknowledged_copy_may_be_lost():
    """Write 1 timed out on A, was acknowledged by B and lost with B's cache: its ghost on A must not follow the old value."""
    exploration = Exploration(own_caches("w0 | r0 | r0", False), "rq", True, SMALL)
    world = exploration.make_world(told=True)
    for choice in LOST_COPY.split(", "):
        move = move_of_name(choice)
        if move not in enabled(world):
            break
        assert not make_move_in(world, move)
    assert "path A is reinstated" in world.story.lines
    assert world.story.lines.count("path A: the read of sector 0 is sent") == 1, "the probe's, and not the client's"
    assert world.disk.fences.orphans[0].unacked == 1


@pytest.mark.xfail(reason="nothing makes a server forget what it has read before its path is used again", strict=True)
def test_a_path_that_is_used_again_does_not_answer_from_an_old_cache():
    """A has read sector 0. Write 2 goes to B while A is reinstated; B fails, is flushed, and A answers from its cache."""
    exploration = Exploration(own_caches("r0 | w0 | r0", True), "rq", True, SMALL)
    found = replay(exploration, STALE_READ.split(", "))
    assert found is None, "\n".join(found.story)
