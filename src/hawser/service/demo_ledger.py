"""Ledger: what each block may hold, from what was written and acknowledged. It decides whether what a read returned is right.

Between an acknowledged write and the next one a read returns the former (invariant I2). With several writes of a block in flight
at once it is open which is last; the block then has several *candidates*. Events are numbered by one counter; a write's stamp is
the number of its start. A candidate is out when a write that started after its acknowledgement is acknowledged itself. A read may
return what was a candidate when it started, or a write that started since.

A value is a stamp, or, for zeroes, its negative (0: never written). Reads see a stamp, or 0 for zeroes.
"""

from typing import Final

UNACKNOWLEDGED: Final = 1 << 62


class _Candidate:
    __slots__ = ("acknowledged_at", "value")

    def __init__(self, value: int, acknowledged_at: int) -> None:
        self.value = value
        self.acknowledged_at = acknowledged_at


class Expectation:
    """What the blocks from `first` on might hold when a read of them started: a value each, or several."""

    __slots__ = ("first", "since", "values")

    def __init__(self, first: int, since: int, values: list[int | tuple[int, ...]]) -> None:
        self.first = first
        self.since = since
        self.values = values


class Ledger:
    """Of `blocks` blocks that are all zero at first."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self._now = 0
        self._settled = [0] * blocks
        self._contended: dict[int, list[_Candidate]] = {}
        self._zeroed: dict[int, int] = {}

    def start(self, first: int, count: int, zeroes: bool = False) -> int:
        """A write of `count` blocks is about to be sent. Returns its stamp."""
        self._now += 1
        stamp = self._now
        value = -stamp if zeroes else stamp
        for block in range(first, first + count):
            candidates = self._contended.get(block)
            if candidates is None:
                candidates = [_Candidate(self._settled[block], 0)]
                self._contended[block] = candidates
            candidates.append(_Candidate(value, UNACKNOWLEDGED))
            if zeroes:
                self._zeroed[block] = stamp
        return stamp

    def acknowledge(self, first: int, count: int, stamp: int) -> None:
        """The write with that stamp has succeeded."""
        self._now += 1
        for block in range(first, first + count):
            kept: list[_Candidate] = []
            for candidate in self._contended[block]:
                if candidate.value == stamp or candidate.value == -stamp:
                    candidate.acknowledged_at = self._now
                    kept.append(candidate)
                elif candidate.acknowledged_at > stamp:
                    kept.append(candidate)
            if len(kept) == 1:
                self._settle(block, kept[0].value)
            else:
                self._contended[block] = kept

    def give_up(self, first: int, count: int, stamp: int) -> None:
        """The write with that stamp has failed: it may have landed or not."""
        self._now += 1
        for block in range(first, first + count):
            for candidate in self._contended[block]:
                if candidate.value == stamp or candidate.value == -stamp:
                    candidate.acknowledged_at = self._now

    def expect(self, first: int, count: int) -> Expectation:
        """A read of `count` blocks is about to be sent: what it may see by what is known now."""
        contended = self._contended
        values: list[int | tuple[int, ...]] = []
        for block in range(first, first + count):
            candidates = contended.get(block)
            if candidates is None:
                values.append(self._settled[block])
            else:
                values.append(tuple(candidate.value for candidate in candidates))
        return Expectation(first, self._now, values)

    def check(self, expectation: Expectation, index: int, seen: int) -> str:
        """Whether the read's block number `index` (from 0) may hold what was `seen`: empty, or what is wrong."""
        block = expectation.first + index
        expected = expectation.values[index]
        if not isinstance(expected, tuple):
            if seen == expected or (seen == 0 and expected < 0):
                return ""
        elif any(seen == value or (seen == 0 and value < 0) for value in expected):
            self._narrow(block, expectation.since, seen)
            return ""
        since = expectation.since
        if since < seen <= self._now or (seen == 0 and self._zeroed.get(block, 0) > since):
            return ""
        return f"block {block} holds {_shown(seen)} where {_shown_all(expected)} was acknowledged"

    def _narrow(self, block: int, since: int, seen: int) -> None:
        """If all writes had ended before the read started, and none has started, the block holds what was seen from now on."""
        candidates = self._contended.get(block)
        if candidates is not None and all(candidate.acknowledged_at <= since for candidate in candidates):
            for candidate in candidates:
                if candidate.value == seen or (seen == 0 and candidate.value <= 0):
                    self._settle(block, candidate.value)
                    return

    def _settle(self, block: int, value: int) -> None:
        self._settled[block] = value
        del self._contended[block]


def _shown(seen: int) -> str:
    return f"write {seen}" if seen else "zeroes"


def _shown_all(expected: int | tuple[int, ...]) -> str:
    values = expected if isinstance(expected, tuple) else (expected,)
    return " or ".join(_shown(max(value, 0)) for value in values)
