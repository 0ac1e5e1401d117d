"""Experiment: a question with an answer that can be wrong: hypothesis, model, one set of parameters fixed before the run, source.

What a run answers are its Findings: tables, claims, curves, and where the claims stop holding. A claim says what kind it is:

    fitted      a parameter of the model was solved from the very figure that it is compared with: it shows nothing but that the
                model can do it
    predicted   the model was calibrated on one figure, and is tested on another
    derived     it follows from the rules and the model, by arithmetic that was done beforehand

Nothing is ever compared with a figure that nobody has published (`seeds.md`, "Not available").
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

FITTED: Final = "fitted"
PREDICTED: Final = "predicted"
DERIVED: Final = "derived"
KINDS: Final = (FITTED, PREDICTED, DERIVED)

LINE: Final = "line"
BAR: Final = "bar"

# What a cell of a table, or a parameter, may be.
Value = str | int | float | bool


@dataclass(frozen=True)
class Claim:
    """`measured` has to lie in [low, high] (None: no bound on that side). `where`: who says so, and where. `requirement`: the row
    of docs/requirements.md that it answers for."""

    text: str
    kind: str
    measured: float
    low: float | None
    high: float | None
    where: str
    requirement: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"claim {self.text!r}: kind {self.kind!r} is none of {', '.join(KINDS)}")

    def holds(self) -> bool:
        above = self.low is None or self.measured >= self.low
        return above and (self.high is None or self.measured <= self.high)

    def wanted(self) -> str:
        """The interval, for people."""
        if self.low is None and self.high is None:
            return "no bound"
        if self.low is None:
            return f"at most {self.high:g}"
        if self.high is None:
            return f"at least {self.low:g}"
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Table:
    """`rows` are as long as `columns`; numbers stay numbers, so that whoever prints them decides on digits."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.title!r}: {len(row)} cells under {len(self.columns)} columns: {row}")


@dataclass(frozen=True)
class Series:
    """One line of a figure, or one colour of bars. `lows` and `highs`: a 95 % interval round each of `ys`."""

    name: str
    xs: Sequence[Value]
    ys: Sequence[float]
    lows: Sequence[float] | None = None
    highs: Sequence[float] | None = None


@dataclass(frozen=True)
class Span:
    """A stretch of the x axis in which something was the matter."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Curve:
    """What people would rather look at than read. `kind`: LINE or BAR (then `xs` are names)."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    kind: str = LINE
    spans: Sequence[Span] = ()
    log_x: bool = False
    log_y: bool = False


@dataclass
class Findings:
    """`limits`: where the verdict stops holding, each with the figure that shows it. `records`: plain rows for other programs
    (results.json, Parquet), one per run."""

    tables: list[Table] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    records: list[dict[str, Value]] = field(default_factory=list)

    def holds(self) -> bool:
        return all(claim.holds() for claim in self.claims)


# Told how far a run is: a part from 0 to 1, and what it is at.
Progress = Callable[[float, str], None]


def quietly(part: float, what: str) -> None:
    """For whoever wants no progress."""


class Experiment:
    """A subclass gives all of these, and `run`. `parameters` are those of the model, with their units in their names, and hold
    whatever decides the result; `k`, `d` and `P` stand for what they do in `seeds.md` 1.6."""

    name: str = ""
    title: str = ""
    hypothesis: str = ""
    model: str = ""
    parameters: Mapping[str, Value] = {}
    source: str = ""
    requirements: Sequence[str] = ()

    def run(self, progress: Progress = quietly) -> Findings:
        """The answer, the same on every machine."""
        raise NotImplementedError
