"""What an NBD server says of its export, as facts of a path."""

from typing import Final

from hawser.core.units import KIB, MIB
from hawser.nbd import protocol
from hawser.nbd.client_handshake import Negotiated
from hawser.paths.facts import PathFacts

RMW_UNIT_DEFAULT: Final = 4 * KIB
RMW_UNIT_MAX: Final = 64 * KIB
MAX_BYTES: Final = 32 * MIB


def facts_of(negotiated: Negotiated, wwid: str = "") -> PathFacts:
    """What an NBD server says of its export, which has the WWID that was declared. A server that states no block sizes may work
    in 4096-byte blocks."""
    flags = negotiated.flags
    unit = RMW_UNIT_DEFAULT
    if negotiated.block_sizes_stated:
        unit = max(negotiated.block_min, min(negotiated.block_preferred, RMW_UNIT_MAX), 512)
    block = max(negotiated.block_min, 512)
    size = negotiated.size_bytes // block * block
    most = min(negotiated.block_max, MAX_BYTES) // block * block
    return PathFacts(
        size,
        block,
        unit,
        bool(flags & protocol.FLAG_READ_ONLY),
        bool(flags & protocol.FLAG_SEND_FLUSH),
        bool(flags & protocol.FLAG_SEND_FUA),
        bool(flags & protocol.FLAG_SEND_TRIM),
        bool(flags & protocol.FLAG_SEND_WRITE_ZEROES),
        most,
        wwid,
        negotiated.stated_name,
        negotiated.description,
    )
