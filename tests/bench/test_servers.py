"""Servers as processes: readiness, CPU time, and an end that leaves nothing."""

import sys
from pathlib import Path

import pytest
from bench.cases import BenchError
from bench.contenders import Contender
from bench.servers import Server, process_tree, serving

READY = """
import signal, socket, subprocess, sys
child = subprocess.Popen(["sleep", "60"])
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", sys.argv[1], flush=True)
signal.sigwait([signal.SIGTERM])
child.kill()
child.wait()
"""

pytestmark = pytest.mark.interop


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def contender(socket_dir: Path, script: str, *, says_ready: bool = True) -> Contender:
    socket = socket_dir / "s.sock"
    blocked = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
    command = (sys.executable, "-c", blocked + script, str(socket))
    return Contender("stand-in", None, True, command, socket, "", says_ready)


@pytest.mark.parametrize("says_ready", [True, False])
def test_a_server_runs_within_its_block_and_not_after(socket_dir, says_ready):
    with serving(contender(socket_dir, READY, says_ready=says_ready), socket_dir) as server:
        tree = process_tree(server.process.pid)
        assert len(tree) == 2
        assert server.cpu_s() >= 0
        assert server.epitaph() == ""
    assert server.process.returncode == 0
    assert not any(is_running(pid) for pid in tree)
    assert not server.contender.socket.exists()


def test_one_that_ends_early_is_reported_with_its_last_words(socket_dir):
    script = "import sys; print('starting', file=sys.stderr); sys.exit('no such path: /x')"
    server = Server(contender(socket_dir, script), socket_dir)
    with pytest.raises(BenchError, match="stand-in: ended with 1: no such path: /x"):
        server.wait_ready()
    assert server.epitaph() == "; the server ended with 1: no such path: /x"
    server.stop()


def test_a_program_that_is_not_there_is_named(socket_dir):
    absent = Contender("absent", None, True, ("/nowhere/hawser",), socket_dir / "s.sock", "")
    with pytest.raises(BenchError, match="/nowhere/hawser: No such file or directory"):
        Server(absent, socket_dir)
