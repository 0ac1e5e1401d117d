"""The digest: the same for worlds that have the same future, different for all others."""

import pytest

from hawser.lab.explore.digest import Walker
from hawser.lab.explore.moves import TICK, enabled, make_move, move_of_name, name_of_move
from hawser.lab.explore.perform import perform
from hawser.lab.explore.scenarios import MODES, SCENARIOS, SMALL
from hawser.lab.explore.search import Exploration
from hawser.lab.explore.small_world import SmallWorld


class Pair:
    """Worlds of one exploration, and their digests."""

    def __init__(self, name: str, mode: str) -> None:
        self.exploration = Exploration(SCENARIOS[name], mode, True, SMALL)
        self.walker = Walker()

    def world(self, *moves: str) -> SmallWorld:
        world = self.exploration.make_world()
        for move in moves:
            perform(world, move_of_name(move))
        return world

    def digest(self, *moves: str) -> bytes:
        return self.walker.digest(self.world(*moves))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", list(SCENARIOS))
def test_worlds_that_went_the_same_way_are_equal_and_every_move_makes_a_difference(name: str, mode: str):
    pair = Pair(name, mode)
    moves: list[str] = []
    seen = [pair.digest()]
    for _ in range(12):
        # A timer that only asks once more leads back to the same state.
        possible = [move for move in enabled(pair.world(*moves)) if move != make_move(TICK)]
        if not possible:
            break
        moves.append(name_of_move(possible[len(moves) % len(possible)]))
        digest = pair.digest(*moves)
        assert digest == pair.digest(*moves)
        assert digest not in seen
        seen.append(digest)
    assert len(seen) > 3


@pytest.mark.parametrize("mode", MODES)
def test_the_order_in_which_a_state_was_reached_does_not_matter(mode: str):
    pair = Pair("in-flight-overlap", mode)
    start = ("submit 0 0", "submit 0 0", "execute 0 0", "execute 1 0")
    assert pair.digest(*start, "answer 0 0", "answer 1 0") == pair.digest(*start, "answer 1 0", "answer 0 0")


def test_time_that_has_passed_does_not_matter_but_time_that_is_left_does():
    pair = Pair("cache-path", "rq")
    moves = ("submit 0 0", "execute 0 0", "reset 0 0")
    first, second = pair.world(*moves), pair.world(*moves)
    assert first.has_timers()
    second.clock.now_ns += 1
    assert pair.walker.digest(first) != pair.walker.digest(second)
    for timer in [entry[2] for entry in second.timers._heap]:
        if timer.is_armed():
            second.timers.arm(timer, first.timers.next_deadline_ns() - first.clock.now_ns)
    assert pair.walker.digest(first) == pair.walker.digest(second)


def test_what_a_client_was_told_matters_as_far_as_it_rules_something_out():
    pair = Pair("unacknowledged-read", "rq")
    failed = ("submit 0 0", "time-out 0 0", "refuse 1 0", "answer 1 0")
    late = pair.world(*failed)
    assert [name_of_move(move) for move in enabled(late)] == ["submit 0 0", "execute 0 0", "reset 0 0"]
    assert late.judge.sectors[0].node.failed == (1 << 16,)
