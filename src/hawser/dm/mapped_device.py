"""MappedDevice: a block device whose I/O is mapped by a table of targets.

Linux: struct mapped_device (drivers/md/dm.c). A device's type, bio-based or request-based, is fixed by its first table.
"""

from collections.abc import Callable

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.limits import STACKING_START
from hawser.block.plug import Plug
from hawser.block.request import Request, RequestOwner
from hawser.core.clock import Clock, Timers
from hawser.core.log import LogSink
from hawser.core.status import IOERR
from hawser.core.turn import Turn, Work
from hawser.dm.bio_based import BioStack
from hawser.dm.clone import CloneBio
from hawser.dm.request_based import RequestStack
from hawser.dm.stack import Stack
from hawser.dm.table import Table, TableLine, load_table
from hawser.dm.target import BIO_BASED, DeviceFinder, MessageError, TableError, TargetContext, TargetHost


class _NoTable(Work):
    def __init__(self, bio: Bio) -> None:
        self.bio = bio

    def run(self) -> None:
        self.bio.complete(IOERR)


class MappedDevice(BlockDevice):
    """Named `name` by people and `major:minor` by tables. Without a live table every I/O to it fails."""

    def __init__(self, name: str, devt: str, turn: Turn, clock: Clock, timers: Timers, log: LogSink) -> None:
        super().__init__(name, devt, 0, STACKING_START, turn)
        self.uuid = ""
        self.clock = clock
        self.timers = timers
        self.log = log
        self.event_nr = 0
        self.open_count = 0
        self.event_hooks: list[Callable[[], None]] = []
        self.table: Table | None = None
        self.kind = ""
        self._stack: Stack | None = None
        self._host = _Host(self)

    def load(self, lines: list[TableLine], devices: DeviceFinder) -> None:
        """Make `lines` the live table of a device that has none yet. TableError says why not; then nothing has changed."""
        if self.table is not None:
            raise TableError(f"{self.devt}: has a live table already", "EBUSY")
        if not lines:
            raise TableError(f"{self.devt}: a table needs at least one line")
        context = TargetContext(devices, self._host, self.turn, self.clock, self.timers, self.log)
        table = load_table(lines, context)
        self.kind = table.kind
        if table.kind == BIO_BASED:
            self._stack = BioStack(self.turn)
        else:
            self._stack = RequestStack(self.name, table.limits, self.turn, self.timers)
        self.queue = self._stack.queue
        self.table = table
        self.size_sectors = table.size_sectors
        self.set_limits(table.limits)
        for device in table.devices():
            self.read_only = self.read_only or device.read_only
            self.disk = self.disk or device.disk
        self._stack.set_table(table)

    def start(self, bio: Bio, plug: Plug) -> None:
        stack = self._stack
        if stack is None:
            self.turn.defer(_NoTable(bio))
        else:
            stack.start(bio, plug)

    def idle(self) -> bool:
        if self._stack is None or self.table is None:
            return True
        return self._stack.idle() and all(target.idle() for target in self.table.targets)

    def congested(self) -> bool:
        """Whether submitters should hold back: too much waits for a tag, for a path or behind fences (I6)."""
        if self.queue is not None and self.queue.congested():
            return True
        if self.table is not None:
            for target in self.table.targets:
                if target.congested():
                    return True
        return False

    def cancel_dead(self) -> None:
        if self._stack is not None:
            self._stack.cancel_dead()

    def message(self, sector: int, words: list[str]) -> str:
        """`dmsetup message`: to the target at `sector`. MessageError when nobody takes it."""
        if not words or words == [""]:
            raise MessageError("Empty message received.")
        if self.table is None:
            raise MessageError("The device has no table.")
        if not 0 <= sector < self.size_sectors:
            raise MessageError("Target message sector outside device.")
        return self.table.find(sector).message(words)

    def raise_event(self) -> None:
        self.event_nr += 1
        for hook in self.event_hooks:
            hook()

    def stack(self) -> Stack:
        assert self._stack is not None
        return self._stack


class _Host(TargetHost):
    """The device as its targets see it."""

    def __init__(self, device: MappedDevice) -> None:
        self.device = device

    def requeue_request(self, request: Request, delayed: bool) -> None:
        self.device.stack().requeue_request(request, delayed)

    def kick_requeued(self) -> None:
        self.device.stack().kick_requeued()

    def clone_owner(self) -> RequestOwner:
        return self.device.stack().clone_owner()

    def finish_request(self, clone: Request) -> None:
        self.device.stack().finish_request(clone)

    def map_again(self, clones: list[CloneBio]) -> None:
        self.device.stack().map_again(clones)

    def finish_bio(self, clone: CloneBio) -> None:
        self.device.stack().finish_bio(clone)

    def raise_event(self) -> None:
        self.device.raise_event()

    def name(self) -> str:
        return self.device.devt
