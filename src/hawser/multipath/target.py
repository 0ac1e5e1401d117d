"""The multipath target: a path for each I/O, and what to do when that path fails it. Failover, retry, queueing, fences.

Linux: drivers/md/dm-mpath.c; `seeds.md` 3.14. What the kernel does not have: fences (hawser.multipath.fence), caches of single
paths (hawser.multipath.disk), and errors that are answers: an EIO from something that is alive is tried once on another path and
then is the client's, without failing the path (DESIGN, Hard problems 5).
"""

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.disk import Disk
from hawser.block.ops import FLUSH, IN_COMPANY, READ, is_fua_write, is_write_class
from hawser.block.orphan import Orphan
from hawser.block.request import ANSWERED, NOT_SENT, Request, RequestOwner
from hawser.core.clock import NEVER
from hawser.core.status import IOERR, OK, RESOURCE, is_path_error, status_name
from hawser.core.trace import MAPPED
from hawser.dm.clone import CloneBio
from hawser.dm.passage import Passage
from hawser.dm.target import (
    BIO_BASED,
    DELAY_REQUEUE,
    END_APART,
    END_DELAY_REQUEUE,
    END_DONE,
    END_INCOMPLETE,
    END_REQUEUE,
    KILL,
    REMAPPED,
    REQUEST_BASED,
    MessageError,
    Target,
    TargetContext,
    register_target,
)
from hawser.multipath.activation import Activating, Activation
from hawser.multipath.disk import PathDevice, count_write, written_by
from hawser.multipath.fence import must_withhold
from hawser.multipath.fitness import check_geometry, shared_disk
from hawser.multipath.grammar import Geometry, parse_geometry, print_table
from hawser.multipath.messages import obey
from hawser.multipath.passing import path_for_ioctl
from hawser.multipath.path import Path, may_be_anothers
from hawser.multipath.probe import GroupProbe
from hawser.multipath.state import PathState
from hawser.multipath.status import ima_words, info_words
from hawser.multipath.waiting import common_orphans, end_client_ghosts


class Multipath(Activating):
    """One multipath line of a table."""

    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        geometry = parse_geometry(words, context.devices, context.log)
        check_geometry(geometry, context)
        super().__init__(context, start, length, shared_disk(geometry, context), geometry.queue_if_no_path)
        self.explains = True
        self.kind = BIO_BASED if geometry.queue_mode == "bio" else REQUEST_BASED
        self.geometry: Geometry = geometry
        # What the rules of 6.12 and of 6.16 differ in is decided now, and stays so.
        is_6_16 = self.parameters.is_6_16()
        self.version = self.parameters.multipath_version()
        self.state = PathState(geometry.groups, geometry.initial, context.host, context.log, context.clock)
        self.state.current_first = is_6_16
        self.group_probe: GroupProbe | None = GroupProbe(self) if is_6_16 else None
        self.wait_for_path(self.state.valid_paths)
        if geometry.handler.name:
            self.activation = Activation(self)
        # Clones report to the stack of the device, which knows the target; set with the first request.
        self._clone_owner: RequestOwner | None = None

    # What the table is made of.

    def queue_mode(self) -> str:
        return self.geometry.queue_mode

    def devices(self) -> list[BlockDevice]:
        found: list[BlockDevice] = []
        for path in self.state.paths:
            if path.device not in found:
                found.append(path.device)
        return found

    def own_disk(self) -> Disk | None:
        return self.disk

    def areas(self) -> list[tuple[BlockDevice, int, int]]:
        return [(device, 0, self.length) for device in self.devices()]

    # Bio-based: one bio, one path.

    def map_bio(self, clone: CloneBio) -> int:
        original = clone.original
        if self.fences.active and self.fences.blocks(clone.op, clone.sector, clone.end_sector(), original.orphans):
            return self._fence_bio(clone)
        if clone.op != READ and self._is_in_vain(clone.op, clone.flags, original):
            return KILL
        if self.state.asks_cpu:
            self.state.comes_from(original.client().cpu)
        path = self.state.choose(clone.size)
        if path is None:
            return self._park_without_path(clone)
        if self.activation is not None and self.activation.holds():
            return self._hold_bio(clone)
        retried = clone.context is not None
        if clone.context is not None:
            path = self._elsewhere(path, clone.context, clone.size)
        if self.state.entered:
            # It may have left a dirty cache behind, whose fence this very I/O must heed.
            self.state.entered = False
            if self.fences.active and self.fences.blocks(clone.op, clone.sector, clone.end_sector(), original.orphans):
                return self._fence_bio(clone)
        if self.sleeper is not None:
            self.sleeper.wake()
        clone.context = path
        clone.device = path.device
        if clone.life is not None:
            clone.life.note(MAPPED, self.state.why(path, clone.size, retried))
        selector = path.group.selector
        if selector.is_timed:
            clone.mapped_ns = self.context.clock.now_ns
        selector.start_io(path, clone.size)
        if clone.op == FLUSH:
            clone.written_before = written_by(path.device)
        elif clone.op != READ:
            clone.written_before = self.disk.witness.count
        return REMAPPED

    def end_bio(self, clone: CloneBio) -> int:
        path = clone.context
        assert isinstance(path, Path)
        original = clone.original
        if clone.orphan is not None:
            self._add_orphan(original, clone.orphan)
            for orphan in clone.more_orphans or []:
                self._add_orphan(original, orphan)
        if clone.orphans is not None and clone.status != OK:
            # A map below has lost them, and what is tried again here is a copy of them, too.
            for orphan in clone.orphans:
                if not orphan.proof:
                    self._add_orphan(original, orphan)
        if original.orphans is not None:
            end_client_ghosts(original.orphans)
        if clone.status == OK:
            path.group.selector.end_io(path, clone.size, clone.mapped_ns)
            self._succeeded(path, clone.op, clone.size, clone.written_before)
            if clone.op != READ:
                if self._is_in_vain(clone.op, clone.flags, original):
                    clone.status = IOERR
                if clone.op == FLUSH:
                    return END_DONE
                count_write(path.device, clone.op, clone.flags, clone.sector, clone.size, [clone], clone.written_before)
                self._testify(
                    path, clone.sector, clone.size, [clone], original.orphans, clone.written_before, clone.status
                )
                if must_withhold(original.orphans):
                    self._withhold_bio(clone)
                    return END_INCOMPLETE
            return END_DONE
        result = self._end_failed_bio(clone, path, original)
        path.group.selector.end_io(path, clone.size, clone.mapped_ns)
        return result

    def _end_failed_bio(self, clone: CloneBio, path: Path, original: Bio) -> int:
        if clone.fate != NOT_SENT and is_write_class(clone.op):
            self._failed_write(path, clone.sector, clone.size, clone.fate)
        if clone.flags & IN_COMPANY and may_be_anothers(path, clone.op, clone.status, clone.fate):
            return self._retry_alone(clone)
        if clone.status == IOERR and self._is_in_vain(clone.op, clone.flags, original):
            return END_DONE  # The path itself has heard of it, or a map below.
        if not self._is_worth_a_retry(path, clone.op, clone.status, clone.fate) or original.client().dead:
            return END_DONE
        if self._is_answer(path, clone.status, clone.fate):
            return self._retry_answered_bio(clone, path)
        if clone.status != RESOURCE or clone.fate != NOT_SENT:  # (Else given back: hawser.multipath.demotion.)
            self.fail(path, f"{status_name(clone.status)} error")
        if self.state.valid_paths == 0 and not self.queue_if_no_path:
            if self.handing_back:
                return END_REQUEUE
            clone.status = IOERR
            return END_DONE
        clone.context = None
        self._park_tried(clone, path)
        return END_INCOMPLETE

    def _retry_answered_bio(self, clone: CloneBio, path: Path) -> int:
        clone.answered_errors += 1
        if clone.answered_errors > 1 or not self.state.has_other(path):
            return END_DONE
        self._park_for_replay(clone)
        return END_INCOMPLETE

    # Request-based: one request, one path.

    def busy(self) -> bool:
        state = self.state
        if self.activation is not None and self.activation.in_progress and not self.abandoned:
            return True
        if state.valid_paths == 0:
            return False
        group = state.guess_group()
        if group is None:
            return False
        active = False
        for path in group.paths:
            if path.is_active and not path.is_aside:
                active = True
                if not path.queue().busy():
                    return False
        return active

    def clone_and_map(self, request: Request) -> int:
        if self.fences.active and self._is_fenced(request):
            return self._fence_request(request)
        if request.op != READ and request.bios and self._is_in_vain(request.op, request.flags, request.bios[0]):
            return KILL
        if self.state.asks_cpu:
            self.state.comes_from(request.cpu())
        path = self.state.choose(request.size)
        if path is None:
            return DELAY_REQUEUE if self.queue_if_no_path or self.handing_back else KILL
        if request.avoid is not None:
            path = self._elsewhere(path, request.avoid, request.size)
        if self.state.entered:
            # It may have left a dirty cache behind, whose fence this very I/O must heed.
            self.state.entered = False
            if self.fences.active and self._is_fenced(request):
                return self._fence_request(request)
        if self.activation is not None and self.activation.holds():
            return self._hold_request()
        if path.queue().dying:
            # Unlike its errors, the end of a device is known before anything is sent. Linux: activate_or_offline_path().
            self.fail(path, "the device is gone")
            return DELAY_REQUEUE
        if self.sleeper is not None:
            self.sleeper.wake()
        clone = request.clone(path.queue(), self.clone_owner())
        clone.context = path
        clone.mapped_bytes = request.size
        request.mapped = clone
        if self.context.turn.tracer is not None:
            self._trace_request(request, MAPPED, self.state.why(path, request.size, request.avoid is not None))
        path.group.selector.start_io(path, request.size)
        if request.op == FLUSH:
            clone.written_before = written_by(path.device)
        elif clone.op != READ:
            clone.written_before = self.disk.witness.count
        return REMAPPED

    def clone_owner(self) -> RequestOwner:
        owner = self._clone_owner
        if owner is None:
            owner = self.host.clone_owner()
            self._clone_owner = owner
        return owner

    def release_clone(self, clone: Request) -> None:
        path = clone.context
        assert isinstance(path, Path)
        path.group.selector.end_io(path, clone.mapped_bytes, NEVER)
        original = clone.original
        if original is not None and original.orphans is not None:
            end_client_ghosts(original.orphans)

    def may_tell(self, clone: Request) -> bool:
        original = clone.original
        assert original is not None
        return not original.bios or not self._is_in_vain(clone.op, clone.flags, original.bios[0])

    def withholds(self, clone: Request) -> bool:
        original = clone.original
        assert original is not None
        if clone.status != OK:
            # With a ghost about, a good prefix is not told either; it is written again.
            if clone.orphan is not None or must_withhold(original.orphans):
                clone.good_bytes = 0
            return False
        if not must_withhold(original.orphans):
            return False
        self.end_request(clone)
        self._withhold_request(clone, original)
        return True

    def end_request(self, clone: Request) -> int:
        path = clone.context
        original = clone.original
        assert isinstance(path, Path) and original is not None
        if clone.orphan is not None:
            self._add_request_orphan(original, clone.orphan)
        if original.orphans is not None:
            end_client_ghosts(original.orphans)
        if clone.status == OK:
            path.group.selector.end_io(path, clone.mapped_bytes, clone.start_ns)
            self._succeeded(path, clone.op, clone.mapped_bytes, clone.written_before)
            if clone.op != READ:
                if not self.may_tell(clone):
                    clone.status = IOERR
                    clone.good_bytes = 0
                if clone.op != FLUSH:
                    size = clone.mapped_bytes
                    bios = clone.bios
                    count_write(path.device, clone.op, clone.flags, clone.sector, size, bios, clone.written_before)
                    self._testify(path, clone.sector, size, bios, original.orphans, clone.written_before, clone.status)
            return END_DONE
        result = self._end_failed_request(clone, path, original)
        path.group.selector.end_io(path, clone.mapped_bytes, clone.start_ns)
        return result

    def _end_failed_request(self, clone: Request, path: Path, original: Request) -> int:
        if clone.fate != NOT_SENT and is_write_class(clone.op):
            told = clone.whole_bios_of(clone.good_bytes) if clone.good_bytes else 0
            if told:
                count_write(path.device, clone.op, clone.flags, clone.sector, told, clone.bios, clone.written_before)
            self._failed_write(path, clone.sector, clone.mapped_bytes, clone.fate)
        if len(original.bios) > 1 and may_be_anothers(path, clone.op, clone.status, clone.fate):
            original.avoid = path
            return END_APART
        if not self._is_worth_a_retry(path, clone.op, clone.status, clone.fate):
            return END_DONE
        if clone.status == IOERR and not self.may_tell(clone):
            return END_DONE
        if self._is_answer(path, clone.status, clone.fate):
            original.answered_errors += 1
            if original.answered_errors > 1 or not self.state.has_other(path):
                return END_DONE
            original.avoid = path
            return END_REQUEUE
        self.fail(path, f"{status_name(clone.status)} error")
        if self.state.valid_paths == 0 and not self.queue_if_no_path and not self.handing_back:
            return END_DONE
        return END_DELAY_REQUEUE if clone.status == RESOURCE else END_REQUEUE

    # What both do.

    def _succeeded(self, path: Path, op: int, size: int, written_before: int) -> None:
        path.ios += 1
        path.bytes_done += size
        device = path.device
        if op == FLUSH and isinstance(device, PathDevice) and device.has_own_cache:
            device.cache_flushed(written_before)

    def _failed_write(self, path: Path, sector: int, size: int, fate: int) -> None:
        """An error says nothing about what became of the data: it may be on the disk, and in the path's own cache.

        Where there is no answer, an orphan says the same.
        """
        self.disk.witness.retract(sector, size)
        device = path.device
        if fate == ANSWERED and isinstance(device, PathDevice):
            device.late_write()
            if device.left_behind is not None:
                self.state.tell_left(path)

    def may_promise(self, bio: Bio) -> bool:
        """Whether a flush may succeed: nothing acknowledged was in doubt since its client opened the disk."""
        return bio.client().doubt_seen(self.disk) == self.disk.doubt

    def _is_in_vain(self, op: int, flags: int, bio: Bio) -> bool:
        """Whether the success of a flush, or a write with FUA, may not be told: what it covers may have been lost before, or by a
        flush beside it that has failed."""
        return (op == FLUSH or is_fua_write(op, flags)) and not self.may_promise(bio)

    def _is_worth_a_retry(self, path: Path, op: int, status: int, fate: int) -> bool:
        """Errors of medium or request are the client's at once. So is an *answered* flush error, and it is everybody's."""
        if op == FLUSH and fate == ANSWERED and status != RESOURCE and self._answers(path):
            self.disk.cast_doubt(f"{path.device.name} answered a flush with an error")
            return False
        return is_path_error(status)

    def _is_answer(self, path: Path, status: int, fate: int) -> bool:
        return status == IOERR and fate == ANSWERED and self._answers(path)

    def _answers(self, path: Path) -> bool:
        return path.device.answers_are_final()

    def _elsewhere(self, path: Path, avoid: object, size: int) -> Path:
        """The path for the retry of an answered error: another device's, if one is usable still."""
        assert isinstance(avoid, Path)
        if path.device is not avoid.device:
            return path
        other = self.state.choose_other(size, avoid)
        return other if other is not None else path

    # Fences.

    def _is_fenced(self, request: Request) -> bool:
        if request.orphans is None:
            # A map above tries again here what another one below has lost: it is a copy of these, too.
            request.orphans = common_orphans(request.bios)
        start, end = request.span()
        return self.fences.blocks(request.op, start, end, request.orphans)

    def _testify(
        self, path: Path, sector: int, size: int, bios: list[Bio], own: list[Orphan] | None, started: int, status: int
    ) -> None:
        """A write has been done; what its sectors hold is certain unless another one's ghost is about, or it may be lost."""
        if status != OK or (self.fences.active and self.fences.may_change(sector, sector + ((size + 511) >> 9), own)):
            self.disk.witness.retract(sector, size)
        else:
            device = path.device
            holder = device if isinstance(device, PathDevice) and device.has_own_cache else None
            self.disk.witness.note(sector, size, bios, started, own, holder)

    # Control.

    def find_paths(self, name: str) -> list[Path]:
        """The paths over the device that `name` names (number, name or URI)."""
        device = self.context.devices.find(name)
        return self.state.over(device) if device is not None else []

    def fail(self, path: Path, reason: str) -> None:
        """Take a path out of use. What waits for a tag of its device goes back to be mapped elsewhere (I5)."""
        if path.is_active:
            self.state.fail(path, reason)
            self.wait_for_path(self.state.valid_paths)
            if not self._faithful:
                path.device.bounce()

    def reinstate(self, path: Path) -> None:
        """Put a path back in use, and let go what waited for one."""
        if self.state.reinstate(path):
            self.kick()
        self.wait_no_more()

    def message(self, words: list[str]) -> str:
        """The messages of dm-mpath. MessageError as the kernel refuses them (transcript 21)."""
        if self.is_suspended:
            raise MessageError("The device is suspended.", "EBUSY", is_logged=False)
        obey(self, words)
        return ""

    def status_info(self) -> str:
        return info_words(self.state)

    def status_ima(self) -> str:
        return ima_words(self.state, self.version)

    def prepare_ioctl(self) -> Passage:
        return path_for_ioctl(self)

    def status_table(self) -> str:
        return print_table(self.geometry, self.queue_if_no_path, self.state.group_number())


def _make_multipath(context: TargetContext, start: int, length: int, words: list[str]) -> Target:
    return Multipath(context, start, length, words)


register_target("multipath", _make_multipath, "1.14.0", singleton=True, immutable=True)
