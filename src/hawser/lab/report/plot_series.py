"""Series of a plot: lines with their bands and whiskers, bars with their values."""

from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from hawser.lab.report.colours import Colours
from hawser.lab.report.layout import Ruler
from hawser.lab.report.numbers import number
from hawser.lab.report.plot_data import Data

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GROUP: Final = 0.82
VALUE_POINTS: Final = 7.5
WHISKER: Final[dict[str, Any]] = {"elinewidth": 1.0, "capsize": 2.5, "capthick": 1.0, "linestyle": "none"}


def draw_lines(axes: "Axes", data: Data, colours: Colours) -> None:
    for place, (series, xs) in enumerate(zip(data.curve.series, data.positions, strict=True)):
        colour = colours.of_series(place)
        ends = data.interval(place)
        if ends is not None and data.band(place):
            axes.fill_between(xs, *ends, color=colour, alpha=0.16, linewidth=0, zorder=2)
        elif ends is not None:
            errors = _errors(series.ys, *ends)
            axes.errorbar(xs, series.ys, yerr=errors, color=colour, zorder=2.5, **WHISKER)
        axes.plot(xs, series.ys, color=colour, zorder=3 + 0.01 * place, **data.line_look(place))


def draw_bars(axes: "Axes", data: Data, colours: Colours, flat: bool, width: float, ruler: Ruler) -> None:
    """`flat`: bars lie. `width`: that of the plot in inches."""
    count = len(data.curve.series)
    thickness = GROUP / max(count, 1)
    base = data.y_range[0] if data.log_y else 0.0
    for place, (series, positions) in enumerate(zip(data.curve.series, data.positions, strict=True)):
        shift = (place - (count - 1) / 2) * thickness
        places = [position + shift for position in positions]
        seen = [y if (isfinite(y) and y > base) or not data.log_y else base for y in series.ys]
        lengths = [y - base if isfinite(y) else 0.0 for y in seen]
        colour = colours.of_series(place)
        look: dict[str, Any] = {"color": colour, "edgecolor": colours.paper, "linewidth": 0.6, "zorder": 2}
        look["hatch"] = colours.hatch_of(place)
        if flat:
            axes.barh(places, lengths, height=thickness, left=base, **look)
        else:
            axes.bar(places, lengths, width=thickness, bottom=base, **look)
        ends = data.interval(place)
        if ends is not None:
            errors = _errors(series.ys, *ends)
            for whiskers in (_halo(colours), {"ecolor": colours.ink, "zorder": 3, **WHISKER}):
                if flat:
                    axes.errorbar(series.ys, places, xerr=errors, **whiskers)
                else:
                    axes.errorbar(places, series.ys, yerr=errors, **whiskers)
        _write_values(axes, data, colours, place, places, flat, width, ruler)


def _halo(colours: Colours) -> dict[str, Any]:
    """What makes a whisker seen on a bar of its own colour."""
    wide = {"elinewidth": 2.6, "capsize": 3.2, "capthick": 2.6}
    return {**WHISKER, **wide, "ecolor": colours.paper, "zorder": 2.5}


def _write_values(
    axes: "Axes", data: Data, colours: Colours, place: int, places: list[float], flat: bool, width: float, ruler: Ruler
) -> None:
    """The value at the end of each bar, if there is room for all of them."""
    series = data.curve.series[place]
    texts = [short(y) for y in series.ys]
    slot = width * GROUP / len(data.categories) / len(data.curve.series)
    widest = ruler.widest([short(y) for one in data.curve.series for y in one.ys], VALUE_POINTS)
    if not flat and widest > slot + 0.04:
        return
    tops = (
        list(series.ys)
        if series.highs is None
        else [max(high, y) for high, y in zip(series.highs, series.ys, strict=True)]
    )
    for position, y, top, text in zip(places, series.ys, tops, texts, strict=True):
        if not isfinite(y):
            continue
        end = top if isfinite(top) else y
        if data.log_y:
            end = max(end, data.y_range[0])
        at = (end, position) if flat else (position, end)
        below = y < 0
        offset = (-3 if below else 3, 0) if flat else (0, -3 if below else 2)
        side = ("right" if below else "left") if flat else "center"
        up = "center_baseline" if flat else ("top" if below else "bottom")
        axes.annotate(
            text, at, xytext=offset, textcoords="offset points", ha=side, va=up,
            color=colours.ink, fontsize=VALUE_POINTS, zorder=4, annotation_clip=False,
        )  # fmt: skip


def short(value: float) -> str:
    """Three digits are enough beside a bar."""
    text = number(float(f"{value:.3g}")) if isfinite(value) and abs(value) < 1000 else number(value, 0)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _errors(ys: Any, lows: list[float], highs: list[float]) -> list[list[float]]:
    """How far an interval goes below and above its point; nothing where there is no point."""
    below = [max(y - low, 0.0) if isfinite(y) and isfinite(low) else 0.0 for y, low in zip(ys, lows, strict=True)]
    above = [max(high - y, 0.0) if isfinite(y) and isfinite(high) else 0.0 for y, high in zip(ys, highs, strict=True)]
    return [below, above]
