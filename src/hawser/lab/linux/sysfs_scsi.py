"""What sysfs has of a scsi disk: its `device` folder, and the settings of the driver that made it.

Linux: drivers/scsi/scsi_sysfs.c, and scsi_debug.c for its driver attributes and module parameters.
"""

from typing import Final

from hawser.lab.linux.devices import NO_HANDLER, LinuxDevices
from hawser.lab.linux.disk import LinuxDisk
from hawser.lab.linux.facts import Facts
from hawser.lab.linux.files import OsError
from hawser.lab.linux.folder import Folder, parse_number
from hawser.lab.linux.scsi_debug import DELAY_OVERRIDDEN, DELETED, OFFLINE_STATE, RUNNING, ScsiDebug, ScsiDriver
from hawser.lab.linux.sysfs_queue import QueueSettings
from hawser.multipath.handlers.base import attach

_NAMES: Final = (
    "access_state blacklist block bsg cdl_enable cdl_supported delete device_blocked device_busy dh_state driver eh_timeout "
    "evt_capacity_change_reported evt_inquiry_change_reported evt_lun_change_reported evt_media_change "
    "evt_mode_parameter_change_reported evt_soft_threshold_reached inquiry iocounterbits iodone_cnt ioerr_cnt iorequest_cnt "
    "iotmo_cnt modalias model power preferred_path queue_depth queue_ramp_up_period queue_type rescan rev scsi_device scsi_disk "
    "scsi_level state subsystem timeout type uevent vendor vpd_pg0 vpd_pg80 vpd_pg83 vpd_pg89 vpd_pgb0 vpd_pgb1 vpd_pgb2 "
    "vpd_pgb7 wwid"
)
_FOLDERS: Final = ("block", "bsg", "driver", "power", "scsi_device", "scsi_disk", "subsystem")
_WRITE_ONLY: Final = ("delete", "rescan")
_PADDED: Final = {"vendor": 8, "model": 16, "rev": 4}
_OF_HANDLER: Final = ("access_state", "preferred_path")
SECONDS_MAX: Final = 0xFFFF_FFFF
DEPTH_MAX: Final = 0x7FFF_FFFF
# Linux: SDEBUG_CANQUEUE.
QUEUE_MAX: Final = 192
NS_MAX: Final = 1_000_000_000
MS_PER_S: Final = 1000
IO_TIMEOUT: Final = "io_timeout"


class ScsiDeviceFolder(Folder):
    """`device` of one disk."""

    def __init__(self, driver: ScsiDriver, devices: LinuxDevices, disk: LinuxDisk, settings: QueueSettings) -> None:
        self.driver = driver
        self.devices = devices
        self.disk = disk
        self.settings = settings
        self.facts = disk.facts.part("scsi")

    def names(self) -> list[str]:
        return _NAMES.split()

    def folder(self, name: str) -> Folder | None:
        return Folder() if name in _FOLDERS else None

    def show(self, name: str) -> str:
        if name not in _NAMES.split():
            raise OsError("ENOENT")
        if name in _WRITE_ONLY:
            raise OsError("EACCES")
        if name == "state":
            return self.driver.state
        if name == "queue_depth":
            return str(self.driver.depth)
        if name == "timeout" and IO_TIMEOUT in self.settings.said:
            # It is the queue's.
            return str(int(self.settings.said[IO_TIMEOUT]) // MS_PER_S)
        unit = self.driver.unit
        if name == "dh_state":
            return (unit.handler_name() if unit is not None else "") or NO_HANDLER
        if name in _OF_HANDLER:
            if unit is None or unit.handler is None:
                raise OsError("EINVAL")
            return unit.access_state_name() if name == "access_state" else str(int(unit.is_preferred))
        return self.facts.text(name).ljust(_PADDED.get(name, 0))

    def store(self, name: str, value: str) -> None:
        if name not in _NAMES.split():
            raise OsError("ENOENT")
        if name == "state":
            self._store_state(value)
        elif name == "delete":
            self._delete()
        elif name == "queue_depth":
            self._store_depth(parse_number(value, 1, DEPTH_MAX))
        elif name == "timeout":
            self.settings.said[IO_TIMEOUT] = str(parse_number(value, 0, SECONDS_MAX) * MS_PER_S)
        elif name == "dh_state":
            self._store_handler(value)
        elif name == "rescan":
            if self.driver.unit is not None and self.driver.unit.handler is not None:
                self.driver.unit.handler.rescan()
        else:
            raise OsError("EACCES")

    def _store_handler(self, value: str) -> None:
        """Linux: sdev_store_dh_state(). A handler stays as long as the disk does."""
        unit = self.driver.unit
        if unit is None or self.driver.state == DELETED:
            raise OsError("ENODEV")
        handler = unit.handler
        if handler is None:
            errno = attach(unit, value)
            if errno:
                raise OsError(errno)
        elif value.startswith("activate"):
            handler.activate(None)
        else:
            raise OsError("EINVAL")

    def _store_state(self, value: str) -> None:
        """Linux: store_state_field(). Users may only choose between these two."""
        if value not in (RUNNING, OFFLINE_STATE) or self.driver.state == DELETED:
            raise OsError("EINVAL")
        self.driver.set_state(value)
        if value == RUNNING and self.disk.device.queue is not None:
            self.disk.device.queue.schedule()

    def _store_depth(self, depth: int) -> None:
        if depth > self.driver.host.max_queue:
            raise OsError("EINVAL")
        self.driver.depth = depth

    def _delete(self) -> None:
        """Linux: sdev_store_delete()."""
        self.driver.set_state(DELETED)
        self.devices.remove_disk(self.disk)


class ScsiDebugFolder(Folder):
    """The driver's attributes (`of_module` False), or its module parameters."""

    def __init__(self, host: ScsiDebug, settings: Facts, of_module: bool) -> None:
        self.host = host
        self.settings = settings
        self.of_module = of_module

    def names(self) -> list[str]:
        hidden = () if self.of_module else ("medium_error_start", "medium_error_count")
        return sorted(name for name in self.settings.names() if name not in hidden)

    def show(self, name: str) -> str:
        if name not in self.names():
            raise OsError("ENOENT")
        host = self.host
        numbers = {
            "delay": host.delay,
            "ndelay": host.ndelay,
            "every_nth": host.every_nth,
            "max_queue": host.max_queue,
            "medium_error_start": host.medium_error_start,
            "medium_error_count": host.medium_error_count,
        }
        if name == "opts":
            return str(host.opts) if self.of_module else f"0x{host.opts:x}"
        return str(numbers[name]) if name in numbers else self.settings.text(name)

    def store(self, name: str, value: str) -> None:
        if name not in self.names():
            raise OsError("ENOENT")
        if name == "opts":
            self.host.opts = parse_any_base(value)
        elif name == "delay":
            self._store_delay(parse_number(value, -1, SECONDS_MAX))
        elif name == "ndelay":
            self._store_ndelay(parse_number(value, 0, NS_MAX - 1))
        elif name == "every_nth":
            self.host.every_nth = parse_number(value, -DEPTH_MAX, DEPTH_MAX)
        elif name == "max_queue":
            self._store_max_queue(parse_number(value, 1, DEPTH_MAX))
        elif name == "medium_error_start":
            self.host.medium_error_start = parse_any_base(value)
        elif name == "medium_error_count":
            self.host.medium_error_count = parse_any_base(value)
        elif name == "fake_rw":
            self.host.fake_rw = parse_number(value, 0, DEPTH_MAX) != 0
        else:
            raise OsError("EACCES")

    def _store_delay(self, jiffies: int) -> None:
        if not self.of_module and jiffies != self.host.delay:
            self._check_idle()
            self.host.ndelay = 0
        self.host.delay = jiffies

    def _store_ndelay(self, delay_ns: int) -> None:
        if not self.of_module and delay_ns != self.host.ndelay:
            self._check_idle()
            self.host.delay = DELAY_OVERRIDDEN if delay_ns else 1
        self.host.ndelay = delay_ns

    def _check_idle(self) -> None:
        if self.host.commands:
            raise OsError("EBUSY")

    def _store_max_queue(self, depth: int) -> None:
        """Linux: max_queue_store(), which refuses it while there are hosts."""
        if depth > QUEUE_MAX:
            raise OsError("EINVAL")
        if not self.of_module:
            raise OsError("EBUSY")
        self.host.max_queue = depth


def parse_any_base(value: str) -> int:
    """As kstrtoint() reads it with base 0."""
    try:
        return int(value.strip(), 0)
    except ValueError:
        raise OsError("EINVAL") from None
