"""What can be told of a process and of a socket that somebody else left on this machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from hawser.paths.aftermath import NO_PIDFD, is_gone
from hawser.paths.machine import (
    NOBODY,
    ProcessName,
    SocketName,
    find_process,
    look_around,
    may_send,
    process_of,
    socket_name,
)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait(20)


def name_of(pid: int) -> ProcessName:
    pidfd = os.pidfd_open(pid)
    try:
        return process_of(pidfd)
    finally:
        os.close(pidfd)


def test_this_boot_has_a_name():
    here = look_around()
    assert len(here.boot) == 36 and here == look_around()
    assert here.pids > 0 and here.net > 0


def test_a_process_is_found_again_while_it_lives(child: subprocess.Popen[bytes]):
    name = name_of(child.pid)
    assert name.pid == child.pid and name.started > 0
    pidfd = find_process(name)
    assert pidfd != NO_PIDFD and not is_gone(pidfd)
    child.kill()
    # A zombie has returned from all of its system calls.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(pidfd)
    assert find_process(name) == NO_PIDFD
    child.wait(20)
    assert find_process(name) == NO_PIDFD
    os.close(pidfd)


def test_another_process_of_that_number_is_not_it(child: subprocess.Popen[bytes]):
    name = name_of(child.pid)
    assert find_process(ProcessName(name.pid, name.started - 1)) == NO_PIDFD


THREADED = """
import threading, time
thread = threading.Thread(target=time.sleep, args=(60,), daemon=True)
thread.start()
print(thread.native_id, flush=True)
time.sleep(60)
"""


def test_a_thread_of_that_number_is_not_it():
    process = subprocess.Popen([sys.executable, "-c", THREADED], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        thread = int(process.stdout.readline())
        assert thread != process.pid
        assert find_process(ProcessName(thread, 12345)) == NO_PIDFD
    finally:
        process.kill()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


def test_nobody_is_known_by_no_pidfd_or_one_that_has_ended(child: subprocess.Popen[bytes]):
    assert process_of(NO_PIDFD) == NOBODY
    pidfd = os.pidfd_open(child.pid)
    child.kill()
    child.wait(20)
    assert process_of(pidfd) == NOBODY
    os.close(pidfd)


# Sockets.

CLIENT = """
import os, socket, struct, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
if sys.argv[3] == "reset":
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
sock.setblocking(False)
try:
    while True:
        sock.send(bytes(65536))
except BlockingIOError:
    pass
from hawser.paths.machine import socket_name
name = socket_name(sock)
print(name.local, name.remote, name.inode, flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as sock:
        yield sock


def start(listener: socket.socket, how: str) -> tuple[subprocess.Popen[bytes], socket.socket, SocketName]:
    """A process with more in its send queue than the other side takes."""
    host, port = listener.getsockname()[:2]
    command = [sys.executable, "-c", CLIENT, host, str(port), how]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    peer = listener.accept()[0]
    local, remote, inode = process.stdout.readline().split()
    return process, peer, SocketName(local.decode(), remote.decode(), int(inode))


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def drain(peer: socket.socket) -> None:
    while peer.recv(1 << 20):
        pass


def test_the_socket_of_a_killed_process_goes_on_sending(listener: socket.socket):
    process, peer, name = start(listener, "plain")
    with peer:
        assert may_send(name)
        end(process)
        time.sleep(0.2)
        assert may_send(name), "the kernel has it, with what is in its queue"
        # What would come is taken: then there is nothing left to send.
        peer.settimeout(20)
        drain(peer)
    deadline = time.monotonic() + 20
    while may_send(name):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_that_does_not_linger_is_gone_with_its_process_and_so_is_its_queue(listener: socket.socket):
    process, peer, name = start(listener, "reset")
    with peer:
        assert may_send(name)
        end(process)
        assert not may_send(name)
        peer.settimeout(20)
        with pytest.raises(ConnectionResetError):
            drain(peer)


def test_another_socket_with_these_addresses_is_not_it(listener: socket.socket):
    with socket.create_connection(listener.getsockname()[:2]) as sock, listener.accept()[0]:
        name = socket_name(sock)
        assert may_send(name)
        assert not may_send(SocketName(name.local, name.remote, name.inode + 1))
        assert not may_send(SocketName(name.remote, name.remote, name.inode))


def test_a_socket_that_waits_for_the_other_side_to_close_sends_no_more(listener: socket.socket):
    with socket.create_connection(listener.getsockname()[:2]) as sock, listener.accept()[0] as peer:
        name = socket_name(sock)
        sock.shutdown(socket.SHUT_WR)
        assert peer.recv(1) == b""
        deadline = time.monotonic() + 20
        # FIN_WAIT2, as soon as its last segment has been acknowledged.
        while may_send(name):
            assert time.monotonic() < deadline
            time.sleep(0.02)
