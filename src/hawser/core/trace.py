"""Trace points: what an I/O goes through, told to whoever wants to know; nothing but a comparison where nobody does.

The world sets `Turn.tracer` while somebody watches. A bio that a client submits then gets a `Life`, which its copies and pieces
share; the engine notes in it, in words, what becomes of it and why. The steps are those of the kernel's block trace points
(include/trace/events/block.h), and more: which path was chosen and why, and what made it wait.
"""

from typing import Final

from mypy_extensions import mypyc_attr

# Steps of a life. Linux' names, where it has one, behind.
QUEUED: Final = "queued"  # block_bio_queue
SPLIT: Final = "split"  # block_split
MERGED: Final = "merged"  # block_bio_backmerge, block_bio_frontmerge, block_rq_merge
WAITS: Final = "waits"  # block_rq_insert
ISSUED: Final = "issued"  # block_rq_issue
MAPPED: Final = "mapped"  # block_bio_remap, block_rq_remap
FENCED: Final = "fenced"
PARKED: Final = "parked"
WITHHELD: Final = "withheld"
ANSWERED: Final = "answered"  # block_rq_complete
REQUEUED: Final = "requeued"  # block_rq_requeue
COMPLETED: Final = "completed"  # block_bio_complete


@mypyc_attr(allow_interpreted_subclasses=True)
class Life:
    """What becomes of one bio of a client's."""

    def note(self, step: str, detail: str) -> None:
        """It has come to `step`."""
        raise NotImplementedError

    def ended(self, bio: object, status: int) -> None:
        """A bio has ended that carries this life: the client's own, or a copy or piece of it."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Tracer:
    """Who watches. Requests and bios are passed as objects, so that the alphabet need not know them."""

    def born(self, bio: object, device: str) -> Life | None:
        """A client submits a bio to a device. None: this one is not followed."""
        raise NotImplementedError

    def sent(self, request: object, queue: str, in_flight: int) -> None:
        """A request goes to a driver; so many are in flight there now."""
        raise NotImplementedError

    def returned(self, request: object, queue: str, in_flight: int, outcome: str) -> None:
        """It has come back, or was refused."""
        raise NotImplementedError
