"""The transcripts that are kept with the source, replayed by the command itself; whatever their files are called."""

import json
import random
import shutil
from pathlib import Path

import pytest

from hawser.cli.lab_conformance import RunnerProcess, replay_all, run_conformance
from hawser.lab.conformance.protocol import ask_for_machine, ask_for_step
from hawser.lab.conformance.transcript import read_transcript

TRANSCRIPTS = Path(__file__).parents[2] / "conformance" / "transcripts"
CORNERS = TRANSCRIPTS.with_name("corners")
MORE = TRANSCRIPTS.with_name("more")
RANDOM = TRANSCRIPTS.with_name("random")
# Files, steps, and how many of these may be skipped: a change of the rules should be noticed.
SETS = [(TRANSCRIPTS, 32, 2417, 0), (CORNERS, 6, 625, 0), (MORE, 56, 13750, 18), (RANDOM, 23, 6112, 10)]


@pytest.mark.parametrize(("folder", "files", "steps", "skipped_max"), SETS)
def test_nothing_differs_whatever_the_files_are_called(
    tmp_path: Path, folder: Path, files: int, steps: int, skipped_max: int
) -> None:
    paths = sorted(folder.glob("*.jsonl"))
    assert len(paths) == files
    random.Random(7).shuffle(paths)
    for number, path in enumerate(paths):
        shutil.copy(path, tmp_path / f"{number:03}.jsonl")
    renamed = sorted(tmp_path.glob("*.jsonl"))
    results = list(replay_all(renamed, 2))
    assert [result.path for result in results] == renamed
    assert [line for result in results for line in result.tally.differences] == []
    assert sum(result.tally.passed + result.tally.skipped.total() for result in results) == steps
    assert sum(result.tally.skipped.total() for result in results) <= skipped_max


def test_an_answer_that_differs_is_printed_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (TRANSCRIPTS / "60-merging-modes.jsonl").read_text().splitlines()
    step = json.loads(lines[2])
    step["stdout"] = step["stdout"] + "and more\n"
    (tmp_path / "x.jsonl").write_text("\n".join([lines[0], lines[1], json.dumps(step)]))
    assert run_conformance(str(tmp_path), 1) == 1
    printed = capsys.readouterr().out
    assert "x.jsonl[2] " in printed
    assert "    stdout\n" in printed
    assert "        | and more\n" in printed
    assert printed.endswith("1 passed, 1 failed, 0 skipped\n")


def test_an_empty_folder_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_conformance(str(tmp_path), 1) == 2
    assert "there is no transcript" in capsys.readouterr().err


def test_a_file_that_is_no_transcript_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.jsonl").write_text("{}\n")
    assert run_conformance(str(tmp_path), 1) == 1
    assert "the first line is no header" in capsys.readouterr().out


def test_the_runner_is_told_nothing_that_was_recorded() -> None:
    """Neither titles and notes nor anything that a command has printed."""
    for path in TRANSCRIPTS.glob("*.jsonl"):
        transcript = read_transcript(path.read_text())
        assert "scenario" not in ask_for_machine(transcript.header)["header"]
        for step in transcript.steps:
            asked = ask_for_step(step)["step"]
            assert set(asked) <= {"cmd", "stdin", "timeout", "devices"}


def test_a_header_that_cannot_be_built_fails_every_step() -> None:
    runner = RunnerProcess()
    try:
        answer = runner.ask({"header": {"devices": {"x": {"kind": "tape", "node": "/dev/st0", "dev": "9:0"}}}})
        assert "tape" in answer["error"]
        assert "there is no machine" in runner.ask({"step": {"cmd": ["sleep", "0"]}})["error"]
    finally:
        runner.close()
