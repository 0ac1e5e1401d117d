"""Means and comparisons over seeds, against published tables and figures that can be done by hand."""

from math import exp, log, sqrt

import pytest

from hawser.core.rng import Rng
from hawser.lab.model.stats import (
    BETTER,
    SAME,
    UNTOLD,
    WORSE,
    compare,
    difference_interval,
    mean_interval,
    ratio_interval,
    t_probability,
    t_quantile,
)

# Any table of Student's t: two-sided 95 % and 99 %.
TABLE = [
    (1, 12.706, 63.657),
    (2, 4.303, 9.925),
    (3, 3.182, 5.841),
    (4, 2.776, 4.604),
    (5, 2.571, 4.032),
    (7, 2.365, 3.499),
    (10, 2.228, 3.169),
    (15, 2.131, 2.947),
    (30, 2.042, 2.750),
    (31, 2.040, 2.744),
    (120, 1.980, 2.617),
    (10_000, 1.960, 2.576),
]


@pytest.mark.parametrize(("freedom", "at_95", "at_99"), TABLE)
def test_students_t(freedom: int, at_95: float, at_99: float):
    assert t_quantile(freedom) == pytest.approx(at_95, abs=6e-4)
    assert t_quantile(freedom, 0.99) == pytest.approx(at_99, abs=6e-4)
    assert t_probability(t_quantile(freedom), freedom) == pytest.approx(0.95, abs=1e-12)


def test_a_mean_and_its_interval():
    found = mean_interval([1.0, 2.0, 3.0])
    half = 4.302652729911275 * 1.0 / sqrt(3)
    assert (found.mean, found.count) == (2.0, 3)
    assert found.low == pytest.approx(2 - half)
    assert found.high == pytest.approx(2 + half)
    assert found.half() == pytest.approx(half)


def test_one_seed_has_no_interval_and_no_verdict():
    found = mean_interval([5.0])
    assert (found.mean, found.low, found.high, found.half()) == (5.0, None, None, None)
    verdict = compare([5.0], [50.0], more_is_better=True)
    assert verdict.text == UNTOLD
    assert verdict.ratio is not None
    assert verdict.ratio.mean == pytest.approx(10.0)
    assert verdict.ratio.low is None


def test_pairs_show_what_means_do_not():
    """The seeds differ by far more than the cells; each seed says the same, though."""
    first = [100.0, 200.0, 400.0, 800.0]
    other = [110.0, 221.0, 438.0, 880.0]
    alone, beside = mean_interval(first), mean_interval(other)
    assert beside.low is not None
    assert alone.high is not None
    assert beside.low < alone.high  # they overlap
    assert compare(first, other, more_is_better=True).text == BETTER
    assert compare(first, other, more_is_better=False).text == WORSE
    assert compare(other, first, more_is_better=True).text == WORSE


def test_a_ratio_is_a_geometric_mean():
    found = ratio_interval([1.0, 1.0], [2.0, 8.0])
    assert found is not None
    assert found.mean == pytest.approx(4.0)
    half = t_quantile(1) * (log(8) - log(2)) / sqrt(2) / sqrt(2)
    assert found.low == pytest.approx(4 * exp(-half))
    assert found.high == pytest.approx(4 * exp(half))
    assert difference_interval([1.0, 1.0], [2.0, 8.0]).mean == 4.0


def test_what_the_histogram_cannot_tell_apart_is_not_told_apart():
    """Its buckets are 3 % wide: whatever all seeds agree on may be as wrong as that."""
    assert compare([100.0] * 9, [103.0] * 9, more_is_better=False).text == WORSE
    assert compare([100.0] * 9, [103.0] * 9, more_is_better=False, resolution=1 / 32).text == SAME
    found = compare([100.0] * 9, [106.0] * 9, more_is_better=False, resolution=1 / 32)
    assert found.text == WORSE
    assert found.ratio is not None
    assert found.ratio.low == pytest.approx(1.06 * 32 / 33)
    assert found.ratio.high == pytest.approx(1.06 * 33 / 32)
    mean = mean_interval([99.0, 99.0], 1 / 32)
    assert mean.low == pytest.approx(96.0)
    assert mean.high == 99.0


def test_what_does_not_differ():
    assert compare([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], more_is_better=True).text == SAME
    assert compare([1.0, 2.0, 3.0], [2.0, 1.0, 3.5], more_is_better=True).text == SAME


def test_values_that_have_no_ratio_are_compared_by_their_differences():
    verdict = compare([0.0, 0.0, 0.0], [10.0, 11.0, 12.0], more_is_better=False)
    assert (verdict.text, verdict.ratio) == (WORSE, None)
    assert verdict.difference.mean == 11.0
    assert compare([0.0, 0.0], [0.0, 0.0], more_is_better=False).text == SAME


def test_an_interval_holds_the_truth_as_often_as_it_says():
    """Of 2,000 samples of five, 95 % have the true mean in their interval (within four standard deviations of that count)."""
    rng = Rng(7)
    held = 0
    for _ in range(2000):
        # A sum of twelve uniform numbers less six: mean 0, variance 1, nearly normal.
        found = mean_interval([sum(rng.uniform() for _ in range(12)) - 6 for _ in range(5)])
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0 <= found.high
    assert abs(held - 1900) < 4 * sqrt(2000 * 0.95 * 0.05)
