"""Helpers that let a test read like the specification's transcripts: who says what, and what is answered."""

from hawser.nbd.export import Export, ExportDirectory
from hawser.nbd.protocol import (
    GREETING,
    NBD_MAGIC,
    OPTION_MAGIC,
    OPTION_REPLY_HEADER,
    OPTION_REPLY_MAGIC,
    client_flags,
    option_request,
)
from hawser.nbd.server_handshake import Closed, ServerHandshake, Transmission

SERVER_GREETING = GREETING.pack(NBD_MAGIC, OPTION_MAGIC, 3)


class Shelf(ExportDirectory):
    """A directory that is a list."""

    def __init__(self, *exports: Export) -> None:
        self.exports = {export.name: export for export in exports}

    def find(self, name: str) -> Export | None:
        return self.exports.get(name)

    def names(self) -> list[str]:
        return list(self.exports)


DISK = Export("disk", 1 << 30, 0x10D, "the big one", 512, 4096, 1 << 20)
OTHER = Export("andere-größe", 12345, 0x1)
PICKY = Export("picky", 1 << 20, 0x1, "", 4096, 4096, 1 << 20, block_size_required=True)


def chunks(data: bytes, sizes: list[int]) -> list[bytes]:
    """`data` in pieces of the given sizes, cyclically."""
    pieces, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        pieces.append(data[at : at + size])
        at, turn = at + size, turn + 1
    return pieces


def replies(data: bytes) -> list[tuple[int, int, bytes]]:
    """The option replies in `data` as (option, reply type, data)."""
    found, at = [], 0
    while at < len(data):
        magic, option, reply, length = OPTION_REPLY_HEADER.unpack_from(data, at)
        assert magic == OPTION_REPLY_MAGIC
        at += OPTION_REPLY_HEADER.size
        found.append((option, reply, data[at : at + length]))
        at += length
    assert at == len(data), "a reply is cut short"
    return found


class Client:
    """A hand-driven client of a `ServerHandshake`."""

    def __init__(self, *exports: Export, flags: int | None = 3) -> None:
        self.server = ServerHandshake(Shelf(*exports))
        assert self.server.outgoing() == SERVER_GREETING
        if flags is not None:
            assert self.sends(client_flags(flags)) == b""

    def sends(self, data: bytes) -> bytes:
        self.server.receive(data)
        return self.server.outgoing()

    def asks(self, option: int, data: bytes = b"") -> list[tuple[int, int, bytes]]:
        """Send an option; the (option, reply type, data) that come back."""
        return replies(self.sends(option_request(option, data)))

    def asks_types(self, option: int, data: bytes = b"") -> list[int]:
        return [reply for _, reply, _ in self.asks(option, data)]

    @property
    def result(self) -> Transmission | Closed | None:
        return self.server.result

    @property
    def reason(self) -> str:
        result = self.server.result
        assert isinstance(result, Closed)
        return result.reason
