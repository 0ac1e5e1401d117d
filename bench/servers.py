"""A server process: started, waited for until a client may connect, its CPU time read, stopped by its id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.cases import BenchError
from bench.contenders import Contender
from bench.fio import last_line

READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 6.0
POLL_S = 0.01
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Server:
    """A running contender."""

    def __init__(self, contender: Contender, directory: Path) -> None:
        self.contender = contender
        self.stdout = directory / f"{contender.socket.stem}.stdout"
        self.stderr = directory / f"{contender.socket.stem}.stderr"
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            try:
                self.process = subprocess.Popen(
                    contender.command,
                    cwd=directory,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
            except OSError as error:
                raise BenchError(f"{contender.command[0]}: {error.strerror}") from error

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._is_ready():
            if self.process.poll() is not None:
                status = self.process.returncode
                raise BenchError(f"{self.contender.label}: ended with {status}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise BenchError(f"{self.contender.label}: not ready within {READY_TIMEOUT_S:.0f} s")
            time.sleep(POLL_S)

    def _is_ready(self) -> bool:
        if self.contender.says_ready:
            return any(line.startswith("ready ") for line in self.stdout.read_text().splitlines())
        return accepts(self.contender.socket)

    def cpu_s(self) -> float:
        """User and system seconds so far, of the process, its children, and the children it has reaped."""
        return sum(_cpu_ticks(pid) for pid in process_tree(self.process.pid)) * TICK_S

    def epitaph(self) -> str:
        """What there is to say of a server that is gone; nothing while it runs."""
        if self.process.poll() is None:
            return ""
        return f"; the server ended with {self.process.returncode}: {self._last_words()}"

    def _last_words(self) -> str:
        return last_line(self.stderr.read_text(errors="replace"))

    def stop(self) -> None:
        """Asks it to end; one that does not is killed with all that it started."""
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self._wait_killed()
        self.contender.socket.unlink(missing_ok=True)

    def _wait_killed(self) -> None:
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{self.contender.label}: does not end even when killed") from error


@contextmanager
def serving(contender: Contender, directory: Path) -> Iterator[Server]:
    """The contender runs, ready, within the block."""
    server = Server(contender, directory)
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


def accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def process_tree(pid: int) -> list[int]:
    """A process and its living descendants."""
    tree = [pid]
    for parent in tree:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                tree += [int(child) for child in task.read_text().split()]
    return tree


def _cpu_ticks(pid: int) -> int:
    """utime + stime + cutime + cstime, the 14th to 17th field of `/proc/PID/stat`; 0 once it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    after_name = stat.rpartition(")")[2].split()
    return sum(int(ticks) for ticks in after_name[11:15])
