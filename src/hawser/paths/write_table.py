"""WriteTable: which sectors are being written, in a file that outlives this process.

The file is mapped shared: what was stored before SIGKILL is in the page cache, and the next process reads it. Nothing is asked of
the disk per write. So the whole of it can be trusted within one boot (`boot`), or after a clean end, which makes it durable;
after a loss of power only what was durable before: the header, and the sessions that were there at `begin`.

    header    magic, version, size of the disk, clean flag; boot and machine
    sessions  SESSIONS_MAX records of SESSION_BYTES: a commit word (check sum and length of the text), a dirty word, JSON
    slots     SLOTS_MAX records of SLOT_WORDS: start and end sector, session and operation, and a commit word

All words are 64 bits, aligned and stored at once. The payload is stored before the commit word, and a slot is free when that is
0: a process that is killed between two stores leaves either a free slot or a whole one. The commit word is a check sum, so that
what is neither is seen.
"""

import json
import mmap
import os
import zlib
from dataclasses import asdict, dataclass
from typing import Final

FILE_NAME: Final = "writes.table"
MAGIC: Final = int.from_bytes(b"HAWSERWT", "little")
VERSION: Final = 1
# Sessions that have a command in flight or of unknown fate, or a dirty cache, or are open.
SESSIONS_MAX: Final = 1024
# Write-class commands in flight or of unknown fate. More wait in their queues (RESOURCE).
SLOTS_MAX: Final = 16384
HEADER_BYTES: Final = 4096
SESSION_BYTES: Final = 2048
SLOT_WORDS: Final = 4

_SLOTS_AT: Final = HEADER_BYTES + SESSIONS_MAX * SESSION_BYTES
TABLE_BYTES: Final = _SLOTS_AT + SLOTS_MAX * SLOT_WORDS * 8
_SLOTS: Final = _SLOTS_AT // 8
_TEXT_AT: Final = 16
_TEXT_MAX: Final = SESSION_BYTES - _TEXT_AT
# Words of the header, and where its texts are.
_SIZE: Final = 2
_CLEAN: Final = 3
_BOOT_AT: Final = 64
_MACHINE_AT: Final = 128
_NAME_BYTES: Final = 64
_OP_BITS: Final = 8
_MASK: Final = (1 << 64) - 1

# Kinds of sessions: what can prove that nothing of one comes any more.
UNIX: Final = "unix"
TCP: Final = "tcp"


class WriteTableError(Exception):
    """The file cannot be used; the message says why, without its name."""


@dataclass(frozen=True)
class SessionFacts:
    """What is to be known of a session with a server when its process is gone. `place`: where the path leads; `epoch` 0 is no
    session: the path as such. `boot` is the boot in which it was. `quiesce_ns` as declared, -1 if it was not. `pid`, `started`
    (clock ticks) and `pids` (the namespace) are the server's, if it can be told; `local`, `remote`, `inode` and `net` (the
    namespace) our socket's, over TCP."""

    place: str
    kind: str
    epoch: int
    boot: str
    own_cache: bool
    quiesce_ns: int = -1
    pid: int = 0
    started: int = 0
    pids: int = 0
    local: str = ""
    remote: str = ""
    inode: int = 0
    net: int = 0


@dataclass(frozen=True)
class Slot:
    """A write-class command on sectors [start, end)."""

    number: int
    session: int
    op: int
    start: int
    end: int


def make_table(name: str) -> None:
    """A table with nothing in it, clean. It has all its blocks, so that no store can fail for want of room. OSError."""
    part = f"{name}.new"
    fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, TABLE_BYTES)
        header = MAGIC.to_bytes(8, "little") + VERSION.to_bytes(8, "little") + bytes(8) + (1).to_bytes(8, "little")
        os.pwrite(fd, header, 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(part, name)
    directory = os.open(os.path.dirname(name) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class WriteTable:
    """The open table. WriteTableError or OSError when it cannot be opened. One process at a time: its directory is locked."""

    def __init__(self, name: str) -> None:
        fd = os.open(name, os.O_RDWR | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            if size != TABLE_BYTES:
                raise WriteTableError(f"it has {size} bytes, not {TABLE_BYTES}")
            self._map = mmap.mmap(fd, TABLE_BYTES)
        finally:
            os.close(fd)
        self._words = memoryview(self._map).cast("Q")
        if self._words[0] != MAGIC:
            raise WriteTableError("it is not a table of writes")
        if self._words[1] != VERSION:
            raise WriteTableError(f"it is of version {self._words[1]}; this hawser knows version {VERSION}")
        self._free = [slot for slot in range(SLOTS_MAX - 1, -1, -1) if self._words[self._at(slot) + 3] == 0]
        self._free_sessions = [
            index for index in range(SESSIONS_MAX - 1, -1, -1) if self._words[_session_word(index)] == 0
        ]
        self.reserved = 0

    # The header.

    def size_sectors(self) -> int:
        return int(self._words[_SIZE])

    def is_clean(self) -> bool:
        return bool(self._words[_CLEAN] == 1)

    def boot(self) -> str:
        return self._name(_BOOT_AT)

    def machine(self) -> str:
        return self._name(_MACHINE_AT)

    def _name(self, at: int) -> str:
        return self._map[at : at + _NAME_BYTES].rstrip(b"\0").decode("ascii", "replace")

    def begin(self, size_sectors: int, boot: str, machine: str) -> None:
        """Writes of a disk of that size may follow. Durable when this returns; so are the sessions that there are."""
        self._map.flush()
        self._words[_CLEAN] = 0
        self._words[_SIZE] = size_sectors
        self._map[_BOOT_AT : _BOOT_AT + _NAME_BYTES] = boot.encode("ascii")[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0")
        self._map[_MACHINE_AT : _MACHINE_AT + _NAME_BYTES] = machine.encode("ascii")[:_NAME_BYTES].ljust(
            _NAME_BYTES, b"\0"
        )
        self._map.flush()

    def resize(self, size_sectors: int) -> None:
        """Writes of a disk of that size may follow. Durable when this returns."""
        self._words[_SIZE] = size_sectors
        self._map.flush()

    def sync(self) -> None:
        """Make durable what is in it."""
        self._map.flush()

    def end(self) -> None:
        """Nothing follows: what is in the table is exact, and durable when this returns."""
        self._map.flush()
        # Only what is on the disk may be called exact there.
        self._words[_CLEAN] = 1
        self._map.flush()

    # Sessions.

    def sessions(self) -> dict[int, SessionFacts]:
        """All that are whole, by number."""
        found: dict[int, SessionFacts] = {}
        for index in range(SESSIONS_MAX):
            facts = self._session(index)
            if facts is not None:
                found[index] = facts
        return found

    def broken_sessions(self) -> list[int]:
        """The records that are taken and not whole."""
        taken = [index for index in range(SESSIONS_MAX) if self._words[_session_word(index)] != 0]
        return [index for index in taken if self._session(index) is None]

    def _session(self, index: int) -> SessionFacts | None:
        word = _session_word(index)
        commit = int(self._words[word])
        size = commit & 0xFFFFFFFF
        if commit == 0 or size > _TEXT_MAX:
            return None
        text = self._map[word * 8 + _TEXT_AT : word * 8 + _TEXT_AT + size]
        if zlib.crc32(text) != commit >> 32:
            return None
        try:
            return SessionFacts(**json.loads(text))
        except (ValueError, TypeError):
            return None

    def has_room_for_session(self) -> bool:
        return len(self._free_sessions) > 0

    def add_session(self, facts: SessionFacts) -> int:
        """Its number. The caller has seen that there is room."""
        index = self._free_sessions.pop()
        text = json.dumps(asdict(facts), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        assert len(text) <= _TEXT_MAX
        word = _session_word(index)
        self._map[word * 8 + _TEXT_AT : word * 8 + _TEXT_AT + len(text)] = text
        self._words[word + 1] = 0
        self._words[word] = zlib.crc32(text) << 32 | len(text)
        return index

    def drop_session(self, index: int) -> None:
        self._words[_session_word(index)] = 0
        self._free_sessions.append(index)

    def set_dirty(self, index: int, is_dirty: bool) -> None:
        """Whether the cache of that session's server may hold acknowledged writes that no flush has covered."""
        self._words[_session_word(index) + 1] = 1 if is_dirty else 0

    def is_dirty(self, index: int) -> bool:
        return bool(self._words[_session_word(index) + 1] != 0)

    # Slots.

    def slots(self) -> list[Slot]:
        """All that are taken. WriteTableError if one makes no sense."""
        found: list[Slot] = []
        for number in range(SLOTS_MAX):
            at = self._at(number)
            commit = int(self._words[at + 3])
            if commit == 0:
                continue
            start, end, meta = int(self._words[at]), int(self._words[at + 1]), int(self._words[at + 2])
            if commit != _commit(start, end, meta) or start >= end or meta >> _OP_BITS >= SESSIONS_MAX:
                raise WriteTableError(f"slot {number} is damaged")
            found.append(Slot(number, meta >> _OP_BITS, meta & ((1 << _OP_BITS) - 1), start, end))
        return found

    def clear_all(self) -> None:
        """Free every slot, whatever is in it."""
        for number in range(SLOTS_MAX):
            if self._words[self._at(number) + 3] != 0:
                self.clear(number)

    def reserve(self) -> bool:
        """Whether there is room for one more; it is kept until `put` or `give_back`."""
        if self.reserved >= len(self._free):
            return False
        self.reserved += 1
        return True

    def give_back(self) -> None:
        self.reserved -= 1

    def put(self, session: int, op: int, start: int, end: int) -> int:
        """Take a slot that was reserved; its number."""
        self.reserved -= 1
        slot = self._free.pop()
        at = self._at(slot)
        meta = session << _OP_BITS | op
        words = self._words
        words[at] = start
        words[at + 1] = end
        words[at + 2] = meta
        words[at + 3] = _commit(start, end, meta)
        return slot

    def clear(self, slot: int) -> None:
        self._words[self._at(slot) + 3] = 0
        self._free.append(slot)

    def _at(self, slot: int) -> int:
        return _SLOTS + slot * SLOT_WORDS


def _session_word(index: int) -> int:
    return (HEADER_BYTES + index * SESSION_BYTES) // 8


def _commit(start: int, end: int, meta: int) -> int:
    """Never 0."""
    return ((start * 0x9E3779B97F4A7C15) ^ (end * 0xC2B2AE3D27D4EB4F) ^ (meta * 0x165667B19E3779F9)) & _MASK | 1
