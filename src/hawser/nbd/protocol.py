"""The vocabulary of NBD: its numbers, its limits, and its fixed-size messages as pure functions.

The source is doc/proto.md of NetworkBlockDevice/nbd, called "proto.md" below; docstrings name its sections.
Names are those of the document without their `NBD_` prefix. Every integer on the wire is unsigned and
big-endian ("Conventions"). Nothing here keeps state; the conversations are in `server_handshake` and
`client_handshake`, the streams of the transmission phase in `requests` and `replies`.
"""

from struct import Struct
from typing import Final

# Magics: "Newstyle negotiation", "Request message", "Simple reply message", "Structured reply chunk message".
NBD_MAGIC: Final = 0x4E42444D41474943
OPTION_MAGIC: Final = 0x49484156454F5054
OLDSTYLE_MAGIC: Final = 0x00420281861253
OPTION_REPLY_MAGIC: Final = 0x0003E889045565A9
REQUEST_MAGIC: Final = 0x25609513
SIMPLE_REPLY_MAGIC: Final = 0x67446698
STRUCTURED_REPLY_MAGIC: Final = 0x668E33EF

# "Handshake flags" (server, 16 bits) and "Client flags" (32 bits) use the same two bits.
FLAG_FIXED_NEWSTYLE: Final = 1 << 0
FLAG_NO_ZEROES: Final = 1 << 1
FLAG_C_FIXED_NEWSTYLE: Final = 1 << 0
FLAG_C_NO_ZEROES: Final = 1 << 1

# "Transmission flags".
FLAG_HAS_FLAGS: Final = 1 << 0
FLAG_READ_ONLY: Final = 1 << 1
FLAG_SEND_FLUSH: Final = 1 << 2
FLAG_SEND_FUA: Final = 1 << 3
FLAG_ROTATIONAL: Final = 1 << 4
FLAG_SEND_TRIM: Final = 1 << 5
FLAG_SEND_WRITE_ZEROES: Final = 1 << 6
FLAG_SEND_DF: Final = 1 << 7
FLAG_CAN_MULTI_CONN: Final = 1 << 8
FLAG_SEND_RESIZE: Final = 1 << 9
FLAG_SEND_CACHE: Final = 1 << 10
FLAG_SEND_FAST_ZERO: Final = 1 << 11

# "Option types".
OPT_EXPORT_NAME: Final = 1
OPT_ABORT: Final = 2
OPT_LIST: Final = 3
OPT_STARTTLS: Final = 5
OPT_INFO: Final = 6
OPT_GO: Final = 7
OPT_STRUCTURED_REPLY: Final = 8
OPT_LIST_META_CONTEXT: Final = 9
OPT_SET_META_CONTEXT: Final = 10
OPT_EXTENDED_HEADERS: Final = 11

# "Option reply types"; bit 31 marks an error.
REP_ACK: Final = 1
REP_SERVER: Final = 2
REP_INFO: Final = 3
REP_META_CONTEXT: Final = 4
REP_FLAG_ERROR: Final = 1 << 31
REP_ERR_UNSUP: Final = REP_FLAG_ERROR + 1
REP_ERR_POLICY: Final = REP_FLAG_ERROR + 2
REP_ERR_INVALID: Final = REP_FLAG_ERROR + 3
REP_ERR_PLATFORM: Final = REP_FLAG_ERROR + 4
REP_ERR_TLS_REQD: Final = REP_FLAG_ERROR + 5
REP_ERR_UNKNOWN: Final = REP_FLAG_ERROR + 6
REP_ERR_SHUTDOWN: Final = REP_FLAG_ERROR + 7
REP_ERR_BLOCK_SIZE_REQD: Final = REP_FLAG_ERROR + 8
REP_ERR_TOO_BIG: Final = REP_FLAG_ERROR + 9
REP_ERR_EXT_HEADER_REQD: Final = REP_FLAG_ERROR + 10

# Information types of REP_INFO.
INFO_EXPORT: Final = 0
INFO_NAME: Final = 1
INFO_DESCRIPTION: Final = 2
INFO_BLOCK_SIZE: Final = 3

# "Request types".
CMD_READ: Final = 0
CMD_WRITE: Final = 1
CMD_DISC: Final = 2
CMD_FLUSH: Final = 3
CMD_TRIM: Final = 4
CMD_CACHE: Final = 5
CMD_WRITE_ZEROES: Final = 6
CMD_BLOCK_STATUS: Final = 7

# "Command flags".
CMD_FLAG_FUA: Final = 1 << 0
CMD_FLAG_NO_HOLE: Final = 1 << 1
CMD_FLAG_DF: Final = 1 << 2
CMD_FLAG_REQ_ONE: Final = 1 << 3
CMD_FLAG_FAST_ZERO: Final = 1 << 4

# "Error values": fixed numbers of the wire, whatever the host's errno says.
OK: Final = 0
EPERM: Final = 1
EIO: Final = 5
ENOMEM: Final = 12
EINVAL: Final = 22
ENOSPC: Final = 28
EOVERFLOW: Final = 75
ENOTSUP: Final = 95
ESHUTDOWN: Final = 108

# Limits that the document sets: "Conventions" (strings) and "Size constraints".
# The port that IANA has given to NBD.
NBD_PORT: Final = 10809
NAME_MAX: Final = 4096
PAYLOAD_MAX: Final = 32 << 20
BLOCK_MIN_MAX: Final = 1 << 16
BLOCK_PREFERRED_MIN: Final = 512
BLOCK_MAX_UNLIMITED: Final = 0xFFFFFFFF
EXPORT_NAME_ZEROES: Final = 124

# What holds where no size constraints were exchanged ("Size constraints").
BLOCK_MIN_DEFAULT: Final = 1
BLOCK_PREFERRED_DEFAULT: Final = 4096
BLOCK_MAX_DEFAULT: Final = PAYLOAD_MAX

# Limits of our own, so that a peer cannot make us hold or send without bound.
OPTION_MAX: Final = 64 << 10  # bytes of one option that are kept; a longer one is skipped
OPTION_SKIP_MAX: Final = PAYLOAD_MAX  # bytes of one option that are skipped; a longer one ends the session
HANDSHAKE_OPTIONS_MAX: Final = 128  # options in one handshake
HANDSHAKE_REPLY_BYTES_MAX: Final = 4 << 20  # no further option is answered after that many bytes of answers
OPTION_REPLY_MAX: Final = 64 << 10  # bytes of one option reply that a client accepts
OPTION_REPLIES_MAX: Final = 128  # replies to one option that a client accepts
SIZE_BYTES_MAX: Final = (1 << 63) - 1  # an export beyond what a file offset can say is a lie
INLINE_PAYLOAD_MAX: Final = 64 << 10  # longer payloads are received straight into their own memory

REQUEST_SIZE: Final = 28
SIMPLE_REPLY_SIZE: Final = 16
BUFFER_MIN: Final = REQUEST_SIZE + INLINE_PAYLOAD_MAX  # the least receive buffer in which parsing proceeds

U16: Final = Struct(">H")
U32: Final = Struct(">I")
U64: Final = Struct(">Q")
GREETING: Final = Struct(">QQH")  # NBD_MAGIC, OPTION_MAGIC, handshake flags
OPTION_HEADER: Final = Struct(">QII")  # OPTION_MAGIC, option, length
OPTION_REPLY_HEADER: Final = Struct(">QIII")  # OPTION_REPLY_MAGIC, option, reply type, length
EXPORT_SUMMARY: Final = Struct(">QH")  # size in bytes, transmission flags
BLOCK_SIZES: Final = Struct(">III")  # minimum block, preferred block, maximum payload
REQUEST: Final = Struct(">IHHQQI")  # REQUEST_MAGIC, flags, command, cookie, offset, length
SIMPLE_REPLY: Final = Struct(">II8s")  # SIMPLE_REPLY_MAGIC, error, cookie

_REPLY_OK: Final = U32.pack(SIMPLE_REPLY_MAGIC) + bytes(4)

OPTION_NAMES: Final[dict[int, str]] = {
    OPT_EXPORT_NAME: "NBD_OPT_EXPORT_NAME",
    OPT_ABORT: "NBD_OPT_ABORT",
    OPT_LIST: "NBD_OPT_LIST",
    OPT_STARTTLS: "NBD_OPT_STARTTLS",
    OPT_INFO: "NBD_OPT_INFO",
    OPT_GO: "NBD_OPT_GO",
    OPT_STRUCTURED_REPLY: "NBD_OPT_STRUCTURED_REPLY",
    OPT_LIST_META_CONTEXT: "NBD_OPT_LIST_META_CONTEXT",
    OPT_SET_META_CONTEXT: "NBD_OPT_SET_META_CONTEXT",
    OPT_EXTENDED_HEADERS: "NBD_OPT_EXTENDED_HEADERS",
}

REPLY_NAMES: Final[dict[int, str]] = {
    REP_ACK: "NBD_REP_ACK",
    REP_SERVER: "NBD_REP_SERVER",
    REP_INFO: "NBD_REP_INFO",
    REP_META_CONTEXT: "NBD_REP_META_CONTEXT",
    REP_ERR_UNSUP: "NBD_REP_ERR_UNSUP",
    REP_ERR_POLICY: "NBD_REP_ERR_POLICY",
    REP_ERR_INVALID: "NBD_REP_ERR_INVALID",
    REP_ERR_PLATFORM: "NBD_REP_ERR_PLATFORM",
    REP_ERR_TLS_REQD: "NBD_REP_ERR_TLS_REQD",
    REP_ERR_UNKNOWN: "NBD_REP_ERR_UNKNOWN",
    REP_ERR_SHUTDOWN: "NBD_REP_ERR_SHUTDOWN",
    REP_ERR_BLOCK_SIZE_REQD: "NBD_REP_ERR_BLOCK_SIZE_REQD",
    REP_ERR_TOO_BIG: "NBD_REP_ERR_TOO_BIG",
    REP_ERR_EXT_HEADER_REQD: "NBD_REP_ERR_EXT_HEADER_REQD",
}


class ProtocolError(ValueError):
    """The peer broke the protocol; the message says what came, where, and what would have been right."""


def option_name(option: int) -> str:
    """The document's name of an option ("Option types"), or its number."""
    return OPTION_NAMES.get(option, f"option {option}")


def reply_name(reply: int) -> str:
    """The document's name of an option reply type ("Option reply types"), or its number."""
    return REPLY_NAMES.get(reply, f"reply type {reply:#x}")


def client_flags(flags: int) -> bytes:
    """The client's half of the greeting, 4 bytes ("Newstyle negotiation", "Client flags")."""
    return U32.pack(flags)


def option_request(option: int, data: bytes = b"") -> bytes:
    """One option as a client sends it: 16 bytes of header and the data ("Newstyle negotiation")."""
    return OPTION_HEADER.pack(OPTION_MAGIC, option, len(data)) + data


def option_reply(option: int, reply: int, data: bytes = b"") -> bytes:
    """One answer to an option: 20 bytes of header and the data ("Fixed newstyle negotiation")."""
    return OPTION_REPLY_HEADER.pack(OPTION_REPLY_MAGIC, option, reply, len(data)) + data


def go_data(name: str, infos: list[int]) -> bytes:
    """The data of NBD_OPT_GO and NBD_OPT_INFO: export name and information requests ("Option types")."""
    raw = name.encode()
    return U32.pack(len(raw)) + raw + U16.pack(len(infos)) + b"".join([U16.pack(info) for info in infos])


def server_data(name: str, description: str = "") -> bytes:
    """The data of NBD_REP_SERVER: one export of a list ("Option reply types")."""
    raw = name.encode()
    return U32.pack(len(raw)) + raw + description.encode()


def info_export(size_bytes: int, flags: int) -> bytes:
    """NBD_INFO_EXPORT, 12 bytes: size and transmission flags ("Option reply types")."""
    return U16.pack(INFO_EXPORT) + EXPORT_SUMMARY.pack(size_bytes, flags)


def info_block_size(block_min: int, block_preferred: int, block_max: int) -> bytes:
    """NBD_INFO_BLOCK_SIZE, 14 bytes, all in bytes ("Option reply types", "Size constraints")."""
    return U16.pack(INFO_BLOCK_SIZE) + BLOCK_SIZES.pack(block_min, block_preferred, block_max)


def info_text(info: int, text: str) -> bytes:
    """NBD_INFO_NAME or NBD_INFO_DESCRIPTION: a string to the end of the reply ("Option reply types")."""
    return U16.pack(info) + text.encode()


def request_header(command: int, flags: int, cookie: int, offset: int, length: int) -> bytes:
    """A request without its payload, 28 bytes; `offset` and `length` in bytes ("Request message")."""
    return REQUEST.pack(REQUEST_MAGIC, flags, command, cookie, offset, length)


def simple_reply(cookie: bytes, error: int) -> bytes:
    """A simple reply without payload, 16 bytes; `cookie`: the request's 8 bytes ("Simple reply message")."""
    if error == OK:
        return _REPLY_OK + cookie
    return SIMPLE_REPLY.pack(SIMPLE_REPLY_MAGIC, error, cookie)


def shown(text: str) -> str:
    """A peer's string, quoted, escaped and cut, so that it is safe in a message or a log line."""
    return ascii(text) if len(text) <= 80 else ascii(text[:80]) + "..."
