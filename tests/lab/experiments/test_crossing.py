"""Where a measured course crosses a level."""

import pytest

from hawser.lab.experiments.crossing import crossing, where


@pytest.mark.parametrize(
    ("xs", "ys", "level", "want"),
    [
        ([1, 100], [0, 2], 1, 10),
        ([1, 100], [2, 0], 1, 10),
        ([1, 10, 100], [1, 1, 3], 1, 10),
        ([1, 10, 100], [0, 5, 0], 5, 10),
        ([1, 10], [0, 1], 2, None),
        ([1, 10], [1, 1], 1, None),
        ([5], [1], 1, None),
    ],
)
def test_on_a_logarithmic_axis(xs: list[float], ys: list[float], level: float, want: float | None):
    assert crossing(xs, ys, level) == (pytest.approx(want) if want is not None else None)


def test_in_words():
    assert where("k", [1, 4], [0, 1], 0.5) == "k = 2"
    assert where("window", [10_000, 1_000_000], [0, 1], 0.5, " KiB") == "window = 100,000 KiB"
    assert where("k", [0.5, 2_000], [0, 1], 3) == "no k from 0.5 to 2,000"
