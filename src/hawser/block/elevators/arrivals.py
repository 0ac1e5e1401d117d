"""Arrivals: nodes in the order in which they came, from the middle of which one may be taken.

Linux: a list_head of struct dd_per_prio (`fifo_list`).
"""

from hawser.block.elevators.node import Node


class Arrivals:
    """A doubly linked list."""

    def __init__(self) -> None:
        self.first: Node | None = None
        self._last: Node | None = None

    def append(self, node: Node) -> None:
        self._link(self._last, node, None)

    def remove(self, node: Node) -> None:
        before, after = node.before, node.after
        if before is None:
            self.first = after
        else:
            before.after = after
        if after is None:
            self._last = before
        else:
            after.before = before
        node.before = None
        node.after = None
        node.is_listed = False

    def take_place_of(self, node: Node, other: Node) -> None:
        """Move `node` right before `other`, which is about to leave."""
        self.remove(node)
        self._link(other.before, node, other)

    def nodes(self) -> list[Node]:
        found: list[Node] = []
        node = self.first
        while node is not None:
            found.append(node)
            node = node.after
        return found

    def _link(self, before: Node | None, node: Node, after: Node | None) -> None:
        node.before = before
        node.after = after
        node.is_listed = True
        if before is None:
            self.first = node
        else:
            before.after = node
        if after is None:
            self._last = node
        else:
            after.before = node
