"""Data of a plot: positions, ranges and marks of a curve's series, before anything is drawn."""

from collections.abc import Sequence
from itertools import pairwise
from math import inf, isfinite, log10, nan
from typing import Any, Final

from hawser.lab.experiments.base import BAR, Curve, Series, Span, Value
from hawser.lab.report.colours import DASHES, MARKERS
from hawser.lab.report.layout import Ruler
from hawser.lab.report.numbers import cell, tick

# So many points of a line have marks, and, if they have intervals, whiskers; a longer one has a band.
MARKS_MAX: Final = 30
WHISKERS_MAX: Final = 16
TICKS_OF_POINTS_MAX: Final = 12
# Lines that stay above so much of the largest value are drawn in full, not from 0.
FROM_ZERO: Final = 0.75
# So many times less than the least point an interval is drawn to on a logarithmic axis.
INTERVAL_SHOWN: Final = 3.0


class Data:
    """`categories` are the names along the axis, where xs are no numbers; numbers otherwise."""

    def __init__(self, curve: Curve) -> None:
        self.curve = curve
        self.categories = self._categories()
        self.positions = [self._positions(series) for series in curve.series]
        xs = [x for positions in self.positions for x in positions if isfinite(x)]
        self.log_x = curve.log_x and not self.categories and any(x > 0 for x in xs)
        self.log_y = curve.log_y and any(y > 0 for series in curve.series for y in series.ys)
        self.x_range = self._x_range(xs)
        self.y_range = self._y_range()
        low, high = self.x_range
        self.spans: Sequence[Span] = (
            [] if self.categories else [span for span in curve.spans if span.start <= high and span.end >= low]
        )
        self.note = self._note()
        self.is_empty = not any(isfinite(y) for series in curve.series for y in series.ys)

    def _categories(self) -> list[str]:
        names = [x for series in self.curve.series for x in series.xs]
        if self.curve.kind != BAR and all(_is_number(x) for x in names):
            return []
        return list(dict.fromkeys(cell(x) for x in names)) or [""]

    def _positions(self, series: Series) -> list[float]:
        if self.categories:
            return [float(self.categories.index(cell(x))) for x in series.xs]
        return [float(x) for x in series.xs]

    def _length(self) -> int:
        return max(map(len, self.positions), default=0)

    def _x_range(self, xs: Sequence[float]) -> tuple[float, float]:
        if self.categories:
            return -0.5, len(self.categories) - 0.5
        if self.log_x:
            xs = [x for x in xs if x > 0]
            low, high = min(xs), max(xs)
            room = (high / low) ** 0.03 if high > low else 2.0
            return low / room, high * room
        low, high = min(xs, default=0.0), max(xs, default=1.0)
        if high == low:
            return low - 0.5, high + 0.5
        # A line of many points goes from edge to edge; marks of few want room.
        room = 0.0 if self._length() > MARKS_MAX else 0.03 * (high - low)
        return low - room, high + room

    def _y_range(self) -> tuple[float, float]:
        ys = [
            y for series in self.curve.series for y in self._values(series) if isfinite(y) and (y > 0 or not self.log_y)
        ]
        low, high = min(ys, default=0.0), max(ys, default=1.0)
        if self.log_y:
            # An interval may come near to 0, which is endlessly far down.
            low = max(low, min(y for series in self.curve.series for y in series.ys if y > 0) / INTERVAL_SHOWN)
            if self.curve.kind == BAR:
                # The shortest bar is still one.
                return 10.0 ** _floor(log10(low) - 0.3), high * 1.6
            room = max((high / low) ** 0.06, 1.1)
            return low / room, high * room
        if self.curve.kind == BAR or low <= FROM_ZERO * high or low < 0:
            low, high = min(low, 0.0), max(high, 0.0)
        if high == low:
            return (low, low + 1.0) if low == 0 else (low - 0.1 * abs(low), high + 0.1 * abs(high))
        room = 0.06 * (high - low)
        return (0.0 if low == 0 else low - room), (0.0 if high == 0 and low < 0 else high + room)

    def _values(self, series: Series) -> list[float]:
        return [*series.ys, *(series.lows or ()), *(series.highs or ())]

    def _note(self) -> str:
        """What cannot be seen, said."""
        hidden = 0
        for series, positions in zip(self.curve.series, self.positions, strict=True):
            for x, y in zip(positions, series.ys, strict=True):
                hidden += isfinite(y) and ((self.log_y and y <= 0) or (self.log_x and x <= 0))
        points = "point is" if hidden == 1 else "points are"
        return f"{hidden} {points} not positive, and not on a logarithmic axis." if hidden else ""

    # What is asked of it.

    def x_part(self, x: float) -> float:
        """Where x lies on the axis, from 0 to 1."""
        low, high = self.x_range
        if self.log_x:
            return (log10(x) - log10(low)) / (log10(high) - log10(low))
        return (x - low) / (high - low)

    def value_labels(self) -> list[str]:
        """Words about as wide as those of the axis of values will be."""
        low, high = self.y_range
        if self.log_y:
            return [tick(10.0**power) for power in range(_floor(log10(low)), _floor(log10(high)) + 1)] + [tick(0.5)]
        step = 10.0 ** _floor(log10((high - low) / 5))
        return [tick(_round_to(value, step)) for value in (low + step / 2, high - step / 2, high)]

    def x_ticks(self, width: float, ruler: Ruler, points: float) -> list[float] | None:
        """The very points, where they are few and their names have room; None: wherever is usual."""
        xs = sorted({x for positions in self.positions for x in positions if isfinite(x) and (x > 0 or not self.log_x)})
        if not 1 <= len(xs) <= TICKS_OF_POINTS_MAX:
            return None
        ends = [(self.x_part(x) * width, ruler.width(tick(x), points) + 0.08) for x in xs]
        for (left, left_width), (right, right_width) in pairwise(ends):
            if right - left < (left_width + right_width) / 2:
                return None
        return xs

    def end_of(self, number: int) -> tuple[float, float] | None:
        """The last point of a line that can be seen."""
        points = zip(self.positions[number], self.curve.series[number].ys, strict=True)
        seen = [(x, y) for x, y in points if isfinite(y) and (y > 0 or not self.log_y) and (x > 0 or not self.log_x)]
        return seen[-1] if seen else None

    def line_look(self, number: int) -> dict[str, Any]:
        """How a line is drawn, its colour apart."""
        few = self._length() <= MARKS_MAX
        return {
            "linewidth": 1.7 if few else 1.4,
            "linestyle": DASHES[number // len(MARKERS) % len(DASHES)],
            "marker": MARKERS[(number + number // len(MARKERS)) % len(MARKERS)] if few else "None",
            "markersize": 4.6,
        }

    def band(self, number: int) -> bool:
        """Whether the interval of a line is a band; whiskers otherwise."""
        return len(self.positions[number]) > WHISKERS_MAX

    def interval(self, number: int) -> tuple[list[float], list[float]] | None:
        """The ends of the interval, cut where a logarithmic axis ends."""
        series = self.curve.series[number]
        if series.lows is None or series.highs is None:
            return None
        least = self.y_range[0] if self.log_y else -inf
        lows = [max(low, least) if isfinite(low) else nan for low in series.lows]
        return lows, list(series.highs)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _floor(value: float) -> int:
    return int(value // 1)


def _round_to(value: float, step: float) -> float:
    return round(value / step) * step
