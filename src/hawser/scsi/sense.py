"""Sense data: why a command was not done. Key, additional sense code and qualifier; fixed and descriptor format.

T10 SPC-5, 4.4; the codes: SPC-5 annex F. Linux: scsi_normalize_sense() in drivers/scsi/scsi_common.c.
"""

from dataclasses import dataclass
from typing import Final

NO_SENSE: Final = 0x0
RECOVERED_ERROR: Final = 0x1
NOT_READY: Final = 0x2
MEDIUM_ERROR: Final = 0x3
HARDWARE_ERROR: Final = 0x4
ILLEGAL_REQUEST: Final = 0x5
UNIT_ATTENTION: Final = 0x6
DATA_PROTECT: Final = 0x7
BLANK_CHECK: Final = 0x8
COPY_ABORTED: Final = 0xA
ABORTED_COMMAND: Final = 0xB
VOLUME_OVERFLOW: Final = 0xD
MISCOMPARE: Final = 0xE
COMPLETED: Final = 0xF

FIXED_CURRENT: Final = 0x70
FIXED_DEFERRED: Final = 0x71
DESCRIPTOR_CURRENT: Final = 0x72
DESCRIPTOR_DEFERRED: Final = 0x73
FIXED_BYTES: Final = 18


@dataclass(frozen=True)
class Sense:
    """`deferred`: it is about an earlier command, whose success was told already."""

    key: int
    asc: int
    ascq: int
    deferred: bool = False

    def is_code(self, asc: int, ascq: int) -> bool:
        return self.asc == asc and self.ascq == ascq

    def words(self) -> str:
        """`02/04/0b`."""
        return f"{self.key:02x}/{self.asc:02x}/{self.ascq:02x}"


# What logical units say of asymmetric access (SPC-5 table F.1).
TRANSITIONING: Final = Sense(NOT_READY, 0x04, 0x0A)
PORT_STANDBY: Final = Sense(NOT_READY, 0x04, 0x0B)
PORT_UNAVAILABLE: Final = Sense(NOT_READY, 0x04, 0x0C)
PORT_OFFLINE: Final = Sense(NOT_READY, 0x04, 0x12)
STATE_CHANGED: Final = Sense(UNIT_ATTENTION, 0x2A, 0x06)
TRANSITION_FAILED: Final = Sense(UNIT_ATTENTION, 0x2A, 0x07)
SET_GROUPS_FAILED: Final = Sense(HARDWARE_ERROR, 0x67, 0x0A)
# What they say in general.
POWER_ON: Final = Sense(UNIT_ATTENTION, 0x29, 0x00)
INVALID_OPCODE: Final = Sense(ILLEGAL_REQUEST, 0x20, 0x00)
INVALID_CDB_FIELD: Final = Sense(ILLEGAL_REQUEST, 0x24, 0x00)
INVALID_PARAMETER: Final = Sense(ILLEGAL_REQUEST, 0x26, 0x00)
UNRECOVERED_READ: Final = Sense(MEDIUM_ERROR, 0x11, 0x00)
INITIALISATION_REQUIRED: Final = Sense(NOT_READY, 0x04, 0x02)
MANUAL_INTERVENTION: Final = Sense(NOT_READY, 0x04, 0x03)
# What LSI's controllers say: it is not the owner; another host holds the lock.
RDAC_NOT_OWNER: Final = Sense(ILLEGAL_REQUEST, 0x94, 0x01)
RDAC_LOCKED: Final = Sense(ILLEGAL_REQUEST, 0x91, 0x36)


def encode_fixed(sense: Sense) -> bytes:
    """The 18 bytes of fixed format."""
    code = FIXED_DEFERRED if sense.deferred else FIXED_CURRENT
    data = bytearray(FIXED_BYTES)
    data[0] = code
    data[2] = sense.key
    data[7] = FIXED_BYTES - 8
    data[12] = sense.asc
    data[13] = sense.ascq
    return bytes(data)


def encode_descriptor(sense: Sense) -> bytes:
    """The 8 bytes of descriptor format, without a descriptor."""
    code = DESCRIPTOR_DEFERRED if sense.deferred else DESCRIPTOR_CURRENT
    return bytes([code, sense.key, sense.asc, sense.ascq, 0, 0, 0, 0])


def decode_sense(data: bytes) -> Sense | None:
    """Sense data of either format, or None when it is none. What fixed format leaves out is 0."""
    if not data:
        return None
    code = data[0] & 0x7F
    if not FIXED_CURRENT <= code <= DESCRIPTOR_DEFERRED:
        return None
    deferred = code in (FIXED_DEFERRED, DESCRIPTOR_DEFERRED)
    if code >= DESCRIPTOR_CURRENT:
        return Sense(_byte(data, 1) & 0xF, _byte(data, 2), _byte(data, 3), deferred)
    end = min(len(data), 8 + _byte(data, 7))
    asc = data[12] if end > 12 else 0
    ascq = data[13] if end > 13 else 0
    return Sense(_byte(data, 2) & 0xF, asc, ascq, deferred)


def _byte(data: bytes, place: int) -> int:
    return data[place] if place < len(data) else 0
