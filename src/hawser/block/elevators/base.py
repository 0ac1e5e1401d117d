"""Elevator: where requests wait, still mergeable, until the queue sends them; and the registry of them.

Linux: struct elevator_type (block/elevator.h). Times are those of the queue's clock; sizes are counted in requests.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio
from hawser.block.request import Request

if TYPE_CHECKING:
    from hawser.block.dispatch import DispatchQueue


@mypyc_attr(allow_interpreted_subclasses=True)
class Elevator:
    """Subclasses order what waits. `sorts` is False for `none` alone: what a plug holds then goes to the driver at once."""

    sorts = True

    def __init__(self, queue: "DispatchQueue") -> None:
        self.queue = queue

    def insert(self, request: Request, at_head: bool) -> None:
        """Take a request, or join it to one that waits. `at_head`: it was dispatched before, and goes first."""
        raise NotImplementedError

    def merge(self, bio: Bio) -> Request | None:
        """Merge a new bio into a request that waits, and say which. It is known to be mergeable."""
        raise NotImplementedError

    def peek(self) -> Request | None:
        """The request that `next` would take out."""
        raise NotImplementedError

    def next(self) -> Request | None:
        """Take out the request to dispatch next; None when nothing waits, or nothing may go yet."""
        raise NotImplementedError

    def waiting(self) -> int:
        raise NotImplementedError

    def requests(self) -> list[Request]:
        """Everything that waits, in any order; it stays."""
        raise NotImplementedError

    def take_all(self) -> list[Request]:
        """Take out everything, in order of arrival as far as there is one. Nothing of it counts as dispatched."""
        raise NotImplementedError

    def finished(self, request: Request) -> None:
        """A request that was taken out has ended, or was taken back."""

    def attributes(self) -> dict[str, int]:
        """What can be set, by name, in the units of /sys/block/*/queue/iosched."""
        return {}

    def set_attribute(self, name: str, value: int) -> None:
        """Set one of them; what is out of range becomes the nearest that is not. KeyError when there is none of that name."""
        raise KeyError(name)


ElevatorMaker = Callable[["DispatchQueue"], Elevator]
ELEVATORS: Final[dict[str, ElevatorMaker]] = {}


def register_elevator(name: str, make: ElevatorMaker) -> None:
    """Offer an elevator under its name in the queue's `scheduler` attribute."""
    assert name not in ELEVATORS
    ELEVATORS[name] = make
