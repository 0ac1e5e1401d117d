"""Condition: what a control verb waits for. A verb that has to wait is a generator that yields conditions.

Where the kernel sleeps in an ioctl (a suspend, `dmsetup wait`) and the tool sleeps between two of them (`remove --retry`), the
verb gives way to its world, which comes back when the condition is met. So one text of a verb serves virtual time and the
real one, and nothing in the engine sleeps.
"""

from collections.abc import Generator

from mypy_extensions import mypyc_attr

from hawser.core.clock import NEVER


@mypyc_attr(allow_interpreted_subclasses=True)
class Condition:
    """`deadline_ns` is when the wait ends at the latest (NEVER: not by itself), on the world's clock."""

    def __init__(self) -> None:
        self.deadline_ns = NEVER

    def ready(self) -> bool:
        """Whether there is nothing left to wait for."""
        return False


class Delay(Condition):
    """Nothing but time has to pass."""

    def __init__(self, until_ns: int) -> None:
        super().__init__()
        self.deadline_ns = until_ns


Waiting = Generator[Condition, None, None]
WaitingBool = Generator[Condition, None, bool]
