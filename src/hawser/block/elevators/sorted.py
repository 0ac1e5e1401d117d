"""Sorted: nodes in the order of the sectors at which their requests begin; of equal ones the newest last.

Linux: a red-black tree of requests (elv_rb_add() and its kin in block/elevator.c). A sorted list with binary search does the
same: taking one out moves the rest by one place, which for the few thousand that may wait is a copy of some pages at most.
"""

from bisect import bisect_left, bisect_right

from hawser.block.elevators.node import Node


class Sorted:
    """Keys and nodes side by side, so that what is compared is numbers."""

    def __init__(self) -> None:
        self._keys: list[int] = []
        self._nodes: list[Node] = []

    def add(self, node: Node) -> None:
        sector = node.request.sector
        node.key = sector
        place = bisect_right(self._keys, sector)
        self._keys.insert(place, sector)
        self._nodes.insert(place, node)

    def remove(self, node: Node) -> None:
        place = self._place(node)
        del self._keys[place]
        del self._nodes[place]

    def from_sector(self, sector: int) -> Node | None:
        """The first one that begins at `sector` or behind."""
        place = bisect_left(self._keys, sector)
        return self._nodes[place] if place < len(self._nodes) else None

    def neighbour(self, node: Node, step: int) -> Node | None:
        """The one that is `step` places behind `node`."""
        place = self._place(node) + step
        return self._nodes[place] if 0 <= place < len(self._nodes) else None

    def _place(self, node: Node) -> int:
        place = bisect_left(self._keys, node.key)
        while self._nodes[place] is not node:
            place += 1
        return place
