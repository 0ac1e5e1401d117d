"""Rows of the table: which are asked for, which of them mean something, and which are drawn when there are too many."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from tools.choices import PlanError

KIB = 1 << 10
MIB = 1 << 20
SERVERS = ("nbdkit", "nbd-server", "qemu-nbd")
OPS = ("write", "zeroes", "discard", "fua", "merged")
ZEROING = ("zeroes", "discard")
OVERLAPS = ("same", "partial", "smaller", "larger", "neighbour")
ORDERS = ("after", "before", "beside")
# The unit in which hawser lets several servers be written that state no smaller one; the smallest there is; and the most that
# stays one command four times over.
BLOCK = 4 * KIB
SECTOR = 512
SIZE_MAX = 4 * MIB
# The cache filter's own.
CACHE_BLOCK = 64 * KIB
# What is merged comes in so many pieces.
PIECES = 4
SIZES = (4 * KIB, 64 * KIB)
# Where on the disk the rows work; others' I/O stays below it.
BASE = 16 * MIB
ROWS_MAX = 2000
DRAWN = 10

FAULTS = {
    "timeout": "time-out, connection kept",
    "cut-hard": "our connection cut hard",
    "cut-orderly": "our connection cut orderly",
    "cut-quiesce": "cut hard, quiesce declared",
    "stop": "server SIGSTOP, later SIGCONT",
    "kill": "server SIGKILL, unix socket",
    "kill-tcp": "server SIGKILL, TCP",
    "hole": "black hole, healed later",
    "hole-quiesce": "black hole, quiesce declared",
    "cached": "time-out, write-back caches",
    "caches": "two write-back caches, no fault",
    "lost-cache": "lost cache, then a flush",
}
HOLES = ("hole", "hole-quiesce")
CACHES = ("caches", "lost-cache")
QUICK_FAULTS = ("timeout", "cut-hard", "stop", "kill", "caches", "lost-cache")


@dataclass(frozen=True)
class Variant:
    """One row. `size` in bytes: of the newer operation, or of the smaller of the two where they differ.

    Of the operations `fua` is a write with FUA, and `merged` one that comes in pieces, which hawser's queue may merge again. A
    discard of several ranges does not exist in NBD.

    `order` says when the newer one is sent: `after` the older one's retry is acknowledged, `before` that (the retry is under
    way), or `beside` the older one, before anything has gone wrong.
    """

    server: str
    fault: str
    older: str = "write"
    newer: str = "write"
    size: int = SIZES[0]
    overlap: str = "same"
    order: str = "after"

    def older_range(self) -> tuple[int, int]:
        """Offset and length in bytes."""
        size = self.size
        places = {
            "same": (BASE, size),
            "partial": (BASE, 2 * size),
            "smaller": (BASE, 4 * size),
            "larger": (BASE + size, size),
            "neighbour": (BASE, 512),
        }
        return places[self.overlap]

    def newer_range(self) -> tuple[int, int]:
        size = self.size
        places = {
            "same": (BASE, size),
            "partial": (BASE + size, 2 * size),
            "smaller": (BASE + size, size),
            "larger": (BASE, 4 * size),
            "neighbour": (BASE + 512, 512),
        }
        return places[self.overlap]

    def whole_range(self) -> tuple[int, int]:
        """What both together touch."""
        (a, a_size), (b, b_size) = self.older_range(), self.newer_range()
        start = min(a, b)
        return start, max(a + a_size, b + b_size) - start

    def why_not(self) -> str:
        """Why this row would show nothing, or nothing at all."""
        if self.overlap == "neighbour":
            if (self.fault, self.older, self.newer, self.order) != ("timeout", "write", "write", "after"):
                return "neighbour needs the fault timeout, write and write, and the order after"
        if self.older in ZEROING and self.newer in ZEROING:
            return "of two operations that both leave zeroes it cannot be told which was last"
        if self.fault in CACHES:
            if (self.overlap, self.order, self.older) != ("same", "after", "write"):
                return f"{self.fault} needs an older write, the overlap same and the order after"
            if self.newer not in ("write", "zeroes") or (self.fault == "lost-cache" and self.newer != "write"):
                return f"{self.fault} has no newer {self.newer}"
        if self.fault == "cached" and self.size % CACHE_BLOCK:
            return f"cached needs a multiple of {CACHE_BLOCK} bytes, the block of the cache"
        for op, (_, length) in ((self.older, self.older_range()), (self.newer, self.newer_range())):
            if op == "merged" and length % (PIECES * self.block()):
                return f"merged needs a multiple of {PIECES} blocks of {self.block()} bytes, such as --sizes 65536"
        return ""

    def block(self) -> int:
        """The block size that its servers must state for hawser to let it be written."""
        if self.fault == "cached":
            return CACHE_BLOCK
        return SECTOR if self.size % BLOCK else BLOCK


@dataclass(frozen=True)
class Asked:
    """What the command line asks for. Empty: the tool's own choice."""

    servers: tuple[str, ...] = SERVERS
    faults: tuple[str, ...] = ()
    ops: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    overlaps: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    quick: bool = False
    whole: bool = False
    drawn: int = DRAWN
    seed: int = 1


def sizes(what: str, text: str) -> tuple[int, ...]:
    """A list of sizes in bytes, such as `4096,65536`. PlanError where one is no multiple of a sector, or too large."""
    found: list[int] = []
    for word in text.split(",") if text else []:
        word = word.strip()
        right = word.isascii() and word.isdecimal() and len(word) < 12
        if not right or int(word) % SECTOR or not SECTOR <= int(word) <= SIZE_MAX:
            raise PlanError(f"{what}: {word!r} is not a multiple of {SECTOR} bytes from {SECTOR} to {SIZE_MAX}")
        if int(word) in found:
            raise PlanError(f"{what}: {word} is given twice")
        found.append(int(word))
    return tuple(found)


def make(asked: Asked) -> list[Variant]:
    """The rows: every fault once, every other choice once, and some drawn from all that is possible. PlanError if there are none.

    With `whole` every combination of what was asked for.
    """
    if asked.quick:
        rows = [row for server in asked.servers for row in _quick(asked, server)]
    elif asked.whole:
        rows = list(_all(asked, asked.servers))
    else:
        rows = [row for server in asked.servers for row in _usual(asked, server)]
    rows = list(dict.fromkeys(rows))
    possible = [row for row in rows if not row.why_not()]
    if not possible:
        raise PlanError(f"none of the rows asked for would show anything: {rows[0].why_not()}")
    if len(possible) > ROWS_MAX:
        raise PlanError(f"{len(possible)} rows are asked for, at most {ROWS_MAX} are run at once; ask for less")
    return possible


def _base(asked: Asked, server: str) -> Variant:
    """The first of everything that was asked for."""
    ops = asked.ops or ("write",)
    newer = "write" if ops[0] != "write" else ops[0]
    return Variant(
        server,
        (asked.faults or ("timeout",))[0],
        ops[0],
        newer,
        (asked.sizes or SIZES)[0],
        (asked.overlaps or ("same",))[0],
        (asked.orders or ("after",))[0],
    )


def _quick(asked: Asked, server: str) -> Iterator[Variant]:
    base = _base(asked, server)
    for fault in asked.faults or QUICK_FAULTS:
        yield _sized(asked, replace(base, fault=fault))


def _usual(asked: Asked, server: str) -> Iterator[Variant]:
    base = _base(asked, server)
    for fault in asked.faults or FAULTS:
        yield _sized(asked, replace(base, fault=fault))
    for older, newer in product(asked.ops or OPS, repeat=2):
        if not asked.ops:
            # One of the two is a plain write, or they are alike.
            if "write" in (older, newer) or older == newer:
                yield _sized(asked, replace(base, older=older, newer=newer))
            continue
        yield _sized(asked, replace(base, older=older, newer=newer))
        # One operation alone was asked for: it is set against a write, either way round.
        yield _sized(asked, replace(base, older=older, newer="write"))
        yield _sized(asked, replace(base, older="write", newer=newer))
    for size in asked.sizes or SIZES:
        yield replace(base, size=size)
    for overlap in asked.overlaps or OVERLAPS:
        yield replace(base, overlap=overlap)
    for order in asked.orders or ORDERS:
        yield replace(base, order=order)
    rng = random.Random(f"{asked.seed} {server}")
    possible = [row for row in _all(asked, (server,)) if not row.why_not()]
    yield from rng.sample(possible, min(asked.drawn, len(possible)))


def _sized(asked: Asked, row: Variant) -> Variant:
    """With the first size that its operations can have."""
    sized = [replace(row, size=size) for size in asked.sizes or SIZES]
    return next((each for each in sized if not each.why_not()), row)


def _all(asked: Asked, servers: Sequence[str]) -> Iterator[Variant]:
    ops = asked.ops or OPS
    pairs = [(older, newer) for older in ops for newer in ops]
    if "write" not in ops:
        pairs = [(op, "write") for op in ops] + [("write", op) for op in ops] + pairs
    for server, fault, (older, newer), size, overlap, order in product(
        servers,
        asked.faults or tuple(FAULTS),
        pairs,
        asked.sizes or SIZES,
        asked.overlaps or OVERLAPS,
        asked.orders or ORDERS,
    ):
        yield Variant(server, fault, older, newer, size, overlap, order)
