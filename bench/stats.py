"""Ratio of medians and its interval.

The interval is a bootstrap over *whole rounds*: a draw takes our measurement and the peer's of the same round
together, so a disturbance that slowed both cancels. With few rounds every possible draw is counted, else a
fixed number of them from a fixed seed: the same measurements always give the same interval. It is the middle
95 % of the ratios of medians so drawn. With five rounds that is nearly their range: so few allow no less.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

CONFIDENCE = 0.95
EXHAUSTIVE_ROUNDS = 5
DRAWS = 4000
SEED = 1


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ours divided by the peer's; `low` and `high` bound the middle 95 % of the bootstrap."""

    value: float
    low: float
    high: float


def ratio_of_medians(ours: Sequence[float], peer: Sequence[float]) -> Ratio:
    """Both sequences hold one measurement per round, in the same order of rounds; all are above zero."""
    if not ours or len(ours) != len(peer):
        raise ValueError(f"want as many measurements of ours as of the peer: {len(ours)} and {len(peer)}")
    drawn = sorted(_ratio(ours, peer, draw) for draw in _draws(len(ours)))
    tail = (1 - CONFIDENCE) / 2
    return Ratio(_ratio(ours, peer, range(len(ours))), quantile(drawn, tail), quantile(drawn, 1 - tail))


def quantile(ordered: Sequence[float], fraction: float) -> float:
    """The nearest-rank quantile of values in ascending order."""
    return ordered[round(fraction * (len(ordered) - 1))]


def _ratio(ours: Sequence[float], peer: Sequence[float], rounds: Iterable[int]) -> float:
    chosen = tuple(rounds)
    return median(ours[i] for i in chosen) / median(peer[i] for i in chosen)


def _draws(rounds: int) -> Iterable[tuple[int, ...]]:
    if rounds <= EXHAUSTIVE_ROUNDS:
        return itertools.product(range(rounds), repeat=rounds)
    generator = random.Random(SEED)
    return (tuple(generator.choices(range(rounds), k=rounds)) for _ in range(DRAWS))
