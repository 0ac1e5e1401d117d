"""Elevator: where requests wait, still mergeable, while the queue has no tag for them; and the registry of them.

Linux: struct elevator_type (block/elevator.h).
"""

from collections.abc import Callable
from typing import Final

from mypy_extensions import mypyc_attr

from hawser.block.request import Request


@mypyc_attr(allow_interpreted_subclasses=True)
class Elevator:
    """Subclasses order what waits. All sizes are counted in requests."""

    def insert(self, request: Request) -> None:
        raise NotImplementedError

    def merge_candidates(self, request: Request) -> list[Request]:
        """Waiting requests that `request` (new, not inserted yet) may be tried against, best first."""
        raise NotImplementedError

    def next(self) -> Request | None:
        """Take out the request to dispatch next; None when nothing waits."""
        raise NotImplementedError

    def waiting(self) -> int:
        raise NotImplementedError

    def requests(self) -> list[Request]:
        """Everything that waits, in any order; it stays."""
        raise NotImplementedError

    def take_all(self) -> list[Request]:
        """Take out everything, in dispatch order."""
        taken: list[Request] = []
        request = self.next()
        while request is not None:
            taken.append(request)
            request = self.next()
        return taken


ELEVATORS: Final[dict[str, Callable[[], Elevator]]] = {}


def register_elevator(name: str, make: Callable[[], Elevator]) -> None:
    """Offer an elevator under its name in the queue's `scheduler` attribute."""
    assert name not in ELEVATORS
    ELEVATORS[name] = make
