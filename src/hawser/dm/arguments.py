"""Words of tables and messages, read as Linux reads them.

`Arguments` is struct dm_arg_set with dm_shift_arg(), dm_read_arg() and dm_read_arg_group() (drivers/md/dm-table.c). Numbers are
sscanf()'s of the kernel, which wraps what is too large, or kstrtouint()'s, which refuses it and takes a plus sign.
"""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.dm.target import DeviceFinder, TableError, TargetContext

UINT_MAX: Final = 0xFFFF_FFFF
_ULLONG_MAX: Final = 0xFFFF_FFFF_FFFF_FFFF
# No number that makes sense has more: a bound on the work that a word can make.
_DIGITS_MAX: Final = 64
# Linux: MINORBITS, and what is left of a dev_t.
_MAJOR_MAX: Final = (1 << 12) - 1
_MINOR_MAX: Final = (1 << 20) - 1

NOT_A_NUMBER: Final = -1


def scan_uint(word: str) -> int:
    """sscanf("%u"), or NOT_A_NUMBER."""
    return int(word) & UINT_MAX if _is_digits(word) else NOT_A_NUMBER


def scan_sector(word: str) -> int:
    """sscanf("%llu"), or NOT_A_NUMBER."""
    return int(word) & _ULLONG_MAX if _is_digits(word) else NOT_A_NUMBER


def strict_uint(word: str) -> int:
    """kstrtouint(), or NOT_A_NUMBER."""
    digits = word[1:] if word.startswith("+") else word
    value = int(digits) if _is_digits(digits) else NOT_A_NUMBER
    return value if value <= UINT_MAX else NOT_A_NUMBER


def _is_digits(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) <= _DIGITS_MAX


def find_device(context: TargetContext, word: str, error: str) -> BlockDevice:
    """The device that a word of a table names. TableError(`error`) with the errno of the look-up. Linux: dm_get_device()."""
    return look_up(context.devices, context.host.name(), word, error)


def look_up(devices: DeviceFinder, own: str, word: str, error: str) -> BlockDevice:
    """The same, for a table of the device `own` (empty: whose it is does not matter)."""
    major, _, minor = word.partition(":")
    name = word
    is_number = _is_digits(major) and _is_digits(minor)
    if is_number:
        if scan_uint(major) > _MAJOR_MAX or scan_uint(minor) > _MINOR_MAX:
            raise TableError(error, "EOVERFLOW")
        name = f"{scan_uint(major)}:{scan_uint(minor)}"
    device = devices.find(name)
    if own and (name == own or (device is not None and device.devt == own)):
        raise TableError(error)
    if device is None:
        raise TableError(error, devices.why(name))
    return device


class Arguments:
    """The words that are left."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._place = 0

    def left(self) -> int:
        return len(self._words) - self._place

    def shift(self) -> str | None:
        """The next word, or None."""
        if self._place == len(self._words):
            return None
        self._place += 1
        return self._words[self._place - 1]

    def read(self, low: int, high: int, error: str) -> int:
        """A number in [low, high]. TableError(`error`) when there is none."""
        word = self.shift()
        value = scan_uint(word) if word is not None else NOT_A_NUMBER
        if value == NOT_A_NUMBER or not low <= value <= high:
            raise TableError(error)
        return value

    def read_group(self, low: int, high: int, error: str) -> int:
        """A number of words that must really follow."""
        value = self.read(low, high, error)
        if self.left() < value:
            raise TableError(error)
        return value
