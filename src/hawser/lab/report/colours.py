"""Colours of reports, by day and by night.

Any two of the series' colours are told apart in full colour, and with no sight of red, green or blue (distance in CIE Lab of 25
at least, as Machado, Oliveira and Fernandes 2009 simulate it; tests/lab/report/test_colours.py). The n-th colour has the same hue
by day and by night. Every part has a colour of its own, so that a page can give the parts of a drawing other colours.
"""

from typing import Final

from hawser.lab.look import Palette

SERIES_LIGHT: Final = ("#0184f4", "#de6b0d", "#9f2d94", "#195447", "#5e0dde", "#5a420e", "#1b0b37")
SERIES_DARK: Final = ("#35a8e7", "#de9541", "#e0428a", "#4df8ab", "#a554fa", "#faee31", "#d0f2f6")
# What tells one series from another besides: the marks of its points, others where colours come again, and beyond the seventh its
# dashes, or how a bar is hatched.
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
DASHES: Final = ("solid", (0, (5, 1.5)), (0, (1.2, 1.2)))
HATCHES: Final = ("", "////", "....")


class Colours(Palette):
    """The colours of a theme, and those of series."""

    def __init__(self, dark: bool) -> None:
        super().__init__(dark)
        self.series = SERIES_DARK if dark else SERIES_LIGHT
        self.good = "#5ecf8f" if dark else "#12713c"

    def of_series(self, number: int) -> str:
        return self.series[number % len(self.series)]

    def hatch_of(self, number: int) -> str:
        return HATCHES[number // len(self.series) % len(HATCHES)]

    def roles(self) -> dict[str, str]:
        """The name of each part -> its colour; a page has a variable for each."""
        named = {
            "paper": self.paper, "lane": self.lane, "ink": self.ink, "faint": self.faint, "grid": self.grid,
            "bad": self.bad, "good": self.good, "step": self.step,
        }  # fmt: skip
        return named | {f"s{number}": colour for number, colour in enumerate(self.series)}
