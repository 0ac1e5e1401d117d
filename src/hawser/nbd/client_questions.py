"""What a client may ask a server about itself and an export without opening it: a conversation that ends in NBD_OPT_ABORT.

proto.md, "Option types": NBD_OPT_STRUCTURED_REPLY and NBD_OPT_EXTENDED_HEADERS say whether the server has these, and NBD_OPT_INFO
with NBD_INFO_DESCRIPTION what it says of the export. None of it is used for I/O.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from hawser.nbd.client_handshake import Refused, check_magics, option_reply_header
from hawser.nbd.conversation import Conversation, Need
from hawser.nbd.export import string_fault
from hawser.nbd.protocol import (
    FLAG_C_FIXED_NEWSTYLE,
    FLAG_C_NO_ZEROES,
    FLAG_FIXED_NEWSTYLE,
    INFO_DESCRIPTION,
    OPT_ABORT,
    OPT_EXTENDED_HEADERS,
    OPT_INFO,
    OPT_STRUCTURED_REPLY,
    OPTION_REPLIES_MAX,
    OPTION_REPLY_HEADER,
    REP_ACK,
    REP_FLAG_ERROR,
    REP_INFO,
    U16,
    ProtocolError,
    client_flags,
    go_data,
    option_name,
    option_request,
    reply_name,
)

_SWITCHES: Final = (OPT_STRUCTURED_REPLY, OPT_EXTENDED_HEADERS)


@dataclass(frozen=True, slots=True)
class Answers:
    """`description` is the server's, empty if it has none; a server without fixed newstyle can be asked nothing."""

    fixed_newstyle: bool = False
    structured_replies: bool = False
    extended_headers: bool = False
    description: str = ""


class ClientQuestions(Conversation[Answers | Refused]):
    """Asks about one export; see `Conversation` for how it is driven. ValueError for a name that cannot be said on the wire."""

    def __init__(self, export_name: str) -> None:
        super().__init__()
        fault = string_fault(export_name)
        if fault:
            raise ValueError(f"export name {fault}")
        self.export_name = export_name
        self._begin(self._converse())

    def _converse(self) -> Generator[Need, bytes, Answers | Refused]:
        check_magics((yield Need(8, "NBDMAGIC")), (yield Need(8, "the negotiation's style")))
        flags: int = U16.unpack((yield Need(2, "the handshake flags")))[0]
        self._send(client_flags(flags & (FLAG_C_FIXED_NEWSTYLE | FLAG_C_NO_ZEROES)))
        if not flags & FLAG_FIXED_NEWSTYLE:
            return Answers()
        has: list[bool] = []
        for option in _SWITCHES:
            self._send(option_request(option))
            answered = yield from self._replies(option)
            has.append(answered is not None)
        self._send(option_request(OPT_INFO, go_data(self.export_name, [INFO_DESCRIPTION])))
        infos = yield from self._replies(OPT_INFO)
        self._send(option_request(OPT_ABORT))
        return Answers(True, has[0], has[1], _description(infos or []))

    def _replies(self, option: int) -> Generator[Need, bytes, list[bytes] | None]:
        """The information that came before the acknowledgement, or None where the answer is an error."""
        infos: list[bytes] = []
        for _ in range(OPTION_REPLIES_MAX):
            what = f"a reply to {option_name(option)}"
            reply, length = option_reply_header((yield Need(OPTION_REPLY_HEADER.size, what)), option)
            data = yield Need(length, f"the data of {reply_name(reply)}")
            if reply == REP_ACK:
                return infos
            if reply & REP_FLAG_ERROR:
                return None
            if reply == REP_INFO:
                infos.append(data)
        raise ProtocolError(f"more than {OPTION_REPLIES_MAX} replies to one {option_name(option)}")

    def _failed(self, reason: str) -> Answers | Refused:
        return Refused(reason)


def _description(infos: list[bytes]) -> str:
    for data in infos:
        if len(data) >= 2 and U16.unpack_from(data)[0] == INFO_DESCRIPTION:
            text = data[2:].decode(errors="replace")
            return "" if string_fault(text) else text
    return ""
