"""`hawser lab fuzz`: a batch of seeds, what they found, and which rare events they have seen."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import count
from typing import Final

import click

from hawser.cli.exit_status import INTERRUPTED
from hawser.cli.lab_plans import SAFE, draw, replay_command
from hawser.cli.lab_pool import Result, WorkerDiedError, chunks, default_jobs, in_order, play_chunk
from hawser.cli.lab_progress import Meter
from hawser.core.units import NS_PER_S
from hawser.lab.marks import MARKS, Marks
from hawser.lab.shrink import is_loss

# From how many seeds on a batch must have hit every mark.
MARKED_SEEDS_MIN: Final = 1000
FAILURES_SHOWN: Final = 5
FAULTS_SHOWN: Final = 3


@dataclass(frozen=True)
class Wish:
    """What was asked for. `minutes` instead of the end of `seeds`; `kind` as in hawser.cli.lab_plans."""

    seeds: tuple[int, int]
    minutes: float | None
    jobs: int | None
    shrinks: bool
    kind: str
    minds_marks: bool
    shows_marks: bool
    keeps_going: bool


class Batch:
    """Everything about the runs so far."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.seeds = 0
        self.bios = 0
        self.virtual_ns = 0
        self.failed: list[Result] = []
        self.failures = 0
        self.lost = 0
        self.marks = Marks()
        self.died = ""
        self._hash = blake2b(digest_size=16)

    def add(self, result: Result) -> None:
        self.seeds += 1
        self.bios += result.bios
        self.virtual_ns += result.end_ns
        self.marks.add(result.hits)
        self._hash.update(result.digest.encode())
        loses = any(is_loss(fault) for fault in result.faults)
        self.lost += loses
        self.failures += bool(result.faults)
        # Of a broken configuration only the losses are of interest.
        if result.faults and len(self.failed) < FAILURES_SHOWN and (self.kind == SAFE or loses):
            self.failed.append(result)

    def digest(self) -> str:
        """One hash for all runs, in the order of their seeds."""
        return self._hash.hexdigest()


def run_fuzz(wish: Wish) -> int:
    """The exit status."""
    batch = Batch(wish.kind)
    total = wish.minutes * 60 if wish.minutes else wish.seeds[1] - wish.seeds[0]
    with Meter("fuzz", total) as meter:
        was_interrupted = _play(wish, batch, meter)
        seconds = meter.seconds()
    _report(wish, batch, seconds)
    if was_interrupted:
        click.echo("interrupted")
        return 1 if batch.failures and wish.kind == SAFE else INTERRUPTED
    good = _is_good(wish, batch)
    if batch.failed and wish.shrinks:
        _tell_shrunk(batch.failed[0].seed, wish.kind)
    return 0 if good else 1


def _play(wish: Wish, batch: Batch, meter: Meter) -> bool:
    """Play until the end, the first failure, or Ctrl-C; whether it was that."""
    results = in_order(play_chunk, chunks(_seeds(wish), wish.kind), wish.jobs or default_jobs())
    try:
        for _, found in results:
            for result in found:
                batch.add(result)
            done = meter.seconds() if wish.minutes else batch.seeds
            rate = batch.seeds / max(meter.seconds(), 0.001)
            meter.show(done, f"{batch.seeds:,} seeds, {rate:,.0f}/s, {batch.bios:,} I/Os, {batch.failures} failures")
            if batch.failures and wish.kind == SAFE and not wish.keeps_going:
                break
    except KeyboardInterrupt:
        return True
    except WorkerDiedError as error:
        batch.died = str(error)
        batch.failures += 1
    finally:
        results.close()
    return False


def _seeds(wish: Wish) -> Iterator[int]:
    if wish.minutes is None:
        yield from range(*wish.seeds)
        return
    end = time.monotonic() + wish.minutes * 60
    for seed in count(wish.seeds[0]):
        if time.monotonic() >= end:
            return
        yield seed


def _report(wish: Wish, batch: Batch, seconds: float) -> None:
    for result in batch.failed[: FAILURES_SHOWN if wish.kind == SAFE else 1]:
        _show_failure(result, wish.kind)
    if batch.failures > len(batch.failed) and wish.kind == SAFE and not batch.died:
        click.echo(f"... and {batch.failures - len(batch.failed)} more seeds that fail")
    if batch.died:
        click.echo(batch.died)
    if wish.shows_marks:
        for name, about in MARKS.items():
            click.echo(f"{batch.marks.hits.get(name, 0):>10,}  {name:<30} {about}")
    missing = batch.marks.missing()
    click.echo(
        f"{batch.seeds:,} seeds in {seconds:.1f} s: {batch.bios:,} I/Os, {batch.virtual_ns / NS_PER_S:,.0f} s of virtual time, "
        f"{batch.failures} failures; marks hit: {len(MARKS) - len(missing)} of {len(MARKS)}"
    )
    click.echo(f"digest of {batch.seeds} runs: {batch.digest()}")


def _show_failure(result: Result, kind: str) -> None:
    click.echo(f"seed {result.seed}: digest {result.digest}")
    for fault in result.faults[:FAULTS_SHOWN]:
        click.echo(f"    {fault}")
    if len(result.faults) > FAULTS_SHOWN:
        click.echo(f"    ... and {len(result.faults) - FAULTS_SHOWN} more")
    for line in result.crash:
        click.echo(f"    | {line}")
    click.echo(f"    replay: {replay_command(result.seed, kind)}")


def _is_good(wish: Wish, batch: Batch) -> bool:
    if wish.kind != SAFE:
        click.echo(f"{wish.kind}: {batch.lost} of {batch.seeds} seeds have lost acknowledged data, as some must")
        return batch.lost > 0
    missing = batch.marks.missing()
    if not missing or not wish.minds_marks or batch.failures:
        return batch.failures == 0
    if batch.seeds < MARKED_SEEDS_MIN:
        click.echo(f"(a batch of {MARKED_SEEDS_MIN:,} seeds or more must hit them all)")
        return True
    for name in missing:
        click.echo(f"mark never hit: {name} ({MARKS[name]})")
    return False


def _tell_shrunk(seed: int, kind: str) -> None:
    from hawser.cli.lab_show import shrunk_with_progress, tell_plan

    click.echo("")
    tell_plan(shrunk_with_progress(draw(seed, kind)), everything=False)
    click.echo(f"keep it: {replay_command(seed, kind)} --shrink --plan FILE.json")
