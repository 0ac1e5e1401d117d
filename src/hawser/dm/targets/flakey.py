"""`flakey DEVICE START UP DOWN [#FEATURES FEATURE...]`: a device that works for UP seconds and then misbehaves for DOWN, in turn.

Linux: drivers/md/dm-flakey.c. While down it fails reads and writes, unless features say what else it does (all times count from
the loading of the table, in whole seconds):

    error_reads                          reads fail
    error_writes or drop_writes          writes, flushes and discards fail; or vanish, and succeed
    corrupt_bio_byte N r|w VALUE FLAGS   the N-th byte of a read or write becomes VALUE, if it has these of the kernel's bio flags
    random_read_corrupt P                a random byte of a read becomes a random one, with a probability of P / 1,000,000,000
    random_write_corrupt P               the same of a write

What is corrupted is a copy: nobody else's view of the data changes.
"""

from hawser.block.device import BlockDevice
from hawser.block.ops import READ, WRITE, Buffer
from hawser.block.request import MapContext
from hawser.core.clock import Clock
from hawser.core.rng import Rng
from hawser.core.status import IOERR, OK
from hawser.core.turn import Turn
from hawser.core.units import NS_PER_S
from hawser.dm.answers import Answer
from hawser.dm.arguments import NOT_A_NUMBER, UINT_MAX, Arguments, find_device, scan_sector
from hawser.dm.clone import CloneBio
from hawser.dm.passage import Passage, straight
from hawser.dm.target import (
    END_DONE,
    KILL,
    REMAPPED,
    SUBMITTED,
    TableError,
    Target,
    TargetContext,
    TargetHost,
    register_target,
)
from hawser.dm.targets.flakey_features import PROBABILITY_BASE, Features, parse_features
from hawser.dm.targets.kernel_flags import kernel_flags


class _Down(MapContext):
    """Marks a read that was mapped while the device was down."""


class FlakeyTarget(Target):
    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("flakey", start, length)
        self.num_write_zeroes_bios = 0
        self.lookup_error = "Device lookup failed"
        self.host: TargetHost = context.host
        self.turn: Turn = context.turn
        self.clock: Clock = context.clock
        self.start_ns = context.clock.now_ns
        if len(words) < 4:
            raise TableError("Invalid argument count")
        self.offset = scan_sector(words[1])
        if self.offset == NOT_A_NUMBER:
            raise TableError("Invalid device sector")
        arguments = Arguments(words[2:])
        self.up_s = arguments.read(0, UINT_MAX, "Invalid up interval")
        self.down_s = arguments.read(0, UINT_MAX, "Invalid down interval")
        _check_intervals(self.up_s, self.down_s)
        self.features: Features = parse_features(arguments)
        self.device: BlockDevice = find_device(context, words[0], self.lookup_error)
        self.moves_sectors = self.offset != start
        self.rng = Rng(_seed(f"{context.host.name()} {start} {' '.join(words)}"))
        self._down = _Down()

    def devices(self) -> list[BlockDevice]:
        return [self.device]

    def areas(self) -> list[tuple[BlockDevice, int, int]]:
        return [(self.device, self.offset, self.length)]

    def prepare_ioctl(self) -> Passage:
        return straight(self.device, self.offset, self.length)

    def is_down(self) -> bool:
        elapsed_s = (self.clock.now_ns - self.start_ns) // NS_PER_S
        return elapsed_s % (self.up_s + self.down_s) >= self.up_s

    def map_bio(self, clone: CloneBio) -> int:
        clone.context = None
        if self.is_down():
            features = self.features
            if clone.op == READ:
                if features.error_reads:
                    return KILL
                clone.context = self._down
            elif features.drop_writes or features.error_writes:
                self.turn.defer(Answer(self.host, clone, OK if features.drop_writes else IOERR))
                return SUBMITTED
            elif clone.op == WRITE:
                self._corrupt_write(clone)
        clone.device = self.device
        clone.sector = self.offset + clone.sector - self.start
        return REMAPPED

    def end_bio(self, clone: CloneBio) -> int:
        if clone.status == OK and clone.context is self._down:
            assert clone.data is not None
            features = self.features
            if features.corrupts(kernel_flags(clone), False):
                clone.data = _with_byte(clone.data, features.corrupt_byte - 1, features.corrupt_value)
            if self._chance(features.random_read_corrupt):
                clone.data = self._with_random_byte(clone.data)
        return END_DONE

    def _corrupt_write(self, clone: CloneBio) -> None:
        assert clone.data is not None
        features = self.features
        fixed = features.corrupts(kernel_flags(clone), True)
        at_random = self._chance(features.random_write_corrupt)
        if fixed:
            clone.data = _with_byte(clone.data, features.corrupt_byte - 1, features.corrupt_value)
        if at_random:
            clone.data = self._with_random_byte(clone.data)

    def _chance(self, probability: int) -> bool:
        return probability > 0 and self.rng.chance(probability, PROBABILITY_BASE)

    def _with_random_byte(self, data: Buffer) -> Buffer:
        place = self.rng.below(len(data))
        return _with_byte(data, place, self.rng.below(256))

    def status_table(self) -> str:
        words = [self.device.devt, str(self.offset), str(self.up_s), str(self.down_s)]
        features = self.features.words()
        return " ".join([*words, str(len(features)), *features])


def _check_intervals(up_s: int, down_s: int) -> None:
    """They are added up in 32 bits."""
    total_s = (up_s + down_s) & UINT_MAX
    if total_s == 0:
        raise TableError("Total (up + down) interval is zero")
    if total_s < up_s:
        raise TableError("Interval overflow")


def _with_byte(data: Buffer, place: int, value: int) -> Buffer:
    """A copy with one byte changed; the data itself when it ends before that."""
    if place >= len(data):
        return data
    changed = bytearray(data)
    changed[place] = value
    return bytes(changed)


def _seed(text: str) -> int:
    """FNV-1a: the same device and table misbehave in the same way, in every run."""
    seed = 0xCBF2_9CE4_8422_2325
    for byte in text.encode():
        seed = ((seed ^ byte) * 0x100_0000_01B3) & 0xFFFF_FFFF_FFFF_FFFF
    return seed


register_target("flakey", FlakeyTarget, "1.5.0")
