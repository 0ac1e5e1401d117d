"""`hawser lab sweep`: every combination of what a scenario varies, with every seed, on many processes or machines."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import click

from hawser.cli.exit_status import INTERRUPTED
from hawser.cli.lab_dask import Cluster, ClusterError
from hawser.cli.lab_identity import identity, outside
from hawser.cli.lab_pool import default_jobs
from hawser.cli.lab_progress import Meter
from hawser.cli.lab_run import told
from hawser.cli.lab_sweep_store import Store, StoreError, job_key
from hawser.cli.lab_workers import Workers
from hawser.lab.experiments.comparison import Comparison
from hawser.lab.experiments.results import FILE_NAME, as_data, dumps, whole
from hawser.lab.model.grid import parse_over
from hawser.lab.model.jobs import PLAY, Executor, Job, bare, write
from hawser.lab.model.scenario import ScenarioError
from hawser.lab.model.scenario_file import load, plain

JOBS_MAX: Final = 1_000_000
FAILED_SHOWN: Final = 20


@dataclass(frozen=True)
class Wish:
    """What was asked for. `seeds`: from, and up to without; `dask`: a scheduler's address, or empty for processes here."""

    file: str
    over: tuple[str, ...]
    seeds: tuple[int, int] | None
    jobs: int | None
    dask: str
    into: str
    retries: int
    seconds_max: float
    play: str = PLAY


def run_sweep(wish: Wish) -> int:
    """The exit status: 1 if a job has failed, 2 if what was asked for makes no sense."""
    try:
        scenario = load(Path(wish.file))
        over = {**scenario.over, **parse_over(list(wish.over))}
        comparison = Comparison(scenario, over, range(*wish.seeds) if wish.seeds else None, play=wish.play)
        count = len(comparison.cells) * len(comparison.seeds)
        if count > JOBS_MAX:
            raise ScenarioError(f"{count:,} jobs; at most {JOBS_MAX:,} make a sweep")
        sweep = Sweep(wish, comparison)
    except ScenarioError as error:
        click.echo(f"hawser lab sweep: {error}", err=True)
        return 2
    try:
        if not wish.into:
            return sweep.run(None)
        base = write(plain(bare(scenario)))
        with Store(Path(wish.into), scenario.name, base, identity(), wish.play) as store:
            return sweep.run(store)
    except (StoreError, ClusterError) as error:
        click.echo(f"hawser lab sweep: {error}", err=True)
        return 2 if isinstance(error, StoreError) else 1
    except OSError as error:
        click.echo(f"hawser lab sweep: {error.filename or wish.into}: {error.strerror}", err=True)
        return 1


class Sweep:
    """All jobs of a comparison, and what has become of them. ScenarioError when a file that one needs is not there."""

    def __init__(self, wish: Wish, comparison: Comparison) -> None:
        self.wish = wish
        self.comparison = comparison
        self.jobs = comparison.jobs()
        digests = [outside(cell.scenario) for cell in comparison.cells]
        seeds = len(comparison.seeds)
        hawser = identity()
        self.keys = [job_key(hawser, wish.play, digests[job.number // seeds], job) for job in self.jobs]
        self.texts = [""] * len(self.jobs)
        self.failed: dict[int, str] = {}
        self.done = 0

    def run(self, store: Store | None) -> int:
        """The exit status. ClusterError."""
        if store is not None:
            self.texts = [store.done.get(key, "") for key in self.keys]
        left = [job for job in self.jobs if not self.texts[job.number]]
        self.done = len(self.jobs) - len(left)
        kept = f"; {self.done:,} were done before" if self.done else ""
        cells = _many(len(self.comparison.cells), "combination")
        seeds = _many(len(self.comparison.seeds), "seed")
        click.echo(f"{self.comparison.name}: {_many(len(self.jobs), 'job')}, {cells} of {seeds}{kept}")
        try:
            self._play(left, store)
        except KeyboardInterrupt:
            self._say_interrupted(store)
            return INTERRUPTED
        self._report(store)
        return 1 if self.failed else 0

    def _play(self, left: list[Job], store: Store | None) -> None:
        """Every job that is left, and again those that failed."""
        if not left:
            return
        wish = self.wish
        executor: Executor
        if wish.dask:
            executor = Cluster(wish.dask, wish.seconds_max)
        else:
            executor = Workers(min(wish.jobs or default_jobs(), len(left)), wish.seconds_max)
        try:
            with Meter("sweep", len(self.jobs)) as meter:
                for _ in range(1 + wish.retries):
                    self._play_once(executor, left, store, meter)
                    left = [job for job in left if job.number in self.failed]
        finally:
            executor.close()

    def _play_once(self, executor: Executor, jobs: Sequence[Job], store: Store | None, meter: Meter) -> None:
        self._show(meter)
        for job, outcome in executor.run(jobs, self.wish.play):
            if outcome.error:
                self.failed[job.number] = outcome.error
            else:
                self.failed.pop(job.number, None)
                self.texts[job.number] = outcome.text
                self.done += 1
                if store is not None:
                    store.add(self.keys[job.number], job, outcome.text)
            self._show(meter)

    def _show(self, meter: Meter) -> None:
        failed = f", {len(self.failed):,} failed" if self.failed else ""
        meter.show(self.done, f"{self.done:,} of {len(self.jobs):,} jobs{failed}")

    # Telling.

    def digest(self) -> str:
        """One hash of all outcomes, in the order of their jobs."""
        found = blake2b(digest_size=16)
        for text in self.texts:
            found.update(text.encode() + b"\n")
        return found.hexdigest()

    def _report(self, store: Store | None) -> None:
        entry = as_data(self.comparison, self.comparison.findings(self.texts))
        if store is not None:
            store.finish(self.keys)
            data = whole([entry])
            data["sweep"] = {"jobs": len(self.jobs), "failed": len(self.failed), "digest": self.digest()}
            store.replace(FILE_NAME, dumps(data))
        click.echo("\n".join(told(entry)))
        self._name_failed(store)
        click.echo(f"digest of {_many(self.done, 'outcome')}: {self.digest()}")
        if store is not None:
            click.echo(
                f"{store.folder / FILE_NAME}: what was found; `hawser lab report {store.folder}` makes a page of it"
            )

    def _name_failed(self, store: Store | None) -> None:
        if not self.failed:
            return
        click.echo(f"{_many(len(self.failed), 'job')} failed:", err=True)
        for number in sorted(self.failed)[:FAILED_SHOWN]:
            click.echo(f"    {self.jobs[number].name()}: {self.failed[number]}", err=True)
            click.echo(f"        alone: {self._command(self.jobs[number])}", err=True)
        if len(self.failed) > FAILED_SHOWN:
            click.echo(f"    ... and {len(self.failed) - FAILED_SHOWN:,} more", err=True)
        if store is not None:
            click.echo("the same command plays them again, and nothing else", err=True)

    def _command(self, job: Job) -> str:
        """What plays one job by itself."""
        words = ["hawser", "lab", "sweep", self.wish.file]
        cell = self.comparison.cells[job.number // len(self.comparison.seeds)]
        for key, text in cell.words.items():
            words += ["--over", f"{key}={text}"]
        return shlex.join([*words, "--seeds", f"{job.seed}..{job.seed + 1}"])

    def _say_interrupted(self, store: Store | None) -> None:
        done = f"interrupted: {self.done:,} of {_many(len(self.jobs), 'job')} are done"
        click.echo(
            f"{done}; the same command goes on" if store is not None else f"{done}, and lost: --into DIR keeps them"
        )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
