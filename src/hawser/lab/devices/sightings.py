"""Sightings: what one path gave up, so that whoever sees the same again elsewhere can say that it was retried.

It is for the marks alone: nothing that a device does depends on it.
"""

from typing import Final

from hawser.block.ops import WRITE
from hawser.lab.marks import Marks

# Older ones are forgotten: a retry follows soon.
KEPT_MAX: Final = 256


class Sightings:
    """Writes are known by the value of their first sector, good prefixes by the sector behind them."""

    def __init__(self, marks: Marks) -> None:
        self.marks = marks
        self.failed: dict[int, str] = {}
        self.partial: dict[int, str] = {}

    def gave_up(self, path: str, values: list[int]) -> None:
        """A write failed on `path`."""
        if values:
            _keep(self.failed, values[0], path)

    def partly_done(self, path: str, next_sector: int) -> None:
        """Of a command, everything before `next_sector` was done."""
        _keep(self.partial, next_sector, path)

    def sent(self, path: str, op: int, sector: int, values: list[int]) -> None:
        """A command goes out on `path`."""
        if self.failed and op == WRITE and values and self.failed.get(values[0], path) != path:
            del self.failed[values[0]]
            self.marks.hit("retried on another path")
        if self.partial and self.partial.get(sector, path) != path:
            del self.partial[sector]
            self.marks.hit("partial completion retried")


def _keep(table: dict[int, str], key: int, path: str) -> None:
    table[key] = path
    if len(table) > KEPT_MAX:
        for oldest in table:
            del table[oldest]
            break
