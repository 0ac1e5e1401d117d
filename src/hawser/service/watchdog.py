"""Watchdog: the end of the process when its one loop is stuck in a system call, so that nobody there can hear a signal.

A local file is read and written inline (hawser.paths.file): a system call on it that never returns stops everything, and SIGTERM
is not heard. A thread sees that the signal stays pending, or that the stop which it began takes too long, and ends the process.
(What is stuck in the kernel for good, not even killable, keeps the process's remains until it returns.)
"""

import os
import signal
import threading
import time
from typing import Final

from hawser.core.log import LogSink

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
LOOK_SECONDS: Final = 0.25
# From the signal on: longer than an orderly end takes (hawser.service.gateway), and in all under 5 s. While the loop turns it is
# not stuck, and has so much longer each time.
PATIENCE_SECONDS: Final = 4.25
BEAT_SECONDS: Final = 0.1
BEAT_PATIENCE_SECONDS: Final = 1.5
STATUS: Final = 1


class Watchdog:
    """`start` it once, and `cancel` it in the end; `stopping` says that an orderly end has begun, which from then on `beat`s."""

    def __init__(self, log: LogSink) -> None:
        self.log = log
        self._deadline: float | None = None
        self._is_over = False

    def start(self) -> None:
        threading.Thread(target=self._watch, name="hawser-watchdog", daemon=True).start()

    def stopping(self) -> None:
        self._deadline = self._deadline or time.monotonic() + PATIENCE_SECONDS

    def beat(self) -> None:
        """The loop turns."""
        if self._deadline is not None:
            self._deadline = max(self._deadline, time.monotonic() + BEAT_PATIENCE_SECONDS)

    def cancel(self) -> None:
        self._is_over = True

    def _watch(self) -> None:
        # sigpending(2) tells of what is pending for the process only where it is blocked: here, and only here.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        while self._deadline is None or time.monotonic() < self._deadline:
            time.sleep(LOOK_SECONDS)
            if self._is_over:
                return
            if not signal.sigpending().isdisjoint(SIGNALS):
                self.stopping()
        self.log.error("stopping: a system call has not returned: it is left behind, with what was in flight")
        os._exit(STATUS)
