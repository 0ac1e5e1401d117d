"""Request: contiguous bios of one operation, merged; what a driver gets, and the completion that it gives back.

Linux: struct request (include/linux/blk-mq.h). A request belongs to one queue, holds one of its tags from dispatch to
completion, and completes whole or after a good prefix. A request-based device sends a *clone* down: another request that
shares the data and knows its original.

The completion is written into the request itself (`status`, `good_bytes`, `fate`, `orphan`, a read's `data`): no allocation
per I/O. A read's `data` is one buffer over the whole good prefix; `update` cuts it among the bios.
"""

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio
from hawser.block.ops import READ, Buffer
from hawser.block.orphan import Orphan
from hawser.core.status import OK
from hawser.core.units import SECTOR_SHIFT

if TYPE_CHECKING:
    from hawser.block.queue import RequestQueue

# Fate of a command that did not succeed.
ANSWERED: Final = 0
NOT_SENT: Final = 1
UNKNOWN: Final = 2

FATE_NAMES: Final = {ANSWERED: "answered", NOT_SENT: "not sent", UNKNOWN: "unknown"}

IDLE: Final = 0
IN_FLIGHT: Final = 1
COMPLETE: Final = 2


@mypyc_attr(allow_interpreted_subclasses=True)
class RequestOwner:
    """Who is told that a request has ended: its own queue's caller, or the stacked device that made the clone."""

    def request_done(self, request: "Request") -> None:
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class MapContext:
    """What a target hangs on a clone between map and end (multipath: the path). A base class, so that calls stay native."""


class Request:
    """`sector` in 512-byte sectors, `size` in bytes: what is still to be done. `bios` cover it, and `bios[0].done` before it."""

    def __init__(self, bio: Bio, queue: "RequestQueue", owner: RequestOwner) -> None:
        self.queue = queue
        self.op = bio.op
        self.flags = bio.flags
        self.sector = bio.sector
        self.size = bio.size
        self.bios: list[Bio] = [bio]
        self.owner = owner
        self.state = IDLE
        self.deadline_ns = 0
        self.cannot_merge = False
        # The completion.
        self.status = OK
        self.good_bytes = 0
        self.fate = ANSWERED
        self.orphan: Orphan | None = None
        self.data: Buffer | None = None
        # Stacking.
        self.original: Request | None = None
        self.mapped: Request | None = None
        self.context: MapContext | None = None
        # Where the try before went, when the next one shall go elsewhere.
        self.avoid: MapContext | None = None
        self.mapped_bytes = 0
        # Of a flush: how many writes it can promise; of a write: how many had been acknowledged when it was mapped.
        self.written_before = 0
        self.answered_errors = 0
        self.orphans: list[Orphan] | None = None

    def end_sector(self) -> int:
        return self.sector + ((self.size + 511) >> SECTOR_SHIFT)

    def segments(self) -> int:
        """Number of data segments: one per bio, as each bio's data is one view."""
        return len(self.bios)

    def payload(self) -> list[Buffer]:
        """What a write has to send, in order; a first bio that is partly done gives its rest."""
        views: list[Buffer] = []
        for bio in self.bios:
            assert bio.data is not None
            views.append(memoryview(bio.data)[bio.done :] if bio.done else bio.data)
        return views

    def clone(self, queue: "RequestQueue", owner: RequestOwner) -> "Request":
        """A request that asks the same of another queue and shares the data. Linux: blk_rq_prep_clone()."""
        twin = Request(self.bios[0], queue, owner)
        twin.sector = self.sector
        twin.size = self.size
        twin.bios = self.bios
        twin.original = self
        twin.cannot_merge = True
        return twin

    def piece(self, bio: Bio) -> "Request":
        """A request for one of this one's bios, which keeps what is known of its tries. For taking a request apart."""
        part = Request(bio, self.queue, self.owner)
        part.sector += bio.done >> SECTOR_SHIFT
        part.size -= bio.done
        part.cannot_merge = self.cannot_merge
        part.answered_errors = self.answered_errors
        part.avoid = self.avoid
        part.orphans = self.orphans
        return part

    def orphaned(self, path_name: str, epoch: int) -> Orphan:
        """What stands for this write-class request, sent in session `epoch`, once nobody waits for its answer any more."""
        return Orphan(path_name, epoch, self.op, self.sector, self.end_sector(), len(self.bios), self.bios)

    def finish(self, status: int, good_bytes: int, fate: int = ANSWERED) -> None:
        """A driver's answer. `good_bytes` is the prefix that succeeded: all of it when `status` is OK, less when it is not."""
        assert self.state == IN_FLIGHT, "request completed twice, or never sent"
        assert good_bytes == self.size if status == OK else 0 <= good_bytes < self.size or good_bytes == 0
        self.state = COMPLETE
        self.status = status
        self.good_bytes = good_bytes
        self.fate = fate

    def update(self, good_bytes: int, data: Buffer | None) -> bool:
        """Complete, with OK, the bios that the first `good_bytes` cover, and advance over them. Linux: blk_update_request().

        `data` holds these bytes when this is a read. Returns whether something is left; the request is not ended.
        """
        bios = self.bios
        if good_bytes == self.size and len(bios) == 1:
            bio = bios[0]
            if self.op == READ:
                bio.data = data
            bio.complete(OK)
            return False
        return self._update_parts(good_bytes, data)

    def _update_parts(self, good_bytes: int, data: Buffer | None) -> bool:
        bios = self.bios
        is_read = self.op == READ
        view = memoryview(data) if is_read and data is not None else None
        offset = 0
        index = 0
        # Advance first and complete afterwards, so that a completion never sees a half-updated request.
        while index < len(bios):
            bio = bios[index]
            left = bio.size - bio.done
            if offset + left > good_bytes:
                if offset < good_bytes:
                    part = good_bytes - offset
                    bio.take_part(view[offset : offset + part] if view is not None else None, part)
                break
            if view is not None:
                bio.data = view[offset : offset + left]
            offset += left
            index += 1
        self.bios = bios[index:]
        self.sector += good_bytes >> SECTOR_SHIFT
        self.size -= good_bytes
        for number in range(index):
            bios[number].complete(OK)
        return len(self.bios) > 0

    def fail_rest(self, status: int) -> None:
        """End every bio that is left with `status`."""
        bios = self.bios
        self.bios = []
        self.size = 0
        for bio in bios:
            bio.complete(status)
