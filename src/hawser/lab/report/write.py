"""Write: a report into the directory that holds the results, all of it or nothing.

    report.html             the page
    figures/NAME--TITLE.svg, -dark.svg, .png, -dark.png
    records/NAME.parquet    the records of each experiment that has some

Everything is made in a directory of its own below DIR first, and takes its places when it is complete. Figures and records that
the page of an earlier report names, and the new one does not, are taken away; what else lies in those directories stays.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Final

from hawser.lab.experiments.base import Curve
from hawser.lab.report.entries import FIGURES, RECORDS, Entry, make_entries
from hawser.lab.report.figures import Drawn, draw_curve
from hawser.lab.report.page import page
from hawser.lab.report.parquet import NoPolarsError, to_parquet
from hawser.lab.report.results import Results, ResultsError, load

PAGE: Final = "report.html"
NO_PARQUET: Final = "There are no Parquet files, since polars is not there: pip install 'hawser[lab]'"

_OURS: Final = re.compile(rf'href="((?:{FIGURES}|{RECORDS})/[^"/]+)"')


@dataclass(frozen=True)
class Report:
    """What was written: the page, how many figures (of four files each) and tables of records; `notes`: what there is to know."""

    page: Path
    results: Results
    figures: int
    tables: int
    notes: list[str]


# Draws curves, each with the beginning of its identifiers, in their order: here one after the other, or in many processes.
Draw = Callable[[list[tuple[Curve, str]]], Iterable[Drawn]]


def draw_one(work: tuple[Curve, str]) -> Drawn:
    return draw_curve(*work)


def one_by_one(work: list[tuple[Curve, str]]) -> Iterable[Drawn]:
    return map(draw_one, work)


def write_report(directory: Path, draw: Draw = one_by_one) -> Report:
    """ResultsError, NoMatplotlibError; OSError where DIR cannot be written."""
    results = load(directory)
    entries = make_entries(results)
    workshop = directory / f".report-{os.getpid()}"
    shutil.rmtree(workshop, ignore_errors=True)
    workshop.mkdir()
    try:
        figures = _draw(entries, workshop, draw)
        notes = _tabulate(entries, workshop)
        (workshop / PAGE).write_text(page(results, entries, notes), encoding="utf-8")
        _settle(workshop, directory)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return Report(directory / PAGE, results, figures, sum(bool(entry.records) for entry in entries), notes)


def _draw(entries: list[Entry], workshop: Path, draw: Draw) -> int:
    """All figures; how many there are."""
    figures = [figure for entry in entries for figure in entry.figures]
    work = [
        (curve.curve(), f"{entry.anchor}-{number}")
        for entry in entries
        for number, curve in enumerate(entry.result.curves)
    ]
    for figure, drawn in zip(figures, draw(work), strict=True):
        figure.inline = drawn.inline
        for end, content in drawn.files.items():
            _put(workshop / (figure.name + end), content)
    return len(figures)


def _tabulate(entries: list[Entry], workshop: Path) -> list[str]:
    """Write the records; what there is to say about it."""
    for entry in entries:
        if not entry.records:
            continue
        try:
            _put(workshop / entry.records, to_parquet(entry.result.records))
        except NoPolarsError:
            for one in entries:
                one.records = ""
            return [NO_PARQUET]
    return []


def _put(file: Path, content: bytes) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)


def _settle(workshop: Path, directory: Path) -> None:
    """Move everything to its place, the page last; then take away what only the page before named."""
    before = _named(directory / PAGE)
    files = [file for folder in (FIGURES, RECORDS) for file in sorted((workshop / folder).glob("*"))]
    targets = [directory / file.relative_to(workshop) for file in files]
    # Whatever can be in the way is found before anything is moved.
    for target in [*targets, directory / PAGE]:
        if target.parent.exists() and not target.parent.is_dir():
            raise ResultsError(f"{target.parent}: want a directory here, or nothing")
        if target.is_dir():
            raise ResultsError(f"{target}: want a file here, or nothing")
    for file, target in zip(files, targets, strict=True):
        target.parent.mkdir(exist_ok=True)
        os.replace(file, target)
    os.replace(workshop / PAGE, directory / PAGE)
    now = _named(directory / PAGE)
    for name in before:
        if name not in now:
            (directory / name).unlink(missing_ok=True)


def _named(file: Path) -> list[str]:
    """The figures and records that a page names."""
    try:
        return list(dict.fromkeys(map(unescape, _OURS.findall(file.read_text(encoding="utf-8")))))
    except (OSError, UnicodeDecodeError):
        return []
