"""The two ways of I/O: the order in which the same blocks are stacked. Which one a device has is decided here, once.

    bio-based      bio -> target.map_bio -> clone bio -> the path's plug, queue, elevator -> driver
    request-based  bio -> plug -> the device's own queue, elevator -> target.clone_and_map -> clone request -> the path's driver

Linux: dm_submit_bio() in drivers/md/dm.c and dm_mq_queue_rq() in drivers/md/dm-rq.c.
"""

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.block.request import Request, RequestOwner
from hawser.dm.clone import CloneBio
from hawser.dm.table import Table


@mypyc_attr(allow_interpreted_subclasses=True)
class Stack:
    """One of the two. The control verbs of a device and the calls of its targets end here."""

    queue: RequestQueue | None

    def set_table(self, table: Table) -> None:
        raise NotImplementedError

    def start(self, bio: Bio, plug: Plug) -> None:
        raise NotImplementedError

    def idle(self) -> bool:
        raise NotImplementedError

    def cancel_dead(self) -> None:
        raise NotImplementedError

    def requeue_request(self, request: Request, delayed: bool) -> None:
        raise AssertionError("a bio-based device has no requests")

    def kick_requeued(self) -> None:
        """Nothing waits out a delay."""

    def clone_owner(self) -> RequestOwner:
        raise AssertionError("a bio-based device has no requests")

    def finish_request(self, clone: Request) -> None:
        raise AssertionError("a bio-based device has no requests")

    def map_again(self, clones: list[CloneBio]) -> None:
        raise AssertionError("a request-based device has no clone bios")

    def finish_bio(self, clone: CloneBio) -> None:
        raise AssertionError("a request-based device has no clone bios")
