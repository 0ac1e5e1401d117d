"""The demonstration in words: one progress line a second where there is no terminal, and the summary."""

from collections.abc import Callable
from typing import Final

from hawser.core.units import MIB, NS_PER_MS, NS_PER_S
from hawser.service.demo import Audience, Frame
from hawser.service.demo_summary import Summary

PROGRESS_SECONDS: Final = 1.0


def duration(duration_ns: int) -> str:
    """A time for people: `0.8 ms`, `14 ms`, `2.03 s`."""
    if duration_ns >= NS_PER_S:
        return f"{duration_ns / NS_PER_S:.2f} s"
    milliseconds = duration_ns / NS_PER_MS
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def longest_stall(summary: Summary) -> str:
    """The longest that any I/O has waited."""
    if not summary.dark_ns:
        return duration(summary.lit_ns)
    return f"{duration(summary.dark_ns)} while there was no path, {duration(summary.lit_ns)} while there was one"


def summary_rows(summary: Summary) -> list[tuple[str, str]]:
    """The summary but for its verdict: labels and what they are of."""
    report = summary.report
    mib = report.done_bytes() / MIB
    per_second = report.ios() / summary.seconds if summary.seconds else 0
    survived = f"{summary.failovers} path failures survived"
    if summary.without_path_ns:
        survived += f"; no path at all for {duration(summary.without_path_ns)}"
    rows = [
        ("I/Os", f"{report.ios():,} in {summary.seconds:.1f} s: {per_second:,.0f}/s, {mib:,.0f} MiB"),
        ("failovers", survived),
        ("longest stall", longest_stall(summary)),
        ("latency", f"{duration(report.p50_ns)} median, {duration(report.p99_ns)} for 99 % of all"),
        (
            "verified",
            f"{report.verified_blocks:,} blocks, the last {report.read_back_blocks:,} of them the whole disk",
        ),
    ]
    if summary.cut_short:
        rows.append(("ended early", "by hand"))
    return rows


def summary_lines(summary: Summary) -> list[str]:
    """The summary as lines; the verdict, and what is wrong if something is, come last."""
    lines = [f"{label:<15}{text}" for label, text in summary_rows(summary)]
    return [*lines, summary.verdict(), *(f"problem: {fault}" for fault in summary.faults())]


class PlainAudience(Audience):
    """Prints lines to whatever is no terminal."""

    def __init__(self, echo: Callable[[str], None]) -> None:
        self._echo = echo
        self._next_s = PROGRESS_SECONDS

    def event(self, at_s: float, text: str) -> None:
        self._echo(f"{at_s:6.1f} s  {text}")

    def frame(self, frame: Frame) -> None:
        if frame.at_s < self._next_s or frame.report.phase != "running":
            return
        self._next_s += PROGRESS_SECONDS
        letters = " ".join(path.letter for path in frame.paths)
        total = frame.total
        worst = max(frame.summary.lit_ns, frame.summary.dark_ns)
        self._echo(
            f"{frame.at_s:6.1f} s  {letters}  {total.ios:7,.0f} IOPS  {total.size_bytes / MIB:6.1f} MiB/s  "
            f"longest stall {duration(worst):>7}  failovers {frame.summary.failovers}  "
            f"errors {frame.report.errors}  corrupt {frame.report.corrupt}"
        )
