"""`hawser lab conformance`: replay kernel transcripts, and print what differs.

Each of several threads reads files and compares, and has a process of its own that runs the steps: that is told what to run, and
nothing of what is expected, nor of names of files.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from hawser.cli.lab_pool import default_jobs
from hawser.cli.places import reason
from hawser.lab.conformance.protocol import Json, ask_for_machine, ask_for_step
from hawser.lab.conformance.report import Tally, difference_lines, skip_lines
from hawser.lab.conformance.transcript import Transcript, TranscriptError, read_transcript

PATTERN: Final = "*.jsonl"
RUNNER: Final = "hawser.cli.lab_conformance_runner"


class RunnerProcess:
    """The other side."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, message: Json) -> Json:
        questions, answers = self._process.stdin, self._process.stdout
        assert questions is not None and answers is not None
        questions.write(json.dumps(message) + "\n")
        questions.flush()
        line = answers.readline()
        if not line:
            raise RuntimeError(f"the process that runs the steps has ended, with status {self._process.wait()}")
        answer: Json = json.loads(line)
        return answer

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@dataclass
class FileResult:
    path: Path
    tally: Tally
    trouble: str = ""


def replay(runner: RunnerProcess, transcript: Transcript) -> Tally:
    """Every step of one transcript. When there is no machine every step fails."""
    tally = Tally()
    made = runner.ask(ask_for_machine(transcript.header))
    for number, step in enumerate(transcript.steps, 1):
        answer = runner.ask(ask_for_step(step)) if "error" not in made else made
        tally.add_step(number, step, answer)
    return tally


def _replay_files(paths: list[Path]) -> list[FileResult]:
    runner = RunnerProcess()
    try:
        return [_replay_file(runner, path) for path in paths]
    finally:
        runner.close()


def _replay_file(runner: RunnerProcess, path: Path) -> FileResult:
    try:
        transcript = read_transcript(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, TranscriptError) as error:
        return FileResult(path, Tally(failed=1), reason(error))
    return FileResult(path, replay(runner, transcript))


def replay_all(paths: list[Path], jobs: int) -> Iterator[FileResult]:
    """The results of all files, in order."""
    parts = [paths[first::jobs] for first in range(min(jobs, len(paths)))]
    with ThreadPoolExecutor(len(parts)) as pool:
        found = [result for results in pool.map(_replay_files, parts) for result in results]
    yield from sorted(found, key=lambda result: paths.index(result.path))


def run_conformance(folder: str, jobs: int | None) -> int:
    """Replay every transcript of a folder. The exit status: 0 when nothing failed, 2 when there is nothing to replay."""
    paths = sorted(Path(folder).glob(PATTERN))
    if not paths:
        click.echo(f"{folder}: there is no transcript ({PATTERN}) in it", err=True)
        return 2
    total = Tally()
    for result in replay_all(paths, jobs or default_jobs()):
        if result.trouble:
            click.echo(f"{result.path.name}: {result.trouble}")
        for difference in result.tally.differences:
            click.echo("\n".join(difference_lines(result.path.name, difference)))
        click.echo(f"{result.path.name}: {result.tally.closing_line()}")
        total.add(result.tally)
    for line in skip_lines(total):
        click.echo(line)
    click.echo(total.closing_line())
    return 1 if total.failed else 0
