"""The folder of a block device in sysfs, without its `queue`.

Linux: block/genhd.c, block/partitions/core.c, block/blk-mq-sysfs.c, drivers/md/dm-sysfs.c, drivers/block/loop.c. Files of which
nothing is known here (`uevent`, `diskseq`, ...) are there, and empty.
"""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.block.partition import Partition
from hawser.block.queue import RequestQueue
from hawser.block.request import Request
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.linux.devices import LinuxDevices
from hawser.lab.linux.disk import LinuxDisk
from hawser.lab.linux.facts import Facts
from hawser.lab.linux.files import Files, OsError
from hawser.lab.linux.folder import FixedFolder, Folder, LinkFolder
from hawser.lab.linux.scsi_debug import ScsiDriver
from hawser.lab.linux.sysfs_queue import QueueFolder, QueueSettings
from hawser.lab.linux.sysfs_scsi import ScsiDeviceFolder

_DISK_FILES: Final = (
    "alignment_offset capability dev discard_alignment diskseq events events_async events_poll_msecs ext_range hidden inflight "
    "partscan range removable ro size stat uevent"
)
_DISK_FOLDERS: Final = ["bdi", "holders", "integrity", "power", "queue", "slaves", "subsystem", "trace"]
_PART_FILES: Final = "alignment_offset dev discard_alignment inflight partition ro size start stat uevent"
_PART_FOLDERS: Final = ["holders", "power", "subsystem", "trace"]
# Minors that a disk of this kind has for its partitions, and may have altogether.
_RANGES: Final = {"scsi_debug": "16"}
_EXTENDED_RANGE: Final = "256"
_FLAGS_OF_DM: Final = {"use_blk_mq": "1", "rq_based_seq_io_merge_deadline": "0"}


class DmFolder(FixedFolder):
    """Linux: dm-sysfs.c. What the merge deadline is set to counts for nothing since 4.20."""

    def store(self, name: str, value: str) -> None:
        if name != "rq_based_seq_io_merge_deadline":
            super().store(name, value)


class DiskFolder(Folder):
    """Of a disk, a mapped device or a partition; `disk` is None for mapped devices."""

    def __init__(self, devices: LinuxDevices, files: Files, device: BlockDevice, settings: QueueSettings) -> None:
        self.devices = devices
        self.files = files
        self.device = device
        self.settings = settings
        self.disk: LinuxDisk | None = devices.disk_of(device)
        self.is_part = self.disk is not None and self.disk.whole is not self.disk
        self._folders = self._make_folders()

    def _make_folders(self) -> dict[str, Folder]:
        own = _PART_FOLDERS if self.is_part else _DISK_FOLDERS
        folders: dict[str, Folder] = {name: Folder() for name in own}
        device = self.device
        folders["holders"] = LinkFolder([other.disk_name() for other in self.devices.holders(device)])
        if self.is_part:
            return folders
        folders["queue"] = QueueFolder(self.settings)
        if device.queue is not None:
            folders["mq"] = tag_folders(device.queue, self.settings.hardware)
        if isinstance(device, MappedDevice):
            folders["slaves"] = LinkFolder([below.disk_name() for below in slaves_of(device)])
            folders["dm"] = DmFolder({**dm_facts(device), **_FLAGS_OF_DM}, {})
        driver = device.queue.driver if device.queue is not None else None
        if isinstance(driver, ScsiDriver) and self.disk is not None:
            folders["device"] = ScsiDeviceFolder(driver, self.devices, self.disk, self.settings)
        if self.disk is not None and self.disk.kind == "loop":
            folders["loop"] = self._loop(self.disk)
        for part in self.devices.parts_of(self.disk) if self.disk is not None else []:
            folders[part.name] = DiskFolder(self.devices, self.files, part.device, self.settings)
        return folders

    def _loop(self, disk: LinuxDisk) -> Folder:
        """Linux: loop_attr_*. The file behind it is the node of what it stands on."""
        params = disk.facts.part("params")
        values = {name: params.text(name, "0") for name in ("autoclear", "dio", "offset", "partscan", "sizelimit")}
        below = disk.backing
        name = below.disk_name() if below is not None else ""
        values["backing_file"] = f"/dev/mapper/{below.name}" if isinstance(below, MappedDevice) else f"/dev/{name}"
        return FixedFolder(values, {})

    def names(self) -> list[str]:
        return sorted([*(_PART_FILES if self.is_part else _DISK_FILES).split(), *self._folders])

    def folder(self, name: str) -> Folder | None:
        return self._folders.get(name)

    def show(self, name: str) -> str:
        if name not in self.names():
            raise OsError("ENOENT")
        device = self.device
        if name == "size":
            return str(device.size_sectors)
        if name == "dev":
            return device.devt
        if name == "ro":
            return str(int(self.files.is_read_only(device)))
        if name == "stat":
            return " ".join(f"{number:8}" for number in self.settings.counters())
        if name == "inflight":
            return f"{in_flight(device, True):8} {in_flight(device, False):8}"
        if name in ("alignment_offset", "discard_alignment"):
            limits = device.limits
            # Linux: a whole disk's discard_alignment prints its alignment_offset (genhd.c).
            is_of_data = name == "alignment_offset" or not self.is_part
            return str(limits.alignment_offset if is_of_data else limits.discard_alignment)
        return self._show_fixed(name)

    def store(self, name: str, value: str) -> None:
        if name == "events_poll_msecs" and not self.is_part:
            raise OsError("ENODEV")
        super().store(name, value)

    def _show_fixed(self, name: str) -> str:
        disk = self.disk
        if disk is None:
            fixed = {"range": "1", "ext_range": "1"}
        else:
            fixed = {"range": _RANGES.get(disk.kind, "1"), "ext_range": _EXTENDED_RANGE}
            fixed["start"] = disk.facts.part("backing").text("start")
            fixed["partition"] = disk.facts.part("params").text("number")
        fixed |= {"events_poll_msecs": "-1", "events": "", "events_async": "", "uevent": "", "diskseq": ""}
        return fixed.get(name, "0")


def in_flight(device: BlockDevice, reads: bool) -> int:
    """How many I/Os of a kind are under way. Linux: part_in_flight(), blk_mq_in_flight_rw()."""
    if isinstance(device, MappedDevice) and device.queue is None:
        stats = device.stats
        return int(stats.reads_in_flight if reads else stats.writes_in_flight)
    return sum((request.op & 1 == 0) == reads for request in _started(device))


def _all_started(device: BlockDevice) -> list[Request]:
    """What the drivers below have: of a request-based map those of its paths."""
    if isinstance(device, MappedDevice) and device.queue is not None:
        return [request for below in slaves_of(device) for request in _all_started(below)]
    return device.outstanding()


def _started(device: BlockDevice) -> list[Request]:
    """The requests of a device's own queue that its driver has. Linux: blk_mq_check_inflight()."""
    found = _all_started(device)
    if isinstance(device, MappedDevice):
        own: list[Request] = []
        for request in found:
            upper: Request | None = request
            while upper is not None and upper.queue is not device.queue:
                upper = upper.original
            if upper is not None:
                own.append(upper)
        found = own
    elif isinstance(device, Partition):
        first, end = device.first_sector, device.first_sector + device.size_sectors
        found = [request for request in found if request.original is None and first <= request.sector < end]
    # What the flush machine sends is nobody's I/O (no RQF_IO_STAT).
    return [request for request in found if request.owner is not request.queue.flushes]


def dm_facts(device: MappedDevice) -> dict[str, str]:
    return {"name": device.name, "uuid": device.uuid, "suspended": str(int(device.is_suspended()))}


def slaves_of(device: MappedDevice) -> list[BlockDevice]:
    """What its tables hold open."""
    found: list[BlockDevice] = []
    for table in device.tables():
        found += [below for below in table.devices() if below not in found]
    return found


def tag_folders(queue: RequestQueue, facts: Facts) -> Folder:
    """`mq`: one folder for each hardware queue. Linux: block/blk-mq-sysfs.c."""
    return FixedFolder({}, {number: _tags(_texts(queue, facts.part(number))) for number in facts.names()})


def _texts(queue: RequestQueue, facts: Facts) -> dict[str, str]:
    return {
        "cpu_list": facts.text("cpu_list", "0"),
        "nr_reserved_tags": facts.text("nr_reserved_tags", "0"),
        "nr_tags": facts.text("nr_tags", str(queue.depth)),
    }


def _tags(values: dict[str, str]) -> Folder:
    processors = [word.strip() for word in values["cpu_list"].split(",")]
    return FixedFolder(values, {f"cpu{number}": Folder() for number in processors})
