"""The two ways of I/O: the order in which the same blocks are stacked. Which one a device has is decided here, once.

    bio-based      bio -> target.map_bio -> clone bio -> the path's plug, queue, elevator -> driver
    request-based  bio -> plug -> the device's own queue, elevator -> target.clone_and_map -> clone request -> the path's driver

Linux: dm_submit_bio() in drivers/md/dm.c and dm_mq_queue_rq() in drivers/md/dm-rq.c.
"""

from dataclasses import replace

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.block.request import Request, RequestOwner
from hawser.core.turn import Work
from hawser.dm.clone import CloneBio
from hawser.dm.table import Table


@mypyc_attr(allow_interpreted_subclasses=True)
class Stack:
    """One of the two. The control verbs of a device and the calls of its targets end here."""

    queue: RequestQueue | None
    # Whether bios can be started while I/O is blocked, because they wait in a queue here.
    takes_while_blocked: bool

    # Whose stack it is; set by the device itself.
    device: BlockDevice | None

    def switch_off(self, op: int) -> None:
        """A path does not do discards, or write zeroes, after all: nor does the device from now on.

        Linux: blk_queue_disable_discard(), blk_queue_disable_write_zeroes() as dm_done() and clone_endio() call them.
        """
        device = self.device
        if device is not None:
            limits = device.limits
            off = (
                replace(limits, max_discard_sectors=0) if op == DISCARD else replace(limits, max_write_zeroes_sectors=0)
            )
            device.set_limits(off)

    def set_table(self, table: Table, limits: QueueLimits) -> None:
        raise NotImplementedError

    def block(self, noflush: bool, watcher: Work, returned: list[Bio]) -> None:
        """Begin no more I/O. `watcher` is deferred whenever something has come back; of a noflush suspend, `returned` gets the
        bios that targets hand back (DM_REQUEUE)."""
        raise NotImplementedError

    def drained(self) -> None:
        """The suspend is complete: nobody watches any more."""
        raise NotImplementedError

    def unblock(self) -> None:
        raise NotImplementedError

    def in_flight(self) -> int:
        """What was begun and has not ended, parked, fenced and withheld I/O included."""
        raise NotImplementedError

    def refit(self, device: BlockDevice, faithful: bool) -> None:
        """The limits or the size of `device` have changed: what waits here must fit; with `faithful` to Linux, its size alone."""

    def fail_waiting(self) -> None:
        """What waits here fails."""

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

    def lend_tags(self, count: int) -> None:
        raise AssertionError("a bio-based device has no tags")

    def clone_owner(self) -> RequestOwner:
        raise AssertionError("a bio-based device has no requests")

    def finish_request(self, clone: Request) -> None:
        raise AssertionError("a bio-based device has no requests")

    def succeed_request(self, request: Request) -> None:
        raise AssertionError("a bio-based device has no requests")

    def map_again(self, clones: list[CloneBio]) -> None:
        raise AssertionError("a request-based device has no clone bios")

    def begin_bio(self, clone: CloneBio) -> None:
        raise AssertionError("a request-based device has no clone bios")

    def finish_bio(self, clone: CloneBio) -> None:
        raise AssertionError("a request-based device has no clone bios")
