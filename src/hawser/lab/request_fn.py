"""RequestFnQueue: the queue that the RFC of 2008 put multipath below: one lock, one loop, and a plug on the device.

Linux 2.6.25: block/ll_rw_blk.c (__make_request, blk_plug_device, __generic_unplug_device) and the RFC's dm_request_fn(). What was
different from today (hawser.block.dispatch):

- no batch of the submitter: bios go one by one to the elevator and merge there;
- the *device* is plugged when its first request comes, and unplugged when UNPLUG_THRESHOLD wait or UNPLUG_DELAY_NS have passed;
- the loop peeks: while the target says that its paths are congested it plugs the device and stops, and nothing has left the
  elevator
  (today one request has, and merges no more);
- a clone is always taken below, where it waits in the path's queue; there is no refusal to learn from (`feedback` of the paths'
  queues stands for their congestion bit);
- a target that wants a request back gets it back at the head of the elevator, and the device is plugged.

A switch of the laboratory, to compare; nothing is served through it.
"""

from typing import Final

from hawser.block.driver import Driver
from hawser.block.limits import QueueLimits
from hawser.block.queue import RequestQueue
from hawser.block.request import IDLE, Request
from hawser.core.clock import Timer, Timers
from hawser.core.status import DEV_RESOURCE, OK, RESOURCE
from hawser.core.turn import Turn
from hawser.core.units import NS_PER_MS

UNPLUG_THRESHOLD: Final = 4
UNPLUG_DELAY_NS: Final = 3 * NS_PER_MS


class _Unplug(Timer):
    def __init__(self, queue: "RequestFnQueue") -> None:
        super().__init__()
        self.queue = queue

    def expire(self) -> None:
        self.queue.unplug()


class RequestFnQueue(RequestQueue):
    """`plugged`: requests gather, and the loop does not run. `sync`: each bio unplugs the device (bio_sync()), as those of
    somebody who waits for them do; then only a busy device lets them merge."""

    def __init__(self, name: str, driver: Driver, limits: QueueLimits, turn: Turn, timers: Timers, depth: int) -> None:
        super().__init__(name, driver, limits, turn, timers, depth)
        self.plugged = False
        self.sync = False
        self._unplug = _Unplug(self)

    def issue(self, requests: list[Request]) -> None:
        """Linux 2.6.25: add_request() with elv_insert()."""
        for request in requests:
            if self.elevator.waiting() == 0 and not self.plugged:
                self._plug()
            self._enter(request, False)
        if self.sync or (self.elevator.waiting() >= UNPLUG_THRESHOLD and not self.driver.busy()):
            self.unplug()

    def insert(self, requests: list[Request]) -> None:
        self.issue(requests)

    def _plug(self) -> None:
        self.plugged = True
        if not self._unplug.is_armed():
            self.timers.arm(self._unplug, UNPLUG_DELAY_NS)

    def unplug(self) -> None:
        self.plugged = False
        self.timers.cancel(self._unplug)
        self.rerun()

    def run_again(self) -> None:
        """Something has ended: the loop runs, plugged or not (blk_run_queue())."""
        self.plugged = False
        super().run_again()

    def rerun(self) -> None:
        """The RFC's dm_request_fn()."""
        self._scheduled = False
        while self._dispatch:
            # What was requeued; the elevator of that time kept it at its own head.
            self.elevator.insert(self._dispatch.popleft(), True)
        while not self.quiesced and not self.plugged and self.in_flight < self.depth:
            if self.elevator.peek() is None:
                break
            if self.driver.busy():
                self._plug()
                break
            request = self.elevator.next()
            assert request is not None
            status = self._send(request)
            if status == RESOURCE or status == DEV_RESOURCE:
                request.state = IDLE
                self.elevator.insert(request, True)
                self._plug()
                break
            if status != OK:
                self.refused(request, status)
        self.merges_waiting = self.elevator.waiting() > 0
        self.driver.commit()
