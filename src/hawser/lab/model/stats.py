"""Means and comparisons over seeds, with 95 % intervals.

What is assumed. Seeds are independent draws of the world, and the mean over them is about normally distributed: Student's t,
which is made for few of them. The same seed is the same world in every cell (the same I/Os, the same luck of the servers, as
far as the cells let it be the same), so that two cells are compared seed by seed: what the seed did to both cancels out.
Ratios are compared as logarithms: twice and half are equally far from one. (A bootstrap of four or eight seeds would be too
sure of itself.)

Values that were read from a histogram are too high by up to `resolution` (1/32 is 3 %), all of them perhaps in the same way: no
number of seeds helps against that, and intervals are wider by it.

An interval is one statement: of twenty comparisons of things that do not differ, about one will look as if they did. With one
seed there is no interval, and nothing is said of better or worse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import atan, exp, fsum, log, pi, sqrt
from typing import Final

LEVEL: Final = 0.95

BETTER: Final = "better"
WORSE: Final = "worse"
SAME: Final = "no difference shown"
UNTOLD: Final = "one seed: no interval"


@dataclass(frozen=True)
class Interval:
    """A mean over `count` seeds and where it lies with 95 % confidence; None with one seed."""

    mean: float
    low: float | None
    high: float | None
    count: int

    def half(self) -> float | None:
        """Half of its width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Verdict:
    """What is shown of `other` beside `first`: BETTER, WORSE, SAME or UNTOLD. `ratio`: other / first, a geometric mean; None
    where a value was not positive, and differences decided. `difference`: other - first."""

    text: str
    ratio: Interval | None
    difference: Interval


def mean_interval(values: Sequence[float], resolution: float = 0.0) -> Interval:
    """Of one value per seed, at least one."""
    count = len(values)
    assert count >= 1
    mean = fsum(values) / count
    if count == 1:
        return Interval(mean, None, None, 1)
    variance = fsum((value - mean) ** 2 for value in values) / (count - 1)
    half = t_quantile(count - 1) * sqrt(variance / count)
    return Interval(mean, mean - half - abs(mean) * resolution / (1 + resolution), mean + half, count)


def difference_interval(first: Sequence[float], other: Sequence[float]) -> Interval:
    """Of other - first, seed by seed: both have the same seeds in the same order."""
    return mean_interval([b - a for a, b in zip(first, other, strict=True)])


def ratio_interval(first: Sequence[float], other: Sequence[float], resolution: float = 0.0) -> Interval | None:
    """Of other / first, seed by seed: the geometric mean. None unless all values are positive."""
    if min(*first, *other) <= 0:
        return None
    logs = mean_interval([log(b) - log(a) for a, b in zip(first, other, strict=True)])
    if logs.low is None or logs.high is None:
        return Interval(exp(logs.mean), None, None, 1)
    return Interval(exp(logs.mean), exp(logs.low) / (1 + resolution), exp(logs.high) * (1 + resolution), logs.count)


def compare(first: Sequence[float], other: Sequence[float], more_is_better: bool, resolution: float = 0.0) -> Verdict:
    """Whether `other` is shown to differ from `first`: the interval of the ratio has not 1 in it."""
    difference = difference_interval(first, other)
    ratio = ratio_interval(first, other, resolution)
    interval, neutral = (difference, 0.0) if ratio is None else (ratio, 1.0)
    if interval.low is None or interval.high is None:
        text = UNTOLD
    elif interval.low <= neutral <= interval.high:
        text = SAME
    else:
        text = BETTER if (interval.low > neutral) == more_is_better else WORSE
    return Verdict(text, ratio, difference)


def t_probability(t: float, freedom: int) -> float:
    """That Student's t with `freedom` degrees of freedom lies in [-t, t] (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    assert freedom >= 1
    theta = atan(t / sqrt(freedom))
    square = 1.0 / (1.0 + t * t / freedom)  # cos^2
    sine = t / sqrt(freedom + t * t)
    odd = freedom % 2
    if freedom == 1:
        return 2 * theta / pi
    term = sqrt(square) if odd else 1.0
    terms = [term]
    for step in range(2, freedom - 1 - odd, 2):
        term *= square * (step / (step + 1) if odd else (step - 1) / step)
        terms.append(term)
    if odd:
        return 2 * (theta + sine * fsum(terms)) / pi
    return sine * fsum(terms)


@lru_cache(maxsize=1024)
def t_quantile(freedom: int, level: float = LEVEL) -> float:
    """The t with t_probability(t, freedom) = level: 12.706 with one degree of freedom, 1.96 with very many."""
    low, high = 0.0, 1.0
    while t_probability(high, freedom) < level:
        high *= 2
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        if t_probability(middle, freedom) < level:
            low = middle
        else:
            high = middle
