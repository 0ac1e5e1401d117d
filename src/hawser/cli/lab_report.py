"""`hawser lab report`: what experiments have found, as a page, figures and tables for other programs."""

from pathlib import Path

import click
from rich.console import Console

from hawser.lab.figure import NoMatplotlibError
from hawser.lab.report.page_parts import plural
from hawser.lab.report.results import ResultsError
from hawser.lab.report.write import write_report


def run_report(directory: str) -> int:
    """The exit status: 0 if the report is there, whatever it says; 2 if it is not."""
    console = Console(stderr=True)
    try:
        with console.status("reading ...") as status:
            report = write_report(
                Path(directory),
                lambda done, total, what: status.update(f"figure {done + 1} of {total}: {what.replace('[', '(')}"),
            )
    except (ResultsError, NoMatplotlibError) as error:
        click.echo(f"hawser lab report: {error}", err=True)
        return 2
    except OSError as error:
        click.echo(f"hawser lab report: {error.filename or directory}: {error.strerror or error}", err=True)
        return 2
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
