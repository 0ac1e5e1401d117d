"""Meters: what a run came to. Nothing counts before the warm-up is over."""

from collections.abc import Sequence
from typing import Any, Final

from hawser.core.histogram import Histogram
from hawser.core.units import NS_PER_S, NS_PER_US

QUANTILES: Final[Sequence[tuple[str, float]]] = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999))


def told(histogram: Histogram) -> dict[str, float]:
    """A histogram of nanoseconds, in microseconds; all 0 when it is empty."""
    found = {"mean": round(histogram.mean() / NS_PER_US, 3)}
    for name, part in QUANTILES:
        found[name] = histogram.quantile(part) / NS_PER_US
    found["max"] = histogram.maximum / NS_PER_US
    return found


class Course:
    """How it went over time, in windows of `window_ns`. `counters`: one per path, which are asked at the end of each window."""

    def __init__(self, window_ns: int) -> None:
        self.window_ns = window_ns
        self.windows: list[dict[str, Any]] = []
        self.end_ns = window_ns
        self.ios = 0
        self.bytes_done = 0
        self.failed = 0
        self._histogram = Histogram()

    def answered(self, took_ns: int, size: int, is_good: bool) -> None:
        self.ios += 1
        self.bytes_done += size
        if not is_good:
            self.failed += 1
        self._histogram.record(took_ns)

    def close(self, commands: list[int]) -> None:
        """The window is over. `commands`: how many each path was sent in it."""
        histogram = self._histogram
        self.windows.append(
            {
                "t": (self.end_ns - self.window_ns) / NS_PER_S,
                "ios": self.ios,
                "bytes": self.bytes_done,
                "failed": self.failed,
                "p50_us": histogram.quantile(0.5) / NS_PER_US,
                "p99_us": histogram.quantile(0.99) / NS_PER_US,
                "max_us": histogram.maximum / NS_PER_US,
                "paths": commands,
            }
        )
        self.end_ns += self.window_ns
        self.ios = self.bytes_done = self.failed = 0
        self._histogram = Histogram()


class LoadMeter:
    """Of the clients of one load. What was issued before `from_ns` is part of the course, and of nothing else."""

    def __init__(self, name: str, course: Course, from_ns: int) -> None:
        self.name = name
        self.course = course
        self.from_ns = from_ns
        self.ios = 0
        self.bytes_done = 0
        self.failed = 0
        self.latencies = Histogram()

    def answered(self, issued_ns: int, now_ns: int, size: int, is_good: bool) -> None:
        took_ns = now_ns - issued_ns
        self.course.answered(took_ns, size, is_good)
        if now_ns < self.from_ns:
            return
        self.ios += 1
        self.bytes_done += size
        if not is_good:
            self.failed += 1
        self.latencies.record(took_ns)
