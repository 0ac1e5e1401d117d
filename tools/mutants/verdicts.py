"""Verdicts: what people judged of the mutants that survived, and what the counts come to.

`equivalent.toml` has two tables, each from a mutant's key (its name without the line number) to the reason. `[equivalent]`: no
program could tell it from the engine, within what the engine promises. `[survivors]`: it is wrong, and nothing notices.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tools.mutants.mutant import Mutant
from tools.mutants.results import Result

FILE: Final = Path(__file__).with_name("equivalent.toml")
GOAL_PERCENT: Final = 95.0
KILLED: Final = "killed"
SURVIVED: Final = "survived"
EQUIVALENT: Final = "equivalent"


@dataclass(frozen=True)
class Judgements:
    equivalent: dict[str, str]
    survivors: dict[str, str]

    def reason(self, key: str) -> str:
        return self.equivalent.get(key) or self.survivors.get(key) or "not judged yet"

    def verdict(self, result: Result) -> str:
        if not result.survived():
            return KILLED
        return EQUIVALENT if result.key in self.equivalent else SURVIVED


def read_judgements(path: Path = FILE) -> Judgements:
    """ValueError when a mutant is in both tables, or a reason is missing."""
    tables = tomllib.loads(path.read_text())
    judged = Judgements(_reasons(tables, "equivalent"), _reasons(tables, "survivors"))
    both = sorted(judged.equivalent.keys() & judged.survivors.keys())
    if both:
        raise ValueError(f"{path.name}: in both tables: {'; '.join(both)}")
    return judged


def _reasons(tables: dict[str, object], name: str) -> dict[str, str]:
    table = tables.get(name, {})
    assert isinstance(table, dict)
    for key, reason in table.items():
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"[{name}] {key!r}: no reason")
    return dict(table)


@dataclass
class Tally:
    """Counts over some mutants. `stages` counts the kills of each stage, `hung` those that ran out of time."""

    killed: int = 0
    survived: int = 0
    equivalent: int = 0
    hung: int = 0
    stages: dict[str, int] = field(default_factory=dict)

    def total(self) -> int:
        return self.killed + self.survived + self.equivalent

    def percent(self) -> float:
        """Killed of those that are not equivalent."""
        real = self.killed + self.survived
        return 100.0 * self.killed / real if real else 100.0


def tally(results: list[tuple[Mutant, Result]], judged: Judgements) -> Tally:
    found = Tally()
    for _, result in results:
        verdict = judged.verdict(result)
        if verdict == KILLED:
            found.killed += 1
            found.hung += result.hung
            found.stages[result.stage] = found.stages.get(result.stage, 0) + 1
        elif verdict == EQUIVALENT:
            found.equivalent += 1
        else:
            found.survived += 1
    return found


def misjudged(results: list[tuple[Mutant, Result]], judged: Judgements) -> list[str]:
    """Mutants that were judged to survive for good, and were killed."""
    known = judged.equivalent.keys() | judged.survivors.keys()
    return [mutant.name for mutant, result in results if not result.survived() and mutant.key in known]
