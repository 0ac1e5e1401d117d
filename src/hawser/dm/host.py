"""What a mapped device is to its targets: whom they hand I/O back to, and tell of events.

Linux: the functions of drivers/md/dm.c and dm-rq.c that targets call with their struct dm_target.
"""

from typing import TYPE_CHECKING

from hawser.block.request import Request, RequestOwner
from hawser.core.turn import Work
from hawser.dm.clone import CloneBio
from hawser.dm.target import TargetHost

if TYPE_CHECKING:
    from hawser.dm.mapped_device import MappedDevice


class _Event(Work):
    """What targets of a device have to tell before it is told is told as one. Linux: schedule_work(&m->trigger_event)."""

    def __init__(self, device: "MappedDevice") -> None:
        self.device = device
        self._is_pending = False

    def schedule(self) -> None:
        if not self._is_pending:
            self._is_pending = True
            self.device.turn.defer(self)

    def run(self) -> None:
        self._is_pending = False
        self.device.raise_event()


class Host(TargetHost):
    """The device as its targets see it."""

    def __init__(self, device: "MappedDevice") -> None:
        self.device = device
        self._event = _Event(device)

    def requeue_request(self, request: Request, delayed: bool) -> None:
        self.device.stack().requeue_request(request, delayed)

    def kick_requeued(self) -> None:
        self.device.stack().kick_requeued()

    def clone_owner(self) -> RequestOwner:
        return self.device.stack().clone_owner()

    def finish_request(self, clone: Request) -> None:
        self.device.stack().finish_request(clone)
        self.device.retired.look_later()

    def succeed_request(self, request: Request) -> None:
        self.device.stack().succeed_request(request)

    def map_again(self, clones: list[CloneBio]) -> None:
        self.device.stack().map_again(clones)

    def begin_bio(self, clone: CloneBio) -> None:
        self.device.stack().begin_bio(clone)

    def finish_bio(self, clone: CloneBio) -> None:
        self.device.stack().finish_bio(clone)
        self.device.retired.look_later()

    def lend_tags(self, count: int) -> None:
        self.device.stack().lend_tags(count)

    def look_again(self) -> None:
        self.device.look_again()

    def reads_done(self) -> int:
        return int(self.device.stats.reads.ios)

    def raise_event(self) -> None:
        self._event.schedule()

    def name(self) -> str:
        return self.device.devt
