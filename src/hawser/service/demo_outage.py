"""The demonstration for operators, played: a database over two servers with separate caches, of which one is killed and one is
black-holed; and whether everything that was acknowledged is there afterwards.

    A killed        its process, and with it the writes that only its cache held
    A started       with an empty cache; it is looked at, and stands by
    B black-holed   its cable passes nothing on, while connections stand; hawser gives up after its time-out, waits for a late
                    answer, has the server cut off by the fence agent, and writes again what its cache may have held
    audit           through hawser, by the path that is left; then all servers are killed, and what lies in the disk itself

The time of a run is that of three quiet stretches (`pace_s` each) and of what the faults take.
"""

import os
import re
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Final

import msgspec

from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.service.demo_books import Audit, Claims, audit, read_books
from hawser.service.demo_child import Child, ChildError, module
from hawser.service.demo_cost import Cost
from hawser.service.demo_database import KINDS, Report, opened, read_latencies
from hawser.service.demo_servers import EXPORT, NAMES, Room
from hawser.service.nbd_disk import Disk, FileDisk, NbdDisk
from hawser.service.sqlite_vfs import NoSqliteError

POLL_SECONDS: Final = 0.05
# A fault that nobody has got over by then has ended the demonstration.
RECOVERY_SECONDS: Final = 25.0
FINISH_SECONDS: Final = 20.0

KILLED: Final = "killed"
BLACK_HOLE: Final = "black hole"
# What a server does, as the figure has it.
CARRIES: Final = "carries the I/O"
READY: Final = "stands by"
GONE: Final = "gone: killed, or cut off"
SWALLOWS: Final = "swallows everything"
CHECKED: Final = "being looked at"

_GROUP: Final = re.compile(r" ([AED]) 0 1 \d+ \d+:\d+ ([AF])")
_LOG: Final = re.compile(r"^\S+ \S+ (\w+): (.*)$")
# Of hawser's log the story has lines with these in them.
_TOLD: Final = (
    "Failing path",
    "Reinstating path",
    "fate unknown",
    "fence lifted",
    "may be lost",
    "written again",
    "fence agent",
    "no late answer",
)
_CUT_OFF: Final = "the fence agent has succeeded"


class StoppedError(Exception):
    """Somebody has ended it by hand."""


@dataclass(frozen=True, slots=True)
class Event:
    """At `at_s` from the start of the database; `is_fault`: something was done to a server."""

    at_s: float
    text: str
    is_fault: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """It struck at `at_s`; the operation that had to wait longest took `longest_ms`, and ended at `over_s`."""

    kind: str
    server: str
    at_s: float
    over_s: float
    longest_ms: float


@dataclass(frozen=True, slots=True)
class Moment:
    """What each server did, in the order of NAMES, from `at_s` on."""

    at_s: float
    states: tuple[str, ...]


@dataclass
class Outcome:
    """Times in seconds from the start of the database. `latencies`: for each kind when each operation began, and milliseconds."""

    seconds: float = 0.0
    events: list[Event] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    latencies: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    audits: dict[str, Audit] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def is_good(self) -> bool:
        return not self.problems and len(self.audits) == 2 and all(each.is_clean() for each in self.audits.values())

    def all_problems(self) -> list[str]:
        found = list(self.problems)
        for name, each in self.audits.items():
            found += [f"{name}: {fault}" for fault in each.faults()]
        if len(self.audits) < 2 and not found:
            found.append("not everything was compared")
        return found


class Outage:
    """One run: `play` it once. `say` is told what happens; `interfere`, for tests, is called between the end of the database
    and the audits."""

    def __init__(
        self,
        pace_s: float,
        say: Callable[[Event], None],
        stop: threading.Event,
        interfere: Callable[[Room], None] = lambda room: None,
    ) -> None:
        self.pace_s = pace_s
        self.say = say
        self.stop = stop
        self.interfere = interfere
        self.outcome = Outcome()
        self.room = Room()
        self._report = Report()
        self._start_ns = monotonic_ns()
        self._marks: list[tuple[str, str, int]] = []
        self._told_lines = 0
        self._said: set[str] = set()
        self._known = dict.fromkeys(NAMES, "")
        self._database: Child | None = None

    def play(self) -> Outcome:
        """Whatever goes wrong is among the problems of the outcome; nothing is left behind. When `stop` is set it ends where it
        is, without a word of what has not come to be."""
        try:
            self.room.start()
            self._play()
        except (ChildError, OSError, sqlite3.Error, NoSqliteError, ValueError, EOFError) as error:
            self.outcome.problems.append(str(error) or repr(error))
        except StoppedError:
            self.outcome.problems.append("ended by hand")
        finally:
            if self._database is not None:
                self._database.kill()
            self.room.close()
        return self.outcome

    def _play(self) -> None:
        room = self.room
        gateway, cable = room.gateway, room.cable
        assert gateway is not None and cable is not None
        words = ("run", gateway.socket, EXPORT, "1", room.directory)
        self._database = Child("database", module("hawser.service.demo_database", *words), room.directory, True)
        listener = threading.Thread(target=self._listen, args=(self._database,), daemon=True)
        listener.start()
        self._wait(lambda: self._report.phase == "running" and sum(self._report.counts) > 0, "the database runs")
        self._start_ns = monotonic_ns()
        self.outcome.moments.clear()
        self._tell("the database writes and reads through hawser; server A carries the I/O, B stands by")
        self._pause(self.pace_s)
        self._strike(
            KILLED, "A", room.servers[0].kill, "server A is killed (SIGKILL), and with it what only its cache held"
        )
        self._pause(self.pace_s / 2)
        room.servers[0].start()
        self._known["A"] = ""
        self._tell("server A is started again, with an empty cache")
        self._wait(lambda: self._letters() == "AA", "path A is in use again")
        self._pause(self.pace_s / 2)
        self._strike(
            BLACK_HOLE, "B", cable.stop, "server B is black-holed: its cable swallows everything, its connections stand"
        )
        self._pause(self.pace_s)
        self._finish(listener)
        self._audit_all()

    def _strike(self, kind: str, server: str, deed: Callable[[], None], text: str) -> None:
        """Do it, and wait until the database has got over it."""
        self._known[server] = GONE if kind == KILLED else SWALLOWS
        self._marks.append((kind, server, monotonic_ns()))
        deed()
        self._tell(text, True)
        other = NAMES[1 - NAMES.index(server)]
        self._wait(lambda: self._carrier() == other, f"the I/O goes by way of server {other}")
        before = sum(self._report.counts)
        self._wait(lambda: sum(self._report.counts) > before, "the database goes on")
        self._tell(f"the database goes on by way of server {other}")

    def _finish(self, listener: threading.Thread) -> None:
        """The database ends its last transaction."""
        assert self._database is not None
        self._database.input().close()
        listener.join(FINISH_SECONDS)
        self.outcome.seconds = self._now_s()
        if self._report.phase != "done":
            fault = self._report.fault or self._database.complaint() or f"it did not end within {FINISH_SECONDS:g} s"
            self.outcome.problems.append(f"the database: {fault}")
        if not listener.is_alive():
            self._database.end()
        self._take_latencies()

    def _take_latencies(self) -> None:
        found = read_latencies(os.path.join(self.room.directory, "latencies"))
        start_ns = self._start_ns
        flat = [operation for operations in found.values() for operation in operations]
        ends = [at_ns for _, _, at_ns in self._marks[1:]] + [max(map(sum, flat))]
        for (kind, server, at_ns), end_ns in zip(self._marks, ends, strict=True):
            waited = [each for each in flat if at_ns <= sum(each) <= end_ns and each[0] < at_ns + NS_PER_S]
            start, took = max(waited, key=lambda each: each[1])
            self.outcome.faults.append(
                Fault(
                    kind, server, (at_ns - start_ns) / NS_PER_S, (start + took - start_ns) / NS_PER_S, took / NS_PER_MS
                )
            )
        self.outcome.latencies = {
            kind: [
                ((start - start_ns) / NS_PER_S, took / NS_PER_MS)
                for start, took in operations
                if start + took >= start_ns
            ]
            for kind, operations in found.items()
        }

    # The checker.

    def _audit_all(self) -> None:
        room = self.room
        gateway = room.gateway
        assert gateway is not None
        self.interfere(room)
        claims = read_books(os.path.join(room.directory, "books"))
        carrier = self._carrier() or "nobody"
        self._audit(f"read through hawser, by way of server {carrier}", NbdDisk(gateway.socket, EXPORT), claims)
        for server in room.servers:
            server.kill()
        gateway.child.end()
        self._tell("both servers are killed, with whatever is in their caches")
        self._audit("read from the disk itself, without any server", FileDisk(room.image), claims)

    def _audit(self, title: str, disk: Disk, claims: Claims) -> None:
        try:
            with opened(disk, f"hawser-audit-{len(self.outcome.audits)}") as connections:
                self.outcome.audits[title] = audit(connections, claims)
        except sqlite3.Error as error:
            self.outcome.audits[title] = Audit(claims.count(), claims.commits, [], [str(error)])
        finally:
            disk.close()

    # Watching.

    def _listen(self, database: Child) -> None:
        """In a thread: what the database says."""
        for line in database.output():
            self._report = msgspec.json.decode(line, type=Report)

    def _letters(self) -> str:
        return "".join(path for _, path in self._groups())

    def _groups(self) -> list[tuple[str, str]]:
        gateway = self.room.gateway
        return _GROUP.findall(gateway.status()) if gateway is not None else []

    def _carrier(self) -> str:
        """The server that I/O goes to; empty where there is none."""
        return next((name for name, state in zip(NAMES, self._states(), strict=True) if state == CARRIES), "")

    def _states(self) -> tuple[str, ...]:
        groups = self._groups()
        if len(groups) != len(NAMES):
            return (CHECKED,) * len(NAMES)
        states = []
        for name, (group, path) in zip(NAMES, groups, strict=True):
            usable = CARRIES if group == "A" else READY
            states.append(self._known[name] or (usable if path == "A" else CHECKED))
        return tuple(states)

    def _look(self) -> None:
        """Keep what the servers do, and tell what hawser's log says of it."""
        states = self._states()
        moments = self.outcome.moments
        if not moments or moments[-1].states != states:
            moments.append(Moment(self._now_s(), states))
        gateway = self.room.gateway
        lines = gateway.child.text().splitlines() if gateway is not None else []
        for line in lines[self._told_lines :]:
            match = _LOG.match(line)
            if match is not None and any(word in match[2] for word in _TOLD):
                self._tell_once(f"hawser: {match[2]}")
                if _CUT_OFF in match[2] and self._marks:
                    self._known[self._marks[-1][1]] = GONE
        self._told_lines = len(lines)

    def _tell_once(self, text: str) -> None:
        """Lines that differ in numbers only are told once between two faults."""
        key = f"{len(self._marks)} {re.sub('[0-9]+', '0', text)}"
        if key not in self._said:
            self._said.add(key)
            self._tell(self._named(text))

    def _named(self, text: str) -> str:
        """With the servers' names instead of their URIs, and paths' numbers explained."""
        for number, (name, uri) in enumerate(zip(NAMES, self.room.paths, strict=True)):
            place = uri.partition("&cache")[0].partition("?cache")[0]
            text = text.replace(place, f"server {name}")
            text = re.sub(rf" path (259:{number})\b", rf" path \1 (server {name})", text)
        return text

    def _now_s(self) -> float:
        return (monotonic_ns() - self._start_ns) / NS_PER_S

    def _tell(self, text: str, is_fault: bool = False) -> None:
        event = Event(self._now_s(), text, is_fault)
        self.outcome.events.append(event)
        self.say(event)

    def _pause(self, seconds: float) -> None:
        """StoppedError when somebody ends it meanwhile."""
        until_ns = monotonic_ns() + round(seconds * NS_PER_S)
        self._poll()
        while monotonic_ns() < until_ns:
            self._check_database()
            self._look()
            self._poll()

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        """ChildError when it does not come to that, StoppedError when somebody ends it first."""
        until_ns = monotonic_ns() + round(RECOVERY_SECONDS * NS_PER_S)
        while not condition():
            self._check_database()
            self._look()
            self._poll()
            if monotonic_ns() > until_ns:
                raise ChildError(f"not within {RECOVERY_SECONDS:g} s: {what}")

    def _poll(self) -> None:
        if self.stop.wait(POLL_SECONDS):
            raise StoppedError

    def _check_database(self) -> None:
        if self._report.fault:
            raise ChildError(f"the database: {self._report.fault}")
        if self._database is not None and not self._database.is_running():
            raise ChildError(f"the database has ended: {self._database.complaint()}")


__all__ = ["KINDS", "Event", "Fault", "Moment", "Outage", "Outcome"]
