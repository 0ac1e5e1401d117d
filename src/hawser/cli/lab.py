"""`hawser lab`: the engine in virtual time, to be broken in every way that a seed can think of.

What the commands need is imported when they run: `hawser serve` shares this program and has no use for it.
"""

import sys
from typing import Final

import click

UNSAFE: Final = "--unsafe-no-fence"
FALSE_LUN: Final = "--false-lun"
SEEDS: Final = "0..200"


class SeedRange(click.ParamType[tuple[int, int]]):
    """`A..B`: the seeds from A up to B, without B; `N` is `N..N+1`."""

    name = "A..B"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        first, dots, last = str(value).partition("..")
        try:
            found = int(first), int(last) if dots else int(first) + 1
        except ValueError:
            self.fail(f"{value!r}: want A..B, the seeds from A up to B without B, as in 0..1000", param, ctx)
        if not 0 <= found[0] < found[1]:
            self.fail(f"{value!r} holds no seed: want A..B with 0 <= A < B", param, ctx)
        return found


_unsafe = click.option(UNSAFE, "unsafe", is_flag=True, help="Turn the fences off: something must go wrong.")
_false_lun = click.option(
    FALSE_LUN, "false_lun", is_flag=True, help="Declare cache=lun of servers of which it is not true."
)


@click.group()
def lab() -> None:
    """Play the engine in virtual time: random faults, small worlds, and what they did."""


@lab.command()
@click.option(
    "--seeds", type=SeedRange(), default=SEEDS, show_default=True, metavar="A..B", help="From A up to B, without B."
)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Go on from A until the time is up.")
@click.option("--jobs", type=click.IntRange(1), help="Processes. [default: as many as there are processors]")
@click.option("--shrink", is_flag=True, help="Cut the first failure down, and tell it.")
@_unsafe
@_false_lun
@click.option("--no-marks", is_flag=True, help="Do not mind which rare events were never seen.")
@click.option("--show-marks", is_flag=True, help="Print how often each rare event was seen.")
@click.option("--keep-going", is_flag=True, help="Play all seeds even if one fails.")
def fuzz(
    seeds: tuple[int, int],
    minutes: float | None,
    jobs: int | None,
    shrink: bool,
    unsafe: bool,
    false_lun: bool,
    no_marks: bool,
    show_marks: bool,
    keep_going: bool,
) -> None:
    """Play random worlds, one for each seed, and judge every event of them.

    A failure prints the command that replays it. The status is 0 if nothing was wrong; with a configuration that is broken on
    purpose, if that was found. Large batches must have seen every rare event that there is a mark for.
    """
    from hawser.cli.lab_fuzz import Wish, run_fuzz

    wish = Wish(seeds, minutes, jobs, shrink, _kind(unsafe, false_lun), not no_marks, show_marks, keep_going)
    sys.exit(run_fuzz(wish))


@lab.command()
@click.argument("what", nargs=-1, metavar="[NAME|FILE.toml|FILE.py]...")
@click.option("--all", "everything", is_flag=True, help="All that come with hawser.")
@click.option("--list", "lists", is_flag=True, help="Only name them.")
@click.option(
    "--into", type=click.Path(file_okay=False), metavar="DIR", help="Write results.json there, for `hawser lab report`."
)
@click.option("--page", type=click.Path(dir_okay=False), metavar="FILE", help="Write it as Markdown, too.")
@click.option("--jobs", type=click.IntRange(1), help="Processes. [default: as many as there are processors]")
def run(
    what: tuple[str, ...], everything: bool, lists: bool, into: str | None, page: str | None, jobs: int | None
) -> None:
    """Run experiments: those that come with hawser by name, your own from a file.

    Each prints its hypothesis, model and parameters, its tables, what was claimed beforehand and whether it holds, and where that
    stops holding. The status is 0 if everything that is claimed holds, 1 if something does not.
    """
    from hawser.cli.lab_run import list_experiments, run_experiments
    from hawser.lab.experiments.catalogue import NAMES

    if lists:
        list_experiments()
        return
    if everything == bool(what):
        raise click.UsageError("say which: names (--list), files, or --all")
    sys.exit(run_experiments(list(NAMES) if everything else list(what), into, page, jobs))


@lab.command()
@click.argument("what", metavar="SEED|FILE.json")
@click.option("--figure", metavar="FILE", help="Draw it, as the ending says: .png, .svg or .pdf.")
@click.option("--dark", is_flag=True, help="Draw it on a dark ground.")
@_unsafe
@_false_lun
@click.option("--shrink", is_flag=True, help="Cut it down first, if it fails.")
@click.option("--plan", "plan_file", metavar="FILE", help="Write the plan, shrunk or not, as JSON.")
@click.option("--all", "everything", is_flag=True, help="Leave nothing out.")
def show(
    what: str,
    figure: str | None,
    dark: bool,
    unsafe: bool,
    false_lun: bool,
    shrink: bool,
    plan_file: str | None,
    everything: bool,
) -> None:
    """Play one seed, or a plan from a file, and tell what happened. The status is 0 if nothing was wrong."""
    from hawser.cli.lab_show import run_show

    sys.exit(run_show(what, _kind(unsafe, false_lun), figure, dark, shrink, plan_file, everything))


@lab.command()
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")
@click.option("--mode", type=click.Choice(["rq", "bio"]), help="One queue mode only.")
@click.option("--bound", type=click.Choice(["small", "full"]), default="small", show_default=True)
@click.option("--jobs", type=click.IntRange(1), help="Processes. [default: as many as there are processors]")
@click.option(UNSAFE, "unsafe", is_flag=True, help="Turn the fences off: what is known to go wrong must be found.")
@click.option("--list", "lists", is_flag=True, help="Only name the scenarios.")
def explore(
    scenarios: tuple[str, ...], mode: str | None, bound: str, jobs: int | None, unsafe: bool, lists: bool
) -> None:
    """Go through all interleavings of small worlds, and count their states."""
    from hawser.cli.lab_explore import list_scenarios, run_explore

    if lists:
        list_scenarios()
        return
    sys.exit(run_explore(scenarios, mode, bound, jobs, not unsafe))


@lab.command()
@click.option(
    "--into",
    type=click.Path(file_okay=False),
    default="docs",
    show_default=True,
    help="The directory of hazards.md; its figures go into figures/ below it.",
)
def hazards(into: str) -> None:
    """Write the manual's chapter on hazards: six stories with the fences off, and their figures."""
    from hawser.cli.lab_hazards import write_hazards

    sys.exit(write_hazards(into))


@lab.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False), metavar="DIR")
@click.option("--jobs", type=click.IntRange(1), help="Processes. [default: as many as there are processors]")
def conformance(folder: str, jobs: int | None) -> None:
    """Replay the kernel transcripts in DIR, and print what differs from what Linux has printed.

    The status is 0 if nothing does.
    """
    from hawser.cli.lab_conformance import run_conformance

    sys.exit(run_conformance(folder, jobs))


@lab.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False), metavar="DIR")
@click.option("--jobs", type=click.IntRange(1), help="Processes. [default: as many as there are processors]")
def report(directory: str, jobs: int | None) -> None:
    """Make a page (report.html), figures and Parquet files of the results.json in DIR, or in folders in it."""
    from hawser.cli.lab_report import run_report

    sys.exit(run_report(directory, jobs))


@lab.command()
@click.argument("file", metavar="TRACE.json", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--selector", "selectors", multiple=True, metavar="'NAME COUNT [ARGUMENT...]'", help="Repeat it for several."
)
@click.option("--mode", "modes", multiple=True, type=click.Choice(["rq", "bio", "mq"]), help="Queue mode; repeat it.")
@click.option("--scheduler", "schedulers", multiple=True, type=click.Choice(["none", "mq-deadline"]), help="Repeat it.")
@click.option(
    "--closed", is_flag=True, help="A client's next I/O waits for answers, as it did; else times are as recorded."
)
@click.option("--map", "map_name", default="", metavar="NAME", help="Of several that were recorded, this one.")
@click.option("--seeds", type=click.IntRange(1, 1000), default=3, show_default=True)
@click.option("--into", metavar="DIR", type=click.Path(file_okay=False), help="Write DIR/results.json.")
@click.option("--jobs", type=click.IntRange(1), help="Processes. [default: as many as there are processors]")
def replay(
    file: str,
    selectors: tuple[str, ...],
    modes: tuple[str, ...],
    schedulers: tuple[str, ...],
    closed: bool,
    map_name: str,
    seeds: int,
    into: str | None,
    jobs: int | None,
) -> None:
    """Replay what `hawser trace` has recorded of a live server, under the recorded policy and others, and compare them.

    Without --selector three others are. The status is 0 if the paths' model, which is fitted to the trace, is right about what
    was recorded; 1 if not.
    """
    from hawser.cli.lab_replay import run_replay

    sys.exit(run_replay(file, map_name, selectors, modes, schedulers, closed, seeds, into, jobs))


@lab.command()
@click.argument("file", metavar="FILE.toml", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--io", "numbers", multiple=True, type=click.IntRange(1), metavar="N", help="Which I/O, from 1; repeat it."
)
@click.option("--slowest", type=click.IntRange(1, 100), metavar="K", help="The K that took longest.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--with", "over", multiple=True, metavar="KEY=VALUE", help="Another value than the file's, as in its [over]."
)
def explain(file: str, numbers: tuple[int, ...], slowest: int | None, seed: int, over: tuple[str, ...]) -> None:
    """Tell what became of single I/Os of a scenario, and why each took its path.

    With the score of every path as the selector saw it, what the I/O merged with and waited for, and which path other selectors
    would have chosen in that state. Of what the file varies the first values count. Without --io it is the slowest one.
    """
    from hawser.cli.lab_explain import run_explain

    sys.exit(run_explain(file, seed, numbers, slowest or (0 if numbers else 1), over))


class SeedCount(SeedRange):
    """`A..B` as above; `N` is the first N seeds, `0..N`."""

    name = "N|A..B"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, str) and ".." not in value:
            value = f"0..{value}"
        return super().convert(value, param, ctx)


@lab.command()
@click.argument("file", metavar="FILE.toml")
@click.option(
    "--over",
    multiple=True,
    metavar="KEY=VALUE,...",
    help="Compare these values; repeat it. They come beside [over] of the file, or in place of the same key there.",
)
@click.option(
    "--seeds", type=SeedCount(), metavar="N|A..B", help="So many, or from A up to B without B. [default: the file's]"
)
@click.option("--jobs", type=click.IntRange(1), help="Processes. [default: as many as there are processors]")
@click.option(
    "--dask", default="", metavar="ADDRESS", help="Play on the Dask cluster of this scheduler (tcp://host:8786)."
)
@click.option(
    "--into", default="", metavar="DIR", help="Keep what is done there, go on from it, and write results.json."
)
@click.option("--retries", type=click.IntRange(0), default=1, show_default=True, help="Play a job that failed again.")
@click.option(
    "--job-seconds",
    type=click.FloatRange(0, min_open=True),
    default=600.0,
    show_default=True,
    help="A job that takes longer has failed.",
)
def sweep(
    file: str,
    over: tuple[str, ...],
    seeds: tuple[int, int] | None,
    jobs: int | None,
    dask: str,
    into: str,
    retries: int,
    job_seconds: float,
) -> None:
    """Play every combination of what a scenario varies with every seed, and compare them.

    The outcomes are the same on however many processes or machines. What was done in DIR is not done again; the status is 1 if a
    job has failed, and the same command plays it once more.
    """
    from hawser.cli.lab_sweep import Wish, run_sweep

    sys.exit(run_sweep(Wish(file, over, seeds, jobs, dask, into, retries, job_seconds)))


def _kind(unsafe: bool, false_lun: bool) -> str:
    from hawser.cli.lab_plans import FALSE, SAFE, WITHOUT_FENCES

    if unsafe and false_lun:
        raise click.UsageError(f"{UNSAFE} and {FALSE_LUN} are two experiments: one at a time")
    return WITHOUT_FENCES if unsafe else FALSE if false_lun else SAFE
