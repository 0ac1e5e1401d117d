"""Relay: a cable between hawser and a storage server over TCP, in a thread of the test, that can be cut. The server lives on."""

import contextlib
import selectors
import socket
import struct
import threading
from typing import Literal

from tests.support.upstreams import NBD_PORT, own_address

CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)


class Relay:
    """Listens on `address` and passes everything on to `upstream` (host and port, or a unix socket's name), both ways."""

    def __init__(self, upstream: str | tuple[str, int], export: str = "") -> None:
        self.upstream = upstream
        self.export = export
        self.address = (own_address(), NBD_PORT)
        self._listener = socket.create_server(self.address)
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._refusing = False
        self._muted = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def uri(self, **attributes: object) -> str:
        words = "&".join(f"{name}={value}" for name, value in attributes.items())
        return f"nbd://{self.address[0]}:{self.address[1]}/{self.export}" + (f"?{words}" if words else "")

    def cut(self, how: Literal["reset", "eof"]) -> None:
        """End all connections, towards the server by a reset, towards hawser by a reset or an orderly end; refuse new ones."""
        with self._lock:
            self._refusing = True
            pairs, self._pairs = self._pairs, []
        for near, far in pairs:
            # One that has ended by itself is closed already.
            with contextlib.suppress(OSError):
                far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                if how == "reset":
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            for sock in (near, far):
                # The pump sits in a read of it: closing alone would not end the connection.
                if how == "eof" or sock is far:
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)
                sock.close()

    def mend(self) -> None:
        with self._lock:
            self._refusing = False

    def mute(self) -> None:
        """What the server says is lost from now on."""
        self._muted.set()

    def close(self) -> None:
        self._listener.close()
        self.cut("eof")

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            family = socket.AF_UNIX if isinstance(self.upstream, str) else socket.AF_INET
            far = socket.socket(family, socket.SOCK_STREAM)
            with self._lock:
                refusing = self._refusing
            try:
                if refusing:
                    raise ConnectionRefusedError
                far.connect(self.upstream)
            except OSError:
                near.close()
                far.close()
                continue
            with self._lock:
                self._pairs.append((near, far))
            threading.Thread(target=_pump, args=(near, far, self._muted), daemon=True).start()


def _pump(near: socket.socket, far: socket.socket, muted: threading.Event) -> None:
    """Both ways, until one side ends or the pair is closed by `cut`."""
    others = {near: far, far: near}
    with selectors.DefaultSelector() as selector, contextlib.suppress(OSError, ValueError, KeyError):
        for sock in others:
            selector.register(sock, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(0.2):
                source = key.fileobj
                assert isinstance(source, socket.socket)
                data = source.recv(CHUNK)
                if not data:
                    raise OSError
                if source is near or not muted.is_set():
                    others[source].sendall(data)
            if near.fileno() < 0:
                return
    for sock in others:
        sock.close()
