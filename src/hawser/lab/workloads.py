"""Workloads: what clients ask for, as lists of Op drawn from an Rng.

Free ones in the manner of fio (sizes and places are drawn apart from each other), and disciplined ones that do what file systems
and databases do, whose barriers, flushes and FUA writes promise something that can be judged. Everything is a multiple of a
ground's `unit` and lies within it. Only integers are drawn, so that a plan is the same on every machine.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isqrt
from typing import Final

from hawser.core.rng import Rng
from hawser.lab.plan import Op

# Sizes and places are drawn in units of the ground.
Size = Callable[[Rng], int]
Place = Callable[[Rng, int], int]


@dataclass(frozen=True)
class Ground:
    """The stretch of the disk that a workload uses: [first, first + length) sectors, in blocks of `unit` sectors."""

    first: int
    length: int
    unit: int = 1

    def __post_init__(self) -> None:
        if self.unit < 1 or self.first % self.unit or self.length < self.unit:
            raise ValueError(f"{self} holds no whole block")

    def blocks(self) -> int:
        return self.length // self.unit

    def part(self, start: int, blocks: int) -> "Ground":
        """`blocks` blocks from block `start` on."""
        return Ground(self.first + start * self.unit, blocks * self.unit, self.unit)

    def op(self, word: str, block: int, blocks: int, fua: bool = False, barrier: bool = False) -> Op:
        """An Op on whole blocks, cut off at the end of the ground."""
        blocks = min(blocks, self.blocks() - block)
        return Op(word, self.first + block * self.unit, blocks * self.unit, fua, barrier)


# Sizes.


def fixed(blocks: int) -> Size:
    return lambda rng: blocks


def uniform(low: int, high: int) -> Size:
    return lambda rng: rng.between(low, high)


def bimodal(small: int, large: int, large_percent: int = 20) -> Size:
    """Mostly small ones, like 4K/64K of databases with scans."""
    return lambda rng: large if rng.below(100) < large_percent else small


# Places. Each is told how many blocks the I/O wants, and gives the first one.


def anywhere(ground: Ground) -> Place:
    return lambda rng, size: rng.below(max(1, ground.blocks() - size + 1))


def hot_spot(ground: Ground, rng: Rng, blocks: int, percent: int = 80) -> Place:
    """`percent` of the I/O goes to one stretch of `blocks` blocks."""
    blocks = min(blocks, ground.blocks())
    start = rng.below(ground.blocks() - blocks + 1)
    elsewhere = anywhere(ground)
    return lambda rng, size: start + rng.below(blocks) if rng.below(100) < percent else elsewhere(rng, size)


ZIPF_SCALE: Final = 1 << 40


def zipf(ground: Ground, rng: Rng, theta_quarters: int = 4) -> Place:
    """The k-th hottest block has a weight of k^-theta; theta is in quarters (4: the classical one). Hot ones lie anywhere."""
    ranks = list(range(ground.blocks()))
    for place in range(len(ranks) - 1, 0, -1):
        other = rng.below(place + 1)
        ranks[place], ranks[other] = ranks[other], ranks[place]
    sums: list[int] = []
    total = 0
    for k in range(1, len(ranks) + 1):
        # k^(q/4) * 2^16 by integer roots: the same on every machine, as pow() need not be.
        total += ZIPF_SCALE // isqrt(isqrt(k**theta_quarters << 64))
        sums.append(total)
    return lambda rng, size: ranks[bisect_right(sums, rng.below(total))]


class Runs:
    """Sequential runs of about `length` I/Os, each beginning anywhere."""

    def __init__(self, ground: Ground, length: int) -> None:
        self.ground = ground
        self.length = length
        self.next = 0
        self.left = 0

    def __call__(self, rng: Rng, size: int) -> int:
        if self.left == 0 or self.next >= self.ground.blocks():
            self.left = rng.between(1, 2 * self.length - 1)
            self.next = rng.below(self.ground.blocks())
        self.left -= 1
        start = self.next
        self.next += size
        return start


# Free workloads.


@dataclass(frozen=True)
class Mix:
    """Weights of what is asked for, and how many writes in a hundred are FUA, how many ops wait for all before them."""

    read: int = 50
    write: int = 40
    discard: int = 0
    zero: int = 0
    flush: int = 4
    fua_percent: int = 5
    barrier_percent: int = 3

    def draw(self, rng: Rng) -> str:
        weights = {
            "read": self.read,
            "write": self.write,
            "discard": self.discard,
            "zero": self.zero,
            "flush": self.flush,
        }
        place = rng.below(sum(weights.values()))
        for word, weight in weights.items():
            if place < weight:
                return word
            place -= weight
        raise AssertionError("weights add up")


def mixed(rng: Rng, ground: Ground, total: int, mix: Mix, size: Size, place: Place) -> list[Op]:
    """fio's randrw and its relatives."""
    ops: list[Op] = []
    for _ in range(total):
        word = mix.draw(rng)
        barrier = rng.below(100) < mix.barrier_percent
        if word == "flush":
            ops.append(Op("flush", barrier=barrier))
            continue
        blocks = max(1, min(size(rng), ground.blocks()))
        start = place(rng, blocks)
        fua = word != "read" and rng.below(100) < mix.fua_percent
        ops.append(ground.op(word, start, blocks, fua, barrier))
    return ops


def racer(rng: Rng, ground: Ground, total: int, hot_blocks: int = 4) -> list[Op]:
    """Overlapping reads and writes of a few blocks: several clients with the same ground race each other."""
    hot = ground.part(0, min(hot_blocks, ground.blocks()))
    mix = Mix(read=45, write=45, discard=2, zero=3, flush=3, fua_percent=5, barrier_percent=0)
    return mixed(rng, hot, total, mix, uniform(1, max(1, hot.blocks() - 1)), anywhere(hot))


def burst(rng: Rng, ground: Ground, total: int, length: int, gap_ns: int, write_percent: int = 50) -> list[Op]:
    """`length` small I/Os at once, then a pause: for an open loop. Every other block only, so that nothing merges."""
    ops: list[Op] = []
    for number in range(total):
        word = "write" if rng.below(100) < write_percent else "read"
        op = ground.op(word, rng.below((ground.blocks() + 1) // 2) * 2, 1)
        if number and number % length == 0:
            op.delay_ns = gap_ns
        ops.append(op)
    return ops


# Disciplined workloads.


def file_system(rng: Rng, ground: Ground, total: int) -> list[Op]:
    """A journalling file system in ordered mode: data, then the journal, then a commit block that makes it durable, and later the
    checkpoint that writes home what the journal holds. Without FUA the commit block stands between two flushes; with it the first
    one may be a part of it (PREFLUSH).

    Linux: jbd2. The journal is a ring in the first quarter of the ground.
    """
    if ground.blocks() < 4:
        raise ValueError("a file system needs 4 blocks")
    journal = ground.part(0, max(2, ground.blocks() // 4))
    home = ground.part(journal.blocks(), ground.blocks() - journal.blocks())
    with_fua, preflush = rng.chance(1, 2), rng.chance(1, 2)
    place, head = anywhere(home), 0
    ops: list[Op] = []
    pending: list[Op] = []
    while len(ops) < total:
        ops += [home.op("write", place(rng, 1), rng.between(1, 2)) for _ in range(rng.between(1, 4))]
        ops += [home.op("read", place(rng, 1), rng.between(1, 2)) for _ in range(rng.below(2))]
        for _ in range(rng.between(1, 2)):
            ops.append(journal.op("write", head, 1))
            head = (head + 1) % journal.blocks()
        ops += _commit(journal.op("write", head, 1), with_fua, preflush)
        head = (head + 1) % journal.blocks()
        pending.append(home.op("write", place(rng, 1), 1))
        if len(pending) >= 3:
            ops += [*pending, Op("flush", barrier=True), replace(journal.op("discard", head, 1), barrier=True)]
            pending = []
    return ops[:total]


def _commit(block: Op, with_fua: bool, preflush: bool) -> list[Op]:
    flush = Op("flush", barrier=True)
    if with_fua and preflush:
        return [replace(block, fua=True, preflush=True, barrier=True)]
    if with_fua:
        return [flush, replace(block, fua=True, barrier=True)]
    return [flush, replace(block, barrier=True), replace(flush)]


def database(rng: Rng, ground: Ground, total: int) -> list[Op]:
    """A database with a write-ahead log: every append is made durable, pages are written lazily, a checkpoint flushes them all.

    Reads go to pages that were written not long ago. The log is a ring in the first quarter of the ground.
    """
    if ground.blocks() < 4:
        raise ValueError("a database needs 4 blocks")
    log = ground.part(0, max(1, ground.blocks() // 4))
    pages = ground.part(log.blocks(), ground.blocks() - log.blocks())
    with_fua = rng.chance(1, 2)
    hot = zipf(pages, rng)
    head = 0
    recent = [hot(rng, 1)]
    ops: list[Op] = []
    while len(ops) < total:
        ops.append(log.op("write", head, 1, fua=with_fua, barrier=with_fua and rng.chance(1, 2)))
        if not with_fua:
            ops.append(Op("flush", barrier=True))
        head = (head + 1) % log.blocks()
        if rng.chance(1, 2):
            recent = [*recent[-7:], hot(rng, 1)]
            ops.append(pages.op("write", recent[-1], 1))
        ops += [pages.op("read", recent[rng.below(len(recent))], 1) for _ in range(rng.below(3))]
        if rng.chance(1, 6):
            ops.append(Op("flush", barrier=True))
    return ops[:total]


# Time.


def paced(ops: list[Op], rng: Rng, span_ns: int, clump: int = 4) -> list[Op]:
    """The same ops over about `span_ns`, in clumps of about `clump`, with pauses between them. Delays that are there stay."""
    pauses = max(1, len(ops) // max(1, clump))
    mean_ns = max(1, span_ns // pauses)
    for op in ops[1:]:
        if op.delay_ns == 0 and rng.below(max(1, clump)) == 0:
            op.delay_ns = rng.below(2 * mean_ns)
    return ops
