"""Clients in virtual time: what stands above a device and asks it for I/O.

`SimClient` plays a ClientPlan. It behaves like a connection of the NBD server (hawser.exports.connection): one plug per batch,
fed again after the completions of a turn, held back by a congested device, and when it drops, what was not dispatched of its own
is cancelled and what was is answered to nobody.
"""

from typing import Final

from hawser.block.bio import Bio, BioOwner
from hawser.block.device import BlockDevice
from hawser.block.elevators.node import CLASS_SHIFT
from hawser.block.ops import DISCARD, FLUSH, FUA, PREFLUSH, READ, WRITE, WRITE_ZEROES, is_write_class
from hawser.block.plug import Plug
from hawser.core.clock import Timer, Timers
from hawser.core.status import OK, status_name
from hawser.core.turn import Work
from hawser.core.units import NS_PER_MS, SECTOR_SHIFT
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.devices.hardware import Hardware
from hawser.lab.judge import Judge
from hawser.lab.payload import fill
from hawser.lab.plan import ClientPlan, Op
from hawser.multipath.disk import SharedDisk

OP_CODES: Final = {"read": READ, "write": WRITE, "flush": FLUSH, "discard": DISCARD, "zero": WRITE_ZEROES}
WORDS: Final = {READ: "read", WRITE: "write", FLUSH: "flush", DISCARD: "discard", WRITE_ZEROES: "zero"}
# A congested device is looked at again after a completion, or after this.
CONGESTED_NS: Final = NS_PER_MS


class _Alarm(Timer):
    def __init__(self, client: "SimClient") -> None:
        super().__init__()
        self.client = client

    def expire(self) -> None:
        self.client.wake()


class _Feeding(Work):
    """Feeds a client once the completions of this turn are in, so that one plug holds what they made room for."""

    def __init__(self, client: "SimClient") -> None:
        self.client = client

    def run(self) -> None:
        self.client.feed()


class SimClient(BioOwner):
    """`start` it once. `open_bios`: what is not answered, in order of issue, with the number of the write (0: none). `failed`
    counts answers other than OK.

    A client lives and dies with one era of the engine: `device`, `host_timers` and `disk` are that era's. `ops` before `next_op`
    were issued, by this client or by those that it succeeds.
    """

    def __init__(
        self,
        plan: ClientPlan,
        index: int,
        device: BlockDevice,
        hardware: Hardware,
        host_timers: Timers,
        disk: SharedDisk,
        judge: Judge,
        next_op: int = 0,
    ) -> None:
        super().__init__()
        self.plan = plan
        self.name: str = plan.name
        self.index = index
        self.cpu = index
        self.lane = f"client {plan.name}"
        self.device = device
        self.hardware = hardware
        self.host_timers = host_timers
        self.disk = disk
        self.judge = judge
        self.connected = False
        self.open_bios: dict[Bio, int] = {}
        self.failed = 0
        self.ops: list[Op] = plan.ops
        self.next_op = next_op
        self._op_count = len(plan.ops)
        self._depth: int = plan.depth
        self._batch: int = min(plan.batch, plan.depth) if plan.depth else plan.batch
        self._start_ns: int = plan.start_ns
        self._issued_ns = 0
        self._mapped = device if isinstance(device, MappedDevice) else None
        self._alarm = _Alarm(self)
        self._feeding = _Feeding(self)
        self._will_feed = False

    # Coming.

    def start(self) -> None:
        """Connect at the plan's `start_ns`, or now if that is over."""
        delay_ns = self._start_ns - self.hardware.clock.now_ns
        if delay_ns > 0:
            self.host_timers.arm(self._alarm, delay_ns)
        else:
            self.wake()

    def wake(self) -> None:
        if not self.connected:
            self._connect()
        self._feed_later()

    def _connect(self) -> None:
        self.connected = True
        self.open_disk(self.disk)
        self._issued_ns = self.hardware.clock.now_ns
        if self._mapped is not None:
            self._mapped.open_count += 1
        self.hardware.trace.note(self.lane, "connect")
        self.judge.opened(self)

    # Asking.

    def feed(self) -> None:
        """Issue what may be issued now, a plug per batch."""
        self._will_feed = False
        while not self.dead and self._has_room_for_batch() and self._may_issue():
            plug = Plug()
            left = self._batch
            while left > 0 and self._may_issue():
                left -= 1
                self._issue(plug)
            plug.finish()

    def _feed_later(self) -> None:
        if not self._will_feed:
            self._will_feed = True
            self.device.turn.defer(self._feeding)

    def _has_room_for_batch(self) -> bool:
        count = len(self.open_bios)
        return count == 0 or self._depth == 0 or self._depth - count >= self._batch

    def _may_issue(self) -> bool:
        """Whether the next op's moment has come. Where only time has to pass, the alarm is set."""
        if self.next_op >= self._op_count:
            return False
        op = self.ops[self.next_op]
        count = len(self.open_bios)
        if count and (op.barrier or (self._depth and count >= self._depth)):
            return False
        wait_ns = self._issued_ns + op.delay_ns - self.hardware.clock.now_ns
        if wait_ns > 0:
            self.host_timers.arm(self._alarm, wait_ns)
            return False
        if self._mapped is not None and self._mapped.congested():
            self.hardware.marks.hit("wait list full")
            self.hardware.trace.note(self.lane, "held back")
            self.host_timers.arm(self._alarm, CONGESTED_NS)
            return False
        return True

    def _issue(self, plug: Plug) -> None:
        plan = self.ops[self.next_op]
        self.next_op += 1
        self._issued_ns = self.hardware.clock.now_ns
        op = OP_CODES[plan.op]
        flags = FUA if plan.fua and op != READ and op != FLUSH else 0
        if plan.preflush and op == WRITE:
            flags |= PREFLUSH
        write = 0
        if op == FLUSH:
            bio = Bio(FLUSH, 0, 0, self)
        elif op == WRITE:
            write = self.judge.next_write()
            bio = Bio(WRITE, plan.sector, plan.count << SECTOR_SHIFT, self, fill(write, plan.count), flags)
        else:
            bio = Bio(op, plan.sector, plan.count << SECTOR_SHIFT, self, None, flags)
        bio.ioprio = self.plan.priority << CLASS_SHIFT
        self.open_bios[bio] = write
        self.hardware.trace.note(self.lane, WORDS[op], describe(bio, write))
        self.judge.began(self, bio, write)
        self.device.submit(bio, plug)

    # Being answered.

    def bio_done(self, bio: Bio) -> None:
        write = self.open_bios.pop(bio, -1)
        assert write >= 0, f"{self.lane}: answered twice: {bio.describe()}"
        hardware = self.hardware
        status = bio.status
        hardware.trace.note(self.lane, WORDS[bio.op], f"{describe(bio, write)} -> {status_name(status)}".lstrip())
        if status == OK:
            if bio.op == DISCARD:
                hardware.marks.hit("discard")
            elif bio.op == WRITE_ZEROES:
                hardware.marks.hit("write zeroes")
            if bio.flags & FUA:
                hardware.marks.hit("fua")
            if bio.flags & PREFLUSH:
                hardware.marks.hit("preflush")
        else:
            self.failed += 1
        self.judge.ended(self, bio)
        if not self.dead:
            self._feed_later()

    # Going.

    def disconnect(self, cancel: bool = True) -> None:
        """The client drops. Without `cancel` its device has gone before it (a power loss): nothing is cancelled there."""
        assert not self.dead
        self.dead = True
        self.host_timers.cancel(self._alarm)
        if not self.connected:
            return
        self.hardware.trace.note(self.lane, "disconnect", f"with {len(self.open_bios)} open")
        if self._mapped is not None:
            self._mapped.open_count -= 1
        self.judge.died(self)
        if cancel and self.open_bios:
            self._cancel()

    def _cancel(self) -> None:
        """As Connection.drop() has it. What is open afterwards was dispatched, and ends by itself."""
        open_before = len(self.open_bios)
        self.device.cancel_dead()
        if len(self.open_bios) < open_before:
            self.hardware.marks.hit("client died with I/O waiting")
        for bio in self.open_bios:
            if is_write_class(bio.op):
                self.hardware.marks.hit("client died with I/O in flight")
                break

    def successor(
        self, device: BlockDevice | None = None, host_timers: Timers | None = None, disk: SharedDisk | None = None
    ) -> "SimClient":
        """A new client, to be started, for what this dead one has not issued. After a power loss: one of the new era."""
        assert self.dead
        return SimClient(
            self.plan,
            self.index,
            device if device is not None else self.device,
            self.hardware,
            host_timers if host_timers is not None else self.host_timers,
            disk if disk is not None else self.disk,
            self.judge,
            self.next_op,
        )

    # What the run asks.

    def idle(self) -> bool:
        """Whether everything that it asked for was answered."""
        return not self.open_bios

    def finished(self) -> bool:
        """Whether it has nothing left to ask for, being dead or at its end, and was answered."""
        return not self.open_bios and (self.dead or self.next_op >= self._op_count)


def describe(bio: Bio, write: int) -> str:
    """`8..15`, of a write `8..15 #3`, of one with all flags `8..15 #3 preflush fua`; nothing of a flush."""
    if bio.op == FLUSH:
        return ""
    text = f"{bio.sector}..{bio.end_sector() - 1}"
    if write:
        text += f" #{write}"
    if bio.flags & PREFLUSH:
        text += " preflush"
    return text + " fua" if bio.flags & FUA else text
