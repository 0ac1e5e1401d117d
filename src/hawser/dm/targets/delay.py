"""`delay DEVICE START MSECS [DEVICE START MSECS [DEVICE START MSECS]]`: I/O waits for a while before it goes down.

Linux: drivers/md/dm-delay.c. With two groups the second is for writes and flushes, with three the third is for flushes. What
waits for less than others overtakes them; what is due at one time goes in the order in which it came. A suspend lets go of
everything at once. Unlike the kernel, time has no ticks here.
"""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.block.ops import FLUSH, READ
from hawser.block.plug import Plug
from hawser.block.request import NOT_SENT
from hawser.core.clock import Clock, Timer, Timers
from hawser.core.status import IOERR, TRANSPORT
from hawser.core.turn import Turn, Work
from hawser.core.units import NS_PER_MS
from hawser.dm.arguments import NOT_A_NUMBER, find_device, scan_sector, scan_uint
from hawser.dm.clone import CloneBio
from hawser.dm.target import REMAPPED, SUBMITTED, TableError, Target, TargetContext, TargetHost, register_target

# Bios that may wait here before submitters are held back.
DELAYED_MAX: Final = 4096


class _Class:
    """Reads, writes or flushes: where they go, and when. `ops` of them wait."""

    def __init__(self, device: BlockDevice, start: int, delay_ms: int) -> None:
        self.device = device
        self.start = start
        self.delay_ms = delay_ms
        self.ops = 0

    def words(self) -> str:
        return f"{self.device.devt} {self.start} {self.delay_ms}"


class _Delayed:
    def __init__(self, clone: CloneBio, group: _Class, due_ns: int) -> None:
        self.clone = clone
        self.group = group
        self.due_ns = due_ns


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
        self.moves_sectors = any(group.start != start for group in (self.reads, self.writes, self.flushes))
        self.may_delay = True
        self._delayed: list[_Delayed] = []
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
        self._delayed.append(_Delayed(clone, group, due_ns))
        group.ops += 1
        if not self._expiry.is_armed() or due_ns < self._expiry.deadline_ns:
            self.timers.arm(self._expiry, due_ns - self.clock.now_ns)
        return SUBMITTED

    def release_due(self) -> None:
        """Send what has waited long enough. Linux: flush_delayed_bios()."""
        now_ns = self.clock.now_ns
        self._send([delayed for delayed in self._delayed if delayed.due_ns <= now_ns])
        if self._delayed:
            due_ns = min(delayed.due_ns for delayed in self._delayed)
            self.timers.arm(self._expiry, due_ns - now_ns)

    def _release_all(self) -> None:
        self.timers.cancel(self._expiry)
        self._send(list(self._delayed))

    def _send(self, due: list[_Delayed]) -> None:
        """Each by itself: the kernel, too, has no plug here."""
        self._take(due)
        for delayed in due:
            device = delayed.clone.device
            assert device is not None
            plug = Plug()
            device.submit(delayed.clone, plug)
            plug.finish()

    def _take(self, taken: list[_Delayed]) -> list[CloneBio]:
        """These wait no longer."""
        for delayed in taken:
            delayed.group.ops -= 1
        if len(taken) == len(self._delayed):
            self._delayed = []
        else:
            gone = {id(delayed) for delayed in taken}
            self._delayed = [delayed for delayed in self._delayed if id(delayed) not in gone]
        return [delayed.clone for delayed in taken]

    # Suspend and the rest.

    def presuspend(self, noflush: bool) -> None:
        self.may_delay = False
        self._release_all()

    def presuspend_undo(self) -> None:
        # Unlike the kernel, where nothing is delayed any more until a resume.
        self.may_delay = True

    def resume(self) -> None:
        self.may_delay = True

    def abandon(self) -> None:
        """Nobody will wait for it: it goes at once."""
        self.presuspend(False)

    def bounce(self) -> None:
        """Unlike the kernel, what waits here shall not go to a path that has failed meanwhile."""
        if self._delayed:
            self.timers.cancel(self._expiry)
            self.turn.defer(_Bounce(self.host, self._take(list(self._delayed))))
        super().bounce()

    def cancel_dead(self) -> None:
        dead = [delayed for delayed in self._delayed if delayed.clone.client().dead]
        for clone in self._take(dead):
            clone.status = IOERR
            self.host.finish_bio(clone)

    def idle(self) -> bool:
        return not self._delayed

    def congested(self) -> bool:
        return len(self._delayed) >= DELAYED_MAX

    def destroy(self) -> None:
        self.timers.cancel(self._expiry)

    def status_info(self) -> str:
        return f"{self.reads.ops} {self.writes.ops} {self.flushes.ops}"

    def status_table(self) -> str:
        return " ".join(group.words() for group in self.groups)


register_target("delay", DelayTarget, "1.4.0")
