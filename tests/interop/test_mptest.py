"""The cases of mptest, with fio, on real servers, in each queue mode (tools.mptest says what is done and what has to be seen);
`make mptest` runs them for as long as the suite does.

The cases of a mode run side by side, at a rate that leaves each of them its share of the machine.
"""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from tests.support.fio import MPTEST_BYTES
from tools.mptest import trial
from tools.mptest.cases import Case, Messages, NoFailure
from tools.mptest.plan import CASES, MODES, QUICK_SECONDS, Variant
from tools.mptest.trial import Result

pytestmark = [pytest.mark.interop, pytest.mark.needs("fio", "nbdkit")]

RATE_IOPS = 60
# Of what takes milliseconds on a machine that has nothing else to do.
SLACK_S = 2.0
SOAK_SECONDS = 30
TRIES = 4


class Runs:
    """What becomes of each case of one mode."""

    def __init__(self, pool: ThreadPoolExecutor, mode: str) -> None:
        self.futures: dict[str, Future[Result]] = {
            case: pool.submit(trial.play, Variant(case, mode, QUICK_SECONDS, RATE_IOPS, SLACK_S)) for case in CASES
        }

    def of(self, case: str) -> Result:
        """How a case went; what went wrong in it is raised."""
        result = self.futures[case].result()
        assert not result.problems(), result
        assert min(result.ios) > 100, result
        return result


@pytest.fixture(scope="module", params=MODES)
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    with ThreadPoolExecutor(len(CASES)) as pool:
        yield Runs(pool, request.param)


def test_m00_no_failure(runs: Runs):
    result = runs.of("M-00")
    assert result.carried[2:] == (0, 0) and result.failures == [0] * 4 and result.events == 0


def test_m01_servers_stopped_killed_and_started(runs: Runs):
    result = runs.of("M-01")
    assert min(result.failures) >= result.rounds and len(result.resumed_s) == result.rounds >= 2


def test_m02_paths_deleted_and_back_by_a_noflush_reload(runs: Runs):
    result = runs.of("M-02")
    assert result.rounds >= 3 and len(result.resumed_s) >= 2


def test_m03_fail_path_and_reinstate_path(runs: Runs):
    result = runs.of("M-03")
    assert result.failures == [result.rounds] * 4 and len(result.resumed_s) == result.rounds


def test_m04_disable_group_enable_group_and_switch_group(runs: Runs):
    result = runs.of("M-04")
    assert result.failures == [0] * 4 and result.events == 4 * result.rounds and min(result.carried) > 0


class Spoiled(NoFailure):
    """Somebody else writes to the disk where fio does."""

    def round(self, number: int) -> None:
        with self.rig.disk.image.open("rb+") as file:
            file.seek(MPTEST_BYTES // 2)
            file.write(bytes(MPTEST_BYTES // 4))
        super().round(number)


class Unqueued(Messages):
    """I/O fails when there is no path."""

    def round(self, number: int) -> None:
        self.rig.message("fail_if_no_path")
        super().round(number)


class Astray(NoFailure):
    """The other group is in use."""

    def round(self, number: int) -> None:
        self.rig.message("switch_group", "2")
        super().round(number)


class OutOfTurn(NoFailure):
    """Both paths have carried something, but they do not take turns."""

    def check(self) -> None:
        self.rig.swap(self.rig.table_of((0, 2)))
        super().check()


def fault_of(kind: type[Case]) -> str:
    """What a case says of itself. In one second on a busy machine nothing may come across what is wrong: it has a few."""
    for _ in range(TRIES):
        try:
            trial.play(Variant("M-00", "rq", 1, RATE_IOPS), kind=kind)
        except AssertionError as fault:
            return str(fault)
    return f"nothing was wrong in {TRIES} tries"


def test_what_is_wrong_is_seen():
    """Cases that must fail, each for its own reason."""
    wrong = {
        Spoiled: "verify: bad magic header 0",
        Unqueued: "there is no path|failed with",
        Astray: "groups are EA",
        OutOfTurn: "one at a time the paths carried .200, 0, 0, 0.",
    }
    with ThreadPoolExecutor(len(wrong)) as pool:
        faults = {kind: pool.submit(fault_of, kind) for kind in wrong}
    for kind, reason in wrong.items():
        assert re.search(reason, faults[kind].result()), f"{kind.__name__}: {faults[kind].result()}"


@pytest.mark.soak
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_as_long_as_mptest(case: str, mode: str):
    result = trial.play(Variant(case, mode, SOAK_SECONDS, slack_s=SLACK_S))
    assert not result.problems(), result
