"""The search itself: hashing hides nothing, the two orders of search see the same states, a fault of the engine is found."""

from dataclasses import replace

import pytest
from tests.support.explored import EXPLORING_S

from hawser.core.status import OK
from hawser.lab.explore.moves import move_of_name
from hawser.lab.explore.perform import perform
from hawser.lab.explore.scenarios import MODES, SCENARIOS, SMALL, Scenario, Shape
from hawser.lab.explore.search import STUCK, Exploration, Search, explore, make_move_in
from hawser.lab.explore.small_world import BROKEN, SmallWorld

pytestmark = pytest.mark.timeout(EXPLORING_S)

TINY = Shape(("w0 | r0",), timeouts=1)
TINY_RESET = Shape(("w0 r0",), resets=1)


def tiny(name: str, shape: Shape) -> Scenario:
    return replace(SCENARIOS[name], small=shape, full=shape)


def search(scenario: Scenario, mode: str, by_breadth: bool = False, hashing: bool = True) -> tuple[Search, set]:
    """The search, and the outcomes that it saw on its way."""
    exploration = Exploration(scenario, mode, True, SMALL)
    found = Search(exploration, by_breadth, None, hashing)
    outcomes: set = set()
    found.observer = lambda world: outcomes.add(outcome(world))
    found.run()
    assert exploration.complete
    assert exploration.counter_example is None
    return found, outcomes


def outcome(world: SmallWorld) -> tuple:
    """What of a state does not come by way of the digest: data, paths, clients, fences, and what may still be read."""
    return (
        tuple(world.array.medium),
        tuple(tuple(sorted(cache.dirty.items())) for cache in world.array.caches()),
        tuple(path.letter() for path in world.targets[0].state.paths),
        tuple((client.next, tuple(client.numbers)) for client in world.clients),
        tuple((orphan.start, orphan.end, orphan.unacked, orphan.overlapped) for orphan in world.disk.fences.orphans),
        tuple(len(path.commands) for path in world.paths),
        tuple(sector.node.views for sector in world.judge.sectors),
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("in-flight-overlap", TINY),
        ("rmw-neighbour", TINY),
        ("cache-none", TINY_RESET),
        ("black-hole-send-queue", TINY_RESET),
    ],
)
def test_hashing_hides_nothing(name: str, shape: Shape, mode: str):
    """Without it every run is followed to its end, however often that is the same one."""
    hashed, outcomes = search(tiny(name, shape), mode)
    unhashed, all_outcomes = search(tiny(name, shape), mode, hashing=False)
    assert outcomes == all_outcomes
    assert unhashed.exploration.states > 2 * hashed.exploration.states


@pytest.mark.parametrize("name", ["in-flight-overlap", "cache-path"])
def test_both_orders_of_search_see_the_same_states(name: str):
    deep, outcomes = search(SCENARIOS[name], "rq")
    broad, others = search(SCENARIOS[name], "rq", by_breadth=True)
    assert outcomes == others
    assert deep.exploration.states == broad.exploration.states
    assert deep.exploration.transitions == broad.exploration.transitions


def test_the_same_search_twice_is_the_same():
    lines = [explore(SCENARIOS["rmw-neighbour"], "bio", True, SMALL).line() for _ in range(2)]
    assert lines[0] == lines[1]


def test_a_world_in_which_a_client_waits_for_ever_is_a_fault():
    """Without anybody who reinstates paths or gives up, what queues for a path is never answered."""
    shape = Shape(("w0",), failures=2, resets=2)
    scenario = replace(
        SCENARIOS["ghost-after-retry"], small=shape, full=shape, features="queue_if_no_path", reinstates=False
    )
    for mode in MODES:
        found = explore(scenario, mode, True, SMALL).counter_example
        assert found is not None
        assert found.kind == STUCK
        assert found.story.count("path A: the connection ends") == 1


def test_what_the_engine_refuses_to_believe_is_a_fault():
    exploration = Exploration(SCENARIOS["cache-none"], "rq", True, SMALL)
    world = exploration.make_world()
    perform(world, move_of_name("submit 0 0"))
    world.paths[0].commands[0].request.finish(OK, 512)
    assert make_move_in(world, move_of_name("execute 0 0")) is False
    assert make_move_in(world, move_of_name("answer 0 0")) is True
    assert world.judge.fault.kind == BROKEN
    assert "request completed twice" in world.judge.fault.text


def test_progress_is_told():
    told: list[tuple[int, int]] = []
    found = explore(SCENARIOS["mixed-same"], "rq", True, SMALL, lambda states, moves: told.append((states, moves)))
    assert [states for states, _ in told] == list(range(1000, found.states + 1, 1000))


def test_compiled_and_interpreted_see_the_same_states():
    """The numbers are of both builds. An engine that behaves in another way may have others; then write them down anew."""
    seen = {
        (name, mode): explore(SCENARIOS[name], mode, True, SMALL).states
        for name in ("ghost-after-retry", "rmw-neighbour", "dead-client")
        for mode in MODES
    }
    assert seen == {
        ("ghost-after-retry", "rq"): 291,
        ("ghost-after-retry", "bio"): 264,
        ("rmw-neighbour", "rq"): 146,
        ("rmw-neighbour", "bio"): 139,
        ("dead-client", "rq"): 649,
        ("dead-client", "bio"): 624,
    }
