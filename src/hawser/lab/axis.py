"""Axis: where a moment of a run lies in a figure of it.

Times of a run differ by four orders of magnitude (an I/O takes 100 us, a timeout a second), so the axis is not to scale: the
longer nothing happens, the more it is compressed.
"""

from bisect import bisect_right
from typing import Final

# An interval in which nothing happens is drawn as long as this power of it.
COMPRESSION: Final = 0.3


class Axis:
    """Maps times to places between 0 and 1. `moments`: everything that begins or ends."""

    def __init__(self, moments: list[int]) -> None:
        self.times: list[int] = sorted(set(moments))
        assert self.times
        places = [0.0]
        for before, after in zip(self.times, self.times[1:], strict=False):
            places.append(places[-1] + float(after - before) ** COMPRESSION)
        whole = places[-1] or 1.0
        self.places = [place / whole for place in places]

    def place(self, time_ns: int) -> float:
        """Between two moments in proportion."""
        if time_ns <= self.times[0]:
            return 0.0
        if time_ns >= self.times[-1]:
            return 1.0
        index = bisect_right(self.times, time_ns) - 1
        start, end = self.times[index], self.times[index + 1]
        share = (time_ns - start) / (end - start)
        return self.places[index] + share * (self.places[index + 1] - self.places[index])

    def ticks(self, most: int) -> list[int]:
        """Moments that are about evenly apart in the figure."""
        found: list[int] = []
        last = -1.0
        for time_ns, place in zip(self.times, self.places, strict=True):
            if place - last >= 1.0 / most or not found:
                found.append(time_ns)
                last = place
        return found
