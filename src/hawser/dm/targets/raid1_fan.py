"""Fan: one write, discard, write zeroes or flush of a mirror on its way to all legs, and what they answer.

Linux: struct r1bio (drivers/md/raid1.h).
"""

from typing import TYPE_CHECKING

from hawser.block.bio import Bio, BioOwner
from hawser.block.copies import BioCopy, Copies
from hawser.block.device import BlockDevice
from hawser.block.ops import NOWAIT
from hawser.block.orphan import Orphan
from hawser.block.plug import Plug
from hawser.block.request import NOT_SENT, MapContext
from hawser.core.status import AGAIN, INVAL, NOTSUPP, OK
from hawser.dm.clone import CloneBio

if TYPE_CHECKING:
    from hawser.dm.targets.raid1 import Raid1Target


class Leg:
    """One side of a mirror. `letter` is A while it is in sync, then what has failed it."""

    def __init__(self, device: BlockDevice, offset: int) -> None:
        self.device = device
        self.offset = offset
        self.in_sync = True
        self.letter = "A"
        self.first_try = ReadTry(self, None, OK)


class ReadTry(MapContext):
    """Where a read is, and which leg it was on before, with what status. OK: that leg had failed before it answered."""

    def __init__(self, leg: Leg, failed: Leg | None, failed_status: int) -> None:
        self.leg = leg
        self.failed = failed
        self.failed_status = failed_status


class LegAnswer:
    """What one leg has said."""

    def __init__(self, leg: Leg, status: int, fate: int) -> None:
        self.leg = leg
        self.status = status
        self.fate = fate

    def is_untouched(self) -> bool:
        """Whether the leg is surely as it was before."""
        return self.fate == NOT_SENT or self.status == NOTSUPP or self.status == AGAIN or self.status == INVAL


class Fan(Copies):
    """`serial` numbers writes; 0: it is a flush. `haunts`: its client is dead, and what it writes nobody may miss."""

    def __init__(self, clone: CloneBio, target: "Raid1Target", start: int, legs: list[Leg]) -> None:
        super().__init__(clone)
        self.target = target
        self.serial = 0
        self.haunts = False
        self.doubts_seen = clone.client().doubts_seen
        self._answers: list[LegAnswer | None] = [None] * len(legs)
        self._legs = legs
        self._copies: list[BioCopy | None] = []
        for leg in legs:
            copy: BioCopy | None = None
            if leg.in_sync:
                copy = self.copy(leg.device, leg.offset + clone.sector - start if clone.size else 0)
                # It may not fail on one leg only because that one would have to wait.
                copy.flags &= ~NOWAIT
            self._copies.append(copy)

    def submit(self, number: int, plug: Plug) -> None:
        """Send the copy for a leg, if that gets one."""
        copy = self._copies[number]
        if copy is not None:
            self._legs[number].device.submit(copy, plug)

    def client_of(self, bio: Bio) -> BioOwner:
        """It is the mirror itself that asks the legs: what has gone to one must go to all, though the client may be dead."""
        return self

    def copy_done(self, bio: BioCopy) -> None:
        number = self._copies.index(bio)
        self._answers[number] = LegAnswer(self._legs[number], bio.status, bio.fate)

    def answers_in_sync(self) -> list[LegAnswer]:
        """Of the legs that count, in their order. There is one at least: the last leg in sync stays, and got a copy."""
        return [answer for answer in self._answers if answer is not None and answer.leg.in_sync]

    def finish(self) -> None:
        self.target.fan_done(self)

    def forget_fenced_below(self) -> None:
        """It has succeeded. What a multipath below has fenced on a leg that failed is no copy of what the client was told."""
        whole = self.whole
        if whole.orphan is not None:
            left: list[Orphan] = [whole.orphan, *(whole.more_orphans or [])]
            left = [orphan for orphan in left if orphan.watcher is None]
            whole.orphan = left.pop(0) if left else None
            whole.more_orphans = left or None


def overlap(first: Bio, second: Bio) -> bool:
    """Whether they have sectors in common. A flush has none."""
    return first.sector < second.end_sector() and second.sector < first.end_sector()


def survivor(answers: list[LegAnswer]) -> LegAnswer | None:
    """Of the answers of legs in sync, in their order, that of the leg which holds the truth from now on. None: all do, as nothing
    has happened on any of them.

    Where all have failed it is the first one: what it has carried out of it may have been read.
    """
    for answer in answers:
        if answer.status == OK:
            return answer
    if all(answer.is_untouched() for answer in answers):
        return None
    return answers[0]
