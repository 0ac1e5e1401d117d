"""Copies: a bio that goes to several devices at once, or to one where its sectors have other numbers; and their fan-in.

Linux: the clones of __send_duplicate_bios() in drivers/md/dm.c and the bios of struct r1bio in drivers/md/raid1.c. Each copy may
cover less than the whole. Where sectors move, what has become an orphan below is known above by an echo (hawser.block.orphan),
unless something below fences on its account already.
"""

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.ops import READ, Buffer, is_write_class
from hawser.block.orphan import Orphan
from hawser.block.request import ANSWERED, NOT_SENT
from hawser.block.split import SplitBio
from hawser.core.status import OK


class BioCopy(Bio):
    """`device` is where it goes; None: that is for whoever gets it to say. `moved`: its sectors have other numbers there."""

    def __init__(
        self, device: BlockDevice | None, sector: int, size: int, owner: "Copies", data: Buffer | None
    ) -> None:
        whole = owner.whole
        super().__init__(whole.op, sector, size, owner, data, whole.flags)
        self.device = device
        self.moved = sector != whole.sector
        self.segments = whole.segments
        self.ioprio = whole.ioprio
        self.life = whole.life


class Copies(SplitBio):
    """The whole completes when all copies have, with the first error. Make all of them before the first is submitted.

    Subclasses that know better than that override `copy_done` and `finish`.
    """

    def __init__(self, whole: Bio) -> None:
        super().__init__(whole)
        self.done_bytes = whole.size

    def copy(self, device: BlockDevice | None, sector: int) -> BioCopy:
        """One of all of it, for `device` at `sector`."""
        self.left += 1
        return BioCopy(device, sector, self.whole.size, self, self.whole.data)

    def bio_done(self, bio: Bio) -> None:
        assert isinstance(bio, BioCopy)
        # Also of what has succeeded: where that is a mirror, the write may have failed on one of its legs.
        if bio.orphan is not None:
            self._orphaned(orphans_above(bio, self.whole, bio.device, bio.moved))
        self.copy_done(bio)
        self.left -= 1
        if self.left == 0:
            self.finish()

    def copy_done(self, bio: BioCopy) -> None:
        if bio.status != OK:
            self._failed(bio)
        else:
            self.any_succeeded = True
            if bio.op == READ:
                self.whole.data = bio.data

    def finish(self) -> None:
        whole = self.whole
        if self.status != OK:
            whole.fate = ANSWERED if self.fate == NOT_SENT and self.any_succeeded else self.fate
        whole.complete(self.status)


def orphans_above(below: Bio, above: Bio, device: BlockDevice | None, moved: bool) -> list[Orphan]:
    """The orphans that `below` has left on `device`, as they are to be known to whoever asked for `above`."""
    assert below.orphan is not None
    left = [below.orphan, *(below.more_orphans or [])]
    if not moved:
        return left
    under_way = device.under_way() if device is not None else []
    seen: list[Orphan] = []
    for orphan in left:
        if below.orphans is not None and orphan in below.orphans:
            # A multipath below keeps its own fence.
            seen.append(orphan)
            continue
        overlapped = False
        if not orphan.is_echo:
            for request in under_way:
                if is_write_class(request.op) and request.touches(orphan.start, orphan.end):
                    overlapped = True
        seen.append(orphan.echo(above.sector, above.end_sector(), overlapped))
    return seen


def hand_up_orphans(below: Bio, above: Bio, device: BlockDevice | None, moved: bool) -> None:
    """The same, put where whoever asked for `above` looks for them."""
    left = orphans_above(below, above, device, moved)
    above.orphan = left.pop(0)
    above.more_orphans = left or None
