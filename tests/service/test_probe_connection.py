"""The probe's NBD client against servers that play from a script: errors, lost connections, ends in every way."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hawser.nbd import protocol
from hawser.nbd.export import Export, ExportDirectory
from hawser.nbd.protocol import CMD_DISC, CMD_READ, CMD_WRITE, EIO, REQUEST, REQUEST_SIZE, simple_reply
from hawser.nbd.server_handshake import ServerHandshake, Transmission
from hawser.paths.uri import PathUri, parse_path_uri
from hawser.service.probe.connection import ProbeConnection, ProbeError, ask
from hawser.service.probe.finding import UNTESTED
from hawser.service.probe.late import DISC, LateWrites
from hawser.service.probe.scratch import Scratch, Stamps
from hawser.service.probe.store import NbdStore

SIZE = 1 << 20
FLAGS = protocol.FLAG_HAS_FLAGS | protocol.FLAG_SEND_FLUSH
Script = Callable[["Served"], None]


class Shelf(ExportDirectory):
    def find(self, name: str) -> Export | None:
        return Export("d", SIZE, FLAGS, "a shelf") if name == "d" else None

    def names(self) -> list[str]:
        return ["d"]


class Served:
    """One client behind its handshake."""

    def __init__(self, sock: socket.socket, disk: bytearray) -> None:
        self.sock = sock
        self.disk = disk

    def negotiate(self) -> bool:
        handshake = ServerHandshake(Shelf())
        while True:
            self.sock.sendall(handshake.outgoing())
            if handshake.result is not None:
                return isinstance(handshake.result, Transmission)
            data = self.sock.recv(65536)
            if not data:
                return False
            handshake.receive(data)

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def request(self) -> tuple[int, bytes, int, int]:
        """Command, cookie, offset and length; what is written is written."""
        _, _, command, cookie, offset, length = REQUEST.unpack(self.exactly(REQUEST_SIZE))
        if command == CMD_WRITE:
            self.disk[offset : offset + length] = self.exactly(length)
        return command, cookie.to_bytes(8), offset, length

    def serve(self, at_goodbye: Callable[[], None] = lambda: None) -> None:
        """All that comes, as a server should."""
        while True:
            command, cookie, offset, length = self.request()
            if command == CMD_DISC:
                at_goodbye()
                return
            data = bytes(self.disk[offset : offset + length]) if command == CMD_READ else b""
            self.sock.sendall(simple_reply(cookie, 0) + data)

    def hang_up(self) -> None:
        """Over TCP with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Server:
    """Plays `script` with every client, each in a thread. `close` ends them all."""

    def __init__(self, path: Path | None, script: Script) -> None:
        self.disk = bytearray(SIZE)
        self.script = script
        self.listener = socket.socket(socket.AF_INET if path is None else socket.AF_UNIX)
        self.listener.bind(("127.0.0.1", 0) if path is None else str(path))
        self.listener.listen()
        where = f"nbd+unix:///d?socket={path}" if path else f"nbd://127.0.0.1:{self.listener.getsockname()[1]}/d"
        self.uri = parse_path_uri(where)
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self._play, args=(sock,)))
            self.threads[-1].start()

    def _play(self, sock: socket.socket) -> None:
        sock.settimeout(20)
        with sock, contextlib.suppress(OSError, EOFError):
            served = Served(sock, self.disk)
            if served.negotiate():
                self.script(served)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(20)


@pytest.fixture
def played(socket_dir: Path):
    servers: list[Server] = []

    def play(script: Script, tcp: bool = False) -> PathUri:
        servers.append(Server(None if tcp else socket_dir / "s", script))
        return servers[-1].uri

    yield play
    for server in servers:
        server.close()


def well_behaved(served: Served) -> None:
    served.serve()


def test_what_is_written_is_read_and_both_ends_are_orderly(played):
    uri = played(well_behaved)
    store = NbdStore(uri)
    store.write(4096, b"w" * 200_000)
    assert store.read_all([(4096, 200_000), (0, 512)]) == [b"w" * 200_000, bytes(512)]
    store.flush()
    connection = store.connection
    connection.say_goodbye()
    while connection.ended_at is None:
        assert connection.collect(20) or connection.ended_at is not None
    assert connection.end == ""
    store.close()
    other = ProbeConnection(uri)
    other.half_close()
    while other.ended_at is None:
        other.collect(20)
    other.close()


def test_the_server_is_asked_about_itself(played):
    answers = ask(played(well_behaved, tcp=True))
    assert (answers.description, answers.structured_replies) == ("a shelf", False)


def test_an_error_is_named_with_its_place(played):
    def refuse(served: Served) -> None:
        _, cookie, _, _ = served.request()
        served.sock.sendall(simple_reply(cookie, EIO))
        served.serve()

    store = NbdStore(played(refuse))
    with pytest.raises(ProbeError, match="a read at 8192 is answered with errno 5"):
        store.read(8192, 512)
    store.close()


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (b"", r"the connection ended \(end of file\) before an answer"),
        (bytes(16), "reply magic"),
        (b"g", "before an answer"),
    ],
)
def test_what_comes_instead_of_an_answer_is_named(played, says, words):
    def hang_up(served: Served) -> None:
        served.request()
        served.sock.sendall(says)

    store = NbdStore(played(hang_up))
    with pytest.raises(ProbeError, match=words):
        store.read(0, 512)
    store.close()


def test_a_write_to_a_server_that_has_gone_does_not_hang(played):
    store = NbdStore(played(lambda served: None))
    with pytest.raises(ProbeError, match=r"sending|the connection ended"):
        store.write(0, bytes(SIZE))
    store.close()


def test_no_server_no_export_and_no_answer_are_said(played, socket_dir: Path):
    uri = played(well_behaved)
    with pytest.raises(ProbeError, match="NBD_REP_ERR_UNKNOWN"):
        ProbeConnection(parse_path_uri(f"nbd+unix:///other?socket={uri.socket}"))
    with pytest.raises(ProbeError, match="no such file"):
        ProbeConnection(parse_path_uri(f"nbd+unix:///?socket={socket_dir}/nobody"))
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(socket_dir / "silent"))
        silent.listen()
        with pytest.raises(ProbeError, match="no answer to the handshake in time"):
            ProbeConnection(parse_path_uri(f"nbd+unix:///?socket={socket_dir}/silent"), 0.1)


def test_a_reset_instead_of_an_end_of_file_says_nothing_about_draining(played):
    uri = played(lambda served: served.serve(served.hang_up), tcp=True)
    work = LateWrites(uri, 0, Scratch(0, SIZE, 4096), Stamps(), 0.1)
    found = [finding for finding in work.run() if DISC in finding.tried]
    assert [finding.verdict for finding in found] == [UNTESTED]
    assert "there was no orderly end of file" in found[0].evidence
