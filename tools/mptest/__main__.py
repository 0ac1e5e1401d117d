"""`python -m tools.mptest`: the cases of mptest on real servers; the table on stdout, progress on stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tests.support.programs import find_program
from tools.choices import list_option
from tools.mptest import plan, report, trial
from tools.mptest.plan import Variant
from tools.mptest.trial import Result

SECONDS_MIN, SECONDS_MAX = 1.0, 3600.0
SLACK_MAX_MS = 60_000
PROGRAMS = ("fio", "nbdkit")


@click.command(context_settings={"max_content_width": 120})
@list_option("cases", tuple(plan.CASES))
@list_option("modes", plan.MODES)
@click.option(
    "--seconds",
    default=plan.SECONDS,
    show_default=True,
    type=click.FloatRange(SECONDS_MIN, SECONDS_MAX),
    help="How long fio runs in each case.",
)
@click.option("--quick", is_flag=True, help=f"{plan.QUICK_SECONDS:g} seconds each.")
@click.option(
    "--slack",
    default=0,
    show_default=True,
    type=click.IntRange(0, SLACK_MAX_MS),
    help="Milliseconds that anything may take longer on a machine that has other things to do; halves may be less even there.",
)
@click.option("--json", "output", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures there, too.")
def main(
    cases: tuple[str, ...], modes: tuple[str, ...], seconds: float, quick: bool, slack: int, output: Path | None
) -> None:
    """The cases of mptest: fio verifies what it writes to four paths in two groups, while they fail, go, and come back.

    Exit status: 1 if something went wrong or was out of its bounds, 2 for wrong usage, 3 if a program is missing.
    """
    lacking = [name for name in PROGRAMS if find_program(name) is None]
    if lacking:
        click.echo(f"not installed: {', '.join(lacking)}", err=True)
        sys.exit(3)
    variants = plan.make(cases, modes, plan.QUICK_SECONDS if quick else seconds, slack / 1000)
    sys.exit(_run(variants, output))


def _run(variants: list[Variant], output: Path | None) -> int:
    results: list[Result] = []
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    try:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("mptest", total=len(variants))
            for variant in variants:

                def tell(what: str, label: str = f"{variant.case} {variant.mode}") -> None:
                    progress.update(task, description=f"{label}: {what}")

                results.append(trial.run(variant, tell))
                done = results[-1]
                progress.console.print(f"{variant.case} {variant.mode}: {report.verdict(done)}", highlight=False)
                progress.advance(task)
    except KeyboardInterrupt:
        raise click.ClickException("broken off") from None
    click.echo(f"{report.table(results)}\n\n{report.FOOT}\n\n{report.summary(results)}")
    if output is not None:
        output.write_text(json.dumps(report.as_json(results), indent=1) + "\n")
    return report.status(results)


if __name__ == "__main__":
    main(prog_name="python -m tools.mptest")
