"""Other disk: what a server serves that came back with the wrong one. Same size, and nothing on it that any client ever wrote.

Fault model. It is a good disk: it keeps what is written to it, as long as that process lives. Only it is not the one.
"""

from typing import Final

from hawser.lab.payload import value_of

# No client comes to write this often.
OTHER_WRITE: Final = 0x00DE_FACE_D0


def other_value(sector: int) -> int:
    """What the wrong disk holds where nobody has written."""
    return value_of(OTHER_WRITE, sector & 0xFFFF)


def is_other(value: int) -> bool:
    """Whether a value can only be from a wrong disk."""
    return value == value_of(OTHER_WRITE, value & 0xFFFF)
