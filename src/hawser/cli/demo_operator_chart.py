"""The figure of the demonstration for operators: how long the database's operations took over time, with the faults marked; what
each server did meanwhile; and what hawser costs when nothing fails. By day and by night. Needs matplotlib (`hawser[lab]`).
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from hawser.lab.look import SETTINGS, Palette
from hawser.service.demo_cost import Cost
from hawser.service.demo_database import LOOK_UP, SYNCED, UNSYNCED
from hawser.service.demo_outage import BLACK_HOLE, CARRIES, CHECKED, GONE, READY, SWALLOWS, Outcome
from hawser.service.demo_servers import NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

THEMES: Final = ("light", "dark")
ENDINGS: Final = ("png", "svg")
DPI: Final = 130
WIDTH: Final = 12.0
HEIGHT: Final = 6.4
WINDOW_S: Final = 0.1
# Room for what is said of the faults, above the longest wait.
HEADROOM: Final = 9.0
# Two that are nearer than this part of the time are told one below the other.
NEAR: Final = 0.2
COST_MAX: Final = 2.0
COLOURS: Final = {SYNCED: "#e08a1e", UNSYNCED: "#8a63b8", LOOK_UP: "#3b82c4"}
# Left edge of the figure's two columns, and their widths, in parts of the whole.
LEFT: Final = 0.065
TIME_WIDTH: Final = 0.665
COST_LEFT: Final = 0.835
COST_WIDTH: Final = 0.145


def write_figures(
    outcome: Outcome, folder: str, themes: Sequence[str] = THEMES, endings: Sequence[str] = ENDINGS
) -> list[str]:
    """`latency-THEME.ENDING` each; the files' names. ImportError without matplotlib, OSError."""
    import matplotlib
    from matplotlib.figure import Figure

    written = []
    with matplotlib.rc_context(SETTINGS):
        for theme in themes:
            figure = _Drawing(outcome, Palette(theme == "dark"), Figure).draw()
            for ending in endings:
                name = f"latency-{theme}.{ending}"
                metadata = {"Date": None} if ending == "svg" else None
                figure.savefig(os.path.join(folder, name), dpi=DPI, facecolor=figure.get_facecolor(), metadata=metadata)
                written.append(name)
    return written


def worst_by_window(operations: Sequence[tuple[float, float]], seconds: float) -> list[float]:
    """For each WINDOW_S the longest that an operation (when it began, seconds; how long it took, milliseconds) had waited by
    its end, whether it ended then or not; 0 where there was none."""
    worst = [0.0] * max(1, int(seconds / WINDOW_S) + 1)
    for start, took_ms in operations:
        end = start + took_ms / 1000
        for window in range(max(0, int(start / WINDOW_S)), min(len(worst) - 1, int(end / WINDOW_S)) + 1):
            waited_ms = (min(end, (window + 1) * WINDOW_S) - start) * 1000
            worst[window] = max(worst[window], waited_ms)
    return worst


def median_by_window(operations: Sequence[tuple[float, float]], seconds: float) -> list[float]:
    """The median of what ended in each WINDOW_S, in milliseconds; not a number where nothing did."""
    ended: list[list[float]] = [[] for _ in range(max(1, int(seconds / WINDOW_S) + 1))]
    for start, took_ms in operations:
        window = int((start + took_ms / 1000) / WINDOW_S)
        if 0 <= window < len(ended):
            ended[window].append(took_ms)
    return [sorted(each)[len(each) // 2] if each else float("nan") for each in ended]


def duration(milliseconds: float) -> str:
    """A time for people."""
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


class _Drawing:
    def __init__(self, outcome: Outcome, palette: Palette, make: "type[Figure]") -> None:
        self.outcome = outcome
        self.palette = palette
        self.figure = make(figsize=(WIDTH, HEIGHT))

    def draw(self) -> "Figure":
        figure, palette = self.figure, self.palette
        figure.set_facecolor(palette.paper)
        latency = figure.add_axes((LEFT, 0.285, TIME_WIDTH, 0.55))
        lanes = figure.add_axes((LEFT, 0.115, TIME_WIDTH, 0.13))
        self._prepare(latency)
        self._prepare(lanes)
        self._draw_latency(latency)
        self._draw_lanes(lanes)
        self._draw_faults(latency, lanes)
        if self.outcome.costs:
            self._draw_costs(figure.add_axes((COST_LEFT, 0.285, COST_WIDTH, 0.55)), self.outcome.costs)
        figure.text(LEFT, 0.95, self._title(), color=palette.ink, fontsize=12, fontweight="bold")
        figure.text(LEFT, 0.912, self._subtitle(), color=palette.faint, fontsize=9)
        return figure

    def _title(self) -> str:
        return "A database over two servers with caches of their own: one is killed, one becomes a black hole"

    def _subtitle(self) -> str:
        audits = list(self.outcome.audits.values())
        commits = max((each.commits for each in audits), default=0)
        lost = sum(len(each.lost) + len(each.damage) for each in audits)
        return (
            f"SQLite on hawser serve, cache=path, io-timeout 1 s.  {commits:,} commits acknowledged, "
            + ("none lost" if audits and not lost else f"{lost:,} rows wrong")
            + ": every row compared through the path that is left, and in the disk itself."
        )

    def _prepare(self, axes: "Axes") -> None:
        palette = self.palette
        axes.set_facecolor(palette.paper)
        axes.set_xlim(0, self.outcome.seconds)
        for name, spine in axes.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color(palette.grid)
        axes.tick_params(colors=palette.faint, labelcolor=palette.faint, length=3)
        axes.grid(color=palette.grid, linewidth=0.6, zorder=0)
        axes.set_axisbelow(True)

    # The latencies.

    def _draw_latency(self, axes: "Axes") -> None:
        palette, outcome = self.palette, self.outcome
        middles = [(window + 0.5) * WINDOW_S for window in range(max(1, int(outcome.seconds / WINDOW_S) + 1))]
        every = [operation for operations in outcome.latencies.values() for operation in operations]
        worst = [value or float("nan") for value in worst_by_window(every, outcome.seconds)]
        axes.set_yscale("log")
        axes.fill_between(
            middles, worst, 0.01, step="mid", color=palette.faint, alpha=0.22, linewidth=0, zorder=1.5,
            label="slowest of each 0.1 s, whether it has ended or not",
        )  # fmt: skip
        for kind in (LOOK_UP, UNSYNCED):
            medians = median_by_window(outcome.latencies.get(kind, []), outcome.seconds)
            axes.plot(middles, medians, color=COLOURS[kind], linewidth=1.5, zorder=3, label=f"{kind}: median")
        synced = outcome.latencies.get(SYNCED, [])
        axes.scatter(
            [start + took / 1000 for start, took in synced], [took for _, took in synced],
            s=7, color=COLOURS[SYNCED], linewidths=0, zorder=3.5, label=f"{SYNCED}: each",
        )  # fmt: skip
        low = min((took for _, took in every), default=0.1)
        high = max((took for _, took in every), default=10.0)
        axes.set_ylim(max(low * 0.8, 0.01), high * HEADROOM)
        ticks = [tick for tick in (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0) if low * 0.8 <= tick <= high * 2]
        axes.set_yticks(ticks, [f"{tick / 1000:g} s" if tick >= 1000 else f"{tick:g} ms" for tick in ticks])
        axes.minorticks_off()
        axes.tick_params(axis="x", labelbottom=False)
        axes.set_ylabel("how long an operation took", color=palette.ink)
        legend = axes.legend(
            loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=4, frameon=False, fontsize=8, columnspacing=1.4
        )
        for text in legend.get_texts():
            text.set_color(palette.ink)

    def _draw_faults(self, axes: "Axes", lanes: "Axes") -> None:
        palette = self.palette
        top = axes.get_ylim()[1]
        told_at, step = -1.0, 0
        for fault in self.outcome.faults:
            step = step + 1 if told_at >= 0 and fault.at_s - told_at < NEAR * self.outcome.seconds else 0
            told_at = fault.at_s
            for each in (axes, lanes):
                each.axvline(fault.at_s, color=palette.bad, linewidth=1.3, linestyle=(0, (4, 2)), zorder=5)
            what = "becomes a black hole" if fault.kind == BLACK_HOLE else fault.kind
            late = fault.at_s > 0.72 * self.outcome.seconds
            axes.annotate(
                f"server {fault.server} {what}\nthe longest wait: {duration(fault.longest_ms)}",
                (fault.at_s, top), xytext=(-5 if late else 5, -4 - 28 * step), textcoords="offset points",
                ha="right" if late else "left", va="top", color=palette.bad, fontsize=8.5, zorder=6,
                bbox={"boxstyle": "square,pad=0.15", "facecolor": palette.paper, "edgecolor": "none", "alpha": 0.85},
            )  # fmt: skip

    # The servers.

    def _draw_lanes(self, axes: "Axes") -> None:
        palette, outcome = self.palette, self.outcome
        looks: dict[str, dict[str, Any]] = {
            CARRIES: {"facecolor": "#3f9e5a"},
            READY: {"facecolor": "#3f9e5a", "alpha": 0.28},
            GONE: {"facecolor": palette.lane, "edgecolor": palette.bad, "hatch": "xxxx"},
            SWALLOWS: {"facecolor": palette.ink, "alpha": 0.75},
            CHECKED: {"facecolor": palette.step, "alpha": 0.5},
        }
        shown: dict[str, None] = {}
        ends = [moment.at_s for moment in outcome.moments[1:]] + [outcome.seconds]
        for moment, end in zip(outcome.moments, ends, strict=False):
            start = max(0.0, moment.at_s)
            for row, state in enumerate(moment.states):
                look = looks.get(state)
                if look is not None and end > start:
                    shown[state] = None
                    axes.broken_barh([(start, end - start)], (len(NAMES) - 1 - row + 0.1, 0.8), linewidth=0, **look)
        axes.set_ylim(0, len(NAMES))
        axes.set_yticks([len(NAMES) - 0.5 - row for row in range(len(NAMES))], [f"server {name}" for name in NAMES])
        axes.tick_params(axis="y", labelcolor=palette.ink, length=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("seconds", color=palette.faint)
        self._lane_legend([(state, looks[state]) for state in looks if state in shown])

    def _lane_legend(self, entries: list[tuple[str, dict[str, Any]]]) -> None:
        from matplotlib.patches import Patch

        legend = self.figure.legend(
            handles=[Patch(label=state, linewidth=0, **look) for state, look in entries],
            loc="lower left", bbox_to_anchor=(LEFT - 0.012, 0.0), ncols=max(1, len(entries)), frameon=False, fontsize=8,
        )  # fmt: skip
        for text in legend.get_texts():
            text.set_color(self.palette.ink)

    # What it costs.

    def _draw_costs(self, axes: "Axes", costs: Sequence[Cost]) -> None:
        palette = self.palette
        axes.set_facecolor(palette.paper)
        for name, spine in axes.spines.items():
            spine.set_visible(name == "bottom")
            spine.set_color(palette.grid)
        axes.set_xlim(0, min(COST_MAX, max(1.15, max(cost.high for cost in costs) * 1.1)))
        axes.set_ylim(-0.6, len(costs) - 0.4)
        axes.axvline(1, color=palette.faint, linewidth=1, zorder=1)
        axes.grid(axis="x", color=palette.grid, linewidth=0.6)
        box = {"boxstyle": "square,pad=0.1", "facecolor": palette.paper, "edgecolor": "none"}
        axes.set_axisbelow(True)
        for row, cost in enumerate(reversed(costs)):
            colour = COLOURS[cost.kind]
            axes.plot([cost.low, cost.high], [row, row], color=colour, linewidth=2.5, solid_capstyle="butt", zorder=3)
            axes.plot([cost.ratio], [row], marker="o", color=colour, markersize=7, zorder=4)
            told = f"{cost.ratio:.2f} ({cost.low:.2f}-{cost.high:.2f})"
            axes.text(0, row + 0.3, cost.kind, color=palette.ink, fontsize=8.5, va="center", bbox=box)
            axes.text(0, row + 0.17, told, color=palette.faint, fontsize=8, va="center", bbox=box)
        axes.set_yticks([])
        axes.tick_params(colors=palette.faint, labelcolor=palette.faint, length=3)
        axes.set_title("when nothing fails", color=palette.ink, fontsize=9.5, loc="left")
        axes.set_xlabel(
            "operations per second, one at a time:\nhawser over two / one nbdkit directly,\nmedians, 95 % interval",
            color=palette.faint, fontsize=8,
        )  # fmt: skip
