"""tools.stalls: which rows are measured, which bounds they have, what is made of the figures. No servers here."""

import json

import pytest
from click.testing import CliRunner
from tools.choices import PlanError, words
from tools.stalls import plan, report
from tools.stalls.__main__ import main
from tools.stalls.load import Stall
from tools.stalls.plan import Asked, Variant
from tools.stalls.proofs import PROOFS, Waited
from tools.stalls.trial import Result

KILL = Variant("nbdkit", "kill")
HOLE = Variant("nbdkit", "hole", "tcp", io_timeout_s=2.0)


def result(variant, *longest_ms, fio_ms=(), unanswered=0):
    stalls = [Stall(ms / 1000, ms / 1000, 100, unanswered) for ms in longest_ms]
    return Result(variant, stalls, [0.001] * len(stalls), [ms / 1000 for ms in fio_ms])


def test_every_kind_of_kill_is_measured_once():
    rows = plan.make(Asked(faults=("kill",)))
    assert len(rows) == len(set(rows)) == 2 * 3 * 2 * 3
    assert {row.bound_s() for row in rows if row.cache == "lun"} == {0.020}


def test_the_default_cache_has_no_bound_where_it_may_be_lost_and_a_declaration_where_nothing_proves_that():
    assert Variant("nbdkit", "kill", caches="path", load="write").bound_s() == 0
    assert Variant("nbdkit", "kill", caches="path", load="write").quiesce_s == 0
    assert Variant("nbdkit", "kill", "tcp", "path", load="write").quiesce_s > 0
    assert Variant("nbdkit", "kill", "tcp", "path", load="read").bound_s() == 0.020
    assert Variant("nbdkit", "kill", "tcp", "path", load="read").quiesce_s == 0


def test_what_has_to_time_out_has_a_second_beyond_that():
    rows = plan.make(Asked(faults=("hole", "stop")))
    assert {row.io_timeout_s for row in rows if row.fault == "hole"} == {1.0, 2.0}
    assert all(row.bound_s() == row.io_timeout_s + 1 for row in rows if row.cache == "lun")
    assert {row.transport for row in rows if row.fault == "hole"} == {"tcp"}


def test_what_cannot_be_is_refused_in_words():
    with pytest.raises(PlanError, match="black hole needs the transport tcp"):
        plan.make(Asked(faults=("hole",), transports=("unix",)))
    with pytest.raises(PlanError, match="can neither be flushed nor proved gone"):
        plan.make(Asked(faults=("stop",), caches=("path",)))
    with pytest.raises(PlanError, match="unknown; there are read, write, randrw"):
        words("--loads", "trim", plan.LOADS)
    with pytest.raises(PlanError, match="not a number of seconds"):
        plan.seconds("--io-timeouts", "1,x")


@pytest.mark.parametrize(
    "words",
    [
        ["--faults", "flood"],
        ["--trials", "0"],
        ["--io-timeouts", "0"],
        ["--modes", "rq,rq"],
        ["--no-stalls", "--no-proofs"],
        ["--faults", "stop", "--caches", "path"],
    ],
)
def test_wrong_usage_ends_with_status_2(words):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "Error" in done.output


def test_a_kill_is_judged_by_its_median_and_the_rest_by_the_worst():
    assert report.holds(result(KILL, 5, 19, 500))
    assert not report.holds(result(KILL, 5, 21, 500))
    assert not report.holds(result(KILL, 5, 19, 500, fio_ms=(5, 21, 30)))
    assert report.holds(result(HOLE, 2100, 2999))
    assert not report.holds(result(HOLE, 2100, 3001))
    assert not report.holds(result(HOLE, 2100, fio_ms=(3001,)))


def test_what_was_never_answered_keeps_no_bound():
    assert not report.holds(result(KILL, 1, unanswered=1))


def test_the_exit_status_says_whether_bounds_held():
    good, bad, broken = result(KILL, 5), result(KILL, 50), Result(KILL, error="no server")
    proved = Waited("peer", "rq", 1.0, 1.002)
    assert report.status([good], [proved]) == 0
    assert report.status([good, bad], []) == 1
    assert report.status([good, broken], []) == 3
    assert report.status([bad, broken], []) == 1
    assert report.status([good], [Waited("peer", "rq", error="it still waits")]) == 3


def test_a_fence_that_nothing_lifted_is_an_error_unless_it_was_declared():
    assert report.status([], [Waited("quiesce", "rq", unproven=1)]) == 0
    assert report.status([], [Waited("peer", "rq", unproven=1)]) == 1
    undeclared = result(KILL, 5)
    undeclared.unproven = 1
    assert report.status([undeclared], []) == 1


def test_the_tables_name_what_was_measured():
    text = report.stall_table([result(KILL, 5, 7, fio_ms=(9,)), result(HOLE, 3500)])
    lines = text.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "server SIGKILL" in lines[2] and " 6.0 ms " in lines[2] and "| ok " in lines[2]
    assert "black hole" in lines[3] and "TOO LONG" in lines[3]
    text = report.proof_table(
        [Waited("peer", "rq", 1.0, 1.002, "peer process gone"), Waited("peer", "rq", error="a | b")]
    )
    assert "peer process gone; ERROR: a / b" in text and " 2.0 ms " in text
    assert set(PROOFS) == {"answer", "peer", "eof", "agent", "file", "quiesce"}


def test_all_figures_are_in_the_file():
    found = json.loads(json.dumps(report.as_json([result(KILL, 5, fio_ms=(9,))], [Waited("peer", "rq", 1.0, 1.002)])))
    assert found["stalls"][0]["longest_s"] == [0.005] and found["stalls"][0]["fio_s"] == [0.009]
    assert found["stalls"][0]["holds"] is True and found["status"] == 0
    assert found["fences"][0]["waited_s"] == 1.002
