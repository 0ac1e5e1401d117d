"""Names of errnos, as Python's errno module of Linux has them, and strerror(3) of each."""

from typing import Final

from hawser.core.status import errno_of
from hawser.dm.dmsetup.call import STRERROR

_NAMES: Final = {
    5: "EIO",
    11: "EAGAIN",
    12: "ENOMEM",
    16: "EBUSY",
    19: "ENODEV",
    22: "EINVAL",
    28: "ENOSPC",
    52: "EBADE",
    61: "ENODATA",
    62: "ETIME",
    67: "ENOLINK",
    84: "EILSEQ",
    95: "EOPNOTSUPP",
    110: "ETIMEDOUT",
    121: "EREMOTEIO",
}

_MORE_WORDS: Final = {
    "EAGAIN": "Resource temporarily unavailable",
    "EBADE": "Invalid exchange",
    "EILSEQ": "Invalid or incomplete multibyte or wide character",
    "EISDIR": "Is a directory",
    "ENODATA": "No data available",
    "ENOLINK": "Link has been severed",
    "ENOTDIR": "Not a directory",
    "EREMOTEIO": "Remote I/O error",
    "ESPIPE": "Illegal seek",
    "ETIME": "Timer expired",
    "ETIMEDOUT": "Connection timed out",
}


def errno_name(status: int) -> str:
    """The errno that a status of an I/O becomes."""
    return _NAMES[errno_of(status)]


def strerror(name: str) -> str:
    return STRERROR.get(name) or _MORE_WORDS.get(name, f"Unknown error {name}")


def printed(name: str) -> str:
    """What tools that print the name call it: of two names of one number the later one."""
    return "ENOTSUP" if name == "EOPNOTSUPP" else name
