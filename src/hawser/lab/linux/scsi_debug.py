"""scsi_debug: several hosts with a disk each, over one store; a disk that can be told to be slow, broken, offline or gone.

Linux: drivers/scsi/scsi_debug.c, and of scsi_lib.c scsi_queue_rq(), scsi_device_state_check() and scsi_io_completion(). A
command is carried out when it is queued and answered after the delay. A read that meets a bad sector fails as a whole: the
drive reports that it has transferred nothing.
"""

from typing import Final

from hawser.block.ops import FLUSH, READ, is_write_class
from hawser.block.request import Request
from hawser.core.clock import Timer
from hawser.core.status import IOERR, MEDIUM, OFFLINE, OK, RESOURCE
from hawser.core.units import NS_PER_S
from hawser.lab.linux.facts import Facts
from hawser.lab.linux.kit import Kit
from hawser.lab.linux.memory import Memory
from hawser.lab.linux.scsi_unit import DebugUnit
from hawser.lab.linux.softirq import MachineDriver

# Linux: CONFIG_HZ of the distribution's kernel; JDELAY_OVERRIDDEN; bits of `opts`.
HZ: Final = 250
DELAY_OVERRIDDEN: Final = -9999
OPT_MEDIUM_ERROR: Final = 2
# A synchronise-cache is not delayed by less than this many ns per command.
LONG_DELAY_MIN_NS: Final = 10_000

RUNNING: Final = "running"
OFFLINE_STATE: Final = "offline"
BLOCKED: Final = "blocked"
DELETED: Final = "deleted"


class ScsiDebug:
    """The driver, with the settings that all its disks share and the store behind them. `delay` in jiffies."""

    def __init__(self, settings: Facts, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.memory = Memory(size_bytes)
        self.has_own_stores = settings.text("per_host_store") in ("1", "Y")
        self.delay = settings.number("delay", 1)
        self.ndelay = settings.number("ndelay")
        self.opts = settings.number("opts")
        self.every_nth = settings.number("every_nth")
        self.max_queue = settings.number("max_queue", 192)
        self.medium_error_start = settings.number("medium_error_start", 0x1234)
        self.medium_error_count = settings.number("medium_error_count", 10)
        self.fake_rw = settings.number("fake_rw") != 0
        self.has_written = False
        # How many are in flight at all disks.
        self.commands = 0

    def delay_ns(self, op: int) -> int:
        """How long a command takes."""
        if op == FLUSH and (self.delay > 0 or self.ndelay > LONG_DELAY_MIN_NS):
            if not self.has_written:
                return 0
            self.has_written = False
            return max(self.delay, 1) * HZ // 20 * NS_PER_S // HZ
        if self.delay > 0:
            return self.delay * NS_PER_S // HZ
        return self.ndelay if self.delay == DELAY_OVERRIDDEN else 0

    def is_unreadable(self, request: Request) -> bool:
        first = self.medium_error_start
        if not self.opts & OPT_MEDIUM_ERROR or request.op != READ:
            return False
        return request.sector < first + self.medium_error_count and request.end_sector() > first


class _Answer(Timer):
    def __init__(self, driver: "ScsiDriver", request: Request) -> None:
        super().__init__()
        self.driver = driver
        self.request = request

    def expire(self) -> None:
        self.driver.answered(self.request)


class ScsiDriver(MachineDriver):
    """One disk. `state` as in the `state` of its device folder; `depth` how many commands it takes at a time."""

    def __init__(self, host: ScsiDebug, kit: Kit, depth: int) -> None:
        super().__init__(kit.softirq)
        self.host = host
        self.kit = kit
        self.state = RUNNING
        self.depth = depth
        self.memory = Memory(host.size_bytes) if host.has_own_stores else host.memory
        # What commands that are no I/O are sent to; set by whoever makes the disk.
        self.unit: DebugUnit | None = None
        self.in_flight: dict[int, Request] = {}
        # What each request in flight will be answered.
        self._statuses: dict[int, int] = {}

    def queue_rq(self, request: Request) -> int:
        if self.state == OFFLINE_STATE:
            return IOERR
        if self.state == DELETED:
            return OFFLINE
        if self.state == BLOCKED or len(self.in_flight) >= self.depth:
            return RESOURCE
        if self.unit is not None and self.unit.handler is not None:
            status = self.unit.prepare()
            if status != OK:
                return status
        host = self.host
        status = OK
        if host.is_unreadable(request):
            status = MEDIUM
        elif not host.fake_rw or not (request.op == READ or is_write_class(request.op)):
            request.data = self.memory.apply(request)
        elif request.op == READ:
            request.data = bytes(request.size)
        delay_ns = host.delay_ns(request.op)
        if is_write_class(request.op):
            host.has_written = True
        self.in_flight[id(request)] = request
        host.commands += 1
        self._statuses[id(request)] = status
        if delay_ns:
            self.kit.timers.arm(_Answer(self, request), delay_ns)
        else:
            self.answered(request)
        return OK

    def set_state(self, state: str) -> None:
        self.state = state
        if self.unit is not None:
            self.unit.follow(state)

    def answered(self, request: Request) -> None:
        del self.in_flight[id(request)]
        self.host.commands -= 1
        status = self._statuses.pop(id(request))
        request.finish(status, request.size if status == OK else 0)
        self.complete(request)

    def has_budget(self, taken: int) -> bool:
        """Linux: scsi_dev_queue_ready(), which asks for room before a request is looked for."""
        return len(self.in_flight) + taken < self.depth

    def busy(self) -> bool:
        """Linux: scsi_mq_lld_busy()."""
        return self.state == BLOCKED or (self.state == RUNNING and len(self.in_flight) >= self.depth)

    def outstanding(self) -> list[Request]:
        return list(self.in_flight.values())
