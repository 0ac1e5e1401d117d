"""Tables as dmsetup takes them: lines of `START LENGTH TYPE PARAMETERS...`, from the command line, a file or standard input.

lvm2: _parse_line() and _parse_file() of dmsetup.c. Numbers are read as scanf(3) reads `%llu`: a negative one wraps round, one
that is too large becomes the largest. The parameters are split as the kernel does it: dm_split_args() of drivers/md/dm-table.c,
where a backslash takes the next character as it is; but libdm doubles those of a table, so that they come through, unlike those
of a message.
"""

import re
from typing import Final

from hawser.dm.table import TableLine

LARGEST: Final = (1 << 64) - 1
# A word of more digits is too large, whatever they are: Python would refuse to read some.
DIGITS_MAX: Final = 1000
TYPE_NAME_MAX: Final = 15
# Linux: isspace() of lib/ctype.c, which knows Latin-1.
SPACES: Final = b" \t\n\v\f\r\xa0"
ASCII_SPACES: Final = " \t\n\v\f\r"
BACKSLASH: Final = ord("\\")
_LINE: Final = re.compile(r"([+-]?\d++)\s*([+-]?\d++)\s*(\S+)\s*(.*)", re.ASCII | re.DOTALL)


class TableTextError(ValueError):
    """A table that cannot be read; the text is dmsetup's complaint."""


def parse_table(text: str, source: str) -> list[TableLine]:
    """The lines of `text`; empty lines and comments are passed over. `source` says in complaints where it came from."""
    lines: list[TableLine] = []
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip(ASCII_SPACES)
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.match(stripped)
        if match is None:
            raise TableTextError(f"Invalid format on line {number} of table {source}.")
        type_name = match.group(3)
        if len(type_name) > TYPE_NAME_MAX:
            raise TableTextError(f"Target type name {type_name} is too long.")
        parameters = match.group(4).partition("#")[0]
        start, length = _unsigned(match.group(1)), _unsigned(match.group(2))
        lines.append(TableLine(start, length, type_name, split_words(parameters.replace("\\", "\\\\"))))
    return lines


def _unsigned(digits: str) -> int:
    value = int(digits) if len(digits) <= DIGITS_MAX else LARGEST + 1
    if abs(value) > LARGEST:
        return LARGEST
    return value & LARGEST


def split_words(text: str) -> list[str]:
    """Words between white space, with backslashes taken away and what follows them kept; byte by byte, as the kernel does it."""
    words: list[bytes] = []
    word = bytearray()
    is_open = False
    is_quoted = False
    for byte in text.encode("utf-8", "surrogateescape"):
        if is_quoted:
            is_quoted = False
            word.append(byte)
        elif byte == BACKSLASH:
            is_quoted = True
            is_open = True
        elif byte in SPACES:
            if is_open:
                words.append(bytes(word))
            word.clear()
            is_open = False
        else:
            word.append(byte)
            is_open = True
    if is_quoted:
        # There is nothing behind it that it could stand before.
        word.append(BACKSLASH)
    if is_open:
        words.append(bytes(word))
    return [found.decode("utf-8", "surrogateescape") for found in words]
