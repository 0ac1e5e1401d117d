"""Softirq: requests that drivers have completed, delivered in the order in which they were, whichever disks they were for.

Linux: blk_mq_raise_softirq() and blk_done_softirq() in block/blk-mq.c, which queues with one hardware queue use.
"""

from hawser.block.driver import Driver
from hawser.block.request import Request
from hawser.core.turn import Turn, Work


class Softirq(Work):
    """Of the whole machine: completions happen where requests were sent from."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.finished: list[Request] = []

    def complete(self, request: Request) -> None:
        if not self.finished:
            self.turn.defer(self)
        self.finished.append(request)

    def run(self) -> None:
        finished = self.finished
        self.finished = []
        for request in finished:
            request.queue.complete(request)


class MachineDriver(Driver):
    """One of the drivers of a machine."""

    def __init__(self, softirq: Softirq) -> None:
        super().__init__(softirq.turn)
        self.softirq = softirq

    def complete(self, request: Request) -> None:
        self.softirq.complete(request)

    def unreported(self) -> list[Request]:
        return [request for request in self.softirq.finished if request.queue.driver is self]
