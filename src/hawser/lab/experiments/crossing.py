"""Where a measured course crosses a level: how experiments say where a verdict stops holding."""

import math
from collections.abc import Sequence


def crossing(xs: Sequence[float], ys: Sequence[float], level: float) -> float | None:
    """The first x at which the straight line through neighbouring points crosses `level`, on a logarithmic x axis (all xs > 0, in
    ascending order); None where it never does."""
    points = list(zip(xs, ys, strict=True))
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if y0 != y1 and min(y0, y1) <= level <= max(y0, y1):
            part = (level - y0) / (y1 - y0)
            return math.exp(math.log(x0) + part * (math.log(x1) - math.log(x0)))
    return None


def where(name: str, xs: Sequence[float], ys: Sequence[float], level: float, unit: str = "") -> str:
    """`crossing` in words, to three digits: `k = 2.04`, or `no k from 0.1 to 10`."""
    x = crossing(xs, ys, level)
    if x is None:
        return f"no {name} from {xs[0]:g} to {xs[-1]:g}{unit}"
    return f"{name} = {x:.3g}{unit}"
