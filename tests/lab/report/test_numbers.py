"""Numbers as people read them, and where words go."""

from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawser.lab.report.layout import flow, rows_of, spread
from hawser.lab.report.numbers import cell, column, tick


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4096, "4096"), (162_000, "162,000"), (-12_345, "-12,345"), (True, "yes"), (False, "no"), (None, "-"), ("a b", "a b"),
        (0.0, "0"), (25.0, "25"), (0.91, "0.91"), (1000.5, "1000"), (1234567.0, "1,234,567"), (0.0001234, "0.000123"),
        (1e-9, "1e-09"), (2.5e12, "2.5e+12"), (nan, "no number"), (inf, "∞"), (-0.25, "-0.25"),
        (-12345.6, "-12,346"), (100.0, "100"),
    ],
)  # fmt: skip
def test_a_cell(value, text: str):
    assert cell(value) == text


def test_a_column_has_as_many_decimals_as_it_needs():
    assert column([0.25, 0.5, 10.0]) == ["0.25", "0.50", "10.00"]
    assert column([512.25, 21400.0, None, "x"]) == ["512.2", "21,400.0", "-", "x"]
    assert column([1.0, 2.0]) == ["1", "2"]
    assert column([1, 2.5]) == ["1", "2.5"]
    assert column([0.00123, 1234.5]) == ["0.0012", "1234.5"]
    assert column([]) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.5, "0.5"),
        (20.0, "20"),
        (1000, "1,000"),
        (2_500_000, "2.5M"),
        (3e9, "3G"),
        (1e-9, "1e-09"),
        (-2.5, "-2.5"),
    ],
)
def test_a_tick(value: float, text: str):
    assert tick(value) == text


@given(st.lists(st.floats(0, 10), min_size=1, max_size=12))
def test_names_beside_lines_keep_their_distance_and_their_order(wanted: list[float]):
    places = spread(wanted, 0.5, 0.0, 10.0)
    order = sorted(range(len(wanted)), key=lambda number: (wanted[number], number))
    for one, other in pairwise(order):
        assert places[other] - places[one] >= 0.5 - 1e-9
    assert min(places) >= -1e-9
    assert max(places) <= 10 + 1e-9


def test_names_that_are_far_apart_stay_where_they_are():
    assert spread([3.0, 1.0, 2.0], 0.5, 0.0, 10.0) == [3.0, 1.0, 2.0]
    assert spread([2.0, 2.0], 1.0, 0.0, 10.0) == [1.5, 2.5]


def test_words_that_overlap_go_to_other_rows():
    assert rows_of([(0, 2), (1, 3), (2, 4), (2.5, 3)]) == [0, 1, 0, 2]


def test_names_flow_as_words_do():
    assert flow([2, 2, 2], 5, 0.5) == [(0, 0.0), (0, 2.5), (1, 0.0)]
    assert flow([9], 5, 0.5) == [(0, 0.0)]
