"""The engine's own seeded generator: the same numbers on every machine, compiled or interpreted.

SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): one 64-bit word of state, passes
BigCrush, and splits into independent streams. Backoff jitter and the laboratory draw from it; nothing else is random.
"""

from math import frexp
from typing import Final

from mypy_extensions import i64

_WORD: Final = 0xFFFF_FFFF
_SHORT: Final = 0xFFFF
_ALL: Final = 1 << 64
_GOLDEN_HIGH: Final = 0x9E37_79B9
_GOLDEN_LOW: Final = 0x7F4A_7C15
# Numbers up to this are drawn without a number of more than 62 bits.
_SMALL: Final = 1 << 30
# ln(m) is 2 artanh((m - 1) / (m + 1)), and the argument at most 1/3: terms up to this exponent are below the last bit.
_LOG_ODD_MAX: Final = 35
_LN_2: Final = 0.6931471805599453


class Rng:
    """A stream of numbers fixed by `seed` (any integer; its low 64 bits count).

    The state is `high` and `low`, 32 bits each, and so is a draw on its way. No product is of more than 62 bits, as those are
    what compiled code does without making an object; and because CPython looks for signals while it multiplies long integers, and
    mypyc takes an exception from there (KeyboardInterrupt) for want of memory, and aborts.
    """

    def __init__(self, seed: int) -> None:
        self.high: i64 = seed >> 32 & _WORD
        self.low: i64 = seed & _WORD
        self._drawn_high: i64 = 0
        self._drawn_low: i64 = 0

    def _draw(self) -> None:
        """A uniform 64-bit number, in halves."""
        low: i64 = self.low + _GOLDEN_LOW
        high: i64 = self.high + _GOLDEN_HIGH + (low >> 32) & _WORD
        low &= _WORD
        self.high = high
        self.low = low
        # z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9
        low ^= (low >> 30) | (high << 2 & _WORD)
        high ^= high >> 30
        first: i64 = low * 0xE5B9
        second: i64 = low * 0x1CE4 + (first >> 16)
        high = (
            (second >> 16)
            + low * 0x476D
            + ((low * 0xBF58 & _SHORT) << 16)
            + high * 0xE5B9
            + ((high * 0x1CE4 & _SHORT) << 16)
        ) & _WORD
        low = (second & _SHORT) << 16 | (first & _SHORT)
        # z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB
        low ^= (low >> 27) | (high << 5 & _WORD)
        high ^= high >> 27
        first = low * 0x11EB
        second = low * 0x1331 + (first >> 16)
        high = (
            (second >> 16)
            + low * 0x49BB
            + ((low * 0x94D0 & _SHORT) << 16)
            + high * 0x11EB
            + ((high * 0x1331 & _SHORT) << 16)
        ) & _WORD
        low = (second & _SHORT) << 16 | (first & _SHORT)
        # z ^ (z >> 31)
        self._drawn_low = low ^ ((low >> 31) | (high << 1 & _WORD))
        self._drawn_high = high ^ (high >> 31)

    def next_u64(self) -> int:
        """A uniform integer in [0, 2^64)."""
        self._draw()
        return int(self._drawn_high) << 32 | int(self._drawn_low)

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound), 1 <= bound <= 2^64, without modulo bias (rejection)."""
        assert 1 <= bound <= _ALL
        if bound <= _SMALL:
            self._draw()
            # What is to be rejected is above 2^64 - bound.
            while self._drawn_high == _WORD and _WORD + 1 - int(self._drawn_low) <= _ALL % bound:
                self._draw()
            small: i64 = bound
            return int(((self._drawn_high % small) << 32 | self._drawn_low) % small)
        limit = _ALL - _ALL % bound
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
        self._draw()
        return int(self._drawn_high << 21 | self._drawn_low >> 11) / 9007199254740992.0

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
