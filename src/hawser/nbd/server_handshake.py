"""The server's half of the fixed newstyle handshake: which export does this client want, and does it get it?

proto.md, "Newstyle negotiation", "Fixed newstyle negotiation", "Option types". `_converse` is the
conversation; `_ANSWERS`, at the end of the file, is the table of options that are answered: what joins the
protocol later (structured replies, TLS) joins there. Every other option is NBD_REP_ERR_UNSUP.

A client that breaks the framing (magics, flags, limits) is closed with a reason; one that frames a bad option
well gets an error reply with a message and may go on. As nbdkit does, the number of options is limited; so is
the volume of what they are answered, since a client could ask on without ever reading.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final

from hawser.nbd.conversation import Conversation, Need
from hawser.nbd.export import Export, ExportDirectory
from hawser.nbd.protocol import (
    EXPORT_NAME_ZEROES,
    EXPORT_SUMMARY,
    FLAG_C_FIXED_NEWSTYLE,
    FLAG_C_NO_ZEROES,
    FLAG_FIXED_NEWSTYLE,
    FLAG_HAS_FLAGS,
    FLAG_NO_ZEROES,
    GREETING,
    HANDSHAKE_OPTIONS_MAX,
    HANDSHAKE_REPLY_BYTES_MAX,
    INFO_BLOCK_SIZE,
    INFO_DESCRIPTION,
    INFO_NAME,
    NAME_MAX,
    NBD_MAGIC,
    OPT_ABORT,
    OPT_EXPORT_NAME,
    OPT_GO,
    OPT_INFO,
    OPT_LIST,
    OPTION_HEADER,
    OPTION_MAGIC,
    OPTION_MAX,
    OPTION_SKIP_MAX,
    REP_ACK,
    REP_ERR_BLOCK_SIZE_REQD,
    REP_ERR_INVALID,
    REP_ERR_TOO_BIG,
    REP_ERR_UNKNOWN,
    REP_ERR_UNSUP,
    REP_INFO,
    REP_SERVER,
    U16,
    U32,
    ProtocolError,
    info_block_size,
    info_export,
    info_text,
    option_name,
    option_reply,
    server_data,
    shown,
)


@dataclass(frozen=True, slots=True)
class Transmission:
    """Agreed: transmission begins. `leftover` is what the client sent after its last option: requests.

    `block_sizes_agreed` says that the client asked for the block sizes and so must keep to them.
    """

    export: Export
    leftover: bytes
    block_sizes_agreed: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """Not agreed: send what is outgoing, then close. `orderly` if the client ended it (NBD_OPT_ABORT)."""

    reason: str
    orderly: bool = False


class OptionError(Exception):
    """An option is answered with an error reply, and the negotiation goes on."""

    def __init__(self, reply: int, message: str) -> None:
        super().__init__(message)
        self.reply = reply
        self.message = message


class ServerHandshake(Conversation[Transmission | Closed]):
    """Negotiates with one client over the exports of a directory; see `Conversation` for how it is driven.

    `outgoing()` holds the greeting from the start. Nothing raises: whatever the client sends, it ends in
    `result`.
    """

    def __init__(self, exports: ExportDirectory) -> None:
        super().__init__()
        self.exports = exports
        self._no_zeroes = False
        self._begin(self._converse())

    def _converse(self) -> Generator[Need, bytes, Transmission | Closed]:
        self._send(GREETING.pack(NBD_MAGIC, OPTION_MAGIC, FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES))
        flags: int = U32.unpack((yield Need(4, "the client flags")))[0]
        if flags & ~(FLAG_C_FIXED_NEWSTYLE | FLAG_C_NO_ZEROES):
            raise ProtocolError(f"client flags {flags:#x}: only bits 0 and 1 are offered")
        self._no_zeroes = flags & FLAG_C_NO_ZEROES != 0
        for _ in range(HANDSHAKE_OPTIONS_MAX):
            option, length = option_header((yield Need(OPTION_HEADER.size, "an option")))
            if not flags & FLAG_C_FIXED_NEWSTYLE and option != OPT_EXPORT_NAME:
                raise ProtocolError(f"{option_name(option)} from a client that has not set NBD_FLAG_C_FIXED_NEWSTYLE")
            if length <= OPTION_MAX:
                outcome = self._answer(option, (yield Need(length, f"the data of {option_name(option)}")))
            else:
                yield from skip(option, length)
                outcome = self._answer_too_big(option, length)
            if outcome is not None:
                return outcome
            if self.sent_bytes > HANDSHAKE_REPLY_BYTES_MAX:
                raise ProtocolError(f"more than {HANDSHAKE_REPLY_BYTES_MAX} bytes of option replies asked for")
        raise ProtocolError(f"more than {HANDSHAKE_OPTIONS_MAX} options in one negotiation")

    def _answer(self, option: int, data: bytes) -> Transmission | Closed | None:
        answer = _ANSWERS.get(option)
        try:
            if answer is None:
                raise OptionError(REP_ERR_UNSUP, f"{option_name(option)} is not supported")
            return answer(self, option, data)
        except OptionError as error:
            self._send(option_reply(option, error.reply, error.message.encode()))
            return None

    def _answer_too_big(self, option: int, length: int) -> Transmission | Closed | None:
        message = f"{option_name(option)} with {length} bytes of data: at most {OPTION_MAX} are accepted"
        if option == OPT_EXPORT_NAME:
            return Closed(message)
        if option == OPT_ABORT:
            return self.abort(option, b"")
        self._send(option_reply(option, REP_ERR_TOO_BIG, message.encode()))
        return None

    def export_name(self, option: int, data: bytes) -> Transmission | Closed:
        """NBD_OPT_EXPORT_NAME, which knows no error reply: what cannot be served is closed."""
        try:
            export = self._find(decoded_name(data))
        except OptionError as error:
            return Closed(f"{option_name(option)}: {error.message}")
        if export.block_size_required:
            return Closed(f"export {shown(export.name)} wants its block sizes honoured; NBD_OPT_GO can ask for them")
        self._send(EXPORT_SUMMARY.pack(export.size_bytes, export.flags | FLAG_HAS_FLAGS))
        if not self._no_zeroes:
            self._send(bytes(EXPORT_NAME_ZEROES))
        return Transmission(export, self._leftover(), False)

    def abort(self, option: int, data: bytes) -> Closed:
        """NBD_OPT_ABORT; data that comes with it is ignored."""
        self._send(option_reply(option, REP_ACK))
        return Closed("the client ended the negotiation with NBD_OPT_ABORT", orderly=True)

    def list_exports(self, option: int, data: bytes) -> None:
        """NBD_OPT_LIST: one NBD_REP_SERVER an export, then an acknowledgement."""
        if data:
            raise OptionError(REP_ERR_INVALID, f"{option_name(option)} with {len(data)} bytes of data: it has none")
        for name in self.exports.names():
            export = self.exports.find(name)
            if export is not None:
                self._send(option_reply(option, REP_SERVER, server_data(export.name, export.description)))
        self._send(option_reply(option, REP_ACK))

    def info(self, option: int, data: bytes) -> Transmission | None:
        """NBD_OPT_INFO and NBD_OPT_GO: the same questions and answers; GO then begins transmission."""
        name, infos = go_request(option, data)
        export = self._find(name)
        self._send_infos(option, export, infos)
        if export.block_size_required and INFO_BLOCK_SIZE not in infos:
            message = f"export {shown(export.name)} wants its block sizes honoured; request NBD_INFO_BLOCK_SIZE"
            raise OptionError(REP_ERR_BLOCK_SIZE_REQD, message)
        self._send(option_reply(option, REP_ACK))
        if option == OPT_INFO:
            return None
        return Transmission(export, self._leftover(), INFO_BLOCK_SIZE in infos)

    def _send_infos(self, option: int, export: Export, infos: tuple[int, ...]) -> None:
        blocks = [
            info_export(export.size_bytes, export.flags | FLAG_HAS_FLAGS),
            info_block_size(export.block_min, export.block_preferred, export.block_max),
        ]
        if INFO_NAME in infos:
            blocks.append(info_text(INFO_NAME, export.name))
        if INFO_DESCRIPTION in infos:
            blocks.append(info_text(INFO_DESCRIPTION, export.description))
        for block in blocks:
            self._send(option_reply(option, REP_INFO, block))

    def _find(self, name: str) -> Export:
        export = self.exports.find_default(name)
        if export is None:
            raise OptionError(REP_ERR_UNKNOWN, f"no export is named {shown(name)}")
        return export

    def _failed(self, reason: str) -> Transmission | Closed:
        return Closed(reason)


def option_header(raw: bytes) -> tuple[int, int]:
    """The option and the length of its data, from its 16 bytes of header. Raises ProtocolError."""
    fields: tuple[int, int, int] = OPTION_HEADER.unpack(raw)
    magic, option, length = fields
    if magic != OPTION_MAGIC:
        raise ProtocolError(f"option magic {magic:#018x}: {OPTION_MAGIC:#018x} (IHAVEOPT) is expected")
    if length > OPTION_SKIP_MAX:
        raise ProtocolError(f"{option_name(option)} announces {length} bytes of data: {OPTION_SKIP_MAX} are too many")
    return option, length


def skip(option: int, length: int) -> Generator[Need, bytes, None]:
    """Read past the data of an option that is too long to keep."""
    while length > 0:
        piece = min(length, OPTION_MAX)
        yield Need(piece, f"the data of {option_name(option)}")
        length -= piece


def decoded_name(raw: bytes) -> str:
    """An export's name as a client sent it. Raises OptionError ("Conventions": UTF-8, no NUL, 4096 bytes)."""
    if len(raw) > NAME_MAX:
        raise OptionError(REP_ERR_INVALID, f"export name of {len(raw)} bytes: at most {NAME_MAX} are allowed")
    try:
        name = raw.decode()
    except UnicodeDecodeError as error:
        raise OptionError(REP_ERR_INVALID, f"export name is not UTF-8 at byte {error.start}") from None
    if "\0" in name:
        raise OptionError(REP_ERR_INVALID, f"export name {shown(name)} contains a NUL character")
    return name


def go_request(option: int, data: bytes) -> tuple[str, tuple[int, ...]]:
    """Name and information requests from the data of NBD_OPT_GO or NBD_OPT_INFO. Raises OptionError.

    Information types that are unknown, or named twice, are the client's business and pass.
    """
    size = len(data)
    if size < 6:
        raise OptionError(REP_ERR_INVALID, f"{option_name(option)} with {size} bytes of data: it has at least 6")
    name_size: int = U32.unpack_from(data, 0)[0]
    if name_size > size - 6:
        message = f"{option_name(option)}: a name of {name_size} bytes does not fit in {size} bytes of data"
        raise OptionError(REP_ERR_INVALID, message)
    name = decoded_name(data[4 : 4 + name_size])
    count: int = U16.unpack_from(data, 4 + name_size)[0]
    start = 6 + name_size
    if size != start + 2 * count:
        message = f"{option_name(option)}: {count} information requests in {size - start} bytes: each has 2"
        raise OptionError(REP_ERR_INVALID, message)
    infos: list[int] = [U16.unpack_from(data, at)[0] for at in range(start, size, 2)]
    return name, tuple(infos)


Answer = Callable[[ServerHandshake, int, bytes], Transmission | Closed | None]

_ANSWERS: Final[dict[int, Answer]] = {
    OPT_EXPORT_NAME: ServerHandshake.export_name,
    OPT_ABORT: ServerHandshake.abort,
    OPT_LIST: ServerHandshake.list_exports,
    OPT_INFO: ServerHandshake.info,
    OPT_GO: ServerHandshake.info,
}
