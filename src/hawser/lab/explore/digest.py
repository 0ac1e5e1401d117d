"""Digest: a small world's state as sixteen bytes; equal if and only if nothing that decides about the future differs.

A walk over the object graph: every object is numbered when it is first met and is a number from then on, so that it matters who
refers to whom and not where in memory. Compiled classes name their attributes in `__mypyc_attrs__`, interpreted ones keep them in
`__dict__`. Everything counts but for what is named below, with the reason: to leave out too much would hide states from the
exploration, to leave out too little only costs time.
"""

from collections import deque
from hashlib import blake2b
from marshal import dumps
from typing import Final

from hawser.block.limits import QueueLimits
from hawser.block.ops import FLUSH, is_write_class
from hawser.block.orphan import Orphan
from hawser.block.request import Request
from hawser.block.stats import DiskStats
from hawser.core.clock import Clock, Timer, Timers
from hawser.core.log import LogSink
from hawser.core.turn import Turn
from hawser.dm.clone import CloneBio
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.registry import DeviceRegistry
from hawser.dm.table import Table
from hawser.dm.target import TargetContext, TargetHost
from hawser.lab.explore.judge import Judge
from hawser.lab.explore.scenarios import ClientOp
from hawser.lab.explore.small_world import SmallWorld
from hawser.lab.explore.story import Story
from hawser.manager.policy import Policy
from hawser.multipath.disk import SharedDisk
from hawser.multipath.grammar import Geometry
from hawser.multipath.witness import Witness

DIGEST_BYTES: Final = 16
# marshal's last format that knows no references between objects: equal values give equal bytes.
MARSHAL_VERSION: Final = 1

# Nothing in them changes after the world is built, or nothing of theirs decides. An attribute that holds one is left out.
STATIC: Final = (
    Clock, ClientOp, DeviceRegistry, DiskStats, Geometry, Judge, LogSink, MappedDevice, Policy, QueueLimits, Story, Table,
    TargetContext, TargetHost, Turn,
)  # fmt: skip

# Attributes that are left out in every class that has them.
LEFT_OUT: Final = frozenset((
    # Times: those of armed timers count, as what is left of them (`Timers`).
    "deadline_ns", "ticket", "start_ns", "expires_ns", "_pending_since_ns", "_last_start_ns", "mapped_ns",
    # Counters that are only shown to people.
    "ios", "bytes_done", "fail_count", "proofs", "unproven", "_said_off", "verdicts", "slow_choices", "init_count",
    # What an orphan keeps in memory, and what it is called.
    "buffers", "path_name",
    # Names and other texts, and what is set once.
    "name", "devt", "uri", "limits", "scheduler", "type_name", "ops", "cookie", "weight", "size_sectors", "block_size", "policy",
    "_block_mask", "_fits_bytes", "_fits_segments", "one_segment_bytes", "nr_requests", "parameters", "_serial", "key",
    "has_own_cache", "unit_sectors", "volatile", "keeps_reads", "answers_are_final", "number", "explains",
    "repeat_count", "relative_throughput", "info_args", "table_args", "immutable", "singleton", "depth",
    "gives_up",
    # Pieces of work and ears: they hold nothing once the turn is empty, and who they belong to never changes. A timer counts
    # while it is armed.
    "_run", "_ended", "_kick", "_later", "_replay", "_ear", "_delayed", "_requeue_timer", "_overdue", "_timeout", "_checks",
    "clones", "_clone_owner", "listeners", "events", "listener", "timers",
    # A second name of something that counts under its first.
    "_own_queue", "requests", "own", "shared", "gate",
))  # fmt: skip


# Markers in the flat form, each in a tuple with what belongs to it.
AGAIN: Final = 0
OBJECT: Final = 1
LIST: Final = 2
DICT: Final = 3
TEXT: Final = 4


class Walker:
    """Knows the classes that it has met, and gives them numbers. One for each exploration."""

    def __init__(self) -> None:
        self._numbers: dict[type, int] = {}
        self._attributes: dict[type, list[str]] = {}
        self._flat: list[object] = []
        self._met: dict[int, int] = {}
        self._kept: list[object] = []
        self._counted = 0
        self._since = 0
        self._writes: list[Request | CloneBio] = []

    def digest(self, world: SmallWorld) -> bytes:
        assert not world.turn.pending()
        return blake2b(dumps(self.flat(world), MARSHAL_VERSION), digest_size=DIGEST_BYTES).digest()

    def flat(self, world: SmallWorld) -> list[object]:
        """The state as a flat list of numbers, bytes and markers, with the judge's part as tuples at its end."""
        self._flat = []
        self._met = {}
        self._kept = []
        self._look_at_writes(world.disk)
        for root in world.roots():
            self._visit(root)
        flat = self._flat
        for number in world.judge.key():
            flat.append(number)
        self._kept = []
        return flat

    def _visit(self, value: object) -> None:
        flat = self._flat
        if isinstance(value, int):
            flat.append(int(value))
        elif value is None:
            flat.append(None)
        elif isinstance(value, bytes):
            flat.append(value)
        elif isinstance(value, (bytearray, memoryview)):
            flat.append(bytes(value))
        elif isinstance(value, str):
            flat.append((TEXT, value.encode()))
        elif isinstance(value, (list, tuple, deque)):
            self._visit_sequence(value)
        elif isinstance(value, dict):
            self._visit_dict(value)
        else:
            self._visit_object(value)

    def _is_new(self, value: object) -> bool:
        met = self._met
        number = met.get(id(value), -1)
        if number >= 0:
            self._flat.append((AGAIN, number))
            return False
        met[id(value)] = len(met)
        # What is made on the way must not give its place in memory to another.
        self._kept.append(value)
        return True

    def _visit_sequence(self, values: "list[object] | tuple[object, ...] | deque[object]") -> None:
        if self._is_new(values):
            self._flat.append((LIST, len(values)))
            for value in values:
                self._visit(value)

    def _visit_dict(self, values: dict[object, object]) -> None:
        if self._is_new(values):
            self._flat.append((DICT, len(values)))
            for key, value in values.items():
                assert isinstance(key, (int, str)), "an order of keys that is not the same every time"
                self._visit(key)
                self._visit(value)

    def _visit_object(self, value: object) -> None:
        if not self._is_new(value):
            return
        kind = type(value)
        number = self._numbers.get(kind, -1)
        if number < 0:
            number = len(self._numbers)
            self._numbers[kind] = number
            self._attributes[kind] = attributes_of(value)
        self._flat.append((OBJECT, number))
        if isinstance(value, Timers):
            self._visit_timers(value)
        elif isinstance(value, Witness):
            self._visit_witness(value)
        else:
            for name in self._attributes[kind]:
                if name == "orphans":
                    self._visit_orphans(getattr(value, name))
                elif name == "written_before" and isinstance(value, (Request, CloneBio)) and value.op != FLUSH:
                    # (Of what is not on its way it is set anew.)
                    self._flat.append(value.written_before - self._counted if value in self._writes else None)
                else:
                    self._visit(getattr(value, name))

    def _visit_timers(self, timers: Timers) -> None:
        """The armed timers in the order in which they expire, with what is left of each."""
        for deadline_ns, _, timer in armed(timers):
            self._flat.append(deadline_ns - timers.clock.now_ns)
            self._visit(timer)

    def _look_at_writes(self, disk: SharedDisk) -> None:
        """Those that are on their way, as the targets have them, and since when, from what the witness has counted."""
        self._counted = disk.witness.count
        self._writes = []
        for request in disk.outstanding():
            if is_write_class(request.op):
                clones = [bio for bio in request.bios if isinstance(bio, CloneBio)]
                self._writes.extend(clones or [request])
        self._since = min((write.written_before for write in self._writes), default=self._counted)

    def _visit_witness(self, witness: Witness) -> None:
        """What it can still testify: an entry that a later one touches never comes back. And what was acknowledged, or uncertain,
        beside the writes that are on their way."""
        flat = self._flat
        for testimony in witness.testimonies():
            flat.append(testimony.sector)
            flat.append(bytes(testimony.data))
        for entry in witness._ring:
            if entry is not None and entry.number >= self._since:
                flat.extend((entry.number - self._counted, entry.sector, entry.end))
        for uncertain in witness._uncertain:
            if uncertain.number >= self._since:
                flat.extend((uncertain.number - self._counted, uncertain.start, uncertain.end))
                orphan = uncertain.orphan
                flat.append(orphan is not None)
                for write in self._writes:
                    flat.append(orphan is not None and orphan in (_orphans_of(write) or []))
        flat.append(max(witness._lost, self._since - 1) - self._counted)

    def _visit_orphans(self, orphans: object) -> None:
        """Those that are resolved have no say any more, whoever still refers to them."""
        left: list[object] = []
        if orphans is None:
            orphans = left
        assert isinstance(orphans, list)
        for orphan in orphans:
            if isinstance(orphan, Orphan) and not orphan.proof:
                left.append(orphan)
        self._flat.append(len(left))
        for orphan in left:
            self._visit(orphan)


def _orphans_of(write: Request | CloneBio) -> list[Orphan] | None:
    if isinstance(write, CloneBio):
        return write.original.orphans
    return write.original.orphans if write.original is not None else write.orphans


def armed(timers: Timers) -> list[tuple[int, int, Timer]]:
    """The live entries of the heap, in order."""
    return sorted([entry for entry in timers._heap if entry[2].ticket == entry[1]], key=_when)


def _when(entry: tuple[int, int, Timer]) -> tuple[int, int]:
    return entry[0], entry[1]


def attributes_of(value: object) -> list[str]:
    """The attributes of an object that count, by name, whether its class is compiled or not."""
    names: list[str] = []
    for kind in type(value).__mro__:
        for name in getattr(kind, "__mypyc_attrs__", ()):
            names.append(name)
    names.extend(getattr(value, "__dict__", {}))
    return [name for name in sorted(set(names)) if not name.startswith("__") and _counts(name, getattr(value, name))]


def _counts(name: str, value: object) -> bool:
    return name not in LEFT_OUT and not isinstance(value, STATIC) and not callable(value)
