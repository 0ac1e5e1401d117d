"""Results: what `hawser lab run --into DIR`, a sweep or a comparison has left in DIR, read and checked.

`DIR/results.json` and those of the folders directly below DIR have one shape:

    {"hawser": version, "experiments": [{"name", "title", "hypothesis", "model", "parameters", "source", "requirements",
     "tables", "claims", "limits", "curves", "records"}, ...]}

A key that is not known here is passed over, so that a later version's results can be read; one that is missing, or holds what it
must not, is an error that says where. JSON has no NaN: a number that is none is null.
"""

from collections.abc import Sequence
from math import inf, nan
from pathlib import Path
from typing import Annotated, Final

import msgspec

from hawser.lab.experiments.base import BAR, KINDS, LINE, Curve, Series, Span

FILE: Final = "results.json"

Cell = str | int | float | bool | None


class ResultsError(Exception):
    """The message says which file, where in it, what, and what would be right."""


class ClaimResult(msgspec.Struct, frozen=True):
    """A claim of hawser.lab.experiments.base.Claim, judged. `measured` is None if it was no number."""

    text: str
    kind: str
    measured: float | None
    wanted: str
    holds: bool
    where: str = ""
    requirement: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"claim {self.text!r}: kind {self.kind!r} is none of {', '.join(KINDS)}")


class TableResult(msgspec.Struct, frozen=True):
    title: str
    columns: list[str]
    rows: list[list[Cell]]
    note: str = ""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, start=1):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.title!r}: row {number} has {len(row)} cells under {len(self.columns)} columns"
                )


class SeriesResult(msgspec.Struct, frozen=True):
    name: str
    xs: list[Cell]
    ys: list[float | None]
    lows: list[float | None] | None = None
    highs: list[float | None] | None = None

    def __post_init__(self) -> None:
        for name, values in (("ys", self.ys), ("lows", self.lows), ("highs", self.highs)):
            if values is not None and len(values) != len(self.xs):
                raise ValueError(f"series {self.name!r}: {len(values)} {name} for {len(self.xs)} xs")
        if (self.lows is None) != (self.highs is None):
            raise ValueError(f"series {self.name!r}: lows and highs come together or not at all")


class SpanResult(msgspec.Struct, frozen=True):
    """`end` is None where the stretch has none."""

    start: float
    end: float | None
    text: str


class CurveResult(msgspec.Struct, frozen=True):
    title: str
    x_label: str
    y_label: str
    series: list[SeriesResult]
    kind: str = LINE
    spans: list[SpanResult] = []
    log_x: bool = False
    log_y: bool = False

    def __post_init__(self) -> None:
        if self.kind not in (LINE, BAR):
            raise ValueError(f"curve {self.title!r}: kind {self.kind!r} is neither {LINE} nor {BAR}")

    def curve(self) -> Curve:
        """As experiments have it, with NaN where nothing is known."""
        series = [
            Series(
                one.name,
                ["" if x is None else x for x in one.xs],
                _numbers(one.ys),
                None if one.lows is None else _numbers(one.lows),
                None if one.highs is None else _numbers(one.highs),
            )
            for one in self.series
        ]
        spans = [Span(span.start, inf if span.end is None else span.end, span.text) for span in self.spans]
        return Curve(self.title, self.x_label, self.y_label, series, self.kind, spans, self.log_x, self.log_y)


Name = Annotated[str, msgspec.Meta(min_length=1)]


class ExperimentResult(msgspec.Struct, frozen=True):
    """`folder`: where below DIR its results.json was; empty for DIR's own."""

    name: Name
    title: str
    hypothesis: str = ""
    model: str = ""
    parameters: dict[str, Cell] = {}
    source: str = ""
    requirements: list[str] = []
    tables: list[TableResult] = []
    claims: list[ClaimResult] = []
    limits: list[str] = []
    curves: list[CurveResult] = []
    records: list[dict[str, Cell]] = []
    folder: str = ""

    @property
    def failing(self) -> list[ClaimResult]:
        return [claim for claim in self.claims if not claim.holds]


class _File(msgspec.Struct, frozen=True):
    hawser: str
    experiments: list[ExperimentResult]


class Results(msgspec.Struct, frozen=True):
    """`versions`: the versions of hawser that made them, each once, in order of appearance."""

    versions: list[str]
    experiments: list[ExperimentResult]

    @property
    def failing(self) -> int:
        return sum(len(experiment.failing) for experiment in self.experiments)

    @property
    def claims(self) -> int:
        return sum(len(experiment.claims) for experiment in self.experiments)


def load(directory: Path) -> Results:
    """All results in `directory`: its own first, then those of folders in it, by name. ResultsError."""
    files = _find(directory)
    versions: dict[str, None] = {}
    experiments: list[ExperimentResult] = []
    for file in files:
        found = _read(file)
        versions[found.hawser] = None
        folder = "" if file.parent == directory else file.parent.name
        experiments += [msgspec.structs.replace(experiment, folder=folder) for experiment in found.experiments]
    if not experiments:
        raise ResultsError(f"{', '.join(map(str, files))}: no experiment in it")
    return Results(list(versions), experiments)


def _find(directory: Path) -> list[Path]:
    try:
        if not directory.is_dir():
            raise ResultsError(f"{directory}: want a directory that `hawser lab run ... --into {directory}` has filled")
        own = [directory / FILE] if (directory / FILE).exists() else []
        files = own + [folder / FILE for folder in sorted(directory.iterdir()) if (folder / FILE).is_file()]
    except OSError as error:
        raise ResultsError(f"{directory}: {error.strerror or error}") from None
    if not files:
        raise ResultsError(f"{directory}: no {FILE} in it: `hawser lab run ... --into {directory}` writes one")
    return files


def _read(file: Path) -> _File:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_File)
    except msgspec.ValidationError as error:
        raise ResultsError(f"{file}: not the results of experiments: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ResultsError(f"{file}: this is no JSON, or only a part of it: {error}") from None
    except OSError as error:
        raise ResultsError(f"{file}: {error.strerror or error}") from None


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [nan if value is None else float(value) for value in values]
