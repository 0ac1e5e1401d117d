"""LateWrites: writes are in flight when their connection ends; do they land after the server's end of file, or long after?

As many bytes as the range and the server allow are written at once, so that some are still under way. The connection is left by
NBD_CMD_DISC, by a half-close, or reset; and the range is read through a second connection, again and again. What is there says by
its stamp which write it is of, so that a write that lands while a later round is watched is not missed.

A write has landed *after* some moment when a read that was sent behind that moment did not find it, and a later one does. How
slow a write is below the server cannot be arranged from here: a server that was quick this time may not be the next.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Final

from hawser.core.units import MIB, NS_PER_S, format_size
from hawser.nbd import protocol
from hawser.paths.uri import PathUri
from hawser.service.probe.connection import ProbeConnection
from hawser.service.probe.finding import DISPROVED, FACT, NOT_DISPROVED, UNTESTED, Contradiction, Finding, seconds
from hawser.service.probe.scratch import Scratch, Stamps
from hawser.service.probe.store import NbdStore

COMMANDS: Final = 16
COMMAND_BYTES_MAX: Final = 4 * MIB
POLL_SECONDS: Final = 0.02
EOF_SECONDS: Final = 30.0
LOOK_BYTES: Final = 4096
# Nobody declares a shorter time.
WORTH_SECONDS: Final = 0.05

DISC: Final = "NBD_CMD_DISC"
HALF_CLOSE: Final = "a half-close (shutdown)"
RESET: Final = "a reset at once"
# What a server has not read yet is lost with a TCP connection that is reset; some time later it has read it all.
RESET_LATER: Final = "a reset after 0.2 s"
LATER_SECONDS: Final = 0.2
WAYS: Final = (DISC, HALF_CLOSE, RESET, RESET_LATER)


@dataclass(frozen=True)
class Landing:
    """A write at `offset` that was not there for a read sent at `absent`, and was for one answered at `present` (monotonic)."""

    offset: int
    absent: float
    present: float


@dataclass
class Round:
    """One connection and how it ended. `left` and `eof` are moments; `eof` is None where there was none, or none in order."""

    way: str
    numbers: list[int] = field(default_factory=list)
    in_flight: int = 0
    left: float = 0.0
    eof: float | None = None
    end: str = ""
    landings: list[Landing] = field(default_factory=list)

    def latest(self) -> Landing | None:
        return max(self.landings, key=lambda landing: landing.absent, default=None)


class LateWrites:
    """`watch_s`: how long the range is watched behind each end. `run` once."""

    def __init__(self, uri: PathUri, number: int, scratch: Scratch, stamps: Stamps, watch_s: float) -> None:
        self.uri = uri
        self.number = number
        self.stamps = stamps
        self.watch_s = watch_s
        self.watcher = NbdStore(uri)
        self.places = places_of(scratch, self.watcher.facts.max_bytes)
        self.rounds: list[Round] = []
        self._round_of: dict[int, Round] = {}
        look = max(LOOK_BYTES, self.watcher.facts.block_size)
        # The first and the last piece of each command.
        self._samples: list[tuple[int, int]] = []
        for offset, size in self.places:
            piece = min(look, size)
            self._samples += [(offset, piece), (offset + size - piece, piece)]
        self._seen: list[int] = []
        self._absent = 0.0

    def run(self) -> list[Finding]:
        try:
            for way in WAYS:
                self._play(way)
        finally:
            self.watcher.close()
        return [
            *(self._judge_eof(played) for played in self.rounds if played.way in (DISC, HALF_CLOSE)),
            self._judge_quiesce(),
        ]

    # One round.

    def _play(self, way: str) -> None:
        played = Round(way)
        self.rounds.append(played)
        self._look()
        connection = ProbeConnection(self.uri)
        try:
            self._write_all(connection, played)
            self._leave(connection, played)
        finally:
            if connection.sock.fileno() >= 0:
                connection.sock.close()
        self._watch(played)

    def _write_all(self, connection: ProbeConnection, played: Round) -> None:
        can_fua = self.watcher.facts.can_fua
        for index, (offset, size) in enumerate(self.places):
            number = self.stamps.next()
            self._round_of[number] = played
            played.numbers.append(number)
            # Every other one has to reach the disk, which takes longer.
            flags = protocol.CMD_FLAG_FUA if can_fua and index % 2 else 0
            connection.send(protocol.CMD_WRITE, offset, size, self.stamps.content(number, size), flags)
        deadline = monotonic() + (LATER_SECONDS if played.way == RESET_LATER else 0)
        while connection.collect(max(0.0, deadline - monotonic())) or monotonic() < deadline:
            if connection.ended_at is not None or not connection.unanswered():
                break
        played.in_flight = connection.unanswered()

    def _leave(self, connection: ProbeConnection, played: Round) -> None:
        if played.way in (RESET, RESET_LATER):
            connection.reset()
            played.left = monotonic()
            return
        leave: Callable[[], None] = connection.say_goodbye if played.way == DISC else connection.half_close
        leave()
        played.left = monotonic()
        deadline = played.left + EOF_SECONDS
        while connection.ended_at is None and monotonic() < deadline:
            connection.collect(deadline - monotonic())
        played.end = connection.end
        if connection.ended_at is not None and not connection.end:
            played.eof = connection.ended_at

    def _watch(self, played: Round) -> None:
        """Until all of the round's writes are there, or the time is over."""
        deadline = monotonic() + self.watch_s
        while True:
            self._look()
            there = {number for number in self._seen if self._round_of.get(number) is played}
            if len(there) == len(played.numbers) or monotonic() >= deadline:
                return
            sleep(POLL_SECONDS)

    def _look(self) -> None:
        """Read the samples, and note what has landed since the last look."""
        sent = monotonic()
        seen = [self.stamps.of(data) for data in self.watcher.read_all(self._samples)]
        answered = monotonic()
        for index, number in enumerate(seen):
            if self._seen and number != self._seen[index]:
                played = self._round_of.get(number)
                if played is not None:
                    played.landings.append(Landing(self._samples[index][0], self._absent, answered))
        self._seen = seen
        self._absent = sent

    # Judging.

    def _tried(self, played: Round) -> str:
        size = format_size(sum(size for _, size in self.places))
        return (
            f"{len(self.places)} writes of {size} in all, then {played.way} with {played.in_flight} of them unanswered"
        )

    def _judge_eof(self, played: Round) -> Finding:
        about, tried = "eof=drains", self._tried(played)
        if played.eof is None:
            how = f"it ended with {played.end!r}" if played.end else f"none came within {EOF_SECONDS:g} s"
            return Finding(about, tried, UNTESTED, f"there was no orderly end of file: {how}")
        after = seconds(played.eof - played.left)
        late = [landing for landing in played.landings if landing.absent >= played.eof]
        if late:
            last = max(late, key=lambda landing: landing.absent)
            evidence = (
                f"end of file {after} later; the write at {last.offset} was not there {seconds(last.absent - played.eof)} "
                f"after it, and was {seconds(last.present - played.eof)} after it"
            )
            return Finding(about, tried, DISPROVED, evidence, (Contradiction(about, self.number, self.uri.eof_drains),))
        if not played.in_flight:
            return Finding(
                about, tried, UNTESTED, "the server had answered every write before; a larger range may help"
            )
        return Finding(about, tried, NOT_DISPROVED, f"end of file {after} later; nothing changed behind it")

    def _judge_quiesce(self) -> Finding:
        declared_ns = self.uri.quiesce_ns
        about = "quiesce" if declared_ns is None else f"quiesce={declared_ns / NS_PER_S:g}"
        in_flight = sum(played.in_flight for played in self.rounds)
        tried = f"{len(self.rounds)} connections ended with {in_flight} writes unanswered; watched for {self.watch_s:g} s each"
        found = [(played, landing) for played in self.rounds if (landing := played.latest()) is not None]
        late = [(played, landing) for played, landing in found if landing.absent >= played.left]
        if not late:
            verdict = FACT if declared_ns is None else NOT_DISPROVED
            if not in_flight:
                verdict = UNTESTED
            return Finding(about, tried, verdict, "what was to land was there at the first look")
        played, landing = max(late, key=lambda pair: pair[1].absent - pair[0].left)
        absent_s, present_s = landing.absent - played.left, landing.present - played.left
        evidence = (
            f"the write at {landing.offset} was not there {seconds(absent_s)} after {played.way}, "
            f"and was {seconds(present_s)} after it"
        )
        if declared_ns is None:
            against = (Contradiction(f"quiesce={absent_s:.2f} or less", self.number, False),)
            return Finding(about, tried, FACT, evidence, against if absent_s >= WORTH_SECONDS else ())
        if absent_s * NS_PER_S < declared_ns:
            return Finding(about, tried, NOT_DISPROVED, evidence)
        return Finding(about, tried, DISPROVED, evidence, (Contradiction(about, self.number, True),))


def places_of(scratch: Scratch, max_bytes: int) -> list[tuple[int, int]]:
    """Offset and size of the commands of a round: as large as they may be, side by side."""
    unit = scratch.unit
    most = min(COMMAND_BYTES_MAX, max_bytes) // unit * unit
    size = max(unit, min(most, scratch.length // COMMANDS // unit * unit))
    return [(scratch.start + index * size, size) for index in range(min(COMMANDS, scratch.length // size))]


def untestable(uri: PathUri) -> list[Finding]:
    """What of `eof` and `quiesce` nobody can see from here."""
    return [
        Finding(
            "eof=drains",
            "the server's own end, by SIGTERM",
            UNTESTED,
            "nobody's server is signalled here; qemu-nbd sends its end of file at once then, with writes still under way",
        ),
        Finding(
            "quiesce" if uri.quiesce_ns is None else f"quiesce={uri.quiesce_ns / NS_PER_S:g}",
            "a write that is slow below the server",
            UNTESTED,
            "it cannot be arranged from outside: a disk, a network or a file system that hangs may take longer than seen here",
        ),
    ]
