"""Neighbours: two writes side by side, at once, through two connections or servers. Is one of them lost?

A server that works in larger blocks than it was asked to write reads such a block, puts the write in, and writes it back; a
neighbour's write that came in between is wiped. hawser makes the export's blocks at least as large as the unit that a server
states (4096 where it states none), so within that unit a loss is a fact about the server; across two of them it takes away
what hawser relies on.
"""

from time import monotonic
from typing import Final

from hawser.service.probe.finding import DISPROVED, FACT, NOT_DISPROVED, UNTESTED, Contradiction, Finding
from hawser.service.probe.scratch import Scratch, Stamps
from hawser.service.probe.store import Store

ROUNDS: Final = 200
ROUNDS_SECONDS: Final = 1.0


class Neighbours:
    """`stores` are the two ends; `two_servers` where they are of two URIs."""

    def __init__(self, stores: tuple[Store, Store], scratch: Scratch, stamps: Stamps, two_servers: bool) -> None:
        self.stores = stores
        self.scratch = scratch
        self.stamps = stamps
        self.two_servers = two_servers

    def check(self) -> list[Finding]:
        small = max(store.facts.block_size for store in self.stores)
        unit = max(store.facts.rmw_unit for store in self.stores)
        found: list[Finding] = []
        if small < unit:
            rounds, lost = self._play(small, unit)
            tried = self._tried(rounds, small)
            evidence = f"{lost} lost" if lost else "none was lost"
            if lost:
                evidence += f"; hawser takes no smaller writes than {unit} bytes over several such servers"
            found.append(Finding("read-modify-write", tried, FACT, evidence))
        else:
            found.append(
                Finding(
                    "read-modify-write",
                    "smaller writes side by side",
                    UNTESTED,
                    f"its blocks are of {unit} bytes already",
                )
            )
        rounds, lost = self._play(unit, 2 * unit)
        tried = self._tried(rounds, unit)
        if lost:
            against = tuple(
                Contradiction(f"preferred block size {store.facts.rmw_unit}", number if self.two_servers else 0, True)
                for number, store in enumerate(self.stores[: 2 if self.two_servers else 1])
                if store.uri.is_nbd()
            )
            found.append(
                Finding("read-modify-write", tried, DISPROVED, f"{lost} lost: it rewrites larger blocks", against)
            )
        else:
            found.append(Finding("read-modify-write", tried, NOT_DISPROVED, "none was lost"))
        return found

    def _tried(self, rounds: int, size: int) -> str:
        how = "the two servers" if self.two_servers else "two connections"
        return f"{rounds} pairs of writes of {size} bytes side by side, at once, through {how}"

    def _play(self, size: int, within: int) -> tuple[int, int]:
        """Pairs of writes of `size` within aligned blocks of `within` bytes: how many, and how many of them lost one."""
        deadline = monotonic() + ROUNDS_SECONDS
        rounds = 0
        lost = 0
        while rounds < ROUNDS and monotonic() < deadline:
            block = self.scratch.start + rounds % (self.scratch.length // within) * within
            place = block + rounds // 2 % (within // size - 1) * size
            places = (place, place + size) if rounds % 2 == 0 else (place + size, place)
            rounds += 1
            numbers = (self.stamps.next(), self.stamps.next())
            data = (self.stamps.content(numbers[0], size), self.stamps.content(numbers[1], size))
            self.stores[0].write_both(self.stores[1], places, data)
            if any(self.stamps.of(self.stores[0].read(places[end], size)) != numbers[end] for end in (0, 1)):
                lost += 1
        return rounds, lost
