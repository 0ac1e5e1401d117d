"""The database of the demonstration for operators: SQLite on an NBD disk, in a process of its own.

    python -P -m hawser.service.demo_database run SOCKET EXPORT SEED DIRECTORY
    python -P -m hawser.service.demo_database rounds SOCKET EXPORT SEED DIRECTORY

`run`: transactions until its standard input ends. Some are synced (`synchronous = full`: they have to outlive everything),
others are not (`off`: as quick as the disk acknowledges; a server's cache that is lost must not take them along); look-ups
compare what they read with the books. A line of JSON every REPORT_SECONDS says how far it is; DIRECTORY/books tells what was
acknowledged, and DIRECTORY/latencies how long everything took (`read_latencies`).

`rounds`: each line of its standard input is a number of seconds, of which one third is spent on each kind; it answers with
how many of them there were per second.
"""

import contextlib
import os
import random
import sqlite3
import sys
import threading
from array import array
from collections.abc import Iterator
from time import monotonic_ns
from typing import Final

import msgspec

from hawser.core.units import MIB, NS_PER_MS, NS_PER_S
from hawser.service.demo_books import LEDGER, NOTES, TABLES, Books, create, digest
from hawser.service.demo_child import die_with_parent
from hawser.service.nbd_disk import Disk, NbdDisk
from hawser.service.sqlite_files import Files, Place
from hawser.service.sqlite_vfs import NoSqliteError, Vfs

SYNCED: Final = "commit, synced"
UNSYNCED: Final = "commit, not synced"
LOOK_UP: Final = "look-up"
KINDS: Final = (SYNCED, UNSYNCED, LOOK_UP)

DATABASE_BYTES: Final = 16 * MIB
PLACES: Final = {table: Place(2 * number * DATABASE_BYTES, DATABASE_BYTES) for number, table in enumerate(TABLES)}
DISK_BYTES: Final = 2 * len(TABLES) * DATABASE_BYTES
ROWS: Final = 4096
ROWS_AT_FIRST: Final = 512
CONTENT_MIN: Final = 200
CONTENT_MAX: Final = 1800
# Small, so that look-ups ask the disk.
CACHE_PAGES: Final = 24
SYNC_EVERY_NS: Final = 100 * NS_PER_MS
REPORT_SECONDS: Final = 0.2
_POOL: Final = 65536


class Report(msgspec.Struct):
    """How far it is; `fault`: the first thing that went wrong, which ends it."""

    phase: str = "starting"
    counts: list[int] = []
    fault: str = ""


class Rates(msgspec.Struct):
    """Of one round: per second, in the order of KINDS."""

    rates: list[float] = []
    fault: str = ""


class WrongContentError(Exception):
    """A look-up found what was not acknowledged."""


@contextlib.contextmanager
def opened(disk: Disk, name: str) -> Iterator[dict[str, sqlite3.Connection]]:
    """The databases of a disk, by their names, while the block lasts; `name` is that of the VFS."""
    vfs = Vfs(name, Files(disk, PLACES))
    connections: dict[str, sqlite3.Connection] = {}
    try:
        for table in TABLES:
            connections[table] = vfs.connect(table)
        yield connections
    except sqlite3.Error as error:
        raise sqlite3.OperationalError(f"{error}: {vfs.fault}" if vfs.fault else str(error)) from error
    finally:
        for connection in connections.values():
            connection.close()
        vfs.close()


class Database:
    """The transactions, one after the other."""

    def __init__(self, connections: dict[str, sqlite3.Connection], books: Books, seed: int) -> None:
        self.connections = connections
        self.books = books
        self.starts = {kind: array("q") for kind in KINDS}
        self.tooks = {kind: array("q") for kind in KINDS}
        self._known: dict[str, list[int]] = {table: [] for table in connections}
        self._random = random.Random(seed)
        self._pool = self._random.randbytes(_POOL)
        for table, connection in connections.items():
            connection.execute(f"pragma cache_size = {CACHE_PAGES}")
            connection.execute("pragma synchronous = full")
            create(connection, table)
            self._commit(table, range(ROWS_AT_FIRST))
        connections[NOTES].execute("pragma synchronous = off")

    def synced(self) -> None:
        self._timed(SYNCED)

    def unsynced(self) -> None:
        self._timed(UNSYNCED)

    def look_up(self) -> None:
        self._timed(LOOK_UP)

    def sync_all(self) -> None:
        """From here on everything is durable: a sync is the whole disk's."""
        self._commit(LEDGER, [0])

    def _timed(self, kind: str) -> None:
        draw = self._random
        table = LEDGER if kind == SYNCED or (kind == LOOK_UP and draw.random() < 0.5) else NOTES
        numbers = [draw.randrange(ROWS) for _ in range(draw.randint(1, 2))]
        start_ns = monotonic_ns()
        if kind == LOOK_UP:
            known = self._known[table]
            self._look_up(table, known[draw.randrange(len(known))])
        else:
            self._commit(table, numbers)
        self.starts[kind].append(start_ns)
        self.tooks[kind].append(monotonic_ns() - start_ns)

    def _commit(self, table: str, numbers: "list[int] | range") -> None:
        rows = {number: self._content() for number in numbers}
        said = {number: digest(content) for number, content in rows.items()}
        connection = self.connections[table]
        commit = self.books.ask(table, said)
        connection.execute("begin immediate")
        connection.executemany(
            f"insert or replace into {table} values (?, ?, ?)",
            [(number, said[number], content) for number, content in rows.items()],
        )
        connection.execute("commit")
        self._known[table] += [number for number in rows if number not in self.books.rows[table]]
        self.books.acknowledge(commit, table, said)

    def _look_up(self, table: str, number: int) -> None:
        row = self.connections[table].execute(f"select content from {table} where number = ?", (number,)).fetchone()
        if row is None or digest(row[0]) != self.books.rows[table][number]:
            raise WrongContentError(f"{table}: row {number} does not hold what was acknowledged")

    def _content(self) -> bytes:
        size = self._random.randrange(CONTENT_MIN, CONTENT_MAX)
        start = self._random.randrange(_POOL - size)
        return self._random.randbytes(8) + self._pool[start : start + size]

    def counts(self) -> list[int]:
        return [len(self.tooks[kind]) for kind in KINDS]


def run_until_told(database: Database) -> None:
    """A synced transaction every SYNC_EVERY_NS; in between, by chance, others and look-ups."""
    stop = threading.Event()
    threading.Thread(target=_wait_for_end_of_input, args=(stop,), daemon=True).start()
    draw = random.Random(1)
    synced_at = said_at = 0
    while not stop.is_set():
        now_ns = monotonic_ns()
        if now_ns - said_at > REPORT_SECONDS * NS_PER_S:
            said_at = now_ns
            _say(Report("running", database.counts()))
        if now_ns - synced_at >= SYNC_EVERY_NS:
            synced_at = now_ns
            database.synced()
        elif draw.random() < 0.4:
            database.unsynced()
        else:
            database.look_up()
    database.sync_all()
    _say(Report("done", database.counts()))


def run_rounds(database: Database) -> None:
    """Each kind for one third of the time that a line says."""
    for line in sys.stdin:
        part_ns = round(float(line) * NS_PER_S / len(KINDS))
        rates = []
        for deed in (database.synced, database.unsynced, database.look_up):
            start_ns = now_ns = monotonic_ns()
            count = 0
            while now_ns - start_ns < part_ns:
                deed()
                count += 1
                now_ns = monotonic_ns()
            rates.append(count * NS_PER_S / (now_ns - start_ns))
        _say(Rates(rates))


def _wait_for_end_of_input(stop: threading.Event) -> None:
    sys.stdin.buffer.read()
    stop.set()


def _say(report: msgspec.Struct) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.buffer.flush()


def write_latencies(database: Database, path: str) -> None:
    """For each kind its number, then when each began (of the system's monotonic clock) and how long it took, in nanoseconds."""
    with open(path, "wb") as file:
        for kind in KINDS:
            array("q", [len(database.starts[kind])]).tofile(file)
            database.starts[kind].tofile(file)
            database.tooks[kind].tofile(file)


def read_latencies(path: str) -> dict[str, list[tuple[int, int]]]:
    """For each kind when each began and how long it took, in nanoseconds. OSError, EOFError."""
    found: dict[str, list[tuple[int, int]]] = {}
    with open(path, "rb") as file:
        for kind in KINDS:
            (count,) = _taken(file, 1)
            found[kind] = list(zip(_taken(file, count), _taken(file, count), strict=True))
    return found


def _taken(file: "object", count: int) -> "array[int]":
    numbers = array("q")
    numbers.fromfile(file, count)  # type: ignore[arg-type]
    return numbers


def main(arguments: list[str]) -> int:
    """As a process."""
    die_with_parent()
    mode, socket_path, export, seed, directory = arguments
    report: type[Report] | type[Rates] = Report if mode == "run" else Rates
    disk: NbdDisk | None = None
    try:
        disk = NbdDisk(socket_path, export)
        books = Books(os.path.join(directory, "books"))
        with opened(disk, "hawser-demo") as connections:
            database = Database(connections, books, int(seed))
            try:
                (run_until_told if mode == "run" else run_rounds)(database)
            finally:
                write_latencies(database, os.path.join(directory, "latencies"))
    except (sqlite3.Error, OSError, NoSqliteError, WrongContentError) as error:
        _say(report(fault=str(error) or repr(error)))
        return 1
    finally:
        if disk is not None:
            disk.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
