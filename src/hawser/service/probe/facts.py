"""What a server says about itself, and what can be seen of its process from here: for people, and for decisions about a path."""

import os
import socket
from dataclasses import dataclass
from typing import Final

from hawser.core.units import format_size
from hawser.nbd import protocol
from hawser.nbd.client_questions import Answers
from hawser.paths.aftermath import NO_PIDFD, open_peer
from hawser.paths.machine import NOBODY, process_of
from hawser.paths.uri import PathUri
from hawser.service.probe.connection import ProbeConnection, ProbeError
from hawser.service.probe.store import FileStore, NbdStore, Store

# proc(5): /proc/net/unix, a connected socket.
_CONNECTED: Final = "03"
_FLAGS: Final = (
    (protocol.FLAG_READ_ONLY, "read-only"),
    (protocol.FLAG_SEND_FLUSH, "flush"),
    (protocol.FLAG_SEND_FUA, "FUA"),
    (protocol.FLAG_SEND_TRIM, "trim"),
    (protocol.FLAG_SEND_WRITE_ZEROES, "write zeroes"),
    (protocol.FLAG_SEND_FAST_ZERO, "fast zero"),
    (protocol.FLAG_CAN_MULTI_CONN, "multi-conn"),
    (protocol.FLAG_SEND_CACHE, "cache"),
    (protocol.FLAG_ROTATIONAL, "rotational"),
)


# A server that takes no second client lets it wait, or hangs up.
SECOND_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Fact:
    name: str
    text: str


def facts_about(uri: PathUri, store: Store, answers: Answers, takes_two: bool, others: str) -> list[Fact]:
    """In the order in which to show them. `others`: what `other_clients` said before any of ours was there."""
    if isinstance(store, NbdStore):
        return _of_server(uri, store, answers, takes_two, others)
    assert isinstance(store, FileStore)
    facts = store.facts
    return [
        Fact("size", f"{facts.size_bytes} bytes ({format_size(facts.size_bytes)})"),
        Fact("block size", str(facts.block_size)),
        Fact("cache", f"cache={uri.cache}"),
    ]


def takes_two_clients(uri: PathUri) -> bool:
    """Whether a server that has one client takes another one."""
    try:
        ProbeConnection(uri, SECOND_SECONDS).close()
    except ProbeError:
        return False
    return True


def _of_server(uri: PathUri, store: NbdStore, answers: Answers, takes_two: bool, others: str) -> list[Fact]:
    export = store.connection.export
    stated = "" if export.block_sizes_stated else "; not stated by the server, the protocol's defaults"
    sizes = (
        f"minimum {export.block_min}, preferred {export.block_preferred}, maximum payload {export.block_max}{stated}"
    )
    flags = [word for bit, word in _FLAGS if export.flags & bit]
    lacks = [word for bit, word in _FLAGS[1:5] if not export.flags & bit]
    found = [
        Fact("export", protocol.shown(export.name)),
        Fact("description", protocol.shown(answers.description) if answers.description else "none"),
        Fact("size", f"{export.size_bytes} bytes ({format_size(export.size_bytes)})"),
        Fact("block sizes", sizes),
        Fact("read-modify-write unit", f"{store.facts.rmw_unit} bytes: what hawser assumes"),
        Fact("offers", (", ".join(flags) or "nothing") + (f"; not {', '.join(lacks)}" if lacks else "")),
        Fact("structured replies", "yes; hawser does not use them" if answers.structured_replies else "no"),
        Fact("extended headers", "yes; hawser does not use them" if answers.extended_headers else "no"),
        Fact("transport", _transport(uri, store.connection)),
        Fact("second client", "yes" if takes_two else f"not taken within {SECOND_SECONDS:g} s: much cannot be tested"),
        Fact("other clients", others),
        Fact("declared", _declared(uri)),
    ]
    if not export.flags & protocol.FLAG_SEND_FLUSH and uri.cache == "path":
        found.append(
            Fact(
                "note",
                "a cache of its own without flush can never be proved clean: only its server's end frees the disk",
            )
        )
    return found


def _declared(uri: PathUri) -> str:
    words = [f"cache={uri.cache}" + (" (the default)" if uri.cache == "path" else "")]
    if uri.eof_drains:
        words.append("eof=drains")
    if uri.quiesce_ns is not None:
        words.append(f"quiesce={uri.quiesce_ns / 1e9:g}")
    return ", ".join(words)


def _transport(uri: PathUri, connection: ProbeConnection) -> str:
    if connection.sock.family != socket.AF_UNIX:
        return "TCP: the server's process cannot be watched; declare quiesce=SECONDS, or name a --fence-agent"
    pidfd = open_peer(connection.sock)
    if pidfd == NO_PIDFD:
        return "unix socket: its process cannot be watched (a daemon, or of another PID namespace); declare quiesce=SECONDS"
    try:
        name = process_of(pidfd)
        if name == NOBODY:
            return "unix socket: its process can be watched"
        return f"unix socket: process {name.pid} ({_command(name.pid)}) can be watched; a proxy is not the server behind it"
    finally:
        os.close(pidfd)


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return "?"


def other_clients(uri: PathUri) -> str:
    """How many clients a server behind a unix socket has."""
    if uri.scheme != "nbd+unix":
        return "cannot be seen from here"
    try:
        with open("/proc/net/unix") as file:
            lines = [line.split(maxsplit=7) for line in file]
    except OSError:
        return "cannot be seen from here"
    # The server's ends have the socket's name.
    count = sum(1 for words in lines if len(words) == 8 and words[5] == _CONNECTED and words[7].strip() == uri.socket)
    if not count:
        return "none"
    return f"{count}: if one of them is a gateway, what it serves is destroyed in the scratch range, too"
