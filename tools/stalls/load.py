"""Load: a client at depth 16 that touches no block twice, in a thread, and remembers when each I/O was sent and answered."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from struct import Struct

from tests.support.nbd_client import NbdClient

from hawser.nbd import protocol

DEPTH = 16
BLOCK = 4096
LOADS = ("read", "write", "randrw")
# How often a client that hears nothing looks whether it is to stop.
LOOK_S = 0.02
_REPLY = Struct(">IIQ")
# Odd, so that multiples of it run through every block of a power of two before the first comes again.
_STRIDE = 0x9E3779B1


@dataclass(frozen=True)
class Stall:
    """In seconds. `longest`: of one I/O, from when it was sent to its answer; `gap`: between one answer and the next."""

    longest: float
    gap: float
    answered: int
    unanswered: int


class Load:
    """`first` and `count` (a power of two) are the blocks that it may touch. Started at once; `stop`, then ask `stall`."""

    def __init__(self, client: NbdClient, load: str, first: int, count: int, seed: int = 1) -> None:
        assert load in LOADS and count & (count - 1) == 0
        self.client = client
        self.first = first
        self.count = count
        self.errors: list[str] = []
        self._sent: list[int] = []
        self._done: list[int] = []
        self._rng = random.Random(seed)
        self._chance = {"read": 1.0, "write": 0.0, "randrw": 0.5}[load]
        self._reads: list[bool] = []
        self._payload = bytes(range(1, 251)) * (BLOCK // 250) + bytes(BLOCK % 250)
        self._stop_at: float | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self, patience_s: float) -> None:
        """Send no more; what is in flight is waited for, that long."""
        self._stop_at = time.monotonic() + patience_s
        self._thread.join(patience_s + 10)
        if self._thread.is_alive():
            raise AssertionError("the load's own thread does not end")

    def sent(self) -> int:
        return len(self._sent)

    def stall(self, since_ns: int, until_ns: int = 0) -> Stall:
        """Of what was in flight at `since_ns` (of the monotonic clock) or later, and sent before `until_ns`, if that is given."""
        now_ns = time.monotonic_ns()
        longest = gap = answered = unanswered = 0
        answers: list[int] = []
        for sent, done in zip(self._sent, self._done, strict=True):
            if until_ns and sent >= until_ns:
                continue
            if not done:
                unanswered += 1
                longest = max(longest, now_ns - sent)
            elif done >= since_ns:
                answered += 1
                answers.append(done)
                longest = max(longest, done - sent)
        answers.sort()
        last = since_ns
        for done in answers:
            gap = max(gap, done - last)
            last = done
        if unanswered:
            gap = max(gap, now_ns - last)
        return Stall(longest / 1e9, gap / 1e9, answered, unanswered)

    # The thread's.

    def _run(self) -> None:
        try:
            self._loop()
        except (OSError, AssertionError) as error:
            self.errors.append(str(error) or type(error).__name__)

    def _loop(self) -> None:
        sock = self.client.sock
        sock.settimeout(LOOK_S)
        held = bytearray()
        in_flight = self._send(DEPTH)
        while True:
            stop_at = self._stop_at
            if stop_at is not None and (in_flight == 0 or time.monotonic() >= stop_at):
                return
            try:
                data = sock.recv(1 << 18)
            except TimeoutError:
                continue
            if not data:
                raise ConnectionError("the gateway has closed the connection")
            now_ns = time.monotonic_ns()
            held += data
            done = self._take(held, now_ns)
            in_flight -= done
            if done and self._stop_at is None:
                in_flight += self._send(done)

    def _take(self, held: bytearray, now_ns: int) -> int:
        """Note the whole replies in what was received, and cut them off; how many."""
        place = taken = 0
        while len(held) - place >= protocol.SIMPLE_REPLY_SIZE:
            magic, error, cookie = _REPLY.unpack_from(held, place)
            assert magic == protocol.SIMPLE_REPLY_MAGIC, f"reply magic {magic:#x}"
            size = protocol.SIMPLE_REPLY_SIZE + (BLOCK if self._reads[cookie] and not error else 0)
            if len(held) - place < size:
                break
            place += size
            taken += 1
            self._done[cookie] = now_ns
            if error:
                self.errors.append(f"errno {error} to I/O {cookie}")
        del held[:place]
        return taken

    def _send(self, count: int) -> int:
        parts: list[bytes] = []
        now_ns = time.monotonic_ns()
        for _ in range(count):
            number = len(self._sent)
            if number >= self.count:
                raise AssertionError(f"all {self.count} blocks are used up")
            is_read = self._rng.random() < self._chance
            offset = (self.first + number * _STRIDE % self.count) * BLOCK
            command = protocol.CMD_READ if is_read else protocol.CMD_WRITE
            self._sent.append(now_ns)
            self._done.append(0)
            self._reads.append(is_read)
            parts.append(protocol.request_header(command, 0, number, offset, BLOCK))
            if not is_read:
                parts.append(self._payload)
        self.client.sock.sendall(b"".join(parts))
        return count
