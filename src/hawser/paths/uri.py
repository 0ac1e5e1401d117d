"""Path URIs: what an operator writes behind `--path`, and the attributes that a path may declare about itself.

    /dev/sdb   file:///srv/disk.img   nbd://host[:port]/export   nbd+unix:///export?socket=/run/a.sock   ram:?size=1G

The attributes are query parameters: `cache=lun|path|none`, `quiesce=SECONDS`, `eof=drains`, `weight=N`, `depth=N`, `group=N`,
`timeout=SECONDS`, `wwid=TEXT` (the same for every path to one disk), `direct=yes` (files), `size=N` and `delay=SECONDS` (ram).
NBD URIs follow the NBD project's uri.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from hawser.core.units import GIB, NS_PER_S, parse_seconds_ns, parse_size
from hawser.multipath.disk import CACHE_LUN, CACHE_PATH, CACHES
from hawser.nbd.export import string_fault
from hawser.nbd.protocol import NBD_PORT

DEPTH_MAX: Final = 4096
WEIGHT_MAX: Final = 100
GROUP_MAX: Final = 1024
SUN_PATH_MAX: Final = 107
# Linux: what sysfs shows of a designator fits.
WWID_MAX: Final = 255
RAM_SIZE_DEFAULT: Final = GIB
RAM_SIZE_MAX: Final = 64 * GIB
TIMEOUT_MIN_NS: Final = NS_PER_S // 100


class UriError(ValueError):
    """A URI that cannot be used; the message names it and says what would be right."""


@dataclass(frozen=True)
class PathUri:
    """A parsed path URI. `text` is what the user wrote. Times in ns; None where nothing was declared."""

    text: str
    scheme: str
    filename: str = ""
    host: str = ""
    port: int = NBD_PORT
    export: str = ""
    socket: str = ""
    size_bytes: int = RAM_SIZE_DEFAULT
    delay_ns: int = 0
    cache: str = CACHE_LUN
    quiesce_ns: int | None = None
    eof_drains: bool = False
    weight: int = 1
    depth: int | None = None
    group: int | None = None
    timeout_ns: int | None = None
    direct: bool = False
    wwid: str = ""

    def is_nbd(self) -> bool:
        return self.scheme in ("nbd", "nbd+unix")

    def place(self) -> str:
        """Where it leads, for log lines: without the attributes."""
        if self.scheme == "nbd+unix":
            return f"nbd+unix:///{quote(self.export)}?socket={self.socket}"
        if self.scheme == "nbd":
            host = f"[{self.host}]" if ":" in self.host else self.host
            return f"nbd://{host}:{self.port}/{quote(self.export)}"
        return self.filename or "ram:"


def parse_path_uri(text: str) -> PathUri:
    """The path that `text` names. UriError says what is wrong with it."""
    if text.startswith("/"):
        return PathUri(text, "file", filename=text)
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise UriError(f"path {text!r}: {error}") from None
    scheme = parts.scheme
    if scheme not in _SCHEMES:
        known = "an absolute file name, file://, nbd://, nbd+unix:// or ram:"
        raise UriError(f"path {text!r}: unknown scheme {scheme!r}; a path is {known}")
    if parts.fragment:
        raise UriError(f"path {text!r}: a fragment (#{parts.fragment}) means nothing here")
    if "@" in parts.netloc:
        raise UriError(f"path {text!r}: a user name means nothing here")
    values: dict[str, object] = {"cache": CACHE_PATH if scheme in ("nbd", "nbd+unix") else CACHE_LUN}
    seen: list[str] = []
    for name, value in _query(text, parts.query):
        if name in seen:
            raise UriError(f"path {text!r}: attribute {name!r} is given twice")
        seen.append(name)
        _attribute(text, scheme, name, value, values)
    try:
        port = parts.port
    except ValueError:
        raise UriError(f"path {text!r}: the port is not a number from 1 to 65535") from None
    path = unquote(parts.path)
    if "\0" in path:
        raise UriError(f"path {text!r}: a name has a NUL byte")
    return _SCHEMES[scheme](text, parts.hostname or "", port, path, values)


def _query(text: str, query: str) -> list[tuple[str, str]]:
    if not query:
        return []
    try:
        return parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise UriError(f"path {text!r}: behind the question mark belongs NAME=VALUE, joined by &") from None


def _attribute(text: str, scheme: str, name: str, value: str, values: dict[str, object]) -> None:
    allowed = {*_COMMON, *_OWN[scheme]}
    if name not in allowed:
        raise UriError(f"path {text!r}: unknown attribute {name!r}; a {scheme} path has {', '.join(sorted(allowed))}")
    field, parse = _ATTRIBUTES[name]
    try:
        values[field] = parse(value)
    except ValueError as error:
        raise UriError(f"path {text!r}: attribute {name}: {error}") from None


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not (value.isascii() and value.isdecimal() and low <= int(value) <= high):
            raise ValueError(f"{value!r} is not a number from {low} to {high}")
        return int(value)

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in words:
            raise ValueError(f"{value!r} is not {' or '.join(words)}")
        return value

    return parse


def _timeout(value: str) -> int:
    timeout_ns = parse_seconds_ns(value)
    if timeout_ns < TIMEOUT_MIN_NS:
        raise ValueError(f"{value!r} is shorter than 0.01 seconds")
    return timeout_ns


def _wwid(value: str) -> str:
    if not (0 < len(value) <= WWID_MAX and value.isprintable() and value == value.strip()):
        raise ValueError(f"{value!r} is not a name of 1 to {WWID_MAX} printable characters")
    return value


def _ram_size(value: str) -> int:
    size = parse_size(value)
    if not 0 < size <= RAM_SIZE_MAX or size % 512:
        raise ValueError(f"{value!r} is not a multiple of 512 bytes of at most 64G")
    return size


def _flag(*words: str) -> Callable[[str], bool]:
    check = _one_of(*words)

    def parse(value: str) -> bool:
        return check(value) == words[0]

    return parse


_ATTRIBUTES: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "cache": ("cache", _one_of(*CACHES)),
    "quiesce": ("quiesce_ns", parse_seconds_ns),
    "eof": ("eof_drains", _flag("drains")),
    "weight": ("weight", _number(0, WEIGHT_MAX)),
    "depth": ("depth", _number(1, DEPTH_MAX)),
    "group": ("group", _number(1, GROUP_MAX)),
    "timeout": ("timeout_ns", _timeout),
    "direct": ("direct", _flag("yes", "no")),
    "wwid": ("wwid", _wwid),
    "size": ("size_bytes", _ram_size),
    "delay": ("delay_ns", parse_seconds_ns),
    "socket": ("socket", str),
}
_COMMON: Final = ("cache", "weight", "depth", "group", "timeout", "wwid")
_OWN: Final = {
    "file": ("direct",),
    "ram": ("size", "delay"),
    "nbd": ("quiesce", "eof"),
    "nbd+unix": ("quiesce", "eof", "socket"),
}


def _file(text: str, host: str, port: int | None, path: str, values: dict[str, object]) -> PathUri:
    if host not in ("", "localhost") or port is not None or not path.startswith("/"):
        raise UriError(f"path {text!r}: a file is file:///ABSOLUTE/NAME")
    return PathUri(text, "file", filename=path, **values)  # type: ignore[arg-type]


def _ram(text: str, host: str, port: int | None, path: str, values: dict[str, object]) -> PathUri:
    if host or port is not None or path:
        raise UriError(f"path {text!r}: RAM is ram:?size=SIZE")
    return PathUri(text, "ram", **values)  # type: ignore[arg-type]


def _nbd(text: str, host: str, port: int | None, path: str, values: dict[str, object]) -> PathUri:
    if not host:
        raise UriError(f"path {text!r}: the host is missing; NBD over TCP is nbd://HOST[:PORT]/EXPORT")
    port = NBD_PORT if port is None else port
    if port == 0:
        raise UriError(f"path {text!r}: the port is not a number from 1 to 65535")
    return PathUri(text, "nbd", host=host, port=port, export=_export(text, path), **values)  # type: ignore[arg-type]


def _nbd_unix(text: str, host: str, port: int | None, path: str, values: dict[str, object]) -> PathUri:
    socket = str(values.get("socket", ""))
    if host or port is not None or not socket:
        raise UriError(f"path {text!r}: NBD over a unix socket is nbd+unix:///EXPORT?socket=NAME")
    check_socket_name(f"path {text!r}", socket)
    return PathUri(text, "nbd+unix", export=_export(text, path), **values)  # type: ignore[arg-type]


def _export(text: str, path: str) -> str:
    export = path.removeprefix("/")
    fault = string_fault(export)
    if fault:
        raise UriError(f"path {text!r}: the export's name {fault}")
    return export


def check_socket_name(what: str, name: str) -> None:
    """UriError when a unix socket cannot have that name."""
    if len(name.encode()) > SUN_PATH_MAX:
        raise UriError(f"{what}: the socket's name is longer than the {SUN_PATH_MAX} bytes that the system allows")
    if "\0" in name:
        raise UriError(f"{what}: the socket's name has a NUL byte")


_SCHEMES: Final = {"file": _file, "ram": _ram, "nbd": _nbd, "nbd+unix": _nbd_unix}
