"""Hazards: six ways in which naive multipath loses acknowledged data, as plans of a few I/Os.

Each loses data with the fences off and none with them on (tests/lab/test_hazards.py). `hawser lab hazards` writes
docs/hazards.md and its figures from them. The same on real servers: the scripts named here, and the interop tests that do it
through hawser.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hawser.core.status import MEDIUM
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.plan import ClientPlan, Op, PathPlan, Plan, ServerPlan, Step
from hawser.lab.shrink import BACK

START_NS: Final = 100 * NS_PER_MS
BEFORE_NS: Final = 50 * NS_PER_MS
SECTORS: Final = 8


@dataclass(frozen=True)
class Hazard:
    """`kind` is what the judge says with the fences off (hawser.lab.shrink.kind_of); `happens` and `rule` are paragraphs."""

    name: str
    title: str
    happens: str
    rule: str
    script: str
    tests: str
    make: Callable[[], Plan]
    kind: str = BACK

    def plan(self, fences: bool) -> Plan:
        """With `fences` everything that hawser does about it: the blocks that servers rewrite are known, too."""
        plan = self.make()
        plan.name = self.name
        plan.unsafe_no_fence = not fences
        if fences:
            plan.declared_unit_sectors = plan.unit_sectors
        return plan


def _plan(paths: int, ops: list[Op], steps: list[Step], depth: int = 1) -> Plan:
    """One LUN behind as many servers as paths, used in turns. A path waits long for late answers: they are the best proof."""
    table = f"0 {SECTORS} multipath 3 queue_if_no_path queue_mode rq 0 1 1 round-robin 0 {paths} 0 "
    return Plan(
        size_sectors=SECTORS,
        tables=[table + " ".join(f"{{p{number}}}" for number in range(paths))],
        servers=[ServerPlan() for _ in range(paths)],
        paths=[
            PathPlan(number, cache="lun", io_timeout_ns=NS_PER_S, linger_ns=10 * NS_PER_S) for number in range(paths)
        ],
        clients=[ClientPlan("c", ops, depth=depth, start_ns=START_NS)],
        steps=steps,
        manager=False,
    )


def _late(server: int, seconds: float, word: str = "write") -> Step:
    return Step(BEFORE_NS, "execute_late", f"s{server}", int(seconds * NS_PER_S), word=word)


def _read(sector: int = 0, after_s: float = 0) -> Op:
    return Op("read", sector, 1, barrier=True, delay_ns=int(after_s * NS_PER_S))


def _write(sector: int = 0, barrier: bool = False) -> Op:
    return Op("write", sector, 1, barrier=barrier)


def _ghost_after_retry() -> Plan:
    return _plan(2, [_write(), _write(), _read(after_s=2.5)], [_late(0, 3)])


def _ghost_of_the_retry() -> Plan:
    return _plan(3, [_write(), _write(), _read(after_s=2.5)], [_late(0, 1.5), _late(1, 3)])


def _in_flight_overlap() -> Plan:
    plan = _plan(2, [_write(), _write(), _read(), _read(after_s=2)], [_late(0, 3), _late(1, 1.3)], depth=2)
    # The second write is slow, and not given up.
    plan.paths[1].io_timeout_ns = 3 * NS_PER_S
    return plan


def _unacknowledged_read() -> Plan:
    refusal = Step(BEFORE_NS, "error", "s1", amount=MEDIUM, word="write")
    return _plan(2, [_write(), _read(), _read(after_s=2.5)], [_late(0, 3), refusal])


def _black_hole_send_queue() -> Plan:
    return _plan(2, [_write(), _write(), _read(after_s=3.5)], [Step(BEFORE_NS, "black_hole", "p0", 4 * NS_PER_S)])


def _rmw_neighbour() -> Plan:
    slow = Step(BEFORE_NS, "slow", "s0", 100 * NS_PER_MS, amount=30_000)
    plan = _plan(2, [_write(0), _write(1), _read(1, after_s=2.5)], [slow])
    plan.unit_sectors = SECTORS
    return plan


HAZARDS: Final = (
    Hazard(
        "ghost-after-retry",
        "The ghost after the retry",
        "Write 1 hangs in the first server. It is given up after the I/O timeout, retried on the other path and "
        "acknowledged; so is write 2 to the same sector. Then the first server wakes up and executes write 1: what "
        "the client was told is gone.",
        "A write of unknown fate is an *orphan*. While it lives, writes that overlap it wait: write 2 is sent only "
        "when the late answer has proved that the orphan can do no more harm.",
        "hazards/ghost-write.py",
        "tests/interop/test_ghost_writes.py",
        _ghost_after_retry,
    ),
    Hazard(
        "ghost-of-the-retry",
        "The ghost of the retry",
        "The retry hangs, too, and a third path gets write 1 acknowledged. The first ghost lands early and does no "
        "harm; the second one lands on write 2.",
        "Every copy of a write counts, retries included: each is an orphan until it is answered. Two fences stand "
        "here, and the answer to the first copy lifts only one of them.",
        "hazards/ghost-write.py",
        "tests/interop/test_ghost_writes.py",
        _ghost_of_the_retry,
    ),
    Hazard(
        "in-flight-overlap",
        "An overlapping write in flight",
        "Writes 1 and 2 to one sector are on their way at once, on two paths. Write 1 is given up and its retry is "
        "done before write 2, which is slow. Both are acknowledged, and a read returns write 2. Then the ghost of "
        "write 1 lands. No fence could have stopped write 2: it was sent before there was an orphan.",
        "If an overlapping write was in flight beside the orphan, the acknowledgement itself waits: as long as write "
        "1 is not acknowledged, nobody may rely on write 2 having come last.",
        "hazards/ghost-write.py",
        "tests/multipath/test_fences.py",
        _in_flight_overlap,
    ),
    Hazard(
        "unacknowledged-read",
        "A read beside an unacknowledged write",
        "Write 1 is given up, its retry meets a medium error, and the client is told that it failed. A read returns "
        "the old content, as it may. Then the ghost lands, and the next read returns what had failed and was not "
        "there.",
        "Reads pass an orphan only where its write was acknowledged. Else they wait, too.",
        "hazards/ghost-write.py",
        "tests/multipath/test_fences.py",
        _unacknowledged_read,
    ),
    Hazard(
        "black-hole-send-queue",
        "The ghost in our own send queue",
        "The wire to the first server passes nothing. Write 1 sits in our own TCP send queue; it is given up, retried"
        " on the other path and acknowledged, as is write 2. When the wire heals, the kernel sends write 1 after all.",
        "What was handed to the transport is an orphan wherever it may be. As long as the connection stands its late "
        "answer is a proof; when it is given up it is *reset*, which discards what sits in the queue, and only then "
        "does a declared quiesce time begin.",
        "hazards/black-hole-send-queue.py",
        "tests/interop/test_black_hole.py",
        _black_hole_send_queue,
    ),
    Hazard(
        "rmw-neighbour",
        "The neighbour in the same block",
        "The servers rewrite blocks of eight sectors. The first one has read the block to change sector 0, and hangs."
        " Write 1 is retried on the other path and acknowledged; so is write 2 to sector 1. Then the first server "
        "writes its block back, with the old sector 1.",
        "The block size of the export is at least the largest block that a server may read, modify and write back. A "
        "smaller write is refused, as here, and a client that keeps to the block size never has two neighbours in one"
        " such block. Fences are rounded out to it as well.",
        "hazards/rmw-neighbour.py",
        "tests/interop/test_read_modify_write.py",
        _rmw_neighbour,
    ),
)
