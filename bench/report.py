"""The tables that people read, and the goals that a ratio is held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table

from bench.cases import ENGINE_GROUPS, LONGER, MODEL_LONGER, MODEL_PATHS, RQ_SORTED
from bench.results import METRICS, ResultRow

WIDTH = 136
HEADINGS = ("p50 us", "p99 us", "p99.9 us", "CPU us/IO")
LEGEND = (
    "k/s: thousands of I/Os per second. p50, p99, p99.9: latency from submission to completion, over all"
    " connections. CPU: the server's processor time per I/O; as a proxy only its own, and `direct` shows the"
    " upstream's. All are medians over the rounds. rq/it, bio/it: hawser's k/s in that mode divided by this"
    " peer's (x: below its goal), with the 95 % interval of a bootstrap over whole rounds."
)


def goal(row: ResultRow) -> float | None:
    """The least ratio that is good enough, where there is one.

    Level with nbdkit's file server (0.85 at depth 1, which wake-ups rule), and 1.3 times nbdkit's proxy at
    depth 32 and above.
    """
    depth_one = str(row["case"]).endswith("-qd1")
    if row["group"] == "file" and row["peer_name"] == "nbdkit":
        return 0.85 if depth_one else 1.0
    deep = str(row["case"]).endswith(("-qd32", "-qd128"))
    return 1.3 if row["group"] == "proxy" and row["peer_name"] == "nbdkit-nbd" and deep else None


# I/Os per second of the compiled build over the simulated devices.
LAB_GOAL = 100_000
MODEL_GOAL = 150_000


def below_goal(row: ResultRow) -> bool:
    least = goal(row)
    return least is not None and row["ratio"] is not None and float(row["ratio"]) < least


def race_table(rows: Sequence[ResultRow]) -> Table:
    """A section per case and connections, a line per server; ratios stand on the peers' lines."""
    modes = tuple(dict.fromkeys(str(row["mode"]) for row in rows if row["mode"]))
    table = _table()
    for heading in ("case", "conn", "server"):
        table.add_column(heading, no_wrap=True)
    for heading in ("k/s", *HEADINGS):
        table.add_column(heading, justify="right", no_wrap=True)
    for mode in modes:
        table.add_column(f"{mode}/it", justify="right", no_wrap=True)
        table.add_column("95 %", justify="right", no_wrap=True)
    for (case, connections), section in groupby(rows, key=lambda row: (row["case"], row["connections"])):
        shown = (str(case), str(connections))
        for cells in _server_lines(list(section), modes):
            table.add_row(*shown, *cells)
            shown = ("", "")
        table.add_section()
    return table


def _server_lines(rows: Sequence[ResultRow], modes: Sequence[str]) -> Iterable[list[str]]:
    """Ours first, a line per mode, then a line per peer with a ratio for each mode that it is compared with."""
    for mode in modes:
        mine = next((row for row in rows if row["mode"] == mode), None)
        if mine is not None:
            yield [f"[bold]hawser {mode}[/]", thousands(mine["hawser"]), *(short(mine[m]) for m in METRICS)]
    for name in dict.fromkeys(row["peer_name"] for row in rows):
        of_peer = {row["mode"]: row for row in rows if row["peer_name"] == name}
        if str(name).startswith("hawser@"):
            for mode, row in of_peer.items():
                yield _peer_line(f"{name} {mode}", row, {mode: row}, modes)
        else:
            yield _peer_line(name, next(iter(of_peer.values())), of_peer, modes)


def _peer_line(label: str, row: ResultRow, ratios: dict[str, ResultRow], modes: Sequence[str]) -> list[str]:
    cells = [label, thousands(row["peer"]), *(short(row[f"peer_{name}"]) for name in METRICS)]
    for mode in modes:
        cells += _ratio_cells(ratios[mode]) if mode in ratios else ["", ""]
    return cells


def _ratio_cells(row: ResultRow) -> list[str]:
    if row["ratio"] is None:
        return ["[red]failed[/]", ""]
    text = f"{row['ratio']:.2f}"
    if goal(row) is not None:
        text = f"[red]x {text}[/]" if below_goal(row) else f"[green]{text}[/]"
    return [text, f"{row['ratio_low']:.2f}-{row['ratio_high']:.2f}"]


def engine_table(rows: Sequence[ResultRow]) -> Table:
    table = _table()
    table.add_column("build")
    table.add_column("mode")
    for heading in ("ns per I/O", "M I/O per s", "x interpreted", "95 %", "longest GC pause us"):
        table.add_column(heading, justify="right")
    for row in rows:
        millions = "-" if row["hawser"] is None else f"{row['hawser'] / 1e6:.2f}"
        ratio = ["", ""] if row["ratio"] is None else _ratio_cells(row)
        least = _least(row)
        if least and row["hawser"] is not None:
            millions = f"[green]{millions}[/]" if row["hawser"] >= least else f"[red]x {millions}[/]"
        cells = [short(row["ns_per_io"]), millions, *ratio, short(row["gc_pause_max_us"])]
        table.add_row(row["build"], row["mode"], *cells)
    return table


def _least(row: ResultRow) -> int:
    """How many I/Os per second are wanted of a row without a server; 0: nothing was said."""
    if row["build"] != "compiled":
        return 0
    if row["group"] == "lab":
        return LAB_GOAL
    return MODEL_GOAL if row["group"] == "model" and row["mode"] == RQ_SORTED else 0


def growth_lines(rows: Sequence[ResultRow]) -> list[str]:
    """How the model's time grows with I/Os and paths, of the compiled build: a ratio of times, and what linear would be."""
    times = {row["mode"]: row["ns_per_io"] for row in rows if row["group"] == "model" and row["build"] == "compiled"}
    base = times.get(RQ_SORTED)
    lines: list[str] = []
    if base and times.get(MODEL_LONGER):
        lines.append(
            f"model: {LONGER} times the I/Os take {LONGER * times[MODEL_LONGER] / base:.1f} times as long (linear: {LONGER})"
        )
    for paths in MODEL_PATHS[1:]:
        other = times.get(f"{RQ_SORTED}-{paths}p")
        if base and other:
            linear = paths // MODEL_PATHS[0]
            lines.append(
                f"model: the same I/Os over {paths} paths take {other / base:.1f} times as long (linear: {linear})"
            )
    return lines


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))


def print_report(console: Console, rows: Sequence[ResultRow], titles: dict[str, str]) -> None:
    """A table per group, the legend, how many rows reach their goal, and what failed."""
    for group, title in titles.items():
        of_group = [row for row in rows if row["group"] == group]
        if of_group:
            console.print(f"\n{title}", style="bold", markup=False, highlight=False)
            console.print(engine_table(of_group) if group in ENGINE_GROUPS else race_table(of_group))
    for line in growth_lines(rows):
        console.print(line, highlight=False)
    console.print(LEGEND, highlight=False)
    with_goal = [row for row in rows if goal(row) is not None and row["ratio"] is not None]
    if with_goal:
        reach = len(with_goal) - sum(below_goal(row) for row in with_goal)
        console.print(f"{reach} of {len(with_goal)} rows reach their goal.", highlight=False)
    for error in dict.fromkeys(error for row in rows for error in row["errors"]):
        console.print(f"failed: {error}", style="red", markup=False, highlight=False)


def thousands(iops: float | None) -> str:
    return "-" if iops is None else f"{iops / 1000:.1f}"


def short(value: float | None) -> str:
    """Three significant digits or all of the whole ones, without an exponent."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
