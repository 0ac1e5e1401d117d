"""Registers: an oracle for random runs. Every sector is a register; what a read returns must be explicable.

Each write puts one value, never used before, into all its sectors. An acknowledged write has taken effect between its start and
its end. A failed one may take effect at any time after its start, or never, until the first read that begins after the failure:
that decides. (While it lasts, one copy may be read with another still on its way.) From that follows which values a read must
not return any more: those that something else has certainly come after.
"""

from typing import Final

NEVER_ACKED: Final = 1 << 62
ZEROES: Final = 0


class Value:
    """One write as one sector sees it: it was answered at `ended`, has taken effect by `acked`, and by `superseded` another has
    come after it. Moments are numbers of events."""

    def __init__(self, value: int, started: int) -> None:
        self.value = value
        self.started = started
        self.ended = NEVER_ACKED
        self.acked = NEVER_ACKED
        self.superseded = NEVER_ACKED


class Registers:
    """`started` and the moments are handed out by `begin_*`; call every method in the order in which things happen."""

    def __init__(self, sectors: int) -> None:
        self.moment = 0
        self._sectors: list[list[Value]] = []
        for _ in range(sectors):
            first = Value(ZEROES, 0)
            first.ended = 0
            first.acked = 0
            self._sectors.append([first])

    def begin_write(self, sector: int, count: int, value: int) -> list[Value]:
        """A write of `value` to `count` sectors starts. Keep what it returns for `end_write`."""
        self.moment += 1
        written = [Value(value, self.moment) for _ in range(count)]
        for number in range(count):
            self._sectors[sector + number].append(written[number])
        return written

    def end_write(self, sector: int, written: list[Value], ok: bool) -> None:
        """It was answered. Of a failed one nothing is known."""
        self.moment += 1
        for own in written:
            own.ended = self.moment
        if not ok:
            return
        for number, own in enumerate(written):
            own.acked = min(own.acked, self.moment)
            for other in self._sectors[sector + number]:
                if other.acked < own.started:
                    other.superseded = min(other.superseded, self.moment)

    def begin_read(self) -> int:
        self.moment += 1
        return self.moment

    def end_read(self, sector: int, started: int, values: list[int]) -> str:
        """It returned these values, one per sector. An empty text, or what is wrong with them."""
        self.moment += 1
        for number, value in enumerate(values):
            fault = self._check(sector + number, started, value)
            if fault:
                return fault
        return ""

    def _check(self, sector: int, started: int, value: int) -> str:
        history = self._sectors[sector]
        candidates = [seen for seen in history if seen.value == value]
        if not candidates:
            return f"sector {sector} holds {value}, which nobody wrote"
        possible = [seen for seen in candidates if seen.superseded >= started]
        if not possible:
            return f"sector {sector}: {value} is back, which was superseded at event {candidates[-1].superseded}"
        # None of what had ended before this read began is going to happen any more; all of it lies before `value`, or never was.
        for other in history:
            if other.ended < started and other.value != value:
                other.superseded = min(other.superseded, self.moment)
        if len(candidates) == 1 and candidates[0].ended < started:
            candidates[0].acked = min(candidates[0].acked, self.moment)
        return ""
