"""Sentinel: looks at the engine between events. It hits the marks that nobody else sees, and judges what must hold at any moment.

I5: a failed path is sent no client I/O. I6: what waits is bounded. The engine's own counts agree with each other. While nothing
is wrong no path fails, and no leg of a mirror. It reads the engine's private lists, which nobody else may: a laboratory looks
inside, and the engine knows of no laboratory.
"""

from typing import Final

from hawser.block.ops import is_write_class
from hawser.block.queue import WAITING_MAX, RequestQueue
from hawser.dm.targets.delay import DelayTarget
from hawser.dm.targets.raid1 import Raid1Target
from hawser.lab.devices.hardware import Hardware
from hawser.lab.era import Era
from hawser.lab.map_watch import MapWatch
from hawser.lab.oracles.stopwatch import Stopwatch
from hawser.lab.referee import Referee
from hawser.multipath.disk import SharedDisk
from hawser.multipath.fence import FENCED_MAX
from hawser.multipath.hedge import TWINS_MAX, Hedger
from hawser.multipath.path import Path
from hawser.multipath.state import PathState
from hawser.multipath.target import Multipath
from hawser.multipath.waiting import PARKED_MAX

# One plug beyond the limit: congestion is looked at between plugs, not within one.
PLUG_MAX: Final = 8192

# As in hawser.block.flush: the step that comes before the data.
BEFORE: Final = 1

_LEG_MARKS: Final = {"D": "mirror lost a leg: write", "F": "mirror lost a leg: flush", "R": "mirror lost a leg: read"}


class Sentinel:
    """`look` after every event."""

    def __init__(self, hardware: Hardware, referee: Referee, stopwatch: Stopwatch) -> None:
        self.hardware = hardware
        self.referee = referee
        self.stopwatch = stopwatch

    def look(self, era: Era, is_suspended: bool) -> None:
        usable = True
        fenced = False
        maps_with_fenced = 0
        for watch in era.watches:
            target = watch.target()
            self._look_at_paths(watch, target)
            maps_with_fenced += self._look_at_waiting(target)
            self._judge_counts(watch, target)
            usable = usable and target.state.valid_paths > 0
        if maps_with_fenced > 1:
            self.hardware.marks.hit("maps behind fences")
        for disk in era.disks:
            if disk.fences.skipped_discards:
                self.hardware.marks.hit("discard skipped")
            if disk.fences.active:
                fenced = True
                self._look_at_reads(disk)
        self._look_at_queues(era)
        if len(era.devices) > 1:
            self._look_at_devices(era)
        self.stopwatch.excuse(not usable or is_suspended or fenced)
        if not self.hardware.is_peaceful:
            self._look_for_peace(era)

    def _look_for_peace(self, era: Era) -> None:
        for path in era.paths:
            if path.trouble():
                return
        for watch in era.watches:
            state = watch.target().state
            if state.valid_paths < len(state.paths):
                return
        self.hardware.calm()

    # Maps.

    def _look_at_paths(self, watch: MapWatch, target: Multipath) -> None:
        state = target.state
        marks = self.hardware.marks
        if watch.ear.unexplained:
            for text in watch.ear.unexplained:
                self.referee.fault(text)
            watch.ear.unexplained = []
        if state.valid_paths == 0 and state.paths:
            marks.hit("all paths failed")
            self.hardware.trouble()
        if state.demoted_paths:
            self._look_at_demoted(state)
        hedger = watch.manager.hedger if watch.manager is not None else None
        if hedger is not None and hedger.sent + hedger.refused:
            self._look_at_hedges(hedger)
        if state.init_count and not state.queue_io:
            marks.hit("group activated")
        group = state.current
        if group is not None and group is not watch.group:
            if watch.group is not None:
                marks.hit("group switched")
            if group.bypassed:
                marks.hit("bypassed group used")
            watch.group = group

    def _look_at_demoted(self, state: PathState) -> None:
        """Selectors do without them while there is another, and only then."""
        spared = any(path.is_active and not path.is_demoted and not path.group.bypassed for path in state.paths)
        for path in state.paths:
            if path.is_aside != (spared and path.is_demoted and path.is_active):
                self.referee.fault(f"{path.device.name} is demoted, and its selector does {_with(path)} it")
            if (path in path.group.selector.valid) == (path.is_aside or not path.is_active):
                self.referee.fault(f"the selector of {path.device.name} does not know whether to use it")
            if path.is_demoted and path is state.current_path:
                self.hardware.marks.hit("demoted path used")

    def _look_at_hedges(self, hedger: Hedger) -> None:
        marks = self.hardware.marks
        for count, mark in ((hedger.sent, "read hedged"), (hedger.won, "twin won"), (hedger.refused, "hedge refused")):
            if count:
                marks.hit(mark)
        if not 0 <= hedger.in_flight <= TWINS_MAX:
            self.referee.fault(f"{hedger.in_flight} twins are on their way; the limit is {TWINS_MAX}")

    def _look_at_waiting(self, target: Multipath) -> int:
        """Whether something waits behind a fence."""
        marks = self.hardware.marks
        parked = len(target._parked)
        fenced_bios = len(target._fenced_bios)
        fenced_requests = len(target._fenced_requests)
        withheld = len(target._withheld_bios) + len(target._withheld_requests)
        if parked:
            marks.hit("parked")
        if fenced_bios:
            marks.hit("fenced bio")
        if fenced_requests:
            marks.hit("fenced request")
        if withheld:
            marks.hit("withheld")
        for what, waiting, most in (
            ("for a path", parked, PARKED_MAX),
            ("for a proof", fenced_bios + fenced_requests + withheld, FENCED_MAX),
        ):
            # (What a fence has let go is parked for a moment, to be mapped once more.)
            if waiting > most + PLUG_MAX:
                self.referee.fault(f"{waiting} I/Os wait in the target {what}; the limit is {most} and one plug")
        return 1 if fenced_bios or fenced_requests else 0

    def _look_at_reads(self, disk: SharedDisk) -> None:
        """A read that is on its way through an orphan's sectors has passed the fence."""
        for request in disk.outstanding():
            if is_write_class(request.op) or request.size == 0:
                continue
            for orphan in disk.fences.orphans:
                if orphan.unacked == 0 and orphan.overlaps(request.sector, request.end_sector()):
                    self.hardware.marks.hit("read passed a fence")

    def _judge_counts(self, watch: MapWatch, target: Multipath) -> None:
        state = target.state
        active = 0
        for path in state.paths:
            if path.is_active:
                active += 1
            if path.in_flight < 0 or path.in_flight_bytes < 0:
                self.referee.fault(f"{path.device.name} counts {path.in_flight} I/Os in flight")
            told = watch.ear.failed.get(path, 0)
            if path.fail_count != told:
                self.referee.fault(f"{path.device.name} counts {path.fail_count} failures, and {told} were told of")
        if active != state.valid_paths:
            self.referee.fault(f"{state.valid_paths} paths are said to be valid, and {active} are active")

    # Queues.

    def _look_at_queues(self, era: Era) -> None:
        marks = self.hardware.marks
        for watch in era.watches:
            own = watch.device.queue
            if own is not None:
                if own._requeue_timer.is_armed():
                    marks.hit("delayed requeue")
                if own.waiting() and watch.target().busy():
                    marks.hit("path busy")
                self._look_at_queue(own)
        for path in era.paths:
            assert path.device is not None
            self._look_at_queue(path.device.requests)
            if path.breaches:
                for breach in path.breaches:
                    self.referee.fault(breach)
                path.breaches = []

    def _look_at_queue(self, queue: RequestQueue) -> None:
        if queue._dispatch:
            self.hardware.marks.hit("tag wait" if queue.in_flight >= queue.depth else "refused below")
        if queue._delayed.is_armed():
            self.hardware.marks.hit("rerun timer")
        if queue.in_flight < 0 or queue.in_flight > queue.depth:
            self.referee.fault(f"{queue.name}: {queue.in_flight} tags of {queue.depth} are in use")
        if queue.waiting() > WAITING_MAX + PLUG_MAX:
            self.referee.fault(
                f"{queue.name}: {queue.waiting()} requests wait; the limit is {WAITING_MAX} and one plug"
            )
        if queue.flushes.waiting() or queue.flushes._in_data:
            self._look_at_flushes(queue)

    def _look_at_flushes(self, queue: RequestQueue) -> None:
        marks = self.hardware.marks
        machine = queue.flushes
        if len(machine._running) > 1:
            marks.hit("flushes merged")
        if machine._pending and machine._in_data and not machine._is_flushing:
            marks.hit("flush held back")
        for sequence in machine._running:
            if sequence.request.size:
                marks.hit("flush before data" if sequence.steps & BEFORE else "flush behind data")

    # What lies around maps.

    def _look_at_devices(self, era: Era) -> None:
        marks = self.hardware.marks
        for device in era.devices.values():
            for target in device.live_targets():
                if isinstance(target, Raid1Target):
                    self._look_at_mirror(target)
                elif isinstance(target, DelayTarget) and not target.idle():
                    marks.hit("delayed")

    def _look_at_mirror(self, target: Raid1Target) -> None:
        marks = self.hardware.marks
        if target._waiting:
            marks.hit("mirror: write waits")
        if target._reads:
            marks.hit("mirror: read waits")
        for leg in target.legs:
            if not leg.in_sync:
                marks.hit(_LEG_MARKS[leg.letter])
                if self.hardware.is_peaceful:
                    self.referee.fault(f"the mirror has lost {leg.device.name} although nothing is wrong")
                    self.hardware.trouble()

    # The end.

    def is_at_rest(self, era: Era) -> bool:
        """Whether nothing is on its way, that nobody waits for either."""
        for watched in era.paths:
            end = watched.device
            if watched.outstanding() or (end is not None and (end.left_behind is not None or not end.requests.idle())):
                return False
        for device in era.devices.values():
            if not device.idle():
                return False
        return not any(disk.fences.orphans for disk in era.disks)

    def judge_rest(self, era: Era) -> None:
        """Nothing is on its way any more: everything that counts what is must say so."""
        fault = self.referee.fault
        for watch in era.watches:
            for path in watch.target().state.paths:
                if path.in_flight or path.in_flight_bytes:
                    fault(
                        f"at rest {path.device.name} counts {path.in_flight} I/Os of {path.in_flight_bytes} bytes in flight"
                    )
        for watched in era.paths:
            assert watched.device is not None
            queue = watched.device.requests
            if not queue.idle() or watched.outstanding():
                fault(f"at rest {watched.name} has {queue.in_flight} I/Os in flight and {queue.waiting()} waiting")
            if watched.taken:
                fault(f"at rest {watched.name} counts {watched.taken} commands")
        for device in era.devices.values():
            if not device.idle():
                fault("at rest a map is not idle")
        for disk in era.disks:
            if disk.fences.orphans:
                fault(f"at rest a fence stands: {disk.fences.orphans[0].describe()}")
        if era.turn.pending():
            fault("at rest work is pending")


def _with(path: Path) -> str:
    return "without" if path.is_aside else "with"
