"""Tables as dmsetup takes them: lines of `START LENGTH TYPE PARAMETERS...`, from the command line, a file or standard input.

lvm2: _parse_line() and _parse_file() of dmsetup.c. Numbers are read as scanf(3) reads `%llu`: a negative one wraps round, one
that is too large becomes the largest. Libdm doubles the backslashes of parameters, which makes them plain characters. From a
message the kernel takes them away: dm_split_args() of drivers/md/dm-table.c, where one takes the next character as it is.
"""

import re
from typing import Final

from hawser.dm.table import TableLine

LARGEST: Final = (1 << 64) - 1
# A word of more digits is too large, whatever they are: Python would refuse to read some.
DIGITS_MAX: Final = 1000
TYPE_NAME_MAX: Final = 15
# What isspace(3) takes for white space.
SPACE: Final = " \t\n\r\v\f"
_SPACES: Final = re.compile(r"[ \t\n\r\v\f]+")
_LINE: Final = re.compile(r"([+-]?\d++)\s*([+-]?\d++)\s*(\S+)\s*(.*)", re.ASCII | re.DOTALL)


class TableTextError(ValueError):
    """A table that cannot be read; the text is dmsetup's complaint."""


def parse_table(text: str, source: str) -> list[TableLine]:
    """The lines of `text`; empty lines and comments are passed over. `source` says in complaints where it came from."""
    lines: list[TableLine] = []
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
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
        lines.append(TableLine(start, length, type_name, [word for word in _SPACES.split(parameters) if word]))
    return lines


def _unsigned(digits: str) -> int:
    value = int(digits) if len(digits) <= DIGITS_MAX else LARGEST + 1
    if abs(value) > LARGEST:
        return LARGEST
    return value & LARGEST


def split_words(text: str) -> list[str]:
    """Words between white space, with backslashes taken away and what follows them kept."""
    words: list[str] = []
    word = ""
    is_open = False
    place = 0
    while place < len(text):
        letter = text[place]
        place += 1
        if letter == "\\" and place < len(text):
            word += text[place]
            place += 1
            is_open = True
        elif letter in SPACE:
            if is_open:
                words.append(word)
            word = ""
            is_open = False
        else:
            word += letter
            is_open = True
    if is_open:
        words.append(word)
    return words
