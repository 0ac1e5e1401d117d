"""Axes of a plot: scales, ticks and what stands at them."""

from collections.abc import Sequence
from math import log10
from typing import TYPE_CHECKING, Final

from hawser.lab.report.numbers import tick

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

TICKS_MAX: Final = 7
# Fewer decades than this have ticks in between, too.
DECADES_FEW: Final = 2.5


def scale_values(
    axes: "Axes", axis: "Axis", ends: tuple[float, float], log: bool, ticks: Sequence[float] | None = None
) -> None:
    """An axis of numbers from end to end; `ticks`: where there are marks, if that is decided."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

    is_x = axis is axes.xaxis
    (axes.set_xscale if is_x else axes.set_yscale)("log" if log else "linear")
    (axes.set_xlim if is_x else axes.set_ylim)(*ends)
    if ticks is not None:
        axis.set_major_locator(FixedLocator(list(ticks)))
    elif log:
        decades = log10(ends[1] / ends[0])
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < DECADES_FEW else (1,), numticks=12))
    else:
        axis.set_major_locator(MaxNLocator(TICKS_MAX, steps=[1, 2, 2.5, 5, 10]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def scale_categories(axes: "Axes", axis: "Axis", names: Sequence[str], flat: bool) -> None:
    """An axis of names; those of a flat one go down."""
    from matplotlib.ticker import FixedFormatter, FixedLocator

    axis.set_major_locator(FixedLocator(list(range(len(names)))))
    axis.set_major_formatter(FixedFormatter(list(names)))
    axis.set_tick_params(length=0)
    if flat:
        axes.set_ylim(len(names) - 0.5, -0.5)
    else:
        axes.set_xlim(-0.5, len(names) - 0.5)
