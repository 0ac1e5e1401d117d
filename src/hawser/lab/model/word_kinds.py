"""What a word of a scenario's file may say: kinds of values, read strictly from TOML, or from the text of `--over`.

`read` makes of what TOML has what the dataclass holds; ValueError says what would be right. `raw` makes of a text what TOML would
have; lists are joined by `+` there (`size=4k+64k`). `show` goes back, for people.
"""

from math import isfinite
from typing import Any, Final

from hawser.core.units import KIB, parse_size

JOINT: Final = "+"
# Bytes of a megabyte, as makers of disks and `mb-per-s` count them.
MB: Final = 1_000_000
TEXT_MAX: Final = 4096
# Nobody simulates for longer: 2^63 ns are 292 years.
SECONDS_MAX: Final = 86_400.0


class Kind:
    """`wants`: what would be right, for messages."""

    wants = ""

    def read(self, value: object) -> Any:
        raise NotImplementedError

    def raw(self, text: str) -> object:
        return text

    def show(self, value: Any) -> str | int | float | bool:
        return str(value)

    def no(self, value: object) -> ValueError:
        return ValueError(f"want {self.wants}, not {shown(value)}")


class Text(Kind):
    wants = "a text"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or len(value) > TEXT_MAX or "\0" in value:
            raise self.no(value)
        return value


class Choice(Kind):
    def __init__(self, choices: tuple[str, ...]) -> None:
        self.choices = choices
        self.wants = "one of " + ", ".join(f'"{choice}"' for choice in choices)

    def read(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise self.no(value)
        return value


class Flag(Kind):
    wants = "true or false"

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise self.no(value)
        return value

    def raw(self, text: str) -> object:
        return {"true": True, "false": False}.get(text, text)

    def show(self, value: Any) -> bool:
        return bool(value)


class Whole(Kind):
    """An integer from `low` to `high`, both included."""

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high
        self.wants = f"a whole number from {low} to {high}"

    def read(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise self.no(value)
        return value

    def raw(self, text: str) -> object:
        return _integer(text)

    def show(self, value: Any) -> int | str:
        return "" if value is None else int(value)


class Number(Kind):
    """A number from `low` to `high`, both included; `above`: without `low` itself."""

    def __init__(self, low: float, high: float, above: bool = False) -> None:
        self.low = low
        self.high = high
        self.above = above
        self.wants = f"a number {'above' if above else 'from'} {low:g} {'and up ' if above else ''}to {high:.12g}"

    def read(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
            raise self.no(value)
        if not self.low <= value <= self.high or (self.above and value == self.low):
            raise self.no(value)
        return float(value)

    def raw(self, text: str) -> object:
        return _number(text)

    def show(self, value: Any) -> float:
        return float(value)


class Span(Number):
    """A time in units of `unit_ns`, kept as integer nanoseconds."""

    def __init__(self, unit_ns: int, high: float, above: bool = False) -> None:
        super().__init__(0, high, above)
        self.unit_ns = unit_ns

    def read(self, value: object) -> Any:
        return round(super().read(value) * self.unit_ns)

    def show(self, value: Any) -> float:
        return float(value / self.unit_ns)


class Bandwidth(Number):
    """Megabytes (10^6 bytes) a second, kept as nanoseconds per KiB: 400 are 2,560."""

    def __init__(self) -> None:
        super().__init__(0, KIB * 1000.0, above=True)

    def read(self, value: object) -> Any:
        return round(KIB * 1e9 / (super().read(value) * MB))

    def show(self, value: Any) -> float:
        return float(KIB * 1e9 / (value * MB)) if value else 0.0


class Size(Kind):
    """Bytes: whole sectors of 512."""

    def __init__(self, high: int) -> None:
        self.high = high
        self.wants = f'a size such as 4096 or "64k", a multiple of 512 from 512 to {high}'

    def read(self, value: object) -> int:
        if isinstance(value, str):
            try:
                value = parse_size(value)
            except ValueError:
                raise self.no(value) from None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.no(value)
        if not 512 <= value <= self.high or value % 512:
            raise self.no(value)
        return value

    def show(self, value: Any) -> str:
        return size_word(value)


class Sizes(Size):
    """One size, or a list of them."""

    def __init__(self, high: int, most: int) -> None:
        super().__init__(high)
        self.most = most
        self.wants += f", or a list of up to {most} of them"

    def read(self, value: object) -> Any:
        values = value if isinstance(value, list) else [value]
        if not 1 <= len(values) <= self.most:
            raise self.no(value)
        return [Size.read(self, each) for each in values]

    def raw(self, text: str) -> object:
        return text.split(JOINT)

    def show(self, value: Any) -> str:
        return JOINT.join(size_word(each) for each in value)


class Numbers(Kind):
    """One path's number, or a list of them."""

    wants = "the number of a path, from 0, or a list of them"

    def read(self, value: object) -> list[int]:
        values = value if isinstance(value, list) else [value]
        for each in values:
            if isinstance(each, bool) or not isinstance(each, int) or each < 0:
                raise self.no(value)
        if len(set(values)) != len(values):
            raise ValueError(f"want each path once, not {shown(value)}")
        return list(values)

    def raw(self, text: str) -> object:
        return [_integer(each) for each in text.split(JOINT)]

    def show(self, value: Any) -> str:
        return JOINT.join(str(each) for each in value)


def size_word(size_bytes: int) -> str:
    """Exactly, with the largest unit that goes into it: 4k, 1536, 1G."""
    for power, unit in ((30, "G"), (20, "M"), (10, "k")):
        if size_bytes and size_bytes % (1 << power) == 0:
            return f"{size_bytes >> power}{unit}"
    return str(size_bytes)


def shown(value: object) -> str:
    """A value as the file has it, as far as it is short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _integer(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        return text


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text
