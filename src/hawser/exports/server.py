"""Server: listening sockets, and the clients that came through them."""

import os
import socket
from typing import Final

from hawser.core.clock import Timer, Timers
from hawser.core.log import LogSink
from hawser.core.reactor import Handler, Reactor
from hawser.core.units import MIB, NS_PER_S
from hawser.exports.budget import Budget
from hawser.exports.connection import Connection
from hawser.exports.hangups import Hangups
from hawser.exports.listen_uri import ListenError, ListenUri
from hawser.exports.told_errors import ToldErrors
from hawser.exports.unix_socket import bind_unix
from hawser.exports.volume import Volumes

CLIENTS_MAX: Final = 256
BACKLOG: Final = 64
ACCEPTS_MAX: Final = 16
SEND_BUFFER: Final = 4 * MIB
CLIENT_BYTES_MAX: Final = 512 * MIB
# How long nobody is let in after the system refused to: a waiting client would be announced again at once.
PAUSE_NS: Final = NS_PER_S


class _Pause(Timer):
    def __init__(self, listener: "Listener") -> None:
        super().__init__()
        self.listener = listener

    def expire(self) -> None:
        self.listener.start()


class Listener(Handler):
    """One listening socket, and the volumes that its clients may choose from. `shown` is the URI that clients use, `port` the one
    really bound."""

    def __init__(self, server: "Server", sock: socket.socket, uri: ListenUri, volumes: Volumes) -> None:
        self.server = server
        self.sock = sock
        self.uri = uri
        self.volumes = volumes
        self.fd = sock.fileno()
        self.port = 0 if uri.socket else int(sock.getsockname()[1])
        self.shown = uri.shown(self.port)
        self._count = 0
        self._pause = _Pause(self)

    def start(self) -> None:
        """Let clients in."""
        self.server.reactor.watch_reads(self.fd, self)

    def readable(self) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                sock, address = self.sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self.server.log.error(f"{self.shown}: cannot accept a client: {error.strerror}")
                self.server.reactor.ignore_reads(self.fd)
                self.server.timers.arm(self._pause, PAUSE_NS)
                return
            sock.setblocking(False)
            # As much as the system allows without privilege: replies to a batch then leave with one call.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            self._count += 1
            if self.uri.socket:
                name = f"client {self._count} of {self.uri.socket}"
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # A client whose machine went away without a word is found out in the end.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                name = f"client {address[0]}:{address[1]}"
            self.server.welcome(sock, name, self.volumes)

    def close(self) -> None:
        """Stop listening; a unix socket's file goes, too."""
        self.server.timers.cancel(self._pause)
        self.server.reactor.ignore_reads(self.fd)
        self.sock.close()
        if self.uri.socket:
            try:
                os.unlink(self.uri.socket)
            except OSError:
                self.server.log.info(f"{self.uri.socket}: was removed by somebody else")


class Server:
    """The clients of one disk. `budget` bounds the data of all of them together.

    A listening socket may lead to volumes of other servers, too: a client is theirs from when it has chosen one.
    """

    def __init__(self, reactor: Reactor, timers: Timers, log: LogSink) -> None:
        self.reactor = reactor
        self.timers = timers
        self.log = log
        self.exports = Volumes()
        self.hangups = Hangups(reactor)
        self.told_errors = ToldErrors(timers, log)
        self.clients_max = CLIENTS_MAX
        self.budget = Budget(CLIENT_BYTES_MAX)
        self.listeners: list[Listener] = []
        self.connections: list[Connection] = []
        # Whether clients wait for memory; a completion then calls `feed`.
        self.starving = False
        self._waiting: list[Connection] = []

    def listen(self, uri: ListenUri, volumes: Volumes | None = None) -> Listener:
        """Open a listening socket that leads to `volumes`, or to this server's own. ListenError names what is in the way."""
        sock = _bind_unix(uri) if uri.socket else _bind_tcp(uri)
        try:
            sock.listen(BACKLOG)
        except OSError as error:
            # Somebody else has bound the same address, too, and listened first.
            sock.close()
            raise ListenError(f"listen {uri.text!r}: {os.strerror(error.errno or 0).lower()}") from None
        sock.setblocking(False)
        listener = Listener(self, sock, uri, volumes if volumes is not None else self.exports)
        self.listeners.append(listener)
        return listener

    def start(self) -> None:
        """Let clients in."""
        for listener in self.listeners:
            listener.start()

    def welcome(self, sock: socket.socket, name: str, volumes: Volumes | None = None) -> None:
        if len(self.connections) >= self.clients_max:
            self.log.warning(f"{name}: refused, {self.clients_max} clients are connected")
            sock.close()
            return
        self.connections.append(Connection(self, sock, name, volumes if volumes is not None else self.exports))

    def take_over(self, connection: Connection) -> bool:
        """Whether there is room for a client of another server's, which has chosen a volume of this one. It has nothing yet."""
        if len(self.connections) >= self.clients_max:
            return False
        connection.server.connections.remove(connection)
        connection.server = self
        self.connections.append(connection)
        return True

    def connection_closed(self, connection: Connection) -> None:
        self.connections.remove(connection)
        if connection in self._waiting:
            self._waiting.remove(connection)

    def wait_for_budget(self, connection: Connection) -> None:
        if connection not in self._waiting:
            self._waiting.append(connection)
            self.starving = True

    def feed(self) -> None:
        """Memory was given back: let those go on who wait for it, once there is plenty."""
        if self.budget.is_plentiful():
            waiting = self._waiting
            self._waiting = []
            self.starving = False
            for connection in waiting:
                connection.budget_freed()

    def stop(self) -> None:
        """No new clients, no new commands; what was taken is answered."""
        for listener in self.listeners:
            listener.close()
        self.listeners = []
        for connection in list(self.connections):
            connection.stop()

    def drop_all(self, reason: str) -> None:
        self.timers.cancel(self.told_errors)
        for connection in list(self.connections):
            connection.drop(reason)


def _bind_unix(uri: ListenUri) -> socket.socket:
    try:
        return bind_unix(uri.socket)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ListenError(f"listen {uri.text!r}: {uri.socket}: {reason.lower()}") from None


def _bind_tcp(uri: ListenUri) -> socket.socket:
    try:
        found = socket.getaddrinfo(uri.host, uri.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(found[0], socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    except (OSError, UnicodeError) as error:
        # A host name that cannot be encoded is a UnicodeError.
        raise ListenError(f"listen {uri.text!r}: {getattr(error, 'strerror', None) or error}") from None
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(found[4])
    except OSError as error:
        sock.close()
        raise ListenError(f"listen {uri.text!r}: {os.strerror(error.errno or 0).lower()}") from None
    return sock
