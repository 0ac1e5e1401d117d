"""Numbers for people: of a cell, of a column of a table, at the ticks of an axis."""

from collections.abc import Sequence
from math import floor, isfinite, log10
from typing import Final

from hawser.lab.report.results import Cell

DIGITS: Final = 4
DECIMALS_MAX: Final = 6
# From here on whole numbers have commas: a year, or a size such as 4096, reads better without.
COMMAS_FROM: Final = 10_000


def cell(value: Cell, decimals: int | None = None) -> str:
    """`decimals`: how many a number that is not whole by nature has; None: as many as its size deserves."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return whole(value)
    if isinstance(value, float):
        return number(value, decimals)
    return value


def column(values: Sequence[Cell]) -> list[str]:
    """The cells of one column, whose fractions have the same number of decimals."""
    fractions = [abs(value) for value in values if isinstance(value, float) and isfinite(value) and value != 0]
    decimals = min(
        max((_decimals(value) for value in fractions), default=0), _decimals(max(fractions, default=1.0)) + 2
    )
    while decimals and all(round(value, decimals - 1) == round(value, decimals) for value in fractions):
        decimals -= 1
    return [cell(value, decimals) for value in values]


def is_number(value: Cell) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(value: int) -> str:
    return f"{value:,}" if abs(value) >= COMMAS_FROM else str(value)


def number(value: float, decimals: int | None = None) -> str:
    """`1.5`, `0.0123`, `12,345`, `1.2e+09`."""
    if not isfinite(value):
        return "no number" if value != value else ("∞" if value > 0 else "-∞")
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e9 or size < 10.0**-DECIMALS_MAX:
        return f"{value:.{DIGITS - 1}g}"
    if decimals is not None:
        rounded = f"{value:.{decimals}f}"
        return _with_commas(rounded) if float(rounded) else f"{value:.2g}"
    rounded = f"{value:.{_decimals(size)}f}"
    if "." in rounded:
        rounded = rounded.rstrip("0").rstrip(".")
    return _with_commas(rounded)


def _with_commas(text: str) -> str:
    units, point, rest = text.partition(".")
    return f"{int(units):,}{point}{rest}" if len(units.lstrip("-")) >= len(str(COMMAS_FROM)) else text


def tick(value: float) -> str:
    """Without zeroes at the end: `0.5`, `20`, `1,000`, `5M`."""
    for unit, factor in (("G", 1e9), ("M", 1e6)):
        if abs(value) >= factor:
            return f"{value / factor:.6g}{unit}"
    text = f"{value:.6f}".rstrip("0").rstrip(".") if abs(value) < 1e3 else f"{value:,.2f}".rstrip("0").rstrip(".")
    return text if float(text.replace(",", "")) or not value else f"{value:.2g}"


def _decimals(size: float) -> int:
    """How many make DIGITS digits of a positive number."""
    return min(max(DIGITS - 1 - floor(log10(size)), 0), DECIMALS_MAX)
