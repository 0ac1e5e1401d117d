"""The demonstrations that are commands of `hawser demo`. What they need is imported when they run."""

import sys

import click


@click.command()
@click.option(
    "--pace",
    type=click.FloatRange(0.2, 600),
    default=4,
    show_default=True,
    metavar="SECONDS",
    help="How long a quiet stretch is; there are three.",
)
@click.option(
    "--rounds",
    type=click.IntRange(0, 5),
    default=5,
    show_default=True,
    help="How often what it costs is measured; 0: not at all.",
)
@click.option("--into", type=click.Path(file_okay=False), metavar="DIR", help="Keep the figure and all results there.")
def operator(pace: float, rounds: int, into: str | None) -> None:
    """A database over two servers with separate caches: one is killed, one becomes a black hole.

    SQLite writes and reads through `hawser serve` over two nbdkit servers with write-back caches of their own. The first is
    killed with what only its cache held; the cable to the second swallows everything. Afterwards every row that was
    acknowledged is compared, through the path that is left and in the disk itself. Before that: what hawser costs when
    nothing fails.

    Needs nbdkit, and no root. The status is 0 if everything that was acknowledged is there.
    """
    from hawser.cli.demo_operator import run_operator

    sys.exit(run_operator(pace, rounds, into))


@click.command()
@click.option(
    "--selector",
    "selectors",
    multiple=True,
    default=("examples/quickest.py:Quickest",),
    show_default=True,
    metavar="FILE.py:CLASS",
    help="A selector of your own, or package.module:CLASS; arguments as in a table. Repeat it.",
)
@click.option(
    "--scenario",
    default="examples/gray-tournament.toml",
    show_default=True,
    metavar="FILE.toml",
    help="The paths, the load and the fault.",
)
@click.option("--seeds", type=click.IntRange(1, 1000), help="How many. [default: as the scenario says]")
@click.option("--jobs", type=click.IntRange(1), help="Processes. [default: as many as there are processors]")
@click.option("--into", type=click.Path(file_okay=False), metavar="DIR", help="Keep the figure and all results there.")
def researcher(
    selectors: tuple[str, ...], scenario: str, seeds: int | None, jobs: int | None, into: str | None
) -> None:
    """A path selector of your own against the five of Linux: tail latencies while a path is gray, in virtual time.

    All play the same seeds of the same scenario, of which the time with the fault is measured. The examples come with hawser; a
    file of that name here counts before them.
    """
    from hawser.cli.demo_researcher import run_researcher

    sys.exit(run_researcher(selectors, scenario, seeds, jobs, into))
