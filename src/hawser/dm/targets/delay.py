"""`delay DEVICE START MSECS [DEVICE START MSECS [DEVICE START MSECS]]`: I/O waits for a while before it goes down.

Linux: drivers/md/dm-delay.c. With two groups the second is for writes and flushes, with three the third is for flushes. What
waits for less than others overtakes them; what is due at one time goes in the order in which it came. A suspend lets go of
everything at once. Unlike the kernel, time has no ticks here.
"""

from collections import deque
from typing import Final

from hawser.block.device import BlockDevice
from hawser.block.ops import FLUSH, READ
from hawser.block.plug import Plug
from hawser.block.request import NOT_SENT
from hawser.core.clock import Clock, Timer, Timers
from hawser.core.status import IOERR, TRANSPORT
from hawser.core.trace import PARKED
from hawser.core.turn import Turn, Work
from hawser.core.units import NS_PER_MS
from hawser.dm.arguments import NOT_A_NUMBER, find_device, scan_sector, scan_uint
from hawser.dm.clone import CloneBio
from hawser.dm.target import REMAPPED, SUBMITTED, TableError, Target, TargetContext, TargetHost, register_target

# Bios that may wait here before submitters are held back.
DELAYED_MAX: Final = 4096
LAST_NS: Final = 1 << 62


class _Delayed:
    """`serial` numbers all that was delayed, in order of coming."""

    def __init__(self, clone: CloneBio, due_ns: int, serial: int) -> None:
        self.clone = clone
        self.due_ns = due_ns
        self.serial = serial


class _Class:
    """Reads, writes or flushes: where they go, and when. What waits is in order of coming, which is that of being due."""

    def __init__(self, device: BlockDevice, start: int, delay_ms: int) -> None:
        self.device = device
        self.start = start
        self.delay_ms = delay_ms
        self.waiting: deque[_Delayed] = deque()

    def words(self) -> str:
        return f"{self.device.devt} {self.start} {self.delay_ms}"


class _Expiry(Timer):
    def __init__(self, target: "DelayTarget") -> None:
        super().__init__()
        self.target = target

    def expire(self) -> None:
        self.target.release_due()


class _Bounce(Work):
    """Gives back what the path that has failed shall not get."""

    def __init__(self, host: TargetHost, clones: list[CloneBio]) -> None:
        self.host = host
        self.clones = clones

    def run(self) -> None:
        for clone in self.clones:
            clone.status = TRANSPORT
            clone.fate = NOT_SENT
            self.host.finish_bio(clone)


class DelayTarget(Target):
    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("delay", start, length)
        self.passes_on = True
        self.accounts_remapped = True
        self.num_write_zeroes_bios = 0
        self.lookup_error = "Device lookup failed"
        self.host: TargetHost = context.host
        self.clock: Clock = context.clock
        self.timers: Timers = context.timers
        self.turn: Turn = context.turn
        if len(words) not in (3, 6, 9):
            raise TableError("Requires exactly 3, 6 or 9 arguments")
        self.groups: list[_Class] = []
        for first in range(0, len(words), 3):
            self.groups.append(self._group(context, words[first : first + 3]))
        self.reads = self.groups[0]
        # Counted apart even where they share the words.
        self.writes = self.groups[1] if len(words) > 3 else self._group(context, words)
        self.flushes = self.groups[2] if len(words) > 6 else self._group(context, words[-3:])
        self._classes: list[_Class] = [self.reads, self.writes, self.flushes]
        self.moves_sectors = any(group.start != start for group in self._classes)
        self.may_delay = True
        self._faithful = context.devices.module_parameters().faithful
        self._serial = 0
        self._expiry = _Expiry(self)

    def _group(self, context: TargetContext, words: list[str]) -> _Class:
        start = scan_sector(words[1])
        if start == NOT_A_NUMBER:
            raise TableError("Invalid device sector")
        delay_ms = scan_uint(words[2])
        if delay_ms == NOT_A_NUMBER:
            raise TableError("Invalid delay")
        return _Class(find_device(context, words[0], self.lookup_error), start, delay_ms)

    def devices(self) -> list[BlockDevice]:
        found: list[BlockDevice] = []
        for group in self.groups:
            if group.device not in found:
                found.append(group.device)
        return found

    def areas(self) -> list[tuple[BlockDevice, int, int]]:
        return [(group.device, group.start, self.length) for group in self.groups]

    def map_bio(self, clone: CloneBio) -> int:
        group = self.reads if clone.op == READ else self.flushes if clone.op == FLUSH else self.writes
        clone.device = group.device
        clone.sector = group.start + clone.sector - self.start
        if group.delay_ms == 0 or not self.may_delay:
            return REMAPPED
        due_ns = self.clock.now_ns + group.delay_ms * NS_PER_MS
        self._serial += 1
        group.waiting.append(_Delayed(clone, due_ns, self._serial))
        if clone.life is not None:
            clone.life.note(PARKED, f"delay: for {group.delay_ms} ms")
        if not self._expiry.is_armed() or due_ns < self._expiry.deadline_ns:
            self.timers.arm(self._expiry, due_ns - self.clock.now_ns)
        return SUBMITTED

    def release_due(self) -> None:
        """Send what has waited long enough, each by itself: the kernel, too, has no plug here. Linux: flush_delayed_bios()."""
        now_ns = self.clock.now_ns
        self._send(self._take(now_ns))
        heads = [group.waiting[0].due_ns for group in self._classes if group.waiting]
        if heads:
            self.timers.arm(self._expiry, min(heads) - now_ns)

    def _send(self, clones: list[CloneBio]) -> None:
        for clone in clones:
            device = clone.device
            assert device is not None
            self.host.begin_bio(clone)
            plug = Plug()
            device.submit(clone, plug)
            plug.finish()

    def _take(self, until_ns: int) -> list[CloneBio]:
        """What is due by then, in the order in which it came."""
        taken: list[_Delayed] = []
        for group in self._classes:
            waiting = group.waiting
            while waiting and waiting[0].due_ns <= until_ns:
                taken.append(waiting.popleft())
        taken.sort(key=_serial_of)
        return [delayed.clone for delayed in taken]

    def _take_all(self) -> list[CloneBio]:
        self.timers.cancel(self._expiry)
        return self._take(LAST_NS)

    def _count(self) -> int:
        return sum(len(group.waiting) for group in self._classes)

    # Suspend and the rest.

    def presuspend(self, noflush: bool) -> None:
        self.may_delay = False
        self._send(self._take_all())

    def presuspend_undo(self) -> None:
        # Unlike the kernel, where nothing is delayed any more until a resume.
        self.may_delay = not self._faithful

    def resume(self) -> None:
        self.may_delay = True

    def abandon(self) -> None:
        """Nobody will wait for it: it goes at once."""
        self.presuspend(False)

    def bounce(self) -> None:
        """Unlike the kernel, what waits here shall not go to a path that has failed meanwhile."""
        self.turn.defer(_Bounce(self.host, self._take_all()))
        super().bounce()

    def cancel_dead(self) -> None:
        dead: list[CloneBio] = []
        for group in self._classes:
            dead += [delayed.clone for delayed in group.waiting if delayed.clone.client().dead]
            group.waiting = deque([delayed for delayed in group.waiting if not delayed.clone.client().dead])
        for clone in dead:
            clone.status = IOERR
            clone.fate = NOT_SENT
            self.host.finish_bio(clone)

    def idle(self) -> bool:
        return self._count() == 0

    def congested(self) -> bool:
        return self._count() >= DELAYED_MAX

    def destroy(self) -> None:
        self.timers.cancel(self._expiry)

    def status_info(self) -> str:
        return " ".join(str(len(group.waiting)) for group in self._classes)

    def status_table(self) -> str:
        return " ".join(group.words() for group in self.groups)


def _serial_of(delayed: _Delayed) -> int:
    return delayed.serial


register_target("delay", DelayTarget, "1.4.0")
