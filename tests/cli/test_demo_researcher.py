"""The demonstration for researchers: a tournament played for a moment, who is ranked how, and what it says no to."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest
from tests.support.gateway import HAWSER

from hawser.cli.demo_researcher import lines_of_code, ranking_lines, run_researcher
from hawser.cli.demo_researcher_chart import draw
from hawser.lab.examples import example
from hawser.lab.experiments.comparison_curves import Run
from hawser.lab.experiments.tournament import FIVE, TAILS, Tournament, while_it_lasts
from hawser.lab.model.scenario import Fault, Scenario, ScenarioError
from hawser.lab.model.scenario_file import load

ROOT = Path(__file__).parents[2]
OWN = "examples/quickest.py:Quickest 0"
SHORT = """
name = "short"
seconds = 0.3
warm-up = 0.1
window-ms = 50
seeds = 2

[manager]
marginal = false

[[load]]
clients = 4
rate = 2000
batch = 1

[[fault]]
kind = "gray"
path = [0]
at = 0.1
percent = 50
ms = 5
"""


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def short(tmp_path: Path) -> Path:
    file = tmp_path / "short.toml"
    file.write_text(SHORT)
    return file


def outcome(p99: float, p999: float) -> dict[str, object]:
    windows = [{"t": t / 20, "p99_us": p99, "ios": 1} for t in range(6)]
    paths = [{"name": "p0", "share": 0.1}, *({"name": f"p{n}", "share": 0.3} for n in range(1, 4))]
    return {"latency_us": {"p99": p99, "p99.9": p999}, "windows": windows, "paths": paths}


def runs_of(tails: list[tuple[float, float]], seeds: int = 3) -> list[Run]:
    """One selector each; with seeds that differ a little, all in the same way."""
    return [
        Run(cell, seed, outcome(p99 * (1 + seed / 10), p999 * (1 + seed / 10)))
        for cell, (p99, p999) in enumerate(tails)
        for seed in range(seeds)
    ]


TAILS_OF_SIX = [(9.0, 90.0), (5.0, 80.0), (5.0, 70.0), (3.0, 60.0), (8.0, 95.0), (4.0, 20.0)]


def test_they_are_ranked_by_each_tail_and_compared_with_the_first(short: Path):
    tournament = Tournament(load(short), [OWN], range(3))
    assert tournament.contenders == [*FIVE, OWN]
    runs = runs_of(TAILS_OF_SIX)
    rows = tournament.standings(runs, "p99")
    assert [row.selector for row in rows] == [FIVE[3], OWN, FIVE[1], FIVE[2], FIVE[4], FIVE[0]]
    assert [row.rank for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0].beside is None and rows[0].won == 3 and rows[1].won == 0
    assert rows[0].latency_us.mean == pytest.approx(3.3)
    assert rows[1].beside is not None and rows[1].beside.ratio is not None
    assert rows[1].beside.ratio.mean == pytest.approx(4 / 3) and rows[1].beside.text == "worse"
    assert rows[0].share == pytest.approx(0.1)
    assert tournament.standings(runs, "p99.9")[0].selector == OWN


def test_the_ranking_in_words(short: Path):
    tournament = Tournament(load(short), [OWN], range(3))
    runs = runs_of(TAILS_OF_SIX)
    lines = ranking_lines({tail: tournament.standings(runs, tail) for tail in TAILS}, [OWN])
    assert lines[-2:] == [f"{OWN}: number 2 of 6 by p99", f"{OWN}: the first of 6 by p99.9"]
    assert sum(1 for line in lines if line[2:3] == "*") == 2
    assert any(line.startswith(" 1  historical-service-time 0") for line in lines)
    same = ranking_lines({"p99": tournament.standings(runs_of([(5.0, 5.0)] * 6), "p99")}, [OWN])
    assert same[-1] == f"{OWN}: number 6 of 6 by p99, though no difference to the first is shown"


def test_a_seed_that_somebody_has_not_ended_counts_for_nobody(short: Path):
    tournament = Tournament(load(short), [OWN], range(3))
    runs = [run for run in runs_of(TAILS_OF_SIX) if (run.cell, run.seed) != (2, 1)]
    assert {row.latency_us.count for row in tournament.standings(runs, "p99")} == {2}
    assert tournament.standings([run for run in runs if run.cell != 4], "p99") == []


def test_what_is_measured_is_the_time_of_the_fault():
    scenario = Scenario(
        seconds=10, faults=[Fault(2_000_000_000, "slow", [0]), Fault(3_000_000_000, "gray", [1], 10**9)]
    )
    assert (while_it_lasts(scenario).warm_up_s, while_it_lasts(scenario).seconds) == (2, 10)
    scenario.faults[0].duration_ns = 3_000_000_000
    assert (while_it_lasts(scenario).warm_up_s, while_it_lasts(scenario).seconds) == (2, 5)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda it: it.faults.clear(), "fault: there is none"),
        (lambda it: setattr(it, "seconds", 0.0), "seconds: is missing"),
        (lambda it: it.over.update(mode=["rq", "bio"]), "over: a tournament varies the selector, and not mode besides"),
    ],
)
def test_scenarios_that_are_no_tournament(spoil, said: str):
    scenario = Scenario(faults=[Fault(10**9, "slow", [0])])
    spoil(scenario)
    with pytest.raises(ScenarioError, match=said):
        Tournament(scenario, [OWN])


def test_a_tournament_played_from_the_command_line(short: Path, tmp_path: Path):
    words = [
        "demo",
        "researcher",
        "--scenario",
        str(short),
        "--seeds",
        "2",
        "--jobs",
        "2",
        "--into",
        str(tmp_path / "kept"),
    ]
    done = subprocess.run([*HAWSER, *words], capture_output=True, text=True, timeout=100, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "examples/quickest.py:Quickest: 20 lines, besides 2 imports\n" in done.stdout
    assert "of 6 by p99" in done.stdout and "of 6 by p99.9" in done.stdout
    (entry,) = json.loads((tmp_path / "kept" / "results.json").read_text())["experiments"]
    assert entry["tables"][0]["title"] == "Ranking by p99 during the fault"
    assert len(entry["records"]) == 12
    by_name = {row[1]: row for row in entry["tables"][0]["rows"]}
    assert by_name[OWN][-1] < 0.15 < 0.24 < by_name["round-robin 0"][-1] < 0.26, "shares of the gray path"
    assert "Ranking by p99.9 during the fault" in (tmp_path / "kept" / "tournament.txt").read_text()


def test_the_examples_are_there_wherever_it_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert load(Path(example("examples/gray-tournament.toml"))).name == "gray-tournament"
    assert lines_of_code("examples/quickest.py:Quickest") == (20, 2)
    # What is here counts first, and any other name is only what is here.
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "gray-tournament.toml").write_text(SHORT)
    assert example("examples/gray-tournament.toml") == "examples/gray-tournament.toml"
    assert example("gray-tournament.toml") == "gray-tournament.toml"
    assert example("examples/nosuch.toml") == "examples/nosuch.toml"
    done = subprocess.run([*HAWSER, "demo", "researcher"], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("6 selectors, 2 seeds, 0.3 s of virtual time each: examples/gray-tournament.toml\n")


def test_a_wheel_has_the_examples():
    with (ROOT / "pyproject.toml").open("rb") as file:
        included = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {
        f"examples/{name}": f"hawser/examples/{name}" for name in ("quickest.py", "gray-tournament.toml")
    }
    assert all((ROOT / file).is_file() for file in included)


def test_the_figure(short: Path, tmp_path: Path):
    pytest.importorskip("matplotlib", reason="figures need matplotlib, an extra of its own")
    tournament = Tournament(load(short), [OWN], range(3))
    texts = []
    for dark in (False, True):
        file = tmp_path / f"{dark}.svg"
        draw(tournament, runs_of(TAILS_OF_SIX), str(file), dark)
        texts.append(file.read_text())
        for text in (
            "while a path is gray",
            "quickest.py:Quickest",
            "historical-service-time",
            "3 seeds, the same for all",
        ):
            assert text in texts[-1]
    assert texts[0] != texts[1]


@pytest.mark.parametrize(
    ("selectors", "scenario", "said"),
    [
        (["nosuch.py:Mine"], "", "there is no file 'nosuch.py' here"),
        (
            ["examples/quickest.py:Quickst"],
            "",
            "nothing in examples/quickest.py is called 'Quickst'; it has Pace, Quickest",
        ),
        (["dice 0"], "", "unknown 'dice'"),
        (["round-robin 3"], "", "says 3 arguments and has 0"),
        ([" "], "", "FILE.py:CLASS or package.module:CLASS is wanted"),
        ([OWN], "nosuch.toml", "nosuch.toml"),
    ],
)
def test_what_cannot_be_had_is_said(
    short: Path, capsys: pytest.CaptureFixture[str], selectors: list[str], scenario: str, said: str
):
    assert run_researcher(selectors, scenario or str(short), None, 1, None) == 2
    output = capsys.readouterr()
    assert said in output.err and output.out == ""


def test_a_selector_that_makes_a_mistake_is_no_result(short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "clumsy.py"
    file.write_text(
        "from hawser.multipath.selectors.base import PathSelector\n\n\nclass Clumsy(PathSelector):\n"
        "    def __init__(self, words): super().__init__()\n    def select(self, size): return 1 / 0\n"
    )
    assert run_researcher([f"{file}:Clumsy"], str(short), 1, 2, None) == 1
    assert "select: ZeroDivisionError: division by zero" in capsys.readouterr().err


def test_a_selector_that_has_only_select_will_do(short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "mine.py"
    file.write_text(
        "from hawser.multipath.selectors.base import PathSelector\n\n\nclass Mine(PathSelector):\n"
        "    def select(self, size): return self.valid[0] if self.valid else None\n"
    )
    assert run_researcher([f"{file}:Mine"], str(short), 1, 2, None) == 0
    assert f"{file}:Mine 0: " in capsys.readouterr().out


def test_the_example_is_that_of_the_document():
    text = (ROOT / "docs" / "selectors.md").read_text()
    assert f"```python\n{(ROOT / 'examples' / 'quickest.py').read_text()}```" in text
    # Twenty, as the README says.
    assert lines_of_code("examples/quickest.py:Quickest") == (20, 2)
    assert load(ROOT / "examples" / "gray-tournament.toml").name == "gray-tournament"
