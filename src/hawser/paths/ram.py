"""RAM as a path: `ram:?size=1G`. All `ram:` paths of one server share one store, as paths to one disk do.

Beside demonstrations and tests it serves as the target of fault injection: a RAM path can be made to fail and be mended.
"""

from hawser.block.driver import Driver
from hawser.block.ops import FLUSH, READ, WRITE
from hawser.block.request import NOT_SENT, Request
from hawser.core.status import OK, TRANSPORT
from hawser.core.turn import Turn
from hawser.core.units import SECTOR_SHIFT
from hawser.paths.facts import PathFacts
from hawser.paths.fileio import MAX_BYTES


class RamStore:
    """The bytes behind all RAM paths of one server."""

    def __init__(self, size_bytes: int) -> None:
        self.data = bytearray(size_bytes)


class RamPathDriver(Driver):
    """`broken`: it fails everything, as a pulled cable does, before it reaches the store."""

    def __init__(self, name: str, store: RamStore, turn: Turn) -> None:
        super().__init__(turn)
        self.name = name
        self.store = store
        self.broken = False
        self.answers_are_final = True
        self.facts = PathFacts(len(store.data), 512, 512, False, True, True, True, True, MAX_BYTES)

    def trouble(self) -> str:
        return "is broken" if self.broken else ""

    def set_broken(self, broken: bool) -> None:
        """Break or mend the path, and tell who listens."""
        if broken == self.broken:
            return
        self.broken = broken
        listener = self.listener
        if listener is not None:
            if broken:
                self.epoch += 1
                listener.session_lost(self, "broken by hand")
            else:
                listener.session_ready(self)

    def queue_rq(self, request: Request) -> int:
        if self.broken:
            request.finish(TRANSPORT, 0, NOT_SENT)
            self.complete(request)
            return OK
        data = self.store.data
        start = request.sector << SECTOR_SHIFT
        if request.op == READ:
            request.data = data[start : start + request.size]
        elif request.op == WRITE:
            for view in request.payload():
                data[start : start + len(view)] = view
                start += len(view)
        elif request.op != FLUSH:
            data[start : start + request.size] = bytes(request.size)
        request.finish(OK, request.size)
        self.complete(request)
        return OK
