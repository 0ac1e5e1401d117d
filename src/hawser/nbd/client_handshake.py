"""The client's half of the handshake: ask a server for one export, and believe nothing it says unchecked.

proto.md, "Newstyle negotiation", "Fixed newstyle negotiation", "Option types". NBD_OPT_GO is tried first,
because it can say why it refuses and tells the block sizes; a server that does not know it is asked with
NBD_OPT_EXPORT_NAME. Servers of the old style, which name no export, are refused. A refusal of our own leaves
NBD_OPT_ABORT in `outgoing()` where the server still listens to options, so that it sees an orderly end.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from hawser.nbd.conversation import Conversation, Need
from hawser.nbd.export import block_sizes_fault, size_fault, string_fault
from hawser.nbd.protocol import (
    BLOCK_MAX_DEFAULT,
    BLOCK_MIN_DEFAULT,
    BLOCK_PREFERRED_DEFAULT,
    BLOCK_SIZES,
    EXPORT_NAME_ZEROES,
    EXPORT_SUMMARY,
    FLAG_C_FIXED_NEWSTYLE,
    FLAG_C_NO_ZEROES,
    FLAG_FIXED_NEWSTYLE,
    FLAG_HAS_FLAGS,
    FLAG_NO_ZEROES,
    INFO_BLOCK_SIZE,
    INFO_DESCRIPTION,
    INFO_EXPORT,
    INFO_NAME,
    NBD_MAGIC,
    OLDSTYLE_MAGIC,
    OPT_ABORT,
    OPT_EXPORT_NAME,
    OPT_GO,
    OPTION_MAGIC,
    OPTION_REPLIES_MAX,
    OPTION_REPLY_HEADER,
    OPTION_REPLY_MAGIC,
    OPTION_REPLY_MAX,
    REP_ACK,
    REP_ERR_UNSUP,
    REP_FLAG_ERROR,
    REP_INFO,
    U16,
    U64,
    ProtocolError,
    client_flags,
    go_data,
    option_name,
    option_request,
    reply_name,
    shown,
)

INFOS_WANTED: Final = [INFO_BLOCK_SIZE, INFO_NAME, INFO_DESCRIPTION]


@dataclass(frozen=True, slots=True)
class Negotiated:
    """Agreed: transmission begins. Sizes in bytes; `leftover` is what the server sent after its last reply.

    `name` is the server's own name for the export, or the one that was asked for if it did not say.
    `stated_name` and `description` are what it said itself about what it serves, empty where it said nothing. Where
    `block_sizes_stated` is false the server named no block sizes and the three are the document's defaults
    ("Size constraints"), which says nothing about what it reads, modifies and writes underneath.
    """

    name: str
    size_bytes: int
    flags: int
    block_min: int
    block_preferred: int
    block_max: int
    block_sizes_stated: bool
    leftover: bytes
    stated_name: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Not agreed, by them or by us: send what is outgoing, then close."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error reply to NBD_OPT_GO; `unsupported` if an older option may do."""

    unsupported: bool
    text: str


class ClientHandshake(Conversation[Negotiated | Refused]):
    """Negotiates with one server for the export of that name; see `Conversation` for how it is driven.

    Raises ValueError for a name that cannot be said on the wire; after that nothing raises, all ends in
    `result`.
    """

    def __init__(self, export_name: str) -> None:
        super().__init__()
        fault = string_fault(export_name)
        if fault:
            raise ValueError(f"export name {fault}")
        self.export_name = export_name
        self._fallback_sent = False
        self._name = export_name
        self._stated_name = ""
        self._description = ""
        self._summary: tuple[int, int] | None = None
        self._block_sizes: tuple[int, int, int] | None = None
        self._begin(self._converse())

    def _converse(self) -> Generator[Need, bytes, Negotiated | Refused]:
        check_magics((yield Need(8, "NBDMAGIC")), (yield Need(8, "the negotiation's style")))
        flags: int = U16.unpack((yield Need(2, "the handshake flags")))[0]
        self._send(client_flags(flags & (FLAG_C_FIXED_NEWSTYLE | FLAG_C_NO_ZEROES)))
        if flags & FLAG_FIXED_NEWSTYLE:
            self._send(option_request(OPT_GO, go_data(self.export_name, INFOS_WANTED)))
            refusal = yield from self._go_replies()
            if refusal is None:
                return self._agreed()
            if refusal.unsupported:
                return (yield from self._fall_back(flags))
            self._send(option_request(OPT_ABORT))
            return Refused(f"the server refuses export {shown(self.export_name)}: {refusal.text}")
        return (yield from self._fall_back(flags))

    def _go_replies(self) -> Generator[Need, bytes, Refusal | None]:
        for _ in range(OPTION_REPLIES_MAX):
            reply, length = option_reply_header((yield Need(OPTION_REPLY_HEADER.size, "a reply to NBD_OPT_GO")), OPT_GO)
            data = yield Need(length, f"the data of {reply_name(reply)}")
            if reply == REP_ACK:
                return None
            if reply & REP_FLAG_ERROR:
                return Refusal(reply == REP_ERR_UNSUP, refusal_text(reply, data))
            if reply == REP_INFO:
                self._take_info(data)
        raise ProtocolError(f"more than {OPTION_REPLIES_MAX} replies to one NBD_OPT_GO")

    def _take_info(self, data: bytes) -> None:
        if len(data) < 2:
            raise ProtocolError(f"NBD_REP_INFO of {len(data)} bytes: it has at least 2")
        info: int = U16.unpack_from(data)[0]
        if info == INFO_EXPORT:
            check_info_size("NBD_INFO_EXPORT", data, 12)
            self._summary = EXPORT_SUMMARY.unpack_from(data, 2)
        elif info == INFO_BLOCK_SIZE:
            check_info_size("NBD_INFO_BLOCK_SIZE", data, 14)
            self._block_sizes = BLOCK_SIZES.unpack_from(data, 2)
        elif info == INFO_NAME:
            name = data[2:].decode(errors="replace")
            if not string_fault(name):
                self._name = self._stated_name = name
        elif info == INFO_DESCRIPTION:
            text = data[2:].decode(errors="replace")
            self._description = "" if string_fault(text) else text

    def _fall_back(self, flags: int) -> Generator[Need, bytes, Negotiated | Refused]:
        self._send(option_request(OPT_EXPORT_NAME, self.export_name.encode()))
        self._fallback_sent = True
        self._block_sizes = None
        self._name = self.export_name
        self._stated_name = self._description = ""
        self._summary = EXPORT_SUMMARY.unpack((yield Need(EXPORT_SUMMARY.size, "the export's size and flags")))
        if not flags & FLAG_NO_ZEROES:
            yield Need(EXPORT_NAME_ZEROES, "124 bytes of zeroes")
        return self._agreed()

    def _agreed(self) -> Negotiated:
        if self._summary is None:
            raise ProtocolError("NBD_OPT_GO acknowledged without an NBD_INFO_EXPORT")
        size_bytes, flags = self._summary
        defaults = (BLOCK_MIN_DEFAULT, BLOCK_PREFERRED_DEFAULT, BLOCK_MAX_DEFAULT)
        block_min, block_preferred, block_max = self._block_sizes or defaults
        fault = size_fault(size_bytes) or block_sizes_fault(block_min, block_preferred, block_max)
        if not fault and not flags & FLAG_HAS_FLAGS:
            fault = f"transmission flags {flags:#x} lack NBD_FLAG_HAS_FLAGS"
        if fault:
            raise ProtocolError(f"export {shown(self.export_name)}: {fault}")
        return Negotiated(
            name=self._name,
            size_bytes=size_bytes,
            flags=flags,
            block_min=block_min,
            block_preferred=block_preferred,
            block_max=block_max,
            block_sizes_stated=self._block_sizes is not None,
            leftover=self._leftover(),
            stated_name=self._stated_name,
            description=self._description,
        )

    def _failed(self, reason: str) -> Negotiated | Refused:
        if self._fallback_sent:
            name = shown(self.export_name)
            reason += f"; this is how a server answers NBD_OPT_EXPORT_NAME if it has no export {name}"
        return Refused(reason)


def check_magics(magic: bytes, style: bytes) -> None:
    """Raise ProtocolError unless it is a newstyle server that greets ("Newstyle negotiation")."""
    number: int = U64.unpack(magic)[0]
    if number != NBD_MAGIC:
        raise ProtocolError(f"greeting {magic!r}: an NBD server says b'NBDMAGIC'")
    number = U64.unpack(style)[0]
    if number == OLDSTYLE_MAGIC:
        raise ProtocolError("an oldstyle server, which knows no export names: newstyle is required")
    if number != OPTION_MAGIC:
        raise ProtocolError(f"negotiation style {style!r}: a newstyle server says b'IHAVEOPT'")


def option_reply_header(raw: bytes, asked: int) -> tuple[int, int]:
    """Reply type and data length from the 20 bytes of an option reply's header. Raises ProtocolError."""
    fields: tuple[int, int, int, int] = OPTION_REPLY_HEADER.unpack(raw)
    magic, option, reply, length = fields
    if magic != OPTION_REPLY_MAGIC:
        raise ProtocolError(f"option reply magic {magic:#018x}: {OPTION_REPLY_MAGIC:#018x} is expected")
    if option != asked:
        raise ProtocolError(f"a reply to {option_name(option)} where {option_name(asked)} was asked")
    if length > OPTION_REPLY_MAX:
        raise ProtocolError(f"{reply_name(reply)} announces {length} bytes: at most {OPTION_REPLY_MAX} are accepted")
    return reply, length


def check_info_size(name: str, data: bytes, size: int) -> None:
    """Raise ProtocolError unless an information block has its one right size."""
    if len(data) != size:
        raise ProtocolError(f"{name} of {len(data)} bytes: it has {size}")


def refusal_text(reply: int, data: bytes) -> str:
    """An error reply for people: its name, and the server's words if it has any."""
    words = data.decode(errors="replace")
    return f"{reply_name(reply)}: {shown(words)}" if words else reply_name(reply)
