"""Every small world, explored with the fences off: each of the known disasters is found, as a short story."""

import pytest
from tests.support.explored import EXPLORING_S

from hawser.lab.explore.judge import APPEARED, LOST, SUPERSEDED
from hawser.lab.explore.scenarios import MODES, SCENARIOS, SMALL
from hawser.lab.explore.search import Exploration, explore, replay

pytestmark = pytest.mark.timeout(EXPLORING_S)

DISASTERS = {
    "ghost-after-retry": SUPERSEDED,
    "ghost-of-the-retry": SUPERSEDED,
    "in-flight-overlap": SUPERSEDED,
    "unacknowledged-read": APPEARED,
    "black-hole-send-queue": SUPERSEDED,
    "rmw-neighbour": SUPERSEDED,
    "cache-path": SUPERSEDED,
    "flush-crash-path": LOST,
    "dead-client": APPEARED,
}
EXPECTED = {name: scenario.expects for name, scenario in SCENARIOS.items() if scenario.expects}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", list(EXPECTED))
def test_without_fences_the_disaster_is_found_and_can_be_replayed(name: str, mode: str):
    found = explore(SCENARIOS[name], mode, fences=False, bound=SMALL)
    assert found.counter_example is not None
    assert found.counter_example.kind == EXPECTED[name]
    again = replay(Exploration(SCENARIOS[name], mode, False, SMALL), found.counter_example.choices)
    assert again is not None
    assert again.story == found.counter_example.story
    assert len(again.story) <= 26


def test_the_table_says_which_disasters_there_are():
    assert {name: EXPECTED[name] for name in DISASTERS} == DISASTERS


def test_a_story_is_told_in_plain_words():
    found = explore(SCENARIOS["ghost-after-retry"], "rq", fences=False, bound=SMALL)
    assert found.counter_example is not None
    story = found.counter_example.story
    assert story[:5] == [
        "client asks for write 1 to sector 0",
        "path A: write 1 to sector 0 is sent",
        "path A: write 1 to sector 0 times out",
        "path A is failed",
        "path B: write 1 to sector 0 is sent",
    ]
    assert "server A executes the ghost of write 1 to sector 0" in story
    assert story[-1].startswith("fault: the read returns write 1 from sector 0, which was superseded")


def test_the_retry_s_own_ghost_is_what_lands():
    found = explore(SCENARIOS["ghost-of-the-retry"], "rq", fences=False, bound=SMALL)
    assert found.counter_example is not None
    assert "server B executes the ghost of write 1 to sector 0" in found.counter_example.story


def test_the_black_hole_heals_before_the_ghost_lands():
    found = explore(SCENARIOS["black-hole-send-queue"], "rq", fences=False, bound=SMALL)
    assert found.counter_example is not None
    healed = "path A: the black hole heals: what was stuck in our send queue goes out"
    story = found.counter_example.story
    assert story.index(healed) < story.index("server A executes the ghost of write 1 to sector 0")


def test_a_choice_that_cannot_be_made_is_refused():
    exploration = Exploration(SCENARIOS["ghost-after-retry"], "rq", True, SMALL)
    with pytest.raises(ValueError, match="not possible here"):
        replay(exploration, ["answer 0 0"])
    with pytest.raises(ValueError, match="is not a move"):
        replay(exploration, ["jump 0 0"])
