"""A request queue that is watched: the marks of what merges, how an elevator decides, and settings that change under load."""

from collections import deque

from hawser.block.bio import Bio
from hawser.block.driver import Driver
from hawser.block.elevators.mq_deadline import MqDeadline
from hawser.block.elevators.node import BEST_EFFORT, READS, WRITES, Node
from hawser.block.limits import QueueLimits
from hawser.block.queue import RequestQueue
from hawser.block.request import Request
from hawser.core.clock import Timers
from hawser.core.turn import Turn
from hawser.lab.marks import Marks


class WatchedQueue(RequestQueue):
    """Of a path, or a request-based device's own."""

    def __init__(
        self, name: str, driver: Driver, limits: QueueLimits, turn: Turn, timers: Timers, depth: int, marks: Marks
    ) -> None:
        super().__init__(name, driver, limits, turn, timers, depth)
        self.marks = marks

    # Merging.

    def note_merge(self, request: Request, bio: Bio) -> None:
        super().note_merge(request, bio)
        self.marks.hit("merged in front" if request.bios[0] is bio else "merged at the back")

    def note_join(self, first: Request, second: Request) -> None:
        super().note_join(first, second)
        self.marks.hit("requests joined")

    def _waits_to_merge(self) -> bool:
        waits = super()._waits_to_merge()
        if waits:
            self.marks.hit("merge deadline")
        return waits

    # Going down.

    def insert(self, requests: list[Request]) -> None:
        self.marks.hit("plug over queues")
        super().insert(requests)

    def insert_cloned(self, clone: Request) -> int:
        if not self.feedback and not self.dying and (self.quiesced or self.in_flight >= self.depth):
            self.marks.hit("taken without feedback")
        return super().insert_cloned(clone)

    def _take(self, most: int) -> deque[Request]:
        batch = super()._take(most)
        elevator = self.elevator
        if batch and isinstance(elevator, MqDeadline):
            self._look_at(batch[0], elevator)
        return batch

    def _look_at(self, request: Request, elevator: MqDeadline) -> None:
        """What else was there when this one was chosen."""
        node = request.node
        if not isinstance(node, Node) or node.expires_ns == 0:
            return
        now_ns = self.clock.now_ns
        if node.expires_ns <= now_ns:
            self.marks.hit("mq-deadline: expired")
        one = elevator.classes[node.prio]
        oldest = one.arrivals[node.direction].first
        if oldest is not None and oldest.expires_ns < node.expires_ns:
            self.marks.hit("mq-deadline: sorted")
        if node.direction == WRITES and one.arrivals[READS].first is not None:
            self.marks.hit("mq-deadline: writes starved")
        if node.prio < BEST_EFFORT:
            later = elevator.classes[BEST_EFFORT]
            if later.arrivals[READS].first is not None or later.arrivals[WRITES].first is not None:
                self.marks.hit("mq-deadline: priority")

    # Settings.

    def set_scheduler(self, name: str) -> None:
        if self.elevator.waiting():
            self.marks.hit("scheduler changed with I/O queued")
        super().set_scheduler(name)

    def set_limits(self, limits: QueueLimits) -> None:
        if limits != self.limits and self.waiting():
            self.marks.hit("limits changed with I/O queued")
        super().set_limits(limits)
