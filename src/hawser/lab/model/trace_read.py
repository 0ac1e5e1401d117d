"""Reads a trace file (hawser.service.trace_file), and gives what a replay needs of it: the I/Os as clients asked for them, the
commands that paths were sent, and the maps that it was recorded from.

The file comes from outside, so nothing of it is believed: TraceError says which event is wrong, in what, and what would be right.
Events that this does not know (other tools may have added some) are passed over.
"""

import re
from pathlib import Path
from typing import Any, Final

import msgspec

from hawser.block.ops import FUA, NOMERGE, NOUNMAP, OP_NAMES, PREFLUSH
from hawser.block.recorder import STILL_OPEN
from hawser.core.trace import MAPPED, QUEUED
from hawser.core.units import MIB, NS_PER_US, SECTOR_SHIFT

# A recorder keeps a million events, of some 200 bytes each.
FILE_BYTES_MAX: Final = 1024 * MIB
EVENTS_MAX: Final = 4_000_000

_OPS: Final = {name: op for op, name in OP_NAMES.items()}
_NAME: Final = re.compile(r"(write zeroes|read|write|flush|discard)(?: (\d{1,19}) @ (\d{1,19}))?( fua)?")
_FLAGS: Final = {"fua": FUA, "preflush": PREFLUSH, "nomerge": NOMERGE, "nounmap": NOUNMAP}
_IN_FLIGHT: Final = " in flight"
_AGAIN: Final = "record it once more, by `hawser trace` of this version"


class TraceError(Exception):
    """The message says where in the file, what, and what would be right."""


class _Args(msgspec.Struct):
    detail: str = ""
    ios: list[int] | None = None
    commands: int | None = None
    client: int | None = None
    flags: list[str] = []


class _Event(msgspec.Struct):
    ph: str
    name: str = ""
    cat: str = ""
    id: str = ""
    ts: float | None = None
    args: _Args = msgspec.field(default_factory=_Args)


class MapPath(msgspec.Struct):
    """A path as the table names it, and the words that its selector was told. `state`: `A`, or `F` if it had failed; `aside`
    where it was used only for want of others."""

    number: str
    words: str = ""
    state: str = "A"


class MapGroup(msgspec.Struct):
    selector: str
    paths: list[MapPath]


class RecordedMap(msgspec.Struct):
    """A map when the trace began. `mode`: its queue mode; `sectors`: its size, in sectors of 512 bytes."""

    name: str
    sectors: int
    mode: str
    groups: list[MapGroup]
    number: str = ""
    scheduler: str = "none"
    queue_if_no_path: bool = False


class RecordedPath(msgspec.Struct):
    """A path's device. `depth`: how many commands its queue lets be in flight."""

    name: str
    number: str
    depth: int
    weight: int = 1
    scheduler: str = "none"
    max_sectors: int = 2560


class _Batch(msgspec.Struct):
    ios: int = 0
    bytes: int = 0


class _Other(msgspec.Struct):
    ios_not_followed_for_want_of_room: int = 0
    hawser: str = ""
    batch: _Batch = msgspec.field(default_factory=_Batch)
    maps: list[RecordedMap] | None = None
    paths: list[RecordedPath] | None = None


class _File(msgspec.Struct):
    traceEvents: list[msgspec.Raw]  # noqa: N815
    otherData: _Other = msgspec.field(default_factory=_Other)  # noqa: N815


class TraceIo(msgspec.Struct):
    """An I/O of a client's. `device`: where it came in; `client`: the number of its connection. `end_ns` is -1 if it had not
    ended. `outcome` is empty if it succeeded."""

    number: int
    at_ns: int
    op: int
    sector: int
    size: int
    flags: int
    client: int
    device: str = ""
    end_ns: int = -1
    outcome: str = ""
    why: str = ""


class TraceCommand(msgspec.Struct):
    """A command that a queue's driver was sent; `in_flight` there then, itself included (0: the file does not say)."""

    number: int
    queue: str
    at_ns: int
    op: int
    sector: int
    size: int
    ios: list[int]
    in_flight: int = 0
    end_ns: int = -1
    outcome: str = ""


class Recording(msgspec.Struct):
    """A trace. Times are nanoseconds from its beginning; `ios` and `commands` are in the order in which they began.

    `passed_over`: I/Os that were not followed for want of room. `batch_ios`, `batch_bytes`: where a connection cuts what it has
    read into batches (0: nowhere)."""

    path: str
    version: str
    passed_over: int
    batch_ios: int
    batch_bytes: int
    maps: list[RecordedMap]
    paths: list[RecordedPath]
    ios: list[TraceIo]
    commands: list[TraceCommand]

    def map_named(self, name: str) -> RecordedMap:
        """The map of that name or number, or the only one. TraceError names those that there are."""
        names = ", ".join(each.name for each in self.maps)
        if not name and len(self.maps) == 1:
            return self.maps[0]
        for found in self.maps:
            if name and name in (found.name, found.number):
                return found
        if not name:
            raise TraceError(f"{self.path} has several maps, {names}: say which, --map NAME")
        raise TraceError(f"{self.path} has no map {name!r}; it has {names}")

    def paths_of(self, recorded: RecordedMap) -> list[RecordedPath]:
        """The paths of a map, in the order of its table."""
        known = {path.number: path for path in self.paths}
        numbers = [path.number for group in recorded.groups for path in group.paths]
        for number in numbers:
            if number not in known:
                raise TraceError(
                    f"{self.path}: otherData.paths: there is no path {number}, which map {recorded.name} has"
                )
        return [known[number] for number in numbers]

    def asked_of(self, recorded: RecordedMap) -> list[TraceIo]:
        """What clients asked of a map; not what looks after paths asked those. TraceError when clients used another device."""
        found = [io for io in self.ios if io.device == recorded.name]
        if found:
            return found
        own = [path.name for path in self.paths]
        others = sorted({io.device for io in self.ios if io.device not in own})
        if others:
            raise TraceError(
                f"{self.path}: no I/O came to map {recorded.name} itself, but to {', '.join(others)}: "
                "what stands on a map, or below it, is not replayed"
            )
        raise TraceError(f"{self.path}: no I/O came to map {recorded.name} while it was recorded")


class _Reading:
    def __init__(self, path: str) -> None:
        self.path = path
        self.place = 0
        self.last_us = 0.0
        self.ios: dict[int, TraceIo] = {}
        self.commands: dict[int, TraceCommand] = {}
        self.ended: set[tuple[str, int]] = set()
        # The command of each queue that has just been sent: how many are in flight is told right behind it.
        self.just_sent: dict[str, TraceCommand] = {}

    def wrong(self, text: str) -> TraceError:
        return TraceError(f"{self.path}: event {self.place} of traceEvents: {text}")

    def take(self, event: _Event) -> None:
        if event.ph == "C":
            self._count(event)
        if event.ph not in ("b", "n", "e") or event.cat not in ("io", "command"):
            return
        at_ns = self._time(event)
        number = self._number(event)
        key = (event.cat, number)
        if key in self.ended:
            raise self.wrong(f"{event.cat} {event.id} has ended before")
        if event.ph == "b":
            self._begin(event, at_ns, number)
            return
        known = number in (self.ios if event.cat == "io" else self.commands)
        if not known:
            raise self.wrong(f"{event.cat} {event.id} has no beginning")
        if event.ph == "e":
            self.ended.add(key)
        if event.cat == "io":
            self._go_on(self.ios[number], event, at_ns)
        elif event.ph == "e":
            self._end_command(self.commands[number], event, at_ns)

    def _count(self, event: _Event) -> None:
        sent = self.just_sent.pop(event.name.removesuffix(_IN_FLIGHT), None)
        if sent is None or event.args.commands is None:
            return
        if event.args.commands < 1:
            raise self.wrong(f"{event.name}: {event.args.commands}, though a command was just sent")
        sent.in_flight = event.args.commands

    def _time(self, event: _Event) -> int:
        if event.ts is None or not 0 <= event.ts < 1e15:
            raise self.wrong("wants a time (ts), in microseconds from the beginning of the trace")
        if event.ts < self.last_us:
            raise self.wrong(f"time goes backwards, from {self.last_us:g} to {event.ts:g} microseconds")
        self.last_us = event.ts
        return round(event.ts * NS_PER_US)

    def _number(self, event: _Event) -> int:
        try:
            return int(event.id, 16)
        except ValueError:
            raise self.wrong(f"id {event.id!r} is no hexadecimal number such as 0x1f") from None

    def _begin(self, event: _Event, at_ns: int, number: int) -> None:
        if number in (self.ios if event.cat == "io" else self.commands):
            raise self.wrong(f"{event.cat} {event.id} has begun before")
        if event.cat == "io":
            op, size, sector, flags = self._words(event.name)
            if event.args.client is None:
                raise self.wrong(f"an I/O's beginning has no number of its client (args.client): {_AGAIN}")
            for word in event.args.flags:
                if word not in _FLAGS:
                    raise self.wrong(f"flag {word!r} is none of {', '.join(_FLAGS)}")
                flags |= _FLAGS[word]
            self.ios[number] = TraceIo(number, at_ns, op, sector, size, flags, event.args.client)
            return
        queue, colon, words = event.name.rpartition(": ")
        if not colon:
            raise self.wrong(f"a command is called QUEUE: OPERATION, not {event.name!r}")
        op, size, sector, _ = self._words(words)
        command = TraceCommand(number, queue, at_ns, op, sector, size, event.args.ios or [])
        self.commands[number] = command
        self.just_sent[queue] = command

    def _words(self, name: str) -> tuple[int, int, int, int]:
        """Operation, bytes, sector, flags."""
        match = _NAME.fullmatch(name)
        if match is None or (match[2] is None and match[1] != "flush"):
            raise self.wrong(f"{name!r} is no operation such as `write 4096 @ 1024 fua` or `flush`")
        size, sector = int(match[2] or 0), int(match[3] or 0)
        return _OPS[match[1]], size, sector, FUA if match[4] else 0

    def _go_on(self, io: TraceIo, event: _Event, at_ns: int) -> None:
        if event.ph == "n":
            if event.name == QUEUED and not io.device:
                io.device = event.args.detail
            elif event.name == MAPPED:
                io.why = event.args.detail
        elif event.args.detail != STILL_OPEN:
            io.end_ns = at_ns
            io.outcome = event.args.detail

    def _end_command(self, command: TraceCommand, event: _Event, at_ns: int) -> None:
        if event.args.detail != STILL_OPEN:
            command.end_ns = at_ns
            command.outcome = "" if event.args.detail == "ok" else event.args.detail


def read_trace(path: str | Path) -> Recording:
    """A trace file. TraceError when it is none, is too large, or lacks what a replay needs."""
    shown = str(path)
    try:
        size = Path(path).stat().st_size
        if size > FILE_BYTES_MAX:
            raise TraceError(
                f"{shown}: {size:,} bytes are more than the {FILE_BYTES_MAX:,} that are read; trace fewer seconds"
            )
        text = Path(path).read_bytes()
    except OSError as error:
        raise TraceError(f"{shown}: {error.strerror}") from None
    try:
        whole = msgspec.json.decode(text, type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TraceError(f"{shown}: no trace of `hawser trace`: {error}") from None
    if len(whole.traceEvents) > EVENTS_MAX:
        raise TraceError(
            f"{shown}: {len(whole.traceEvents):,} events are more than {EVENTS_MAX:,}; trace fewer seconds"
        )
    reading = _Reading(shown)
    decoder: Any = msgspec.json.Decoder(_Event)
    for place, raw in enumerate(whole.traceEvents):
        reading.place = place
        try:
            event = decoder.decode(raw)
        except msgspec.MsgspecError as error:
            raise reading.wrong(str(error)) from None
        reading.take(event)
    return _recording(shown, whole.otherData, reading)


def _recording(shown: str, other: _Other, reading: _Reading) -> Recording:
    if not other.maps or not other.paths:
        raise TraceError(f"{shown}: otherData does not say which maps and paths it was recorded from: {_AGAIN}")
    for recorded in other.maps:
        if recorded.sectors < 1:
            raise TraceError(
                f"{shown}: otherData.maps: {recorded.name} has {recorded.sectors} sectors, want 1 at least"
            )
    for path in other.paths:
        if path.depth < 1:
            raise TraceError(f"{shown}: otherData.paths: {path.name} has depth {path.depth}, want 1 at least")
    sizes = {recorded.name: recorded.sectors for recorded in other.maps}
    for io in reading.ios.values():
        if io.device in sizes and io.sector + (io.size >> SECTOR_SHIFT) > sizes[io.device]:
            raise TraceError(
                f"{shown}: I/O 0x{io.number:x}: sectors from {io.sector} on, {io.size} bytes, are not on {io.device}, "
                f"which has {sizes[io.device]} sectors"
            )
    return Recording(
        path=shown,
        version=other.hawser,
        passed_over=other.ios_not_followed_for_want_of_room,
        batch_ios=other.batch.ios,
        batch_bytes=other.batch.bytes,
        maps=other.maps,
        paths=other.paths,
        ios=list(reading.ios.values()),
        commands=list(reading.commands.values()),
    )
