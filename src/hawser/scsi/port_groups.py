"""Target port groups: the states of asymmetric logical unit access (ALUA), as they are reported and set.

REPORT TARGET PORT GROUPS has two headers: with the length alone, or with the time that a transition may take as well. T10 SPC-5
5.18, 6.36 and 6.48.
"""

from dataclasses import dataclass
from struct import pack, unpack_from
from typing import Final

OPTIMIZED: Final = 0x0
NON_OPTIMIZED: Final = 0x1
STANDBY: Final = 0x2
UNAVAILABLE: Final = 0x3
LBA_DEPENDENT: Final = 0x4
OFFLINE: Final = 0xE
TRANSITIONING: Final = 0xF

# As sysfs has them (`access_state`), and the letters of the kernel's log.
STATE_NAMES: Final = {
    OPTIMIZED: "active/optimized",
    NON_OPTIMIZED: "active/non-optimized",
    STANDBY: "standby",
    UNAVAILABLE: "unavailable",
    LBA_DEPENDENT: "lba-dependent",
    OFFLINE: "offline",
    TRANSITIONING: "transitioning",
}
STATE_LETTERS: Final = {
    OPTIMIZED: "A",
    NON_OPTIMIZED: "N",
    STANDBY: "S",
    UNAVAILABLE: "U",
    LBA_DEPENDENT: "L",
    OFFLINE: "O",
    TRANSITIONING: "T",
}

# Bits of the states that a group can be in, with their letters in the order of the kernel's log.
SUPPORTS_OPTIMIZED: Final = 0x01
SUPPORTS_NON_OPTIMIZED: Final = 0x02
SUPPORTS_STANDBY: Final = 0x04
SUPPORTS_UNAVAILABLE: Final = 0x08
SUPPORTS_LBA_DEPENDENT: Final = 0x10
SUPPORTS_OFFLINE: Final = 0x40
SUPPORTS_TRANSITION: Final = 0x80
SUPPORTS_ALL: Final = 0xDF
_SUPPORT_LETTERS: Final = (
    (SUPPORTS_TRANSITION, "T"),
    (SUPPORTS_OFFLINE, "O"),
    (SUPPORTS_LBA_DEPENDENT, "L"),
    (SUPPORTS_UNAVAILABLE, "U"),
    (SUPPORTS_STANDBY, "S"),
    (SUPPORTS_NON_OPTIMIZED, "N"),
    (SUPPORTS_OPTIMIZED, "A"),
)

# Which kinds of ALUA a unit has, in its standard inquiry data (TPGS).
IMPLICIT: Final = 0x1
EXPLICIT: Final = 0x2

FORMAT_MASK: Final = 0x70
FORMAT_EXTENDED: Final = 0x10
PREFERRED: Final = 0x80


def support_letters(states: int) -> str:
    """`tolUSNA`: a capital for each state that is supported."""
    return "".join(letter if states & bit else letter.lower() for bit, letter in _SUPPORT_LETTERS)


@dataclass(frozen=True)
class GroupState:
    """One group of a report; `ports` are relative target port identifiers."""

    group_id: int
    state: int
    preferred: bool = False
    supports: int = SUPPORTS_ALL
    status: int = 0
    ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class Report:
    """`needs_bytes`: how long the whole report is; what was cut off is missing from `groups`. `transition_s`: the time that a
    transition may take; 0: it is not said."""

    needs_bytes: int
    transition_s: int
    groups: list[GroupState]


def encode_report(groups: list[GroupState], extended: bool, transition_s: int = 0) -> bytes:
    """The whole answer to REPORT TARGET PORT GROUPS, with the header that was asked for."""
    body = b"".join([_encode_group(group) for group in groups])
    if extended:
        body = pack(">BBxx", FORMAT_EXTENDED, transition_s) + body
    return pack(">I", len(body)) + body


def _encode_group(group: GroupState) -> bytes:
    first = group.state | (PREFERRED if group.preferred else 0)
    head = pack(">BBHxBxB", first, group.supports, group.group_id, group.status, len(group.ports))
    return head + b"".join([pack(">xxH", port) for port in group.ports])


def decode_report(data: bytes) -> Report | None:
    """A report, or as much of it as came; None when not even its header did."""
    if len(data) < 4:
        return None
    needs_bytes = int(unpack_from(">I", data, 0)[0]) + 4
    end = min(needs_bytes, len(data))
    place, transition_s = 4, 0
    if end > 5 and data[4] & FORMAT_MASK == FORMAT_EXTENDED:
        place, transition_s = 8, data[5]
    groups: list[GroupState] = []
    while place + 8 <= end:
        count = data[place + 7]
        ports: list[int] = []
        for port in range(count):
            at = place + 8 + 4 * port
            if at + 4 <= end:
                ports.append(int(unpack_from(">H", data, at + 2)[0]))
        groups.append(
            GroupState(
                int(unpack_from(">H", data, place + 2)[0]),
                data[place] & 0x0F,
                data[place] & PREFERRED != 0,
                data[place + 1],
                data[place + 5],
                tuple(ports),
            )
        )
        place += 8 + 4 * count
    return Report(needs_bytes, transition_s, groups)


def encode_set(states: list[tuple[int, int]]) -> bytes:
    """The parameters of SET TARGET PORT GROUPS: (group, state) each."""
    return bytes(4) + b"".join([pack(">BxH", state & 0x0F, group_id) for group_id, state in states])


def decode_set(data: bytes) -> list[tuple[int, int]]:
    """What a target is to set, as (group, state)."""
    found: list[tuple[int, int]] = []
    for place in range(4, len(data) - 3, 4):
        found.append((int(unpack_from(">H", data, place + 2)[0]), data[place] & 0x0F))
    return found
