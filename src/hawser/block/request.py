"""Request: contiguous bios of one operation, merged; what a driver gets, and the completion that it gives back.

Linux: struct request (include/linux/blk-mq.h). A request belongs to one queue, holds one of its tags from dispatch to
completion, and completes whole or after a good prefix. A request-based device sends a *clone* down: another request that
shares the data and knows its original.

The completion is written into the request itself (`status`, `good_bytes`, `fate`, `orphan`, a read's `data`): no allocation
per I/O. A read's `data` is one buffer over the whole good prefix; `update` cuts it among the bios. A driver that ends a request
bit by bit, as some of the kernel's do, says so with `end_part`.
"""

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio, BioOwner
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FAILFAST_MASK, FAILFAST_TRANSPORT, FLUSH, READ, WRITE_ZEROES, Buffer
from hawser.block.orphan import Orphan
from hawser.core.status import OK
from hawser.core.units import SECTOR_SHIFT

if TYPE_CHECKING:
    from hawser.block.queue import RequestQueue

# Fate of a command that did not succeed.
ANSWERED: Final = 0
NOT_SENT: Final = 1
UNKNOWN: Final = 2

# A flag of requests alone: its bios differ in how they may fail (see hawser.block.merge).
MIXED: Final = 1 << 16

IDLE: Final = 0
IN_FLIGHT: Final = 1
COMPLETE: Final = 2


@mypyc_attr(allow_interpreted_subclasses=True)
class RequestOwner:
    """Who is told that a request has ended: its own queue's caller, or the stacked device that made the clone."""

    def request_done(self, request: "Request") -> None:
        raise NotImplementedError

    def sharers(self, request: "Request") -> list[Bio]:
        """Who waits for a request of this owner's that has no bio. Asked only while somebody watches."""
        return []


@mypyc_attr(allow_interpreted_subclasses=True)
class MapContext:
    """What a target hangs on a clone between map and end (multipath: the path). A base class, so that calls stay native."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ElevatorNode:
    """What an elevator keeps about a request while it holds it, and until it has ended."""


class Part:
    """What a driver said of some bytes of a request: `size` of them have ended with `status`."""

    def __init__(self, status: int, size: int, data: Buffer | None) -> None:
        self.status = status
        self.size = size
        self.data = data


class _Consumed(BioOwner):
    """Who owns the bios that a clone gives to a driver to consume: what they come to is in the request."""

    def bio_done(self, bio: Bio) -> None:
        """The request's own completion tells."""


class Request:
    """`sector` in 512-byte sectors, `size` in bytes: what is still to be done. `bios` cover it, and `bios[0].done` before it.

    `segments`: how many the data is (ranges, of a discard). `start_ns`: when the first of it came.
    """

    def __init__(self, bio: Bio, queue: "RequestQueue", owner: RequestOwner) -> None:
        self.queue = queue
        self.op = bio.op
        self.flags = bio.flags
        self.sector = bio.sector
        self.size = bio.size
        self.bios: list[Bio] = [bio]
        self.owner = owner
        self.state = IDLE
        self.segments = 1
        self.ioprio = bio.ioprio
        self.start_ns = queue.clock.now_ns
        self.deadline_ns = 0
        self.cannot_merge = False
        # The completion.
        self.status = OK
        self.good_bytes = 0
        self.fate = ANSWERED
        self.orphan: Orphan | None = None
        self.data: Buffer | None = None
        self.parts: list[Part] | None = None
        self.node: ElevatorNode | None = None
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

    def touches(self, start: int, end: int) -> bool:
        """Whether one of sectors [start, end) may be among its own."""
        first, last = self.span()
        return first < end and start < last

    def span(self) -> tuple[int, int]:
        """The first sector that it touches, and the one behind the last: a discard may be of several ranges."""
        if self.op != DISCARD or len(self.bios) < 2:
            return self.sector, self.end_sector()
        return min(bio.sector for bio in self.bios), max(bio.end_sector() for bio in self.bios)

    def for_whom(self) -> list[Bio]:
        """The I/Os that it does something for, whoever made it. For people, and for selectors that ask where it comes from."""
        request = self
        while request.original is not None:
            request = request.original
        return request.bios or request.owner.sharers(request)

    def cpu(self) -> int:
        """Where the first of these comes from (BioOwner.cpu)."""
        bios = self.bios or self.for_whom()
        return bios[0].client().cpu if bios else 0

    def count_segments(self, limits: QueueLimits) -> None:
        """Count them anew, on a device of these limits. Linux: blk_recalc_rq_segments()."""
        count = 0
        for bio in self.bios:
            if bio.size <= limits.max_segment_size:
                count += bio.segments
            else:
                vector = (bio.size + bio.segments - 1) // bio.segments
                count += bio.segments * -(-vector // limits.max_segment_size)
        if self.op == DISCARD:
            count = len(self.bios) if limits.max_discard_segments > 1 else 1
        elif self.op == WRITE_ZEROES:
            count = 0
        self.segments = count

    def payload(self) -> list[Buffer]:
        """What a write has to send, in order; a first bio that is partly done gives its rest."""
        views: list[Buffer] = []
        for bio in self.bios:
            assert bio.data is not None
            views.append(memoryview(bio.data)[bio.done :] if bio.done else bio.data)
        return views

    def clone(self, queue: "RequestQueue", owner: RequestOwner) -> "Request":
        """A request that asks the same of another queue and shares the data. Linux: blk_rq_prep_clone()."""
        twin = Request(self.bios[0], queue, owner) if self.bios else bare_flush(queue, owner)
        twin.flags = self.flags | FAILFAST_TRANSPORT
        twin.sector = self.sector
        twin.size = self.size
        twin.bios = self.bios
        twin.segments = self.segments
        twin.original = self
        twin.cannot_merge = True
        return twin

    def own_bios(self) -> list[Bio]:
        """Of a clone: bios of its own that a driver may advance and consume, which share the data of the original's.

        Unlike the kernel, where every clone has them, they are made when somebody asks: a driver that answers for a request as a
        whole never looks at its bios.
        """
        copies: list[Bio] = []
        for bio in self.bios:
            copy = Bio(bio.op, bio.sector, bio.size, _CONSUMED, bio.data, bio.flags)
            copy.done = bio.done
            copy.segments = bio.segments
            copies.append(copy)
        return copies

    def piece(self, bio: Bio) -> "Request":
        """A request for one of this one's bios, which keeps what is known of its tries. For taking a request apart."""
        part = Request(bio, self.queue, self.owner)
        part.sector += bio.done >> SECTOR_SHIFT
        part.size -= bio.done
        part.cannot_merge = self.cannot_merge
        part.start_ns = self.start_ns
        part.answered_errors = self.answered_errors
        part.avoid = self.avoid
        part.orphans = self.orphans
        return part

    def orphaned(self, path_name: str, epoch: int) -> Orphan:
        """What stands for this write-class request, sent in session `epoch`, once nobody waits for its answer any more."""
        start, end = self.span()
        return Orphan(path_name, epoch, self.op, start, end, len(self.bios), self.bios)

    def finish(self, status: int, good_bytes: int, fate: int = ANSWERED) -> None:
        """A driver's answer. `good_bytes` is the prefix that succeeded: all of it when `status` is OK, less when it is not."""
        assert self.state == IN_FLIGHT, "request completed twice, or never sent"
        assert good_bytes == self.size if status == OK else 0 <= good_bytes < self.size or good_bytes == 0
        self.state = COMPLETE
        self.status = status
        self.good_bytes = good_bytes
        self.fate = fate

    def end_part(self, status: int, size: int, data: Buffer | None = None) -> bool:
        """A driver says that the next `size` bytes have ended with `status`; a read's good ones are in `data`.

        Returns whether bytes are left of which nothing was said; when none are the driver hands the request to `complete`.
        Linux: blk_update_request() as a driver calls it.
        """
        if self.parts is None:
            self.parts = []
        self.parts.append(Part(status, size, data))
        said = 0
        for part in self.parts:
            said += part.size
        assert said <= self.size
        if said < self.size:
            return True
        self._sum_up()
        return False

    def _sum_up(self) -> None:
        """All parts are in. Status and good prefix are those of the bios as wholes: one that failed in part has failed, and what
        comes behind it does not count, even if it succeeded. Linux: end_clone_bio() and blk_update_request()."""
        assert self.parts is not None
        status, good, at = OK, 0, 0
        for part in self.parts:
            if part.status != OK:
                status = part.status
                break
            at += part.size
        for bio in self.bios:
            left = bio.size - bio.done
            if good + left > at:
                break
            good += left
        if status != OK and self.op == READ:
            views = [part.data for part in self.parts if part.status == OK and part.data is not None]
            self.data = b"".join(views)[:good]
        elif self.op == READ:
            self.data = b"".join([part.data for part in self.parts if part.data is not None])
        self.finish(status, good if status != OK else self.size)

    def whole_bios_of(self, good_bytes: int) -> int:
        """How many of the first `good_bytes` lie in bios that they cover whole."""
        if good_bytes == self.size:
            return good_bytes
        whole = 0
        for bio in self.bios:
            left = bio.size - bio.done
            if whole + left > good_bytes:
                break
            whole += left
        return whole

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
        if self.bios:
            if self.op == DISCARD:
                self.sector = self.bios[0].sector
            if self.flags & MIXED:
                self.flags = self.flags & ~FAILFAST_MASK | self.bios[0].flags & FAILFAST_MASK
            self.count_segments(self.queue.limits)
        for number in range(index):
            bios[number].complete(OK)
        return len(self.bios) > 0

    def end_by_parts(self) -> None:
        """End each bio with what was said of its own bytes. Linux: blk_update_request() of a request that is nobody's clone."""
        assert self.parts is not None
        bios = self.bios
        self.bios = []
        part, at = 0, 0
        for bio in bios:
            left = bio.size - bio.done
            views: list[Buffer] = []
            while left:
                said = self.parts[part]
                step = min(left, said.size - at)
                if said.status != OK:
                    bio.status = said.status
                elif said.data is not None:
                    views.append(memoryview(said.data)[at : at + step])
                left -= step
                at += step
                if at == said.size:
                    part, at = part + 1, 0
            if bio.status == OK and self.op == READ:
                bio.data = views[0] if len(views) == 1 else b"".join(views)
        self.size = 0
        for bio in bios:
            bio.complete(bio.status)

    def fail_rest(self, status: int) -> None:
        """End every bio that is left with `status`."""
        bios = self.bios
        self.bios = []
        self.size = 0
        for bio in bios:
            bio.complete(status)


_CONSUMED: Final = _Consumed()
_FLUSH: Final = Bio(FLUSH, 0, 0, _CONSUMED)


def bare_flush(queue: "RequestQueue", owner: RequestOwner) -> Request:
    """A flush without a bio: the command itself, which nobody but `owner` waits for."""
    flush = Request(_FLUSH, queue, owner)
    flush.bios = []
    flush.cannot_merge = True
    return flush
