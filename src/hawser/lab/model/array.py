"""ModelServer and ModelPath: what costs time below the engine, and holds no data.

A command of n bytes takes a server `fixed + n / bandwidth`, times a factor drawn from its spread; it works on `slots` of them at
once, in the order in which they were sent to it. When a command is sent it is known when it will be done, so that one timer for
each is all that it takes: a path that is slow is slow for what is sent to it from then on.

Reads return zeroes, and so does the check of a path: every disk of zeroes is the same disk. What went wrong to real data is the
business of hawser.lab.run; here nobody looks at data.
"""

from heapq import heapify, heapreplace
from typing import Final

from hawser.block.driver import Driver
from hawser.block.ops import READ, is_write_class
from hawser.block.orphan import PROOF_ANSWER, PROOF_PEER_GONE, Orphan
from hawser.block.request import ANSWERED, NOT_SENT, UNKNOWN, Request
from hawser.core.clock import NEVER, Timer, Timers
from hawser.core.histogram import Histogram
from hawser.core.rng import Rng
from hawser.core.status import OK, TIMEOUT, TRANSPORT
from hawser.core.turn import Turn
from hawser.core.units import NS_PER_S
from hawser.lab.devices.service_time import CONSTANT, factor_of
from hawser.multipath.disk import PathDevice

# As hawser.paths.nbd has it: after commands were given up, so long an answer is waited for before the session is.
LINGER_NS: Final = NS_PER_S
# What is as good as never, and can still be added to.
FAR_NS: Final = 1 << 60


class ModelServer:
    """`slowness`: how many times as long as usual service takes for now. `busy_ns`: for how long its slots have worked.
    `factors`: what service takes times one of these, instead of what `spread` says, if there are any."""

    def __init__(
        self,
        fixed_ns: int,
        ns_per_kib: int,
        slots: int,
        spread: str,
        rng: Rng,
        factors: list[float] | None = None,
    ) -> None:
        self.fixed_ns = fixed_ns
        self.ns_per_kib = ns_per_kib
        self.slots = slots
        self.spread = spread
        self.rng = rng
        self.slowness = 1.0
        self.busy_ns = 0
        self.factors: list[float] = factors or []
        self.is_constant = spread == CONSTANT and not self.factors
        self._free_ns = 0
        self._free: list[int] = [0] * slots

    def serve(self, arrives_ns: int, size: int) -> int:
        """When a command of `size` bytes that arrives then will be done."""
        service_ns = self.fixed_ns + (size * self.ns_per_kib >> 10)
        if not self.is_constant:
            service_ns = int(service_ns * self._factor())
        if self.slowness != 1.0:
            service_ns = int(service_ns * self.slowness)
        self.busy_ns += service_ns
        if self.slots == 1:
            start_ns = self._free_ns if self._free_ns > arrives_ns else arrives_ns
            self._free_ns = start_ns + service_ns
            return self._free_ns
        start_ns = self._free[0] if self._free[0] > arrives_ns else arrives_ns
        heapreplace(self._free, start_ns + service_ns)
        return start_ns + service_ns

    def forget(self, now_ns: int) -> None:
        """Its process has died: what it was at is nothing."""
        self._free_ns = min(self._free_ns, now_ns)
        self._free = [min(free_ns, now_ns) for free_ns in self._free]
        heapify(self._free)

    def _factor(self) -> float:
        if self.factors:
            return self.factors[self.rng.below(len(self.factors))]
        return factor_of(self.spread, self.rng)


class _Command(Timer):
    """On its way from `sent_ns` on, answered at `due_ns`; given up before that if the time is over then."""

    def __init__(self, path: "ModelPath", request: Request, sent_ns: int, due_ns: int, status: int) -> None:
        super().__init__()
        self.path = path
        self.request = request
        self.sent_ns = sent_ns
        self.due_ns = due_ns
        self.status = status
        self.orphan: Orphan | None = None
        self.is_given_up = False

    def expire(self) -> None:
        self.path.came(self)


class _Linger(Timer):
    def __init__(self, path: "ModelPath") -> None:
        super().__init__()
        self.path = path

    def expire(self) -> None:
        self.path.lose("no late answer within 1 s")


class _Connect(Timer):
    def __init__(self, path: "ModelPath") -> None:
        super().__init__()
        self.path = path

    def expire(self) -> None:
        self.path.connected()


class _Proof(Timer):
    """After a while nothing of a session can take effect any more."""

    def __init__(self, orphans: list[Orphan]) -> None:
        super().__init__()
        self.orphans = orphans

    def expire(self) -> None:
        for orphan in self.orphans:
            orphan.resolve(PROOF_PEER_GONE)


class ModelPath(Driver):
    """`device` is set by whoever makes it. `commands`, `bytes_done`, `sizes` (commands by size) and `latencies` are what a figure
    is made of; `gray_percent` of the commands are `gray_ns` late, and all of them `extra_ns`."""

    def __init__(
        self, name: str, turn: Turn, timers: Timers, server: ModelServer, latency_ns: int, timeout_ns: int, rng: Rng
    ) -> None:
        super().__init__(turn)
        self.name = name
        self.timers = timers
        self.clock = timers.clock
        self.server = server
        self.latency_ns = latency_ns
        self.timeout_ns = timeout_ns
        self.rng = rng
        self.proof_ns = 0
        self.answers_are_final = True
        self.device: PathDevice | None = None
        self.epoch = 1
        self.problem = ""
        self.extra_ns = 0
        self.gray_percent = 0.0
        self.gray_ns = 0
        self.fails = False
        self.commands = 0
        self.bytes_done = 0
        self.latencies = Histogram()
        self.sizes: dict[int, int] = {}
        # While nothing passes, when it will again.
        self._black_until_ns = NEVER
        self._is_down = False
        self._on_way: dict[_Command, None] = {}
        self._ghosts: list[_Command] = []
        self._linger = _Linger(self)
        self._connect = _Connect(self)
        self._zeroes = bytes(4096)

    # Commands.

    def queue_rq(self, request: Request) -> int:
        if self.problem:
            request.finish(TRANSPORT, 0, NOT_SENT)
            self.complete(request)
            return OK
        now_ns = self.clock.now_ns
        self.commands += 1
        size = request.size
        self.sizes[size] = self.sizes.get(size, 0) + 1
        status = OK
        arrives_ns = now_ns + (self.latency_ns >> 1)
        if self._black_until_ns > arrives_ns:
            arrives_ns = self._black_until_ns
        if self.fails:
            status = TRANSPORT
            due_ns = arrives_ns
        else:
            due_ns = self.server.serve(arrives_ns, size)
        due_ns += self.latency_ns - (self.latency_ns >> 1) + self.extra_ns
        if self.gray_percent and self.rng.uniform() * 100.0 < self.gray_percent:
            due_ns += self.gray_ns
        command = _Command(self, request, now_ns, due_ns, status)
        self._on_way[command] = None
        wait_ns = due_ns - now_ns
        self.timers.arm(command, wait_ns if wait_ns <= self.timeout_ns else self.timeout_ns)
        return OK

    def came(self, command: _Command) -> None:
        """The time of a command has come: its answer is there, or it has waited for it long enough."""
        now_ns = self.clock.now_ns
        if command.is_given_up:
            self._came_late(command)
            return
        if now_ns < command.due_ns:
            self._give_up(command)
            return
        del self._on_way[command]
        request = command.request
        self.latencies.record(now_ns - command.sent_ns)
        if command.status == OK:
            self.bytes_done += request.size
            if request.op == READ:
                self._fill(request)
            request.finish(OK, request.size)
        else:
            request.finish(command.status, 0, ANSWERED)
        self.complete(request)

    def _fill(self, request: Request) -> None:
        size = request.size
        if len(self._zeroes) < size:
            self._zeroes = bytes(size)
        request.data = self._zeroes if len(self._zeroes) == size else memoryview(self._zeroes)[:size]

    def _give_up(self, command: _Command) -> None:
        """Nobody waits for it any more, though it may still take effect."""
        del self._on_way[command]
        self.end(command, TIMEOUT)
        command.is_given_up = True
        self._ghosts.append(command)
        self.timers.arm(command, command.due_ns - self.clock.now_ns)
        if not self.problem and not self._linger.is_armed():
            self.timers.arm(self._linger, LINGER_NS)

    def end(self, command: _Command, status: int) -> None:
        """Tell the engine that the fate of a command is unknown."""
        request = command.request
        if is_write_class(request.op):
            command.orphan = request.orphaned(self.name, self.epoch)
            request.orphan = command.orphan
        request.finish(status, 0, UNKNOWN)
        self.complete(request)

    def _came_late(self, command: _Command) -> None:
        self._ghosts.remove(command)
        if command.orphan is not None:
            command.orphan.resolve(PROOF_ANSWER)
        if not self.problem:
            self.timers.cancel(self._linger)
            if self._ghosts:
                self.timers.arm(self._linger, LINGER_NS)
            if self.listener is not None:
                self.listener.session_ready(self)

    def outstanding(self) -> list[Request]:
        return [command.request for command in self._on_way]

    def trouble(self) -> str:
        return self.problem

    # Sessions.

    def lose(self, reason: str) -> None:
        """The session is over. What was on its way has an unknown fate, until it is proved that it cannot take effect."""
        if self.problem:
            return
        self.problem = reason
        self.timers.cancel(self._linger)
        orphans: list[Orphan] = []
        for command in [*self._on_way, *self._ghosts]:
            self.timers.cancel(command)
            if not command.is_given_up:
                self.end(command, TRANSPORT)
            if command.orphan is not None:
                orphans.append(command.orphan)
        self._on_way = {}
        self._ghosts = []
        assert self.device is not None
        self.device.session_ended()
        self.timers.arm(_Proof(orphans), self.proof_ns)
        if self.listener is not None:
            self.listener.session_lost(self, reason)
        if not self._is_down:
            self.connect()

    def connect(self) -> None:
        """Open the next session as soon as that can be."""
        now_ns = self.clock.now_ns
        wait_ns = max(self._black_until_ns, now_ns) - now_ns
        if wait_ns < FAR_NS >> 1:
            self.timers.arm(self._connect, wait_ns + 2 * self.latency_ns)

    def connected(self) -> None:
        if self._is_down or not self.problem:
            return
        self.epoch += 1
        self.problem = ""
        if self.listener is not None:
            self.listener.session_ready(self)

    # What goes wrong.

    def kill(self) -> None:
        """What serves it has died."""
        self._is_down = True
        self.server.forget(self.clock.now_ns)
        self.lose("the server has closed the connection")

    def revive(self) -> None:
        self._is_down = False
        self.connect()

    def go_black(self, duration_ns: int) -> None:
        """Nothing passes for so long (0: for ever); what is on its way arrives behind that."""
        now_ns = self.clock.now_ns
        end_ns = now_ns + (duration_ns if duration_ns else FAR_NS)
        self._black_until_ns = end_ns
        for command in [*self._on_way, *self._ghosts]:
            if command.due_ns < end_ns:
                command.due_ns = end_ns
            until_ns = command.due_ns
            if not command.is_given_up:
                until_ns = min(until_ns, command.sent_ns + self.timeout_ns)
            self.timers.arm(command, until_ns - now_ns)

    def flap(self) -> None:
        """The session is lost, and nothing else."""
        self.lose("the connection was lost")
