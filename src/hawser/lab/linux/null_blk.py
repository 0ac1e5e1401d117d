"""null_blk: a request-based disk with memory of its own, whose answers come at once or after a set time.

Linux: drivers/block/null_blk/main.c. `irqmode` 0 and 1 answer at once (inline, or by softirq), 2 after `completion_nsec`.
Without `memory_backed` nothing is stored.
"""

from typing import Final

from hawser.block.ops import READ
from hawser.block.request import Request
from hawser.core.clock import Timer
from hawser.core.status import OK
from hawser.lab.linux.facts import Facts
from hawser.lab.linux.kit import Kit
from hawser.lab.linux.memory import Memory
from hawser.lab.linux.softirq import MachineDriver

IRQ_TIMER: Final = 2
COMPLETION_NS: Final = 10_000


class _Answer(Timer):
    def __init__(self, driver: "NullDriver", request: Request) -> None:
        super().__init__()
        self.driver = driver
        self.request = request

    def expire(self) -> None:
        self.driver.answered(self.request)


class NullDriver(MachineDriver):
    def __init__(self, settings: Facts, kit: Kit, memory: Memory) -> None:
        super().__init__(kit.softirq)
        self.kit = kit
        self.memory = memory
        self.stores = settings.number("memory_backed") != 0
        timed = settings.number("irqmode") == IRQ_TIMER
        self.delay_ns = settings.number("completion_nsec", COMPLETION_NS) if timed else 0
        self._outstanding: dict[int, Request] = {}

    def queue_rq(self, request: Request) -> int:
        if self.stores:
            request.data = self.memory.apply(request)
        elif request.op == READ:
            request.data = bytes(request.size)
        self._outstanding[id(request)] = request
        if self.delay_ns:
            self.kit.timers.arm(_Answer(self, request), self.delay_ns)
        else:
            self.answered(request)
        return OK

    def answered(self, request: Request) -> None:
        del self._outstanding[id(request)]
        request.finish(OK, request.size)
        self.complete(request)

    def outstanding(self) -> list[Request]:
        return list(self._outstanding.values())
