"""The devices of a machine: as the kernel finds them by number and by node, and made from what a header says of each.

Linux: dm_devt_from_path() in drivers/md/dm-table.c, lookup_bdev(), bd_may_claim() in block/bdev.c. A device that is part of a
mapped device is claimed for device mapper: nobody else may have it, or a part of it, for himself.
"""

import re
from dataclasses import replace
from typing import Final

from hawser.block.device import BlockDevice, QueueDevice
from hawser.block.elevators.base import ELEVATORS
from hawser.block.limits import QueueLimits
from hawser.block.partition import Partition
from hawser.block.queue import RequestQueue
from hawser.core.units import SECTOR_SHIFT
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.registry import DeviceRegistry
from hawser.lab.linux.brd import ErrorDisk, RamDisk, ZeroDisk
from hawser.lab.linux.disk import LinuxDisk, kernel_name
from hawser.lab.linux.facts import FactError, Facts
from hawser.lab.linux.kit import Kit
from hawser.lab.linux.limits import limits_of
from hawser.lab.linux.loop import LoopDriver
from hawser.lab.linux.memory import Memory
from hawser.lab.linux.nodes import Nodes
from hawser.lab.linux.null_blk import NullDriver
from hawser.lab.linux.page_cache import PageCaches
from hawser.lab.linux.scsi_debug import DELETED, OFFLINE_STATE, ScsiDebug, ScsiDriver
from hawser.lab.linux.scsi_unit import DebugUnit
from hawser.multipath.handlers.base import attach
from hawser.scsi.device import ScsiWorld

NO_HANDLER: Final = "detached"
# scsi_debug: the size of its store where none is given; what it says that a command may have, in blocks, lies between these.
DEV_SIZE_MB: Final = 8
DEV_BLOCKS_MIN: Final = 0x400
DEV_BLOCKS_MAX: Final = 0xFFFF
LOWEST_ALIGNED_MAX: Final = 0x3FFF

# Linux: dm_devt_from_path() reads "%u:%u%c" and wants the two numbers and nothing behind them.
_NUMBER: Final = re.compile(r"\s*[+]?\d+:\s*[+]?\d+")


RAM_DISKS: Final[dict[str, type[RamDisk]]] = {"brd": RamDisk, "zero": ZeroDisk, "error": ErrorDisk}


class LinuxDevices(DeviceRegistry):
    """`disks` by kernel name."""

    def __init__(self, major: int, nodes: Nodes) -> None:
        super().__init__(major)
        self.parameters.faithful = True
        self.nodes = nodes
        # Linux: nr_cpu_ids.
        self.processors = 1
        self.disks: dict[str, LinuxDisk] = {}
        # Mapped devices that a program has for itself, by number.
        self.claims: set[str] = set()

    def find(self, name: str) -> BlockDevice | None:
        if _NUMBER.fullmatch(name):
            first, _, second = name.partition(":")
            return self.by_number(f"{int(first)}:{int(second)}")
        number = self.nodes.number_of(name)
        return self.by_number(number) if number else None

    def why(self, name: str) -> str:
        if _NUMBER.fullmatch(name):
            return "ENXIO"
        if self.nodes.number_of(name):
            return "ENXIO"
        if self.nodes.is_below_a_file(name):
            return "ENOTDIR"
        return "ENOTBLK" if self.nodes.is_other_file(name) else "ENOENT"

    def cpus(self) -> int:
        return self.processors

    def why_not(self, device: BlockDevice, read_only: bool) -> str:
        disk = self.disk_of(device)
        if disk is None:
            # A mapped device without a table has no disk to open.
            if isinstance(device, MappedDevice) and not device.kind:
                return "ENXIO"
            return "EBUSY" if device.devt in self.claims else ""
        if disk.trouble() or is_offline(disk.whole.device):
            return "ENXIO"
        if not read_only and disk.whole.refuses_writers:
            return "EROFS"
        return "EBUSY" if self.is_taken_from_device_mapper(disk) else ""

    def exclude_each_other(self, device: BlockDevice, others: list[BlockDevice]) -> bool:
        """A disk and a part of it are not both to be had, even by one table. Linux: bd_may_claim()."""
        disk = self.disk_of(device)
        if disk is None:
            return False
        for found in [self.disk_of(other) for other in others]:
            if found is not None and found is not disk and (found.whole is disk or disk.whole is found):
                return True
        return False

    def is_taken_from_device_mapper(self, disk: LinuxDisk) -> bool:
        """Whether a program has it, or what it is a part of, for itself; or anybody a part of it."""
        if disk.claimed or disk.whole.claimed:
            return True
        if disk.whole is not disk:
            return len(self.holders(disk.whole.device)) > 0
        return any(part.claimed or self.holders(part.device) for part in self.parts_of(disk))

    def is_taken_from_programs(self, disk: LinuxDisk) -> bool:
        """The same for a program that wants it for itself."""
        return self.is_taken_from_device_mapper(disk) or len(self.holders(disk.device)) > 0

    def parts_of(self, disk: LinuxDisk) -> list[LinuxDisk]:
        return [part for part in self.disks.values() if part.whole is disk and part is not disk]

    def disk_of(self, device: BlockDevice) -> LinuxDisk | None:
        disk = self.disks.get(device.name)
        return disk if disk is not None and disk.device is device else None

    def add(self, device: BlockDevice, aliases: list[str] | None = None) -> None:
        super().add(device, aliases)
        if isinstance(device, MappedDevice):
            self.nodes.add(f"/dev/{device.disk_name()}", device.devt)

    def remove(self, device: BlockDevice) -> None:
        super().remove(device)
        if isinstance(device, MappedDevice):
            self.nodes.remove(f"/dev/{device.disk_name()}")

    def add_disk(self, disk: LinuxDisk) -> None:
        self.add(disk.device)
        self.disks[disk.name] = disk
        self.nodes.add(f"/dev/{disk.name}", disk.number)

    def remove_disk(self, disk: LinuxDisk) -> None:
        """It, and its partitions, are gone; whoever has them open keeps them."""
        for part in self.parts_of(disk):
            self.remove_disk(part)
        disk.is_gone = True
        if disk.whole is disk and disk.device.queue is not None:
            disk.device.queue.die()
        self.remove(disk.device)
        del self.disks[disk.name]
        self.nodes.remove(f"/dev/{disk.name}")


class Maker:
    """Makes disks from a header. All disks of scsi_debug share one store and one set of settings."""

    def __init__(self, kit: Kit, devices: LinuxDevices, caches: PageCaches) -> None:
        self.kit = kit
        self.devices = devices
        self.caches = caches
        self.scsi: ScsiDebug | None = None
        self.scsi_world = ScsiWorld()
        # By label: what loops, partitions and linear devices stand on.
        self.by_label: dict[str, BlockDevice] = {}

    def make(self, label: str, facts: Facts) -> None:
        """Make a disk known. FactError when the header does not say how."""
        kind = facts.text("kind")
        if kind in RAM_DISKS:
            device = self._brd(facts)
        elif kind == "scsi_debug":
            device = self._scsi(facts)
        elif kind == "loop":
            device = self._loop(facts)
        elif kind == "null_blk":
            device = self._null(facts)
        elif kind == "partition":
            device = self._partition(facts)
        else:
            raise FactError(
                f"{facts.where}: kind {kind!r} is none of brd, linear, loop, scsi_debug, null_blk, partition"
            )
        disk = LinuxDisk(label, facts, device)
        if facts.part("backing").has("device"):
            disk.backing = self._backing(facts)
        if kind == "partition":
            whole = self.devices.disk_of(self._backing(facts))
            assert whole is not None
            disk.whole = whole
        self.devices.add_disk(disk)
        self.by_label[label] = device

    def _backing(self, facts: Facts) -> BlockDevice:
        label = facts.part("backing").text("device")
        # What a step has made has no label of its own: its number, or the name under which the recorder knew it.
        numbered = self.devices.by_number(label) or self.devices.mapped_name(label)
        if label not in self.by_label and numbered is not None:
            return numbered
        if label not in self.by_label:
            raise FactError(f"{facts.where}: it stands on {label!r}, of which the header says nothing before")
        return self.by_label[label]

    def _brd(self, facts: Facts) -> BlockDevice:
        sectors = facts.number("sectors")
        limits = limits_of(facts.part("queue"))
        disk = RAM_DISKS[facts.text("kind")]
        memory = Memory(sectors << SECTOR_SHIFT if disk is RamDisk else 0)
        return disk(kernel_name(facts), facts.text("dev"), sectors, limits, self.kit.turn, memory)

    def _scsi(self, facts: Facts) -> BlockDevice:
        if self.scsi is None:
            self.scsi = ScsiDebug(facts.part("params").part("effective"), facts.number("sectors") << SECTOR_SHIFT)
        depth = facts.part("scsi").number("queue_depth", self.scsi.max_queue)
        driver = ScsiDriver(self.scsi, self.kit, depth)
        disk = self._on_queue(facts, driver)
        unit = DebugUnit(driver, self.kit, facts, self.scsi_world)
        driver.unit = unit
        disk.scsi = unit
        handler = facts.part("scsi").text("dh_state", NO_HANDLER)
        if handler != NO_HANDLER and attach(unit, handler):
            raise FactError(f"{facts.where}: it cannot have the handler {handler!r} that is attached to it")
        return disk

    def _null(self, facts: Facts) -> BlockDevice:
        memory = Memory(facts.number("sectors") << SECTOR_SHIFT)
        return self._on_queue(facts, NullDriver(facts.part("params"), self.kit, memory))

    def _loop(self, facts: Facts) -> BlockDevice:
        offset = facts.part("backing").number("start")
        is_direct = facts.part("params").number("dio") != 0
        backing = self._backing(facts)
        if isinstance(backing, MappedDevice):
            # The file of a loop device is open as long as it has one.
            backing.open_count += 1
        driver = LoopDriver(self.kit, backing, offset, is_direct, self.caches)
        return self._on_queue(facts, driver)

    def _on_queue(self, facts: Facts, driver: "ScsiDriver | NullDriver | LoopDriver") -> BlockDevice:
        name = kernel_name(facts)
        queue_facts = facts.part("queue")
        limits = limits_of(queue_facts)
        if isinstance(driver, ScsiDriver):
            limits = _with_pages(limits, facts.part("params"))
        queue = RequestQueue(name, driver, limits, self.kit.turn, self.kit.timers, tags_of(facts))
        scheduler = selected(queue_facts.text("scheduler"))
        if scheduler in ELEVATORS:
            queue.set_scheduler(scheduler)
        return QueueDevice(name, facts.text("dev"), facts.number("sectors"), queue, self.kit.turn)

    def _partition(self, facts: Facts) -> BlockDevice:
        start = facts.part("backing").number("start")
        whole = self._backing(facts)
        return Partition(kernel_name(facts), facts.text("dev"), whole, start, facts.number("sectors"))


def _with_pages(limits: QueueLimits, params: Facts) -> QueueLimits:
    """With what a scsi_debug disk says of itself and its queue's folder does not. Linux: inquiry_vpd_b0() of scsi_debug.c; and
    READ CAPACITY (16), for whose alignment the driver shows no parameter."""
    effective = params.part("effective")
    block = limits.logical_block_size
    lowest = params.part("given").number("lowest_aligned", 0) & LOWEST_ALIGNED_MAX
    blocks = max((effective.number("dev_size_mb", DEV_SIZE_MB) << 20) // block, DEV_BLOCKS_MIN)
    alignment = effective.number("unmap_alignment", 0) * block if limits.max_discard_sectors else 0
    most = min(blocks, DEV_BLOCKS_MAX) * limits.block_sectors()
    return replace(limits, alignment_offset=lowest * block, discard_alignment=alignment, max_dev_sectors=most)


def tags_of(facts: Facts) -> int:
    """How many commands each of its hardware queues takes. There is one here: programs seldom use several at a time."""
    queues = facts.part("hw_queues")
    tags = max((queues.part(number).number("nr_tags") for number in queues.names()), default=0)
    return tags or facts.part("queue").number("nr_requests", 128)


def selected(text: str) -> str:
    """The word between brackets: `none [mq-deadline]`."""
    inside = text.partition("[")[2].partition("]")[0]
    return inside or text.strip()


def is_offline(device: BlockDevice) -> bool:
    """Whether a scsi disk refuses to be opened."""
    queue = device.queue
    driver = queue.driver if queue is not None else None
    return isinstance(driver, ScsiDriver) and driver.state in (OFFLINE_STATE, DELETED)
