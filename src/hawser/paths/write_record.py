"""What of a path is remembered in the WriteTable: its sessions, their writes of unknown fate, and whether its cache is dirty.

A write is recorded before it is handed to the transport, and forgotten when its fate is known: it was answered, or not sent, or
its orphan was resolved. That a caller has given up on it changes nothing. A session's record is kept as long as it is open, or
has such writes, or has left a cache that may be dirty.
"""

import socket
from hashlib import blake2b
from typing import Final

from hawser.block.ops import is_write_class
from hawser.block.orphan import Orphan, OrphanRecord
from hawser.block.request import Request
from hawser.multipath.disk import CACHE_PATH, CacheEar
from hawser.paths.machine import NO_SOCKET, NOBODY, Here, ProcessName, process_of, socket_name
from hawser.paths.uri import PathUri
from hawser.paths.write_table import TCP, UNIX, SessionFacts, WriteTable

# Bytes of a place that are written down as they are; a longer one ends in a digest.
PLACE_MAX: Final = 400


def place_of(uri: PathUri) -> str:
    """Where a path leads, short enough for the table."""
    place = uri.place()
    raw = place.encode("utf-8", "replace")
    if len(raw) <= PLACE_MAX:
        return place
    return raw[:PLACE_MAX].decode("utf-8", "ignore") + "..." + blake2b(raw, digest_size=16).hexdigest()


def kind_of(uri: PathUri) -> str:
    """UNIX or TCP; empty for what needs no record: writes to files are system calls (hawser.paths.disk_lock), and `ram:` ends
    with the process."""
    return {"nbd+unix": UNIX, "nbd": TCP}.get(uri.scheme, "")


def path_facts(uri: PathUri, here: Here) -> SessionFacts:
    """What is known of a path without a session."""
    quiesce_ns = uri.quiesce_ns if uri.quiesce_ns is not None else -1
    return SessionFacts(place_of(uri), kind_of(uri), 0, here.boot, uri.cache == CACHE_PATH, quiesce_ns)


class Held:
    """A session's place in the table, and how many reasons there are to keep it."""

    def __init__(self, table: WriteTable, index: int, facts: SessionFacts) -> None:
        self.table = table
        self.index = index
        self.facts = facts
        self.writes = 0
        self.is_dirty = table.is_dirty(index)
        self.is_open = True
        self.is_dropped = False

    def dirtied(self) -> None:
        if not self.is_dirty:
            self.is_dirty = True
            self.table.set_dirty(self.index, True)

    def cleaned(self) -> None:
        if self.is_dirty:
            self.is_dirty = False
            self.table.set_dirty(self.index, False)
            self.drop_if_settled()

    def forget(self, slot: int) -> None:
        self.table.clear(slot)
        self.writes -= 1
        self.drop_if_settled()

    def ended(self) -> None:
        self.is_open = False
        self.drop_if_settled()

    def drop_if_settled(self) -> None:
        if not (self.is_open or self.writes or self.is_dirty or self.is_dropped):
            self.is_dropped = True
            self.table.drop_session(self.index)


class SlotRecord(OrphanRecord):
    """The slot of an orphan."""

    def __init__(self, held: Held, slot: int) -> None:
        self.held = held
        self.slot = slot

    def clear(self) -> None:
        self.held.forget(self.slot)


class DirtRecord(OrphanRecord):
    """The dirty word that stands for a whole cache."""

    def __init__(self, held: Held) -> None:
        self.held = held

    def clear(self) -> None:
        self.held.cleaned()


class SessionRecord(Held):
    """An open session. Commands are known by their cookies."""

    def __init__(self, table: WriteTable, index: int, facts: SessionFacts) -> None:
        super().__init__(table, index, facts)
        self._slots: dict[int, int] = {}

    def sending(self, cookie: int, request: Request) -> None:
        """A write-class command is about to be handed to the transport. Room for it was reserved."""
        start, end = request.span()
        self._slots[cookie] = self.table.put(self.index, request.op, start, end)
        self.writes += 1

    def answered(self, cookie: int) -> None:
        """It has its answer; whatever that is, the data may be in the server's cache. Said before anybody hears of the answer."""
        if self.facts.own_cache:
            self.dirtied()
        self.not_sent(cookie)

    def not_sent(self, cookie: int) -> None:
        slot = self._slots.pop(cookie, -1)
        if slot >= 0:
            self.forget(slot)

    def orphaned(self, cookie: int, orphan: Orphan) -> None:
        """Nobody waits for its answer any more: its orphan keeps the slot until it is resolved."""
        slot = self._slots.pop(cookie, -1)
        if slot >= 0:
            orphan.record = SlotRecord(self, slot)


class PathRecorder(CacheEar):
    """Records what one path does. `held` is the path as such: a record that is there even while no session is."""

    def __init__(self, table: WriteTable, uri: PathUri, here: Here) -> None:
        self.table = table
        self.uri = uri
        self.here = here
        self.path: Held | None = None
        self.sessions: list[SessionRecord] = []

    def open_session(self, epoch: int, sock: socket.socket, pidfd: int) -> SessionRecord | None:
        """A session's record, before its first command; None if the table is full, or the connection has gone already."""
        self.sessions = [session for session in self.sessions if not session.is_dropped]
        if not self.table.has_room_for_session():
            return None
        facts = path_facts(self.uri, self.here)
        server, name = NOBODY, NO_SOCKET
        if facts.kind == UNIX:
            server = process_of(pidfd)
        else:
            try:
                name = socket_name(sock)
            except OSError:
                return None
        facts = SessionFacts(
            facts.place,
            facts.kind,
            epoch,
            facts.boot,
            facts.own_cache,
            facts.quiesce_ns,
            server.pid,
            server.started,
            self.here.pids,
            name.local,
            name.remote,
            name.inode,
            self.here.net,
        )
        record = SessionRecord(self.table, self.table.add_session(facts), facts)
        self.sessions.append(record)
        return record

    def server(self) -> ProcessName:
        """Who answers in the session that is open now."""
        for record in reversed(self.sessions):
            if record.is_open:
                return ProcessName(record.facts.pid, record.facts.started)
        return NOBODY

    def reserve(self) -> bool:
        return self.table.reserve()

    def give_back(self, batch: list[Request]) -> None:
        """These were not sent after all."""
        for request in batch:
            if is_write_class(request.op):
                self.table.give_back()

    def cache_dirtied(self) -> None:
        """By which session cannot be told: all that are remembered, or the path itself."""
        kept = [session for session in self.sessions if not session.is_dropped]
        for session in kept:
            session.dirtied()
        if not kept and self.path is not None:
            self.path.dirtied()

    def cache_cleaned(self) -> None:
        for session in self.sessions:
            session.cleaned()
        if self.path is not None:
            self.path.cleaned()


def is_same_process(facts: SessionFacts, server: ProcessName) -> bool:
    """Whether `server` is the one of a recorded session, as far as that can be told."""
    return facts.pid == 0 or (facts.pid == server.pid and facts.started == server.started)
