"""The engine's own seeded generator: the same numbers on every machine, compiled or interpreted.

SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): one 64-bit word of state, passes
BigCrush, and splits into independent streams. Backoff jitter and the laboratory draw from it; nothing else is random.
"""

from math import frexp
from typing import Final

_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF
_GOLDEN: Final = 0x9E37_79B9_7F4A_7C15
# ln(m) is 2 artanh((m - 1) / (m + 1)), and the argument at most 1/3: terms up to this exponent are below the last bit.
_LOG_ODD_MAX: Final = 35
_LN_2: Final = 0.6931471805599453


class Rng:
    """A stream of numbers fixed by `seed` (any integer; its low 64 bits count)."""

    def __init__(self, seed: int) -> None:
        self.state = seed & _MASK

    def next_u64(self) -> int:
        """A uniform integer in [0, 2^64)."""
        self.state = (self.state + _GOLDEN) & _MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & _MASK
        return z ^ (z >> 31)

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound), 1 <= bound <= 2^64, without modulo bias (rejection)."""
        assert 1 <= bound <= _MASK + 1
        limit = (_MASK + 1) - (_MASK + 1) % bound
        value = self.next_u64()
        while value >= limit:
            value = self.next_u64()
        return value % bound

    def between(self, low: int, high: int) -> int:
        """A uniform integer in [low, high], both ends included."""
        return low + self.below(high - low + 1)

    def chance(self, numerator: int, denominator: int) -> bool:
        """True with probability numerator / denominator."""
        return self.below(denominator) < numerator

    def uniform(self) -> float:
        """A uniform float in [0, 1) with 53 random bits."""
        return (self.next_u64() >> 11) / 9007199254740992.0

    def exponential(self) -> float:
        """An exponential float with mean 1, below 37.

        The logarithm is made of additions, multiplications and divisions alone, which every machine rounds alike; those of
        mathematical libraries differ in their last bit.
        """
        mantissa, exponent = frexp(1.0 - self.uniform())
        s = (mantissa - 1.0) / (mantissa + 1.0)
        square = s * s
        term, series = s, 0.0
        for odd in range(1, _LOG_ODD_MAX, 2):
            series += term / odd
            term *= square
        return -(exponent * _LN_2 + 2.0 * series)

    def split(self) -> "Rng":
        """An independent stream."""
        return Rng(self.next_u64())
