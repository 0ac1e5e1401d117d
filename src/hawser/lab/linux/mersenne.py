"""MT19937: shuffles as Python's random.Random(seed).shuffle() does, so that `order=rand` of a transcript is the same here.

M. Matsumoto and T. Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998), with their init_by_array() of 2002. The laboratory rolls
no dice: nothing here comes from anywhere but the seed.
"""

from typing import Final

_N: Final = 624
_M: Final = 397
_UPPER: Final = 0x8000_0000
_LOWER: Final = 0x7FFF_FFFF
_MATRIX: Final = 0x9908_B0DF
_WORD: Final = 0xFFFF_FFFF


class MersenneTwister:
    def __init__(self, seed: int) -> None:
        self._state = _of_one(19_650_218)
        self._stir(_words_of(abs(seed)))
        self._next = _N

    def _stir(self, key: list[int]) -> None:
        state = self._state
        place, of_key = 1, 0
        for _ in range(max(_N, len(key))):
            mixed = (state[place - 1] ^ (state[place - 1] >> 30)) * 1_664_525
            state[place] = ((state[place] ^ mixed) + key[of_key] + of_key) & _WORD
            place, of_key = place + 1, (of_key + 1) % len(key)
            if place == _N:
                state[0] = state[_N - 1]
                place = 1
        for _ in range(_N - 1):
            mixed = (state[place - 1] ^ (state[place - 1] >> 30)) * 1_566_083_941
            state[place] = ((state[place] ^ mixed) - place) & _WORD
            place += 1
            if place == _N:
                state[0] = state[_N - 1]
                place = 1
        state[0] = _UPPER

    def word(self) -> int:
        """The next 32 bits."""
        if self._next == _N:
            self._refill()
        value = self._state[self._next]
        self._next += 1
        value ^= value >> 11
        value ^= (value << 7) & 0x9D2C_5680
        value ^= (value << 15) & 0xEFC6_0000
        return value ^ (value >> 18)

    def _refill(self) -> None:
        state = self._state
        for place in range(_N):
            mixed = (state[place] & _UPPER) | (state[(place + 1) % _N] & _LOWER)
            state[place] = state[(place + _M) % _N] ^ (mixed >> 1) ^ (_MATRIX if mixed & 1 else 0)
        self._next = 0

    def below(self, limit: int) -> int:
        """A number in [0, limit), `limit` being of no more than 32 bits."""
        bits = limit.bit_length()
        value = self.word() >> (32 - bits)
        while value >= limit:
            value = self.word() >> (32 - bits)
        return value

    def shuffle(self, items: list[int]) -> None:
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]


def _of_one(seed: int) -> list[int]:
    state = [seed]
    for place in range(1, _N):
        state.append((1_812_433_253 * (state[-1] ^ (state[-1] >> 30)) + place) & _WORD)
    return state


def _words_of(seed: int) -> list[int]:
    words = [seed & _WORD]
    seed >>= 32
    while seed:
        words.append(seed & _WORD)
        seed >>= 32
    return words
