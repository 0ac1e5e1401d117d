"""Colours: told apart by everybody, and from the paper."""

from itertools import combinations

import pytest

from hawser.lab.report.colours import Colours

Triple = tuple[float, float, float]

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009), severity 1.
SIGHTS = {
    "everybody": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
SRGB_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
WHITE = (0.95047, 1.0, 1.08883)


def product(matrix, vector: Triple) -> Triple:
    first, second, third = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return first, second, third


def linear(colour: str) -> Triple:
    values = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    first, second, third = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return first, second, third


def lab(light: Triple) -> Triple:
    red, green, blue = (min(max(value, 0.0), 1.0) for value in light)
    xyz = product(SRGB_TO_XYZ, (red, green, blue))
    x, y, z = (
        v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (a / b for a, b in zip(xyz, WHITE, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def contrast(one: str, other: str) -> float:
    """As WCAG 2 has it."""
    low, high = sorted(product(SRGB_TO_XYZ, linear(colour))[1] for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("sight", SIGHTS)
def test_any_two_series_are_told_apart(sight: str, dark: bool):
    seen = [(colour, lab(product(SIGHTS[sight], linear(colour)))) for colour in Colours(dark).series]
    for (one, a), (other, b) in combinations(seen, 2):
        distance = sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5
        assert distance > 25, (sight, one, other)


@pytest.mark.parametrize("dark", [False, True])
def test_colours_are_seen_on_their_paper(dark: bool):
    colours = Colours(dark)
    assert all(contrast(colour, colours.paper) >= 3 for colour in colours.series)
    for name in ("ink", "faint", "bad", "good"):
        for ground in (colours.paper, colours.lane):
            assert contrast(colours.roles()[name], ground) >= 4.4, name


def test_a_colour_is_one_part_only():
    """A page replaces each colour of a drawing by that part's variable."""
    for dark in (False, True):
        roles = Colours(dark).roles()
        assert len({*roles.values()}) == len(roles)
    assert list(Colours(False).roles()) == list(Colours(True).roles())
