"""`hawser lab run`: experiments, their tables, and whether what was claimed beforehand holds."""

import textwrap
import traceback
from pathlib import Path
from typing import Any, Final

import click

from hawser.cli.exit_status import INTERRUPTED
from hawser.cli.lab_pool import WorkerDiedError, default_jobs, in_order
from hawser.cli.lab_progress import Meter
from hawser.cli.places import PlaceError, check_file, half_of, make_folder, reason
from hawser.lab.experiments.catalogue import NAMES, ExperimentError, find_experiments
from hawser.lab.experiments.page import page, shown
from hawser.lab.experiments.results import FILE_NAME, as_data, dumps, whole
from hawser.lab.model.scenario import ScenarioError
from hawser.lab.words import plural

WIDTH: Final = 120
INDENT: Final = "  "
USAGE: Final = 2
TRACEBACK_LINES: Final = 8
HOLDS: Final = "holds"
FAILS: Final = "DOES NOT HOLD"


def list_experiments() -> None:
    """Names and titles."""
    for name in NAMES:
        for experiment in find_experiments(name):
            click.echo(f"{name:24} {experiment.title}")


def play_one(what: str) -> list[dict[str, Any]]:
    """What a name or a file stands for, run; in a process of the pool. One that breaks does not end the others."""
    entries: list[dict[str, Any]] = []
    try:
        for experiment in find_experiments(what):
            entries.append(as_data(experiment, experiment.run()))
    except (ExperimentError, ScenarioError) as error:
        entries.append({"error": str(error)})
    except Exception as error:
        lines = "".join(traceback.format_exception(error)).rstrip().splitlines()[-TRACEBACK_LINES:]
        entries.append({"error": "\n".join([f"{what} has broken off: {type(error).__name__}: {error}", *lines])})
    return entries


def run_experiments(whats: list[str], into: str | None, page_file: str | None, jobs: int | None) -> int:
    """The exit status: 0 when everything that is claimed holds, 2 when something cannot be run."""
    try:
        for what in whats:
            find_experiments(what)
        folder = None if into is None else make_folder(into)
        page_place = None if page_file is None else check_file(page_file)
    except (ExperimentError, PlaceError) as error:
        click.echo(f"hawser lab run: {error}", err=True)
        return USAGE
    entries: list[dict[str, Any]] = []
    errors: list[str] = []
    results = in_order(play_one, whats, min(len(whats), jobs or default_jobs()))
    try:
        with Meter("experiments", len(whats)) as meter:
            meter.show(0, f"0 of {len(whats)}")
            for number, (what, found) in enumerate(results, 1):
                for entry in found:
                    if "error" in entry:
                        errors.append(entry["error"])
                    else:
                        entries.append(entry)
                        click.echo("\n".join(told(entry)))
                meter.show(number, f"{number} of {len(whats)}: {what}")
    except KeyboardInterrupt:
        click.echo("interrupted")
        return INTERRUPTED
    except WorkerDiedError as error:
        errors.append(str(error))
    finally:
        results.close()
    try:
        if folder is not None and entries:
            write_results(folder, entries)
        if page_place is not None and entries:
            write_whole(page_place, page(entries))
    except OSError as error:
        errors.append(reason(error))
    return _sum_up(entries, errors)


def write_results(folder: Path, entries: list[dict[str, Any]]) -> None:
    """results.json, whole or not at all."""
    file = folder / FILE_NAME
    write_whole(file, dumps(whole(entries)))
    click.echo(f"{file}: what was found; `hawser lab report {folder}` makes a page of it")


def write_whole(file: Path, text: str) -> None:
    """All of a file, or nothing of it. OSError with the name of the file."""
    half = half_of(file)
    try:
        half.write_text(text)
        if half != file:
            half.rename(file)
    except OSError as error:
        if half != file:
            half.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(file)) from None


def _sum_up(entries: list[dict[str, Any]], errors: list[str]) -> int:
    claims = [claim for entry in entries for claim in entry["claims"]]
    wrong = [
        f"{entry['name']}: {claim['text']}" for entry in entries for claim in entry["claims"] if not claim["holds"]
    ]
    right = len(claims) - len(wrong)
    held = f"{right} hold{'s' if right == 1 else ''}"
    click.echo(f"{plural(len(entries), 'experiment')}, {plural(len(claims), 'claim')}, {held}")
    for text in wrong:
        click.echo(f"{FAILS}: {text}")
    for text in errors:
        click.echo(f"hawser lab run: {text}", err=True)
    if errors:
        return USAGE
    return 1 if wrong else 0


# Words for people.


def told(entry: dict[str, Any]) -> list[str]:
    """One experiment, as lines."""
    verdict = (HOLDS if entry["holds"] else FAILS) if entry["claims"] else "nothing was claimed"
    lines = [f"{entry['name']}: {entry['title']}: {verdict}"]
    parameters = ", ".join(f"{name} {shown(value)}" for name, value in entry["parameters"].items())
    for head, text in (
        ("hypothesis", entry["hypothesis"]),
        ("model", entry["model"]),
        ("parameters", parameters),
        ("source", entry["source"]),
    ):
        lines += _hanging(f"{head:12}", text)
    for table in entry["tables"]:
        lines += ["", *_table(table)]
    if entry["claims"]:
        lines.append("")
    for claim in entry["claims"]:
        lines += _claim(claim)
    for text in entry["limits"]:
        lines += _hanging("stops holding  ", text)
    return [*lines, ""]


def _hanging(head: str, text: str) -> list[str]:
    first = f"{INDENT}{head}"
    return textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=first, subsequent_indent=" " * len(first))


def _table(table: dict[str, Any]) -> list[str]:
    rows = [[shown(value) for value in row] for row in table["rows"]]
    columns = [str(column) for column in table["columns"]]
    widths = [max(len(row[place]) for row in [columns, *rows]) for place in range(len(columns))]
    is_number = [all(not isinstance(row[place], str) for row in table["rows"]) for place in range(len(columns))]
    lines = [f"{INDENT}{table['title']}"]
    for row in [columns, *rows]:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, is_number, strict=True)
        ]
        lines.append(f"{INDENT}{INDENT}{'  '.join(cells)}".rstrip())
    if table["note"]:
        lines += _hanging(INDENT, table["note"])
    return lines


def _claim(claim: dict[str, Any]) -> list[str]:
    unit = f" {claim['unit']}" if claim["unit"] else ""
    requirement = f" ({claim['requirement']})" if claim["requirement"] else ""
    verdict = HOLDS if claim["holds"] else FAILS
    measured = f"{shown(claim['measured'])}{unit}, wanted {claim['wanted']}{requirement}"
    return _hanging(f"{claim['kind']:12}", f"{claim['text']}: {measured}: {verdict}; {claim['where']}")
