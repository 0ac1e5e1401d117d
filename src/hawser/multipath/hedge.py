"""Hedger: a read that has waited long on one path is asked for by way of another one, too; the first answer is the client's.

It cuts the tail that comes from single slow answers, before a path is judged (hawser.manager.marginal needs seconds). Off unless
somebody asks for it. What is looked at are the requests that the paths' drivers hold, at a period of half the limit, so that no
I/O pays for it; while nothing is on its way nobody looks.

A twin goes to another device of the group in use (never to another group), whose path is active and not demoted and has a tag
free, and only where no path has a cache of its own; and not past a fence, which it heeds like a read that comes now. A read that
was tried twice already, or that was cut to fit its path, has none.

Twins are limited: TWINS_MAX at once for a map, and so many percent of its reads. What a burst may use is what as many twins cost.
"""

from typing import Final

from hawser.block.ops import READ
from hawser.block.plug import Plug
from hawser.block.request import IN_FLIGHT, Request
from hawser.core.clock import Timer, Timers
from hawser.core.status import OK
from hawser.core.trace import MAPPED
from hawser.core.units import NS_PER_MS, three_digits
from hawser.dm.clone import CloneBio
from hawser.dm.target import REQUEST_BASED
from hawser.multipath.disk import PathDevice
from hawser.multipath.path import Path, PriorityGroup
from hawser.multipath.queueing import Sleeper
from hawser.multipath.target import Multipath
from hawser.multipath.twins import BioPair, RequestPair, TwinKeeper

# Of one map, at once.
TWINS_MAX: Final = 16
# Of a map's reads, in percent.
SHARE_MAX: Final = 5
# The shortest limit that makes sense: half of it is how often somebody looks.
AFTER_MIN_NS: Final = NS_PER_MS

# What a twin costs; each read adds its percentage.
_PRICE: Final = 100


class _Tick(Timer):
    def __init__(self, hedger: "Hedger") -> None:
        super().__init__()
        self.hedger = hedger

    def expire(self) -> None:
        self.hedger.look()


class _Alarm(Sleeper):
    def __init__(self, hedger: "Hedger") -> None:
        self.hedger = hedger

    def wake(self) -> None:
        self.hedger.wake()


class Hedger(TwinKeeper):
    """`follow` the target of the live table, `leave` it when it is live no more; what is counted is kept.

    `after_ns`: how long a path may take before a read gets a twin; `percent`: of the reads, at most. `sent`, `won` (the twin was
    the answer) and `refused` (for want of budget) count twins; `in_flight` are those without an answer.
    """

    def __init__(self, after_ns: int, percent: int, timers: Timers) -> None:
        assert after_ns >= AFTER_MIN_NS and 0 < percent <= 100
        self.after_ns = after_ns
        self.percent = percent
        self.timers = timers
        self.target: Multipath | None = None
        self.sent = 0
        self.won = 0
        self.refused = 0
        self.in_flight = 0
        self._credit = 0
        self._reads = 0
        self._looked_ns = 0
        self._tick = _Tick(self)
        self._alarm = _Alarm(self)

    def follow(self, target: Multipath) -> None:
        self.target = target
        self._reads = target.host.reads_done()
        self._looked_ns = self.timers.clock.now_ns
        if any(_may_have_twins(group) for group in target.state.groups):
            self.wake()

    def leave(self) -> None:
        """What is on its way still comes to an end, and touches nothing of the target but what counts it."""
        if self.target is not None:
            self.target.sleeper = None
        self.target = None
        self.timers.cancel(self._tick)

    def wake(self) -> None:
        """There is I/O again."""
        if self.target is not None:
            self.target.sleeper = None
            self.timers.arm(self._tick, self.after_ns // 2)

    # What pairs ask.

    def twin_ended(self) -> None:
        self.in_flight -= 1

    def twin_won(self) -> None:
        self.won += 1

    def looks_after(self, target: Multipath) -> bool:
        return self.target is target

    # Looking.

    def look(self) -> None:
        """One tick: find the reads that have waited for too long, the oldest first."""
        target = self.target
        assert target is not None
        self._earn(target)
        if _is_quiet(target):
            target.sleeper = self._alarm
            return
        self.timers.arm(self._tick, self.after_ns // 2)
        state = target.state
        group = state.current
        if group is not None and state.next_group is None and not target.is_leaving() and _may_have_twins(group):
            late = self._late(group)
            if late:
                late.sort(key=_start_ns)
                self._hedge_all(target, group, late)
        self._looked_ns = self.timers.clock.now_ns

    def _earn(self, target: Multipath) -> None:
        reads = target.host.reads_done()
        self._credit = min(self._credit + (reads - self._reads) * self.percent, TWINS_MAX * _PRICE)
        self._reads = reads

    def _late(self, group: PriorityGroup) -> list[Request]:
        """The reads that have been with their path for longer than the limit."""
        due_ns = self.timers.clock.now_ns - self.after_ns
        found: list[Request] = []
        for device in _devices(group):
            if device.requests.in_flight:
                for request in device.requests.driver.outstanding():
                    if request.op == READ and request.start_ns <= due_ns and request.state == IN_FLIGHT:
                        found.append(request)
        return found

    def _hedge_all(self, target: Multipath, group: PriorityGroup, late: list[Request]) -> None:
        busy: list[object] = [request.queue for request in late]
        plug = Plug()
        for request in late:
            if target.kind == REQUEST_BASED:
                path = request.context
                original = request.original
                if request.owner is not target.clone_owner() or not isinstance(path, Path) or path.group is not group:
                    continue
                if original is None or original.answered_errors:
                    continue
                start, end = request.span()
                other = self._afford(target, request, path, start, end, busy)
                if other is not None:
                    self._send_request(target, request, other)
                continue
            for bio in list(request.bios):
                if not isinstance(bio, CloneBio) or bio.target is not target or isinstance(bio.owner, BioPair):
                    continue
                path = bio.context
                if not isinstance(path, Path) or path.group is not group or bio.answered_errors:
                    continue
                other = self._afford(target, request, path, bio.sector, bio.end_sector(), busy)
                if other is not None:
                    self._send_bio(target, request, bio, other, plug)
        plug.finish()

    def _afford(
        self, target: Multipath, request: Request, path: Path, start: int, end: int, busy: list[object]
    ) -> Path | None:
        """Where the twin of a read of [start, end) goes, if it may have one."""
        fences = target.fences
        if fences.active and fences.blocks(READ, start, end, None):
            return None
        other = _other_path(path, busy)
        if other is None:
            return None
        if self._credit < _PRICE or self.in_flight >= TWINS_MAX:
            # (Each read is counted once, when it has become late.)
            if request.start_ns > self._looked_ns - self.after_ns:
                self.refused += 1
            return None
        return other

    # Sending.

    def _send_request(self, target: Multipath, first: Request, path: Path) -> None:
        original = first.original
        assert original is not None
        queue = path.queue()
        twin = original.clone(queue, first.owner)
        twin.context = path
        twin.mapped_bytes = original.size
        if queue.insert_cloned(twin) != OK:
            return
        path.group.selector.start_io(path, twin.mapped_bytes)
        RequestPair(self, target, first, twin)
        self._count()
        if target.context.turn.tracer is not None:
            for bio in original.for_whom():
                if bio.life is not None:
                    bio.life.note(MAPPED, self._why(path, first))
        queue.driver.commit()

    def _send_bio(self, target: Multipath, request: Request, clone: CloneBio, path: Path, plug: Plug) -> None:
        pair = BioPair(self, target, request, clone, path)
        path.group.selector.start_io(path, clone.size)
        self._count()
        if clone.life is not None:
            clone.life.note(MAPPED, self._why(path, request))
        path.device.submit(pair.twin, plug)

    def _count(self) -> None:
        self._credit -= _PRICE
        self.in_flight += 1
        self.sent += 1

    def _why(self, path: Path, request: Request) -> str:
        waited = three_digits((self.timers.clock.now_ns - request.start_ns) / NS_PER_MS)
        return f"to {path.device.devt} ({path.device.name}), too: {request.queue.name} has not answered for {waited} ms"


def _start_ns(request: Request) -> int:
    return request.start_ns


def _devices(group: PriorityGroup) -> list[PathDevice]:
    """What its paths lead over, each once."""
    found: list[PathDevice] = []
    for path in group.paths:
        device = path.device
        if isinstance(device, PathDevice) and device not in found:
            found.append(device)
    return found


def _may_have_twins(group: PriorityGroup) -> bool:
    """Whether there are two devices, none of which has a cache of its own: such a cache may not know what another one has."""
    devices = _devices(group)
    return len(devices) > 1 and not any(device.has_own_cache for device in devices)


def _is_quiet(target: Multipath) -> bool:
    for path in target.state.paths:
        if not path.device.idle():
            return False
    return True


def _other_path(path: Path, busy: list[object]) -> Path | None:
    """Where a twin would go: what has no late read itself comes first, then what has least to do."""
    best: Path | None = None
    least = 0
    for other in path.group.paths:
        device = other.device
        if device is path.device or not isinstance(device, PathDevice) or not _has_room(other, device):
            continue
        queue = device.requests
        load = queue.in_flight + queue.depth * busy.count(queue)
        if best is None or load < least:
            best, least = other, load
    return best


def _has_room(path: Path, device: PathDevice) -> bool:
    """Whether a path is good for a twin, and has a tag free that nobody waits for."""
    queue = device.requests
    return (
        path.is_active
        and not path.is_demoted
        and queue.in_flight < queue.depth
        and not (queue.quiesced or queue.dying or queue.starved or queue.promised_to is not None)
        and queue.waiting() == 0
        and not queue.driver.busy()
        and not queue.driver.trouble()
    )
