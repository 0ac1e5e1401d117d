"""sysfs: the tree from /sys down, as far as commands of a transcript go into it.

Linux: the classes `block` and the links to it, /sys/module/*/parameters and /sys/bus/pseudo. Everything is made anew at each
look, so that it shows what is.
"""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.core.clock import Clock
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.linux.devices import LinuxDevices
from hawser.lab.linux.facts import Facts, Json
from hawser.lab.linux.files import Files, OsError
from hawser.lab.linux.folder import CoreFolder, FixedFolder, Folder, MultipathFolder, ParameterFolder
from hawser.lab.linux.nodes import absolute
from hawser.lab.linux.scsi_debug import ScsiDebug
from hawser.lab.linux.sysfs_disk import DiskFolder
from hawser.lab.linux.sysfs_queue import QueueSettings
from hawser.lab.linux.sysfs_scsi import ScsiDebugFolder

ROOT: Final = "/sys"
# Linux: CONFIG_BLK_DEV_LOOP_MIN_COUNT.
LOOPS: Final = 8


# What there is of it here.
MODELLED: Final = (
    "/sys/block",
    "/sys/class/block",
    "/sys/dev/block",
    "/sys/module/dm_mod",
    "/sys/module/dm_multipath",
    "/sys/module/scsi_debug",
    "/sys/bus/pseudo/drivers/scsi_debug",
)


def is_modelled(place: str) -> bool:
    """Whether what is at that path, from the root, is what a machine of this kind has there."""
    return any(place == top or place.startswith(top + "/") for top in MODELLED)


class Sysfs:
    """`header` is the transcript's; `scsi_settings` what the driver's parameters are, `scsi` the driver, if there is one."""

    def __init__(self, devices: LinuxDevices, files: Files, clock: Clock, header: Facts) -> None:
        self.devices = devices
        self.files = files
        self.clock = clock
        self.header = header
        self.scsi: ScsiDebug | None = None
        self.scsi_settings = Facts({}, "scsi_debug")
        self._settings: dict[str, QueueSettings] = {}
        parameters = header.part("dm_params")
        self._parameters = {name: self._module(name, parameters.part(name).values) for name in parameters.names()}

    def _module(self, name: str, values: Json) -> ParameterFolder:
        if name == "dm_mod":
            return CoreFolder(values, self.devices.parameters)
        return MultipathFolder(values, self.devices.parameters) if name == "dm_multipath" else ParameterFolder(values)

    # Files.

    def get(self, path: str) -> str:
        """What reading a file gives. OsError."""
        folder, name = self._place(path)
        if not name or folder.folder(name) is not None:
            raise OsError("EISDIR")
        return folder.show(name)

    def set(self, path: str, value: str) -> None:
        """Write a line to a file. OsError."""
        folder, name = self._place(path)
        if not name or folder.folder(name) is not None:
            raise OsError("EISDIR")
        folder.store(name, value)

    def list(self, path: str) -> list[str] | None:
        """What is in a folder; None when it is a file. OsError."""
        folder, name = self._place(path)
        if not name:
            return folder.names()
        inside = folder.folder(name)
        if inside is not None:
            return inside.names()
        if name in folder.names():
            return None
        raise OsError("ENOENT")

    def is_here(self, path: str) -> bool:
        place = absolute(path)
        return place == ROOT or place.startswith(ROOT + "/")

    def _place(self, path: str) -> tuple[Folder, str]:
        """The folder of a file and the file's name, which is empty for /sys itself."""
        if not self.is_here(path):
            raise OsError("ENOENT")
        folder = self.root()
        words = absolute(path)[len(ROOT) :].split("/")[1:]
        for word in words[:-1]:
            inside = folder.folder(word)
            if inside is None:
                raise OsError("ENOTDIR" if word in folder.names() else "ENOENT")
            folder = inside
        return folder, words[-1] if words else ""

    # The tree.

    def root(self) -> Folder:
        disks = {device.disk_name(): self.disk(device) for device in self.devices.all_devices() if self._shown(device)}
        whole = {name: folder for name, folder in disks.items() if not folder.is_part}
        numbers = {folder.device.devt: folder for folder in disks.values()}
        return _folders(
            {
                "block": _folders({**self._spare_loops(), **whole}),
                "class": _folders({"block": _folders({**self._spare_loops(), **disks})}),
                "dev": _folders({"block": _folders(dict(numbers))}),
                "module": self._modules(),
                "bus": _folders({"pseudo": _folders({"drivers": _folders(self._drivers())})}),
            }
        )

    def _shown(self, device: BlockDevice) -> bool:
        """A mapped device has a disk from its first table on."""
        return bool(device.kind) if isinstance(device, MappedDevice) else self.devices.disk_of(device) is not None

    def _spare_loops(self) -> dict[str, Folder]:
        """Loop devices that nothing has been attached to."""
        if "loop" not in self.header.words("modules"):
            return {}
        return {f"loop{number}": Folder() for number in range(LOOPS)}

    def _modules(self) -> Folder:
        modules: dict[str, Folder] = {
            name: _folders({"parameters": folder}) for name, folder in self._parameters.items()
        }
        if self.scsi is not None:
            modules["scsi_debug"] = _folders({"parameters": ScsiDebugFolder(self.scsi, self.scsi_settings, True)})
        return _folders(modules)

    def _drivers(self) -> dict[str, Folder]:
        return {"scsi_debug": ScsiDebugFolder(self.scsi, self.scsi_settings, False)} if self.scsi is not None else {}

    def disk(self, device: BlockDevice) -> DiskFolder:
        return DiskFolder(self.devices, self.files, device, self.settings_of(device))

    def settings_of(self, device: BlockDevice) -> QueueSettings:
        """What users have set of a device; a partition's are its disk's."""
        disk = self.devices.disk_of(device)
        owner = disk.whole.device if disk is not None and disk.whole.device is not device else device
        known = self._settings.get(owner.devt)
        if known is None or known.device is not owner:
            facts = disk.whole.facts if disk is not None else self._mapped_facts(owner)
            known = QueueSettings(owner, facts.part("queue"), self.clock, facts.part("hw_queues"))
            self._settings[owner.devt] = known
        known.can_poll = self._can_poll(owner)
        return known

    def _can_poll(self, device: BlockDevice) -> bool:
        """Whether completions may be polled for. A bio-based device can if all below can. Linux: BLK_FEAT_POLL."""
        if isinstance(device, MappedDevice):
            if device.queue is not None:
                return False
            return device.table is not None and all(self._can_poll(below) for below in device.table.devices())
        disk = self.devices.disk_of(device)
        return disk is not None and disk.whole.facts.part("queue").text("io_poll") == "1"

    def _mapped_facts(self, device: BlockDevice) -> Facts:
        """Processors are shared out in runs. Linux: blk_mq_map_queues(), group_cpus_evenly()."""
        processors = self.header.number("cpus", 1)
        count = min(device.hw_queues, processors) if isinstance(device, MappedDevice) else 1
        lists: list[list[str]] = [[] for _ in range(count)]
        for number in range(processors):
            lists[number * count // processors].append(str(number))
        return Facts(
            {"hw_queues": {str(number): {"cpu_list": ", ".join(cpus)} for number, cpus in enumerate(lists)}},
            "mapped device",
        )


def _folders(folders: dict[str, Folder]) -> Folder:
    return FixedFolder({}, folders)
