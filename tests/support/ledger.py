"""A program that keeps books on a file system: rows of a SQLite database and files, each committed before it counts; and the
auditor, who asks SQLite's own checker and looks for every one of them."""

import hashlib
import os
import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.support.processes import PATIENCE_S, wait_for

_BYTES_MAX = 20_000
_FILES = 24


class Ledger:
    """Written in a thread under `root`. `committed` maps a row's number to its content's digest, `files` a name to the digests
    that may be found there: of the last one that was made durable, and of one that was under way."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.committed: dict[int, str] = {}
        self.files: dict[str, set[str]] = {}
        self._rows = 0
        self._chance = random.Random(seed)
        self._fault: BaseException | None = None
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        with closing(sqlite3.connect(root / "ledger.db")) as database:
            database.execute("create table ledger (number integer primary key, digest text, content blob)")
            database.commit()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """After its last commit."""
        self._stopping.set()
        self._thread.join(2 * PATIENCE_S)
        assert not self._thread.is_alive(), "the ledger's last commit does not end"
        self._check()

    def wait_for_progress(self, rows: int = 5) -> None:
        before = self._count()
        wait_for(lambda: self._count() >= before + rows, f"{rows} more rows than {before}", 60)

    def _count(self) -> int:
        self._check()
        return len(self.committed)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Between two commits."""
        assert self._turn.acquire(timeout=2 * PATIENCE_S)
        try:
            yield
        finally:
            self._turn.release()

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault

    # In the thread.

    def _run(self) -> None:
        try:
            with closing(sqlite3.connect(self.root / "ledger.db", timeout=PATIENCE_S)) as database:
                database.execute("pragma synchronous = extra")
                while not self._stopping.is_set():
                    with self._turn:
                        self._commit(database)
                        self._write_file()
        except BaseException as error:
            self._fault = error

    def _content(self) -> tuple[str, bytes]:
        content = self._chance.randbytes(self._chance.randrange(_BYTES_MAX))
        return digest(content), content

    def _commit(self, database: sqlite3.Connection) -> None:
        new = {}
        for _ in range(self._chance.randint(1, 3)):
            self._rows += 1
            new[self._rows] = self._content()
        with database:
            rows = [(number, name, content) for number, (name, content) in new.items()]
            database.executemany("insert into ledger values (?, ?, ?)", rows)
        self.committed.update({number: name for number, (name, _) in new.items()})

    def _write_file(self) -> None:
        """A new version takes the old one's place in one step."""
        name = f"file{self._chance.randrange(_FILES)}"
        said, content = self._content()
        self.files[name] = {*self.files.get(name, {""}), said}
        part = self.root / "part"
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.rename(self.root / name)
        directory = os.open(self.root, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        self.files[name] = {said}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def audit(ledger: Ledger, root: Path) -> None:
    """Everything that was committed is there, and what is there is whole."""
    with closing(sqlite3.connect(root / "ledger.db")) as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
        found = {}
        for number, said, content in database.execute("select * from ledger"):
            assert digest(content) == said, f"row {number} is not what was written"
            found[number] = said
    missing = {number for number, said in ledger.committed.items() if found.get(number) != said}
    assert not missing, f"rows {sorted(missing)} of {len(ledger.committed)} were committed, and are not there"
    for name, may_be in ledger.files.items():
        path = root / name
        is_found = digest(path.read_bytes()) if path.exists() else ""
        told = f"{path.stat().st_size} bytes" if path.exists() else "missing"
        assert is_found in may_be, f"{name} is not what was written last: {told}, {len(may_be)} versions are possible"
