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
    """`about`: the declaration or the property; `tried`: what was done; `evidence`: what was seen, or why nothing could be;
    `where`: which URIs it was done with."""

    about: str
    tried: str
    verdict: str
    evidence: str
    contradicts: tuple[Contradiction, ...] = ()
    where: str = ""


def seconds(value: float) -> str:
    """A time for people."""
    return f"{value:.3f} s" if value < 1 else f"{value:.2f} s"
