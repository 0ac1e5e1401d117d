"""Layout: where text goes so that none of it lies on other text. Lengths are inches."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Ruler:
    """Measures text as it will be drawn."""

    def __init__(self, figure: "Figure") -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.font_manager import FontProperties

        self._renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
        self._dpi = figure.dpi
        self._font = FontProperties

    def width(self, text: str, points: float, bold: bool = False) -> float:
        font = self._font(size=points, weight="bold" if bold else "normal")
        return float(self._renderer.get_text_width_height_descent(text, font, False)[0]) / self._dpi

    def widest(self, texts: Sequence[str], points: float) -> float:
        return max((self.width(text, points) for text in texts), default=0.0)

    def wrapped(self, text: str, points: float, width: float, lines_max: int = 3, bold: bool = False) -> list[str]:
        """Lines that are no wider; what does not go into the last one is cut off, with an ellipsis."""
        lines: list[str] = []
        line = ""
        words = text.split()
        for number, word in enumerate(words):
            longer = f"{line} {word}".strip()
            if not line or self.width(longer, points, bold) <= width:
                line = longer
                continue
            if len(lines) == lines_max - 1:
                line = " ".join([line, *words[number:]])
                break
            lines.append(line)
            line = word
        lines.append(line)
        return [self.cut(line, points, width, bold) for line in lines]

    def cut(self, text: str, points: float, width: float, bold: bool = False) -> str:
        """The text, or as much of its beginning as is not wider."""
        if self.width(text, points, bold) <= width:
            return text
        most = bisect_right(range(len(text)), width, key=lambda end: self.width(text[:end] + "…", points, bold)) - 1
        return text[: max(most, 0)].rstrip() + "…"


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places as near to the wanted ones as there is a gap between any two, between low and high as far as they fit there."""
    order = sorted(range(len(wanted)), key=lambda number: (wanted[number], number))
    # Neighbours that are too near become a block, which stands with its middle where theirs would be.
    blocks: list[tuple[list[int], float]] = []
    for number in order:
        blocks.append(([number], wanted[number]))
        while len(blocks) > 1:
            (left, left_at), (right, right_at) = blocks[-2], blocks[-1]
            if right_at - left_at >= gap * (len(left) + len(right)) / 2:
                break
            members = left + right
            blocks[-2:] = [(members, (left_at * len(left) + right_at * len(right)) / len(members))]
    places = [0.0] * len(wanted)
    for members, middle in blocks:
        for number, member in enumerate(members):
            places[member] = middle + (number - (len(members) - 1) / 2) * gap
    for number, member in enumerate(order):
        least = low if number == 0 else places[order[number - 1]] + gap
        places[member] = max(places[member], least)
    for number, member in enumerate(reversed(order)):
        most = high if number == 0 else places[order[len(order) - number]] - gap
        places[member] = min(places[member], most)
    return places


def rows_of(ends: Sequence[tuple[float, float]]) -> list[int]:
    """The row of each stretch (start, end), so that those of one row do not overlap; in their order, the first free row."""
    free_from: list[float] = []
    found = []
    for start, end in ends:
        row = next((number for number, free in enumerate(free_from) if start >= free), len(free_from))
        free_from[row : row + 1] = [end]
        found.append(row)
    return found


def flow(widths: Sequence[float], width: float, gap: float) -> list[tuple[int, float]]:
    """The (row, left end) of each thing, one behind the other as words of a text are."""
    row, left = 0, 0.0
    found = []
    for own in widths:
        if left and left + own > width:
            row, left = row + 1, 0.0
        found.append((row, left))
        left += own + gap
    return found
