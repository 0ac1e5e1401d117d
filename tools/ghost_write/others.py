"""What everybody else does meanwhile: reads and writes elsewhere on the disk, and the longest that one of them had to wait."""

from __future__ import annotations

import threading
import time
from itertools import count

from tests.support.nbd_client import NbdClient
from tools.ghost_write.plan import BASE

DEPTH = 4
PACE_S = 0.02
LOOK_S = 0.005
BLOCK_MIN = 4096


class Others(threading.Thread):
    """A client of its own at a low rate, so that many rows fit beside each other. `begin` counts from now on; `end` answers with
    the longest wait in seconds, of what still waits, too."""

    def __init__(self, client: NbdClient) -> None:
        super().__init__(daemon=True)
        self._client = client
        self._block = max(BLOCK_MIN, client.export.block_min)
        # They stay below where the rows work, and never come to the same place twice: a fence of their own would hold them there.
        self._blocks = BASE // self._block
        self._longest_s = 0.0
        self._counts_from = 0.0
        self._ends = threading.Event()
        self.fault = ""

    def begin(self) -> None:
        self._longest_s = 0.0
        self._counts_from = time.monotonic()

    def end(self) -> float:
        self._ends.set()
        self.join(10)
        return self._longest_s

    def run(self) -> None:
        waiting: dict[int, float] = {}
        numbers = count()
        try:
            while not self._ends.is_set():
                self._ask(waiting, numbers)
                if waiting:
                    self._client.has_answer(next(iter(waiting)), LOOK_S)
                self._collect(waiting)
                self._ends.wait(PACE_S)
        except (OSError, TimeoutError) as error:
            self.fault = f"{type(error).__name__}: {error}"
        for sent in waiting.values():
            self._note(sent)

    def _ask(self, waiting: dict[int, float], numbers: count[int]) -> None:
        while len(waiting) < DEPTH and (number := next(numbers)) < self._blocks:
            offset = number * self._block
            sent = time.monotonic()
            if number & 1:
                cookie = self._client.send_write(offset, b"e" * self._block)
            else:
                cookie = self._client.send_read(offset, self._block)
            waiting[cookie] = sent

    def _collect(self, waiting: dict[int, float]) -> None:
        for cookie, sent in list(waiting.items()):
            if self._client.has_answer(cookie):
                del waiting[cookie]
                self._client.wait(cookie)
                self._note(sent)

    def _note(self, sent: float) -> None:
        if sent >= self._counts_from > 0:
            self._longest_s = max(self._longest_s, time.monotonic() - sent)
