"""Judge: who is told of everything that clients ask for and are answered.

It alone decides whether a run was right. It is told *before* a bio is submitted and from within `bio_done`, so that the order of
its calls is the order in which a real client could have seen things happen.
"""

from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio

if TYPE_CHECKING:
    from hawser.lab.clients import SimClient


@mypyc_attr(allow_interpreted_subclasses=True)
class Judge:
    def next_write(self) -> int:
        """A number, from 1, that no other write of the run has: its payload carries it (hawser.lab.payload)."""
        raise NotImplementedError

    def opened(self, client: "SimClient") -> None:
        """`client` has opened the disk; `client.doubts_seen` says when."""

    def died(self, client: "SimClient") -> None:
        """`client` is gone; `client.open_bios` have nobody to answer to. What was not dispatched is dropped only after this."""

    def began(self, client: "SimClient", bio: Bio, write: int) -> None:
        """`bio` is about to be submitted. `write`: the number of a write, 0 for anything else."""
        raise NotImplementedError

    def ended(self, client: "SimClient", bio: Bio) -> None:
        """`bio.status` is final. Also called for clients that are dead."""
        raise NotImplementedError
