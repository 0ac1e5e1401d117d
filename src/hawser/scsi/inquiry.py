"""Inquiry data, and of the vital product data the page that says who and where a logical unit is (0x83).

T10 SPC-5 6.7.2 and 7.7.6. Linux: scsi_vpd_lun_id() and scsi_vpd_tpg_id() in drivers/scsi/scsi_lib.c.
"""

from dataclasses import dataclass
from struct import pack, unpack_from
from typing import Final

STANDARD_BYTES: Final = 36
DEVICE_IDENTIFICATION: Final = 0x83
TYPE_DISK: Final = 0

# Designator types, and what a designator is of.
T10_VENDOR: Final = 1
EUI_64: Final = 2
NAA: Final = 3
RELATIVE_PORT: Final = 4
PORT_GROUP: Final = 5
SCSI_NAME: Final = 8
OF_UNIT: Final = 0
OF_PORT: Final = 1

BINARY: Final = 1
ASCII: Final = 2
UTF_8: Final = 3

# Which names of a unit are taken before others: a registered NAA with extension, other NAA, EUI-64, SCSI name, vendor's.
_RANKS: Final = {NAA: 3, EUI_64: 2, SCSI_NAME: 1, T10_VENDOR: 0}


@dataclass(frozen=True)
class StandardInquiry:
    """`tpgs`: bits of hawser.scsi.port_groups. Names are without the spaces behind them."""

    vendor: str
    model: str
    revision: str
    tpgs: int = 0
    device_type: int = TYPE_DISK


def encode_standard(facts: StandardInquiry, behind: bytes = b"") -> bytes:
    """`behind`: what a vendor puts behind the 36 bytes."""
    names = f"{facts.vendor:<8.8}{facts.model:<16.16}{facts.revision:<4.4}".encode("ascii")
    head = pack(">BBBBBBBB", facts.device_type, 0, 7, 2, STANDARD_BYTES - 5 + len(behind), facts.tpgs << 4, 0x10, 0x02)
    return head + names + behind


def decode_standard(data: bytes) -> StandardInquiry:
    """Short data are as if zeroes followed."""
    whole = data + bytes(max(0, STANDARD_BYTES - len(data)))
    vendor = whole[8:16].decode("latin-1").rstrip(" \0")
    model = whole[16:32].decode("latin-1").rstrip(" \0")
    revision = whole[32:36].decode("latin-1").rstrip(" \0")
    return StandardInquiry(vendor, model, revision, whole[5] >> 4 & 3, whole[0] & 0x1F)


@dataclass(frozen=True)
class Designator:
    kind: int
    data: bytes
    association: int = OF_UNIT
    code_set: int = BINARY


def encode_page(page: int, body: bytes) -> bytes:
    """A page of vital product data."""
    return pack(">BBH", TYPE_DISK, page, len(body)) + body


def encode_identification(designators: list[Designator]) -> bytes:
    """Page 0x83."""
    body = b""
    for one in designators:
        body += pack(">BBxB", one.code_set, one.association << 4 | one.kind, len(one.data)) + one.data
    return encode_page(DEVICE_IDENTIFICATION, body)


def decode_identification(page: bytes) -> list[Designator]:
    """What is whole of page 0x83."""
    if len(page) < 4 or page[1] != DEVICE_IDENTIFICATION:
        return []
    end = min(len(page), 4 + int(unpack_from(">H", page, 2)[0]))
    found: list[Designator] = []
    place = 4
    while place + 4 <= end:
        size = page[place + 3]
        if place + 4 + size > end:
            break
        data = page[place + 4 : place + 4 + size]
        found.append(Designator(page[place + 1] & 0xF, data, page[place + 1] >> 4 & 3, page[place] & 0xF))
        place += 4 + size
    return found


def port_group_of(designators: list[Designator]) -> int:
    """The target port group that the unit was asked through, or -1."""
    return _last_number(designators, PORT_GROUP)


def relative_port_of(designators: list[Designator]) -> int:
    """The relative target port, or -1."""
    return _last_number(designators, RELATIVE_PORT)


def _last_number(designators: list[Designator], kind: int) -> int:
    found = -1
    for one in designators:
        if one.kind == kind and len(one.data) >= 4:
            found = int(unpack_from(">H", one.data, 2)[0])
    return found


def unit_name(designators: list[Designator]) -> str:
    """What the logical unit is called whichever port it is asked through: `naa.6001405...`; empty when it does not say."""
    best, name = -1, ""
    for one in designators:
        if one.association != OF_UNIT or one.kind not in _RANKS or not one.data:
            continue
        rank = 2 * _RANKS[one.kind] + (1 if one.kind == NAA and one.data[0] >> 4 == 6 else 0)
        if rank > best:
            best, name = rank, _name_of(one)
    return name


def _name_of(one: Designator) -> str:
    if one.kind == NAA:
        return f"naa.{one.data.hex()}"
    if one.kind == EUI_64:
        return f"eui.{one.data.hex()}"
    text = one.data.decode("latin-1").rstrip("\0")
    return f"t10.{text}" if one.kind == T10_VENDOR else text
