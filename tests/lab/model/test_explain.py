"""Why an I/O took its path: what the selector saw of every path, and what others would have done in that state."""

from dataclasses import replace

import pytest

from hawser.core.units import NS_PER_MS
from hawser.lab.model.explain import Teller, Told, explain, played, slowest
from hawser.lab.model.onlooker import Choice
from hawser.lab.model.play import digest_of, play
from hawser.lab.model.scenario import BLACK_HOLE, ERROR, KILL, SLOW, Fault, LoadModel, MapModel, PathModel, Scenario

SELECTORS = [
    "service-time 0",
    "queue-length 0",
    "round-robin 0",
    "historical-service-time 0",
    "io-affinity 0",
]


def scenario(selector: str = "service-time 0", mode: str = "rq", faults: list[Fault] | None = None) -> Scenario:
    return Scenario(
        name="three",
        seconds=0.02,
        warm_up_s=0,
        size_bytes=1 << 26,
        paths=[PathModel(), PathModel(weight=2), PathModel(fixed_ns=400_000)],
        map=MapModel(mode=mode, selector=selector),
        loads=[LoadModel(depth=8, write_percent=30, clients=2), LoadModel(depth=4, pattern="sequential")],
        faults=faults or [],
    )


def choice_of(told: Told) -> Choice:
    (found,) = (step.choice for step in told.steps if step.choice is not None)
    return found


def instead(choice: Choice) -> dict[str, str]:
    return dict(choice.instead)


@pytest.mark.parametrize("mode", ["rq", "bio"])
@pytest.mark.parametrize("selector", SELECTORS)
def test_to_watch_changes_nothing(selector: str, mode: str):
    """Else it would be another run that is explained."""
    plain = scenario(selector, mode, [Fault(5 * NS_PER_MS, KILL, [1], 5 * NS_PER_MS)])
    found, bench = played(plain, 2, Teller([100, 200], 0))
    outcome = bench.outcome()
    outcome["digest"] = digest_of(outcome)
    assert outcome == play(plain, 2)
    assert found.count == outcome["ios"] + outcome["unanswered"]
    assert [life.number for life in found.lives] == [100, 200]
    for life in found.lives:
        assert (life.told.steps[0].name, life.told.steps[-1].name) == ("queued", "completed")


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_the_one_that_was_chosen_had_the_least_and_all_are_shown(mode: str):
    for told in explain(scenario(mode=mode), 0, list(range(50, 80))).told:
        choice = choice_of(told)
        standings = choice.standings
        assert [each.name for each in standings] == ["p0", "p1", "p2"]
        (chosen,) = (each for each in standings if each.is_chosen)
        assert [each.weight for each in standings] == [1, 2, 1]
        # Bytes by weight, with those of this I/O: no more than any other's.
        size = int(choice.why.split("by weight for ")[1].split()[0])
        assert all(
            (chosen.size_bytes + size) * each.weight <= (each.size_bytes + size) * chosen.weight for each in standings
        )
        assert all(each.number in choice.why for each in standings)


def test_what_others_would_have_chosen_follows_from_what_is_shown():
    for told in explain(scenario("round-robin 0"), 0, list(range(100, 160))).told:
        choice = choice_of(told)
        (chosen,) = (each for each in choice.standings if each.is_chosen)
        fewest = min(each.commands for each in choice.standings)
        text = instead(choice)["queue-length"]
        assert f"{fewest} in flight" in text
        named = text.split(":")[0].split(",")[0]
        named = chosen.name if named == "the same" else named
        assert next(each for each in choice.standings if each.name == named).commands == fewest
        assert ("the same" in text or "this one" in text) == (chosen.commands == fewest)
        assert instead(choice)["io-affinity"].startswith("the same") == (chosen.name == f"p{told.client}")
        assert chosen.score == "turn 1"
        assert "round-robin" not in instead(choice)


def test_what_a_history_would_decide_is_not_told():
    (told,) = explain(scenario(), 0, [60]).told
    assert instead(choice_of(told))["round-robin"].startswith("cannot be told")


@pytest.mark.parametrize(
    ("selector", "score"),
    [("historical-service-time 0", " ns x "), ("io-affinity 0", "CPU mask "), ("queue-length 0", "in flight")],
)
def test_each_selector_has_a_score_for_every_path(selector: str, score: str):
    (told,) = explain(scenario(selector), 0, [150]).told
    choice = choice_of(told)
    assert all(score in each.score for each in choice.standings)
    assert choice.selector == selector.split()[0]
    assert choice.selector not in instead(choice)


def test_historical_service_time_is_told_by_what_io_took_though_another_chose():
    """It would leave the slow path alone, of which it has heard."""
    late = explain(scenario("round-robin 0"), 0, list(range(300, 330))).told
    named = [instead(choice_of(told))["historical-service-time"] for told in late]
    assert not any(text.startswith("p2") for text in named)
    assert any(text.startswith("p") for text in named)


def test_the_slowest_are_found_and_are_the_slowest():
    slow = scenario(faults=[Fault(8 * NS_PER_MS, SLOW, [0], 2 * NS_PER_MS, factor=10)])
    numbers = slowest(slow, 0, 3)
    found = explain(slow, 0, numbers)
    assert [told.number for told in found.told] == numbers
    took = [told.took_ns(found.now_ns) for told in found.told]
    assert took == sorted(took, reverse=True)
    assert found.told[0].rank == 0
    # As long as the longest that was measured, or longer: those that are not answered at the end count, too.
    assert took[0] / 1e3 >= play(slow, 0)["latency_us"]["max"]


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_retry_shows_both_choices(mode: str):
    broken = scenario(mode=mode, faults=[Fault(NS_PER_MS, ERROR, [0], NS_PER_MS)])
    found = explain(broken, 0, list(range(1, 200)))
    again = [told for told in found.told if len([step for step in told.steps if step.choice is not None]) > 1]
    assert again
    for told in again:
        first, *_, last = (step.choice for step in told.steps if step.choice is not None)
        assert [(each.name, each.letter) for each in first.standings if each.is_chosen] == [("p0", "A")]
        (failed,) = (each for each in last.standings if each.name == "p0")
        assert (failed.is_chosen, failed.letter) == (False, "F")
        # Whoever looks at paths alone would not have it either.
        assert all(not text.startswith("p0") for name, text in last.instead)


def test_a_fence_shows_and_what_is_never_answered_says_so():
    """A path swallows writes: what was on it is tried elsewhere, and what overlaps that waits for a proof that never comes."""
    black = scenario(faults=[Fault(3 * NS_PER_MS, BLACK_HOLE, [0], 0)])
    black.manager = replace(black.manager, io_timeout_ns=5 * NS_PER_MS)
    black.size_bytes = 1 << 16
    black.loads = [LoadModel(depth=8, write_percent=100)]
    found = explain(black, 0, slowest(black, 0, 8))
    fenced = [told for told in found.told if any(step.name == "fenced" for step in told.steps)]
    assert fenced
    for told in fenced:
        assert (told.end_ns, told.status) == (-1, "")
        assert told.steps[-1].name == "fenced" and told.steps[-1].detail.startswith("behind write of sectors ")
        assert told.took_ns(found.now_ns) == found.now_ns - told.at_ns


def test_an_io_that_there_is_not():
    with pytest.raises(ValueError, match=r"there is no I/O 9999999: scenario three, seed 0, has [\d,]+, from 1 on"):
        explain(scenario(), 0, [9_999_999])
