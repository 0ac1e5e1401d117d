"""`hawser demo researcher`: selectors of one's own against those of Linux, in virtual time, while a fault lasts."""

import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from hawser.cli.demo_researcher_chart import draw
from hawser.cli.lab_pool import default_jobs
from hawser.cli.lab_progress import Meter
from hawser.cli.lab_run import told, write_results
from hawser.cli.lab_workers import Workers
from hawser.cli.places import PlaceError, make_folder, reason
from hawser.lab.examples import example
from hawser.lab.experiments.results import as_data
from hawser.lab.experiments.tournament import TAILS, Standing, Tournament
from hawser.lab.model.own import find, is_own
from hawser.lab.model.scenario import ScenarioError
from hawser.lab.model.scenario_file import load
from hawser.lab.model.stats import SAME
from hawser.lab.words import plural

USAGE: Final = 2
FIGURES: Final = tuple(f"tournament-{theme}.{ending}" for theme in ("light", "dark") for ending in ("png", "svg"))


def run_researcher(
    selectors: Sequence[str], scenario_file: str, seeds: int | None, jobs: int | None, into: str | None
) -> int:
    """The exit status: 0 if all was played, 1 if a run has failed, 2 if what was asked for cannot be had."""
    try:
        words = [_with_count(selector) for selector in selectors]
        scenario = load(Path(example(scenario_file)))
        count = scenario.seeds if seeds is None else seeds
        workers = Workers(jobs or default_jobs())
        tournament = Tournament(scenario, words, range(count), workers)
        if into is not None:
            make_folder(into)
    except (ScenarioError, PlaceError) as error:
        click.echo(f"hawser demo researcher: {error}", err=True)
        return USAGE
    for line in _introduction(tournament, scenario_file):
        click.echo(line)
    texts = _play(tournament, workers)
    if not all(texts):
        return 1
    runs = tournament.runs(texts)
    ranked = {tail: tournament.standings(runs, tail) for tail in TAILS}
    for line in ranking_lines(ranked, words):
        click.echo(line)
    try:
        if into is not None:
            _keep(tournament, texts, Path(into))
    except OSError as error:
        click.echo(f"hawser demo researcher: {reason(error)}", err=True)
        return USAGE
    return 0


def _with_count(selector: str) -> str:
    """`FILE.py:CLASS` alone has no arguments."""
    if not selector.split():
        raise ScenarioError(
            "selector '': FILE.py:CLASS or package.module:CLASS is wanted, or one of Linux's, with its arguments"
        )
    return selector if len(selector.split()) > 1 else f"{selector.strip()} 0"


def _introduction(tournament: Tournament, scenario_file: str) -> list[str]:
    scenario = tournament.scenario
    lines = [
        f"{len(tournament.contenders)} selectors, {plural(len(tournament.seeds), 'seed')}, "
        f"{scenario.seconds:g} s of virtual time each: {scenario_file}",
        f"measured: the {scenario.seconds - scenario.warm_up_s:g} s in which the fault lasts",
    ]
    for words in tournament.own:
        name = words.split()[0]
        if is_own(name):
            count, imports = lines_of_code(name)
            lines.append(f"{name}: {plural(count, 'line')}, besides {plural(imports, 'import')}")
    return [*lines, ""]


def lines_of_code(name: str) -> tuple[int, int]:
    """Of the file that a selector stands in: those that are not empty, and, apart, those that import."""
    file = inspect.getsourcefile(find(name, "path selector"))
    lines = [line for line in Path(file).read_text().splitlines() if line.strip()] if file else []
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    return len(lines) - len(imports), len(imports)


def _play(tournament: Tournament, workers: Workers) -> list[str]:
    """The outcomes in the order of the jobs; empty where one has failed, which is said."""
    jobs = tournament.jobs()
    texts = [""] * len(jobs)
    with Meter("tournament", len(jobs)) as meter:
        for count, (job, outcome) in enumerate(workers.run(jobs, tournament.play), 1):
            texts[job.number] = outcome.text
            if outcome.error:
                click.echo(f"hawser demo researcher: {job.name()}: {outcome.error}", err=True)
            meter.show(count, f"{count} of {len(jobs)} runs")
    return texts


def ranking_lines(ranked: dict[str, list[Standing]], own: Sequence[str]) -> list[str]:
    """A table for each tail, and what they come to in a sentence each."""
    lines: list[str] = []
    for tail, rows in ranked.items():
        width = max(len(row.selector) for row in rows)
        lines.append(f"{tail} during the fault".ljust(width + 4) + "         ms (95 %)        times the first (95 %)")
        for row in rows:
            mark = "*" if row.selector in own else " "
            mean = f"{row.latency_us.mean / 1000:9.2f}{_ends(row.latency_us.low, row.latency_us.high, 1000):<16}"
            lines.append(f"{row.rank:>2}{mark} {row.selector.ljust(width)} {mean} {_beside(row)}".rstrip())
        lines.append("")
    for tail, rows in ranked.items():
        lines += [sentence(row, tail, len(rows)) for row in rows if row.selector in own]
    return lines


def _ends(low: float | None, high: float | None, unit: float) -> str:
    return "" if low is None or high is None else f" ({low / unit:.2f}-{high / unit:.2f})"


def _beside(row: Standing) -> str:
    if row.beside is None:
        return ""
    ratio = row.beside.ratio
    if ratio is None:
        return f"   {row.beside.text}"
    return f"{ratio.mean:9.2f}{_ends(ratio.low, ratio.high, 1.0)}" + (f"  {SAME}" if row.beside.text == SAME else "")


def sentence(row: Standing, tail: str, count: int) -> str:
    """How it did, in words."""
    if row.beside is None:
        return f"{row.selector}: the first of {count} by {tail}"
    shared = ", though no difference to the first is shown" if row.beside.text == SAME else ""
    return f"{row.selector}: number {row.rank} of {count} by {tail}{shared}"


def _keep(tournament: Tournament, texts: Sequence[str], folder: Path) -> None:
    findings = tournament.findings(texts)
    entry = as_data(tournament, findings)
    write_results(folder, [entry])
    (folder / "tournament.txt").write_text("\n".join(told(entry)) + "\n")
    names = ["tournament.txt"]
    try:
        runs = tournament.runs(texts)
        for name in FIGURES:
            draw(tournament, runs, os.path.join(folder, name), dark="dark" in name)
            names.append(name)
    except ImportError:
        click.echo("no figure: it needs matplotlib: pip install 'hawser[lab]'", err=True)
    click.echo(f"kept in {folder}: {', '.join(names)}")
