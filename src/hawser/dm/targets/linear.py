"""`linear DEVICE START`: the sectors of a device from START on. Linux: drivers/md/dm-linear.c."""

from hawser.block.device import BlockDevice
from hawser.core.units import is_number
from hawser.dm.clone import CloneBio
from hawser.dm.target import REMAPPED, TableError, Target, TargetContext, register_target


class LinearTarget(Target):
    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("linear", start, length)
        self.passes_on = True
        self.lookup_error = "Device lookup failed"
        if len(words) != 2:
            raise TableError("Invalid argument count")
        if not is_number(words[1]):
            raise TableError("Invalid device sector")
        device = context.devices.find(words[0])
        if device is None:
            raise TableError(self.lookup_error, context.devices.why(words[0]))
        self.device: BlockDevice = device
        self.offset = int(words[1])

    def devices(self) -> list[BlockDevice]:
        return [self.device]

    def areas(self) -> list[tuple[BlockDevice, int, int]]:
        return [(self.device, self.offset, self.length)]

    def map_bio(self, clone: CloneBio) -> int:
        clone.device = self.device
        clone.sector = self.offset + clone.sector - self.start
        return REMAPPED

    def status_table(self) -> str:
        return f"{self.device.devt} {self.offset}"


register_target("linear", LinearTarget)
