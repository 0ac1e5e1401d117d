"""Sentinel: looks at the engine between events. It hits the marks that nobody else sees, and judges what must hold at any moment.

I5: a failed path is sent no client I/O. I6: what waits is bounded. The engine's own counts agree with each other. It reads the
engine's private lists, which nobody else may: a laboratory looks inside, and the engine knows of no laboratory.
"""

from typing import Final

from hawser.block.ops import is_write_class
from hawser.block.queue import WAITING_MAX, RequestQueue
from hawser.lab.devices.hardware import Hardware
from hawser.lab.era import Era
from hawser.lab.oracles.stopwatch import Stopwatch
from hawser.lab.referee import Referee
from hawser.multipath.fence import FENCED_MAX
from hawser.multipath.path import PriorityGroup
from hawser.multipath.target import Multipath

# One plug beyond the limit: congestion is looked at between plugs, not within one.
PLUG_MAX: Final = 8192


class Sentinel:
    """`look` after every event; `attach` at the start of every era and after every change of tables."""

    def __init__(self, hardware: Hardware, referee: Referee, stopwatch: Stopwatch) -> None:
        self.hardware = hardware
        self.referee = referee
        self.stopwatch = stopwatch
        self._group: PriorityGroup | None = None

    def attach(self, era: Era) -> None:
        self._group = None

    def look(self, era: Era, is_suspended: bool) -> None:
        target = era.target()
        self._look_at_paths(era, target)
        self._look_at_waiting(era, target)
        self._look_at_queues(era, target)
        self._judge_counts(era, target)
        usable = target.state.valid_paths > 0 and self._upper_is_usable(era)
        self.stopwatch.excuse(not usable or is_suspended or era.disk.fences.active)

    def _upper_is_usable(self, era: Era) -> bool:
        """Whether a multipath map above this one has a path: nobody but an operator gives it one back."""
        table = era.device.table
        if era.device is era.map or table is None:
            return True
        upper = table.targets[0]
        return not isinstance(upper, Multipath) or upper.state.valid_paths > 0

    def _look_at_paths(self, era: Era, target: Multipath) -> None:
        state = target.state
        marks = self.hardware.marks
        for path in era.paths:
            if path.breaches:
                for breach in path.breaches:
                    self.referee.fault(breach)
                path.breaches = []
        if state.valid_paths == 0 and state.paths:
            marks.hit("all paths failed")
        group = state.current
        if group is not None and group is not self._group:
            if self._group is not None:
                marks.hit("group switched")
            if group.bypassed:
                marks.hit("bypassed group used")
            self._group = group

    def _look_at_waiting(self, era: Era, target: Multipath) -> None:
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
        waiting = parked + fenced_bios + fenced_requests + withheld
        if waiting > FENCED_MAX + PLUG_MAX:
            self.referee.fault(f"{waiting} I/Os wait in the target; the limit is {FENCED_MAX} and one plug")
        if era.disk.fences.active:
            self._look_at_reads(era)

    def _look_at_reads(self, era: Era) -> None:
        """A read that is on its way through an orphan's sectors has passed the fence."""
        for request in era.disk.outstanding():
            if is_write_class(request.op) or request.size == 0:
                continue
            for orphan in era.disk.fences.orphans:
                if orphan.unacked == 0 and orphan.overlaps(request.sector, request.end_sector()):
                    self.hardware.marks.hit("read passed a fence")

    def _look_at_queues(self, era: Era, target: Multipath) -> None:
        marks = self.hardware.marks
        own = era.map.queue
        if own is not None:
            if own._requeue_timer.is_armed():
                marks.hit("delayed requeue")
            if own.waiting() and target.busy():
                marks.hit("path busy")
            self._look_at_queue(own)
        for path in era.paths:
            assert path.device is not None
            self._look_at_queue(path.device.requests)

    def _look_at_queue(self, queue: RequestQueue) -> None:
        if queue._dispatch:
            self.hardware.marks.hit("refused below")
        if queue._delayed.is_armed():
            self.hardware.marks.hit("rerun timer")
        if queue.in_flight < 0 or queue.in_flight > queue.depth:
            self.referee.fault(f"{queue.name}: {queue.in_flight} tags of {queue.depth} are in use")
        if queue.waiting() > WAITING_MAX + PLUG_MAX:
            self.referee.fault(
                f"{queue.name}: {queue.waiting()} requests wait; the limit is {WAITING_MAX} and one plug"
            )

    def _judge_counts(self, era: Era, target: Multipath) -> None:
        state = target.state
        active = 0
        for path in state.paths:
            if path.is_active:
                active += 1
            if path.in_flight < 0 or path.in_flight_bytes < 0:
                self.referee.fault(f"{path.device.name} counts {path.in_flight} I/Os in flight")
            told = era.ear.failed.get(path, 0)
            if path.fail_count != told:
                self.referee.fault(f"{path.device.name} counts {path.fail_count} failures, and {told} were told of")
        if active != state.valid_paths:
            self.referee.fault(f"{state.valid_paths} paths are said to be valid, and {active} are active")

    def is_at_rest(self, era: Era) -> bool:
        """Whether nothing is on its way, that nobody waits for either."""
        for watched in era.paths:
            if watched.outstanding() or (watched.device is not None and watched.device.left_behind is not None):
                return False
        return era.map.idle() and era.device.idle() and not era.disk.fences.orphans

    def judge_rest(self, era: Era) -> None:
        """Nothing is on its way any more: everything that counts what is must say so."""
        target = era.target()
        fault = self.referee.fault
        for path in target.state.paths:
            if path.in_flight or path.in_flight_bytes:
                fault(
                    f"at rest {path.device.name} counts {path.in_flight} I/Os of {path.in_flight_bytes} bytes in flight"
                )
        for watched in era.paths:
            assert watched.device is not None
            queue = watched.device.requests
            if not queue.idle() or watched.outstanding():
                fault(f"at rest {watched.name} has {queue.in_flight} I/Os in flight and {queue.waiting()} waiting")
        if not era.map.idle() or not era.device.idle():
            fault("at rest a map is not idle")
        if era.disk.fences.orphans:
            fault(f"at rest a fence stands: {era.disk.fences.orphans[0].describe()}")
        if era.turn.pending():
            fault("at rest work is pending")
