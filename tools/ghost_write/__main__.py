"""`python -m tools.ghost_write`: the hazard table on real servers, printed on stdout; progress on stderr."""

from __future__ import annotations

import os
import sys
import time

import click
from tests.support.programs import find_program
from tools.choices import PlanError, list_option, parsed_by
from tools.ghost_write import plan, pool, report, rig
from tools.ghost_write.plan import Asked, Variant
from tools.ghost_write.report import Row
from tools.ghost_write.trial import Outcome

# Most of a row is waiting.
JOBS_PER_CPU = 5
JOBS_MAX = 64


@click.command(context_settings={"max_content_width": 120})
@list_option("servers", plan.SERVERS)
@list_option("faults", tuple(plan.FAULTS))
@list_option("ops", plan.OPS)
@click.option(
    "--sizes",
    default="",
    callback=parsed_by(plan.sizes),
    metavar="LIST",
    help="Bytes, multiples of 512 up to 4 MiB, such as 4096,65536. What is no multiple of 4096 is refused over servers that may "
    "rewrite larger blocks; nbdkit is told to state smaller ones.",
)
@list_option("overlaps", plan.OVERLAPS)
@list_option("orders", plan.ORDERS)
@click.option("--quick", is_flag=True, help="One row for each of the faults that take no long wait; under a minute.")
@click.option(
    "--whole", is_flag=True, help="Every combination of what is asked for, not each choice once and some drawn."
)
@click.option(
    "--drawn", default=plan.DRAWN, show_default=True, type=click.IntRange(0, 500), help="Rows drawn per server."
)
@click.option("--seed", default=1, show_default=True, type=int, help="Of what is drawn.")
@click.option("--queue-mode", default="rq", show_default=True, type=click.Choice(["rq", "bio", "mq"]))
@click.option(
    "--cache",
    default="lun",
    show_default=True,
    type=click.Choice(["lun", "path"]),
    help="What hawser is told of servers over one file: the truth, or nothing (path is its default).",
)
@click.option(
    "--jobs", default=0, type=click.IntRange(0, JOBS_MAX), help=f"Rows at a time. [default: {JOBS_PER_CPU} per CPU]"
)
def main(
    servers: tuple[str, ...],
    faults: tuple[str, ...],
    ops: tuple[str, ...],
    sizes: tuple[int, ...],
    overlaps: tuple[str, ...],
    orders: tuple[str, ...],
    quick: bool,
    whole: bool,
    drawn: int,
    seed: int,
    queue_mode: str,
    cache: str,
    jobs: int,
) -> None:
    """What becomes of a newer write when an older one's path failed: naive resend beside hawser as shipped, on real servers.

    \b
    faults    timeout      the first server is slow, the connection stays
              cut-hard     reset; cut-orderly: an end of file; cut-quiesce: reset, and quiesce=SECONDS is declared
              stop         SIGSTOP, later SIGCONT; kill, kill-tcp: SIGKILL, on a unix socket or TCP
              hole         a cable that swallows everything and heals; hole-quiesce: with quiesce=SECONDS (both need root)
              cached       timeout, and each server has a write-back cache of its own (nbdkit's filter)
              caches       two write-back caches, no fault; lost-cache: one of them is killed, then a flush
    ops       fua          a write with FUA; merged: a write in four pieces at once (discards of several ranges: not in NBD)
    overlaps  smaller      the newer one is, within the older; neighbour: two sectors of one block of 4096
    orders    after        the older one's retry is acknowledged; before that; or beside the older one, before the fault

    For instance: --servers qemu-nbd --faults cut-hard,stop --ops zeroes,fua --sizes 8192 --whole --queue-mode bio

    Exit status: 1 if hawser lost acknowledged data in any row, 2 for wrong usage, 3 if a row could not be played.
    """
    if quick and whole:
        raise click.UsageError("--quick and --whole exclude each other")
    asked = Asked(servers or plan.SERVERS, faults, ops, sizes, overlaps, orders, quick, whole, drawn, seed)
    try:
        variants = _playable(plan.make(asked))
    except PlanError as error:
        raise click.UsageError(str(error)) from None
    sys.exit(_run(variants, queue_mode, cache, jobs or JOBS_PER_CPU * (os.cpu_count() or 1)))


def _playable(variants: list[Variant]) -> list[Variant]:
    """Those for which everything is there; what is left out is said. PlanError if nothing is left."""
    kept: list[Variant] = []
    lacking: set[str] = set()
    for variant in variants:
        missing = [f"the program {name} is not installed" for name in rig.needs(variant) if find_program(name) is None]
        problem = "; ".join(missing) or rig.lacks(variant)
        if problem:
            lacking.add(f"{variant.server}, {variant.fault}: {problem}")
        else:
            kept.append(variant)
    for line in sorted(lacking):
        click.echo(f"left out: {line}", err=True)
    if not kept:
        raise PlanError("nothing is left that this machine could play")
    return kept


def _run(variants: list[Variant], queue_mode: str, cache: str, jobs: int) -> int:
    rows = [Row(variant) for variant in variants]
    works = [
        pool.Work(number, row.variant, naive, queue_mode, cache)
        for number, row in enumerate(rows)
        for naive in (True, False)
    ]
    # The longest first, so that the end is not one of them alone.
    works.sort(key=lambda work: work.variant.fault not in plan.HOLES)
    began = time.monotonic()
    try:
        for done, (work, outcome) in enumerate(pool.play_all(works, jobs), 1):
            row = rows[work.number]
            if work.naive:
                row.naive = outcome
            else:
                row.hawser = outcome
            _progress(done, len(works), began, work, outcome)
    except KeyboardInterrupt:
        raise click.ClickException("broken off") from None
    click.echo(report.render(rows))
    click.echo(f"\n{report.foot(cache)}\n\n{report.summary(rows)}")
    for row in rows:
        if row.hawser is not None and row.hawser.lost:
            click.echo(f"LOST: {report.command(row, queue_mode, cache)}", err=True)
    return report.status(rows)


def _progress(done: int, count: int, began: float, work: pool.Work, outcome: Outcome) -> None:
    side = "naive" if work.naive else "hawser"
    variant = work.variant
    what = outcome.error or outcome.note or outcome.verdict
    place = f"{variant.server} {variant.fault} {variant.older}/{variant.newer} {variant.size} {variant.overlap} {variant.order}"
    click.echo(f"{done}/{count} {time.monotonic() - began:.0f} s: {place}: {side}: {what}", err=True)


if __name__ == "__main__":
    main(prog_name="python -m tools.ghost_write")
