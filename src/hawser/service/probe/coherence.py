"""Caches: what is written through one connection or server must be what is read through another.

With one URI both ends are connections to one server; with two they are the two servers, each once as the writer. A read goes
ahead of each write, so that a server that remembers what it has read has something to remember. Then both write the same
block, one after the other, and both flush: an old write-back must not come over the newer data.
"""

from time import monotonic, sleep
from typing import Final

from hawser.multipath.disk import CACHE_LUN, CACHE_NONE
from hawser.paths.uri import PathUri
from hawser.service.probe.finding import DISPROVED, NOT_DISPROVED, UNTESTED, Contradiction, Finding, seconds
from hawser.service.probe.scratch import Scratch, Stamps
from hawser.service.probe.store import Store

ROUNDS: Final = 16
ROUNDS_SECONDS: Final = 5.0
# How long a stale read is repeated.
STALE_SECONDS: Final = 1.0
STALE_POLL_SECONDS: Final = 0.05
OVERWRITES: Final = 8
SAME_DISK_TRIES: Final = 8
# How much of a block is looked at.
LOOK_BYTES: Final = 4096

MULTI_CONN: Final = "NBD_FLAG_CAN_MULTI_CONN"


def against_cache(uris: list[PathUri]) -> tuple[Contradiction, ...]:
    """One cache behind all: what each URI declares of that, or would be wrong to declare."""
    found: list[Contradiction] = []
    for number, uri in enumerate(uris):
        for cache in (CACHE_LUN, CACHE_NONE):
            found.append(Contradiction(f"cache={cache}", number, uri.cache == cache))
    return tuple(found)


class Coherence:
    """`stores` are the two ends, `uris` one or two; `multi_conn`: whether the one server says CAN_MULTI_CONN."""

    def __init__(
        self, stores: tuple[Store, Store], uris: list[PathUri], scratch: Scratch, stamps: Stamps, multi_conn: bool
    ) -> None:
        self.stores = stores
        self.uris = uris
        self.scratch = scratch
        self.stamps = stamps
        self.multi_conn = multi_conn
        self.is_coherent = True
        self._block = 0

    def same_disk(self) -> Finding | None:
        """With two URIs: whether anything that was written and flushed through the first is found through the second. A
        finding if not: then nothing else can be told."""
        writer, reader = self.stores
        for _ in range(SAME_DISK_TRIES):
            place, number = self._write(writer, False)
            writer.flush()
            if self._read(reader, place) == number:
                return None
        self.is_coherent = False
        tried = f"{SAME_DISK_TRIES} blocks written and flushed through URI 1, each read through URI 2"
        evidence = "none of them is there: another disk, or caches that flushing does not make one"
        return Finding("cache=lun, cache=none", tried, DISPROVED, evidence, against_cache(self.uris))

    def check(self) -> list[Finding]:
        found = [self._stale("written", False, False)]
        if all(store.facts.can_fua for store in self.stores):
            found.append(self._stale("written with FUA", True, False))
        if all(store.facts.can_flush for store in self.stores):
            found.append(self._stale("written and flushed", False, True))
        found.append(self._write_back())
        return found

    # Stale reads.

    def _stale(self, what: str, fua: bool, flush: bool) -> Finding:
        deadline = monotonic() + ROUNDS_SECONDS
        rounds = 0
        stale = 0
        evidence = ""
        while rounds < ROUNDS and (rounds < 2 or monotonic() < deadline):
            writer, reader = self.stores if rounds % 2 == 0 else self.stores[::-1]
            rounds += 1
            self._read(reader, self.scratch.block(self._block))
            place, number = self._write(writer, fua)
            if flush:
                writer.flush()
            if self._read(reader, place) != number:
                stale += 1
                if not evidence:
                    evidence = self._repeat(reader, place, number, writer is self.stores[0])
        tried = f"{rounds} blocks {what} through {self._end(True)} or {self._end(False)}, each read at once through the other"
        if not stale:
            return Finding("cache=lun, cache=none", tried, NOT_DISPROVED, "each read returned what was written")
        self.is_coherent = False
        against = against_cache(self.uris)
        if self.multi_conn and (fua or flush):
            against += (Contradiction(MULTI_CONN, 0, False),)
        return Finding("cache=lun, cache=none", tried, DISPROVED, f"{stale} reads were stale: {evidence}", against)

    def _repeat(self, reader: Store, place: int, number: int, first_wrote: bool) -> str:
        """How long a read stays stale."""
        began = monotonic()
        ways = (
            f"written through {self._end(first_wrote)}, acknowledged, and not seen through {self._end(not first_wrote)}"
        )
        while monotonic() - began < STALE_SECONDS:
            sleep(STALE_POLL_SECONDS)
            if self._read(reader, place) == number:
                return f"at {place}, {ways} for {seconds(monotonic() - began)}"
        return f"at {place}, {ways} in {seconds(STALE_SECONDS)} either"

    # Old data over new.

    def _write_back(self) -> Finding:
        wrong = 0
        evidence = ""
        for round_number in range(OVERWRITES):
            first, second = self.stores if round_number % 2 == 0 else self.stores[::-1]
            place, old = self._write(first, False)
            new = self.stamps.next()
            second.write(place, self.stamps.content(new, self.scratch.unit))
            second.flush()
            first.flush()
            seen = [self._read(store, place) for store in self.stores]
            if seen != [new, new]:
                wrong += 1
                if not evidence:
                    kinds = {old: "the older write", new: "the newer write"}
                    said = [f"{self._end(end)} returns {kinds.get(seen[not end], 'neither')}" for end in (True, False)]
                    words = " and ".join(said)
                    evidence = f"at {place}, {words}, when both had flushed"
        tried = f"{OVERWRITES} blocks written through one and again, newer, through the other; then both flushed"
        if not wrong:
            return Finding("cache=lun, cache=none", tried, NOT_DISPROVED, "the newer write is what both return")
        self.is_coherent = False
        evidence = f"{wrong} times not the newer write alone: {evidence}"
        return Finding("cache=lun, cache=none", tried, DISPROVED, evidence, against_cache(self.uris))

    def _end(self, first: bool) -> str:
        number = 1 if first else 2
        return f"URI {number}" if len(self.uris) > 1 else f"connection {number}"

    def _write(self, store: Store, fua: bool) -> tuple[int, int]:
        """The next block, as a whole; where it is, and the number of the write."""
        place = self.scratch.block(self._block)
        self._block += 1
        number = self.stamps.next()
        store.write(place, self.stamps.content(number, self.scratch.unit), fua)
        return place, number

    def _read(self, store: Store, place: int) -> int:
        return self.stamps.of(store.read(place, min(self.scratch.unit, max(LOOK_BYTES, store.facts.block_size))))


def untestable(uris: list[PathUri]) -> list[Finding]:
    """What of `cache` nobody can see from here."""
    tried = "a server with a cache of its own that ends before it has written back"
    found = [Finding("cache=none", tried, UNTESTED, "the server would have to be killed, or the power cut")]
    if len(uris) == 1:
        evidence = "that takes a second URI: hawser probe URI URI2 --scratch RANGE"
        found.append(Finding("cache=lun", "another server of the same disk", UNTESTED, evidence))
    return found
