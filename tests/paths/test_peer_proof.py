"""Who is at the other end of a unix socket: only the process that serves it proves, by its end, that its writes are over."""

import os
import socket
import subprocess
import sys

import pytest

from hawser.paths import aftermath
from hawser.paths.aftermath import NO_PIDFD, is_gone, open_peer

# A daemon: the launcher listens and ends, its child keeps the socket until its stdin ends.
DAEMON = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
if sys.argv[2] == "daemon" and os.fork():
    os._exit(0)
connection, _ = listener.accept()
sys.stdin.read()
"""


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(path))
    return sock


@pytest.fixture
def serve(socket_dir):
    processes = []

    def start(kind):
        path = socket_dir / "peer.sock"
        command = [sys.executable, "-c", DAEMON, str(path), kind]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"ready\n"
        return process, path

    yield start
    for process in processes:
        process.stdin.close()
        process.stdout.close()
        process.wait(20)


@pytest.fixture(params=["pidfd", "number"])
def peer(request):
    """Both ways of asking: the kernel's own, and the one of older kernels."""
    return open_peer if request.param == "pidfd" else aftermath._open_peer_by_number


def test_a_living_server_can_be_watched(serve, peer):
    process, path = serve("foreground")
    with connect(path) as sock:
        pidfd = peer(sock)
        assert pidfd != NO_PIDFD
        assert not is_gone(pidfd)
        process.kill()
        process.wait(20)
        assert is_gone(pidfd)
        os.close(pidfd)


@pytest.mark.parametrize("reaped", [False, True])
def test_a_daemons_launcher_that_has_ended_proves_nothing(serve, reaped):
    process, path = serve("daemon")
    if reaped:
        process.wait(20)
    else:
        # It is a zombie: its number is still taken.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with connect(path) as sock:
        assert open_peer(sock) == NO_PIDFD


def test_a_process_younger_than_the_socket_is_somebody_else(serve):
    _, path = serve("foreground")
    old = 1_000_000_000
    with connect(path) as sock:
        assert aftermath._start_time(os.getpid()) > old
        os.utime(path, (old, old))
        pidfd = aftermath._open_peer_by_number(sock)
        # Not the time of last change, which anybody may set: the inode's own.
        assert pidfd != NO_PIDFD
        os.close(pidfd)
        path.unlink()
        assert aftermath._open_peer_by_number(sock) == NO_PIDFD


def test_tcp_has_no_peer_that_could_be_told():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as sock:
        assert open_peer(sock) == NO_PIDFD
