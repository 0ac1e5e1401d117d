"""Zeroing: what a server's discards and write zeroes leave. A discard promises nothing but that what is read stays the same."""

from typing import Final

from hawser.nbd import protocol
from hawser.service.probe.finding import DISPROVED, FACT, NOT_DISPROVED, UNTESTED, Contradiction, Finding
from hawser.service.probe.scratch import Scratch, Stamps
from hawser.service.probe.store import NbdStore

READS: Final = 8
_KINDS: Final = (
    ("NBD_CMD_WRITE_ZEROES", 0),
    ("NBD_CMD_WRITE_ZEROES with NO_HOLE", protocol.CMD_FLAG_NO_HOLE),
    ("NBD_CMD_WRITE_ZEROES with FAST_ZERO", protocol.CMD_FLAG_FAST_ZERO),
)


class Zeroing:
    """`number` is the URI's."""

    def __init__(self, store: NbdStore, number: int, scratch: Scratch, stamps: Stamps) -> None:
        self.store = store
        self.number = number
        self.scratch = scratch
        self.stamps = stamps

    def check(self) -> list[Finding]:
        return [*self._zeroes(), self._discard()]

    def _fill(self, block: int) -> int:
        place = self.scratch.block(block)
        self.store.write(place, self.stamps.content(self.stamps.next(), 2 * self.scratch.unit))
        return place

    def _zeroes(self) -> list[Finding]:
        flags = self.store.connection.export.flags
        about = "write zeroes"
        if not flags & protocol.FLAG_SEND_WRITE_ZEROES:
            return [Finding(about, "NBD_CMD_WRITE_ZEROES", UNTESTED, "the server does not offer it")]
        found: list[Finding] = []
        for index, (name, flag) in enumerate(_KINDS):
            if flag == protocol.CMD_FLAG_FAST_ZERO and not flags & protocol.FLAG_SEND_FAST_ZERO:
                continue
            found.append(self._zero(about, f"{name} over data", 2 * index, flag))
        return found

    def _zero(self, about: str, tried: str, block: int, flag: int) -> Finding:
        unit = self.scratch.unit
        place = self._fill(block)
        # From the middle of a block, where the server takes that: what it cannot punch out it has to write.
        start = place + unit // 2 if unit // 2 % self.store.facts.block_size == 0 else place
        size = place + 2 * unit - start
        error = self.store.zero(start, size, flag)
        if error:
            return Finding(about, tried, FACT, f"answered with errno {error}")
        kept = self.store.read(place, unit)[: start - place]
        if self.store.read(start, size).strip(b"\0") or (kept and not kept.strip(b"\0")):
            against = (Contradiction("NBD_FLAG_SEND_WRITE_ZEROES", self.number, True),)
            return Finding(
                about, tried, DISPROVED, f"at {start}, {size} bytes: other bytes are zeroes than were to be", against
            )
        return Finding(about, tried, NOT_DISPROVED, "read as zeroes, and nothing beside them")

    def _discard(self) -> Finding:
        about = "discard"
        tried = "NBD_CMD_TRIM over data, then reads"
        if not self.store.facts.can_discard:
            return Finding(about, "NBD_CMD_TRIM", UNTESTED, "the server does not offer it")
        place = self._fill(2 * len(_KINDS))
        size = 2 * self.scratch.unit
        before = self.store.read(place, size)
        self.store.trim(place, size)
        seen = [self.store.read(place, size) for _ in range(READS)]
        if any(data != seen[0] for data in seen):
            return Finding(about, tried, FACT, "reads differ from one another: what was discarded is not stable")
        what = (
            "zeroes" if not seen[0].strip(b"\0") else "what was there before" if seen[0] == before else "something else"
        )
        return Finding(about, tried, FACT, f"they return {what}")
