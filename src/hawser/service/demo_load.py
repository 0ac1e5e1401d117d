"""The load of the demonstration: random reads, writes, zeroes and flushes over several NBD connections, every read verified.

A process of its own, so that client and server do not share an interpreter:

    python -m hawser.service.demo_load SOCKET EXPORT CLIENTS DEPTH SEED

It writes a report, one JSON line, every REPORT_SECONDS; ends its load when its standard input ends; then reads everything back
once, and says so in a last report.
"""

import asyncio
import os
import random
import signal
import sys
from time import monotonic_ns
from typing import Final

import msgspec

from hawser.block.ops import Buffer
from hawser.core.histogram import Histogram
from hawser.nbd.protocol import CMD_FLAG_FUA, CMD_FLUSH, CMD_READ, CMD_WRITE, CMD_WRITE_ZEROES
from hawser.service.demo_ledger import Expectation, Ledger
from hawser.service.demo_stamp import BLOCK, CorruptBlockError, make_block, read_stamp
from hawser.service.loop import keep_buffers, run_in_own_loop, tune_garbage_collector
from hawser.service.nbd_client import ConnectError, NbdClient, NbdOp, connect

REPORT_SECONDS: Final = 0.1
READ_BACK_BLOCKS: Final = 16
# Of 256 operations: so many reads, plain writes, writes with FUA, zeroes; the rest flushes.
READS: Final = 154
WRITES: Final = READS + 86
FUA_WRITES: Final = WRITES + 6
ZEROES: Final = FUA_WRITES + 6
# The sizes that are drawn from, in blocks: mostly single ones.
SIZES: Final = (1,) * 12 + (2, 3, 4, 16)


class LoadReport(msgspec.Struct):
    """What the load has done by `at_ns` of the system's monotonic clock.

    `worst_ns`: the longest wait of any I/O that has ended since the last report, or waits still.
    """

    phase: str = "starting"
    at_ns: int = 0
    reads: int = 0
    writes: int = 0
    flushes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    verified_blocks: int = 0
    read_back_blocks: int = 0
    errors: int = 0
    corrupt: int = 0
    in_flight: int = 0
    worst_ns: int = 0
    p50_ns: int = 0
    p99_ns: int = 0
    fault: str = ""

    def ios(self) -> int:
        return self.reads + self.writes + self.flushes

    def done_bytes(self) -> int:
        return self.read_bytes + self.written_bytes


class _Io(NbdOp):
    __slots__ = ("blocks", "client", "expectation", "first", "sent_ns", "stamp")

    def __init__(
        self,
        client: NbdClient,
        command: int,
        first: int,
        blocks: int,
        stamp: int = 0,
        payload: Buffer | None = None,
        flags: int = 0,
    ) -> None:
        super().__init__(command, first * BLOCK, blocks * BLOCK, payload, flags)
        self.client = client
        self.first = first
        self.blocks = blocks
        self.stamp = stamp
        self.expectation: Expectation | None = None
        self.sent_ns = 0


class Load:
    """`clients` are connections to one disk; each has `depth` requests in flight until `finish`."""

    def __init__(self, clients: list[NbdClient], depth: int, seed: int) -> None:
        self.clients = clients
        self.depth = depth
        self.blocks = clients[0].export.size_bytes // BLOCK
        self.report = LoadReport(phase="running")
        self._run_number = seed
        self._random = random.Random(seed)
        self._ledger = Ledger(self.blocks)
        self._latencies = Histogram()
        self._in_flight: dict[_Io, None] = {}
        self._drained = asyncio.Event()
        self._stopping = False
        self._read_back_at = 0
        for client in clients:
            client.on_done = self._done
            client.on_lost = self._lost

    def start(self) -> None:
        for client in self.clients:
            for _ in range(self.depth):
                self._next(client)
            client.flush()

    async def finish(self) -> None:
        """Ask for nothing new, wait for what is in flight, read everything back."""
        self._stopping = True
        await self._drain()
        self.report.phase = "reading back"
        for _ in range(self.depth):
            for client in self.clients:
                self._next_read_back(client)
        for client in self.clients:
            client.flush()
        await self._drain()
        self.report.phase = "done"
        for client in self.clients:
            client.close()

    def take_report(self) -> LoadReport:
        """The report of now; the next one's `worst_ns` begins anew."""
        report = self.report
        report.at_ns = monotonic_ns()
        report.in_flight = len(self._in_flight)
        oldest = next(iter(self._in_flight), None)
        if oldest is not None:
            report.worst_ns = max(report.worst_ns, report.at_ns - oldest.sent_ns)
        report.p50_ns = self._latencies.quantile(0.5)
        report.p99_ns = self._latencies.quantile(0.99)
        shown = msgspec.structs.replace(report)
        report.worst_ns = 0
        return shown

    async def _drain(self) -> None:
        while self._in_flight:
            self._drained.clear()
            await self._drained.wait()

    # Asking.

    def _next(self, client: NbdClient) -> None:
        draw = self._random.getrandbits(52)
        kind = draw & 0xFF
        blocks = SIZES[(draw >> 8) & 15]
        first = (draw >> 12) % (self.blocks - blocks + 1)
        if kind < READS:
            self._read(client, first, blocks)
        elif kind < FUA_WRITES:
            stamp = self._ledger.start(first, blocks)
            run = self._run_number
            payload = b"".join([make_block(run, block, stamp) for block in range(first, first + blocks)])
            flags = 0 if kind < WRITES else CMD_FLAG_FUA
            self._ask(_Io(client, CMD_WRITE, first, blocks, stamp, payload, flags))
        elif kind < ZEROES:
            self._ask(_Io(client, CMD_WRITE_ZEROES, first, blocks, self._ledger.start(first, blocks, zeroes=True)))
        else:
            self._ask(_Io(client, CMD_FLUSH, 0, 0))

    def _read(self, client: NbdClient, first: int, blocks: int) -> None:
        io = _Io(client, CMD_READ, first, blocks)
        io.expectation = self._ledger.expect(first, blocks)
        self._ask(io)

    def _next_read_back(self, client: NbdClient) -> None:
        first = self._read_back_at
        blocks = min(READ_BACK_BLOCKS, self.blocks - first)
        if blocks > 0 and client.is_open():
            self._read_back_at += blocks
            self._read(client, first, blocks)

    def _ask(self, io: _Io) -> None:
        io.sent_ns = monotonic_ns()
        self._in_flight[io] = None
        io.client.submit(io)

    # Hearing.

    def _done(self, done: list[NbdOp]) -> None:
        now_ns = monotonic_ns()
        report = self.report
        for io in done:
            assert isinstance(io, _Io)
            del self._in_flight[io]
            latency_ns = now_ns - io.sent_ns
            if latency_ns > report.worst_ns:
                report.worst_ns = latency_ns
            self._latencies.record(latency_ns)
            if io.error:
                self._failed(io, f"error {io.error}")
            else:
                self._account(io)
            if not self._stopping:
                self._next(io.client)
            elif report.phase == "reading back":
                self._next_read_back(io.client)
        if not self._in_flight:
            self._drained.set()

    def _account(self, io: _Io) -> None:
        report = self.report
        if io.command == CMD_READ:
            self._verify(io)
            if report.phase == "reading back":
                report.read_back_blocks += io.blocks
                return
            report.reads += 1
            report.read_bytes += io.length
        elif io.command == CMD_FLUSH:
            report.flushes += 1
        else:
            self._ledger.acknowledge(io.first, io.blocks, io.stamp)
            report.writes += 1
            report.written_bytes += io.length

    def _verify(self, io: _Io) -> None:
        expectation = io.expectation
        assert expectation is not None and io.data is not None
        data = memoryview(io.data)
        for index in range(io.blocks):
            try:
                seen = read_stamp(self._run_number, io.first + index, data[index * BLOCK : (index + 1) * BLOCK])
                fault = self._ledger.check(expectation, index, seen)
            except CorruptBlockError as error:
                fault = str(error)
            if fault:
                self.report.corrupt += 1
                self._blame(fault)
        self.report.verified_blocks += io.blocks

    def _failed(self, io: _Io, reason: str) -> None:
        self.report.errors += 1
        names = {CMD_READ: "read", CMD_WRITE: "write", CMD_FLUSH: "flush", CMD_WRITE_ZEROES: "write zeroes"}
        self._blame(f"{names[io.command]} of {io.blocks} blocks from block {io.first}: {reason}")
        if io.stamp:
            self._ledger.give_up(io.first, io.blocks, io.stamp)

    def _lost(self, reason: str, lost: list[NbdOp]) -> None:
        self.report.errors += 1
        self._blame(f"a connection was lost: {reason}")
        for io in lost:
            assert isinstance(io, _Io)
            del self._in_flight[io]
            self._failed(io, reason)
        if not self._in_flight:
            self._drained.set()

    def _blame(self, fault: str) -> None:
        self.report.fault = self.report.fault or fault


def _say(report: LoadReport) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.buffer.flush()


async def _until_end_of_input() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def _report_regularly(load: Load) -> None:
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        _say(load.take_report())


async def run_load(socket_path: str, export: str, clients: int, depth: int, seed: int) -> int:
    """The whole life of the load; the exit status."""
    try:
        connected = [await connect(socket_path, export) for _ in range(clients)]
    except ConnectError as error:
        _say(LoadReport(phase="done", errors=1, fault=str(error)))
        return 1
    load = Load(connected, depth, seed)
    keep_buffers()
    tune_garbage_collector()
    load.start()
    reporter = asyncio.create_task(_report_regularly(load))
    await _until_end_of_input()
    await load.finish()
    reporter.cancel()
    _say(load.take_report())
    return 0


def main(arguments: list[str]) -> int:
    """As a process: whoever started it says when to end, so a Ctrl-C meant for both is not for us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    socket_path, export, clients, depth, seed = arguments
    try:
        return run_in_own_loop(run_load(socket_path, export, int(clients), int(depth), int(seed)))
    except BrokenPipeError:
        # Nobody listens any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
