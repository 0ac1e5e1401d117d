"""gray-failure and ghost-write in small: their claims hold, and do not without marginal paths, hedged reads, or fences."""

import pytest
from tests.lab.experiments.verdicts import texts, whole, wrong

from hawser.lab.draw import draw_unsafe
from hawser.lab.experiments.ghost_write import GhostWrite, play_incident
from hawser.lab.experiments.gray_failure import GrayFailure
from hawser.lab.shrink import is_loss
from hawser.lab.trial import attempt

LOSING = 18
SEEDS_MAX = 100


@pytest.fixture(scope="module")
def world() -> int:
    """A random world that loses data without fences: one that did, or the first of those that come after it."""
    for seed in range(LOSING, LOSING + SEEDS_MAX):
        if any(is_loss(fault) for fault in attempt(draw_unsafe(seed)).faults):
            return seed
    raise AssertionError("no world loses data without fences")


def test_a_slow_path_is_over_in_seconds():
    assert wrong(whole(GrayFailure(selectors=("service-time",), limits=False))) == []


def test_without_detection_and_hedging_it_is_not():
    lost = texts(wrong(whole(GrayFailure("bio", ("service-time",), marginal=False, hedged=False, limits=False))))
    assert [text.split(",")[0].split(":")[0] for text in lost] == [
        "with marginal paths the tail is back",
        "it is over within 5 s (the worst selector)",
        "then the slow path is sent no client I/O (the worst selector)",
        "hedged",
        "twins",
    ]


def test_ghosts_lose_data_without_fences_only(world: int):
    findings = whole(GhostWrite([world]))
    assert wrong(findings) == []
    assert len(findings.limits) == 2, "servers that are quick enough, and bounds that are not true"


def test_with_fences_off_the_claims_about_them_fail(world: int):
    lost = texts(wrong(whole(GhostWrite([world], fences=False))))
    assert lost == [
        "hazards that lose data with fences",
        "stale sectors with fences",
        "what the newer write waits for the proof, with fences",
        "worlds that lost data with fences",
        "worlds in which anything else was wrong, with fences",
    ]


def test_a_server_that_answers_in_time_leaves_no_ghost():
    assert not play_incident(1, 0.5, fences=False).is_lost
    assert play_incident(1, 1.1, fences=False).is_lost
