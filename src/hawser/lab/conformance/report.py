"""Report: the differences of a run, what was skipped, and the totals."""

import json
import shlex
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hawser.lab.conformance.comparer import Difference, compare
from hawser.lab.conformance.kinds import KINDS
from hawser.lab.conformance.protocol import Json


@dataclass
class Tally:
    """Of one transcript, or of all."""

    passed: int = 0
    failed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    def add_step(self, number: int, step: Json, answer: Json) -> None:
        if "skip" in answer:
            self.skipped[str(answer["skip"])] += 1
            return
        found = compare(number, step, answer)
        self.differences += found
        if found:
            self.failed += 1
        else:
            self.passed += 1

    def add(self, other: "Tally") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def closing_line(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped.total()} skipped"


def difference_lines(file: str, difference: Difference) -> list[str]:
    """One difference, as it is printed."""
    return [
        f"{file}[{difference.step}] {shlex.join(difference.cmd)}",
        f"    {difference.field}",
        *_shown("expected", difference.expected),
        *_shown("got", difference.got),
    ]


def _shown(what: str, value: Any) -> list[str]:
    """Text as it is, with a bar before each line; everything else on one line."""
    if isinstance(value, list):
        lines = [str(line) for line in value]
    elif isinstance(value, str):
        lines = value.split("\n")
        if lines[-1] == "":
            lines.pop()
        else:
            lines[-1] += "  (without an end of line)"
        if not value:
            lines = []
    else:
        return [f"    {what + ':':10}{json.dumps(value)}"]
    if not lines:
        return [f"    {what + ':':10}nothing"]
    return [f"    {what + ':':10}", *(f"        | {line}" for line in lines)]


def skip_lines(tally: Tally) -> list[str]:
    """How many steps of each kind were skipped, and why."""
    return [
        f"skipped {tally.skipped[kind.name]:4}  {kind.name}: {kind.what} ({kind.reason})"
        for kind in KINDS
        if tally.skipped[kind.name]
    ]
