"""The ratio of medians and its interval."""

import pytest
from bench.stats import EXHAUSTIVE_ROUNDS, quantile, ratio_of_medians
from hypothesis import given
from hypothesis import strategies as st

RATE = st.floats(min_value=1.0, max_value=1e6)


def test_the_ratio_is_that_of_the_medians():
    assert ratio_of_medians([10, 20, 90], [10, 5, 1]).value == 4.0


def test_equal_measurements_leave_no_doubt():
    ratio = ratio_of_medians([200] * 5, [100] * 5)
    assert (ratio.low, ratio.value, ratio.high) == (2.0, 2.0, 2.0)


def test_one_round_has_an_interval_of_one_point():
    ratio = ratio_of_medians([3], [2])
    assert (ratio.low, ratio.value, ratio.high) == (1.5, 1.5, 1.5)


def test_what_slows_both_in_a_round_cancels():
    slowed = [100, 50, 10, 80, 70]
    ratio = ratio_of_medians([2 * rate for rate in slowed], slowed)
    assert (ratio.low, ratio.value, ratio.high) == (2.0, 2.0, 2.0)


def test_noise_of_one_side_widens_the_interval():
    ratio = ratio_of_medians([100, 110, 90, 150, 60], [100] * 5)
    assert ratio.low < ratio.value == 1.0 < ratio.high


@pytest.mark.parametrize("rounds", [EXHAUSTIVE_ROUNDS, EXHAUSTIVE_ROUNDS + 3])
def test_the_same_measurements_give_the_same_interval(rounds):
    ours, peer = [float(10 + i * i % 7) for i in range(rounds)], [float(9 + i % 3) for i in range(rounds)]
    assert ratio_of_medians(ours, peer) == ratio_of_medians(ours, peer)


@given(st.lists(st.tuples(RATE, RATE), min_size=1, max_size=4))
def test_the_interval_stays_within_the_extremes(rounds):
    ours, peer = zip(*rounds, strict=True)
    ratio = ratio_of_medians(ours, peer)
    assert min(ours) / max(peer) <= ratio.low <= ratio.high <= max(ours) / min(peer)


@pytest.mark.parametrize(("ours", "peer"), [([], []), ([1.0], [1.0, 2.0])])
def test_rounds_must_match(ours, peer):
    with pytest.raises(ValueError, match="as many measurements"):
        ratio_of_medians(ours, peer)


def test_quantiles_are_values_that_occurred():
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [quantile(values, fraction) for fraction in (0, 0.5, 1)] == [1.0, 3.0, 5.0]
