"""A client that journals what it is told: random reads, writes, zeroes and flushes of an area of its own, in a thread beside the
test, each answer judged as it comes (tests.support.journal)."""

import random
import threading
import time
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from hawser.nbd import protocol
from tests.support.gateway import Gateway
from tests.support.journal import SECTOR, Flush, Journal, Read, Write
from tests.support.nbd_client import NbdClient, NbdError
from tests.support.processes import PATIENCE_S, wait_for

READ, WRITE, ZEROES, FUA, FLUSH = "read", "write", "zeroes", "fua", "flush"
# How often each is drawn.
MIX = {READ: 30, WRITE: 50, ZEROES: 6, FUA: 4, FLUSH: 2}
WRITES_ONLY = {WRITE: 1}
BLOCK_MIN = 4096
BLOCKS_MAX = 4
_TURN_S = 0.01
_STUCK_S = 0.2
_CHECK_BYTES = 1 << 16


class Load:
    """`start` it, do harm, `stop` it, `check` every sector.

    At most `rate` I/Os a second, `depth` at once, of one to BLOCKS_MAX of the export's blocks. `overlap`: writes in flight may
    overlap each other. `tolerate`: errors that may be answered, where `bad` is given only to what touches these sectors; what
    they befell is then of unknown fate. A failure of any kind, in the thread, is raised by whatever is asked next.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        seed: int = 1,
        first_block: int = 0,
        blocks: int = 64,
        depth: int = 16,
        rate: int = 800,
        mix: Mapping[str, int] = MIX,
        overlap: bool = True,
        tolerate: Collection[int] = (),
        bad: range | None = None,
    ) -> None:
        self.client: NbdClient = gateway.client()
        self.block = max(self.client.export.block_min, BLOCK_MIN) // SECTOR
        self.journal = Journal(first_block * self.block, blocks * self.block)
        self.depth = depth
        self.rate = rate
        self.overlap = overlap
        self.tolerate = tolerate
        self.bad = bad
        self.answers: Counter[str] = Counter()
        self.errors: Counter[tuple[str, int]] = Counter()
        # When each command has succeeded, in seconds of the monotonic clock.
        self._answered_at = array("d")
        self._mix = {what: weight for what, weight in mix.items() if what != ZEROES or self._can_zero()}
        self._blocks = blocks
        self._chance = random.Random(seed)
        self._flying: dict[int, tuple[str, Write | Read | Flush]] = {}
        self._fault: BaseException | None = None
        self._may_be_cut = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    # The thread's life.

    def start(self) -> "Load":
        assert self._thread is None
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Wait until all is answered."""
        self._stopping.set()
        self._join()

    def is_cut(self) -> None:
        """The gateway has been killed, or is about to be: what is in flight then is of unknown fate."""
        self._may_be_cut = True

    def reconnect(self, gateway: Gateway) -> None:
        """To the successor of the gateway that was killed; the load goes on when it is started again."""
        self._join()
        assert self.client.is_over and not self._flying
        self._may_be_cut = False
        self.client = gateway.client()

    def abandon(self) -> None:
        """Stop without waiting for what is in flight: it is of unknown fate from when the gateway sees that the client is gone,
        and that is to be waited for before anything else is sent."""
        self._may_be_cut = True
        self._stopping.set()
        self._join()

    def done(self) -> int:
        """How many commands have succeeded."""
        if self._fault is not None:
            raise self._fault
        return sum(self.answers.values())

    def in_flight(self) -> int:
        return len(self._flying)

    def first_answer(self, since: float) -> float:
        """When the first command succeeded after that moment of the monotonic clock; 0 if none has."""
        at = bisect_left(self._answered_at, since)
        return self._answered_at[at] if at < len(self._answered_at) else 0.0

    def wait_for_progress(self, count: int = 100, seconds: float = PATIENCE_S) -> None:
        """Until so many more commands have succeeded, of each kind one at least."""
        before, kinds = self.done(), dict(self.answers)
        wait_for(
            lambda: (
                self.done() >= before + count and all(self.answers[kind] > kinds.get(kind, 0) for kind in self._mix)
            ),
            f"the load goes on: {count} more than {before}, now {dict(self.answers)}, errors {dict(self.errors)}",
            seconds,
        )

    def wait_until_stuck(self) -> None:
        """Until as much is in flight as may be, and none of it comes back."""
        wait_for(self._is_stuck, f"{self.depth} commands are stuck")

    def _is_stuck(self) -> bool:
        before = self.done()
        time.sleep(_STUCK_S)
        return len(self._flying) >= self.depth and self.done() == before

    def _join(self) -> None:
        assert self._thread is not None
        self._thread.join(2 * PATIENCE_S)
        assert not self._thread.is_alive(), "the load does not end"
        self._thread = None
        self.done()

    # While it stands still: filling, and judging.

    def fill(self) -> None:
        """Write all of the area, where the disk does not hold zeroes."""
        for start in range(self.journal.first, self.journal.end, self.block):
            write = self.journal.write(start, self.block)
            self.client.write(start * SECTOR, self.journal.data(write))
            self.journal.acknowledge(write)

    def check(self) -> None:
        """Read every sector of the area."""
        assert self._thread is None
        journal = self.journal
        step = _CHECK_BYTES // SECTOR
        for start in range(journal.first, journal.end, step):
            count = min(step, journal.end - start)
            read = journal.read(start, count)
            journal.check(read, self.client.read(start * SECTOR, count * SECTOR))

    def flush(self) -> None:
        flush = self.journal.flush()
        self.client.flush()
        self.journal.flushed(flush)

    def check_below(self, image: Path) -> None:
        """What the disk itself holds, past all caches of servers."""
        self.journal.check_below(image)

    # In the thread.

    def _run(self) -> None:
        try:
            self._drive()
        except BaseException as error:
            self._fault = error

    def _drive(self) -> None:
        begun = time.monotonic()
        sent = 0
        while not self._stopping.is_set() and not self.client.is_over:
            due = int((time.monotonic() - begun) * self.rate)
            while len(self._flying) < self.depth and sent < due and not self.client.is_over:
                sent += 1
                self._send()
            # What could not be sent in time is not made up for.
            sent = max(sent, due - self.depth)
            self._take(_TURN_S)
        deadline = time.monotonic() + PATIENCE_S
        while self._flying and not self.client.is_over and not self._may_be_cut:
            assert time.monotonic() < deadline, f"no answer to {len(self._flying)} commands: {self._told()}"
            self._take(_TURN_S)
        if self._flying or self.client.is_over:
            assert self._may_be_cut, f"the connection has ended with {len(self._flying)} commands in flight"
            self._lose_all()

    def _send(self) -> None:
        what = self._chance.choices(list(self._mix), list(self._mix.values()))[0]
        if what == FLUSH:
            flush = self.journal.flush()
            self._fly(what, flush, protocol.CMD_FLUSH, 0, 0)
            return
        count = self._chance.randint(1, BLOCKS_MAX)
        at = self._chance.randrange(self._blocks - count + 1)
        start, size = self.journal.first + at * self.block, count * self.block
        if what == READ:
            self._fly(what, self.journal.read(start, size), protocol.CMD_READ, start, size)
        elif self.overlap or not self._is_busy(start, start + size):
            write = self.journal.write(start, size, zeroes=what == ZEROES, fua=what == FUA)
            command = protocol.CMD_WRITE_ZEROES if what == ZEROES else protocol.CMD_WRITE
            payload = b"" if what == ZEROES else self.journal.data(write)
            self._fly(what, write, command, start, size, payload, protocol.CMD_FLAG_FUA if what == FUA else 0)

    def _is_busy(self, start: int, end: int) -> bool:
        """Whether a write is in flight there."""
        return any(
            isinstance(command, Write) and command.start < end and command.end > start
            for _, command in self._flying.values()
        )

    def _fly(
        self,
        what: str,
        command: Write | Read | Flush,
        code: int,
        start: int,
        count: int,
        payload: bytes = b"",
        flags: int = 0,
    ) -> None:
        try:
            cookie = self.client.send(code, start * SECTOR, count * SECTOR, payload, flags)
        except ConnectionError:
            # Perhaps a part of it has gone out: as good as sent.
            cookie = -1
            self.client.is_over = True
        self._flying[cookie] = (what, command)

    def _take(self, within_s: float) -> None:
        for cookie in self.client.answered(within_s):
            what, command = self._flying.pop(cookie)
            try:
                data = self.client.wait(cookie)
            except NbdError as error:
                self._failed(what, command, error)
                continue
            self.answers[what] += 1
            self._answered_at.append(time.monotonic())
            if isinstance(command, Write):
                self.journal.acknowledge(command)
            elif isinstance(command, Read):
                self.journal.check(command, data)
            else:
                self.journal.flushed(command)

    def _failed(self, what: str, command: Write | Read | Flush, error: NbdError) -> None:
        number = error.errno or 0
        where = "" if isinstance(command, Flush) else f" of sectors {command.start}..{command.end - 1}"
        if number not in self.tolerate or not self._touches_bad(command):
            raise AssertionError(f"{what}{where} failed with {error}: {self._told()}")
        self.errors[what, number] += 1
        self._lose(command)

    def _touches_bad(self, command: Write | Read | Flush) -> bool:
        if self.bad is None or isinstance(command, Flush):
            return self.bad is None
        return command.start < self.bad.stop and command.end > self.bad.start

    def _lose(self, command: Write | Read | Flush) -> None:
        if isinstance(command, Write):
            self.journal.give_up(command)
        elif isinstance(command, Read):
            self.journal.forget(command)

    def _lose_all(self) -> None:
        # Answers that came before the end count.
        while self.client.answered(0.02):
            self._take(0.0)
        for _, command in self._flying.values():
            self._lose(command)
        self._flying.clear()
        self.client.close()
        self.client.is_over = True

    def _can_zero(self) -> bool:
        return bool(self.client.export.flags & protocol.FLAG_SEND_WRITE_ZEROES)

    def _told(self) -> str:
        return f"done {dict(self.answers)}, errors {dict(self.errors)}"
