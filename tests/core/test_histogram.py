"""The histogram: never below the exact quantile, at most a thirty-second above it, and merging is adding."""

import math

from hypothesis import given
from hypothesis import strategies as st

from hawser.core.histogram import BUCKETS, VALUE_BITS, Histogram, bucket_of, bucket_top

VALUES = st.lists(st.integers(0, (1 << VALUE_BITS) - 1) | st.integers(0, 5000), min_size=1, max_size=200)


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(st.integers(0, (1 << VALUE_BITS) - 1))
def test_a_value_lies_in_its_bucket(value: int):
    index = bucket_of(value)
    assert value <= bucket_top(index) <= value + value // 32
    assert index == 0 or bucket_top(index - 1) < value


def test_buckets_follow_each_other():
    tops = [bucket_top(index) for index in range(BUCKETS)]
    assert tops == sorted(set(tops))
    assert tops[-1] == (1 << VALUE_BITS) - 1
    assert bucket_of(1 << 60) == BUCKETS - 1


@given(VALUES, st.floats(0, 1))
def test_quantiles_are_near_the_exact_ones(values: list[int], fraction: float):
    exact = sorted(values)[max(1, math.ceil(fraction * len(values))) - 1]
    assert exact <= filled(values).quantile(fraction) <= exact + exact // 32


@given(VALUES, VALUES)
def test_merging_is_as_if_all_had_been_recorded_in_one(first: list[int], second: list[int]):
    merged, other, whole = filled(first), filled(second), filled(first + second)
    merged.merge(other)
    merged.merge(Histogram())
    assert merged.counts == whole.counts
    assert (merged.count, merged.total) == (whole.count, whole.total)
    assert (merged.minimum, merged.maximum) == (min(first + second), max(first + second))
    assert merged.mean() == sum(first + second) / len(first + second)


def test_an_empty_one_answers_zero():
    assert Histogram().quantile(0.5) == 0
    assert Histogram().mean() == 0
