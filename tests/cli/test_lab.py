"""`hawser lab` as people run it: what it prints, and what its status says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hawser.cli import lab_fuzz, lab_pool
from hawser.cli.lab_pool import WorkerDiedError, chunks, in_order
from hawser.cli.main import main
from hawser.lab.hazard_plans import HAZARDS
from hawser.lab.marks import MARKS
from hawser.lab.plan_file import dumps, loads

GHOST = HAZARDS[0]


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["lab", *words])


def digest(output: str) -> str:
    found = re.search(r"^digest of (\d+ runs: [0-9a-f]{32})$", output, re.MULTILINE)
    assert found is not None, output
    return found[1]


@pytest.fixture
def ghost_file(tmp_path: Path) -> str:
    file = tmp_path / "ghost.json"
    file.write_text(dumps(GHOST.plan(fences=False)))
    return str(file)


# fuzz


def test_a_batch_ends_with_its_sum():
    done = run("fuzz", "--seeds", "0..6", "--jobs", "1")
    assert done.exit_code == 0, done.output
    assert re.search(
        rf"^6 seeds in [\d.]+ s: [\d,]+ I/Os, [\d,]+ s of virtual time, 0 failures; marks hit: \d+ of {len(MARKS)}$",
        done.output,
        re.MULTILINE,
    )
    assert digest(done.output).startswith("6 runs: ")
    assert "(a batch of 1,000 seeds or more must hit them all)" in done.output


def test_several_processes_come_to_the_same():
    alone = run("fuzz", "--seeds", "3..30", "--jobs", "1")
    together = run("fuzz", "--seeds", "3..30", "--jobs", "2")
    assert together.exit_code == 0, together.output
    assert digest(alone.output) == digest(together.output)


def test_one_seed_is_a_batch_too():
    assert digest(run("fuzz", "--seeds", "4", "--jobs", "1").output).startswith("1 runs")


def test_for_a_time_it_goes_on_from_the_first_seed():
    done = run("fuzz", "--seeds", "5..6", "--minutes", "0.01", "--jobs", "1")
    assert done.exit_code == 0, done.output
    found = re.search(r"^([\d,]+) seeds in", done.output, re.MULTILINE)
    assert found is not None
    assert int(found[1].replace(",", "")) >= 8


def test_a_large_batch_must_hit_every_mark(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lab_fuzz, "MARKED_SEEDS_MIN", 3)
    done = run("fuzz", "--seeds", "0..3", "--jobs", "1")
    assert done.exit_code == 1
    missing = re.findall(r"^mark never hit: (.*) \(", done.output, re.MULTILINE)
    assert missing
    assert set(missing) <= set(MARKS)
    assert run("fuzz", "--seeds", "0..3", "--jobs", "1", "--no-marks").exit_code == 0


def test_marks_are_counted_on_demand():
    done = run("fuzz", "--seeds", "0..2", "--jobs", "1", "--show-marks")
    for name in MARKS:
        assert f"  {name} " in done.output


def test_a_configuration_that_is_broken_on_purpose_is_expected_to_lose():
    done = run("fuzz", "--seeds", "0..10", "--false-lun", "--jobs", "1")
    assert done.exit_code == 0, done.output
    found = re.search(r"^    replay: hawser lab show (\d+ --false-lun)$", done.output, re.MULTILINE)
    assert found is not None
    assert "seeds have lost acknowledged data, as some must" in done.output
    again = run("show", *found[1].split())
    assert again.exit_code == 1
    assert "WRONG: " in again.output


def test_where_nothing_is_lost_the_oracle_has_seen_nothing():
    """Seed 0 loses nothing for want of a fence: one seed shows nothing."""
    done = run("fuzz", "--seeds", "0..1", "--unsafe-no-fence", "--jobs", "1")
    assert done.exit_code == 1
    assert "0 of 1 seeds have lost" in done.output


def test_an_exception_is_a_failure_of_its_seed(monkeypatch: pytest.MonkeyPatch):
    def broken(seed: int, kind: str) -> object:
        plan = GHOST.plan(fences=True)
        plan.tables = ["0 8 multipath nonsense"] if seed == 2 else plan.tables
        return plan

    monkeypatch.setattr("hawser.cli.lab_plans.draw", broken)
    done = run("fuzz", "--seeds", "0..20", "--jobs", "1", "--keep-going")
    assert done.exit_code == 1
    assert done.output.startswith("seed 2: ")
    assert "TableError" in done.output
    assert "replay: hawser lab show 2\n" in done.output
    assert "20 seeds in" in done.output
    assert ", 1 failures;" in done.output
    stopped = run("fuzz", "--seeds", "0..20", "--jobs", "1")
    assert stopped.exit_code == 1
    assert "8 seeds in" in stopped.output


@pytest.mark.parametrize("text", ["5..5", "7..3", "-1..4", "a..b", "1...2"])
def test_seeds_must_be_a_range(text: str):
    done = run("fuzz", f"--seeds={text}")
    assert done.exit_code == 2
    assert "want A..B" in done.output


def test_two_experiments_at_once_are_refused():
    assert run("fuzz", "--unsafe-no-fence", "--false-lun").exit_code == 2


# The pool


def test_work_comes_back_in_its_order():
    assert list(in_order(abs, range(-40, 0), 2)) == [(number, -number) for number in range(-40, 0)]


def test_a_process_that_dies_is_told_with_its_work():
    import os

    with pytest.raises(WorkerDiedError, match="while it was at 3"):
        list(in_order(os._exit, [3], 2))


def test_seeds_are_cut_into_chunks():
    found = list(chunks(range(lab_pool.CHUNK + 1), "x"))
    assert found == [("x", list(range(lab_pool.CHUNK))), ("x", [lab_pool.CHUNK])]


# show


def test_a_seed_is_told_and_drawn(tmp_path: Path):
    pytest.importorskip("matplotlib", reason="matplotlib is an extra: hawser[lab]")
    figure = tmp_path / "seed.png"
    done = run("show", "3", "--figure", str(figure))
    assert done.exit_code == 0, done.output
    assert done.output.startswith("seed 3 (")
    assert "table     0 " in done.output
    assert "Everything was right" in done.output
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_a_figure_says_once_that_the_fences_are_off(tmp_path: Path):
    pytest.importorskip("matplotlib", reason="matplotlib is an extra: hawser[lab]")
    figure = tmp_path / "seed.svg"
    run("show", "3", "--unsafe-no-fence", "--figure", str(figure))
    drawn = figure.read_text()
    assert ": fences off<" in drawn and "no fences" not in drawn
    assert "R1: a read that found write 1 (R0: zeroes)" in drawn


def test_a_plan_is_told_from_its_file(ghost_file: str):
    done = run("show", ghost_file)
    assert done.exit_code == 1
    assert "GHOST: executes write of sector 0 (write 1)" in done.output
    assert "WRONG: c: read of 512 bytes at sector 0" in done.output


def test_a_failure_is_shrunk_and_kept(tmp_path: Path, ghost_file: str):
    kept = tmp_path / "small.json"
    done = run("show", ghost_file, "--shrink", "--plan", str(kept))
    assert done.exit_code == 1
    assert "shrunk in" in done.stderr
    assert [op.op for op in loads(kept.read_text()).clients[0].ops] == ["write", "write", "read"]
    assert run("show", str(kept)).exit_code == 1


def test_what_does_not_fail_is_not_shrunk(tmp_path: Path):
    done = run("show", "3", "--shrink")
    assert done.exit_code == 0
    assert "does not fail" in done.stderr


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["nowhere.json"], "want a seed or a file"),
        (["{junk}"], "this is no JSON"),
        (["3", "--figure", "/nowhere/x.png"], "No such file or directory"),
        (["3", "--plan", "/nowhere/x.json"], "No such file or directory"),
        (["3", "--figure", "{junk}.doc"], "junk.doc: its ending says as what it is drawn: .png, .svg, .pdf"),
        (["{ghost}", "--false-lun"], "is a plan already"),
    ],
)
def test_what_cannot_be_shown_is_said(words: list[str], wrong: str, tmp_path: Path, ghost_file: str):
    junk = tmp_path / "junk"
    junk.write_text("{")
    done = run("show", *(word.format(junk=junk, ghost=ghost_file) for word in words))
    assert done.exit_code == 2
    assert wrong in done.stderr
    assert done.stdout == "", "before anything is played"


# explore


def test_small_worlds_are_counted(monkeypatch: pytest.MonkeyPatch):
    # Nothing is cut off, whatever the width.
    monkeypatch.setenv("COLUMNS", "40")
    done = run("explore", "rmw-neighbour", "--jobs", "1")
    assert done.exit_code == 0, done.output
    assert re.search(r"^rmw-neighbour +rq +\d+ +\d+ +[\d.]+ +no counter-example$", done.output, re.MULTILINE)
    assert re.search(r"^2 worlds, [\d,]+ states, [\d,]+ transitions$", done.output, re.MULTILINE)


def test_without_fences_the_known_counter_example_is_told():
    done = run("explore", "rmw-neighbour", "--mode", "bio", "--unsafe-no-fence", "--jobs", "1")
    assert done.exit_code == 0, done.output
    assert "rmw-neighbour, bio, fences off: superseded" in done.output
    assert "the ghost of write 1" in done.output


def test_scenarios_are_named():
    done = run("explore", "--list")
    assert done.exit_code == 0
    assert "ghost-after-retry " in done.output
    assert run("explore", "no-such-thing").exit_code == 2


# hazards


def test_the_manual_is_what_the_plans_say(tmp_path: Path):
    """Whoever changes what is told of a hazard writes the chapter anew: `hawser lab hazards`."""
    pytest.importorskip("matplotlib", reason="matplotlib is an extra: hawser[lab]")
    done = run("hazards", "--into", str(tmp_path))
    assert done.exit_code == 0, done.output
    kept = Path(__file__).parents[2] / "docs" / "hazards.md"
    assert (tmp_path / "hazards.md").read_text() == kept.read_text(), "write it anew: hawser lab hazards"
    for hazard in HAZARDS:
        assert (tmp_path / "figures" / f"{hazard.name}.svg").read_text().lstrip().startswith("<?xml")


# What everything else pays for it.


def test_the_laboratory_costs_hawser_serve_nothing():
    code = "import sys, hawser.cli.main; print({'hawser.lab.run', 'hawser.lab.draw', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
