"""`hawser lab sweep` on processes of this machine: what it prints, keeps, goes on from, and does about jobs that fail."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support.dask_cluster import python_path, without_progress
from tests.support.toy_play import DIES, HANGS, RAISES, RAISES_ONCE

from hawser.cli.lab_identity import identity, outside
from hawser.cli.lab_sweep import Wish, run_sweep
from hawser.cli.lab_sweep_store import JOBS, Store
from hawser.cli.lab_workers import Workers
from hawser.cli.main import main
from hawser.lab.model.grid import cells
from hawser.lab.model.jobs import Here, bare, make_jobs, write
from hawser.lab.model.scenario import MapModel, Scenario, ScenarioError
from hawser.lab.model.scenario_file import load, plain

TOY = "tests.support.toy_play:play"
FILE = """
name = "toy"
hypothesis = "one of them is faster"
seconds = 5
seeds = 3
[[fault]]
kind = "slow"
path = 0
at = 2
for = 1
[over]
selector = ["service-time 0", "queue-length 0"]
depth = [1, 8]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    path.write_text(FILE)
    return path


def sweep(
    file: Path, into: str | Path = "", *over: str, seeds=None, jobs: int = 1, retries: int = 0, seconds=30.0
) -> int:
    return run_sweep(Wish(str(file), over, seeds, jobs, "", str(into), retries, seconds, TOY))


def begun(file: Path, into: Path) -> Path:
    """A directory in which the file's sweep has just begun."""
    with Store(into, "toy", write(plain(bare(load(file)))), identity(), TOY):
        return into


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_combination_is_played_and_compared(file: Path, tmp_path: Path, capsys):
    assert sweep(file, tmp_path / "out", jobs=2) == 0
    printed = capsys.readouterr().out
    assert "toy: 12 jobs, 4 combinations of 3 seeds\n" in printed
    assert "toy: Combinations compared on the same seeds: nothing was claimed\n" in printed
    assert "  hypothesis  one of them is faster\n" in printed
    assert "over selector service-time 0, queue-length 0, over depth 1, 8" in " ".join(printed.split())
    rows = [line.split() for line in printed.splitlines() if "selector=queue-length 0, depth=8  " in line]
    assert [(row[-4], row[-1]) for row in rows] == [("1.5", "better"), *[("0.667", "better")] * 3]
    note = "ratios seed by seed, with 95 % intervals: of 8 ratios, 8 are shown to be better and none worse;"
    assert note in " ".join(printed.split())
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    (experiment,) = results["experiments"]
    assert [record["seed"] for record in experiment["records"]] == [0, 1, 2] * 4
    assert [record["depth"] for record in experiment["records"]] == ["1"] * 3 + ["8"] * 3 + ["1"] * 3 + ["8"] * 3
    assert experiment["curves"][0]["spans"] == [{"start": 2.0, "end": 3.0, "text": "p0: 10 times as slow"}]
    assert results["sweep"]["digest"] in printed


def test_the_files_are_the_same_however_many_processes_play(file: Path, tmp_path: Path, capsys):
    assert sweep(file, tmp_path / "one", jobs=1) == 0
    assert sweep(file, tmp_path / "three", jobs=3) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    digests = [line for line in capsys.readouterr().out.splitlines() if line.startswith("digest of 12 outcomes: ")]
    assert len(digests) == 2
    assert digests[0] == digests[1]


def test_what_is_played_here_and_in_a_process_is_the_same():
    jobs = make_jobs(cells(Scenario(), {"depth": ["1", "2"]}), range(2))
    assert sorted(Workers(2).run(jobs, TOY), key=lambda one: one[0].number) == list(Here().run(jobs, TOY))


def test_what_was_done_is_not_done_again(file: Path, tmp_path: Path, capsys):
    assert sweep(file, tmp_path / "whole") == 0
    assert sweep(file, tmp_path / "parts", "depth=8", seeds=(1, 3)) == 0
    assert sweep(file, tmp_path / "parts") == 0
    printed = capsys.readouterr().out
    assert "toy: 4 jobs, 2 combinations of 2 seeds\n" in printed
    assert "toy: 12 jobs, 4 combinations of 3 seeds; 4 were done before\n" in printed
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_line_that_was_torn_is_passed_over(file: Path, tmp_path: Path, capsys):
    into = tmp_path / "out"
    assert sweep(file, into) == 0
    whole = contents(into)
    data = whole[JOBS]
    lines = data.splitlines(keepends=True)
    (into / JOBS).write_bytes(b"".join(lines[:5]) + lines[5][: len(lines[5]) // 2])
    assert sweep(file, into) == 0
    assert "; 4 were done before\n" in capsys.readouterr().out
    assert contents(into) == whole


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1}\n', "is not of a sweep: want another --into DIR, or remove what is there"),
        (b"hello\n", "line 1 is no JSON (Expecting value: line 1 column 1 (char 0)): remove it, or use another --into"),
        (b"[]\n", "line 1 is no job of a sweep"),
    ],
)
def test_a_directory_of_something_else_is_refused(file: Path, tmp_path: Path, capsys, data: bytes, message: str):
    (tmp_path / JOBS).write_bytes(data)
    assert sweep(file, tmp_path) == 2
    assert capsys.readouterr().err == f"hawser lab sweep: {tmp_path / JOBS}: {message}\n"
    assert (tmp_path / JOBS).read_bytes() == data


def test_another_scenario_is_refused(file: Path, tmp_path: Path, capsys):
    into = begun(file, tmp_path / "out")
    file.write_text(FILE.replace("seconds = 5", "seconds = 6").replace("at = 2", "at = 2.5"))
    assert sweep(file, into) == 2
    assert capsys.readouterr().err == (
        f"hawser lab sweep: {into}: holds the sweep of another scenario, 'toy', which differs in faults.0.at_ns, seconds: "
        "want another --into DIR, or remove what is there\n"
    )


def test_another_hawser_is_refused(file: Path, tmp_path: Path, capsys):
    into = begun(file, tmp_path / "out")
    lines = (into / JOBS).read_text().splitlines(keepends=True)
    header = json.loads(lines[0])
    header["hawser"] = "0.0.1 (abc)"
    (into / JOBS).write_text(json.dumps(header) + "\n" + "".join(lines[1:]))
    assert sweep(file, into) == 2
    assert f"{into}: was swept by hawser 0.0.1 (abc); this is " in capsys.readouterr().err


def test_a_job_that_fails_is_named_and_the_others_count(file: Path, tmp_path: Path, capsys):
    into = tmp_path / "out"
    words = (f"write-percent=0,{RAISES}", "depth=1", "selector=service-time 0")
    assert sweep(file, into, *words, retries=1) == 1
    printed, error = map(without_progress, capsys.readouterr())
    assert error.startswith(
        "1 job failed:\n    selector=service-time 0, depth=1, write-percent=13, seed 1: "
        "ArithmeticError: seed 1 does not add up ("
    )
    alone = (
        f"hawser lab sweep {file} --over 'selector=service-time 0' --over depth=1 --over write-percent=13 --seeds 1..2"
    )
    assert f"        alone: {alone}\n" in error
    assert "the same command plays them again, and nothing else\n" in error
    assert "digest of 5 outcomes: " in printed
    assert "1 of 6 jobs have failed: their seeds are in no mean and no pair" in " ".join(printed.split())
    assert len(json.loads((into / "results.json").read_text())["experiments"][0]["records"]) == 5


@pytest.mark.parametrize(
    ("how", "what"),
    [
        (DIES, "its process died (exit status 3)"),
        (HANGS, "it was still running after its time, and was killed"),
    ],
)
def test_a_process_that_dies_or_hangs_is_one_failed_job(file: Path, capsys, how: int, what: str):
    words = (f"write-percent=0,{how}", "depth=1", "selector=service-time 0")
    assert sweep(file, "", *words, seconds=2.0) == 1
    printed, error = map(without_progress, capsys.readouterr())
    assert f"write-percent={how}, seed 1: {what}\n" in error
    assert error.startswith("1 job failed:\n")
    assert "digest of 5 outcomes: " in printed


def test_a_job_that_was_unlucky_is_played_again(file: Path, tmp_path: Path, capsys, monkeypatch):
    marks = tmp_path / "marks"
    marks.mkdir()
    monkeypatch.setenv("TOY_MARKS", str(marks))
    words = (f"write-percent={RAISES_ONCE}", "depth=1", "selector=service-time 0")
    assert sweep(file, "", *words, retries=1) == 0
    printed, error = map(without_progress, capsys.readouterr())
    assert error == ""
    assert "digest of 3 outcomes: " in printed
    assert sorted(path.name for path in marks.iterdir()) == ["0", "1", "2"]


def test_ctrl_c_leaves_what_is_done(file: Path, tmp_path: Path):
    into = tmp_path / "out"
    words = (f"write-percent=0,{HANGS}", "depth=1", "selector=service-time 0")
    script = tmp_path / "script.py"
    script.write_text(
        "import signal, sys\nfrom hawser.cli.lab_sweep import Wish, run_sweep\n"
        "if __name__ == '__main__':\n"
        # A shell that starts the tests in the background has its children ignore it.
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"    sys.exit(run_sweep(Wish({str(file)!r}, {words!r}, None, 2, '', {str(into)!r}, 0, 60.0, {TOY!r})))\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": python_path()},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 40
        while not (into / JOBS).exists() or (into / JOBS).read_bytes().count(b"\n") < 6:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        # What is done is synced to a disk that others may be busy with.
        printed, _ = process.communicate(timeout=90)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert "interrupted: 5 of 6 jobs are done; the same command goes on\n" in printed


def test_two_sweeps_do_not_share_a_directory(file: Path, tmp_path: Path, capsys):
    import fcntl

    lock = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert sweep(file, tmp_path) == 2
    finally:
        os.close(lock)
    expected = f"hawser lab sweep: {tmp_path}: another sweep is at work there: want another --into\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.toml"], "none.toml: No such file or directory"),
        (["bad.toml"], "bad.toml: map.mod: unknown key; the nearest is mode"),
        (["latin.toml"], "latin.toml: is not UTF-8: invalid continuation byte at byte 8"),
        (["toy.toml", "--over", "depht=1"], "over depht: unknown key; the nearest is depth"),
        (["toy.toml", "--over", "depth=0"], "selector=service-time 0, depth=0: load.0.depth: is 0: want `depth`"),
        (["toy.toml", "--seeds", "1000000"], "4,000,000 jobs; at most 1,000,000 make a sweep"),
    ],
)
def test_what_makes_no_sense(file: Path, monkeypatch, words: list[str], message: str):
    monkeypatch.chdir(file.parent)
    Path("bad.toml").write_text('[map]\nmod = "rq"')
    Path("latin.toml").write_bytes(b'name = "\xe9t\xe9"')
    done = CliRunner().invoke(main, ["lab", "sweep", *words])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"hawser lab sweep: {message}")


def test_a_selector_of_ones_own_is_known_by_what_its_file_says(tmp_path: Path):
    own = tmp_path / "own.py"
    own.write_text("class Mine: pass")
    scenario = Scenario(map=MapModel(selector=f"{own}:Mine 0"))
    before = outside(scenario)
    assert before == outside(scenario) != outside(Scenario())
    own.write_text("class Mine: ...")
    assert outside(scenario) != before
    assert outside(Scenario(map=MapModel(selector="tests.support.toy_play:Mine 0"))) != outside(Scenario())
    for place, message in (("nowhere.py", "nowhere.py: No such file"), ("no_module", "there is no module 'no_module'")):
        with pytest.raises(ScenarioError, match=message):
            outside(Scenario(map=MapModel(selector=f"{place}:Mine 0")))


def test_seeds_that_make_no_sense(file: Path):
    done = CliRunner().invoke(main, ["lab", "sweep", str(file), "--seeds", "few"])
    assert done.exit_code == 2
    assert "want A..B, the seeds from A up to B without B, as in 0..1000" in done.stderr


def test_dask_that_is_not_installed(file: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = CliRunner().invoke(main, ["lab", "sweep", str(file), "--dask", "tcp://127.0.0.1:1"])
    assert done.exit_code == 1
    assert "hawser lab sweep: --dask wants dask.distributed, which is not here (" in done.stderr
    assert done.stderr.endswith("): pip install 'hawser[sweep]'\n")
