"""Entries of a report: an experiment's result, and what stands for it in the page and in files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from hawser.lab.report.results import ExperimentResult, Results

FIGURES: Final = "figures"
RECORDS: Final = "records"
NAME_MAX: Final = 60


@dataclass
class FigureEntry:
    """`name`: the path of its files below DIR, without the end. `inline`: SVG for the page."""

    title: str
    name: str
    inline: str = ""

    def links(self) -> list[tuple[str, str]]:
        """What its files are called in the page, and where they are."""
        ends = ((".svg", "SVG"), ("-dark.svg", "SVG, dark"), (".png", "PNG"), ("-dark.png", "PNG, dark"))
        return [(label, self.name + end) for end, label in ends]


@dataclass
class Entry:
    """`anchor`: the identifier in the page, and the beginning of the names of its files. `records`: the path of its Parquet file
    below DIR, empty if there is none."""

    result: ExperimentResult
    anchor: str
    figures: list[FigureEntry] = field(default_factory=list)
    records: str = ""

    @property
    def requirements(self) -> list[str]:
        """The experiment's own, and those of its claims, each once."""
        of_claims = [claim.requirement for claim in self.result.claims if claim.requirement]
        return list(dict.fromkeys([*self.result.requirements, *of_claims]))


def make_entries(results: Results) -> list[Entry]:
    """Each with names of its own, whatever experiments and figures are called."""
    anchors = _Names()
    entries = []
    for result in results.experiments:
        entry = Entry(result, anchors.free(f"{result.folder} {result.name}"))
        names = _Names()
        for curve in result.curves:
            entry.figures.append(FigureEntry(curve.title, f"{FIGURES}/{entry.anchor}--{names.free(curve.title)}"))
        if result.records:
            entry.records = f"{RECORDS}/{entry.anchor}.parquet"
        entries.append(entry)
    return entries


class _Names:
    """Names that can be a file's and an identifier, no two alike."""

    def __init__(self) -> None:
        self._taken: dict[str, None] = {}

    def free(self, text: str) -> str:
        name = re.sub(r"[^a-z0-9]+", "-", text.lower())[:NAME_MAX].strip("-") or "unnamed"
        found = next(one for one in _numbered(name) if one not in self._taken)
        self._taken[found] = None
        return found


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1
