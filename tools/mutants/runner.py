"""Runs mutants: a private copy of the tree each, stage after stage until one fails, a few at a time.

The tree is copied once when the run begins, so that it may be edited meanwhile; the unmutated copy must pass every stage, and
says how long they take. Every program runs in a session of its own and is ended by its process group's number.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.mutants.mutant import Mutant
from tools.mutants.nearby import near_tests
from tools.mutants.results import Result, Tree, content_hash, tree_files
from tools.mutants.stages import NEAR, OUTER_ROOMS, UNIT, Outcome, guarded, is_met, judge

# A stage may take this many times what it took on the unmutated tree, and never less than so many seconds.
TIMEOUT_FACTOR: Final = 8
TIMEOUT_MIN_S: Final = 60.0
NEAR_MAX_S: Final = 75.0
BASELINE_TIMEOUT_S: Final = 3600.0

# Of the tests that are near to nothing at all, on the unmutated tree.
ANY_TESTS: Final = ["tests/block/test_merge.py"]

CommandMaker = Callable[[str, str, list[str], list[str]], list[str]]


class RunError(Exception):
    """The run itself is at fault, so that nothing is known about the mutants."""


class Programs:
    """The programs that are running now, so that all of them can be ended."""

    def __init__(self) -> None:
        self._running: set[int] = set()
        self._lock = threading.Lock()
        self.ended = False

    def run(self, words: list[str], directory: Path, timeout_s: float) -> tuple[int | None, str]:
        """The exit status, None when the time ran out, and what was said."""
        with tempfile.TemporaryFile("w+", errors="replace") as said:
            with self._lock:
                if self.ended:
                    raise RunError("broken off")
                process = subprocess.Popen(
                    words,
                    cwd=directory,
                    env=_environment(directory),
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
                self._running.add(process.pid)
            try:
                status: int | None = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                _end(process)
                with self._lock:
                    self._running.discard(process.pid)
            said.seek(0)
            return status, said.read()

    def end_all(self) -> None:
        with self._lock:
            self.ended = True
            running = list(self._running)
        for pid in running:
            _kill_group(pid)


def _environment(directory: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "HAWSER"))}
    return {**kept, "PYTHONPATH": str(directory / "src"), "PYTHONHASHSEED": "0", "COLUMNS": "200"}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and all that it started, which are one process group."""
    _kill_group(process.pid)
    process.wait()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


@dataclass(frozen=True)
class Baseline:
    """How many seconds each stage took on the unmutated tree."""

    seconds: dict[str, float]

    def timeout_s(self, stage: str) -> float:
        """Which tests are near a mutant differs: what all of them take, or may take, is the measure."""
        seconds = self.seconds.get(UNIT, NEAR_MAX_S) if stage == NEAR else self.seconds[stage]
        return max(TIMEOUT_MIN_S, TIMEOUT_FACTOR * seconds)


class Runner:
    """`make_command(stage, room, modules, near)` is what runs in a copy's root; tests give another one. `killers`: see
    tools.mutants.nearby."""

    def __init__(
        self,
        root: Path,
        place: Path,
        stages: tuple[str, ...],
        make_command: CommandMaker = guarded,
        killers: dict[str, str] | None = None,
    ) -> None:
        self.place = place
        self.stages = stages
        self.make_command = make_command
        self.killers = killers or {}
        self.programs = Programs()
        self.tree = place / "tree"
        self._numbers = iter(range(1_000_000))
        for path in tree_files(root):
            target = self.tree / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
        self.hashes = Tree(self.tree)

    def baseline(self, outer: bool = False) -> Baseline:
        """Run the unmutated tree, the tests of the rooms outside of the engine, too, if `outer`. It has to pass; what Python
        compiles meanwhile is used by the copies."""
        seconds: dict[str, float] = {}
        runs = [(stage, "block", "hawser.block.bio") for stage in self.stages]
        if outer and UNIT in self.stages:
            runs.append((UNIT, OUTER_ROOMS[0], "hawser.paths.uri"))
        for stage, room, module in runs:
            began = time.monotonic()
            words = self.make_command(stage, room, [module], ANY_TESTS)
            outcome, said = self._stage(stage, words, self.tree, BASELINE_TIMEOUT_S)
            if not outcome.passed:
                why = outcome.trouble or outcome.killer
                raise RunError(f"the unmutated tree does not pass the stage {stage}: {why}\n{said[-3000:]}")
            seconds[stage] = max(time.monotonic() - began, seconds.get(stage, 0.0))
        return Baseline(seconds)

    def run(self, mutants: list[Mutant], baseline: Baseline, jobs: int) -> Generator[tuple[Mutant, Result], None, None]:
        """The results, as they come. When the caller leaves early, what is running is ended."""
        with ThreadPoolExecutor(jobs) as pool:
            futures = {pool.submit(self.one, mutant, baseline): mutant for mutant in mutants}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            finally:
                for future in futures:
                    future.cancel()
                self.programs.end_all()

    @contextlib.contextmanager
    def copy(self, mutant: Mutant) -> Generator[Path, None, None]:
        """A copy of the tree with the mutant in it, for as long as it is needed."""
        copy = self.place / f"mutant-{next(self._numbers)}"
        shutil.copytree(self.tree, copy)
        try:
            mutant.apply(copy)
            yield copy
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def one(self, mutant: Mutant, baseline: Baseline) -> Result:
        with self.copy(mutant) as copy:
            took: dict[str, float] = {}
            near = near_tests(copy, mutant, self.killers)
            for stage in self.stages:
                if (stage == NEAR and not near) or not is_met(stage, mutant.room()):
                    continue
                began = time.monotonic()
                words = self.make_command(stage, mutant.room(), mutant.modules(), near)
                outcome, said = self._stage(stage, words, copy, baseline.timeout_s(stage))
                took[stage] = round(time.monotonic() - began, 1)
                if outcome.trouble:
                    raise RunError(f"{mutant.name}: stage {stage}: {outcome.trouble}\n{said[-3000:]}")
                if not outcome.passed:
                    return self._result(mutant, stage, outcome, took)
            return self._result(mutant, "", Outcome(True), took)

    def _result(self, mutant: Mutant, stage: str, outcome: Outcome, took: dict[str, float]) -> Result:
        evidence = self.hashes.evidence(outcome.killer)
        return Result(mutant.key, content_hash(mutant), stage, outcome.killer, outcome.hung, took, evidence)

    def _stage(self, stage: str, words: list[str], root: Path, timeout_s: float) -> tuple[Outcome, str]:
        status, said = self.programs.run(words, root, timeout_s)
        return judge(stage, status, said), said
