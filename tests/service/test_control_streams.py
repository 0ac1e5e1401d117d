"""Answers of the control socket that come in pieces: whole for who stays, and no burden left by who goes or by what breaks."""

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.gateway import HAWSER, Gateway
from tests.support.processes import run
from tests.support.trace_events import TraceFile

from hawser.service.control import ask

pytestmark = pytest.mark.interop

# More I/Os than fit into one piece.
IOS = 600


@pytest.fixture
def gateway(fleet) -> Gateway:
    return fleet.serve(["ram:?size=1M", "ram:?size=1M"])


def trace_under_io(gateway: Gateway) -> socket.socket:
    """A trace that has seen IOS reads, and is over soon."""
    client = gateway.client()
    tracing = gateway.start_trace(1)
    # All at once, so that even a busy machine begins them in time.
    reads = [client.send_read(number % 256 * 4096, 512) for number in range(IOS)]
    for read in reads:
        client.wait(read)
    return tracing


def a_trace_can_be_had(gateway: Gateway) -> bool:
    return ask(str(gateway.control), "trace", ["0.01"]).ok


def test_a_trace_comes_in_pieces_that_are_one_file(gateway: Gateway, tmp_path: Path):
    with trace_under_io(gateway) as tracing, tracing.makefile("rb") as lines:
        replies = [json.loads(lines.readline())]
        while replies[-1].get("more"):
            replies.append(json.loads(lines.readline()))
        assert replies[-1] == {"ok": True}
        assert len(replies) > 4
        # The connection is as good as before.
        tracing.sendall(b'{"verb": "ls"}\n')
        assert json.loads(lines.readline()) == {"ok": True, "out": "mpatha\t(254:0)\n"}
    file = tmp_path / "trace.json"
    file.write_text("".join(reply.get("out", "") for reply in replies))
    assert len(TraceFile(file).ios) == IOS


def test_how_long_has_to_be_said(gateway: Gateway):
    for args in ([], ["soon"], ["0"], ["-1"], ["601"], ["nan"], ["1", "2"]):
        reply = ask(str(gateway.control), "trace", args)
        assert (reply.ok, reply.more, reply.out) == (False, False, ""), args
        assert "a number of seconds above 0, up to 600" in reply.err, args


def test_one_trace_at_a_time(gateway: Gateway, tmp_path: Path):
    tracing = gateway.start_trace(1)
    refused = ask(str(gateway.control), "trace", ["1"])
    assert not refused.ok and "another one is under way" in refused.err
    gateway.end_trace(tracing, tmp_path / "trace.json")
    assert TraceFile(tmp_path / "trace.json").ios == {}
    assert a_trace_can_be_had(gateway)


def test_who_goes_away_is_not_traced_for_any_longer(gateway: Gateway):
    """It went on for all of its ten minutes, and nobody else could have one."""
    gateway.start_trace(600).close()
    gateway.wait_until(lambda: a_trace_can_be_had(gateway), "the trace is given up")
    gateway.assert_no_traceback()


def test_who_goes_away_between_pieces_leaves_nothing(gateway: Gateway):
    with trace_under_io(gateway) as tracing:
        assert tracing.recv(1000)
    assert a_trace_can_be_had(gateway)
    assert gateway.client().read(0, 512) == bytes(512)
    gateway.assert_no_traceback()


def test_a_server_that_ends_ends_the_trace(fleet, gateway: Gateway, tmp_path: Path):
    file = tmp_path / "trace.json"
    command = [*HAWSER, "trace", "--control", gateway.control, "--seconds", "60", "-o", file]
    tracer = fleet.run("trace", *command)
    # (One trace at a time: the question whether there is one may be in its way.)
    gateway.wait_until(
        lambda: not ask(str(gateway.control), "trace", ["0.001"]).ok or not tracer.is_running(),
        "the trace is under way",
    )
    if not tracer.is_running():
        tracer = fleet.run("trace again", *command)
        time.sleep(2)
        assert tracer.is_running(), tracer.log()
    assert gateway.end() < 5
    assert tracer.wait() == 1
    assert "hawser trace: " in tracer.log() and "Traceback" not in tracer.log()
    assert list(tmp_path.iterdir()) == []
    gateway.assert_no_traceback()


def cut_short(sock: socket.socket) -> None:
    sock.sendall(b'{"ok":true,"out":"{\\"traceEvents\\":[","more":true}\n')


def breaks_off(sock: socket.socket) -> None:
    cut_short(sock)
    sock.sendall(b'{"ok":false,"err":"it cannot go on"}\n')


def says_nonsense(sock: socket.socket) -> None:
    cut_short(sock)
    sock.sendall(b'{"ok":tru\n')


@pytest.mark.parametrize(
    ("story", "words"),
    [(cut_short, "before the end of its answer"), (breaks_off, "it cannot go on"), (says_nonsense, "malformed")],
)
def test_a_trace_that_is_not_whole_is_no_file(socket_dir: Path, story: Callable[[socket.socket], None], words: str):
    control = socket_dir / "c"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(control))
        listener.listen()
        listener.settimeout(20)

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(1000)
                story(client)

        thread = threading.Thread(target=serve)
        thread.start()
        file = socket_dir / "trace.json"
        done = run([*HAWSER, "trace", "--control", control, "--seconds", "0.1", "-o", file], check=False)
        thread.join()
    assert done.returncode == 1
    assert words in done.stderr and "Traceback" not in done.stderr
    assert [path.name for path in socket_dir.iterdir()] == ["c"]


def test_where_it_cannot_be_written_nothing_is_traced(gateway: Gateway, tmp_path: Path):
    file = tmp_path / "missing" / "trace.json"
    done = run([*HAWSER, "trace", "--control", gateway.control, "--seconds", "60", "-o", file], check=False)
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr and "Traceback" not in done.stderr
    assert a_trace_can_be_had(gateway)
