"""Commands: command descriptor blocks as bytes, and the parameters that go with them; what a target makes of them again.

T10 SPC-5 chapter 6, SBC-4 5.30 (START STOP UNIT). Numbers are big-endian.
"""

from dataclasses import dataclass
from struct import pack, unpack_from
from typing import Final

from hawser.scsi.sense import Sense

TEST_UNIT_READY: Final = 0x00
INQUIRY: Final = 0x12
MODE_SELECT_6: Final = 0x15
MODE_SENSE_6: Final = 0x1A
START_STOP_UNIT: Final = 0x1B
MODE_SELECT_10: Final = 0x55
MODE_SENSE_10: Final = 0x5A
MAINTENANCE_IN: Final = 0xA3
MAINTENANCE_OUT: Final = 0xA4

# Service actions, and the bits beside them.
REPORT_TARGET_PORT_GROUPS: Final = 0x0A
SET_TARGET_PORT_GROUPS: Final = 0x0A
EXTENDED_HEADER: Final = 0x20
SERVICE_ACTION_MASK: Final = 0x1F
EVPD: Final = 0x01
PAGE_FORMAT: Final = 0x10

TIMEOUT_S: Final = 60


@dataclass(frozen=True)
class Command:
    """`data_out` goes with it, up to `in_bytes` come back."""

    cdb: bytes
    data_out: bytes = b""
    in_bytes: int = 0
    timeout_s: int = TIMEOUT_S

    def opcode(self) -> int:
        return self.cdb[0]

    def service_action(self) -> int:
        return self.cdb[1] & SERVICE_ACTION_MASK


# What became of one. NO_CONNECT: the unit cannot be reached (DID_NO_CONNECT); LOST: anything else that went wrong on the way;
# NOT_TAKEN: it was never sent, for want of something here.
GOOD: Final = 0
CHECK_CONDITION: Final = 1
NO_CONNECT: Final = 2
LOST: Final = 3
NOT_TAKEN: Final = 4


@dataclass(frozen=True)
class Result:
    """`data`: what came back. `sense`: with CHECK_CONDITION, unless the target sent none that can be read."""

    outcome: int = GOOD
    data: bytes = b""
    sense: Sense | None = None


def failed_with(sense: Sense) -> Result:
    return Result(CHECK_CONDITION, b"", sense)


def test_unit_ready() -> Command:
    return Command(bytes(6))


def inquiry(in_bytes: int) -> Command:
    """The standard inquiry data."""
    return Command(pack(">BBBHB", INQUIRY, 0, 0, in_bytes, 0), b"", in_bytes)


def inquire_page(page: int, in_bytes: int) -> Command:
    """A page of vital product data."""
    return Command(pack(">BBBHB", INQUIRY, EVPD, page, in_bytes, 0), b"", in_bytes)


def report_target_port_groups(in_bytes: int, extended: bool) -> Command:
    """`extended`: ask for the header that has the transition time."""
    action = REPORT_TARGET_PORT_GROUPS | (EXTENDED_HEADER if extended else 0)
    return Command(pack(">BB4xIxx", MAINTENANCE_IN, action, in_bytes), b"", in_bytes)


def set_target_port_groups(parameters: bytes) -> Command:
    """`parameters`: of hawser.scsi.port_groups."""
    return Command(pack(">BB4xIxx", MAINTENANCE_OUT, SET_TARGET_PORT_GROUPS, len(parameters)), parameters)


def mode_select(parameters: bytes, ten: bool, page_format: bool = False) -> Command:
    """MODE SELECT (6) or, `ten`, (10), with its parameter list."""
    flags = PAGE_FORMAT if page_format else 0
    if ten:
        return Command(pack(">BB5xHx", MODE_SELECT_10, flags, len(parameters)), parameters)
    return Command(pack(">BBxxBx", MODE_SELECT_6, flags, len(parameters)), parameters)


def mode_sense(page: int, subpage: int, in_bytes: int, ten: bool) -> Command:
    """MODE SENSE (6) or (10), of the current values."""
    if ten:
        return Command(pack(">BBBB3xHx", MODE_SENSE_10, 0, page, subpage, in_bytes), b"", in_bytes)
    return Command(pack(">BBBBBx", MODE_SENSE_6, 0, page, subpage, in_bytes), b"", in_bytes)


def start_stop_unit(start: bool) -> Command:
    return Command(bytes([START_STOP_UNIT, 0, 0, 0, 1 if start else 0, 0]))


def allocation_length(cdb: bytes) -> int:
    """How much of its answer a target may send, of the commands here that bring some."""
    opcode = cdb[0]
    if opcode == INQUIRY:
        return int(unpack_from(">H", cdb, 3)[0])
    if opcode == MAINTENANCE_IN:
        return int(unpack_from(">I", cdb, 6)[0])
    if opcode == MODE_SENSE_10:
        return int(unpack_from(">H", cdb, 7)[0])
    return cdb[4] if opcode == MODE_SENSE_6 else 0
