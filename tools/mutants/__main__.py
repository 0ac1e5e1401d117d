"""`python -m tools.mutants`: the command line."""

from __future__ import annotations

import fnmatch
import re
import signal
import sys
import tempfile
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from tools.mutants import patches, protections, sampling
from tools.mutants.mutant import Mutant
from tools.mutants.nearby import last_killers
from tools.mutants.patches import PatchError
from tools.mutants.report import REPORTS, write
from tools.mutants.results import RESULTS, Result, ResultFile, Tree, content_hash
from tools.mutants.runner import Baseline, RunError, Runner
from tools.mutants.stages import NAMES, OUTER_ROOMS, is_met
from tools.mutants.verdicts import EQUIVALENT, GOAL_PERCENT, KILLED, Judgements, misjudged, read_judgements, tally

ROOT = Path(__file__).resolve().parents[2]
Found = list[tuple[Mutant, Result]]


@dataclass(frozen=True)
class Options:
    only: str
    limit: int
    stages: tuple[str, ...]
    jobs: int
    resume: bool
    patches_only: bool
    sample: int
    part: str

    def is_whole(self) -> bool:
        """Whether the report is about everything."""
        whole = self.sample == sampling.SAMPLES[self.part] and (
            self.stages == NAMES or self.part == sampling.PROTECTIONS
        )
        return whole and not (self.only or self.limit or self.patches_only)


def parse_stages(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, ...]:
    words = text.split(",")
    if not words or any(word not in NAMES for word in words):
        raise click.BadParameter(f"{text!r}: want some of {','.join(NAMES)}")
    return tuple(name for name in NAMES if name in words)


@click.command(context_settings={"max_content_width": 110})
@click.option(
    "--of",
    "part",
    default=sampling.ENGINE,
    show_default=True,
    type=click.Choice(list(sampling.PARTS)),
    help="What is wrong: anything in the data plane, or what protects data, wherever it is.",
)
@click.option("--only", default="", metavar="GLOB", help="Only mutants whose name matches, like '*fence.py*'.")
@click.option("--limit", default=0, type=click.IntRange(0), help="Only so many, spread over the list. [default: all]")
@click.option("--stages", default=",".join(NAMES), show_default=True, callback=parse_stages, help="Which stages.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Mutants at a time.")
@click.option("--resume", is_flag=True, help="Keep what earlier runs have found, where it still holds.")
@click.option("--patches-only", is_flag=True, help="No sampled mutants.")
@click.option(
    "--sample", default=None, type=click.IntRange(0), help="How many to draw, about. [default: 240; of protections 400]"
)
@click.option("--list", "list_only", is_flag=True, help="Print the mutants' names and end.")
@click.option("--show", default="", metavar="GLOB", help="Print the diffs of the mutants whose name matches, and end.")
def main(
    part: str,
    only: str,
    limit: int,
    stages: tuple[str, ...],
    jobs: int,
    resume: bool,
    patches_only: bool,
    sample: int | None,
    list_only: bool,
    show: str,
) -> None:
    """Run mutants of the engine. A whole run writes docs/mutants.md (or docs/mutants-protections.md); 1 is the exit status when
    too many survive."""
    count = sampling.SAMPLES[part] if sample is None else sample
    options = Options(only or show, limit, stages, jobs, resume, patches_only, count, part)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        mutants = choose(options)
        if list_only or show:
            print_mutants(mutants, with_diff=bool(show))
            return
        judged = read_judgements()
        found = run(mutants, options)
    except (PatchError, RunError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        raise click.ClickException("broken off; go on with --resume") from None
    sys.exit(0 if conclude(found, judged, options) else 1)


def choose(options: Options) -> list[Mutant]:
    """Patches first, of the protections those that take one out. PatchError when one does not apply."""
    mutants = patches.load(ROOT)
    if options.part == sampling.PROTECTIONS:
        named = protections.patch_names(protections.read())
        mutants = [mutant for mutant in mutants if mutant.key in named]
    if not options.patches_only:
        mutants += sampling.sample(ROOT, options.sample, options.part)
    if options.only:
        pattern = re.compile(fnmatch.translate(options.only))
        mutants = [mutant for mutant in mutants if pattern.match(mutant.name) or mutant.name == options.only]
    if options.limit and len(mutants) > options.limit:
        step = len(mutants) / options.limit
        mutants = [mutants[int(number * step)] for number in range(options.limit)]
    if not mutants:
        raise ValueError("no mutant has such a name")
    return mutants


def print_mutants(mutants: list[Mutant], with_diff: bool) -> None:
    for mutant in mutants:
        click.echo(mutant.name)
        if with_diff:
            click.echo(mutant.diff(lambda path: (ROOT / path).read_text()))


def run(mutants: list[Mutant], options: Options) -> Found:
    """Every mutant's result, in the order of `mutants`."""
    file = ResultFile(ROOT / RESULTS.format(part=options.part), Tree(ROOT))
    earlier = file.load() if options.resume else {}
    known: dict[str, Result] = {}
    for mutant in mutants:
        result = earlier.get(content_hash(mutant))
        if result is not None and result.covers([name for name in options.stages if is_met(name, mutant.room())]):
            known[mutant.key] = result
    if options.resume and not known:
        click.echo("nothing is known yet about this tree and these stages: starting anew")
    file.start(list(earlier.values()))
    left = [mutant for mutant in mutants if mutant.key not in known]
    if left:
        with tempfile.TemporaryDirectory(prefix="hawser-mutants-") as place:
            killers: dict[str, str] = {}
            for report in (ROOT / name for name in REPORTS.values()):
                killers |= last_killers(report.read_text()) if report.is_file() else {}
            runner = Runner(ROOT, Path(place), options.stages, killers=killers)
            baseline = runner.baseline(outer=any(mutant.room() in OUTER_ROOMS for mutant in left))
            took = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in baseline.seconds.items())
            click.echo(f"the unmutated tree passes ({took}); {len(left)} mutants, {options.jobs} at a time")
            with closing(watched(runner, left, baseline, options.jobs)) as results:
                for mutant, result in results:
                    file.add(result)
                    known[mutant.key] = result
    return [(mutant, known[mutant.key]) for mutant in mutants]


def watched(
    runner: Runner, mutants: list[Mutant], baseline: Baseline, jobs: int
) -> Generator[tuple[Mutant, Result], None, None]:
    """Run them behind a progress bar, with a line for each; without a terminal the lines alone."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    columns = (TextColumn("mutants"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        closing(runner.run(mutants, baseline, jobs)) as results,
    ):
        task = progress.add_task("", total=len(mutants))
        for number, (mutant, result) in enumerate(results, 1):
            progress.advance(task)
            progress.console.print(f"{number}/{len(mutants)} {mutant.name}: {describe(result)}")
            yield mutant, result


def describe(result: Result) -> str:
    took = " ".join(f"{stage} {seconds:.1f} s" for stage, seconds in result.stages.items())
    if result.survived():
        return f"SURVIVED ({took})"
    return f"killed by {result.stage}: {result.killer}{', out of time' if result.hung else ''} ({took})"


def conclude(found: Found, judged: Judgements, options: Options) -> bool:
    """Say what it comes to; write the report of a whole run. Whether the goal is met."""
    counted = tally(found, judged)
    for mutant, result in found:
        verdict = judged.verdict(result)
        if verdict != KILLED:
            click.echo(f"{verdict}: {mutant.name}: {judged.reason(mutant.key)}")
    for name in misjudged(found, judged):
        click.echo(f"equivalent.toml has a reason for the survival of {name}, which was killed")
    if options.is_whole() and options.part == sampling.ENGINE:
        for key in sorted((judged.equivalent.keys() | judged.survivors.keys()) - {mutant.key for mutant, _ in found}):
            click.echo(f"equivalent.toml has a reason for {key}, which is not among the mutants now")
    percent = counted.percent()
    click.echo(
        f"{counted.total()} mutants: {counted.killed} killed ({counted.hung} out of time), {counted.survived} survived, "
        f"{counted.equivalent} {EQUIVALENT}; {percent:.1f} % of those that are not equivalent are killed"
    )
    if options.is_whole():
        report = REPORTS[options.part]
        (ROOT / report).write_text(write(found, judged, options.part, protections.read(), options.stages))
        click.echo(f"written: {report}")
    return percent >= GOAL_PERCENT


if __name__ == "__main__":
    main()
