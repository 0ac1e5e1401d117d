"""Node: what an elevator keeps about a request that it holds: class, direction, deadline, and where it stands in its lists.

Linux: the members of struct request that belong to the elevator (`elv`, `rb_node`, `hash`, `fifo_time`).
"""

from typing import Final

from hawser.block.elevators.base import Elevator
from hawser.block.ops import READ
from hawser.block.request import ElevatorNode, Request

READS: Final = 0
WRITES: Final = 1

REAL_TIME: Final = 0
BEST_EFFORT: Final = 1
IDLE: Final = 2

# Linux: IOPRIO_CLASS_SHIFT; classes are none, real time, best effort, idle.
CLASS_SHIFT: Final = 13
_CLASSES: Final = (BEST_EFFORT, REAL_TIME, BEST_EFFORT, IDLE)


class Node(ElevatorNode):
    """`key` is the sector that it is sorted by, `hashed_end` that which it is hashed by (-1: it is not), with a link to the next
    older one there; `is_listed`: it is in sorted list and arrival list, of which `before` and `after` are the links."""

    def __init__(self, request: Request, elevator: Elevator, prio: int, direction: int) -> None:
        self.request = request
        self.elevator = elevator
        self.prio = prio
        self.direction = direction
        self.expires_ns = 0
        self.key = 0
        self.hashed_end = -1
        self.hashed_before: Node | None = None
        self.is_listed = False
        self.before: Node | None = None
        self.after: Node | None = None


def class_of(ioprio: int) -> int:
    """The priority class; no class counts as best effort."""
    return _CLASSES[ioprio >> CLASS_SHIFT & 3]


def direction_of(op: int) -> int:
    return READS if op == READ else WRITES
