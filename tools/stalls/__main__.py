"""`python -m tools.stalls`: the longest stalls on real servers, printed on stdout; progress on stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from tests.support.programs import find_program
from tools.choices import PlanError, list_option, parsed_by
from tools.stalls import plan, proofs, report, rig, trial
from tools.stalls.plan import Asked, Variant
from tools.stalls.proofs import PROOFS, Waited
from tools.stalls.trial import Result

TRIALS_MAX = 1000


@click.command(context_settings={"max_content_width": 120})
@list_option("servers", plan.SERVERS, "nbdkit")
@list_option("faults", tuple(plan.FAULTS))
@list_option("transports", plan.TRANSPORTS)
@list_option("caches", plan.CACHES)
@list_option("modes", plan.MODES)
@list_option("loads", plan.LOADS)
@list_option("proofs", tuple(PROOFS))
@click.option(
    "--io-timeouts",
    default="",
    callback=parsed_by(plan.seconds),
    metavar="LIST",
    help="Seconds, of what has to time out. Default: 1,2.",
)
@click.option(
    "--trials", default=plan.TRIALS, show_default=True, type=click.IntRange(1, TRIALS_MAX), help="Kills per row."
)
@click.option(
    "--long-trials",
    default=plan.LONG_TRIALS,
    show_default=True,
    type=click.IntRange(1, TRIALS_MAX),
    help="Trials per row of what takes seconds each.",
)
@click.option("--quick", is_flag=True, help="One trial of a few rows, under two minutes.")
@click.option("--no-fio", is_flag=True, help="Leave out the second half of each trial, in which fio is the client.")
@click.option("--no-stalls", is_flag=True, help="Only the table of overlapping writes behind a fence.")
@click.option("--no-proofs", is_flag=True, help="Leave that table out.")
@click.option("--json", "output", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures there, too.")
def main(
    servers: tuple[str, ...],
    faults: tuple[str, ...],
    transports: tuple[str, ...],
    caches: tuple[str, ...],
    modes: tuple[str, ...],
    loads: tuple[str, ...],
    proofs: tuple[str, ...],  # (The module of that name is not needed here.)
    io_timeouts: tuple[float, ...],
    trials: int,
    long_trials: int,
    quick: bool,
    no_fio: bool,
    no_stalls: bool,
    no_proofs: bool,
    output: Path | None,
) -> None:
    """How long the slowest I/O takes when a path dies, stops, or vanishes; and how long overlapping writes wait behind a fence.

    Exit status: 1 if a bound is broken, 2 for wrong usage, 3 if a row could not be measured.
    """
    if no_stalls and no_proofs:
        raise click.UsageError("--no-stalls and --no-proofs exclude each other: nothing is left")
    if quick:
        trials = long_trials = 1
        modes, loads, io_timeouts = modes or ("rq",), loads or ("randrw",), io_timeouts or (1.0,)
    asked = Asked(servers, faults, transports, caches, modes, loads, io_timeouts)
    try:
        variants = [] if no_stalls else _measurable(plan.make(asked))
    except PlanError as error:
        raise click.UsageError(str(error)) from None
    waits = [] if no_proofs else _waits(proofs or tuple(PROOFS), modes or plan.MODES, long_trials)
    if not variants and not waits:
        raise click.UsageError("nothing is left that this machine could measure")
    sys.exit(_run(variants, waits, trials, long_trials, not no_fio and _has_fio(), output))


def _measurable(variants: list[Variant]) -> list[Variant]:
    """Those for which everything is there; what is left out is said."""
    lacking = {variant: rig.lacks(variant) for variant in variants}
    for line in sorted({f"{row.server}, {row.fault}: {problem}" for row, problem in lacking.items() if problem}):
        click.echo(f"left out: {line}", err=True)
    return [variant for variant in variants if not lacking[variant]]


def _waits(names: tuple[str, ...], modes: tuple[str, ...], trials: int) -> list[Waited]:
    """What of the second table is to be measured."""
    found: list[Waited] = []
    for name in names:
        problem = proofs.lacks(name)
        if problem:
            click.echo(f"left out: {PROOFS[name]}: {problem}", err=True)
        else:
            found += [Waited(name, mode) for mode in modes for _ in range(trials)]
    return found


def _has_fio() -> bool:
    found = find_program("fio") is not None
    if not found:
        click.echo("left out: fio's own figures: the program fio is not installed", err=True)
    return found


def _run(
    variants: list[Variant], waits: list[Waited], trials: int, long_trials: int, with_fio: bool, output: Path | None
) -> int:
    results: list[Result] = []
    waited: list[Waited] = []
    counts = [trials if variant.fault == "kill" else long_trials for variant in variants]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("stalls", total=sum(counts) + len(waits))
            for variant, count in zip(variants, counts, strict=True):
                result = Result(variant)
                results.append(result)
                for number in range(count):
                    progress.update(task, description=_label(variant))
                    trial.run(variant, number, result, with_fio)
                    progress.advance(task)
            for wait in waits:
                progress.update(task, description=f"{PROOFS[wait.proof]} {wait.queue_mode}")
                waited.append(proofs.run(wait.proof, wait.queue_mode))
                progress.advance(task)
    except KeyboardInterrupt:
        raise click.ClickException("broken off") from None
    if results:
        click.echo(f"{report.stall_table(results)}\n\n{report.FOOT}\n")
    if waited:
        click.echo(f"{report.proof_table(waited)}\n")
    click.echo(report.summary(results, waited))
    if output is not None:
        output.write_text(json.dumps(report.as_json(results, waited), indent=1) + "\n")
    return report.status(results, waited)


def _label(variant: Variant) -> str:
    return f"{variant.fault} {variant.transport} {variant.caches} {variant.queue_mode} {variant.load}"


if __name__ == "__main__":
    main(prog_name="python -m tools.stalls")
