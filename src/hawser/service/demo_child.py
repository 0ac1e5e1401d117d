"""Processes of a demonstration: started, watched, ended by their ids. None outlives the one that started it, however that
ended."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from time import monotonic, sleep
from typing import IO, Final

# prctl(2).
_PR_SET_PDEATHSIG: Final = 1
_PARENT: Final = "HAWSER_DEMO_PARENT"
START_SECONDS: Final = 20.0
END_SECONDS: Final = 6.0
POLL_SECONDS: Final = 0.01

# What follows it are the words of a `hawser` that ends with whoever started it.
TIED_HAWSER: Final = (
    sys.executable,
    "-P",
    "-c",
    "from hawser.service.demo_child import die_with_parent; die_with_parent(15); from hawser.cli.main import main; main()",
)


class ChildError(Exception):
    """A process cannot be started, or has ended too early; the message says what it said last."""


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Have the kernel send that signal when the process that started this one has ended. Ctrl-C is not for us, but for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != int(os.environ.get(_PARENT, os.getppid())):
        # It had ended before.
        sys.exit(1)


def module(name: str, *words: str) -> list[str]:
    """The command line that runs one of our modules as a program."""
    return [sys.executable, "-P", "-m", name, *words]


class Child:
    """One run of a program. What it complains of goes into `log`; with `talks` its standard input and output are pipes."""

    def __init__(self, name: str, command: Sequence[str], directory: str, talks: bool = False) -> None:
        self.name = name
        self.log = os.path.join(directory, f"{name}.log")
        pipe = subprocess.PIPE if talks else subprocess.DEVNULL
        environment = {**os.environ, "TMPDIR": directory, _PARENT: str(os.getpid())}
        try:
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(
                    command,
                    stdin=pipe,
                    stdout=subprocess.PIPE if talks else log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise ChildError(f"{name}: {command[0]}: {error.strerror}") from error

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_running(self) -> bool:
        return self.process.poll() is None

    def input(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    def output(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def text(self) -> str:
        """What it has complained of."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def complaint(self) -> str:
        """The last line of that; empty if there is none."""
        return next((line.strip() for line in reversed(self.text().split("\n")) if line.strip()), "")

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
        """ChildError when it does not come to that, or the process has ended."""
        deadline = monotonic() + seconds
        while not condition():
            if not self.is_running():
                raise ChildError(f"{self.name} has ended with {self.process.returncode}: {self.complaint()}")
            if monotonic() > deadline:
                raise ChildError(f"{self.name}: not within {seconds:g} s: {what}")
            sleep(POLL_SECONDS)

    def stop(self) -> None:
        """SIGSTOP: it stands still when this returns."""
        os.kill(self.pid, signal.SIGSTOP)
        deadline = monotonic() + END_SECONDS
        while self.is_running() and not self._stands_still() and monotonic() < deadline:
            sleep(POLL_SECONDS)

    def _stands_still(self) -> bool:
        with open(f"/proc/{self.pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL; it is gone when this returns. Its pipes are closed."""
        if self.is_running():
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait()
        self._close_pipes()

    def end(self) -> int:
        """Ask it to end, and kill it if it does not. Its exit status."""
        if self.is_running():
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        self.kill()
        return self.process.returncode

    def _close_pipes(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    # It did not read all that it was told.
                    pass
