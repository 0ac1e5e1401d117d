"""What the laboratory's clients write: every sector says which write it is from, and which of its sectors.

A value is `(number of the write) << INDEX_BITS | (index of the sector within the write)`, repeated over the 512 bytes. So a read
tells a lost write from an old one, and a sector that went to the wrong place from one that is right. 0 is a zeroed sector.
"""

from struct import Struct
from typing import Final

from hawser.block.ops import Buffer
from hawser.core.units import SECTOR_SIZE

INDEX_BITS: Final = 16
WORD: Final = 8
TORN: Final = -1
_SECTOR: Final = Struct("<Q496xQ")


def value_of(write: int, index: int) -> int:
    """The value of sector `index` of write number `write` (from 1)."""
    return write << INDEX_BITS | index


def write_of(value: int) -> int:
    """The number of the write that `value` is from; 0 for zeroes."""
    return value >> INDEX_BITS


def encode(values: list[int]) -> bytes:
    """The sectors that hold these values."""
    return b"".join([value.to_bytes(WORD, "little") * (SECTOR_SIZE // WORD) for value in values])


def fill(write: int, count: int) -> bytes:
    """The payload of a write of `count` sectors."""
    return encode([value_of(write, index) for index in range(count)])


def decode(data: Buffer) -> list[int]:
    """The values of whole sectors; TORN for a sector whose first and last words differ."""
    return [first if first == last else TORN for first, last in _SECTOR.iter_unpack(data)]
