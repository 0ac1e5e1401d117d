"""Replay: what a lost cache held is written again, by way of a path that works. Meanwhile all other I/O waits.

Who looks after the paths (hawser.manager) says by which path, and begins again with another one when that fails. Nothing else is
written before it has ended, so that it may be done twice, in part or in any order. A write of it whose fate is unknown is an
orphan like any other.
"""

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import DISCARD, WRITE, WRITE_ZEROES
from hawser.block.orphan import Orphan
from hawser.block.plug import Plug
from hawser.block.request import ANSWERED
from hawser.core.status import IOERR, NOTSUPP, OK, is_path_error, status_name
from hawser.core.units import SECTOR_SHIFT
from hawser.multipath.retained import Extent

if TYPE_CHECKING:
    from hawser.multipath.disk import PathDevice

# How many of its writes are on their way at once. More follow when half of them are done: each plug is a system call.
DEPTH: Final = 64


@mypyc_attr(allow_interpreted_subclasses=True)
class ReplayListener:
    """Who knows which path works."""

    def replay_wanted(self, device: "PathDevice") -> None:
        """What the cache of `device` held has to be written again: call its `replay_by` with a path to do it by, now or later."""
        raise NotImplementedError

    def replay_broke_off(self, by: "PathDevice", reason: str) -> None:
        """That path has failed meanwhile. It is asked for another one next."""
        raise NotImplementedError


class _Try(BioOwner):
    """One try, by one path, in one of its sessions."""

    def __init__(self, replay: "Replay", by: "PathDevice", extents: list[Extent]) -> None:
        super().__init__()
        self.replay = replay
        self.by = by
        self.epoch = by.requests.driver.epoch
        self.extents = extents
        # How many writes had been acknowledged: nothing else is written meanwhile.
        self.started = by.shared.witness.count
        self.next = 0
        self.in_flight = 0
        self.orphans: list[Orphan] = []
        self.error = OK
        self.fate = ANSWERED

    def go_on(self) -> None:
        """Submit as much as may be on its way, or say that all has come back."""
        if self.in_flight > DEPTH // 2:
            return
        plug = Plug()
        while self.error == OK and self.in_flight < DEPTH and self.next < len(self.extents):
            extent = self.extents[self.next]
            self.next += 1
            self.in_flight += 1
            self.by.submit(self._bio(extent), plug)
        plug.finish()
        if self.in_flight == 0:
            self.replay.tried(self)

    def _bio(self, extent: Extent) -> Bio:
        size = (extent.end - extent.start) << SECTOR_SHIFT
        if extent.op == WRITE_ZEROES and self.by.limits.max_write_zeroes_sectors == 0:
            return Bio(WRITE, extent.start, size, self, bytes(size))
        return Bio(extent.op, extent.start, size, self, extent.data, extent.flags)

    def bio_done(self, bio: Bio) -> None:
        self.in_flight -= 1
        if bio.status == OK:
            holder = self.by if self.by.has_own_cache else None
            if holder is not None:
                holder.acknowledged(bio.op, bio.flags, bio.sector, bio.size, [bio], self.started)
            self.by.shared.witness.note(bio.sector, bio.size, [bio], self.started, None, holder)
        elif bio.status != NOTSUPP or bio.op != DISCARD:
            # (A discard may be left out.)
            self._failed(bio)
        self.go_on()

    def _failed(self, bio: Bio) -> None:
        if self.error == OK:
            self.error = bio.status
            self.fate = bio.fate
        if bio.orphan is not None:
            self.orphans += [bio.orphan, *(bio.more_orphans or [])]
            for orphan in self.orphans:
                self.by.shared.fences.add(orphan)
        elif bio.fate == ANSWERED:
            self.by.late_write()


class Replay:
    """Of the cache of `device`. `extents` stay until all of them are written."""

    def __init__(self, device: "PathDevice", extents: list[Extent]) -> None:
        self.device = device
        self.extents = extents
        self.running: _Try | None = None
        self.orphans: list[Orphan] = []
        # Paths that have answered with an error.
        self._refused: list[PathDevice] = []

    def begin(self, by: "PathDevice") -> None:
        """Write all of it by way of this path. While a try is under way nothing happens."""
        if self.running is None:
            self.running = _Try(self, by, self.extents)
            self.running.go_on()

    def tried(self, done: _Try) -> None:
        """Everything of a try has come back."""
        self.running = None
        self.orphans += done.orphans
        by = done.by
        if done.error == OK:
            if by.requests.driver.epoch == done.epoch and not by.requests.driver.trouble():
                for orphan in self.orphans:
                    orphan.bio_ended(True)
                self.device.replayed()
                return
        elif done.fate == ANSWERED and by.answers_are_final() and _is_answer(done.error):
            if by in self._refused:
                self.device.replay_failed(f"{by.name}: {status_name(done.error)} error")
                return
            self._refused.append(by)
        else:
            self.device.shared.replay_broke_off(by, f"{status_name(done.error)} error")
        self.device.want_replay()


def _is_answer(status: int) -> bool:
    """Whether something alive says so of the I/O itself (DESIGN, Hard problems 5)."""
    return status == IOERR or not is_path_error(status)
