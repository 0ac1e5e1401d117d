"""`hawser lab report`: what experiments have found, as a page, figures and tables for other programs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from hawser.cli.lab_pool import WorkerDiedError, default_jobs, in_order
from hawser.cli.lab_progress import Meter
from hawser.lab.experiments.base import Curve
from hawser.lab.figure import NoMatplotlibError
from hawser.lab.report.figures import Drawn
from hawser.lab.report.page_parts import plural
from hawser.lab.report.results import ResultsError
from hawser.lab.report.write import draw_one, write_report

# Fewer figures than this are drawn before other processes have begun.
POOL_FROM: Final = 8
USAGE: Final = 2


def run_report(directory: str, jobs: int | None) -> int:
    """The exit status: 0 if the report is there, whatever it says; 2 if it is not."""

    def draw(work: list[tuple[Curve, str]]) -> Iterator[Drawn]:
        drawn = in_order(draw_one, work, (jobs or default_jobs()) if len(work) >= POOL_FROM else 1)
        with Meter("figures", len(work)) as meter:
            try:
                for number, ((curve, _), found) in enumerate(drawn, start=1):
                    meter.show(number, f"{number} of {len(work)}: {curve.title}")
                    yield found
            finally:
                drawn.close()

    try:
        report = write_report(Path(directory), draw)
    except (ResultsError, NoMatplotlibError, WorkerDiedError) as error:
        click.echo(f"hawser lab report: {error}", err=True)
        return USAGE
    except OSError as error:
        click.echo(f"hawser lab report: {error.filename or directory}: {error.strerror or error}", err=True)
        return USAGE
    results = report.results
    click.echo(
        f"{report.page}: {plural(len(results.experiments), 'experiment', 'experiments')}, "
        f"{plural(report.figures, 'figure', 'figures')}, {plural(report.tables, 'Parquet file', 'Parquet files')}"
    )
    if results.failing:
        click.echo(f"{results.failing} of {plural(results.claims, 'claim', 'claims')} DO NOT HOLD")
    for note in report.notes:
        click.echo(note, err=True)
    return 0
