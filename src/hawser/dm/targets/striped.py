"""`striped STRIPES CHUNK {DEVICE START}...`: chunks of CHUNK sectors go to the devices in turn (RAID 0).

Linux: drivers/md/dm-stripe.c. What has no data, a discard say, is not cut at chunks: each device gets the one stretch of it that
is its share. An error marks every stripe on that device with a D, for as long as the table lives, and is an event; after
ERRORS_TOLD of them no more is told.
"""

from dataclasses import replace
from typing import Final

from hawser.block.device import BlockDevice
from hawser.block.limits import QueueLimits
from hawser.block.ops import DISCARD, FLUSH, RAHEAD
from hawser.core.status import NOTSUPP, OK
from hawser.core.turn import Turn, Work
from hawser.core.units import SECTOR_SHIFT
from hawser.dm.answers import Answer
from hawser.dm.arguments import NOT_A_NUMBER, UINT_MAX, find_device, scan_sector, strict_uint
from hawser.dm.clone import CloneBio
from hawser.dm.target import (
    END_DONE,
    REMAPPED,
    SUBMITTED,
    TableError,
    Target,
    TargetContext,
    TargetHost,
    register_target,
)

# Linux: DM_IO_ERROR_THRESHOLD, the number of the error of which nothing is told any more.
ERRORS_TOLD: Final = 15


class _Event(Work):
    """Tells of errors, once however many there are in a turn."""

    def __init__(self, host: TargetHost) -> None:
        self.host = host
        self.is_due = False

    def run(self) -> None:
        self.is_due = False
        self.host.raise_event()


class _Stripe:
    def __init__(self, device: BlockDevice, start: int) -> None:
        self.device = device
        self.start = start
        self.error_count = 0

    def letter(self) -> str:
        return "D" if self.error_count else "A"


class StripedTarget(Target):
    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("striped", start, length)
        self.passes_on = True
        self.moves_sectors = True
        self.flush_bypasses_map = True
        self.lookup_error = "Couldn't parse stripe destination"
        self.host: TargetHost = context.host
        self.turn: Turn = context.turn
        count, self.chunk_sectors = _geometry(length, words)
        self.width_sectors = length // count
        self.max_io_sectors = self.chunk_sectors
        self.num_flush_bios = count
        self.num_discard_bios = count
        self.num_write_zeroes_bios = count
        self.stripes: list[_Stripe] = []
        for number in range(count):
            self.stripes.append(self._stripe(context, words[2 + 2 * number], words[3 + 2 * number]))
        self._event = _Event(context.host)

    def _stripe(self, context: TargetContext, name: str, word: str) -> _Stripe:
        start = scan_sector(word)
        if start == NOT_A_NUMBER:
            raise TableError(self.lookup_error)
        return _Stripe(find_device(context, name, self.lookup_error), start)

    def devices(self) -> list[BlockDevice]:
        found: list[BlockDevice] = []
        for stripe in self.stripes:
            if stripe.device not in found:
                found.append(stripe.device)
        return found

    def areas(self) -> list[tuple[BlockDevice, int, int]]:
        return [(stripe.device, stripe.start, self.width_sectors) for stripe in self.stripes]

    def limits(self, below: QueueLimits) -> QueueLimits:
        io_min = self.chunk_sectors << SECTOR_SHIFT
        io_opt = io_min * len(self.stripes)
        if io_opt > UINT_MAX:
            return replace(below, chunk_sectors=self.chunk_sectors)
        return replace(below, chunk_sectors=self.chunk_sectors, io_min=io_min, io_opt=io_opt)

    def map_bio(self, clone: CloneBio) -> int:
        if clone.op >= DISCARD:
            return self._map_share(clone)
        if clone.op == FLUSH:
            # One for each stripe, where a neighbour in the table keeps flushes from going straight to the devices.
            clone.device = self.stripes[clone.number].device
            clone.sector = 0
            return REMAPPED
        offset = clone.sector - self.start
        chunk = offset // self.chunk_sectors
        stripe = self.stripes[chunk % len(self.stripes)]
        clone.device = stripe.device
        clone.sector = (
            stripe.start + chunk // len(self.stripes) * self.chunk_sectors + offset - chunk * self.chunk_sectors
        )
        return REMAPPED

    def _map_share(self, clone: CloneBio) -> int:
        """The stretch of a stripe that a bio without data touches; there may be none. Linux: stripe_map_range()."""
        stripe = self.stripes[clone.number]
        begin = self._sectors_before(clone.sector, clone.number)
        end = self._sectors_before(clone.end_sector(), clone.number)
        if begin == end:
            self.turn.defer(Answer(self.host, clone))
            return SUBMITTED
        clone.device = stripe.device
        clone.sector = stripe.start + begin
        clone.size = (end - begin) << SECTOR_SHIFT
        return REMAPPED

    def _sectors_before(self, sector: int, number: int) -> int:
        """How many of the sectors in front of `sector` lie on a stripe."""
        row = self.chunk_sectors * len(self.stripes)
        offset = sector - self.start
        rest = offset % row - number * self.chunk_sectors
        return offset // row * self.chunk_sectors + min(max(rest, 0), self.chunk_sectors)

    def end_bio(self, clone: CloneBio) -> int:
        if clone.status != OK and clone.status != NOTSUPP and not clone.flags & RAHEAD:
            for stripe in self.stripes:
                if stripe.device is clone.device:
                    stripe.error_count += 1
                    if stripe.error_count < ERRORS_TOLD:
                        self._tell()
        return END_DONE

    def _tell(self) -> None:
        if not self._event.is_due:
            self._event.is_due = True
            self.turn.defer(self._event)

    def status_info(self) -> str:
        names = [stripe.device.devt for stripe in self.stripes]
        letters = "".join(stripe.letter() for stripe in self.stripes)
        return " ".join([str(len(self.stripes)), *names, "1", letters])

    def status_ima(self) -> str:
        words = [f"stripes={len(self.stripes)}", f"chunk_size={self.chunk_sectors}"]
        for number, stripe in enumerate(self.stripes):
            words.append(f"stripe_{number}_device_name={stripe.device.devt}")
            words.append(f"stripe_{number}_physical_start={stripe.start}")
            words.append(f"stripe_{number}_status={stripe.letter()}")
        return self.measured(words)

    def status_table(self) -> str:
        words = [str(len(self.stripes)), str(self.chunk_sectors)]
        for stripe in self.stripes:
            words += [stripe.device.devt, str(stripe.start)]
        return " ".join(words)


def _geometry(length: int, words: list[str]) -> tuple[int, int]:
    """The number of stripes, and the chunk in sectors. In the kernel's order of complaints."""
    if len(words) < 2:
        raise TableError("Not enough arguments")
    count = strict_uint(words[0])
    if count <= 0:
        raise TableError("Invalid stripe count")
    chunk = strict_uint(words[1])
    if chunk <= 0:
        raise TableError("Invalid chunk_size")
    if length % count:
        raise TableError("Target length not divisible by number of stripes")
    if length // count % chunk:
        raise TableError("Target length not divisible by chunk size")
    if len(words) != 2 + 2 * count:
        raise TableError("Not enough destinations specified")
    return count, chunk


register_target("striped", StripedTarget, "1.6.0", nowait=True)
