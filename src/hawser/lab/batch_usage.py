"""How the small programs of a batch are called: a command that is none is refused with what would be right, before it runs.

`dd`, `blockdev` and `cat` are not here: they say it themselves, as on Linux.
"""

import math
from collections.abc import Callable
from typing import Final

from hawser.lab.linux.programs.words import size_of

USAGES: Final = {
    "io": "io read|write|mix DEVICE [NAME=VALUE...]",
    "sleep": "sleep SECONDS",
    "hold": "hold DEVICE SECONDS [excl]",
    "sysfs": "sysfs get PATH... | sysfs set PATH VALUE",
    "blk": "blk flush|size|ro DEVICE | blk discard|zeroout DEVICE OFFSET LENGTH",
    "iostat": "iostat snap|delta NAME...",
}
IO_SIZES: Final = ("bs", "off", "stride")
IO_NUMBERS: Final = ("count", "batch", "depth", "seed", "cpu")
IO_WORDS: Final = ("mix", "log")
IO_ORDERS: Final = ("seq", "rand", "rev")
INTERLEAVE: Final = "interleave"
INDEX: Final = "index"
BLK: Final = {"flush": 2, "size": 2, "ro": 2, "discard": 4, "zeroout": 4}


def wrong_with(argv: list[str]) -> str:
    """What is wrong with a command, and what would be right; empty when nothing is, or its program says so itself."""
    name, words = argv[0], argv[1:]
    if name not in USAGES:
        return ""
    trouble = _CHECKS[name](words)
    if trouble is None:
        return f"{name}: want {USAGES[name]}"
    return f"{name}: {trouble}" if trouble else ""


# Of each program: what is wrong with its words; None: so much that only the usage helps.


def _io(words: list[str]) -> str | None:
    if len(words) < 2 or words[0] not in ("read", "write", "mix"):
        return None
    values: dict[str, str] = {}
    for word in words[2:]:
        name, equals, value = word.partition("=")
        if not equals:
            return f"{word!r} is not NAME=VALUE"
        trouble = _io_option(name, value)
        if trouble:
            return trouble
        values[name] = value
    if words[0] == "mix" and not values.get("mix"):
        return "mix wants mix=WORD: r for each read and w for each write, in turn"
    return ""


def _io_option(name: str, value: str) -> str:
    if name in IO_SIZES:
        return "" if _is_size(value) else f"{name}={value}: is no size, such as 4096, 0x1000, 4k or 1m"
    if name in IO_NUMBERS:
        return "" if _is_count(value) else f"{name}={value}: is no number"
    if name == "time":
        return "" if _is_seconds(value) else f"{name}={value}: is no number of seconds"
    if name == "order":
        return "" if _is_order(value) else f"{name}={value}: is none of {', '.join(IO_ORDERS)}, {INTERLEAVE}N"
    if name in ("fill", "verify"):
        return "" if _is_byte(value) else f"{name}={value}: is neither {INDEX} nor a number"
    if name in IO_WORDS:
        return ""
    known = sorted([*IO_SIZES, *IO_NUMBERS, *IO_WORDS, "time", "order", "fill", "verify"])
    return f"{name}: there is no such option; there are {', '.join(known)}"


def _sleep(words: list[str]) -> str | None:
    if len(words) != 1:
        return None
    return "" if _is_seconds(words[0]) else f"{words[0]!r} is no number of seconds"


def _hold(words: list[str]) -> str | None:
    if len(words) not in (2, 3) or words[2:] not in ([], ["excl"]):
        return None
    return "" if _is_seconds(words[1]) else f"{words[1]!r} is no number of seconds"


def _sysfs(words: list[str]) -> str | None:
    is_right = (words[:1] == ["get"] and len(words) > 1) or (words[:1] == ["set"] and len(words) == 3)
    return "" if is_right else None


def _blk(words: list[str]) -> str | None:
    if not words or len(words) != BLK.get(words[0]):
        return None
    wrong = [word for word in words[2:] if not _is_size(word)]
    return f"{wrong[0]!r} is no size, such as 4096, 0x1000, 4k or 1m" if wrong else ""


def _iostat(words: list[str]) -> str | None:
    return "" if len(words) > 1 and words[0] in ("snap", "delta") else None


_CHECKS: Final[dict[str, Callable[[list[str]], str | None]]] = {
    "io": _io,
    "sleep": _sleep,
    "hold": _hold,
    "sysfs": _sysfs,
    "blk": _blk,
    "iostat": _iostat,
}


def _is_size(text: str) -> bool:
    try:
        return size_of(text) >= 0
    except ValueError:
        return False


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _is_seconds(text: str) -> bool:
    try:
        return 0 <= float(text) < math.inf
    except ValueError:
        return False


def _is_order(text: str) -> bool:
    streams = text.removeprefix(INTERLEAVE)
    return text in IO_ORDERS or (streams != text and _is_count(streams) and int(streams) > 0)


def _is_byte(text: str) -> bool:
    try:
        return text == INDEX or int(text, 0) >= 0
    except ValueError:
        return False
