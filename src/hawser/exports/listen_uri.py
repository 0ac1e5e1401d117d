"""Listen URIs: where a server can be reached. `nbd+unix:///NAME?socket=PATH` and `nbd://HOST:PORT/NAME`."""

import ipaddress
import os
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from hawser.nbd.export import string_fault
from hawser.nbd.protocol import NBD_PORT

SUN_PATH_MAX: Final = 107


class ListenError(ValueError):
    """A listen URI that cannot be used; the message names it and says what would be right."""


@dataclass(frozen=True)
class ListenUri:
    """`socket` is a unix socket's name, or empty for TCP."""

    text: str
    export: str
    socket: str = ""
    host: str = ""
    port: int = NBD_PORT

    def address(self) -> tuple[str, int] | None:
        """What two URIs have in common that one socket can listen for; None where the system chooses the port."""
        if self.socket:
            return os.path.realpath(self.socket), 0
        return (self.host, self.port) if self.port else None

    def shown(self, port: int) -> str:
        """The URI that a client uses; `port` is the one really bound."""
        name = quote(self.export)
        if self.socket:
            return f"nbd+unix:///{name}?socket={quote(self.socket)}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"nbd://{host}:{port}/{name}"


def parse_listen_uri(text: str, insecure: bool, remedy: str = "--insecure-listen") -> ListenUri:
    """What `text` says. Without `insecure`, which a user knows as `remedy`, only loopback addresses and unix sockets: there is no
    encryption yet."""
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise ListenError(f"listen {text!r}: {error}") from None
    export = unquote(parts.path.removeprefix("/"))
    fault = string_fault(export)
    if fault:
        raise ListenError(f"listen {text!r}: the export's name {fault}")
    if parts.fragment or "@" in parts.netloc:
        raise ListenError(f"listen {text!r}: a fragment or a user name means nothing here")
    if parts.scheme == "nbd+unix":
        query = dict(parse_qsl(parts.query))
        if parts.netloc or list(query) != ["socket"] or not query["socket"]:
            raise ListenError(f"listen {text!r}: a unix socket is nbd+unix:///NAME?socket=PATH")
        name = query["socket"]
        if len(name.encode()) > SUN_PATH_MAX or "\0" in name:
            raise ListenError(f"listen {text!r}: a socket's name has at most {SUN_PATH_MAX} bytes and no NUL")
        return ListenUri(text, export, socket=name)
    if parts.scheme == "nbd":
        try:
            port = NBD_PORT if parts.port is None else parts.port
        except ValueError:
            raise ListenError(f"listen {text!r}: the port is not a number from 0 to 65535") from None
        if not parts.hostname or parts.query:
            raise ListenError(f"listen {text!r}: TCP is nbd://HOST:PORT/NAME")
        if not insecure and not _is_loopback(parts.hostname):
            raise ListenError(
                f"listen {text!r}: {parts.hostname} is not a loopback address, and there is no encryption yet; "
                f"{remedy} allows it"
            )
        return ListenUri(text, export, host=parts.hostname, port=port)
    raise ListenError(f"listen {text!r}: unknown scheme {parts.scheme!r}; it is nbd+unix:// or nbd://")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
