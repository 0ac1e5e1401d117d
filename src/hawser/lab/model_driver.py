"""ModelDriver: a path whose commands take c + bytes / B, one after the other, of which it holds so many as its queue has tags.

The model of the literature's figures (`seeds.md` 1.6): with t4 the time of the data of 4 KiB and k = c / t4, commands of 512 KiB
move data (1 + k) / (1 + k / 128) times as fast as commands of 4 KiB. `bytes_done` and `busy_ns` are what a figure is made of;
`free_at_ns` is when the last command so far is answered.
"""

from typing import Final

from hawser.block.driver import Driver
from hawser.block.ops import READ
from hawser.block.request import Request
from hawser.core.clock import Timer, Timers
from hawser.core.status import OK
from hawser.core.turn import Turn
from hawser.core.units import KIB

T4_NS: Final = 10_000


class _Due(Timer):
    def __init__(self, driver: "ModelDriver", request: Request) -> None:
        super().__init__()
        self.driver = driver
        self.request = request

    def expire(self) -> None:
        self.driver.answer(self.request)


class ModelDriver(Driver):
    """`speed`: how much faster its data moves than 4 KiB in `t4_ns`; the fixed part of a command is k times that for
    all alike."""

    def __init__(self, turn: Turn, timers: Timers, k: float, speed: float = 1.0, t4_ns: int = T4_NS) -> None:
        super().__init__(turn)
        self.timers = timers
        self.t4_ns = t4_ns
        self.fixed_ns = round(k * t4_ns)
        self.speed = speed
        self.commands = 0
        self.bytes_done = 0
        self.busy_ns = 0
        self.free_at_ns = 0
        self._zeroes = bytes(0)

    def queue_rq(self, request: Request) -> int:
        service_ns = self.fixed_ns + round(request.size * self.t4_ns / (4 * KIB * self.speed))
        now_ns = self.timers.clock.now_ns
        self.free_at_ns = max(self.free_at_ns, now_ns) + service_ns
        self.busy_ns += service_ns
        self.commands += 1
        self.timers.arm(_Due(self, request), self.free_at_ns - now_ns)
        return OK

    def answer(self, request: Request) -> None:
        self.bytes_done += request.size
        if request.op == READ:
            if len(self._zeroes) < request.size:
                self._zeroes = bytes(request.size)
            request.data = memoryview(self._zeroes)[: request.size]
        request.finish(OK, request.size)
        self.complete(request)
