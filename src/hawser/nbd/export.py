"""What a server offers: the exports of its directory, and the rules for the block sizes that they state.

The handshake reads these and keeps nothing else about the disks behind them. proto.md, "Size constraints" and
"Transmission flags".
"""

from dataclasses import dataclass

from mypy_extensions import mypyc_attr

from hawser.nbd.protocol import (
    BLOCK_MAX_DEFAULT,
    BLOCK_MAX_UNLIMITED,
    BLOCK_MIN_DEFAULT,
    BLOCK_MIN_MAX,
    BLOCK_PREFERRED_DEFAULT,
    BLOCK_PREFERRED_MIN,
    NAME_MAX,
    SIZE_BYTES_MAX,
    shown,
)


def is_power_of_two(number: int) -> bool:
    """Whether `number` is 1, 2, 4, 8 and so on."""
    return number > 0 and number & (number - 1) == 0


def block_sizes_fault(block_min: int, block_preferred: int, block_max: int) -> str:
    """What is wrong with three block sizes in bytes, or "" if nothing is ("Size constraints").

    Unlike the document this lets a preferred size below 512 pass, which harms nobody; what we state ourselves
    is held to the document by `Export`.
    """
    if not is_power_of_two(block_min) or block_min > BLOCK_MIN_MAX:
        return f"minimum block size {block_min} is not a power of two from 1 to {BLOCK_MIN_MAX}"
    if not is_power_of_two(block_preferred) or block_preferred < block_min:
        return f"preferred block size {block_preferred} is not a power of two from {block_min} up"
    if not block_preferred <= block_max <= BLOCK_MAX_UNLIMITED:
        return f"maximum payload {block_max} is not from {block_preferred} to {BLOCK_MAX_UNLIMITED:#x}"
    return ""


def size_fault(size_bytes: int) -> str:
    """What is wrong with an export's size in bytes, or ""."""
    return "" if 0 <= size_bytes <= SIZE_BYTES_MAX else f"size {size_bytes} is not from 0 to 2^63-1 bytes"


def string_fault(text: str) -> str:
    """What is wrong with a string of the protocol, or "" ("Conventions")."""
    if "\0" in text:
        return f"{shown(text)} contains a NUL character"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return f"{shown(text)} has no UTF-8 encoding"
    return "" if size <= NAME_MAX else f"{shown(text)} is {size} bytes long, {NAME_MAX} are allowed"


@dataclass(frozen=True, slots=True)
class Export:
    """One disk as clients see it; sizes in bytes, `flags` are transmission flags.

    `block_size_required` turns away a client that does not ask for the block sizes, with
    NBD_REP_ERR_BLOCK_SIZE_REQD; without it such a client is served and its unaligned requests are errors.

    Raises ValueError if a field cannot be said on the wire or breaks "Size constraints".
    """

    name: str
    size_bytes: int
    flags: int = 0
    description: str = ""
    block_min: int = BLOCK_MIN_DEFAULT
    block_preferred: int = BLOCK_PREFERRED_DEFAULT
    block_max: int = BLOCK_MAX_DEFAULT
    block_size_required: bool = False

    def __post_init__(self) -> None:
        fault = (
            string_fault(self.name)
            or string_fault(self.description)
            or size_fault(self.size_bytes)
            or block_sizes_fault(self.block_min, self.block_preferred, self.block_max)
        )
        if not fault and self.block_preferred < BLOCK_PREFERRED_MIN:
            fault = f"preferred block size {self.block_preferred} is below {BLOCK_PREFERRED_MIN}"
        if not fault and not 0 <= self.flags <= 0xFFFF:
            fault = f"transmission flags {self.flags:#x} do not fit in 16 bits"
        if fault:
            raise ValueError(f"export {shown(self.name)}: {fault}")


@mypyc_attr(allow_interpreted_subclasses=True)
class ExportDirectory:
    """What a server has on offer now; asked anew for every option, so exports may come and go."""

    def find(self, name: str) -> Export | None:
        """The export of that name, or None. The handshake resolves the empty name itself if this does not."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """The names of all exports that may be listed, in the order in which to list them."""
        raise NotImplementedError

    def find_default(self, name: str) -> Export | None:
        """Like `find`, but the empty name also means the only export, if there is one ("Option types")."""
        export = self.find(name)
        if export is None and name == "":
            names = self.names()
            if len(names) == 1:
                export = self.find(names[0])
        return export
