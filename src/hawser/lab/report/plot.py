"""Plot: a curve of an experiment as a figure: title, what is measured, faults above the plot, names beside the lines.

The figure is `WIDTH` inches wide, so that it can be read on a phone's screen turned or scrolled, and in a column of a page. What
it says, it says twice: a series by its colour, and by its marks and a name beside it.
"""

import warnings
from math import isfinite
from typing import TYPE_CHECKING, Final

from hawser.lab.experiments.base import BAR, Curve
from hawser.lab.figure import NoMatplotlibError
from hawser.lab.look import SETTINGS
from hawser.lab.report.colours import Colours
from hawser.lab.report.layout import Ruler, flow, rows_of, spread
from hawser.lab.report.plot_axes import scale_categories, scale_values
from hawser.lab.report.plot_data import Data
from hawser.lab.report.plot_series import VALUE_POINTS, draw_bars, draw_lines, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH: Final = 7.2
HEIGHT: Final = 3.0
MARGIN: Final = 0.14
DPI: Final = 144

TITLE_POINTS: Final = 11.0
TEXT_POINTS: Final = 9.0
SMALL_POINTS: Final = 8.0

TITLE_LINE: Final = 0.21
LINE: Final = 0.17
NAMES_BESIDE_MAX: Final = 8
NAMES_WIDTH_MAX: Final = 2.3
CATEGORY_WIDTH_MAX: Final = 2.6
SPAN_ROWS_MAX: Final = 6

# Nothing of the reader's own settings, and dollars are dollars.
FIGURE_SETTINGS: Final = SETTINGS | {"text.parse_math": False, "axes.unicode_minus": True, "figure.dpi": DPI}


def plot(curve: Curve, dark: bool = False) -> "Figure":
    """The figure, not written anywhere yet; its title's lines have the ids `title0` and so on. NoMatplotlibError."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise NoMatplotlibError("figures need matplotlib: pip install 'hawser[lab]'") from None
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A letter that the font does not have is no reason for no figure.
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(FIGURE_SETTINGS)
        return _Plot(Data(curve), Colours(dark), Figure(figsize=(WIDTH, HEIGHT))).draw()


def title_height(figure: "Figure") -> float:
    """How many inches at the top hold nothing but the title."""
    return float(sum(str(text.get_gid()).startswith("title") for text in figure.texts)) * TITLE_LINE + MARGIN


class _Plot:
    def __init__(self, data: Data, colours: Colours, figure: "Figure") -> None:
        self.data = data
        self.colours = colours
        self.figure = figure
        self.ruler = Ruler(figure)
        room = WIDTH - 2 * MARGIN
        curve = data.curve
        self.titles = self.ruler.wrapped(curve.title, TITLE_POINTS, room, bold=True)
        self.names = [series.name for series in curve.series]
        self.beside = self._names_beside()
        names = self.ruler.widest(self.names, TEXT_POINTS)
        self.right = MARGIN + (min(names, NAMES_WIDTH_MAX) + 0.42 if self.beside else 0.06)
        self.left = MARGIN + 0.1 + self.ruler.widest(data.value_labels(), TEXT_POINTS)
        self.flat = False
        if data.categories:
            widest = self.ruler.widest(data.categories, TEXT_POINTS)
            slot = (WIDTH - self.left - self.right) / len(data.categories)
            self.flat = curve.kind == BAR and (widest + 0.1 > slot or len(data.categories) * len(curve.series) > 24)
            if self.flat:
                self.left = MARGIN + 0.1 + min(widest, CATEGORY_WIDTH_MAX)
                # The longest bar ends near the edge, and its value is written behind it.
                values = [short(y) for series in curve.series for y in series.ys]
                self.right = MARGIN + self.ruler.widest(values, VALUE_POINTS)
        self.subtitle = self.ruler.wrapped(curve.x_label if self.flat else curve.y_label, TEXT_POINTS, room, 2)
        self.width = WIDTH - self.left - self.right
        self.height = self._plot_height()
        self.spans = self._place_spans()
        self.notes = self.ruler.wrapped(data.note, SMALL_POINTS, room, 2) if data.note else []
        self.legend = self._place_legend(room)
        rows = max((row for row, _, _ in self.spans), default=-1) + 1
        self.top = MARGIN + TITLE_LINE * len(self.titles) + LINE * len(self.subtitle) + LINE * rows + 0.1
        lines = max((row for row, _ in self.legend), default=-1) + 1 + len(self.notes)
        axis_label = curve.y_label if self.flat else curve.x_label
        self.axis_lines = self.ruler.wrapped(axis_label, TEXT_POINTS, room, 2) if axis_label else []
        self.bottom = 0.24 + LINE * (len(self.axis_lines) + lines) + MARGIN + (0.06 if lines else 0.0)
        self.inches = self.top + self.height + self.bottom

    def draw(self) -> "Figure":
        figure, colours = self.figure, self.colours
        figure.set_size_inches(WIDTH, self.inches)
        figure.set_facecolor(colours.paper)
        axes = figure.add_axes(
            (self.left / WIDTH, self.bottom / self.inches, self.width / WIDTH, self.height / self.inches)
        )
        self._prepare(axes)
        if self.data.curve.kind == BAR:
            draw_bars(axes, self.data, colours, self.flat, self.width, self.ruler)
        else:
            draw_lines(axes, self.data, colours)
        if self.data.is_empty:
            axes.text(
                0.5, 0.5, "nothing was measured",
                transform=axes.transAxes, color=colours.faint, fontsize=TEXT_POINTS, ha="center", va="center",
            )  # fmt: skip
        self._draw_heading()
        self._draw_spans(axes)
        self._draw_below()
        if self.beside:
            self._draw_names(axes)
        return figure

    # Decisions.

    def _names_beside(self) -> bool:
        curve = self.data.curve
        if curve.kind == BAR or not 2 <= len(curve.series) <= NAMES_BESIDE_MAX:
            return False
        return self.ruler.widest(self.names, TEXT_POINTS) <= NAMES_WIDTH_MAX

    def _plot_height(self) -> float:
        bars = len(self.data.categories) * len(self.data.curve.series)
        return max(1.0, 0.19 * bars + 0.16 * len(self.data.categories)) if self.flat else HEIGHT

    def _place_spans(self) -> list[tuple[int, float, str]]:
        """The row of each span's words, where they begin, from the left of the figure, and the words themselves."""
        low = self.data.x_range[0]
        room = WIDTH - 2 * MARGIN
        texts = [self.ruler.cut(span.text, SMALL_POINTS, room) for span in self.data.spans]
        starts, ends = [], []
        for span, text in zip(self.data.spans, texts, strict=True):
            width = self.ruler.width(text, SMALL_POINTS)
            start = self.left + self.width * self.data.x_part(max(span.start, low))
            starts.append(max(MARGIN, min(start, WIDTH - MARGIN - width)))
            ends.append((starts[-1], starts[-1] + width + 0.15))
        placed = list(zip(rows_of(ends), starts, texts, strict=True))
        if max((row for row, _, _ in placed), default=0) < SPAN_ROWS_MAX:
            return placed
        last = SPAN_ROWS_MAX - 1
        shown = [one for one in placed if one[0] < last]
        return [*shown, (last, MARGIN, f"and {len(placed) - len(shown)} more")]

    def _place_legend(self, room: float) -> list[tuple[int, float]]:
        """The rows of names below the plot, and where each begins; none where names stand beside the lines, or there is none."""
        if self.beside or not any(self.names):
            return []
        return flow([self.ruler.width(name, TEXT_POINTS) + 0.32 for name in self.names], room, 0.2)

    # Drawing.

    def _prepare(self, axes: "Axes") -> None:
        colours, data = self.colours, self.data
        axes.set_facecolor(colours.paper)
        for side, spine in axes.spines.items():
            spine.set_visible(side == ("left" if self.flat else "bottom"))
            spine.set_color(colours.faint)
        axes.tick_params(
            colors=colours.faint, labelcolor=colours.ink, labelsize=TEXT_POINTS, length=3, width=0.8, which="both"
        )
        axes.set_axisbelow(True)
        axes.grid(axis="x" if self.flat else "y", color=colours.grid, linewidth=0.7)
        values, others = (axes.xaxis, axes.yaxis) if self.flat else (axes.yaxis, axes.xaxis)
        scale_values(axes, values, data.y_range, data.log_y)
        if data.categories:
            room = self._category_room()
            lines = 2 if self.flat else 1
            names = ["\n".join(self.ruler.wrapped(name, TEXT_POINTS, room, lines)) for name in data.categories]
            scale_categories(axes, others, names, self.flat)
        else:
            scale_values(axes, others, data.x_range, data.log_x, data.x_ticks(self.width, self.ruler, TEXT_POINTS))

    def _category_room(self) -> float:
        return CATEGORY_WIDTH_MAX if self.flat else self.width / len(self.data.categories) - 0.04

    def _draw_heading(self) -> None:
        down = MARGIN
        for number, line in enumerate(self.titles):
            down += TITLE_LINE
            self._write(MARGIN, down - 0.05, line, self.colours.ink, TITLE_POINTS, bold=True, gid=f"title{number}")
        for line in self.subtitle:
            down += LINE
            self._write(MARGIN, down - 0.03, line, self.colours.faint, TEXT_POINTS)

    def _write(
        self,
        left: float,
        down: float,
        text: str,
        colour: str,
        points: float,
        bold: bool = False,
        gid: str | None = None,
    ) -> None:
        """Text whose line stands `down` inches below the figure's top."""
        self.figure.text(
            left / WIDTH, 1 - down / self.inches, text,
            color=colour, fontsize=points, fontweight="bold" if bold else "normal", va="baseline", gid=gid,
        )  # fmt: skip

    def _draw_spans(self, axes: "Axes") -> None:
        colours = self.colours
        low, high = self.data.x_range
        for span in self.data.spans:
            start, end = max(span.start, low), min(span.end, high)
            if end > start:
                axes.axvspan(start, end, facecolor=colours.step, alpha=0.22, linewidth=0, zorder=0.4)
            for edge in (start, end) if end > start else (start,):
                if low < edge < high or edge == span.start:
                    axes.axvline(edge, color=colours.bad, linewidth=1.0, linestyle=(0, (4, 2)), zorder=1.5)
        for row, left, text in self.spans:
            self._write(left, self.top - 0.08 - LINE * row, text, colours.bad, SMALL_POINTS)

    def _draw_below(self) -> None:
        """The name of the axis, the names of the series and the notes, below the plot."""
        down = self.top + self.height + 0.24
        for line in self.axis_lines:
            down += LINE
            middle = self.left + (self.width - self.ruler.width(line, TEXT_POINTS)) / 2
            self._write(max(middle, MARGIN), down - 0.05, line, self.colours.faint, TEXT_POINTS)
        down += 0.06
        for number, (row, left) in enumerate(self.legend):
            self._draw_key(MARGIN + left, down + LINE * (row + 1) - 0.03, number, WIDTH - 2 * MARGIN - 0.3)
        down += LINE * (max((row for row, _ in self.legend), default=-1) + 1)
        for line in self.notes:
            down += LINE
            self._write(MARGIN, down - 0.04, line, self.colours.faint, SMALL_POINTS)

    def _draw_key(self, left: float, down: float, number: int, room: float) -> None:
        """A piece of the line, or of the bar, and the series' name behind it."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Rectangle

        colour = self.colours.of_series(number)
        y = 1 - (down - 0.035) / self.inches
        if self.data.curve.kind == BAR:
            box = Rectangle(
                (left / WIDTH, y - 0.05 / self.inches), 0.2 / WIDTH, 0.1 / self.inches,
                facecolor=colour, edgecolor=self.colours.paper, linewidth=0, hatch=self.colours.hatch_of(number),
                transform=self.figure.transFigure,
            )  # fmt: skip
            self.figure.add_artist(box)
        else:
            xs = [left / WIDTH, (left + 0.11) / WIDTH, (left + 0.22) / WIDTH]
            look = self.data.line_look(number)
            line = Line2D(xs, [y, y, y], color=colour, markevery=[1], transform=self.figure.transFigure, **look)
            self.figure.add_artist(line)
        self._write(
            left + 0.28, down, self.ruler.cut(self.names[number], TEXT_POINTS, room), self.colours.ink, TEXT_POINTS
        )

    def _draw_names(self, axes: "Axes") -> None:
        """Beside the end of each line its name, moved up or down where others are in the way."""
        from matplotlib.lines import Line2D

        numbers, wanted, ends = [], [], []
        for number in range(len(self.names)):
            end = self.data.end_of(number)
            if end is not None:
                x, y = axes.transData.transform(end)
                numbers.append(number)
                wanted.append(self.inches - y / self.figure.dpi)
                ends.append(x / self.figure.dpi)
        places = spread(wanted, LINE, self.top + 0.02, self.top + self.height)
        left = WIDTH - self.right + 0.08
        for number, end, height, place in zip(numbers, ends, wanted, places, strict=True):
            self._draw_key(left, place + 0.035, number, NAMES_WIDTH_MAX)
            if isfinite(height) and (left - end > 0.2 or abs(height - place) > 0.05):
                leader = Line2D(
                    [end / WIDTH, (left - 0.02) / WIDTH], [1 - height / self.inches, 1 - place / self.inches],
                    color=self.colours.of_series(number), linewidth=0.6, alpha=0.6, transform=self.figure.transFigure,
                )  # fmt: skip
                self.figure.add_artist(leader)
