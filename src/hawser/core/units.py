"""Units of the block layer: sectors, bytes, nanoseconds.

A sector is 512 bytes whatever the disk's own block size is (Linux: SECTOR_SIZE), and time inside the engine is integer
nanoseconds. Conversions live here so that no other file multiplies by a bare number.
"""

import re
from typing import Final

SECTOR_SHIFT: Final = 9
SECTOR_SIZE: Final = 512

KIB: Final = 1 << 10
MIB: Final = 1 << 20
GIB: Final = 1 << 30

NS_PER_US: Final = 1_000
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000

# Digits of the largest number of 64 bits: no word of a table or a message means a larger one.
DIGITS_MAX: Final = 20

_SIZE = re.compile(r"(\d+)([kmgtp]?)(?:i?b)?", re.IGNORECASE)
_UNITS: Final = "BKMGTP"
_POWER: Final = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}


def is_number(word: str) -> bool:
    """Whether a word of a table or a message is an unsigned decimal number of a sensible length."""
    return word.isascii() and word.isdecimal() and len(word) <= DIGITS_MAX


def parse_size(text: str) -> int:
    """Bytes of a size such as `512`, `64k`, `1G`, `2GiB` (binary multiples). ValueError says what would be right."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"size {text!r} is not a number of bytes with an optional k, M, G, T or P, such as 512M")
    return int(match.group(1)) << _POWER[match.group(2).lower()]


def parse_seconds_ns(text: str) -> int:
    """Nanoseconds of a decimal number of seconds such as `5` or `0.25`. ValueError says what would be right."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 1e9:
        raise ValueError(f"{text!r} is not a number of seconds from 0 to 1e9, such as 5 or 0.25")
    return round(seconds * NS_PER_S)


def three_digits(value: float) -> str:
    """A number for people: three significant digits, and all of those before the point: `0.25`, `12.3`, `2,510`."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"


def format_size(size_bytes: int) -> str:
    """A size for people: two significant digits and a binary unit, `1.0G`, `512M`, as `multipath -ll` writes it."""
    value = float(size_bytes)
    place = 0
    while value >= 1024 and place < len(_UNITS) - 1:
        value /= 1024
        place += 1
    unit = _UNITS[place]
    return f"{value:.1f}{unit}" if value < 10 and unit != "B" else f"{value:.0f}{unit}"
