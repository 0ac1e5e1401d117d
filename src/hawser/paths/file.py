"""Files and block devices as paths.

Healthy buffered I/O of a local file is done inline: one system call into the page cache costs less than handing it to anybody.
A file that once took long, block devices, files whose file system asks a server (NFS, FUSE), O_DIRECT, flushes and FUA go to
threads, so that the loop is not stuck (DESIGN, "A batch is a plug"). A short read or write is a good prefix.
"""

import os
from time import monotonic_ns
from typing import Final

from hawser.block.driver import Driver
from hawser.block.ops import FLUSH, FUA, NOUNMAP, READ, WRITE, WRITE_ZEROES, Buffer, is_fua_write, is_write_class
from hawser.block.orphan import PROOF_ANSWER, PROOF_FENCE_AGENT, Orphan
from hawser.block.request import ANSWERED, UNKNOWN, Request
from hawser.core.clock import Timer, Timers
from hawser.core.log import LogSink
from hawser.core.reactor import Reactor
from hawser.core.status import IOERR, OK, RESOURCE, TIMEOUT, TRANSPORT
from hawser.core.turn import Turn
from hawser.core.units import NS_PER_MS, NS_PER_S, SECTOR_SHIFT
from hawser.multipath.disk import PathDevice
from hawser.paths.fence_agent import FenceAgent, FenceCall
from hawser.paths.fileio import IOV_MAX, OpenFile, open_file, read_fully, status_of_errno, write_fully, zero_range
from hawser.paths.workers import Job, Workers

SLOW_NS: Final = 50 * NS_PER_MS
_BLOCK_MASK: Final = ~511


class _Deadline(Timer):
    def __init__(self, driver: "FileDriver") -> None:
        super().__init__()
        self.driver = driver

    def expire(self) -> None:
        self.driver.check_deadlines()


class _Agent(FenceCall):
    def __init__(self, driver: "FileDriver") -> None:
        self.driver = driver

    def fenced(self) -> None:
        self.driver.cut_off()


class FileDriver(Driver):
    """`name` is the file's. `timeout_ns` bounds what a caller waits for a thread; the thread itself cannot be called
    back, so a write that was given up is an orphan until its system call returns, which is the proof."""

    def __init__(
        self,
        name: str,
        direct: bool,
        read_only: bool,
        timeout_ns: int,
        turn: Turn,
        timers: Timers,
        reactor: Reactor,
        log: LogSink,
        agent: FenceAgent | None = None,
    ) -> None:
        super().__init__(turn)
        self.name = name
        self.direct = direct
        self.timeout_ns = timeout_ns
        self.timers = timers
        self.reactor = reactor
        self.log = log
        self.agent = agent
        self._agent = _Agent(self)
        # Whose end here it is.
        self.device: PathDevice | None = None
        # Writes that were given up while their system call had not returned.
        self._stuck: list[Orphan] = []
        self.answers_are_final = True
        self.file: OpenFile = open_file(name, direct, read_only)
        self.threaded = direct or self.file.may_hang
        self.facts = self.file.facts
        self.fd = self.file.fd
        self._workers = Workers(reactor)
        self._deadline = _Deadline(self)
        self._batch: list[Request] = []
        self._in_threads: dict[int, _FileJob] = {}
        self._jobs = 0

    def queue_rq(self, request: Request) -> int:
        self._batch.append(request)
        return OK

    def commit(self) -> None:
        batch = self._batch
        if not batch:
            return
        self._batch = []
        if self.threaded:
            for request in batch:
                self._hand_over(request)
            return
        fd = self.fd
        before_ns = monotonic_ns()
        for request in batch:
            if request.op == READ:
                self._read(fd, request)
            elif request.op == FLUSH or request.flags & FUA or request.op != WRITE:
                self._hand_over(request)
            else:
                self._write(fd, request)
        after_ns = monotonic_ns()
        self.reactor.time_has_passed()
        if after_ns - before_ns > SLOW_NS:
            self.threaded = True
            self.log.warning(
                f"{self.name}: was slow (over {SLOW_NS // NS_PER_MS} ms); its I/O goes to threads from now on"
            )

    def _read(self, fd: int, request: Request) -> None:
        try:
            data = os.pread(fd, request.size, request.sector << SECTOR_SHIFT)
        except OSError as error:
            request.finish(status_of_errno(error.errno or 0), 0)
            self.complete(request)
            return
        good = len(data)
        if good == request.size:
            request.data = data
            request.finish(OK, good)
        else:
            good &= _BLOCK_MASK
            request.data = data[:good]
            request.finish(IOERR, good)
        self.complete(request)

    def _write(self, fd: int, request: Request) -> None:
        bios = request.bios
        try:
            if len(bios) == 1 and bios[0].done == 0:
                data: Buffer | None = bios[0].data
                assert data is not None
                good = os.pwrite(fd, data, request.sector << SECTOR_SHIFT)
            else:
                good = os.pwritev(fd, request.payload()[:IOV_MAX], request.sector << SECTOR_SHIFT)
        except OSError as error:
            request.finish(status_of_errno(error.errno or 0), 0)
            self.complete(request)
            return
        if good == request.size:
            request.finish(OK, good)
        else:
            self._write_rest(fd, request, good)
        self.complete(request)

    def _write_rest(self, fd: int, request: Request, good: int) -> None:
        """After a short write: why it was short, the kernel says only of the rest (a file system that is full)."""
        rest = memoryview(b"".join(request.payload()))[good:]
        status = IOERR
        try:
            good += write_fully(fd, [rest], (request.sector << SECTOR_SHIFT) + good, False, False)
        except OSError as error:
            status = status_of_errno(error.errno or 0)
        if good == request.size:
            request.finish(OK, good)
        else:
            request.finish(status, good & _BLOCK_MASK)

    def _hand_over(self, request: Request) -> None:
        self._jobs += 1
        job = _FileJob(self, self._jobs, request)
        request.deadline_ns = self.timers.clock.now_ns + self.timeout_ns
        self._in_threads[job.number] = job
        if not self._deadline.is_armed():
            self.timers.arm(self._deadline, self.timeout_ns)
        self._workers.submit(job)

    def answered(self, job: "_FileJob") -> None:
        """A thread has done its work; if it was given up, that resolves its orphan."""
        is_late = self._in_threads.pop(job.number, None) is None
        device = self.device
        if job.status != OK and device is not None:
            if job.is_sync_to_blame:
                device.heard_fua_error(job.status)
            elif is_late and job.is_flush:
                # An error that nobody is told any more. (The file system tells it once.)
                device.heard_flush_error(job.status, ANSWERED)
        if is_late:
            if job.orphan is not None:
                job.orphan.resolve(PROOF_ANSWER)
                if job.orphan in self._stuck:
                    self._stuck.remove(job.orphan)
                    if self.agent is not None and not self._stuck:
                        self.agent.withdraw(self._agent)
            return
        request = job.request
        if job.good and request.op == READ:
            request.data = job.data
        request.finish(job.status, job.good)
        self.complete(request)

    def check_deadlines(self) -> None:
        """Give up on the threads whose time is over. They were started in order of their deadlines."""
        now_ns = self.timers.clock.now_ns
        overdue = [job for job in self._in_threads.values() if job.request.deadline_ns <= now_ns]
        for job in overdue:
            self._give_up(job, TIMEOUT)
        if overdue:
            self.log.warning(
                f"{self.name}: {len(overdue)} system calls did not return for {self.timeout_ns / NS_PER_S:g} s"
            )
        for job in self._in_threads.values():
            self.timers.arm(self._deadline, max(0, job.request.deadline_ns - now_ns))
            break

    def give_up(self) -> None:
        for job in list(self._in_threads.values()):
            self._give_up(job, TIMEOUT)

    def _give_up(self, job: "_FileJob", status: int) -> None:
        del self._in_threads[job.number]
        job.given_up = True
        request = job.request
        if is_write_class(request.op):
            job.orphan = request.orphaned(self.name, self.epoch)
            request.orphan = job.orphan
            if self.agent is not None and status == TIMEOUT:
                if not self._stuck:
                    self.agent.ask(self.name, "a system call has not returned in time", self._agent)
                self._stuck.append(job.orphan)
        request.finish(status, 0, UNKNOWN)
        self.complete(request)

    def cut_off(self) -> None:
        """The fence agent has seen to it that what is stuck in the kernel has no effect any more."""
        stuck = self._stuck
        self._stuck = []
        for orphan in stuck:
            orphan.resolve(PROOF_FENCE_AGENT)

    def lifts(self, orphan: Orphan) -> str:
        agent = " or the success of the fence agent" if orphan in self._stuck else ""
        return f"the return of its system call{agent}" if orphan.path_name == self.name else ""

    def trouble(self) -> str:
        stuck = self._workers.pending - len(self._in_threads)
        return f"{stuck} system calls have not returned" if stuck > 0 else ""

    def shut_down(self) -> None:
        self.timers.cancel(self._deadline)
        for job in list(self._in_threads.values()):
            self._give_up(job, TRANSPORT)

    def close(self) -> None:
        """Unless a system call has not returned: its descriptor would be somebody else's by then."""
        if self.fd >= 0 and self._workers.pending == 0:
            self._workers.close()
            os.close(self.fd)
            self.fd = -1

    def outstanding(self) -> list[Request]:
        return [*self._batch, *[job.request for job in self._in_threads.values()]]


class _FileJob(Job):
    """One request, carried out in a thread. What it asks for is noted here, as the request changes once it was given up."""

    def __init__(self, driver: FileDriver, number: int, request: Request) -> None:
        super().__init__(request)
        self.driver = driver
        self.number = number
        self.offset = request.sector << SECTOR_SHIFT
        self.size = request.size
        self.is_flush = request.op == FLUSH
        self.is_durable = is_fua_write(request.op, request.flags)
        self.is_sync_to_blame = False
        self.views: list[Buffer] = request.payload() if request.op == WRITE else []
        self.orphan: Orphan | None = None
        self.given_up = False
        self.status = OK
        self.good = 0
        self.data: Buffer | None = None

    def work(self) -> None:
        if self.given_up:
            # No thread was free in time: it need not be done any more, and best is not.
            return
        try:
            self._carry_out(self.driver.fd, self.request)
        except OSError as error:
            self.status = status_of_errno(error.errno or 0)
            if self.is_durable and self.views:
                self._find_out()
        except MemoryError:
            self.status = RESOURCE

    def done(self) -> None:
        self.driver.answered(self)

    def _find_out(self) -> None:
        """Has a write failed, or the sync behind it, which may tell of any other one? If it succeeds without, the sync."""
        try:
            write_fully(self.driver.fd, self.views, self.offset, False, self.driver.direct)
        except OSError:
            return
        self.is_sync_to_blame = True

    def _carry_out(self, fd: int, request: Request) -> None:
        if request.op == READ:
            self.data, self.good = read_fully(fd, self.size, self.offset, self.driver.direct)
        elif request.op == WRITE:
            self.good = write_fully(fd, self.views, self.offset, bool(request.flags & FUA), self.driver.direct)
        elif request.op == FLUSH:
            os.fdatasync(fd)
        else:
            keep_allocated = request.op == WRITE_ZEROES and bool(request.flags & NOUNMAP)
            zero_range(self.driver.file, self.offset, self.size, keep_allocated)
            if self.is_durable:
                self.is_sync_to_blame = True
                os.fdatasync(fd)
                self.is_sync_to_blame = False
            self.good = self.size
        if self.good != self.size:
            self.status = IOERR
            self.good &= _BLOCK_MASK
            if self.data is not None:
                self.data = memoryview(self.data)[: self.good]
