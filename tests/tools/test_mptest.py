"""tools.mptest: which rows there are, when one is too long, what is made of the figures. No servers here."""

import json

import pytest
from click.testing import CliRunner
from tools.mptest import plan, report
from tools.mptest.__main__ import main
from tools.mptest.cases import CASES
from tools.mptest.plan import Variant
from tools.mptest.trial import RESUME_BOUND_S, Result, is_even


def result(slack_s=0.0, **figures):
    known = {"rounds": 3, "ios": (1000, 500), "longest_s": 1.05, "outages_s": [0.5, 1.0], "resumed_s": [0.001, 0.09]}
    return Result(
        Variant("M-01", "rq", slack_s=slack_s), **{**known, "carried": (10, 11, 0, 0), "failures": [2] * 4, **figures}
    )


def test_every_case_is_played_in_every_mode():
    rows = plan.make((), (), 30)
    assert len(rows) == len(set(rows)) == 5 * 3
    assert {row.mode for row in rows} == {"bio", "rq", "mq"}
    assert set(CASES) == set(plan.CASES) == {row.case for row in rows}
    assert plan.make(("M-03",), ("bio",), 3) == [Variant("M-03", "bio", 3)]


def test_states_last_a_second_as_in_mptest_and_less_in_runs_of_a_few():
    assert Variant("M-03", "rq").seconds == 30 and Variant("M-03", "rq").pause_s == 1
    assert Variant("M-03", "rq", 3).pause_s < 0.5


def test_half_is_half_within_five_percent():
    assert is_even((1000, 1000, 0, 0)) and is_even((1049, 951, 0, 0)) and is_even((951, 1049, 7, 0))
    assert not is_even((1051, 949, 0, 0)) and not is_even((949, 1051, 0, 0)) and not is_even((100, 0, 0, 0))
    assert is_even((1149, 851), 0.15) and not is_even((1151, 849), 0.15)


def test_without_a_failure_each_path_of_the_first_group_carries_half():
    def uneven(case: str, slack_s: float, *carried: int) -> list[str]:
        return Result(Variant(case, "rq", slack_s=slack_s), carried=carried).problems()

    assert uneven("M-00", 0, 1040, 960, 0, 0) == [] == uneven("M-03", 0, 100, 0, 0, 0)
    assert uneven("M-00", 0, 1100, 900, 0, 0) == ["the paths of group 1 have not carried half each"]
    assert uneven("M-00", 0.5, 1100, 900, 0, 0) == [] != uneven("M-00", 0.5, 1300, 700, 0, 0)


def test_io_goes_on_within_the_kernels_delay_after_the_first_path_is_back():
    assert result().problems() == []
    (said,) = result(resumed_s=[0.001, 0.11]).problems()
    assert "110 ms after the first path" in said
    assert result(0.05, resumed_s=[0.11]).problems() == []


def test_an_io_may_wait_for_the_longest_outage_and_no_longer():
    assert result(longest_s=1.0 + RESUME_BOUND_S).problems() == []
    (said,) = result(longest_s=1.2).problems()
    assert "took 1.200 s, of 1.100 s" in said
    assert result(longest_s=0.2, outages_s=[], resumed_s=[]).problems()
    assert result(longest_s=0.05, outages_s=[], resumed_s=[]).problems() == []


def test_the_table_has_a_line_for_each_run_and_says_what_became_of_it():
    failed = Result(Variant("M-02", "mq"), error="fio: verify: bad header | here")
    lines = report.table([result(), result(resumed_s=[0.3]), failed]).splitlines()
    assert len({len(line) for line in lines}) == 1 and len(lines) == 5
    assert (
        "1,000" in lines[2]
        and "1000.0 ms" in lines[2]
        and "2 2 2 2" in lines[2]
        and lines[2].rstrip("| ").endswith("ok")
    )
    assert "300 ms after" in lines[3]
    assert "FAILED: fio: verify: bad header / here" in lines[4] and "paths deleted" in lines[4]
    assert report.summary([result(), failed]) == "2 runs: 1 ok, 1 failed, 0 out of bounds."


def test_the_exit_status_says_whether_all_was_right_and_in_time():
    assert report.status([result()]) == 0
    assert report.status([result(), result(resumed_s=[0.3])]) == 1
    assert report.status([Result(Variant("M-00", "rq"), error="no server")]) == 1


def test_all_figures_are_in_the_file():
    found = json.loads(json.dumps(report.as_json([result()])))
    (run,) = found["runs"]
    assert run["resumed_s"] == [0.001, 0.09] and run["carried"] == [10, 11, 0, 0] and run["verdict"] == "ok"
    assert found["status"] == 0


@pytest.mark.parametrize("words", [["--cases", "M-05"], ["--modes", "rq,rq"], ["--seconds", "0"], ["more"]])
def test_wrong_usage_ends_with_status_2(words):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "Error" in done.output
