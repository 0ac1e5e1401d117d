"""Referee: hears of every I/O as its client sees it, and tells the oracles; keeps what was wrong.

It judges I1 (every bio completes exactly once), I2 and durability (hawser.lab.oracles.history) and, with the sentinel's
stopwatch, I4 (nothing waits for a dead path longer than the timeouts while a usable one exists).
"""

from typing import Final

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.ops import DISCARD, FLUSH, FUA, PREFLUSH, READ, WRITE
from hawser.block.request import ANSWERED
from hawser.core.status import INVAL, IOERR, MEDIUM, NOTSUPP, OK, status_name
from hawser.core.units import SECTOR_SHIFT, SECTOR_SIZE
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.targets.striped import StripedTarget
from hawser.lab.clients import SimClient
from hawser.lab.devices.hardware import Hardware
from hawser.lab.judge import Judge
from hawser.lab.oracles.history import History, Write
from hawser.lab.oracles.stopwatch import Stopwatch
from hawser.lab.payload import decode, value_of
from hawser.multipath.fence import FenceSet

FAULTS_MAX: Final = 20


class _Open:
    """A bio that has no answer yet, and what the oracles need when it has."""

    def __init__(self, bio: Bio, client: SimClient) -> None:
        self.bio = bio
        self.client = client
        self.written: list[Write] = []
        self.started = 0
        self.stopwatch_ns = 0
        self.is_over = False
        self.skipped = 0
        # Whether nothing was wrong when it began.
        self.was_peaceful = False


class Referee(Judge):
    """`faults` are what was wrong, in words; at most FAULTS_MAX are kept. `shifts`: what is added to sectors of the device that a
    client has open, to give those of the history."""

    def __init__(self, hardware: Hardware, history: History, stopwatch: Stopwatch) -> None:
        self.hardware = hardware
        self.history = history
        self.stopwatch = stopwatch
        self.faults: list[str] = []
        self.bios = 0
        self.shifts: dict[str, int] = {}
        # Of the disks of this era.
        self.fences: list[FenceSet] = []
        self._open: dict[int, _Open] = {}
        self._opened: dict[str, int] = {}
        self._writes = 0

    def fault(self, text: str) -> None:
        """Something was wrong."""
        if text and len(self.faults) < FAULTS_MAX:
            self.faults.append(text)
            self.hardware.trace.note("judge", "fault", text)

    def next_write(self) -> int:
        self._writes += 1
        return self._writes

    def opened(self, client: SimClient) -> None:
        self.history.moment += 1
        self._opened[client.name] = self.history.moment

    def died(self, client: SimClient) -> None:
        """Nobody will hear of its open I/O: for everybody else its writes have failed now, and must not appear later on."""
        for state in self._open.values():
            if state.client is client and not state.is_over:
                state.is_over = True
                self._end_write(state, ok=False)

    def began(self, client: SimClient, bio: Bio, write: int) -> None:
        self.bios += 1
        state = _Open(bio, client)
        state.stopwatch_ns = self.stopwatch.begin()
        state.was_peaceful = self.hardware.is_peaceful
        if bio.op == READ:
            state.started = self.history.begin_read()
        elif bio.op == FLUSH:
            state.started = self.history.begin_flush()
        else:
            if bio.flags & PREFLUSH:
                state.started = self.history.begin_flush()
            state.skipped = self._skipped()
            self._begin_write(state, write)
        self._look_at_size(client.device, bio)
        self._open[id(bio)] = state

    def _look_at_size(self, device: BlockDevice, bio: Bio) -> None:
        """Marks of what has to be cut."""
        limits = device.limits
        if bio.size > limits.max_sectors << SECTOR_SHIFT:
            self.hardware.marks.hit("split")
        chunk = limits.chunk_sectors
        if chunk and bio.op < DISCARD and bio.size and bio.sector // chunk != (bio.end_sector() - 1) // chunk:
            is_striped = isinstance(device, MappedDevice) and isinstance(device.live_targets()[0], StripedTarget)
            self.hardware.marks.hit("stripe cut" if is_striped else "chunk cut")

    def _begin_write(self, state: _Open, write: int) -> None:
        bio = state.bio
        for other in self._open.values():
            if other.written and other.client is not state.client:
                first, second = self._sector(state), self._sector(other)
                if first < second + len(other.written) and second < first + (bio.size // SECTOR_SIZE):
                    self.hardware.marks.hit("clients raced")
        count = bio.size // SECTOR_SIZE
        values = [value_of(write, index) for index in range(count)] if bio.op == WRITE else [0] * count
        state.written = self.history.begin_write(self._sector(state), values)

    def is_being_written(self, start: int, end: int) -> bool:
        """Whether a write of some of these sectors of the history has no answer yet."""
        for state in self._open.values():
            first = self._sector(state)
            if state.written and first < end and start < first + len(state.written):
                return True
        return False

    def _sector(self, state: _Open) -> int:
        """Where the history has it."""
        return state.bio.sector + self.shifts.get(state.client.plan.device, 0)

    def ended(self, client: SimClient, bio: Bio) -> None:
        state = self._open.pop(id(bio), None)
        if state is None:
            self.fault(f"completed twice: {bio.describe()}")
            return
        waited_ns = self.stopwatch.end(state.stopwatch_ns)
        if waited_ns > self.stopwatch.bound_ns and not client.dead:
            self.fault(
                f"{bio.describe()} waited {waited_ns / 1e9:.3f} s although a path could be used and no fence held it; "
                f"the timeouts allow {self.stopwatch.bound_ns / 1e9:.3f} s"
            )
        if bio.status != OK:
            self._look(client, bio)
            if state.was_peaceful and self.hardware.is_peaceful and not client.dead:
                self._judge_failure(client, bio)
        if bio.op == READ:
            self._end_read(state)
        elif bio.op == FLUSH:
            self._end_flush(state, bio.status == OK and not state.is_over)
        elif not state.is_over:
            self._end_write(state, bio.status == OK)

    def _look(self, client: SimClient, bio: Bio) -> None:
        """Marks of how I/O ends."""
        marks = self.hardware.marks
        if bio.status == MEDIUM:
            marks.hit("medium error told")
        elif bio.status == IOERR and bio.fate == ANSWERED and bio.op != FLUSH and not client.dead:
            marks.hit("answered error told")
        if bio.op == FLUSH and bio.status != OK and client.doubt_seen(client.disk) != client.disk.doubt:
            marks.hit("flush refused in doubt")

    def _judge_failure(self, client: SimClient, bio: Bio) -> None:
        """Nothing was wrong all the time: only what is not offered, or no whole blocks, may fail (invariant I3)."""
        unit = client.device.limits.logical_block_size
        is_refused = bio.status == INVAL and (bio.sector << SECTOR_SHIFT | bio.size) % unit != 0
        if not is_refused and (bio.status != NOTSUPP or bio.op < DISCARD):
            self.fault(
                f"{client.name}: {bio.describe()} fails with {status_name(bio.status)} error although nothing is wrong"
            )

    def _end_read(self, state: _Open) -> None:
        bio = state.bio
        values: list[int] | None = None
        if bio.status == OK and not state.is_over:
            if bio.data is None or len(bio.data) != bio.size:
                self.fault(f"{bio.describe()} succeeded without its data")
            else:
                values = decode(bio.data)
        fault = self.history.end_read(self._sector(state), state.started, values)
        if fault:
            self.fault(f"{state.client.name}: {bio.describe()} returned what it must not: {fault}")

    def _end_flush(self, state: _Open, ok: bool) -> None:
        fault = self.history.end_flush(state.started, self._opened[state.client.name], ok)
        if fault:
            self.fault(f"{state.client.name}: {fault}")

    def _skipped(self) -> int:
        """How many discards have been left out behind fences."""
        return sum([fences.skipped_discards for fences in self.fences])

    def _end_write(self, state: _Open, ok: bool) -> None:
        bio = state.bio
        if bio.op == DISCARD and self._skipped() != state.skipped:
            # It may be one of these: it has taken effect, or never will. The same is known of a write that has failed.
            ok = False
        if state.written:
            if bio.flags & PREFLUSH:
                self._end_flush(state, ok)
            durable = ok and bool(bio.flags & FUA) and bio.op < DISCARD
            self.history.end_write(self._sector(state), state.written, ok, durable)

    def power_lost(self) -> None:
        """Everything that was open is gone with its client."""
        for state in self._open.values():
            if state.bio.op == READ:
                self.history.end_read(self._sector(state), state.started, None)
            elif state.written and not state.is_over:
                self._end_write(state, ok=False)
        self._open = {}

    def left_open(self) -> list[str]:
        """The I/O that has no answer."""
        return [f"{state.client.name}: {state.bio.describe()}" for state in self._open.values()]
