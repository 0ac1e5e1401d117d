"""The demonstration on a terminal: paths, rates, a chart of the whole run that fills up as it goes, what was done last.

`draw` makes the picture of one frame, of 80 columns or as many as there are; it fits in 24 lines.
"""

from typing import Final

from rich.box import ROUNDED
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hawser.cli.demo_text import duration, summary_rows
from hawser.core.units import MIB
from hawser.service.demo import Audience, Frame, Moment, Rate
from hawser.service.demo_rig import MAP, SIZE, PathView
from hawser.service.demo_summary import Summary

WIDTH_MIN: Final = 80
WIDTH_MAX: Final = 120
HEIGHT_MIN: Final = 23
WIDE: Final = 100
CHART_ROWS: Final = 4
EVENTS_SHOWN: Final = 3
LABEL_WIDTH: Final = 7
BAR_WIDTH: Final = 16
# Of the ten frames a second so many are drawn: drawing takes time from the loop that moves the I/O.
FRAMES_PER_DRAWING: Final = 2

_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"


def draw(frame: Frame, width: int, final: bool = False) -> RenderableType:
    """The picture of a frame; the `final` one ends with the summary."""
    width = min(width, WIDTH_MAX)
    inside = width - 4
    below = _summary(frame.summary) if final else _now(frame)
    parts = [_table(frame, inside), Text(), *_chart(frame, inside), Text(), *below]
    title = f"[bold]hawser demo[/]  one {SIZE} disk, four paths, every read verified"
    return Panel(
        Group(*parts),
        title=title,
        title_align="left",
        box=ROUNDED,
        width=width,
        padding=(0, 1),
        border_style="dim",
    )


# The paths.


def _table(frame: Frame, width: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", width=width, pad_edge=False)
    table.add_column("path", width=7)
    table.add_column("state", ratio=1, no_wrap=True)
    table.add_column("group")
    for heading, least in (("in flight", 9), ("IOPS", 7), ("MiB/s", 6), ("failures", 8)):
        table.add_column(heading, justify="right", min_width=least)
    wide = width >= WIDE - 4
    if wide:
        table.add_column("", width=BAR_WIDTH)
    most = max([rate.ios for rate in frame.rates] + [1.0])
    for path, rate in zip(frame.paths, frame.rates, strict=True):
        table.add_row(*_path_row(path, rate), *([_bar(rate.ios / most)] if wide else []))
    usable = sum(1 for path in frame.paths if path.letter == "A")
    state = Text(f"{usable} of {len(frame.paths)} paths usable", style="bold" if usable else "bold red")
    report = frame.report
    failovers = f"{frame.summary.failovers}"
    table.add_row(f"[bold]{MAP}", state, "", f"{report.in_flight}", *_rates(frame.total), failovers, style="bold")
    return table


def _path_row(path: PathView, rate: Rate) -> list[RenderableType]:
    if path.letter == "A":
        state = Text.assemble(("A", "bold green"), "  active")
    else:
        state = Text.assemble(("F", "bold red"), "  ", (path.trouble or "being checked", "red"))
    group = Text(path.group, style="green" if path.group == "A" else "dim")
    failures = Text(str(path.failures), style="" if path.failures else "dim")
    return [path.devt, state, group, str(path.in_flight), *_rates(rate), failures]


def _rates(rate: Rate) -> list[RenderableType]:
    return [Text(f"{rate.ios:,.0f}"), Text(f"{rate.size_bytes / MIB:,.1f}")]


def _bar(share: float) -> Text:
    eighths = round(share * BAR_WIDTH * 8)
    full, rest = divmod(eighths, 8)
    # Horizontal eighths lie in Unicode from the full block backwards.
    return Text("█" * full + (chr(0x2590 - rest) if rest else ""), style="cyan")


# The chart.


def columns(history: list[Moment | None], width: int) -> list[Moment | None]:
    """The history as `width` moments, averaged or repeated; None from where it has not come to yet."""
    columns: list[Moment | None] = []
    reached = max((index for index, moment in enumerate(history) if moment is not None), default=-1)
    before: Moment | None = None
    for column in range(width):
        start = column * len(history) // width
        end = max(start + 1, (column + 1) * len(history) // width)
        moments = [moment for moment in history[start:end] if moment is not None]
        if moments:
            before = Moment(
                sum(moment.iops for moment in moments) / len(moments), min(moment.usable for moment in moments)
            )
        columns.append(before if start <= reached else None)
    return columns


def _chart(frame: Frame, width: int) -> list[RenderableType]:
    moments = columns(frame.history, width - LABEL_WIDTH)
    top = max([moment.iops for moment in moments if moment is not None] + [1.0])
    paths = len(frame.paths)
    rows = [Text() for _ in range(CHART_ROWS)]
    counts = Text()
    for moment in moments:
        if moment is None:
            continue
        style = _colour(moment.usable, paths)
        eighths = max(1, round(moment.iops / top * CHART_ROWS * 8))
        for row, text in enumerate(rows):
            level = eighths - (CHART_ROWS - 1 - row) * 8
            text.append(_EIGHTHS[min(8, max(0, level))], style)
        counts.append(str(moment.usable), style)
    labels = [_short(top), *[""] * (CHART_ROWS - 2), "IOPS"]
    lines: list[RenderableType] = [_labelled(label, row) for label, row in zip(labels, rows, strict=True)]
    end = f"{frame.seconds:g} s"
    reached = f"{frame.at_s:.1f} s"
    axis = reached if frame.at_s >= frame.seconds else reached + end.rjust(width - LABEL_WIDTH - len(reached))
    return [*lines, _labelled("paths", counts), _labelled("", Text(axis, style="dim"))]


def _labelled(label: str, text: Text) -> Text:
    return Text.assemble((label.rjust(LABEL_WIDTH - 2) + "  ", "dim"), text, no_wrap=True, overflow="crop")


def _colour(usable: int, paths: int) -> str:
    if usable == 0:
        return "red"
    return "green" if usable == paths else "yellow"


def _short(number: float) -> str:
    return f"{number / 1000:.0f}k" if number >= 10_000 else f"{number:.0f}"


# What is below: the present, or in the end the summary.


def _now(frame: Frame) -> list[RenderableType]:
    summary = frame.summary
    report = frame.report
    good = "green" if not report.errors and not report.corrupt else "bold red"
    stall = Text.assemble(("longest stall ", "dim"), duration(max(summary.lit_ns, summary.dark_ns)))
    if summary.dark_ns > summary.lit_ns:
        stall.append(f" with no path, {duration(summary.lit_ns)} otherwise")
    stall.append("    ")
    stall.append(f"{report.errors} errors, {report.corrupt} corrupt", good)
    if report.phase != "running":
        stall = Text.assemble(("reading everything back: ", "bold"), f"{report.read_back_blocks:,} blocks")
    shown = frame.events[-EVENTS_SHOWN:]
    lines: list[RenderableType] = [stall]
    for number, (at_s, text) in enumerate(shown, start=1):
        newest = number == len(shown)
        lines.append(
            Text.assemble((f"{at_s:5.1f} s  ", "dim"), (text, "bold" if newest else "dim"), overflow="ellipsis")
        )
    return lines + [Text()] * (EVENTS_SHOWN - len(shown))


def _summary(summary: Summary) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for label, text in summary_rows(summary):
        lines.append(Text.assemble((f"{label:<15}", "dim"), text))
    lines.append(Text(summary.verdict(), style="bold green" if summary.is_good() else "bold red"))
    lines += [Text(f"problem: {fault}", style="red") for fault in summary.faults()]
    return lines


class LiveAudience(Audience):
    """Draws on a terminal until `close`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._skipped = FRAMES_PER_DRAWING
        self._last: Frame | None = None

    def frame(self, frame: Frame) -> None:
        self._last = frame
        self._skipped += 1
        if self._skipped < FRAMES_PER_DRAWING:
            return
        self._skipped = 0
        if not self._live.is_started:
            self._live.start()
        # The last line is for the terminal's echo of a Ctrl-C: behind a picture as wide as the terminal that begins a line of its
        # own, and the next picture would be drawn too low.
        self._live.update(Group(draw(frame, self._console.width), Text()), refresh=True)

    def close(self) -> bool:
        """The last picture, with the summary; False when there never was one."""
        if self._last is None:
            return False
        self._live.update(draw(self._last, self._console.width, final=True))
        self._live.stop()
        return True
