"""FileCalls: a path to a file or block device, as hawser.paths.file has it when its I/O goes to threads, in virtual time.

Fault model. There is no session: a system call returns, with an error if what is below was lost, or hangs until that heals. A
call that takes longer than the I/O timeout is given up; it cannot be called back, and its return is the proof of its fate. A
short count is a good prefix. The port below may be full, and says so before it takes a command.
"""

from typing import TYPE_CHECKING

from hawser.block.ops import FLUSH, is_fua_write
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.request import UNKNOWN, Request
from hawser.core.clock import Timer
from hawser.core.status import DEV_RESOURCE, OK, RESOURCE, TIMEOUT, TRANSPORT
from hawser.core.units import NS_PER_S, SECTOR_SHIFT
from hawser.lab.devices.command import Command, abandon, make_command
from hawser.lab.devices.connection import LinkUser
from hawser.lab.payload import encode

if TYPE_CHECKING:
    from hawser.lab.devices.sim_path import SimPath


class _Deadline(Timer):
    def __init__(self, calls: "FileCalls") -> None:
        super().__init__()
        self.calls = calls

    def expire(self) -> None:
        self.calls.check_deadlines()


class FileCalls(LinkUser):
    """`in_threads` are the calls that somebody waits for, `stuck` counts those that nobody does."""

    def __init__(self, driver: "SimPath") -> None:
        self.driver = driver
        self.in_threads: dict[int, Command] = {}
        self.stuck = 0
        self.queued = 0
        self._calls = 0
        self._deadline = _Deadline(self)
        self.connection = driver.link.open(self, 0)

    def refuses(self) -> int:
        """OK, or the status with which a further request is not taken."""
        server = self.connection.server
        own = len(self.in_threads) + self.queued
        if not server.queue_max or max(server.load(), own) < server.slots + server.queue_max:
            return OK
        return DEV_RESOURCE if own else RESOURCE

    def is_full(self) -> bool:
        """Whether calls of our own fill it, so that one of them will return and make room."""
        server = self.connection.server
        return server.queue_max > 0 and len(self.in_threads) + self.queued >= server.slots + server.queue_max

    def send(self, batch: list[Request]) -> None:
        driver = self.driver
        self.queued = 0
        for request in batch:
            self._calls += 1
            fua = is_fua_write(request.op, request.flags)
            command = make_command(self.connection, self._calls, request, fua)
            request.deadline_ns = driver.clock.now_ns + driver.timeout_ns
            self.in_threads[self._calls] = command
            if not self._deadline.is_armed():
                driver.timers.arm(self._deadline, driver.timeout_ns)
            self.connection.send(command)
            driver.hardware.trace.note(driver.lane, "sent", command.text)
            driver.hardware.sightings.sent(driver.name, command.op, command.sector, command.values)

    def answered(self, command: Command) -> None:
        """A call has returned."""
        driver = self.driver
        if self.in_threads.pop(command.cookie, None) is None:
            driver.hardware.trace.note(driver.lane, "late", command.outcome())
            self._returned_late(command)
            return
        driver.hardware.trace.note(driver.lane, "answered", command.outcome())
        if command.fua and command.error:
            # (The real driver finds that out by a second try.)
            driver.fua_failed(command.status)
        request = command.request
        good = request.size if command.status == OK else command.good << SECTOR_SHIFT
        if command.data is not None and good:
            request.data = encode(command.data)
        if command.status != OK:
            driver.hardware.sightings.gave_up(driver.name, command.values)
            if good:
                driver.hardware.sightings.partly_done(driver.name, command.sector + command.good)
        request.finish(command.status, good)
        driver.complete(request)

    def _returned_late(self, command: Command) -> None:
        self.stuck -= 1
        driver = self.driver
        if command.status != OK and command.status != RESOURCE:
            if command.op == FLUSH:
                driver.flush_failed()
            elif command.fua:
                driver.fua_failed(command.status)
        orphan = command.orphan
        if orphan is None:
            return
        if command.status == OK and driver.device is not None:
            driver.device.late_write()
        if not orphan.proof:
            driver.hardware.marks.hit("orphan: system call returned")
        driver.resolve(orphan, PROOF_ANSWER)

    def check_deadlines(self) -> None:
        """Give up on the calls whose time is over. They were started in order of their deadlines."""
        driver = self.driver
        now_ns = driver.clock.now_ns
        overdue = [command for command in self.in_threads.values() if command.request.deadline_ns <= now_ns]
        for command in overdue:
            driver.hardware.trace.note(driver.lane, "timeout", f"{command.text}: its call has not returned")
            self._give_up(command, TIMEOUT)
        if overdue:
            driver.log.warning(
                f"{driver.name}: {len(overdue)} system calls did not return for {driver.timeout_ns / NS_PER_S:g} s"
            )
        for command in self.in_threads.values():
            driver.timers.arm(self._deadline, max(0, command.request.deadline_ns - now_ns))
            break

    def _give_up(self, command: Command, status: int) -> None:
        driver = self.driver
        driver.hardware.trouble()
        request = command.request
        del self.in_threads[command.cookie]
        self.stuck += 1
        if command.is_write:
            abandon(command, driver.name)
            command.orphan = request.orphaned(driver.name, driver.epoch)
            request.orphan = command.orphan
        request.finish(status, 0, UNKNOWN)
        driver.complete(request)

    def trouble(self) -> str:
        return f"{self.stuck} system calls have not returned" if self.stuck > 0 else ""

    def shut_down(self) -> None:
        self.driver.timers.cancel(self._deadline)
        for command in list(self.in_threads.values()):
            self._give_up(command, TRANSPORT)

    def requests(self) -> list[Request]:
        return [command.request for command in self.in_threads.values()]
