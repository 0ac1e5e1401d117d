"""Pages that two families of arrays have of their own: LSI's, with redundant controllers (rdac), and CLARiiON (emc).

LSI: vital product data 0xC2, 0xC4, 0xC8, 0xC9, mode page 0x2C. CLARiiON: vital product data 0xC0, mode page 0x22. Layouts: the
structures of drivers/scsi/device_handler/scsi_dh_rdac.c and scsi_dh_emc.c of Linux, in own words.
"""

from dataclasses import dataclass
from typing import Final

from hawser.scsi.inquiry import encode_page

RDAC_SOFTWARE: Final = 0xC2
RDAC_SUBSYSTEM: Final = 0xC4
RDAC_IDENTITY: Final = 0xC8
RDAC_OWNERSHIP: Final = 0xC9
RDAC_CONTROLLER_PAGE: Final = 0x2C
RDAC_TRANSFER_UNITS: Final = 0x02
RDAC_FORCED_QUIESCENCE: Final = 0x02
RDAC_QUIESCENCE_S: Final = 20
RDAC_TAKE: Final = 0x81
# Units of the table in either form of the page.
RDAC_UNITS_6: Final = 32
RDAC_UNITS_10: Final = 256

# How a unit of LSI's is run: by its owner alone; it moves to whom it is asked of; or both serve it (IOSHIP).
MODE_RDAC: Final = 0
MODE_AVT: Final = 1
MODE_IOSHIP: Final = 2


@dataclass(frozen=True)
class Ownership:
    """Page 0xC9: whether the controller that was asked owns the unit, and is preferred for it."""

    mode: int
    owned: bool
    preferred: bool


@dataclass(frozen=True)
class Identity:
    """Page 0xC8: the unit's number, and the array's id and label."""

    unit: int
    array_id: bytes
    label: str


def encode_ownership(facts: Ownership) -> bytes:
    flags = (1 if facts.owned else 0) | (0x20 if facts.mode == MODE_IOSHIP else 0)
    flags |= 0x80 if facts.mode == MODE_AVT else 0
    return encode_page(RDAC_OWNERSHIP, b"vace" + bytes([flags, 1 if facts.preferred else 0]) + bytes(38))


def decode_ownership(page: bytes) -> Ownership | None:
    if len(page) < 10 or page[1] != RDAC_OWNERSHIP:
        return None
    flags = page[8]
    mode = MODE_RDAC
    if flags >> 5 & 1:
        mode = MODE_IOSHIP
    elif flags >> 7:
        mode = MODE_AVT
    return Ownership(mode, flags & 1 != 0, page[9] & 1 != 0)


def encode_identity(facts: Identity) -> bytes:
    label = facts.label[:30].encode("utf-16-be")
    body = b"edid" + bytes(3) + bytes([16]) + bytes(16) + bytes([0]) + bytes(60)
    body += bytes([len(facts.array_id)]) + facts.array_id[:16].ljust(16, b"\0")
    body += bytes([len(label)]) + label.ljust(60, b"\0") + bytes(7) + bytes([facts.unit])
    return encode_page(RDAC_IDENTITY, body)


def decode_identity(page: bytes) -> Identity | None:
    """None when it is no such page."""
    if len(page) < 175 or page[1] != RDAC_IDENTITY or page[4:8] != b"edid":
        return None
    array_id = page[90 : 90 + min(page[89], 16)]
    label = page[107:167].decode("utf-16-be", "replace").rstrip("\0")
    return Identity(page[174], array_id.ljust(16, b"\0"), label)


def encode_subsystem(slot: int) -> bytes:
    """Page 0xC4. `slot`: 1 or 2, of the controller."""
    return encode_page(RDAC_SUBSYSTEM, b"subs" + bytes(16) + bytes(4) + bytes([0, 0x30 + slot]) + bytes(2))


def controller_index(page: bytes) -> int:
    """0 for the controller in slot 1, else 1; -1 when it is no such page."""
    if len(page) < 30 or page[1] != RDAC_SUBSYSTEM:
        return -1
    return 0 if page[29] == 0x31 else 1


def encode_software(units_max: int) -> bytes:
    """Page 0xC2. `units_max`: the most units that the array has."""
    return encode_page(RDAC_SOFTWARE, b"swr4" + bytes(6) + bytes([0, units_max]) + bytes(239))


def units_max(page: bytes) -> int:
    """-1 when it is no such page."""
    return page[15] if len(page) > 15 and page[1] == RDAC_SOFTWARE else -1


def encode_transfer(units: list[int], ten: bool) -> bytes:
    """The parameters of a MODE SELECT that makes the controller the owner of `units`."""
    quiescence = bytes([RDAC_QUIESCENCE_S, RDAC_FORCED_QUIESCENCE])
    fixed = bytes(32) + bytes([0, RDAC_TRANSFER_UNITS]) + bytes(2) + quiescence
    if ten:
        table = bytearray(RDAC_UNITS_10)
        head = bytes(8) + bytes([RDAC_CONTROLLER_PAGE | 0x40, 0x01, 0x01, 0x28])
        tail = bytes(2)
    else:
        table = bytearray(RDAC_UNITS_6)
        head = bytes(4) + bytes([RDAC_CONTROLLER_PAGE, 0x68])
        tail = bytes(34)
    for unit in units:
        table[unit] = RDAC_TAKE
    return head + fixed + bytes(table) + tail


def decode_transfer(parameters: bytes, ten: bool) -> list[int] | None:
    """Which units the controller is to own; None when it is something else."""
    page, table, count = (8, 50, RDAC_UNITS_10) if ten else (4, 44, RDAC_UNITS_6)
    if len(parameters) < table + count or parameters[page] & 0x3F != RDAC_CONTROLLER_PAGE:
        return None
    return [unit for unit in range(count) if parameters[table + unit] == RDAC_TAKE]


CLARIION_STATE: Final = 0xC0
CLARIION_TRESPASS: Final = 0x22
UNIT_UNBOUND: Final = 0
UNIT_BOUND: Final = 1
UNIT_OWNED: Final = 2
FAILOVER_LINUX: Final = 4
FAILOVER_ALUA: Final = 6
HONOR_RESERVATIONS: Final = 0x80
# The standard inquiry of newer arrays has the serial and the model of the storage processor behind its usual part.
CLARIION_EXTENDED_MIN: Final = 160


@dataclass(frozen=True)
class ProcessorState:
    """Page 0xC0: what the storage processor (0: A, 1: B) that was asked knows of the unit. `upgrading`: its microcode is."""

    unit_state: int
    default: int
    current: int
    port: int
    failover: int = FAILOVER_LINUX
    upgrading: bool = False


def encode_processor(facts: ProcessorState) -> bytes:
    page = bytearray(encode_page(CLARIION_STATE, bytes(0xF8)))
    page[4] = facts.unit_state
    page[5] = facts.default
    page[7] = facts.port
    page[8] = facts.current
    page[28] = facts.failover
    page[48] = 1 if facts.upgrading else 0
    return bytes(page)


def decode_processor(page: bytes) -> ProcessorState | None:
    if len(page) < 49 or page[1] != CLARIION_STATE:
        return None
    return ProcessorState(page[4], page[5], page[8], page[7], page[28] & 0x0F, page[48] != 0)


def encode_trespass(short: bool, honor_reservations: bool) -> bytes:
    """The parameters of a MODE SELECT that makes the storage processor the owner of the unit. FC series take the short form."""
    code = 0x01 | (0 if honor_reservations else HONOR_RESERVATIONS)
    if short:
        return bytes([0, 0, 0, 0, CLARIION_TRESPASS, 0x02, code, 0xFF])
    return bytes([0, 0, 0, 0, 0, 0, 0, 0, CLARIION_TRESPASS, 0x09, code, 0xFF, 0xFF]) + bytes(6)


def is_trespass(parameters: bytes, ten: bool) -> bool:
    page = 8 if ten else 4
    return len(parameters) > page + 2 and parameters[page] == CLARIION_TRESPASS and parameters[page + 2] & 0x7F == 1


def clariion_model(standard: bytes) -> str | None:
    """The model of the storage processor, `FC (Legacy)` of the old series; None when it is no CLARiiON."""
    length = len(standard) if len(standard) < 5 else (standard[4] + 5) & 0xFF
    if length < CLARIION_EXTENDED_MIN or len(standard) <= CLARIION_EXTENDED_MIN:
        return "FC (Legacy)" if standard[8:11] == b"DGC" else None
    serial, model = standard[160], standard[99]
    if serial == 0 or model == 0 or serial + model + 161 > length:
        return None
    return standard[161 + serial : 161 + serial + model].decode("latin-1").rstrip(" ")
