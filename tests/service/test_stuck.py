"""Files whose system calls do not return: they hold up neither other paths' I/O nor the end of the process."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.processes import run, wait_for
from tests.support.programs import find_program, missing
from tests.support.upstreams import Upstream

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit")]

LIMIT_S = 5.0
# Longer than the test: nothing is to be waited for.
NEVER_S = 60


class Mounted:
    """A file of a file system in user space, over a server that can be stopped: then system calls on it do not return."""

    def __init__(self, fleet: Fleet, image: Path) -> None:
        if not os.access("/dev/fuse", os.W_OK):
            missing("/dev/fuse cannot be used")
        self.server: Upstream = fleet.nbdkit("below", "file", image)
        self.point = fleet.directory / "mounted"
        self.point.touch()
        self.mount = fleet.run("nbdfuse", "nbdfuse", self.point, "--unix", str(self.server.address))
        wait_for(lambda: os.path.ismount(self.point), "nbdfuse has mounted its file")

    def close(self) -> None:
        self.server.thaw()
        run(["fusermount3" if find_program("fusermount3") else "fusermount", "-u", "-z", self.point], check=False)
        self.mount.kill()


@pytest.fixture
def mounted(fleet: Fleet) -> Iterator[Mounted]:
    made = Mounted(fleet, fleet.image("disk", 8 * MIB))
    try:
        yield made
    finally:
        made.close()


@pytest.mark.needs("nbdfuse")
@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_file_that_hangs_is_given_up_and_left_behind(fleet, mounted, mode):
    image = fleet.directory / "disk.img"
    uris = [f"file://{mounted.point}?timeout=1", f"file://{image}"]
    gateway = fleet.serve(uris, "--grouping", "failover", "--queue-mode", mode)
    client = fleet.client(gateway)
    client.write(0, b"w" * 4096)
    mounted.server.freeze()
    started = time.monotonic()
    stuck = [client.send_write(4096 * number, b"q" * 4096) for number in range(1, 4)]
    # The loop is not stuck with it.
    assert "multipath" in gateway.dm("table")
    assert time.monotonic() - started < 1, "the control socket was to be answered at once"
    for cookie in stuck:
        client.wait(cookie)
    assert client.read(8192, 4096) == b"q" * 4096
    gateway.wait_for_states("FA")
    started = time.monotonic()
    gateway.signal(signal.SIGTERM)
    # Nobody waits for the process: the sockets are closed, and all is said. The kernel keeps what is left of it until the file is
    # closed, for which it asks the server again.
    gateway.wait_for_log("system calls have not returned: left behind")
    assert client.sock.recv(1) == b""
    assert time.monotonic() - started < LIMIT_S
    mounted.server.thaw()
    assert gateway.wait() == 0
    gateway.assert_no_traceback()


@pytest.mark.needs("gcc")
def test_a_loop_that_is_stuck_in_a_system_call_does_not_outlive_the_signal(fleet, monkeypatch):
    """A local file is written inline. Its end is the watchdog's then, with another exit status, as what was in flight has no
    answer."""
    image = fleet.image("disk", 8 * MIB)
    environment, slow = fleet.slow_writes("own")
    for name, value in {**environment, "SLOW_DEAF": "1"}.items():
        monkeypatch.setenv(name, value)
    gateway = fleet.serve([f"file://{image}"])
    client = fleet.client(gateway)
    client.write(0, b"w" * 4096)
    slow.write_text(str(NEVER_S))
    client.send_write(4096, b"q" * 4096)
    time.sleep(0.3)
    started = time.monotonic()
    gateway.popen.terminate()
    assert gateway.wait() == 1
    assert time.monotonic() - started < LIMIT_S
    assert "a system call has not returned" in gateway.log()


@pytest.mark.needs("gcc")
def test_a_local_file_that_was_slow_goes_to_threads(fleet, monkeypatch):
    image = fleet.image("disk", 8 * MIB)
    environment, slow = fleet.slow_io("own")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    gateway = fleet.serve([f"file://{image}"])
    client = fleet.client(gateway)
    slow.write_text("0.15")
    client.read(0, 4096)
    gateway.wait_for_log("goes to threads from now on")
    slow.write_text("2 0 4096")
    cookie = client.send_read(0, 4096)
    # The loop is free meanwhile.
    assert client.read(8192, 4096) == bytes(4096)
    assert not client.has_answer(cookie, 0)
    client.wait(cookie)
    assert gateway.end() < LIMIT_S
