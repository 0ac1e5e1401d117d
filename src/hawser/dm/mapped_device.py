"""MappedDevice: a block device whose I/O is mapped by a table of targets.

Linux: struct mapped_device (drivers/md/dm.c), and of dm-ioctl.c table_load(), do_resume() and table_clear(). A device's type,
bio-based or request-based, is fixed by the first table that is loaded. How it holds I/O back is in hawser.dm.suspension.
"""

from collections.abc import Callable
from typing import Final

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.limits import STACKING_START, QueueLimits
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.block.request import Request
from hawser.core.clock import Clock, Timers
from hawser.core.log import LogSink
from hawser.core.status import IOERR
from hawser.core.turn import Turn
from hawser.dm.bio_based import BioStack
from hawser.dm.host import Host
from hawser.dm.parameters import Parameters
from hawser.dm.request_based import QueueMaker, RequestStack
from hawser.dm.retired import RetiredTables
from hawser.dm.stack import Stack
from hawser.dm.suspension import DEFERRED_MAX, SUSPENDED, SUSPENDING, ControlError, ControlListener, Suspension
from hawser.dm.table import ADDING_FAILED, Table, TableLine, check_replacement, load_table
from hawser.dm.target import (
    BIO_BASED,
    DeviceFinder,
    MessageError,
    TableError,
    Target,
    TargetContext,
)

FIRST_LOAD_FAILED: Final = (
    "core: Cannot calculate initial queue limits",
    "ioctl: unable to set up device queue for new table.",
)


@mypyc_attr(allow_interpreted_subclasses=True)
class TableListener:
    """Who looks after the targets of a device."""

    def table_swapped(self) -> None:
        """The device has another live table, through which nothing has gone yet."""
        raise NotImplementedError


class MappedDevice(BlockDevice):
    """Named `name` by people and `major:minor` by tables. Without a live table every I/O to it fails.

    `table` is the live one, `inactive` the one that the next resume makes live.
    """

    def __init__(self, name: str, devt: str, turn: Turn, clock: Clock, timers: Timers, log: LogSink) -> None:
        super().__init__(name, devt, 0, STACKING_START, turn)
        self.uuid = ""
        self.clock = clock
        self.timers = timers
        self.log = log
        self.event_nr = 0
        self.hw_queues = 1
        # By how many clients it is open; those of mapped devices above are the registry's to count.
        self.open_count = 0
        # Whether it goes when the last client does (`dmsetup remove --deferred`); whether something else depends on it.
        self.deferred_remove = False
        self.in_service = False
        self.removed = False
        # Cylinders, heads, sectors and start, for whoever asks; forgotten when the size changes.
        self.geometry = (0, 0, 0, 0)
        self.event_hooks: list[Callable[[], None]] = []
        self.table_listeners: list[TableListener] = []
        self.table: Table | None = None
        self.inactive: Table | None = None
        # Whether the tables were loaded read-only.
        self.table_read_only = False
        self.inactive_read_only = False
        # Whether somebody has said so of the device itself (Linux: BLKROSET).
        self.said_read_only = False
        self.kind = ""
        self.make_queue: QueueMaker = RequestQueue
        self._stack: Stack | None = None
        # The stack that takes bios; None when they have to be kept or fail.
        self._open: Stack | None = None
        # What a bio-based device's bios go to; a request-based one keeps in its own queue what cannot go yet.
        self._below: list[BlockDevice] = []
        self._abandoned = False
        self._suspension = Suspension(self)
        self.retired = RetiredTables(turn)
        self._host = Host(self)

    # Tables.

    def load(self, lines: list[TableLine], devices: DeviceFinder, read_only: bool = False) -> None:
        """Make `lines` the inactive table. TableError says why not; then nothing has changed. Linux: table_load()."""
        if not lines:
            message = "populate_table: no targets specified"
            raise TableError(message, "EINVAL", [f"ioctl: {message}"])
        context = TargetContext(devices, self._host, self.turn, self.clock, self.timers, self.log, self.disk)
        table = load_table(lines, context, self.kind, self.table.kind if self.table is not None else "")
        try:
            self._check_table(table)
            if self._stack is None:
                self._first_load(table, devices.module_parameters())
            devices.module_parameters().use_reserve(table.kind == BIO_BASED)
        except BaseException:
            table.destroy()
            raise
        self.clear()
        self.inactive = table
        self.inactive_read_only = read_only

    def clear(self) -> None:
        """Drop the inactive table, if there is one."""
        if self.inactive is not None:
            self.inactive.destroy()
            self.inactive = None

    def _check_table(self, table: Table) -> None:
        """Refuse what may not replace the live table, or is not of the device's kind."""
        for target in table.targets:
            for device in target.devices():
                # Unlike the kernel, which finds out only about a table that names the device itself.
                if device is self or (isinstance(device, MappedDevice) and device.stands_on(self)):
                    message = f"{self.devt}: {target.type_name}: {target.lookup_error} (-EINVAL)"
                    raise TableError(message, "EINVAL", [f"table: {message}", ADDING_FAILED])
        check_replacement(table, self.table, self.kind)

    def _first_load(self, table: Table, parameters: Parameters) -> None:
        """The first table that is loaded decides the kind, for ever, and must fit at once. Linux: dm_setup_md_queue()."""
        try:
            limits = table.calculate_limits(self.devt, self.log)
        except TableError as error:
            raise TableError(str(error), error.errno_name, [*error.log, *FIRST_LOAD_FAILED]) from None
        self.kind = table.kind
        if self.kind == BIO_BASED:
            # Discards are cut at the door, reads and writes where they are going (Linux: dm_split_and_process_bio()).
            self.cuts_reads_and_writes = False
            self._stack = BioStack(self.turn, self.clock, self.stats)
        else:
            depth, self.hw_queues = parameters.use_queues()
            stack = RequestStack(self.name, limits, self.turn, self.timers, self.make_queue, depth, self.hw_queues)
            self.stats = stack.own.stats
            self._stack = stack
        self._stack.device = self
        self.queue = self._stack.queue
        self.set_limits(limits)
        if self.is_suspended():
            self.close(False)
            self.drained()

    def minor(self) -> int:
        """The second half of its number."""
        return int(self.devt.partition(":")[2])

    def disk_name(self) -> str:
        return f"dm-{self.minor()}"

    def shows_read_only(self) -> bool:
        """Whether programs may not write to it. Linux: get_disk_ro()."""
        return self.table_read_only or self.said_read_only

    def tables(self) -> list[Table]:
        """The live and the inactive table, those that there are."""
        return [table for table in (self.table, self.inactive) if table is not None]

    def uses(self, below: BlockDevice) -> bool:
        """Whether a table of it names `below`, and so holds it open."""
        for table in self.tables():
            if below in table.devices():
                return True
        return False

    def stands_on(self, below: BlockDevice) -> bool:
        """Whether I/O of this device may come to `below`."""
        for device in self.table.devices() if self.table is not None else []:
            if device is below or (isinstance(device, MappedDevice) and device.stands_on(below)):
                return True
        return False

    def _limits_with(self, table: Table) -> QueueLimits:
        """What the limits will be when `table` is live. TableError when the devices below it do not fit."""
        if self.table is not None and table.has_no_data_devices():
            # What is parked until a path appears was cut to the old limits.
            return table.retain_limits(self.limits)
        return table.calculate_limits(self.devt, self.log)

    def _swap(self, table: Table, limits: QueueLimits) -> None:
        """Make `table` live. Nothing is in flight. Linux: dm_swap_table()."""
        old = self.table
        devices = table.devices()
        changed = old is not None and (limits != self.limits or table.size_sectors != self.size_sectors)
        stack = self.stack()
        self.table = table
        self._below = devices if table.kind == BIO_BASED else []
        if table.size_sectors != self.size_sectors:
            self.geometry = (0, 0, 0, 0)
        self.size_sectors = table.size_sectors
        self.set_limits(limits)
        was_read_only = self.table_read_only
        self.table_read_only = self.inactive_read_only
        if devices or was_read_only or self.table_read_only:
            self.read_only = self.table_read_only or any(device.read_only for device in devices)
        self.disk = table.disk(self.disk)
        stack.set_table(table, limits)
        if changed:
            stack.refit(self, table.faithful)
        if old is not None:
            self.retired.add(old)
        for listener in self.table_listeners:
            listener.table_swapped()

    # Suspend and resume.

    def suspend(self, noflush: bool, listener: ControlListener | None = None) -> None:
        """Hold I/O back and wait for what is in flight; `listener` is told in a later turn.

        With `noflush`, I/O without a path or behind a fence is kept and goes through the next table, and withheld writes are not
        waited for. Without, what has no path fails. ControlError (EBUSY) while a suspend of the other kind is under way.
        """
        self._suspension.begin(noflush, listener)

    def prepare_suspend(self) -> None:
        """Tell the targets of a flushing suspend that is to follow, unless it is forgotten."""
        self._suspension.prepare()

    def forget_preparation(self) -> None:
        """The suspend does not follow; what the targets have made of it stays until a resume."""
        self._suspension.prepared = False

    def cancel_suspend(self) -> None:
        """Give up a suspend that is not complete; its listener is told. Without one nothing happens."""
        if self._suspension.state == SUSPENDING:
            self._suspension.cancel()

    def resume(self, listener: ControlListener | None = None, noflush: bool = False) -> bool:
        """Swap the inactive table in, if there is one, and let I/O flow.

        Whether it is done. It is not when there is a table to swap and I/O flows: then the device is suspended first (`noflush`
        or not), and `listener` is told. TableError: the new table is dropped, the device stays suspended with the old one.
        Without a new table a suspend that is under way is cancelled. ControlError: it is suspended and has no table at all.
        """
        suspension = self._suspension
        if self.inactive is not None and self.table is not None and suspension.state != SUSPENDED:
            suspension.then_resume(noflush, listener)
            return False
        if suspension.state == SUSPENDING:
            suspension.cancel()
        elif suspension.state == SUSPENDED or self.inactive is not None:
            self.resume_now()
        return True

    def resume_now(self) -> None:
        """Of a device that is suspended, or has no live table yet."""
        table = self.inactive
        if table is not None:
            self.inactive = None
            try:
                limits = self._limits_with(table)
            except BaseException:
                table.destroy()
                raise
            self._swap(table, limits)
        if self.table is None:
            raise ControlError("The device has no table.", "EINVAL")
        for target in self.table.targets:
            target.resume()
        self._suspension.end()

    def is_suspended(self) -> bool:
        """Whether a suspend is complete."""
        return self._suspension.state == SUSPENDED

    def is_suspending(self) -> bool:
        """Whether a suspend is under way."""
        return self._suspension.state == SUSPENDING

    def abandon(self) -> None:
        """The process ends: whatever waits for a fence or a resume fails, as nothing will come of it any more."""
        self._abandoned = True
        for table in self._tables():
            for target in table.targets:
                target.abandon()
        if self.is_suspended():
            self._open = None
            if self._stack is not None:
                self._stack.fail_waiting()
        self._suspension.abandon()

    def remove(self) -> None:
        """It goes away, and nobody uses it any more. Linux: __dm_destroy()."""
        self.clear()
        if self.table is not None:
            if not self.is_suspended():
                for target in self.table.targets:
                    target.presuspend(False)
                    target.postsuspend()
            self.abandon()
            for table in self._tables():
                table.destroy()
        self.retired.tables = []
        self.table = None
        self._open = None

    # What Suspension asks of the device.

    def live_targets(self) -> list[Target]:
        return self.table.targets if self.table is not None else []

    def close(self, noflush: bool) -> None:
        """Begin no more I/O."""
        stack = self._stack
        if stack is not None:
            if not stack.takes_while_blocked:
                self._open = None
            stack.block(noflush, self._suspension, self._suspension.returned)

    def drained(self) -> None:
        if self._stack is not None:
            self._stack.drained()

    def open(self) -> None:
        stack = self._stack
        if stack is not None:
            if self.table is not None:
                self._open = stack
            stack.unblock()

    def in_flight(self) -> int:
        return self._stack.in_flight() if self._stack is not None else 0

    def withheld(self) -> int:
        """Writes that have succeeded and are not told yet, in tables that were replaced too."""
        count = 0
        for table in self._tables():
            count += table.withheld()
        return count

    def ghosts(self) -> list[str]:
        """Commands that may still take effect below the live table, in words."""
        found: list[str] = []
        for target in self.live_targets():
            found += target.ghosts()
        return found

    def look_again(self) -> None:
        """Something that a suspend may wait for is settled."""
        if self._suspension.state == SUSPENDING:
            self.turn.defer(self._suspension)

    def _tables(self) -> list[Table]:
        return [self.table, *self.retired.tables] if self.table is not None else []

    # I/O.

    def start(self, bio: Bio, plug: Plug) -> None:
        stack = self._open
        if stack is not None:
            stack.start(bio, plug)
        elif self.table is None or self._abandoned:
            self.refuse(bio, IOERR)
        else:
            self._suspension.keep(bio)

    def idle(self) -> bool:
        if self._stack is None:
            return True
        return (
            self._stack.idle()
            and self._suspension.held_back() == 0
            and all(target.idle() for table in self._tables() for target in table.targets)
        )

    def congested(self) -> bool:
        """Whether submitters should hold back: too much waits for a tag, for a path, behind fences or for a resume (I6)."""
        if self.queue is not None and self.queue.congested():
            return True
        if self.table is not None:
            for target in self.table.targets:
                if target.congested():
                    return True
        for device in self._below:
            if device.congested():
                return True
        return self._suspension.held_back() >= DEFERRED_MAX

    def answers_are_final(self) -> bool:
        """Of a device that only passes I/O on. What has paths of its own says EIO when none is left."""
        targets = self.live_targets()
        for target in targets:
            if not target.passes_on:
                return False
        for device in self._below:
            if not device.answers_are_final():
                return False
        return len(targets) > 0

    def bounce(self) -> None:
        self._suspension.bounce()
        if self.queue is not None:
            self.queue.bounce()
        else:
            for target in self.live_targets():
                target.bounce()

    def give_up(self) -> None:
        for target in self.live_targets():
            for device in target.devices():
                device.give_up()

    def outstanding(self) -> list[Request]:
        found: list[Request] = []
        for device in self._below:
            found += device.outstanding()
        return found

    def under_way(self) -> list[Request]:
        found: list[Request] = []
        for device in self._below:
            found += device.under_way()
        return found

    def cancel_dead(self) -> None:
        self._suspension.cancel_dead()
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
