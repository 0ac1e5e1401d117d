"""Where a measured course crosses a level: how experiments say where a verdict stops holding."""

import math
from collections.abc import Sequence
from itertools import pairwise


def crossing(xs: Sequence[float], ys: Sequence[float], level: float) -> float | None:
    """The first x at which the straight line through neighbouring points crosses `level`, on a logarithmic x axis (all xs > 0, in
    ascending order); None where it never does."""
    for (x0, y0), (x1, y1) in pairwise(zip(xs, ys, strict=True)):
        if y0 != y1 and min(y0, y1) <= level <= max(y0, y1):
            part = (level - y0) / (y1 - y0)
            return math.exp(math.log(x0) + part * (math.log(x1) - math.log(x0)))
    return None


def where(name: str, xs: Sequence[float], ys: Sequence[float], level: float, unit: str = "") -> str:
    """`crossing` in words, to three digits: `k = 2.04`, or `no k from 0.1 to 10`."""
    x = crossing(xs, ys, level)
    if x is None:
        return f"no {name} from {_number(xs[0])} to {_number(xs[-1])}{unit}"
    return f"{name} = {_number(x)}{unit}"


def _number(x: float) -> str:
    """Three digits, thousands with commas and no exponent."""
    if x < 1000:
        return f"{x:.3g}"
    step = 10 ** (len(str(int(x))) - 3)
    return f"{round(x / step) * step:,}"
