"""The generator: SplitMix64's published numbers, and draws without bias."""

import math

import pytest

from hawser.core.rng import Rng


def test_the_reference_numbers():
    rng = Rng(0)
    assert [rng.next_u64() for _ in range(3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


ALL = 1 << 64
GOLDEN = 0x9E3779B97F4A7C15
FACTORS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))


def mixed(state: int) -> int:
    """What the published algorithm makes of a state."""
    for shift, factor in FACTORS:
        state = (state ^ (state >> shift)) * factor % ALL
    return state


def rng_that_draws(number: int) -> Rng:
    """Its first number is that one."""
    for shift, factor in reversed(FACTORS):
        number = number * pow(factor, -1, ALL) % ALL
        whole = number
        for _ in range(64 // shift):
            whole = number ^ (whole >> shift)
        number = whole
    return Rng(number - GOLDEN)


def test_it_is_the_published_algorithm_whatever_the_seed():
    for start in range(300):
        state = start * 0xD1342543DE82EF95 % ALL
        rng = Rng(state)
        for draw in range(1, 4):
            expected = mixed((state + draw * GOLDEN) % ALL)
            assert (rng.next_u64(), Rng(state + (draw - 1) * GOLDEN).uniform()) == (
                expected,
                (expected >> 11) / (1 << 53),
            )


@pytest.mark.parametrize("bound", [3, 10, 1000, 1 << 30, (1 << 30) + 1, 3 << 40, (1 << 63) + 1])
def test_a_number_that_would_make_the_low_ones_likelier_is_drawn_again(bound: int):
    limit = ALL - ALL % bound
    for number in {limit - 1, min(limit, ALL - 1), ALL - 1}:
        rng = rng_that_draws(number)
        following = rng_that_draws(number)
        expected = following.next_u64()
        assert expected == number
        while expected >= limit:
            expected = following.next_u64()
        assert rng.below(bound) == expected % bound
        assert rng.next_u64() == following.next_u64()


def test_only_the_low_64_bits_of_a_seed_count():
    assert Rng(5 + (1 << 64)).next_u64() == Rng(5).next_u64()
    assert Rng(-1).next_u64() == Rng((1 << 64) - 1).next_u64()


@pytest.mark.parametrize("bound", [1, 2, 3, 10, 1 << 63, (1 << 63) + 1, 1 << 64])
def test_below_stays_below(bound: int):
    rng = Rng(1)
    assert all(0 <= rng.below(bound) < bound for _ in range(200))


def test_below_is_even_enough():
    rng = Rng(2)
    counts = [0] * 7
    for _ in range(70_000):
        counts[rng.below(7)] += 1
    assert all(9_600 < count < 10_400 for count in counts)


def test_between_takes_both_ends_and_chance_keeps_its_word():
    rng = Rng(3)
    assert {rng.between(-1, 1) for _ in range(100)} == {-1, 0, 1}
    assert not any(rng.chance(0, 5) for _ in range(50))
    assert all(rng.chance(5, 5) for _ in range(50))
    assert all(0 <= rng.uniform() < 1 for _ in range(1000))


def test_a_split_stream_is_another_one_and_repeatable():
    first, second = Rng(4), Rng(4)
    assert first.split().next_u64() == second.split().next_u64()
    assert first.split().next_u64() != first.next_u64()


def test_exponential_numbers_are_logarithms_of_uniform_ones():
    one, other = Rng(5), Rng(5)
    found = [one.exponential() for _ in range(5000)]
    assert found == pytest.approx([-math.log(1.0 - other.uniform()) for _ in found], rel=1e-14)
    assert sum(found) / len(found) == pytest.approx(1.0, abs=0.05)
    assert Rng(1).exponential().hex() == "0x1.ac08eade3a34cp-1"
