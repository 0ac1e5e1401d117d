"""What a test of `hawser probe` says. A declaration can be disproved; it is never proved."""

from dataclasses import dataclass
from typing import Final

DISPROVED: Final = "DISPROVED"
NOT_DISPROVED: Final = "not disproved"
UNTESTED: Final = "could not be tested"
FACT: Final = "fact"


@dataclass(frozen=True)
class Contradiction:
    """`option` as it is written in a path's URI, or the flag of the server's that is wrong; `declared` where the URI of that
    number (from 0) says so, or hawser assumes it of that kind of path."""

    option: str
    uri: int
    declared: bool


@dataclass(frozen=True)
class Finding:
    """`about`: the declaration or the property; `tried`: what was done; `evidence`: what was seen, or why nothing could be."""

    about: str
    tried: str
    verdict: str
    evidence: str
    contradicts: tuple[Contradiction, ...] = ()


def seconds(value: float) -> str:
    """A time for people."""
    return f"{value:.3f} s" if value < 1 else f"{value:.2f} s"


def listed(numbers: list[int], most: int = 4) -> str:
    """The first few of them."""
    words = ", ".join(str(number) for number in numbers[:most])
    return words if len(numbers) <= most else f"{words} and {len(numbers) - most} more"
