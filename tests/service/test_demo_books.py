"""The books of a database and their audit: what must be there, what may be, and each way in which it can be wrong."""

import sqlite3
from pathlib import Path

import pytest

from hawser.service.demo_books import LEDGER, NOTES, TABLES, Books, Claims, audit, create, digest, read_books


def connections() -> dict[str, sqlite3.Connection]:
    made = {table: sqlite3.connect(":memory:", isolation_level=None) for table in TABLES}
    for table, connection in made.items():
        create(connection, table)
    return made


def put(connection: sqlite3.Connection, table: str, number: int, content: bytes, said: str = "") -> None:
    row = (number, said or digest(content), content)
    connection.execute(f"insert or replace into {table} values (?, ?, ?)", row)


def books_of(path: Path, *lines: str) -> Claims:
    path.write_text("".join(lines))
    return read_books(str(path))


def test_what_was_asked_for_may_be_there_and_what_was_acknowledged_has_to_be(tmp_path: Path):
    path = str(tmp_path / "books")
    books = Books(path)
    first = books.ask(LEDGER, {1: "a", 2: "b"})
    assert read_books(path).rows[LEDGER] == {1: ["", "a"], 2: ["", "b"]}
    books.acknowledge(first, LEDGER, {1: "a", 2: "b"})
    claims = read_books(path)
    assert claims.rows == {LEDGER: {1: ["a"], 2: ["b"]}, NOTES: {}}
    assert (claims.commits, claims.count()) == (1, 2)
    books.ask(LEDGER, {2: "c"})
    assert read_books(path).rows[LEDGER] == {1: ["a"], 2: ["b", "c"]}
    assert books.rows == {LEDGER: {1: "a", 2: "b"}, NOTES: {}}
    books.close()


def test_a_line_that_is_cut_off_says_nothing_and_one_of_another_kind_is_refused(tmp_path: Path):
    path = tmp_path / "books"
    assert books_of(path, "? 1 notes 5 a\n", "= 1").rows[NOTES] == {5: ["", "a"]}
    with pytest.raises(ValueError, match="no line of books: '! 1"):
        books_of(path, "! 1\n")


def test_everything_as_acknowledged_is_clean(tmp_path: Path):
    made = connections()
    put(made[LEDGER], LEDGER, 1, b"old")
    put(made[NOTES], NOTES, 9, b"new")
    claims = books_of(
        tmp_path / "books",
        f"? 1 ledger 1 {digest(b'old')}\n",
        "= 1\n",
        f"? 2 ledger 1 {digest(b'never answered')}\n",
        f"? 3 notes 9 {digest(b'new')}\n",
    )
    found = audit(made, claims)
    assert found.is_clean() and found.faults() == []
    assert (found.rows, found.commits) == (2, 1)
    put(made[LEDGER], LEDGER, 1, b"never answered")
    assert audit(made, claims).is_clean()


WRONG = {
    "lost": (lambda it: it.execute("delete from ledger"), "ledger: row 1 does not hold what was acknowledged"),
    "old": (lambda it: put(it, LEDGER, 1, b"older"), "ledger: row 1 does not hold what was acknowledged"),
    "altered": (
        lambda it: put(it, LEDGER, 1, b"bent", digest(b"right")),
        "ledger: row 1 does not hold what was acknowledged",
    ),
    "too much": (lambda it: put(it, LEDGER, 7, b"whence"), "ledger: row 7 was never written"),
}


@pytest.mark.parametrize("what", WRONG)
def test_each_way_to_be_wrong_is_found(tmp_path: Path, what: str):
    spoil, fault = WRONG[what]
    made = connections()
    put(made[LEDGER], LEDGER, 1, b"right")
    claims = books_of(tmp_path / "books", f"? 1 ledger 1 {digest(b'right')}\n", "= 1\n")
    assert audit(made, claims).is_clean()
    spoil(made[LEDGER])
    found = audit(made, claims)
    assert not found.is_clean() and found.faults() == [fault]


def test_nothing_to_compare_is_no_success_and_many_faults_are_few_lines(tmp_path: Path):
    nothing = audit(connections(), Claims())
    assert not nothing.is_clean() and nothing.faults() == ["there was nothing to compare"]
    lines = [f"? {n} notes {n} a\n= {n}\n" for n in range(20)]
    assert audit(connections(), books_of(tmp_path / "books", *lines)).faults()[-1] == "and 15 more"
