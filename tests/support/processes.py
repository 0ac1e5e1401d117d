"""A program that a test runs beside itself: started, watched, killed by its id. Nothing of it outlives the test."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# A deadline for what takes milliseconds on an idle machine: generous, because the machine may not be idle.
PATIENCE_S = 25.0
POLL_S = 0.02


def wait_for(condition: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
    """Until `condition` holds; an AssertionError that says `what` was waited for when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(POLL_S)


class Process:
    """One run of a program; stdout and stderr go to files named after `name` in `directory`."""

    def __init__(
        self, name: str, command: Sequence[str | Path], directory: Path, environment: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.command = [str(word) for word in command]
        self.stdout = directory / f"{name}.out"
        self.stderr = directory / f"{name}.err"
        with self.stdout.open("ab") as out, self.stderr.open("ab") as err:
            self.popen = subprocess.Popen(
                self.command,
                cwd=directory,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.pid = self.popen.pid

    def is_running(self) -> bool:
        return self.popen.poll() is None

    def output(self) -> str:
        return self.stdout.read_text(errors="replace")

    def log(self) -> str:
        return self.stderr.read_text(errors="replace")

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
        """As `wait_for`, but a program that ended meanwhile is an error at once, with its last words."""

        def check() -> object:
            done = condition()
            assert done or self.is_running(), f"{self.name} ended with {self.popen.returncode}: {self.log()[-2000:]}"
            return done

        try:
            wait_for(check, f"{self.name}: {what}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-4000:]}") from None

    def wait_for_log(self, text: str, seconds: float = PATIENCE_S) -> None:
        self.wait_until(lambda: text in self.log(), f"{text!r} in its log", seconds)

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def wait(self, seconds: float = PATIENCE_S) -> int:
        """Its exit status."""
        return self.popen.wait(seconds)

    def kill(self) -> None:
        """SIGKILL to it and to what it started, and wait until it is gone."""
        if self.is_running():
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.popen.wait(PATIENCE_S)

    def stop(self) -> None:
        """Ask it to end; kill it if it does not."""
        if self.is_running():
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
            try:
                self.popen.wait(8)
            except subprocess.TimeoutExpired:
                pass
        self.kill()


def run(command: Sequence[str | Path], seconds: float = 50.0, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, within `seconds`; unless told otherwise, a failure fails the test with what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL, check=False)
    if check:
        assert done.returncode == 0, (
            f"{words} ended with {done.returncode}: {done.stdout[-3000:]} {done.stderr[-3000:]}"
        )
    return done
