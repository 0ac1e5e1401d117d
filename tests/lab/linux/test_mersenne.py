"""The shuffle is Python's own."""

import random

import pytest

from hawser.lab.linux.mersenne import MersenneTwister


@pytest.mark.parametrize("seed", [0, 1, 7, 12345, 2**40 + 3])
@pytest.mark.parametrize("count", [1, 2, 64, 1000])
def test_it_shuffles_as_python_does(seed: int, count: int) -> None:
    expected = list(range(count))
    random.Random(seed).shuffle(expected)
    found = list(range(count))
    MersenneTwister(seed).shuffle(found)
    assert found == expected
