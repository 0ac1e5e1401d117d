"""Rows of the tables: which there are, which mean something, and what bound each has to keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tools.choices import PlanError

SERVERS = ("nbdkit", "nbd-server", "qemu-nbd")
FAULTS = {"kill": "server SIGKILL", "stop": "server SIGSTOP", "hole": "black hole"}
TRANSPORTS = ("unix", "tcp")
# What the servers' caches are said to be, and how the paths are grouped.
CACHES = ("lun", "lun-multibus", "path")
MODES = ("rq", "bio")
LOADS = ("read", "write", "randrw")
TIMEOUTS_S = (1.0, 2.0)
KILL_BOUND_S = 0.020
BEYOND_TIMEOUT_S = 1.0
TRIALS = 10
# Trials of what takes seconds each.
LONG_TRIALS = 3
# Where a cache is lost that nothing can be proved of, this declaration lets the rest go on.
QUIESCE_S = 0.5


@dataclass(frozen=True)
class Variant:
    """One row. Times in seconds; `io_timeout_s` 0: hawser's own."""

    server: str
    fault: str
    transport: str = "unix"
    caches: str = "lun"
    queue_mode: str = "rq"
    load: str = "randrw"
    io_timeout_s: float = 0.0

    @property
    def cache(self) -> str:
        return "path" if self.caches == "path" else "lun"

    @property
    def grouping(self) -> str:
        return "multibus" if self.caches == "lun-multibus" else "failover"

    @property
    def quiesce_s(self) -> float:
        """What is declared. Nothing proves over TCP that a server's cache is gone."""
        needs_it = self.cache == "path" and (self.transport == "tcp" or self.fault != "kill")
        return QUIESCE_S if needs_it and self.load != "read" else 0.0

    def bound_s(self) -> float:
        """What its stalls must not exceed; 0 where all I/O may have to wait for a proof. A kill is judged by its median."""
        if self.cache == "path" and self.load != "read":
            return 0.0
        return KILL_BOUND_S if self.fault == "kill" else self.io_timeout_s + BEYOND_TIMEOUT_S

    def why_not(self) -> str:
        """Why this row cannot be, or shows nothing."""
        if self.fault == "hole" and (self.transport != "tcp" or self.server != "nbdkit"):
            return "a black hole needs the transport tcp and the server nbdkit"
        if self.fault == "stop" and self.cache == "path" and self.load != "read":
            return "a stopped server's cache can neither be flushed nor proved gone before it goes on"
        return ""


@dataclass(frozen=True)
class Asked:
    """What the command line asks for. Empty: the tool's own choice."""

    servers: tuple[str, ...] = ("nbdkit",)
    faults: tuple[str, ...] = ()
    transports: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    loads: tuple[str, ...] = ()
    timeouts_s: tuple[float, ...] = ()


def seconds(what: str, text: str) -> tuple[float, ...]:
    """A list of times in seconds, such as `1,2.5`. PlanError where one is none, or out of proportion."""
    found: list[float] = []
    for word in text.split(",") if text else []:
        try:
            value = float(word)
        except ValueError:
            value = 0.0
        if not 0.2 <= value <= 60:
            raise PlanError(f"{what}: {word!r} is not a number of seconds from 0.2 to 60")
        found.append(value)
    return tuple(found)


def make(asked: Asked) -> list[Variant]:
    """The rows, kills first. PlanError if none of those that were asked for can be."""
    rows: list[Variant] = []
    for server, fault in product(asked.servers, asked.faults or tuple(FAULTS)):
        rows += _kills(asked, server) if fault == "kill" else _slow(asked, server, fault)
    rows.sort(key=lambda row: list(FAULTS).index(row.fault))
    possible = [row for row in rows if not row.why_not()]
    if not possible:
        raise PlanError(f"none of the rows asked for can be played: {rows[0].why_not()}")
    return possible


def _kills(asked: Asked, server: str) -> Iterator[Variant]:
    kinds = product(asked.transports or TRANSPORTS, asked.caches or CACHES, asked.modes or MODES, asked.loads or LOADS)
    for transport, caches, mode, load in kinds:
        yield Variant(server, "kill", transport, caches, mode, load)


def _slow(asked: Asked, server: str, fault: str) -> Iterator[Variant]:
    """Of what takes seconds each, the whole product only where it is asked for."""
    transports = asked.transports or (("tcp",) if fault == "hole" else TRANSPORTS)
    caches = asked.caches or ("lun", "lun-multibus")
    timeouts = asked.timeouts_s or (TIMEOUTS_S if fault == "hole" else TIMEOUTS_S[:1])
    loads = asked.loads or ("randrw",)
    for transport, kind, mode, load, timeout_s in product(transports, caches, asked.modes or MODES, loads, timeouts):
        yield Variant(server, fault, transport, kind, mode, load, timeout_s)
    if not asked.caches and fault == "hole" and "tcp" in transports:
        # What the default costs where nothing but a declaration lets go.
        yield Variant(server, fault, "tcp", "path", (asked.modes or MODES)[0], loads[0], timeouts[0])
