"""The figure of a tournament: the tail of each selector with its interval, and how it went over time. Needs matplotlib."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hawser.core.units import NS_PER_S
from hawser.lab.experiments.comparison_curves import Run, fault_spans
from hawser.lab.experiments.tournament import TAILS, Standing, Tournament
from hawser.lab.look import SETTINGS, Palette
from hawser.lab.model.scenario import GRAY, Fault

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI: Final = 130
WIDTH: Final = 12.0
ROW: Final = 0.36
LEFT: Final = 0.185
MIDDLE: Final = 0.55
OWN: Final = "#e08a1e"
# Told apart by day and by night, also by people who tell colours apart badly; the first are Linux's five.
COLOURS: Final = ("#7f8c99", "#3f9e5a", "#4bb5c1", "#3b82c4", "#8a63b8", OWN, "#c8457a", "#8b6f5c", "#a8a13a")


def draw(tournament: Tournament, runs: Sequence[Run], file: str, dark: bool = False) -> None:
    """Into `file`, whose ending says as what. ImportError without matplotlib, OSError."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(SETTINGS):
        figure = _Drawing(tournament, runs, Palette(dark), Figure).draw()
        metadata = {"Date": None} if file.endswith(".svg") else None
        figure.savefig(file, dpi=DPI, facecolor=figure.get_facecolor(), metadata=metadata)


class _Drawing:
    def __init__(self, tournament: Tournament, runs: Sequence[Run], palette: Palette, make: "type[Figure]") -> None:
        self.tournament = tournament
        self.runs = runs
        self.palette = palette
        self.ranked = {tail: tournament.standings(runs, tail) for tail in TAILS}
        self.order = [row.selector for row in self.ranked[TAILS[-1]]]
        self.height = 2.2 + ROW * len(self.order) * len(TAILS) / 1.2
        self.figure = make(figsize=(WIDTH, self.height))

    def draw(self) -> "Figure":
        figure, palette = self.figure, self.palette
        figure.set_facecolor(palette.paper)
        bottom, top = 0.55 / self.height, 1 - 0.85 / self.height
        tails = figure.add_axes((LEFT, bottom, MIDDLE - LEFT - 0.055, top - bottom))
        course = figure.add_axes((MIDDLE + 0.02, bottom, 0.985 - MIDDLE - 0.02, top - bottom))
        for axes in (tails, course):
            self._prepare(axes)
        self._draw_tails(tails)
        self._draw_course(course)
        scenario = self.tournament.scenario
        is_gray = [fault.kind for fault in scenario.faults] == [GRAY]
        title = f"How long the slowest wait while {'a path is gray' if is_gray else 'the fault lasts'}"
        figure.text(0.02, 1 - 0.3 / self.height, title, color=palette.ink, fontsize=12, fontweight="bold")
        figure.text(0.02, 1 - 0.52 / self.height, self._subtitle(), color=palette.faint, fontsize=9)
        return figure

    def _subtitle(self) -> str:
        scenario = self.tournament.scenario
        count = len(self.tournament.seeds)
        seeds = "one seed" if count == 1 else f"{count} seeds, the same for all"
        faults = "; ".join(_told(fault) for fault in scenario.faults)
        return f"{len(scenario.paths)} paths: {faults}; {seeds}; virtual time"

    def _prepare(self, axes: "Axes") -> None:
        palette = self.palette
        axes.set_facecolor(palette.paper)
        for name, spine in axes.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color(palette.grid)
        axes.tick_params(colors=palette.faint, labelcolor=palette.faint, length=3)
        axes.grid(color=palette.grid, linewidth=0.6)
        axes.set_axisbelow(True)

    def _colour(self, selector: str) -> str:
        if selector in self.tournament.own:
            return (OWN, *COLOURS[6:])[self.tournament.own.index(selector) % 4]
        return COLOURS[self.tournament.contenders.index(selector) % 5]

    # How long the slowest wait.

    def _draw_tails(self, axes: "Axes") -> None:
        palette = self.palette
        axes.set_xscale("log")
        places = {selector: len(self.order) - 1 - place for place, selector in enumerate(self.order)}
        for tail, marker, shift in zip(TAILS, ("o", "D"), (0.14, -0.14), strict=True):
            for row in self.ranked[tail]:
                self._draw_one(axes, row, places[row.selector] + shift, marker)
        axes.set_yticks([places[selector] for selector in self.order], [_short(selector) for selector in self.order])
        for label, selector in zip(axes.get_yticklabels(), self.order, strict=True):
            is_own = selector in self.tournament.own
            label.set_color(palette.ink)
            label.set_fontweight("bold" if is_own else "normal")
        axes.set_ylim(-0.6, len(self.order) - 0.4)
        axes.grid(visible=False, axis="y")
        self._milliseconds(axes, "x")
        axes.set_title(
            "p99 (circle) and p99.9 (diamond) during the fault, 95 % intervals",
            color=palette.ink,
            fontsize=9,
            loc="left",
        )

    def _draw_one(self, axes: "Axes", row: Standing, y: float, marker: str) -> None:
        colour = self._colour(row.selector)
        mean = row.latency_us.mean / 1000
        low, high = row.latency_us.low, row.latency_us.high
        if low is not None and high is not None:
            axes.plot([max(low / 1000, mean / 100), high / 1000], [y, y], color=colour, linewidth=2.2, zorder=3)
        axes.plot([mean], [y], marker=marker, color=colour, markersize=6.5, zorder=4)
        axes.annotate(
            f"{mean:.2g} ms" if mean < 10 else f"{mean:.0f} ms", (max(mean, (high or 0) / 1000), y), xytext=(8, 0),
            textcoords="offset points", va="center", fontsize=7.5, color=self.palette.faint,
        )  # fmt: skip

    def _milliseconds(self, axes: "Axes", which: str) -> None:
        low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
        if which == "x":
            high *= 1.6
            axes.set_xlim(low, high)
        ticks = [
            tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000) if low <= tick <= high
        ]
        labels = [f"{tick:g} ms" if tick < 1000 else f"{tick / 1000:g} s" for tick in ticks]
        (axes.set_xticks if which == "x" else axes.set_yticks)(ticks, labels)
        axes.minorticks_off()

    # Over time.

    def _draw_course(self, axes: "Axes") -> None:
        palette, scenario = self.palette, self.tournament.scenario
        axes.set_yscale("log")
        for cell, selector in enumerate(self.tournament.contenders):
            outcomes = [run.outcome for run in self.runs if run.cell == cell]
            if not outcomes:
                continue
            count = min(len(outcome["windows"]) for outcome in outcomes)
            xs = [outcomes[0]["windows"][place]["t"] + scenario.window_ms / 2000 for place in range(count)]
            ys = [
                sum(outcome["windows"][place]["p99_us"] for outcome in outcomes) / len(outcomes) / 1000
                for place in range(count)
            ]
            is_own = selector in self.tournament.own
            axes.plot(
                xs, ys, color=self._colour(selector), linewidth=2.2 if is_own else 1.2, zorder=4 if is_own else 3,
                label=_short(selector), linestyle=(0, (4, 2)) if selector == "service-time 0" else "-",
            )  # fmt: skip
        for span in fault_spans(scenario.faults, scenario.seconds):
            axes.axvspan(span.start, span.end, color=palette.bad, alpha=0.07, linewidth=0, zorder=0)
            axes.axvline(span.start, color=palette.bad, linewidth=1.3, linestyle=(0, (4, 2)), zorder=5)
        axes.set_xlim(0, scenario.seconds)
        self._milliseconds(axes, "y")
        axes.set_xlabel("seconds of virtual time", color=palette.faint)
        axes.set_title(
            f"p99 of each {scenario.window_ms:g} ms, mean over seeds", color=palette.ink, fontsize=9, loc="left"
        )
        legend = axes.legend(
            loc="upper left", fontsize=7.5, facecolor=palette.paper, edgecolor=palette.grid, framealpha=0.9
        )
        for text in legend.get_texts():
            text.set_color(palette.ink)


def _told(fault: Fault) -> str:
    paths = " and ".join(f"p{number}" for number in fault.paths)
    start = f"from {fault.at_ns / NS_PER_S:g} s on"
    if fault.kind == GRAY:
        return f"{fault.percent:g} % of the commands of {paths} come {fault.ms:g} ms late {start}"
    return f"{fault.kind} {paths} {start}"


def _short(selector: str) -> str:
    """Without the way to a file, and without a count of no arguments."""
    name, _, arguments = selector.partition(" ")
    return (name.rpartition("/")[2] if ":" in name else name) + (f" {arguments}" if arguments not in ("", "0") else "")
