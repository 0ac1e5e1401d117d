"""Judge: the oracle of an exploration. Every sector is a register (`register`); what clients are told must be explicable.

Its methods are named as those of hawser.lab.oracles.history, which judges random runs; here a state is asked for as well.
"""

from typing import Final

from hawser.lab.explore.register import (
    BEGIN_FLUSH,
    BEGIN_READ,
    BEGIN_WRITE,
    END_FLUSH,
    END_READ,
    END_WRITE,
    FUA_WORD,
    LOSE,
    Automaton,
    Node,
)
from hawser.lab.payload import write_of

# Kinds of faults: a value is back, a failed write appears after it was not there, nobody wrote it, a flush has not kept its word.
SUPERSEDED: Final = "superseded"
APPEARED: Final = "appeared"
UNWRITTEN: Final = "unwritten"
LOST: Final = "lost"
FLUSH_LIED: Final = "flush lied"
TWICE: Final = "twice"

# More writes than any scenario has.
WRITES_MAX: Final = 99


class Fault:
    """`kind` is one of the words for faults; `text` says it in a sentence."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.text = text


class Sector:
    """Where a sector's register is; and, for words only, which writes failed and which one was acknowledged last."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.failed: list[int] = []
        self.acked = 0
        self.has_lost = False


class Judge:
    """Reads and flushes are known by a number that the caller gives them, from 1."""

    def __init__(self, sectors: int, automaton: Automaton) -> None:
        self.automaton = automaton
        self.sectors = [Sector(automaton.first) for _ in range(sectors)]
        self.fault: Fault | None = None

    def begin_write(self, sector: int, values: list[int]) -> None:
        for index, value in enumerate(values):
            self._step(sector + index, BEGIN_WRITE, value, True, 0)

    def end_write(self, sector: int, values: list[int], ok: bool, fua: bool = False) -> None:
        for index, value in enumerate(values):
            place = self.sectors[sector + index]
            if ok:
                place.acked = value
            else:
                place.failed.append(value)
            self._step(sector + index, END_WRITE, value, ok, FUA_WORD if fua else 0)

    def begin_read(self, number: int, sector: int, count: int) -> None:
        for place in range(sector, sector + count):
            self._step(place, BEGIN_READ, number, True, 0)

    def end_read(self, number: int, sector: int, values: list[int], ok: bool) -> None:
        for index, value in enumerate(values):
            if not self._step(sector + index, END_READ, number, ok, value if ok else 0):
                self._wrong_value(sector + index, value)

    def begin_flush(self, number: int) -> None:
        if self.automaton.durable:
            for place in range(len(self.sectors)):
                self._step(place, BEGIN_FLUSH, number, True, 0)

    def end_flush(self, number: int, ok: bool) -> None:
        if self.automaton.durable:
            for place in range(len(self.sectors)):
                if not self._step(place, END_FLUSH, number, ok, 0):
                    self.say(FLUSH_LIED, f"the flush succeeds although what was acknowledged in sector {place} is lost")

    def lose(self, sector: int, left: int) -> None:
        """A cache is gone with what it had not written back there; `left` is what is below it."""
        self.sectors[sector].has_lost = True
        self._step(sector, LOSE, 0, True, left)

    def check_power_loss(self, medium: list[int]) -> None:
        """What if everything volatile were lost just now?"""
        if self.automaton.durable:
            for place, sector in enumerate(self.sectors):
                value = medium[place]
                if value not in sector.node.left:
                    self.say(
                        LOST,
                        f"a power loss now would leave {name_of(value)} in sector {place}: what was flushed is lost",
                    )

    def say(self, kind: str, text: str) -> None:
        """The first fault counts."""
        if self.fault is None:
            self.fault = Fault(kind, text)

    def key(self) -> list[int]:
        """All that decides about what is still to come, as numbers of the automaton's states."""
        return [sector.node.number for sector in self.sectors]

    def _step(self, place: int, kind: int, number: int, ok: bool, value: int) -> bool:
        """Whether that can be."""
        sector = self.sectors[place]
        node = self.automaton.step(sector.node, (kind, number, 1 if ok else 0, value))
        if not node.views:
            return False
        sector.node = node
        return True

    def _wrong_value(self, place: int, value: int) -> None:
        sector = self.sectors[place]
        what = f"the read returns {name_of(value)} from sector {place}"
        if value in sector.failed:
            self.say(APPEARED, f"{what}, which had failed and was not there when it was read before")
        elif sector.has_lost and value == sector.acked:
            self.say(APPEARED, f"{what}, which had been lost with a cache and was not there when it was read before")
        elif value == 0 or 0 < write_of(value) <= WRITES_MAX:
            self.say(SUPERSEDED, f"{what}, which was superseded: {name_of(sector.acked)} was acknowledged last")
        else:
            self.say(UNWRITTEN, f"{what}, which nobody wrote")


def name_of(value: int) -> str:
    """`write 2`, or `the old value`."""
    return f"write {write_of(value)}" if value > 0 else "the old value" if value == 0 else "a torn sector"
