"""Two copies of one read, on two paths at once: the first that succeeds is the answer, and the other one is nobody's.

Which reads get a second copy, a *twin*, and when, is for hawser.multipath.hedge. Linux has no counterpart; see Dean and Barroso,
"The Tail at Scale", on hedged requests. The rules:

- a pair puts itself between a copy and whoever waits for it, so that what has no twin goes its way as ever;
- if the first answer is an error, the other copy is waited for. If both are, the last one counts, by the target's own rules;
- each copy has a buffer of its own. What comes when the other one has answered is dropped: it touches nothing of the client's;
- an error says of its path what it would have said without a twin, as long as the target is looked after.
"""

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import NOMERGE, READ
from hawser.block.request import ANSWERED, NOT_SENT, Request, RequestOwner
from hawser.core.status import IOERR, OK, RESOURCE, is_path_error, status_name
from hawser.dm.clone import CloneBio
from hawser.multipath.path import Path
from hawser.multipath.target import Multipath


@mypyc_attr(allow_interpreted_subclasses=True)
class TwinKeeper:
    """Who sends twins, and counts them."""

    def twin_ended(self) -> None:
        """One has come back, whatever became of it."""
        raise NotImplementedError

    def twin_won(self) -> None:
        """One was the answer."""
        raise NotImplementedError

    def looks_after(self, target: Multipath) -> bool:
        """Whether what happens to the paths of `target` still matters: its table is the live one."""
        raise NotImplementedError


class RequestPair(RequestOwner):
    """Request-based: two clones of one original, `first` and `twin`, both on their way."""

    def __init__(self, keeper: TwinKeeper, target: Multipath, first: Request, twin: Request) -> None:
        self.keeper = keeper
        self.target = target
        # None once the answer is told.
        self.original: Request | None = first.original
        self.first = first
        self.twin = twin
        self._passes_to = first.owner
        # Whether one of them has failed.
        self._is_last = False
        first.owner = self
        twin.owner = self

    def request_done(self, request: Request) -> None:
        if request is self.twin:
            self.keeper.twin_ended()
        original = self.original
        if original is None:
            self._drop(request)
        elif request.status == OK or self._is_last or self._has_good_bios(request):
            self._answer(original, request)
        else:
            self._is_last = True
            if self._drop(request):
                original.answered_errors += 1

    def _has_good_bios(self, request: Request) -> bool:
        """Whether it is the first try, and some of its bios can be told: then what is left is another request, of which the twin
        is no copy. Of a twin that has failed nothing is told."""
        return request is self.first and request.whole_bios_of(request.good_bytes) > 0

    def _answer(self, original: Request, request: Request) -> None:
        """This one is the answer: it goes on as if there had been no other."""
        self.original = None
        if not self._is_last:
            other = self.first if request is self.twin else self.twin
            other.bios = other.own_bios()
            other.original = None
        if request is self.twin and request.status == OK:
            self.keeper.twin_won()
        request.owner = self._passes_to
        original.mapped = request
        self._passes_to.request_done(request)

    def _drop(self, request: Request) -> bool:
        """Nobody waits for it. Whether it was an error that is an answer."""
        path = request.context
        assert isinstance(path, Path)
        path.group.selector.end_io(path, request.mapped_bytes, request.start_ns)
        if request.status == OK or not self.keeper.looks_after(self.target):
            return False
        return _blame(self.target, path, request.status, request.fate)


class BioPair(BioOwner):
    """Bio-based: a clone in `request`, which a path has, and a bio of its own that asks the same of another path."""

    def __init__(self, keeper: TwinKeeper, target: Multipath, request: Request, clone: CloneBio, path: Path) -> None:
        super().__init__()
        first_path = clone.context
        assert isinstance(first_path, Path)
        self.keeper = keeper
        self.target = target
        # None once the answer is told.
        self.clone: CloneBio | None = clone
        self.first_path = first_path
        self.twin_path = path
        self.twin = Bio(READ, clone.sector, clone.size, self, None, clone.flags | NOMERGE)
        self.twin.segments = clone.segments
        self.twin.ioprio = clone.ioprio
        self.first_mapped_ns = clone.mapped_ns
        self.twin_mapped_ns = target.context.clock.now_ns
        self._request = request
        self._passes_to = clone.owner
        # Whether one of them has failed.
        self._is_last = False
        clone.owner = self

    def client_of(self, bio: Bio) -> BioOwner:
        return self.clone.original.client() if self.clone is not None else self

    def bio_done(self, bio: Bio) -> None:
        if bio is self.twin:
            self.keeper.twin_ended()
        clone = self.clone
        if clone is None:
            self._drop(bio)
        elif bio.status == OK or self._is_last:
            self._answer(clone, bio)
        else:
            self._is_last = True
            if self._drop(bio):
                clone.answered_errors += 1

    def _answer(self, clone: CloneBio, bio: Bio) -> None:
        """This one is the answer: the clone goes on as if it had come back with it."""
        self.clone = None
        clone.owner = self._passes_to
        if bio is clone:
            self._passes_to.bio_done(clone)
            return
        if not self._is_last:
            self._leave_stand_in(clone)
        if bio.status == OK:
            self.keeper.twin_won()
        clone.context = self.twin_path
        clone.device = self.twin_path.device
        clone.mapped_ns = self.twin_mapped_ns
        clone.data = bio.data
        clone.parts = None
        clone.done = 0
        clone.fate = bio.fate
        clone.finished = False
        clone.complete(bio.status)

    def _leave_stand_in(self, clone: CloneBio) -> None:
        """The path's request goes on without the clone."""
        stand_in = Bio(READ, clone.sector, clone.size, self, None, clone.flags)
        stand_in.segments = clone.segments
        stand_in.done = clone.done
        stand_in.parts = clone.parts
        bios = self._request.bios
        bios[bios.index(clone)] = stand_in

    def _drop(self, bio: Bio) -> bool:
        """Nobody waits for it. Whether it was an error that is an answer. Of a dead client's it says nothing."""
        path = self.twin_path if bio is self.twin else self.first_path
        start_ns = self.twin_mapped_ns if bio is self.twin else self.first_mapped_ns
        path.group.selector.end_io(path, bio.size, start_ns)
        if bio.status == OK or self.client_of(bio).dead or not self.keeper.looks_after(self.target):
            return False
        return _blame(self.target, path, bio.status, bio.fate)


def _blame(target: Multipath, path: Path, status: int, fate: int) -> bool:
    """Take an error of a read as the target does where it is the only copy (Multipath.end_bio, end_request). Whether it was an
    answer, of which the path need not be ashamed."""
    if not is_path_error(status) or (status == RESOURCE and fate == NOT_SENT):
        return False
    if status == IOERR and fate == ANSWERED and path.device.answers_are_final():
        return True
    target.fail(path, f"{status_name(status)} error")
    return False
