"""The registry of hardware handlers, and attaching one to a device.

Linux: drivers/scsi/scsi_dh.c. A handler is found by the beginning of what is asked for, as the kernel compares only as many
letters as its name has: `alua2` finds `alua`.
"""

from collections.abc import Callable
from typing import Final

from hawser.scsi.device import (
    DH_DEV_UNSUPP,
    DH_NOMEM,
    DH_NOSYS,
    DH_OK,
    DH_RES_TEMP_UNAVAIL,
    HardwareHandler,
    ScsiDevice,
)
from hawser.scsi.inquiry import decode_standard

HandlerMaker = Callable[[ScsiDevice], HardwareHandler]
HANDLERS: Final[dict[str, HandlerMaker]] = {}

_ERRNOS: Final = {
    DH_NOMEM: "ENOMEM",
    DH_RES_TEMP_UNAVAIL: "EAGAIN",
    DH_DEV_UNSUPP: "ENODEV",
    DH_NOSYS: "ENODEV",
}

# Which disks get which handler by themselves, by the beginnings of vendor and model.
_KNOWN_DISKS: Final = {
    "emc": {"DGC": "RAID/DISK/VRAID"},
    "hp_sw": {"COMPAQ": "MSA1000 VOLUME/HSV110", "HP": "HSV100", "DEC": "HSG80"},
    "rdac": {
        "IBM": "1722/1724/1726/1742/1745/1746/1813/1814/1815/1818/3526/3542/3552",
        "SGI": "TP9300/TP9400/TP9500/TP9700/IS",
        "STK": "OPENstorage/FLEXLINE 380/BladeCtlr",
        "SUN": "CSM/LCSM100/STK6580_6780/SUN_6180/ArrayStorage",
        "DELL": "MD3",
        "NETAPP": "INF-01-00",
        "LSI": "INF-01-00",
        "ENGENIO": "INF-01-00",
        "LENOVO": "DE_Series",
        "FUJITSU": "ETERNUS_AHB",
    },
}


def register_handler(name: str, make: HandlerMaker) -> None:
    """Offer a handler under its name in tables."""
    assert name not in HANDLERS
    HANDLERS[name] = make


def find_handler(name: str) -> str:
    """The registered name that `name` begins with, or an empty string."""
    for known in HANDLERS:
        if name.startswith(known):
            return known
    return ""


def attach(device: ScsiDevice, name: str) -> str:
    """Attach the handler called `name`, unless it is attached. The errno of a refusal, or an empty string.

    EINVAL: there is no such handler, or the device does not answer it. EBUSY: another one is attached. ENODEV: the device is
    none of its kind.
    """
    found = find_handler(name)
    if not found:
        return "EINVAL"
    if device.handler is not None:
        return "" if device.handler.name == found else "EBUSY"
    handler = HANDLERS[found](device)
    handler.name = found
    result = handler.attach()
    if result == DH_OK:
        device.handler = handler
        return ""
    errno = _ERRNOS.get(result, "EINVAL")
    if errno != "ENODEV":
        device.say(f"{found}: Attach failed ({result})")
    return errno


def attach_by_kind(device: ScsiDevice) -> None:
    """A new device gets the handler for its kind, if there is one that can handle it. Linux: scsi_dh_add_device()."""
    name = kind_of(device)
    if name:
        attach(device, name)


def kind_of(device: ScsiDevice) -> str:
    """The handler for a device: alua where it claims that, else the one that its make is known for, if any."""
    if device.tpgs():
        return "alua"
    facts = decode_standard(device.inquiry())
    for name, makes in _KNOWN_DISKS.items():
        for vendor, models in makes.items():
            if facts.vendor.startswith(vendor) and any(facts.model.startswith(one) for one in models.split("/")):
                return name
    return ""


def detach(device: ScsiDevice) -> None:
    """The device is gone for good."""
    handler = device.handler
    if handler is not None:
        handler.detach()
        device.handler = None
        device.say(f"{handler.name}: Detached")
