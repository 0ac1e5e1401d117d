"""`linear DEVICE START`: the sectors of a device from START on. Linux: drivers/md/dm-linear.c."""

from hawser.block.device import BlockDevice
from hawser.dm.arguments import NOT_A_NUMBER, find_device, scan_sector
from hawser.dm.clone import CloneBio
from hawser.dm.passage import Passage, straight
from hawser.dm.target import REMAPPED, TableError, Target, TargetContext, register_target


class LinearTarget(Target):
    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("linear", start, length)
        self.passes_on = True
        self.flush_bypasses_map = True
        self.lookup_error = "Device lookup failed"
        if len(words) != 2:
            raise TableError("Invalid argument count")
        self.offset = scan_sector(words[1])
        if self.offset == NOT_A_NUMBER:
            raise TableError("Invalid device sector")
        self.device: BlockDevice = find_device(context, words[0], self.lookup_error)
        self.moves_sectors = self.offset != start

    def devices(self) -> list[BlockDevice]:
        return [self.device]

    def areas(self) -> list[tuple[BlockDevice, int, int]]:
        return [(self.device, self.offset, self.length)]

    def prepare_ioctl(self) -> Passage:
        return straight(self.device, self.offset, self.length)

    def map_bio(self, clone: CloneBio) -> int:
        clone.device = self.device
        clone.sector = self.offset + clone.sector - self.start
        return REMAPPED

    def status_ima(self) -> str:
        return self.measured([f"device_name={self.device.devt}", f"start={self.offset}"])

    def status_table(self) -> str:
        return f"{self.device.devt} {self.offset}"


register_target("linear", LinearTarget, "1.4.0", nowait=True)
