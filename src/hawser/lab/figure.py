"""Figure: one picture of a run: lanes for clients, map, paths and servers over time.

Bars are I/Os (from issue to answer) and commands (on a path's lane until it is answered or given up, on a server's until it
takes effect: what is left of it after it was given up is the ghost). Needs matplotlib, which is an extra: `pip install
hawser[lab]`.
"""

from typing import TYPE_CHECKING, Any, Final

from hawser.lab.axis import Axis
from hawser.lab.chart import DOWN, FAILED, FENCE, GHOST, STEP, SUSPENDED, Area, Bar, Chart, Lane, Moment
from hawser.lab.look import OPS, SETTINGS, Palette
from hawser.lab.plan import NO_FENCES
from hawser.lab.spans import FOREVER
from hawser.lab.trial import Trial
from hawser.lab.words import tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI: Final = 130
WIDTH: Final = 12.0
ROW_MAX: Final = 0.30
MARGIN: Final = 0.008
LANE_MIN: Final = 0.46
LANE_MAX: Final = 1.9
GAP: Final = 0.10
TICKS: Final = 11
# So wide a letter is, and so high, in inches.
LETTER: Final = 0.075
FAULTS_SHOWN: Final = 3
NO_MATPLOTLIB: Final = "a figure needs matplotlib: pip install 'hawser[lab]'"


class NoMatplotlibError(Exception):
    """matplotlib is not installed."""


def draw(trial: Trial, file: str, dark: bool = False, title: str = "") -> None:
    """Draw the trial, which kept its events, into `file`, whose ending says as what. NoMatplotlibError, OSError, ValueError."""
    figure = make_figure(Chart(trial), dark, title)
    metadata = {"Date": None} if file.endswith(".svg") else None
    import matplotlib

    with matplotlib.rc_context(SETTINGS):
        figure.savefig(file, dpi=DPI, facecolor=figure.get_facecolor(), metadata=metadata)


def make_figure(chart: Chart, dark: bool = False, title: str = "") -> "Figure":
    """The figure, not written anywhere yet."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise NoMatplotlibError(NO_MATPLOTLIB) from None
    with matplotlib.rc_context(SETTINGS):
        return _Drawing(chart, Palette(dark), Figure).draw(title)


class _Drawing:
    def __init__(self, chart: Chart, palette: Palette, make: "type[Figure]") -> None:
        self.chart = chart
        self.palette = palette
        self.axis: Axis = chart.axis
        self.heights = [_height(lane) for lane in chart.lanes]
        self.total = sum(self.heights) + GAP * (len(self.heights) + 1)
        self.above = 0.42 + 0.19 * min(len(chart.faults), FAULTS_SHOWN)
        self.below = 0.85
        self.inches = self.total + self.above + self.below
        self.figure = make(figsize=(WIDTH, self.inches))

    def draw(self, title: str) -> "Figure":
        figure, palette = self.figure, self.palette
        figure.set_facecolor(palette.paper)
        left, right = 0.085, 0.985
        self.width = WIDTH * (right - left)
        axes = figure.add_axes((left, self.below / self.inches, right - left, self.total / self.inches))
        self._prepare(axes)
        top = self.total - GAP
        for lane, height in zip(self.chart.lanes, self.heights, strict=True):
            self._draw_lane(axes, lane, top - height, height)
            top -= height + GAP
        self._draw_faults(axes)
        self._draw_legend()
        figure.text(
            left, 1 - 0.24 / self.inches, title or self._title(), color=palette.ink, fontsize=11, fontweight="bold"
        )
        return figure

    def _title(self) -> str:
        plan = self.chart.plan
        name = f"seed {plan.seed}" + (f", {plan.name}" if plan.name else "")
        if plan.unsafe_no_fence:
            # Behind the colon it is said again.
            name = name.removesuffix(NO_FENCES)
        return f"{name}: fences {'off' if plan.unsafe_no_fence else 'on'}"

    def _prepare(self, axes: "Axes") -> None:
        palette = self.palette
        axes.set_facecolor(palette.paper)
        axes.set_xlim(-MARGIN, 1)
        axes.set_ylim(0, self.total)
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        ticks = self.axis.ticks(TICKS)
        axes.set_xticks([self.axis.place(time_ns) for time_ns in ticks], [_moment(time_ns) for time_ns in ticks])
        axes.tick_params(axis="x", colors=palette.faint, length=3)
        axes.grid(axis="x", color=palette.grid, linewidth=0.6, zorder=0)
        axes.set_axisbelow(True)
        axes.set_xlabel(
            "milliseconds, not to scale: the longer nothing happens, the more it is compressed.    "
            "W1: write 1, R1: a read that found write 1 (R0: zeroes), F: flush",
            color=palette.faint,
            fontsize=8,
        )

    # A lane.

    def _draw_lane(self, axes: "Axes", lane: Lane, bottom: float, height: float) -> None:
        palette = self.palette
        axes.axhspan(bottom, bottom + height, color=palette.lane, zorder=0.5, linewidth=0)
        axes.text(
            -MARGIN - 0.008, bottom + height / 2, lane.name, ha="right", va="center", color=palette.ink, fontsize=9.5
        )
        if lane.name == "map" and self.chart.plan.unsafe_no_fence:
            self._text(axes, 0.0, bottom + height / 2, "fences are off", palette.faint, "left", "center")
        fences = [area for area in lane.areas if area.kind == FENCE]
        for area in lane.areas:
            if area.kind != FENCE:
                self._draw_area(axes, area, bottom, height)
        for number, area in enumerate(fences):
            part = height / len(fences)
            self._draw_area(axes, area, bottom + number * part, part)
        step = min(ROW_MAX, (height - 0.14) / lane.rows)
        for bar in lane.bars:
            self._draw_bar(axes, bar, bottom + 0.04 + bar.row * step, step * 0.86)
        self._draw_moments(axes, lane, bottom, height)

    def _draw_area(self, axes: "Axes", area: Area, bottom: float, height: float) -> None:
        from matplotlib.patches import Rectangle

        palette = self.palette
        start, end = self.axis.place(area.start_ns), self.axis.place(area.end_ns)
        looks: dict[str, dict[str, Any]] = {
            STEP: {"facecolor": palette.step, "alpha": 0.38},
            FAILED: {"facecolor": palette.bad, "alpha": 0.13},
            DOWN: {"facecolor": palette.paper, "edgecolor": palette.grid, "linewidth": 0.8},
            SUSPENDED: {"facecolor": palette.faint, "alpha": 0.35},
            FENCE: {"facecolor": "none", "edgecolor": palette.fence, "hatch": "////", "linewidth": 1.0},
        }
        order = {STEP: 1.1, FAILED: 1.0, DOWN: 0.9, SUSPENDED: 1.2, FENCE: 1.6}
        patch = Rectangle((start, bottom), end - start, height, zorder=order[area.kind], **looks[area.kind])
        axes.add_patch(patch)
        if area.kind == DOWN:
            return
        label = f"fence: {tidy(area.label).strip()}" if area.kind == FENCE else area.label.strip()
        colour = palette.fence if area.kind == FENCE else palette.faint
        self._write_area(axes, label, (start, end), bottom + height, colour, area.kind)

    def _write_area(
        self, axes: "Axes", label: str, ends: tuple[float, float], top: float, colour: str, kind: str
    ) -> None:
        room = (ends[1] - ends[0]) * self.width
        for text in (label, label.partition(" (session")[0], label.partition(":")[0]):
            if len(text) * LETTER * 0.85 < room:
                place = ends[0] + 0.003
                side = "left"
                if kind == FAILED:
                    place, side = ends[1] - 0.003, "right"
                self._text(axes, place, top - 0.03, text, colour, side, "top")
                return

    def _text(self, axes: "Axes", x: float, y: float, text: str, colour: str, side: str, up: str) -> None:
        """Small text that can be read above anything."""
        box = {"boxstyle": "square,pad=0.1", "facecolor": self.palette.lane, "edgecolor": "none", "alpha": 0.75}
        axes.text(x, y, text, ha=side, va=up, color=colour, fontsize=7, zorder=5, bbox=box)

    def _draw_bar(self, axes: "Axes", bar: Bar, bottom: float, height: float) -> None:
        from matplotlib.patches import Rectangle

        palette = self.palette
        start, end = self.axis.place(bar.start_ns), self.axis.place(bar.end_ns)
        colour = OPS.get(bar.op, palette.faint)
        edge, line = (palette.bad, 1.6) if bar.failed else (palette.paper, 0.5)
        alive = self.axis.place(min(bar.ghost_ns, bar.end_ns))
        width = max(alive - start, 0.0015)
        axes.add_patch(
            Rectangle((start, bottom), width, height, facecolor=colour, edgecolor=edge, linewidth=line, zorder=3)
        )
        if bar.ghost_ns != FOREVER and end > alive:
            axes.add_patch(
                Rectangle(
                    (alive, bottom), end - alive, height,
                    facecolor=palette.paper, edgecolor=colour, hatch="xxxx", linewidth=0.9, zorder=2.9,
                )
            )  # fmt: skip
        room = max(width, end - start if bar.ghost_ns == FOREVER else width)
        if len(bar.label) * LETTER + 0.04 < room * self.width and height > 0.13:
            axes.text(
                start + room / 2, bottom + height / 2 - 0.008, bar.label,
                ha="center", va="center", color=palette.on_bar, fontsize=7.5, fontweight="bold", zorder=4,
            )  # fmt: skip

    def _draw_moments(self, axes: "Axes", lane: Lane, bottom: float, height: float) -> None:
        palette = self.palette
        taken = -1.0
        for moment in sorted(lane.moments, key=lambda moment: moment.time_ns):
            x = self.axis.place(moment.time_ns)
            if moment.kind == GHOST:
                axes.plot([x], [bottom + 0.5 * ROW_MAX], marker="X", color=palette.bad, markersize=8, zorder=6)
            else:
                axes.plot([x], [bottom + height - 0.07], marker="v", color=palette.step, markersize=6, zorder=6)
            if x > taken:
                colour = palette.bad if moment.kind == GHOST else palette.faint
                fits = x + 0.006 + len(moment.label) * LETTER / self.width < 1
                side, place = ("left", x + 0.006) if fits else ("right", x - 0.006)
                self._text(axes, place, bottom + height - 0.03, moment.label, colour, side, "top")
                taken = x + len(moment.label) * LETTER / self.width

    # Across all lanes.

    def _draw_faults(self, axes: "Axes") -> None:
        palette = self.palette
        for number, fault in enumerate(self.chart.faults[:FAULTS_SHOWN]):
            x = self.axis.place(fault.time_ns)
            axes.axvline(x, color=palette.bad, linewidth=1.4, linestyle=(0, (4, 2)), zorder=7)
            y = self.total + 0.06 + 0.19 * (min(len(self.chart.faults), FAULTS_SHOWN) - 1 - number)
            side = "left" if x < 0.5 else "right"
            text = _shortened(tidy(fault.label))
            axes.text(x, y, text, color=palette.bad, fontsize=8.5, ha=side, va="bottom", clip_on=False)

    def _draw_legend(self) -> None:
        from matplotlib.patches import Patch

        palette = self.palette
        chart = self.chart
        ops = [bar.op for lane in chart.lanes for bar in lane.bars]
        kinds = [area.kind for lane in chart.lanes for area in lane.areas]
        entries: list[tuple[str, dict[str, Any]]] = [
            (op if op != "zero" else "write zeroes", {"facecolor": colour}) for op, colour in OPS.items() if op in ops
        ]
        if any(bar.failed for lane in chart.lanes for bar in lane.bars):
            entries.append(("failed or given up", {"facecolor": "none", "edgecolor": palette.bad, "linewidth": 1.6}))
        if any(bar.ghost_ns != FOREVER for lane in chart.lanes for bar in lane.bars):
            entries.append(
                ("ghost: given up, still alive", {"facecolor": "none", "edgecolor": OPS["write"], "hatch": "xxxx"})
            )
        if FENCE in kinds:
            entries.append(("fence", {"facecolor": "none", "edgecolor": palette.fence, "hatch": "////"}))
        if FAILED in kinds:
            entries.append(("path failed", {"facecolor": palette.bad, "alpha": 0.2}))
        if DOWN in kinds:
            entries.append(("no session", {"facecolor": palette.paper, "edgecolor": palette.faint}))
        if STEP in kinds:
            entries.append(("fault goes on", {"facecolor": palette.step, "alpha": 0.45}))
        patches = [Patch(label=label, **look) for label, look in entries]
        legend = self.figure.legend(
            handles=patches,
            loc="lower left",
            bbox_to_anchor=(0.075, 0.0),
            ncols=len(patches),
            frameon=False,
            fontsize=8,
        )
        for text in legend.get_texts():
            text.set_color(palette.ink)


def _height(lane: Lane) -> float:
    labelled = 0.16 if lane.areas or lane.moments else 0.0
    return min(LANE_MAX, max(LANE_MIN, lane.rows * ROW_MAX + 0.10 + labelled))


def _moment(time_ns: int) -> str:
    """Milliseconds with as many decimals as tell it from its neighbours."""
    return f"{max(0, time_ns) / 1e6:,.2f}".rstrip("0").rstrip(".")


def _shortened(text: str) -> str:
    """A fault without the words that the figure says itself."""
    for word in ("returned what it must not: ",):
        text = text.partition(word)[2] or text
    return text if len(text) < 150 else text[:147] + "..."


__all__ = ["Moment", "NoMatplotlibError", "Palette", "draw", "make_figure"]
