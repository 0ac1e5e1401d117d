"""The control socket: private, and patient with whoever talks nonsense to it."""

import os
import socket
import stat
import threading

import pytest
from tests.support.gateway import Gateway

from hawser.service.control import CLIENTS_MAX, ask

pytestmark = pytest.mark.interop


@pytest.fixture
def gateway(fleet) -> Gateway:
    return fleet.serve(["ram:?size=1M", "ram:?size=1M"])


def say(gateway: Gateway, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(gateway.control))
        sock.sendall(line)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while data := sock.recv(65536):
            answer += data
        return answer


def test_only_its_owner_may_open_it(gateway):
    mode = os.stat(gateway.control).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"status\n",
        b"{}\n",
        b'{"verb": 7}\n',
        b'{"verb": "status", "args": "mpatha"}\n',
        b'{"verb": "status", "extra": 1}\n',
        b'{"verb": "reboot"}\n',
        b'{"verb": "ls", "args": ["x"]}\n',
        b'{"verb": "status", "args": ["nothing"]}\n',
        b'{"verb": "message", "args": ["mpatha"]}\n',
        b'{"verb": "message", "args": ["mpatha", "x", "y"]}\n',
        b'{"verb": "message", "args": ["mpatha", "0"]}\n',
        b'{"verb": "message", "args": ["mpatha", "99999999", "fail_path", "259:0"]}\n',
        b'{"verb": "message", "args": ["mpatha", "0", "explode", "259:0"]}\n',
        b'{"verb": "message", "args": ["mpatha", "0", "switch_group", "9"]}\n',
        b"\xff\xfe\x00\n",
    ],
)
def test_a_bad_request_is_answered_and_changes_nothing(gateway, line):
    before = gateway.dm("status"), gateway.dm("table")
    answer = say(gateway, line)
    assert answer.startswith(b'{"ok":false,"err":"') and answer.endswith(b"\n")
    assert (gateway.dm("status"), gateway.dm("table")) == before
    gateway.assert_no_traceback()


def test_a_line_without_end_is_cut_off(gateway):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(gateway.control))
        endless = b"x" * (16 << 20)
        with pytest.raises(OSError):
            sock.sendall(endless)
    assert gateway.dm("ls") == "mpatha\t(254:0)\n"
    gateway.assert_no_traceback()


def test_several_requests_on_one_connection_and_many_connections(gateway):
    answers = say(gateway, b'{"verb": "ls"}\n{"verb": "ls", "args": []}\n').splitlines()
    assert len(answers) == 2 and answers[0] == answers[1]
    idle = []
    for _ in range(CLIENTS_MAX + 5):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(gateway.control))
        idle.append(sock)
    for sock in idle:
        sock.close()
    gateway.wait_until(lambda: _answers(gateway), "answers again")
    gateway.assert_no_traceback()


def _answers(gateway: Gateway) -> bool:
    try:
        return ask(str(gateway.control), "ls", []).ok
    except (OSError, ValueError):
        return False


def test_dm_says_what_is_wrong(gateway):
    missing = gateway.dm_command("status", "nothing")
    assert missing.returncode == 1 and "does not exist" in missing.stderr and missing.stdout == ""
    gateway.end()
    gone = gateway.dm_command("ls")
    assert gone.returncode == 1 and str(gateway.control) in gone.stderr
    assert "Traceback" not in gone.stderr


def test_dm_of_something_that_is_no_server(gateway):
    with socket.socket(socket.AF_UNIX) as sock:
        path = str(gateway.control.with_name("other.ctl"))
        sock.bind(path)
        sock.listen()
        gateway.control = gateway.control.with_name("other.ctl")
        sock.settimeout(20)

        def hang_up() -> None:
            client, _ = sock.accept()
            client.recv(100)
            client.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        done = gateway.dm_command("ls")
        thread.join()
    assert done.returncode == 1 and "other.ctl" in done.stderr
    assert "Traceback" not in done.stderr
