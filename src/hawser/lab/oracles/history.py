"""History: every sector is a register, and what a read returns, or a power loss leaves, must be explicable.

Linearizability, sector by sector (Herlihy, Wing: "Linearizability", TOPLAS 1990), with failures and durability:

- an acknowledged write has taken effect between its start and its end;
- a failed or unanswered one may take effect at any time after its start, or never, until a read that began after its end, or the
  acknowledgement of a write that began after its end, has left it behind: from then on it must not appear any more;
- what something else has certainly come after (it is *superseded*) never returns;
- what a flush acknowledged (or a FUA write) is *durable*: nothing older may be what a power loss leaves;
- a cache that is lost where that is allowed takes writes with it that were acknowledged and not flushed; then what they had
  superseded may be back, unless something durable came after it too, and a flush of those who knew the disk before must fail;
- unless it has been stored once more: then it is as if it had never been lost.

While several writes of a sector are unanswered at once reads may see them in any order, and in turns: the block layer promises
nothing about the order of I/O in flight, and a retry may execute one of them twice.

Values are those of hawser.lab.payload: unique per write and sector, but for 0, which every discard and write zeroes leaves.
Moments number the events; every method is called in the order in which things happen.
"""

from typing import Final

from hawser.lab.payload import TORN, write_of

NEVER: Final = 1 << 62


class Write:
    """One write as one sector sees it. `after`: writes that have certainly come after it. `is_shaken`: one leg of a mirror
    had lost it before it was acknowledged. `is_stale`: one leg shows it again, having lost what had come after it."""

    def __init__(self, value: int, started: int) -> None:
        self.value = value
        self.started = started
        self.ended = NEVER
        self.is_acknowledged = False
        self.superseded = NEVER
        self.is_durable = False
        self.lost = NEVER
        self.is_shaken = False
        self.is_stale = False
        self.after: list[Write] = []

    def name(self) -> str:
        return f"write {write_of(self.value)}" if self.value else "zeroes"


class History:
    """`written_through`: no cache is in the way, so what is acknowledged is durable. `lost_writes` counts legal losses."""

    def __init__(self, sectors: int, written_through: bool = False) -> None:
        self.moment = 0
        self.written_through = written_through
        self.faults: list[str] = []
        self.lost_writes = 0
        # Whether something is lost just now that may come back.
        self.misses = False
        self.survivors = 0
        self._sectors: list[list[Write]] = []
        # When the reads began that have no answer yet: what they may still return is not forgotten.
        self._reading: list[int] = []
        for _ in range(sectors):
            self._sectors.append([_first(0)])

    # Writes.

    def begin_write(self, sector: int, values: list[int]) -> list[Write]:
        """A write of these values, one per sector, starts. Keep what it returns for `end_write`."""
        self.moment += 1
        written = [Write(value, self.moment) for value in values]
        for index, own in enumerate(written):
            self._sectors[sector + index].append(own)
        return written

    def end_write(self, sector: int, written: list[Write], ok: bool, durable: bool = False) -> None:
        """It was answered, or its client has gone away (not ok). Of a failed one nothing is known."""
        self.moment += 1
        for index, own in enumerate(written):
            if own.ended != NEVER:
                continue
            own.ended = self.moment
            if not ok:
                continue
            own.is_acknowledged = True
            if own.lost != NEVER:
                # A part of it that was in a cache is gone already; what it had come after may be back.
                continue
            own.is_durable = durable or self.written_through
            if own.is_shaken and not own.is_durable:
                # The same of one leg of a mirror.
                continue
            history = self._sectors[sector + index]
            for other in history:
                if other.ended < own.started:
                    self._supersede(other, own)
            if len(history) > 1 and own.is_durable:
                self._bury(sector + index)

    # Reads.

    def begin_read(self) -> int:
        self.moment += 1
        self._reading.append(self.moment)
        return self.moment

    def end_read(self, sector: int, started: int, values: list[int] | None) -> str:
        """It returned these values, one per sector, or None: it failed. An empty text, or what is wrong with them."""
        self.moment += 1
        self._reading.remove(started)
        if values is None:
            return ""
        for index, value in enumerate(values):
            fault = self._check(sector + index, started, value)
            if fault:
                self.faults.append(fault)
                return fault
        return ""

    def _check(self, sector: int, started: int, value: int) -> str:
        history = self._sectors[sector]
        possible = [own for own in history if own.value == value and own.superseded >= started]
        if not possible:
            return self._explain(sector, value)
        # Of several (zeroes) nobody knows which one it is: then the one that promises least.
        seen = possible[-1]
        for own in possible:
            if not own.is_durable:
                seen = own
        if seen.lost != NEVER:
            # It was read before it was lost: what is below it may be back by now.
            return ""
        if any(own.is_stale for own in possible):
            # Another leg still holds what had come after it.
            return ""
        for other in history:
            if other.ended < started and other.value != value:
                self._supersede(other, seen)
        return ""

    def _explain(self, sector: int, value: int) -> str:
        if value == TORN:
            return f"sector {sector} is torn"
        known = [own for own in self._sectors[sector] if own.value == value]
        newest = [own for own in self._sectors[sector] if own.superseded == NEVER]
        now = " or ".join(own.name() for own in newest)
        back = f"write {write_of(value)} is back" if value else "zeroes are back"
        if known and known[-1].after:
            return f"sector {sector}: {back}, which {known[-1].after[0].name()} superseded; it should hold {now}"
        if self._was_buried(sector, value):
            return f"sector {sector}: {back}, which was superseded by something durable; it should hold {now}"
        return f"sector {sector} holds {value:#x}, which nobody wrote there; it should hold {now}"

    # Flushes.

    def begin_flush(self) -> int:
        self.moment += 1
        return self.moment

    def end_flush(self, started: int, opened: int, ok: bool) -> str:
        """A flush of a client that opened the disk at `opened` was answered; it began at `started`. What is wrong, or nothing."""
        self.moment += 1
        if not ok:
            return ""
        for sector, history in enumerate(self._sectors):
            for own in history:
                if not own.is_acknowledged or own.ended >= started or own.is_durable:
                    continue
                if own.lost == NEVER:
                    own.is_durable = True
                elif own.ended < own.lost and own.lost > opened and not self._is_overwritten(history, own):
                    fault = (
                        f"a flush succeeded although {own.name()} in sector {sector} had been acknowledged and was lost"
                    )
                    self.faults.append(fault)
                    return fault
            if len(history) > 1:
                self._bury(sector)
        return ""

    def _is_overwritten(self, history: list[Write], lost: Write) -> bool:
        """Whether an acknowledged write that was not lost may have come after a lost one."""
        for own in history:
            if own is not lost and own.is_acknowledged and own.lost == NEVER and own.ended > lost.started:
                return True
        return False

    # Losses.

    def lose(self, sector: int, value: int, left: int, held: list[int]) -> None:
        """A cache has legally lost `value`, which it had not written back; what is below it there is `left`.

        Whatever else was written there and not flushed lay below that, and is gone with it, or may be: it is still on its way.
        But not what other legs of a mirror hold (`held`, if it is one), nor what that had come after: either leg may be read
        until the mirror has found out.
        """
        self.moment += 1
        history = self._sectors[sector]
        newest = max((own.started for own in history if own.value in held), default=-1)
        is_shaken = len(held) > 0 and any(own.ended == NEVER and own.value != left for own in history)
        for own in history:
            if own.value == left:
                if not any(other.is_durable for other in own.after):
                    own.superseded = NEVER
                    own.after = []
                    own.is_stale = is_shaken or newest > own.started
                continue
            if own.ended == NEVER:
                own.is_shaken = own.is_shaken or is_shaken
            if not own.is_durable and own.lost == NEVER and own.started > newest:
                own.lost = self.moment
                self.lost_writes += 1
                self.misses = True

    def regain(self, sector: int, value: int) -> None:
        """`value` was stored. If it had been lost it is there again, above what it had come after."""
        history = self._sectors[sector]
        for own in history:
            if own.value == value and own.lost != NEVER:
                own.lost = NEVER
                for other in history:
                    if own.is_acknowledged and not own.is_shaken and other.ended < own.started:
                        self._supersede(other, own)

    def write_again(self, sector: int, value: int) -> None:
        """`value` is stored once more, as its cache may be lost: and so may be what nobody has acknowledged since."""
        history = self._sectors[sector]
        if not any(own.value == value and own.is_acknowledged for own in history):
            return
        for own in history:
            if own.value == value and own.after and not any(other.is_acknowledged for other in own.after):
                own.superseded = NEVER
                own.after = []

    def lose_power(self, contents: list[int]) -> str:
        """Everything stopped, and `contents` is what is left on the disk: it must hold what was durable, or something newer.

        The history starts anew from there: nothing of what was on its way is any more.
        """
        self.moment += 1
        problem = ""
        for sector, value in enumerate(contents):
            history = self._sectors[sector]
            possible = [
                own for own in history if own.value == value and not any(other.is_durable for other in own.after)
            ]
            if not possible:
                problem = problem or self._explain(sector, value) + " (after a power loss)"
            if any(own.is_durable and own.value == value and value != 0 for own in possible):
                self.survivors += 1
            if any(
                own.is_acknowledged and not own.is_durable and own.superseded == NEVER and own.value != value
                for own in history
            ):
                self.lost_writes += 1
            self._sectors[sector] = [_first(value)]
        if problem:
            self.faults.append(problem)
        return problem

    def _supersede(self, older: Write, newer: Write) -> None:
        if older is newer:
            return
        older.superseded = min(older.superseded, self.moment)
        if newer not in older.after:
            older.after.append(newer)

    def _bury(self, sector: int) -> None:
        """Forget what something durable came after: it cannot return in any way."""
        oldest = self._reading[0] if self._reading else NEVER
        kept: list[Write] = []
        for own in self._sectors[sector]:
            if own.ended == NEVER or own.superseded >= oldest or not any(other.is_durable for other in own.after):
                kept.append(own)
        self._sectors[sector] = kept

    def _was_buried(self, sector: int, value: int) -> bool:
        newest = max((write_of(own.value) for own in self._sectors[sector]), default=NEVER)
        return value == 0 or write_of(value) < newest


def _first(value: int) -> Write:
    """What a sector holds from the start."""
    own = Write(value, 0)
    own.ended = 0
    own.is_acknowledged = True
    own.is_durable = True
    return own
