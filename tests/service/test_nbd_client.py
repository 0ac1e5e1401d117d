"""The pipelined NBD client, against a server that plays from a script: batches, large payloads, errors, lost connections."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hawser.nbd.export import Export, ExportDirectory
from hawser.nbd.protocol import CMD_FLUSH, CMD_READ, CMD_WRITE, EIO, FLAG_HAS_FLAGS, REQUEST, REQUEST_SIZE, simple_reply
from hawser.nbd.server_handshake import ServerHandshake, Transmission
from hawser.service.nbd_client import ConnectError, NbdClient, NbdOp, connect

SECONDS = 20
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Directory(ExportDirectory):
    def find(self, name: str) -> Export | None:
        return Export("d", 1 << 20, FLAG_HAS_FLAGS) if name == "d" else None

    def names(self) -> list[str]:
        return ["d"]


async def negotiate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    handshake = ServerHandshake(Directory())
    writer.write(handshake.outgoing())
    while handshake.result is None:
        handshake.receive(await reader.read(4096))
        writer.write(handshake.outgoing())
    assert isinstance(handshake.result, Transmission)
    assert not handshake.result.leftover


class Session:
    """What happened to the client."""

    def __init__(self, client: NbdClient) -> None:
        self.client = client
        self.done: list[NbdOp] = []
        self.lost: list[NbdOp] = []
        self.reason = ""
        self.moved = asyncio.Event()
        client.on_done = self._done
        client.on_lost = self._lost

    def _done(self, done: list[NbdOp]) -> None:
        self.done += done
        self.moved.set()

    def _lost(self, reason: str, lost: list[NbdOp]) -> None:
        self.reason = reason
        self.lost = lost
        self.moved.set()

    async def ask(self, *ops: NbdOp) -> None:
        """Submit all, and wait until each has an end."""
        for op in ops:
            self.client.submit(op)
        self.client.flush()
        while len(self.done) < len(ops) and not self.reason:
            self.moved.clear()
            await self.moved.wait()


def play(socket_dir: Path, script: Script, story: Callable[[Session], Awaitable[None]]) -> Session:
    """Run `story` with a client of a server that does `script` once they have negotiated."""
    path = str(socket_dir / "s")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await negotiate(reader, writer)
            await script(reader, writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def main() -> Session:
        server = await asyncio.start_unix_server(serve, path)
        try:
            session = Session(await connect(path, "d"))
            await story(session)
            session.client.close()
            return session
        finally:
            server.close()

    return asyncio.run(asyncio.wait_for(main(), SECONDS))


async def requests(reader: asyncio.StreamReader, count: int) -> list[tuple[int, bytes, int, int]]:
    """Command, cookie, offset and length of each; payloads are passed over."""
    found: list[tuple[int, bytes, int, int]] = []
    for _ in range(count):
        _, _, command, cookie, offset, length = REQUEST.unpack(await reader.readexactly(REQUEST_SIZE))
        if command == CMD_WRITE:
            await reader.readexactly(length)
        found.append((command, cookie.to_bytes(8, "big"), offset, length))
    return found


def content(offset: int, length: int) -> bytes:
    return bytes([offset // 512 % 251]) * length


async def answer_backwards(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for command, cookie, offset, length in reversed(await requests(reader, 4)):
        data = content(offset, length) if command == CMD_READ else b""
        writer.write(simple_reply(cookie, 0) + data)
    await reader.read()


def test_answers_in_any_order_find_their_request(socket_dir: Path):
    reads = [NbdOp(CMD_READ, 512, 512), NbdOp(CMD_READ, 1024, 300 * 1024)]
    write, flush = NbdOp(CMD_WRITE, 0, 512, b"w" * 512), NbdOp(CMD_FLUSH, 0, 0)

    async def story(session: Session) -> None:
        assert session.client.export.size_bytes == 1 << 20
        await session.ask(*reads, write, flush)

    session = play(socket_dir, answer_backwards, story)
    assert session.done == [flush, write, reads[1], reads[0]]
    assert all(bytes(read.data or b"") == content(read.offset, read.length) for read in reads)


def test_an_error_has_no_data_and_harms_nobody(socket_dir: Path):
    bad, good = NbdOp(CMD_READ, 0, 512), NbdOp(CMD_READ, 512, 512)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, second = await requests(reader, 2)
        writer.write(simple_reply(first[1], EIO) + simple_reply(second[1], 0) + content(512, 512))
        await reader.read()

    session = play(socket_dir, script, lambda session: session.ask(bad, good))
    assert (bad.error, bad.data) == (EIO, None)
    assert bytes(good.data or b"") == content(512, 512)
    assert session.reason == ""


def test_what_the_socket_does_not_take_at_once_follows(socket_dir: Path):
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0)
        for _, cookie, _, _ in await requests(reader, 64):
            writer.write(simple_reply(cookie, 0))
        await reader.read()

    writes = [NbdOp(CMD_WRITE, 0, 128 * 1024, bytes(128 * 1024)) for _ in range(64)]
    session = play(socket_dir, slowly, lambda session: session.ask(*writes))
    assert session.done == writes


@pytest.mark.parametrize(
    ("farewell", "reason"),
    [
        (b"", "the server closed the connection"),
        (b"\0" * 16, "reply magic"),
        (simple_reply(b"\xff" * 8, 0), "which no request in flight has"),
    ],
)
def test_a_lost_connection_gives_back_what_was_in_flight(socket_dir: Path, farewell: bytes, reason: str):
    op = NbdOp(CMD_READ, 0, 512)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await requests(reader, 1)
        writer.write(farewell)

    session = play(socket_dir, script, lambda session: session.ask(op))
    assert reason in session.reason
    assert session.lost == [op]
    assert not session.client.is_open()


def test_no_server_and_no_such_export_are_said(socket_dir: Path):
    async def main() -> None:
        with pytest.raises(ConnectError, match="No such file"):
            await connect(str(socket_dir / "nobody"), "d")
        server = await asyncio.start_unix_server(serve_once, str(socket_dir / "s"))
        with pytest.raises(ConnectError, match="NBD_REP_ERR_UNKNOWN"):
            await connect(str(socket_dir / "s"), "other")
        server.close()

    async def serve_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handshake = ServerHandshake(Directory())
        writer.write(handshake.outgoing())
        while handshake.result is None:
            handshake.receive(await reader.read(4096))
            writer.write(handshake.outgoing())
        writer.close()

    asyncio.run(asyncio.wait_for(main(), SECONDS))
