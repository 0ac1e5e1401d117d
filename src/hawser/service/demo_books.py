"""Books: what a database was told is committed, kept outside of its disk, and the audit that compares the two.

Each commit is one line before it is asked for and one when it is acknowledged, so that whoever reads the file later knows
what has to be there, and what may be, wherever the writer ended:

    ? 7 ledger 12 5f0c6a1be2c4d833      commit 7, which would put that content into row 12, is about to be asked for
    = 7                                 commit 7 is acknowledged

A row holds what the last acknowledged commit put there, or what a later one that was never answered would have.
"""

import os
import sqlite3
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

LEDGER: Final = "ledger"
NOTES: Final = "notes"
TABLES: Final = (LEDGER, NOTES)
FAULTS_SHOWN: Final = 5


def digest(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()


def create(connection: sqlite3.Connection, table: str) -> None:
    connection.execute(f"create table {table} (number integer primary key, digest text, content blob)")


class Books:
    """The writer's side. `rows`: for each table what each row has been acknowledged to hold."""

    def __init__(self, path: str) -> None:
        self.rows: dict[str, dict[int, str]] = {table: {} for table in TABLES}
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._commits = 0

    def ask(self, table: str, rows: dict[int, str]) -> int:
        """A commit is about to be asked for; its number."""
        self._commits += 1
        lines = [f"? {self._commits} {table} {number} {said}\n" for number, said in rows.items()]
        os.write(self._file, "".join(lines).encode())
        return self._commits

    def acknowledge(self, commit: int, table: str, rows: dict[int, str]) -> None:
        os.write(self._file, f"= {commit}\n".encode())
        self.rows[table].update(rows)

    def close(self) -> None:
        os.close(self._file)


@dataclass
class Claims:
    """The reader's side: for each table and row, what it has to hold, or one of what it may."""

    rows: dict[str, dict[int, list[str]]] = field(default_factory=lambda: {table: {} for table in TABLES})
    commits: int = 0

    def count(self) -> int:
        return sum(len(rows) for rows in self.rows.values())


def read_books(path: str) -> Claims:
    """What a file of books claims. ValueError where it is none."""
    claims = Claims()
    asked: dict[str, list[tuple[str, int, str]]] = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            if not line.endswith("\n"):
                # The writer was ended in its midst: it had asked for nothing yet.
                break
            kind, commit, *words = line.split()
            if kind == "?":
                table, number, said = words
                asked.setdefault(commit, []).append((table, int(number), said))
                held = claims.rows[table].setdefault(int(number), [""])
                held.append(said)
            elif kind == "=":
                claims.commits += 1
                for table, row, said in asked.pop(commit):
                    held = claims.rows[table][row]
                    del held[: held.index(said)]
            else:
                raise ValueError(f"{path}: no line of books: {line!r}")
    return claims


@dataclass
class Audit:
    """What a comparison has found. `lost`: rows that do not hold what was acknowledged; `damage`: what SQLite's own checker
    says."""

    rows: int = 0
    commits: int = 0
    lost: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    def is_clean(self) -> bool:
        return self.rows > 0 and not self.lost and not self.damage

    def faults(self) -> list[str]:
        """Everything that is wrong, a few lines at most."""
        shown = [*self.damage[:FAULTS_SHOWN], *self.lost[:FAULTS_SHOWN]]
        more = len(self.damage) + len(self.lost) - len(shown)
        if more > 0:
            shown.append(f"and {more} more")
        if not self.rows:
            shown.append("there was nothing to compare")
        return shown


def audit(connections: dict[str, sqlite3.Connection], claims: Claims) -> Audit:
    """Compare every row; each table is in a database of its own, named after it. sqlite3.Error where one cannot be read at
    all."""
    found = Audit(commits=claims.commits)
    for table, connection in connections.items():
        for (said,) in connection.execute("pragma integrity_check"):
            if said != "ok":
                found.damage.append(f"{table}: {said}")
        seen = dict[int, str]()
        for number, said, content in connection.execute(f"select number, digest, content from {table}"):
            seen[number] = said if digest(content) == said else "content that is not its own"
        for number, may_be in claims.rows[table].items():
            found.rows += 1
            if seen.pop(number, "") not in may_be:
                found.lost.append(f"{table}: row {number} does not hold what was acknowledged")
        found.lost += [f"{table}: row {number} was never written" for number in seen]
    return found
