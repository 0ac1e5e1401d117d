"""Probe: is a path alive, and does it lead to the same disk? Reads through the path itself, past the map.

multipathd's checkers (directio, readsector0) ask the first question alone. Here the last acknowledged writes are read
back, too: the *witness* (hawser.multipath.witness). A path with a cache of its own that was left with unflushed
writes is flushed first. What is read may be overwritten meanwhile; a difference counts only if nothing has touched
those sectors since.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import FLUSH, READ, is_write_class
from hawser.block.request import ANSWERED
from hawser.core.status import OK, RESOURCE, status_name
from hawser.core.units import SECTOR_SHIFT
from hawser.manager.identity import sample_size
from hawser.multipath.disk import PathDevice
from hawser.multipath.witness import Testimony

UP: Final = "up"
DOWN: Final = "down"
MISMATCH: Final = "mismatch"
# It answers, but everything that could tell its disk was being written meanwhile, or is in another path's cache.
UNTOLD: Final = "untold"

TESTIMONIES_MAX: Final = 16


@mypyc_attr(allow_interpreted_subclasses=True)
class ProbeListener:
    def probed(self, device: PathDevice, verdict: str, reason: str) -> None:
        """UP, DOWN, MISMATCH or UNTOLD, with the reason for all but the first."""
        raise NotImplementedError


class Probe(BioOwner):
    """One probe of one path; `start` it once."""

    def __init__(self, device: PathDevice, listener: ProbeListener) -> None:
        super().__init__()
        self.device = device
        self.listener = listener
        self.written = 0
        self.testimonies: list[Testimony] = []
        # How many testimonies the disk has borne out.
        self.agreed = 0

    def start(self) -> None:
        trouble = self.device.requests.driver.trouble()
        if trouble:
            self.listener.probed(self.device, DOWN, trouble)
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
            if bio.op == FLUSH:
                self._flush_failed(bio)
            self.listener.probed(self.device, DOWN, f"{bio.describe()}: {status_name(bio.status)} error")
            return
        if bio.op == FLUSH:
            self.device.cache_flushed(self.written)
            self._read_first()
            return
        if self.testimonies:
            testimony = self.testimonies.pop()
            if bio.data is not None and bytes(bio.data) == bytes(testimony.data):
                self.agreed += 1
            elif self._still_stands(testimony):
                where = f"sectors {testimony.sector}..{testimony.end_sector() - 1}"
                self.listener.probed(
                    self.device, MISMATCH, f"not the same disk: {where} do not hold what was last written there"
                )
                return
        else:
            self.testimonies = [testimony for testimony in self._witness() if self._can_tell(testimony)]
        if self.testimonies:
            last = self.testimonies[len(self.testimonies) - 1]
            self._submit(READ, last.sector, len(last.data))
        elif self.agreed == 0 and self._witness():
            self.listener.probed(self.device, UNTOLD, "what was last written is being written again, or not flushed")
        else:
            self.listener.probed(self.device, UP, "")

    def _flush_failed(self, bio: Bio) -> None:
        """A server tells of a lost write once: what nobody but this probe has heard concerns all. Said once per cache."""
        device = self.device
        is_answer = bio.fate == ANSWERED and bio.status != RESOURCE and device.requests.driver.answers_are_final
        if is_answer and not device.doubted:
            device.doubted = True
            device.shared.cast_doubt(f"{device.name} answered a flush with an error")

    def _witness(self) -> list[Testimony]:
        """What can be read back in whole blocks; the rest of a write that was partly done may begin within one."""
        mask = self.device.limits.logical_block_size - 1
        found: list[Testimony] = []
        for testimony in self.device.shared.witness.testimonies():
            if len(found) < TESTIMONIES_MAX and not (testimony.sector << SECTOR_SHIFT | len(testimony.data)) & mask:
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
            if other.sector == testimony.sector and bytes(other.data) == bytes(testimony.data):
                return True
        return False
