"""`python -m tools.requirements`: is a requirement's test good for anything? Without the rule it has to fail.

Ids of docs/requirements.md are drawn at random. For each, one of the patches of tools/mutants/patches that take its rule out of
the engine (header `Requirement`) is applied to a private copy of the tree, where exactly those tests are run that the document
names for the id. They pass on the tree as it is, which is tried first.
"""

from __future__ import annotations

import random
import re
import secrets
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from tools.mutants import patches
from tools.mutants.mutant import Mutant
from tools.mutants.patches import PatchError
from tools.mutants.runner import RunError, Runner
from tools.mutants.stages import NEAR, UNIT, Outcome, guarded, judge

ROOT: Final = Path(__file__).resolve().parents[1]
DOCUMENT: Final = Path("docs/requirements.md")
ROW: Final = re.compile(
    r"^\| (?P<id>[A-Z0-9]+-[A-Z]?\d+(?:\.\d+)?) \| (?P<what>.+?) \| (?P<shown>.+?) \|$", re.MULTILINE
)
NODE: Final = re.compile(r"`(tests/[^`]+::[^`]+)`")
TIMEOUT_S: Final = 600.0


@dataclass(frozen=True)
class Case:
    """A requirement, the tests that show it, and a mutant without it."""

    id: str
    nodes: list[str]
    mutant: Mutant


def shown(document: str) -> dict[str, list[str]]:
    """The tests that each requirement's row names, of those that name some."""
    rows = {found["id"]: NODE.findall(found["shown"]) for found in ROW.finditer(document)}
    return {name: nodes for name, nodes in rows.items() if nodes}


def cases(nodes: dict[str, list[str]], mutants: list[Mutant]) -> list[Case]:
    """Every requirement with every patch that takes its rule out."""
    return [Case(name, nodes[name], mutant) for name in nodes for mutant in mutants if name in mutant.requirements]


def draw(found: list[Case], count: int, seed: int) -> list[Case]:
    """`count` requirements, one patch each. ValueError when there are not so many."""
    chooser = random.Random(seed)
    names = sorted({case.id for case in found})
    if count > len(names):
        raise ValueError(f"only {len(names)} requirements have both tests and a patch: {' '.join(names)}")
    drawn = chooser.sample(names, count)
    return [chooser.choice([case for case in found if case.id == name]) for name in drawn]


class Trials:
    """Runs the tests of cases in copies of the tree."""

    def __init__(self, place: Path) -> None:
        self.runner = Runner(ROOT, place, ())

    def baseline(self, tried: list[Case]) -> None:
        """RunError when a test fails on the tree as it is."""
        nodes = sorted({node for case in tried for node in case.nodes})
        outcome = self._outcome(nodes, ["hawser.block.bio"], self.runner.tree)
        if not outcome.passed:
            raise RunError(f"the tree as it is does not pass: {outcome.killer or outcome.trouble}")

    def run(self, tried: list[Case], jobs: int) -> Iterator[tuple[Case, Outcome]]:
        with ThreadPoolExecutor(jobs) as pool:
            try:
                yield from zip(tried, pool.map(self._one, tried), strict=True)
            finally:
                self.runner.programs.end_all()

    def _one(self, case: Case) -> Outcome:
        with self.runner.copy(case.mutant) as copy:
            outcome = self._outcome(case.nodes, case.mutant.modules(), copy)
        if outcome.trouble:
            raise RunError(f"{case.id}: {case.mutant.name}: {outcome.trouble}")
        return outcome

    def _outcome(self, nodes: list[str], modules: list[str], tree: Path) -> Outcome:
        status, said = self.runner.programs.run(guarded(NEAR, "", modules, nodes), tree, TIMEOUT_S)
        return judge(UNIT, status, said)


@click.command(context_settings={"max_content_width": 110})
@click.option("--count", default=20, show_default=True, type=click.IntRange(1), help="How many requirements.")
@click.option("--seed", default=None, type=int, help="What to draw them with. [default: another one each time]")
@click.option("--all", "everything", is_flag=True, help="Every requirement, with every patch of its.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="How many at a time.")
def main(count: int, seed: int | None, everything: bool, jobs: int) -> None:
    """Take the rules of requirements out of the engine; 1 is the exit status when the tests of one still pass."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    try:
        found = cases(shown((ROOT / DOCUMENT).read_text()), patches.load(ROOT))
        tried = found if everything else draw(found, count, seed)
        total = len({case.id for case in found})
        click.echo(f"all {total} requirements" if everything else f"seed {seed}: {count} of {total} requirements")
        with tempfile.TemporaryDirectory(prefix="hawser-requirements-") as place:
            trials = Trials(Path(place))
            trials.baseline(tried)
            passing = report(trials.run(tried, jobs))
    except (PatchError, RunError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{len(tried) - passing} fail as they must, {passing} still pass")
    sys.exit(1 if passing else 0)


def report(results: Iterator[tuple[Case, Outcome]]) -> int:
    """Say how each has come out; how many still pass."""
    passing = 0
    for case, outcome in results:
        if outcome.passed:
            passing += 1
            click.echo(f"{case.id:7} STILL PASSES with {case.mutant.key}")
        else:
            click.echo(f"{case.id:7} fails as it must: {outcome.killer} ({case.mutant.key})")
    return passing


if __name__ == "__main__":
    main()
