"""The verbs of dmsetup that look at devices and talk to them, as text: what the tool prints, byte for byte.

dmsetup 1.02 (lvm2: libdm/dm-tools/dmsetup.c); kernel transcripts 01 to 23. With several devices, lines of `table` and `status`
carry the device's name in front.
"""

from typing import Final

from hawser.dm.mapped_device import MappedDevice
from hawser.dm.registry import DeviceRegistry
from hawser.dm.target import MessageError

STRERROR: Final = {
    "EINVAL": "Invalid argument",
    "EBUSY": "Device or resource busy",
    "ENOENT": "No such file or directory",
    "ENXIO": "No such device or address",
}


class VerbError(ValueError):
    """A verb that cannot be done. The text is dmsetup's, on one line or several."""


def ls(registry: DeviceRegistry) -> str:
    """`dmsetup ls`."""
    devices = registry.all_mapped()
    if not devices:
        return "No devices found\n"
    return "".join(f"{device.name}\t({device.devt})\n" for device in devices)


def table(registry: DeviceRegistry, name: str | None) -> str:
    """`dmsetup table [NAME]`."""
    return _lines(registry, name, live=False)


def status(registry: DeviceRegistry, name: str | None) -> str:
    """`dmsetup status [NAME]`."""
    return _lines(registry, name, live=True)


def info(registry: DeviceRegistry, name: str | None) -> str:
    """`dmsetup info [NAME]`: a block of lines per device, an empty line between blocks and behind the last."""
    devices = [_require(registry, name)] if name is not None else registry.all_mapped()
    if not devices:
        return "No devices found\n"
    return "".join(_info(device) + "\n" for device in devices)


def message(registry: DeviceRegistry, name: str, sector: int, words: list[str]) -> str:
    """`dmsetup message NAME SECTOR WORDS...`."""
    device = registry.mapped(name)
    if device is None:
        raise VerbError(_failed(name, "ENXIO"))
    try:
        reply = device.message(sector, words)
    except MessageError as error:
        raise VerbError(f"{_failed(name, error.errno_name)}\n{error}") from None
    return reply


def _failed(name: str, errno_name: str) -> str:
    return f"device-mapper: message ioctl on {name}  failed: {STRERROR.get(errno_name, errno_name)}\nCommand failed."


def _require(registry: DeviceRegistry, name: str) -> MappedDevice:
    device = registry.mapped(name)
    if device is None:
        raise VerbError("Device does not exist.\nCommand failed.")
    return device


def _lines(registry: DeviceRegistry, name: str | None, live: bool) -> str:
    devices = [_require(registry, name)] if name is not None else registry.all_mapped()
    if not devices:
        return "No devices found\n"
    text: list[str] = []
    for device in devices:
        prefix = f"{device.name}: " if name is None else ""
        targets = device.table.targets if device.table is not None else []
        if not targets:
            text.append(f"{prefix}\n")
        for target in targets:
            words = target.status_info() if live else target.status_table()
            text.append(f"{prefix}{target.start} {target.length} {target.type_name} {words}\n")
    return "".join(text)


def _tables_present(device: MappedDevice) -> str:
    present = [name for name, table in (("LIVE", device.table), ("INACTIVE", device.inactive)) if table is not None]
    return " & ".join(present) or "None"


def _info(device: MappedDevice) -> str:
    major, _, minor = device.devt.partition(":")
    rows = [
        ("Name:", device.name),
        ("State:", "SUSPENDED" if device.is_suspended() else "ACTIVE"),
        ("Read Ahead:", "256"),
        ("Tables present:", _tables_present(device)),
        ("Open count:", str(device.open_count)),
        ("Event number:", str(device.event_nr)),
        ("Major, minor:", f"{major}, {minor}"),
        ("Number of targets:", str(len(device.table.targets) if device.table is not None else 0)),
    ]
    text = "".join(f"{label:<19}{value}\n" for label, value in rows)
    return text + f"UUID: {device.uuid}\n" if device.uuid else text
