"""Scratch: the range that may be destroyed, and what is written there.

Nothing is written outside, not by the server's rewriting of whole blocks either: the range is cut to whole blocks of the largest
unit that any of the servers works in. What is written is a stamp over and over, which says by which write it came.
"""

import os
from dataclasses import dataclass
from struct import Struct
from typing import Final

from hawser.core.units import format_size, parse_size
from hawser.service.probe.connection import ProbeError

BLOCKS_MIN: Final = 16
_STAMP: Final = Struct(">QQ")


@dataclass(frozen=True)
class Scratch:
    """In bytes; `unit` divides both `start` and `length`."""

    start: int
    length: int
    unit: int

    def blocks(self) -> int:
        return self.length // self.unit

    def block(self, number: int) -> int:
        """Where the block of that number begins; numbers begin again behind the last."""
        return self.start + number % self.blocks() * self.unit

    def text(self) -> str:
        return f"bytes {self.start} to {self.start + self.length - 1} ({format_size(self.length)})"


def parse_range(text: str) -> tuple[int, int]:
    """Offset and length in bytes of `OFFSET:LENGTH`. ValueError says what would be right."""
    offset, colon, length = text.partition(":")
    if not colon:
        raise ValueError(f"{text!r} is not OFFSET:LENGTH, such as 1G:64M")
    place = (parse_size(offset), parse_size(length))
    if place[1] == 0:
        raise ValueError(f"{text!r} is empty")
    return place


def cut_to_blocks(place: tuple[int, int], unit: int, sizes: list[int]) -> Scratch:
    """The whole blocks of `unit` bytes within. ProbeError where the range lies outside one of disks of `sizes` bytes, or is too
    small."""
    offset, length = place
    for number, size in enumerate(sizes, start=1):
        if offset + length > size:
            raise ProbeError(
                f"the scratch range ends at {offset + length}, outside the disk of URI {number}: {size} bytes"
            )
    start = -(-offset // unit) * unit
    end = (offset + length) // unit * unit
    if end - start < BLOCKS_MIN * unit:
        raise ProbeError(f"the scratch range is too small: it must hold {BLOCKS_MIN} whole blocks of {unit} bytes")
    return Scratch(start, end - start, unit)


class Stamps:
    """Numbers of writes, and what such a write contains. Those of another run are not taken for our own."""

    def __init__(self) -> None:
        self._run = int.from_bytes(os.urandom(8))
        self._last = 0

    def next(self) -> int:
        self._last += 1
        return self._last

    def content(self, number: int, size: int) -> bytes:
        return _STAMP.pack(self._run, number) * (size // _STAMP.size)

    def of(self, data: bytes) -> int:
        """The write of which `data` is, as a whole; 0 for none of ours, or not one alone."""
        run, number = _STAMP.unpack_from(data)
        if run != self._run or data[: -_STAMP.size] != data[_STAMP.size :]:
            return 0
        return int(number)
