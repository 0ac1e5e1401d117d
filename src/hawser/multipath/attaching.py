"""Attaching the hardware handler of a table to its paths.

With `retain_attached_hw_handler` a handler that is attached already is kept, whatever the table names; without it one is kept
only where the table's cannot be attached for it. From then on it is the table's. Linux: setup_scsi_dh() and parse_path() of
drivers/md/dm-mpath.c, which also forgets the arguments of a handler that is not the one attached.
"""

from hawser.block.device import BlockDevice
from hawser.core.log import LogSink
from hawser.dm.target import TableError
from hawser.multipath.handlers import alua, emc, hp_sw, rdac
from hawser.multipath.handlers.base import attach

HANDLER_MODULES = (alua, emc, hp_sw, rdac)


class TableHandler:
    """The handler of a table: its name, empty where there is none, and its arguments."""

    def __init__(self, words: list[str]) -> None:
        self.name = words[0] if words else ""
        self.words = words[1:]

    def set_up(self, device: BlockDevice, retain: bool, log: LogSink) -> None:
        """Attach it to a path. TableError, in the kernel's words, for a device that cannot have it: ENODEV when it is no SCSI
        device."""
        scsi = device.scsi
        attached = scsi.handler_name() if scsi is not None else ""
        if attached and retain:
            self._become(attached)
        if not self.name:
            return
        if scsi is None:
            raise TableError("error attaching hardware handler", "ENODEV")
        errno = attach(scsi, self.name)
        if errno == "EBUSY":
            log.info(f"multipath: retaining handler on device {device.disk_name()}")
            self._become(attached)
            errno = attach(scsi, self.name)
        if errno:
            raise TableError("error attaching hardware handler", errno)
        if self.words and scsi.handler is not None:
            errno = scsi.handler.set_parameters(self.words)
            if errno:
                raise TableError("unable to set hardware handler parameters", errno)

    def _become(self, attached: str) -> None:
        if self.name != attached:
            self.words = []
        self.name = attached


def no_handler() -> TableHandler:
    """Of a table that names none."""
    return TableHandler([])
