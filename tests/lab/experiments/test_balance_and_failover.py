"""load-balance and failover in small: their claims hold, and do not without what they are about."""

from tests.lab.experiments.verdicts import texts, whole, wrong

from hawser.lab.experiments.failover import FailoverCost
from hawser.lab.experiments.load_balance import LoadBalance
from hawser.lab.model.scenario import BLACK_HOLE, ERROR, KILL


def test_load_is_balanced():
    assert wrong(whole(LoadBalance(ios=300, sequential=4096, limits=False))) == []


def test_without_a_selector_that_counts_it_is_not():
    lost = texts(wrong(whole(LoadBalance(ios=150, sequential=2048, selector="round-robin", limits=False))))
    assert [text.split(":")[0] for text in lost] == ["rq", "bio", "rq", "bio"]
    assert {text.split()[1] for text in lost} == {"bytes", "makespan"}


def test_a_path_that_dies_or_answers_with_errors():
    findings = whole(FailoverCost(seconds=0.55, kinds=(KILL, ERROR), limits=False))
    assert wrong(findings) == []
    assert all(row[4] for row in findings.tables[0].rows), "something was tried again in each"


def test_a_path_that_falls_silent():
    findings = whole(FailoverCost(seconds=1.1, kinds=(BLACK_HOLE,), modes=("rq",), limits=False))
    assert wrong(findings) == []
    assert 490 < float(findings.tables[0].rows[0][6]) <= 504, "it takes the timeout"


def test_two_that_die_are_not_what_is_claimed():
    lost = wrong(whole(FailoverCost(seconds=0.55, failing=(0, 1), kinds=(KILL,), modes=("rq",), limits=False)))
    assert texts(lost) == ["kill, rq: path-failed events"]


def test_a_path_that_does_not_fail_shows_nothing():
    """As many I/Os as none is no failover."""
    lost = wrong(whole(FailoverCost(seconds=0.52, failing=(), kinds=(KILL,), modes=("rq",), limits=False)))
    assert {"kill, rq: I/Os tried again", "kill, rq: path-failed events"} <= set(texts(lost))
