"""SQLite on a bare disk: what is committed is there, what is not is not, whenever one looks; and a disk that says no."""

import itertools
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hawser.core.units import MIB
from hawser.service.nbd_disk import BLOCK, Disk, FileDisk
from hawser.service.sqlite_files import Files, Place, Stretch
from hawser.service.sqlite_vfs import Vfs

PLACES = {"one": Place(0, MIB), "two": Place(2 * MIB, MIB)}
_names = itertools.count()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(4 * MIB)
    return path


class Watched(FileDisk):
    """Counts, and can say no, or stop taking effect, as a server whose power is off."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.writes: list[int] = []
        self.flushes = 0
        self.fails = False

    def write(self, offset: int, data: bytes) -> None:
        if self.fails:
            raise OSError(5, "no such luck")
        self.writes.append(offset)
        super().write(offset, data)

    def flush(self) -> None:
        self.flushes += 1
        super().flush()


@contextmanager
def database(disk: Disk, name: str = "one") -> Iterator[sqlite3.Connection]:
    vfs = Vfs(f"test{next(_names)}", Files(disk, PLACES))
    connection = vfs.connect(name)
    try:
        yield connection
    finally:
        connection.close()
        vfs.close()


def filled(connection: sqlite3.Connection, rows: int = 50) -> None:
    connection.execute("create table t (n integer primary key, content text)")
    connection.executemany("insert into t values (?, ?)", [(n, "x" * 500) for n in range(rows)])


def rows_of(path: Path, name: str = "one") -> list[tuple[int, str]]:
    """What is there when somebody looks for the first time, with the file alone. The file is as it was afterwards."""
    copy = Path(shutil.copy(path, path.with_name("copy")))
    with database(FileDisk(str(copy)), name) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        return connection.execute("select n, substr(content, 1, 1) from t").fetchall()


def test_what_is_committed_is_there_for_whoever_comes_next(image: Path):
    with database(FileDisk(str(image))) as connection:
        filled(connection)
    assert rows_of(image) == [(n, "x") for n in range(50)]


def test_two_databases_do_not_know_of_each_other(image: Path):
    for name in PLACES:
        with database(FileDisk(str(image)), name) as connection:
            filled(connection, 3 if name == "one" else 7)
    assert [len(rows_of(image, name)) for name in PLACES] == [3, 7]


@pytest.mark.parametrize("synchronous", ["full", "off"])
def test_half_a_transaction_is_undone_wherever_it_ends(image: Path, synchronous: str):
    """The disk is looked at after each of its writes: there is the state before, or the state after, and nothing else."""
    disk = Watched(image)
    seen = []

    class Looks(Watched):
        def write(self, offset: int, data: bytes) -> None:
            super().write(offset, data)
            seen.append({content for _, content in rows_of(image)})

    with database(disk) as connection:
        filled(connection)
    looking = Looks(image)
    with database(looking) as connection:
        connection.execute(f"pragma synchronous = {synchronous}")
        connection.execute("pragma cache_size = 4")
        connection.execute("begin")
        connection.execute("update t set content = replace(content, 'x', 'y')")
        connection.execute("commit")
        seen.append({content for _, content in rows_of(image)})
    assert seen[-1] == {"y"} and seen[0] == {"x"}
    assert all(state in ({"x"}, {"y"}) for state in seen)
    assert seen == sorted(seen, key=lambda state: state == {"y"}), "and once it is there it stays"
    assert len(looking.writes) > 5


def test_a_commit_that_is_synced_flushes_before_and_after_and_one_that_is_not_does_not(image: Path):
    disk = Watched(image)
    with database(disk) as connection:
        filled(connection)
        for synchronous, flushes in (("full", True), ("off", False)):
            connection.execute(f"pragma synchronous = {synchronous}")
            before = disk.flushes
            connection.execute("insert into t (content) values ('z')")
            assert (disk.flushes > before + 1) == flushes and (disk.flushes > before) == flushes


def test_a_rollback_leaves_what_was(image: Path):
    with database(FileDisk(str(image))) as connection:
        filled(connection)
        connection.execute("pragma cache_size = 4")
        connection.execute("begin")
        connection.execute("update t set content = 'y'")
        connection.execute("insert into t (content) values (?)", ("z" * 200_000,))
        connection.execute("rollback")
        assert connection.execute("select count(*), min(content) = max(content) from t").fetchone() == (50, 1)
    assert rows_of(image) == [(n, "x") for n in range(50)]


def test_what_a_disk_says_no_to_is_an_error_and_is_told(image: Path):
    disk = Watched(image)
    vfs = Vfs("says-no", Files(disk, PLACES))
    connection = vfs.connect("one")
    filled(connection)
    disk.fails = True
    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        connection.execute("update t set content = 'y'")
    assert vfs.fault == "[Errno 5] no such luck"
    disk.fails = False
    assert connection.execute("select min(content) from t").fetchone() == ("x" * 500,)
    connection.close()
    vfs.close()


def test_a_full_disk_and_a_name_that_nobody_has(image: Path):
    vfs = Vfs("full", Files(FileDisk(str(image)), PLACES))
    connection = vfs.connect("one")
    filled(connection)
    with pytest.raises(sqlite3.OperationalError):
        connection.execute("insert into t (content) values (?)", ("z" * 2 * MIB,))
    assert "is full" in vfs.fault
    assert connection.execute("select count(*) from t").fetchone() == (50,)
    connection.close()
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file"):
        vfs.connect("three")
    vfs.close()


def test_a_stretch_keeps_what_is_written_until_it_is_written_out(image: Path):
    disk = Watched(image)
    disk.write(MIB, b"o" * 3 * BLOCK)
    stretch = Stretch(disk, MIB, 3 * BLOCK)
    stretch.write(BLOCK - 2, b"new")
    stretch.write(2 * BLOCK, b"!" * BLOCK)
    assert disk.writes == [MIB]
    assert stretch.read(BLOCK - 4, 8) == b"oonewooo"
    assert stretch.read(3 * BLOCK - 2, 4) == b"!!\0\0", "zeroes behind the end"
    stretch.write_out()
    assert disk.writes == [MIB, MIB], "neighbours go as one"
    assert disk.read(MIB, 3 * BLOCK) == b"o" * (BLOCK - 2) + b"new" + b"o" * (BLOCK - 1) + b"!" * BLOCK
    stretch.write_out()
    assert len(disk.writes) == 2
    with pytest.raises(OSError, match="is full"):
        stretch.write(3 * BLOCK - 1, b"ab")
