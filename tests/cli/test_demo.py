"""`hawser demo` as people run it: it ends with 0 and its summary, by itself or by Ctrl-C, and leaves nothing behind."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.processes import Process

from hawser.cli.exit_status import INTERRUPTED
from hawser.service.control import ask

HAWSER = (sys.executable, "-c", "from hawser.cli.main import main; main()")
VERDICT = "0 errors, 0 corrupt blocks"


class Run(Process):
    """A demonstration with `directory` for its sockets."""

    def __init__(self, directory: Path, *options: str) -> None:
        super().__init__("demo", [*HAWSER, "demo", *options], directory, {"TMPDIR": str(directory)})

    def end(self, status: int = 0) -> None:
        assert self.wait() == status, self.output() + self.log()
        assert self.log() == ""


def left_behind(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.name.startswith("hawser-")]


def test_it_shows_that_the_line_holds(socket_dir: Path):
    run = Run(socket_dir, "--seconds", "3")
    try:
        run.end()
    finally:
        run.kill()
    lines = run.output().splitlines()
    assert lines[-1] == VERDICT
    rows = {line[:15].strip(): line[15:] for line in lines[-6:-1]}
    assert list(rows) == ["I/Os", "failovers", "longest stall", "latency", "verified"]
    assert rows["failovers"].startswith("12 path failures survived; no path at all for")
    assert "while there was no path" in rows["longest stall"]
    text = run.output()
    assert len(re.findall(r"^ +\d\.\d s  [AF] [AF] [AF] [AF] ", text, re.MULTILINE)) >= 2
    for event in (
        "259:0 pulled",
        "message mpatha 0 fail_path 259:1",
        "all 4 paths pulled",
        "259:0 and 259:2 plugged in again",
    ):
        assert event in text
    assert left_behind(socket_dir) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ended_by_a_signal_it_still_has_its_summary(socket_dir: Path, number: int):
    run = Run(socket_dir, "--seconds", "600")
    try:
        run.wait_until(lambda: " IOPS " in run.output(), "shows progress")
        run.signal(number)
        run.end(INTERRUPTED)
    finally:
        run.kill()
    assert run.output().splitlines()[-2:] == ["ended early    by hand", VERDICT]
    assert left_behind(socket_dir) == []


def test_ended_before_it_has_begun_nothing_is_wrong(socket_dir: Path):
    run = Run(socket_dir, "--seconds", "600")
    try:
        run.wait_until(lambda: left_behind(socket_dir), "has made its directory")
        run.signal(signal.SIGTERM)
        run.end(INTERRUPTED)
    finally:
        run.kill()
    assert "problem" not in run.output()
    assert left_behind(socket_dir) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_it_stays_to_be_tried(socket_dir: Path, number: int):
    run = Run(socket_dir, "--seconds", "1", "--stay")
    try:
        run.wait_until(lambda: "fio " in run.output(), "invites to try things")
        text = run.output()
        assert VERDICT in text
        control = re.search(r"^  control  (\S+)$", text, re.MULTILINE)
        uri = re.search(r"^  URI      (nbd\+unix:///demo\?socket=\S+)$", text, re.MULTILINE)
        assert control is not None
        assert uri is not None
        assert ask(control[1], "message", ["mpatha", "0", "fail_path", "259:0"]).ok
        assert " 259:0 F " in ask(control[1], "status", []).out
        assert f"nbdinfo '{uri[1]}'" in text
        run.signal(number)
        run.end()
    finally:
        run.kill()
    assert left_behind(socket_dir) == []


def test_on_a_terminal_it_is_drawn(socket_dir: Path):
    """A pseudo-terminal of 80 by 24: the picture is drawn again and again, and ends with the summary in it."""
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "80",
        "LINES": "24",
        "TMPDIR": str(socket_dir),
    }
    with subprocess.Popen(
        [*HAWSER, "demo", "--seconds", "1"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        text = _everything(ours).decode()
        assert process.wait(timeout=30) == 0, text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert plain.count("╭─ hawser demo") > 3
    assert "of 4 paths usable" in plain
    assert f"│ {VERDICT}" in plain.replace("\r", "")
    assert left_behind(socket_dir) == []


def _everything(terminal: int) -> bytes:
    text = b""
    try:
        while data := os.read(terminal, 65536):
            text += data
    except OSError:
        # How Linux tells that the other side is closed.
        pass
    os.close(terminal)
    return text


@pytest.mark.parametrize("seconds", ["0", "-1", "many"])
def test_a_time_that_is_none_is_refused(seconds: str):
    done = subprocess.run(
        [*HAWSER, "demo", "--seconds", seconds], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "--seconds" in done.stderr


def test_its_options_are_not_those_of_other_demonstrations():
    for words in (["--seconds", "2", "nosuch"], ["nosuch"]):
        done = subprocess.run([*HAWSER, "demo", *words], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 2
        assert "nosuch" in done.stderr
