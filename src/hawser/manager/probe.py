"""Probe: is a path alive, and does it lead to the same disk? Reads through the path itself, past the map.

multipathd's checkers (directio, readsector0) ask the first question alone. Here the last acknowledged writes are read
back, too: the *witness* (hawser.multipath.witness). A path with a cache of its own that was left with unflushed
writes is flushed first. What is read may be overwritten meanwhile; a difference counts only if nothing has touched
those sectors since. Where all that could tell the disk is being written all the time, writes of some of it are *held*: those on
their way end, others wait (a fence of the kind LOOK), it is read back, and they go on. That takes HOLD_NS at most, whatever the
path does; if it was not enough the disk cannot be told yet.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import FLUSH, READ, is_write_class
from hawser.block.orphan import LOOK, LOOKED, Orphan
from hawser.core.clock import Timer, Timers
from hawser.core.status import OK, status_name
from hawser.core.units import NS_PER_MS, NS_PER_S, SECTOR_SHIFT
from hawser.manager.identity import sample_size
from hawser.multipath.disk import PathDevice
from hawser.multipath.witness import Testimony

UP: Final = "up"
DOWN: Final = "down"
MISMATCH: Final = "mismatch"
# It answers, but everything that could tell its disk was being written meanwhile, or is in another path's cache.
UNTOLD: Final = "untold"

TESTIMONIES_MAX: Final = 16
# How many of them are held at once, for how long at most, and how often it is looked whether writes of them have ended.
HOLDS_MAX: Final = 4
HOLD_NS: Final = NS_PER_S
# The next probe of that path that may hold something again comes so much later: a write that never ends helps nobody.
HOLD_PAUSE_NS: Final = 10 * NS_PER_S
DRAIN_POLL_NS: Final = 2 * NS_PER_MS


@mypyc_attr(allow_interpreted_subclasses=True)
class ProbeListener:
    def probed(self, device: PathDevice, verdict: str, reason: str) -> None:
        """UP, DOWN, MISMATCH or UNTOLD, with the reason for all but the first."""
        raise NotImplementedError


class _HoldOver(Timer):
    def __init__(self, probe: "Probe") -> None:
        super().__init__()
        self.probe = probe

    def expire(self) -> None:
        self.probe.held_for_long()


class _Drained(Timer):
    def __init__(self, probe: "Probe") -> None:
        super().__init__()
        self.probe = probe

    def expire(self) -> None:
        self.probe.read_held()


class Probe(BioOwner):
    """One probe of one path; `start` it once. `may_hold`: writes may be held for it; `has_held` says whether they were."""

    def __init__(self, device: PathDevice, listener: ProbeListener, timers: Timers, may_hold: bool) -> None:
        super().__init__()
        self.device = device
        self.listener = listener
        self.timers = timers
        self.written = 0
        self.testimonies: list[Testimony] = []
        # How many testimonies the disk has borne out.
        self.agreed = 0
        self.may_hold = may_hold
        self.holds: list[Orphan] = []
        self.has_held = False
        self._hold_over = _HoldOver(self)
        self._drained = _Drained(self)

    def start(self) -> None:
        trouble = self.device.requests.driver.trouble()
        if trouble:
            self._end(DOWN, trouble)
            return
        if self.device.left_behind is not None:
            self.written = self.device.written
            self._submit(FLUSH, 0, 0)
        else:
            self._read_first()

    def _read_first(self) -> None:
        device = self.device
        self._submit(READ, 0, sample_size(device))

    def _submit(self, op: int, sector: int, size: int) -> None:
        self.device.submit_alone(Bio(op, sector, size, self))

    def bio_done(self, bio: Bio) -> None:
        if bio.status != OK:
            self._end(DOWN, f"{bio.describe()}: {status_name(bio.status)} error")
            return
        if bio.op == FLUSH:
            self.device.cache_flushed(self.written)
            self._read_first()
            return
        if self.testimonies:
            testimony = self.testimonies.pop()
            if bio.data is not None and testimony.agrees(bio.data):
                self.agreed += 1
            elif self._still_stands(testimony):
                where = f"sectors {testimony.sector}..{testimony.end_sector() - 1}"
                self._end(MISMATCH, f"not the same disk: {where} do not hold what was last written there")
                return
        else:
            self.testimonies = [testimony for testimony in self._witness() if self._can_tell(testimony)]
        if self.testimonies:
            self._read_back()
        elif self.agreed or not self._witness():
            self._end(UP, "")
        elif not self._hold():
            self._cannot_tell()

    def _read_back(self) -> None:
        """The last of the testimonies: it is taken off when the answer comes."""
        last = self.testimonies[len(self.testimonies) - 1]
        self._submit(READ, last.sector, last.size())

    def _cannot_tell(self) -> None:
        self._end(UNTOLD, "what was last written is being written again, or not flushed")

    def _end(self, verdict: str, reason: str) -> None:
        self._let_go()
        self.listener.probed(self.device, verdict, reason)

    # Held.

    def _hold(self) -> bool:
        """Have writes of some of what could tell the disk wait. Whether there is any such thing; once in a probe."""
        fences = self.device.shared.fences
        if not self.may_hold or self.has_held or not fences.enabled:
            return False
        for testimony in self._witness():
            start, end = testimony.sector, testimony.end_sector()
            # (A ghost may take any time.)
            is_quiet = testimony.is_visible(self.device) and not fences.may_change(start, end, testimony.own)
            if is_quiet and len(self.holds) < HOLDS_MAX:
                hold = Orphan(self.device.name, self.device.requests.driver.epoch, READ, start, end, 0, None)
                hold.kind = LOOK
                hold.is_harmless = True
                fences.add(hold)
                self.holds.append(hold)
        if not self.holds:
            return False
        self.has_held = True
        self.timers.arm(self._hold_over, HOLD_NS)
        self.timers.arm(self._drained, 0)
        return True

    def read_held(self) -> None:
        """Read back what is held, as soon as the writes of it that were on their way have ended."""
        for request in self.device.shared.outstanding():
            if is_write_class(request.op) and any(request.touches(hold.start, hold.end) for hold in self.holds):
                self.timers.arm(self._drained, DRAIN_POLL_NS)
                return
        self.testimonies = [testimony for testimony in self._witness() if self._is_held(testimony)]
        if self.testimonies:
            self._read_back()
        else:
            self._cannot_tell()

    def _is_held(self, testimony: Testimony) -> bool:
        if not self._can_tell(testimony):
            return False
        return any(hold.start <= testimony.sector and testimony.end_sector() <= hold.end for hold in self.holds)

    def held_for_long(self) -> None:
        """They have waited long enough. What is being read back now counts only where nothing is written meanwhile."""
        is_waiting = self._drained.is_armed()
        self._let_go()
        if is_waiting:
            self._cannot_tell()

    def _let_go(self) -> None:
        self.timers.cancel(self._hold_over)
        self.timers.cancel(self._drained)
        holds = self.holds
        self.holds = []
        for hold in holds:
            hold.resolve(LOOKED)

    # What testifies.

    def _witness(self) -> list[Testimony]:
        """What can be read back in whole blocks; the rest of a write that was partly done may begin within one."""
        mask = self.device.limits.logical_block_size - 1
        found: list[Testimony] = []
        for testimony in self.device.shared.witness.testimonies():
            if len(found) < TESTIMONIES_MAX and not (testimony.sector << SECTOR_SHIFT | testimony.size()) & mask:
                found.append(testimony)
        return found

    def _can_tell(self, testimony: Testimony) -> bool:
        return testimony.is_visible(self.device) and not self._is_moving(testimony)

    def _is_moving(self, testimony: Testimony) -> bool:
        """Whether these sectors may change just now: a write is on its way, or a fence says that one may be."""
        start, end = testimony.sector, testimony.end_sector()
        if self.device.shared.fences.may_change(start, end, testimony.own):
            return True
        for request in self.device.shared.outstanding():
            if is_write_class(request.op) and request.touches(start, end):
                return True
        return False

    def _still_stands(self, testimony: Testimony) -> bool:
        """Whether nothing has written there since the testimony was taken."""
        if self._is_moving(testimony):
            return False
        for other in self.device.shared.witness.testimonies():
            if other.is_same_as(testimony):
                return True
        return False
