"""Reactor: what the real world's event loop offers to the edges (`exports/`, `paths/`).

Abstract, so that the edges need not know the service that runs them. Every call back happens within a turn: the clock is set
before it, and the turn is drained after it.
"""

from mypy_extensions import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Handler:
    """Something that waits for a file descriptor."""

    def readable(self) -> None:
        """There may be something to read, or an end of file or an error to be found by reading."""

    def writable(self) -> None:
        """There may be room to write."""

    def after_turn(self) -> None:
        """The turn that this handler asked to see the end of has been drained: send what it left behind."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Reactor:
    """File descriptors are level-triggered: whoever does not read must stop watching."""

    def watch_reads(self, fd: int, handler: Handler) -> None:
        raise NotImplementedError

    def ignore_reads(self, fd: int) -> None:
        raise NotImplementedError

    def watch_writes(self, fd: int, handler: Handler) -> None:
        raise NotImplementedError

    def ignore_writes(self, fd: int) -> None:
        raise NotImplementedError

    def time_has_passed(self) -> None:
        """Something was done inline that took its time: whoever looks at the clock later in this turn shall see that."""

    def at_end_of_turn(self, handler: Handler) -> None:
        """Call `handler.after_turn` once, when this turn has been drained."""
        raise NotImplementedError
