"""`hawser lab run`: what it prints, what it writes, and how it ends."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hawser.cli.main import main
from hawser.lab.experiments.base import DERIVED, Claim, Table

OWN = """
from hawser.lab.experiments.base import DERIVED, FITTED, Claim, Experiment, Findings, Table, quietly


class Mine(Experiment):
    name = "mine"
    title = "A question of one's own"
    hypothesis = "two and two are {hypothesis}"
    model = "arithmetic"
    parameters = {{"k": 2.7, "P": 4, "far": True}}
    source = "school"

    def run(self, progress=quietly):
        {run}
        table = Table("sums", ["what", "sum"], [["two and two", 4], ["a lot", 12345.6]], "by hand")
        claim = Claim("two and two", DERIVED, 2 + 2, {low}, None, "school", "L-0", "pieces")
        return Findings([table], [claim], ["with other numbers: 2 and 3 are 5"])
"""


def write(folder: Path, low: int = 4, run: str = "pass", name: str = "own.py") -> str:
    file = folder / name
    file.write_text(OWN.format(hypothesis="four", low=low, run=run))
    return str(file)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["lab", "run", "--jobs", "1", *words])


def test_an_experiment_of_ones_own_says_everything(tmp_path: Path):
    done = run(write(tmp_path))
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "mine: A question of one's own: holds"
    for text in (
        "  hypothesis  two and two are four",
        "  parameters  k 2.7, P 4, far yes",
        "    what            sum",
        "    a lot        12,346",
        "  derived     two and two: 4 pieces, wanted at least 4 (L-0): holds; school",
        "  stops holding  with other numbers: 2 and 3 are 5",
        "1 experiment, 1 claim, 1 holds",
    ):
        assert text in lines


def test_a_claim_that_does_not_hold_cannot_be_overlooked(tmp_path: Path):
    done = run(write(tmp_path, low=5))
    assert done.exit_code == 1
    assert "mine: A question of one's own: DOES NOT HOLD" in done.stdout
    assert "DOES NOT HOLD: mine: two and two" in done.stdout.splitlines()


def test_one_that_breaks_off_does_not_end_the_others(tmp_path: Path):
    done = run(write(tmp_path, run="raise ArithmeticError('no sum')", name="bad.py"), write(tmp_path))
    assert done.exit_code == 2
    assert "bad.py has broken off: ArithmeticError: no sum" in done.stderr
    assert "mine: A question of one's own: holds" in done.stdout.splitlines()


def test_results_are_written_for_other_programs(tmp_path: Path):
    into = tmp_path / "new" / "results"
    assert run(write(tmp_path), "--into", str(into)).exit_code == 0
    found = json.loads((into / "results.json").read_text())
    (entry,) = found["experiments"]
    assert (entry["name"], entry["holds"], entry["parameters"]["k"]) == ("mine", True, 2.7)
    assert entry["tables"][0]["rows"][1] == ["a lot", 12345.6]
    assert entry["claims"][0]["wanted"] == "at least 4"
    assert [file.name for file in into.iterdir()] == ["results.json"]


def test_the_page_says_the_same_in_markdown(tmp_path: Path):
    page = tmp_path / "page.md"
    assert run(write(tmp_path, low=5), "--page", str(page)).exit_code == 1
    lines = page.read_text().splitlines()
    assert "| [mine](#mine) | A question of one's own | 0 of 1 | **does not hold** |" in lines
    assert "| a lot | 12,346 |" in lines
    assert "| two and two (L-0) | derived | 4 pieces | at least 5 | **does not hold** | school |" in lines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nosuch = 1", "defines no subclass of"),
        ("1 / 0", "cannot be loaded: ZeroDivisionError"),
        (
            "from hawser.lab.experiments.base import Experiment\nclass Mine(Experiment):\n    name = 'a'\n    title = 'b'",
            "Mine does not say its hypothesis and model and source",
        ),
    ],
)
def test_a_file_that_is_no_experiment_is_refused(tmp_path: Path, text: str, message: str):
    file = tmp_path / "own.py"
    file.write_text(text)
    done = run(str(file))
    assert done.exit_code == 2
    assert message in done.stderr


def test_names_that_there_are_not(tmp_path: Path):
    assert run("nosuch").exit_code == 2
    assert "no experiment of that name" in run("nosuch").stderr
    assert run().exit_code == 2
    assert run("--all", "nosuch").exit_code == 2
    assert "no such file" in run(str(tmp_path / "absent.py")).stderr


def test_claims_and_tables_are_checked_when_they_are_made():
    assert Claim("c", DERIVED, 1.0, None, None, "here").holds()
    assert not Claim("c", DERIVED, 1.0, None, 0.5, "here").holds()
    assert Claim("c", DERIVED, 1.0, 1.0, 1.0, "here").wanted() == "1"
    with pytest.raises(ValueError, match="'guessed' is none of fitted, predicted, derived"):
        Claim("c", "guessed", 1.0, None, None, "here")
    with pytest.raises(ValueError, match="2 cells under 1 columns"):
        Table("t", ["a"], [[1, 2]])
