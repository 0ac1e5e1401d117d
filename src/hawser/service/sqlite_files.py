"""Files of a database on a bare disk: each database has a stretch of it, and so has its rollback journal. There is no file
system.

A database file is written through, page by page. A journal is kept back, as a file system's page cache keeps it, until it is
synced or its database is written: so its many small writes become a few. What is where decides everything that a file system
would know:

    is there a database     its first page begins with SQLite's magic; its size is in its header
    is there a journal      it begins with the magic of a journal; SQLite (journal_mode=persist) zeroes that at the end

https://www.sqlite.org/fileformat2.html, "The Database Header" and "The Rollback Journal".
"""

from dataclasses import dataclass
from typing import Final

from hawser.service.nbd_disk import BLOCK, Disk

DATABASE_MAGIC: Final = b"SQLite format 3\0"
JOURNAL_MAGIC: Final = bytes((0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7))
JOURNAL_SUFFIX: Final = "-journal"


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes [start, start + size_bytes) of the disk are a database, and as many behind them its journal."""

    start: int
    size_bytes: int


class Stretch:
    """A file: bytes [0, size_bytes) at `start` of the disk. What is written is kept until `write_out`."""

    def __init__(self, disk: Disk, start: int, size_bytes: int) -> None:
        assert start % BLOCK == 0 and size_bytes % BLOCK == 0
        self.disk = disk
        self.start = start
        self.size_bytes = size_bytes
        self._blocks: dict[int, bytearray] = {}
        self._dirty: set[int] = set()

    def read(self, offset: int, length: int) -> bytes:
        """What was written last; zeroes behind the end."""
        first, last = offset // BLOCK, (offset + length + BLOCK - 1) // BLOCK
        whole = bytearray(self._stored(first, last))
        for block in range(first, last):
            kept = self._blocks.get(block)
            if kept is not None:
                whole[(block - first) * BLOCK : (block - first + 1) * BLOCK] = kept
        begin = offset - first * BLOCK
        return bytes(whole[begin : begin + length])

    def _stored(self, first: int, last: int) -> bytes:
        if all(block in self._blocks for block in range(first, last)):
            return bytes((last - first) * BLOCK)
        inside = max(0, min(last * BLOCK, self.size_bytes) - first * BLOCK)
        data = self.disk.read(self.start + first * BLOCK, inside) if inside else b""
        return data + bytes((last - first) * BLOCK - len(data))

    def write(self, offset: int, data: bytes) -> None:
        """OSError when it does not fit."""
        if offset + len(data) > self.size_bytes:
            raise OSError(f"a file of {self.size_bytes} bytes is full")
        done = 0
        while done < len(data):
            block, within = divmod(offset + done, BLOCK)
            part = data[done : done + BLOCK - within]
            if len(part) == BLOCK:
                self._blocks[block] = bytearray(part)
            else:
                kept = self._blocks.get(block)
                if kept is None:
                    kept = self._blocks[block] = bytearray(self._stored(block, block + 1))
                kept[within : within + len(part)] = part
            self._dirty.add(block)
            done += len(part)

    def write_out(self) -> None:
        """Neighbours go as one write."""
        run: list[int] = []
        for block in sorted(self._dirty):
            if run and block != run[-1] + 1:
                self._write_run(run)
                run = []
            run.append(block)
        if run:
            self._write_run(run)
        self._dirty.clear()

    def _write_run(self, run: list[int]) -> None:
        self.disk.write(self.start + run[0] * BLOCK, b"".join([self._blocks[block] for block in run]))


class Files:
    """The files of some databases on one disk. What a file system would say no to is an OSError."""

    def __init__(self, disk: Disk, places: dict[str, Place]) -> None:
        self.disk = disk
        self._databases: dict[str, Database] = {}
        self._journals: dict[str, Journal] = {}
        for name, place in places.items():
            journal = Journal(disk, place.start + place.size_bytes, place.size_bytes)
            self._journals[name + JOURNAL_SUFFIX] = journal
            self._databases[name] = Database(disk, place.start, place.size_bytes, journal)

    def open(self, name: str) -> "File":
        """FileNotFoundError where nothing has that name."""
        found: File | None = self._databases.get(name) or self._journals.get(name)
        if found is None:
            raise FileNotFoundError(name)
        return found


class File:
    """One of them; `name`s are SQLite's."""

    def read(self, offset: int, length: int) -> bytes:
        """As much as there is, `length` bytes at most."""
        raise NotImplementedError

    def write(self, offset: int, data: bytes) -> None:
        raise NotImplementedError

    def truncate(self, size_bytes: int) -> None:
        raise NotImplementedError

    def sync(self) -> None:
        """All that was written is durable."""
        raise NotImplementedError

    def unlock(self) -> None:
        """A transaction has ended, if there was one: from now on others may look."""

    def size(self) -> int:
        raise NotImplementedError

    def exists(self) -> bool:
        raise NotImplementedError

    def delete(self) -> None:
        raise NotImplementedError


class Database(File):
    """Written through. Its size is what has been written, and at first what its header says."""

    def __init__(self, disk: Disk, start: int, room: int, journal: "Journal") -> None:
        self.disk = disk
        self.start = start
        self.room = room
        self.journal = journal
        self._size = -1

    def read(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.size() - offset))
        if not length:
            return b""
        first = offset // BLOCK * BLOCK
        last = (offset + length + BLOCK - 1) // BLOCK * BLOCK
        data = self.disk.read(self.start + first, last - first)
        return data[offset - first : offset - first + length]

    def write(self, offset: int, data: bytes) -> None:
        if offset + len(data) > self.room:
            raise OSError(f"a database of {self.room} bytes is full")
        # Before a page changes, what undoes the change has to be on its way.
        self.journal.stretch.write_out()
        if offset % BLOCK or len(data) % BLOCK:
            raise OSError(f"pages of {BLOCK} bytes are wanted, not {len(data)} bytes at {offset}")
        end = max(self.size(), offset + len(data))
        self.disk.write(self.start + offset, data)
        self._size = end

    def truncate(self, size_bytes: int) -> None:
        self._size = min(self.size(), size_bytes)

    def sync(self) -> None:
        self.journal.stretch.write_out()
        self.disk.flush()

    def unlock(self) -> None:
        # Without a sync nothing else would say on the disk that the transaction is over.
        self.journal.stretch.write_out()

    def size(self) -> int:
        if self._size < 0:
            self._size = self._stored_size()
        return self._size

    def _stored_size(self) -> int:
        head = self.disk.read(self.start, BLOCK)
        if not head.startswith(DATABASE_MAGIC):
            return 0
        page = int.from_bytes(head[16:18])
        return min((65536 if page == 1 else page) * int.from_bytes(head[28:32]), self.room)

    def exists(self) -> bool:
        return self.size() > 0

    def delete(self) -> None:
        raise OSError("a database is not deleted here")


class Journal(File):
    """As long as its room, always: what is old in it is told by its checksums, which is how SQLite takes it."""

    def __init__(self, disk: Disk, start: int, room: int) -> None:
        self.stretch = Stretch(disk, start, room)

    def read(self, offset: int, length: int) -> bytes:
        return self.stretch.read(offset, max(0, min(length, self.stretch.size_bytes - offset)))

    def write(self, offset: int, data: bytes) -> None:
        self.stretch.write(offset, data)

    def truncate(self, size_bytes: int) -> None:
        if size_bytes == 0:
            self.delete()

    def sync(self) -> None:
        self.stretch.write_out()
        self.stretch.disk.flush()

    def size(self) -> int:
        return self.stretch.size_bytes

    def exists(self) -> bool:
        return self.stretch.read(0, len(JOURNAL_MAGIC)) == JOURNAL_MAGIC

    def delete(self) -> None:
        self.stretch.write(0, bytes(BLOCK))
        self.stretch.write_out()
