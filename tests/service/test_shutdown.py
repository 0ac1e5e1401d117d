"""SIGTERM and SIGINT: status 0 within 5 s whatever the paths do, and what was taken is answered."""

import signal
import socket
import subprocess
import threading
import time

import pytest
from tests.support import fio
from tests.support.fleet import MIB
from tests.support.gateway import serve_command
from tests.support.nbd_client import NbdClient, NbdError

from hawser.exports.connection import IN_FLIGHT_MAX
from hawser.nbd import protocol
from hawser.service.control import ask
from hawser.service.serve import HANGUP

pytestmark = pytest.mark.interop

LIMIT_S = 5.0
MODES = ["rq", "bio"]


def outcomes(client: NbdClient, cookies: list[int]) -> list[int]:
    """The error of each command, 0 for none; none may be without an answer."""
    found = []
    for cookie in cookies:
        try:
            client.wait(cookie, 10)
            found.append(0)
        except NbdError as error:
            found.append(error.errno or 0)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle(fleet, number):
    gateway = fleet.serve(["ram:?size=1M"])
    assert gateway.end(number) < LIMIT_S
    gateway.assert_no_traceback()


def test_a_terminal_that_is_closed_ends_nothing(fleet):
    """Nor does a wish for a reload: each is logged."""
    gateway = fleet.serve(["ram:?size=1M"])
    client = fleet.client(gateway)
    for count in (1, 2):
        gateway.signal(signal.SIGHUP)
        gateway.wait_until(lambda count=count: gateway.log().count(f"warning: {HANGUP}\n") == count, "it is logged")
    client.write(0, b"w" * 4096)
    assert client.read(0, 4096) == b"w" * 4096
    client.close()
    assert gateway.end() < LIMIT_S


def test_under_nohup_a_hangup_is_nothing_to_speak_of(fleet):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        gateway = fleet.serve(["ram:?size=1M"])
    finally:
        signal.signal(signal.SIGHUP, before)
    gateway.signal(signal.SIGHUP)
    assert gateway.dm("ls")
    assert gateway.end() < LIMIT_S
    assert HANGUP not in gateway.log()


def test_with_clients_that_do_nothing(fleet):
    gateway = fleet.serve(["ram:?size=1M"])
    clients = [fleet.client(gateway) for _ in range(5)]
    assert gateway.end() < LIMIT_S
    assert all(client.sock.recv(1) == b"" for client in clients)
    gateway.assert_no_traceback()


def test_with_the_signal_given_twice(fleet):
    image = fleet.image("disk", 8 * MIB)
    server = fleet.nbdkit("one", "file", image)
    gateway = fleet.serve([server.uri()])
    client = fleet.client(gateway)
    server.freeze()
    client.send_write(0, b"w" * 4096)
    gateway.signal(signal.SIGTERM)
    time.sleep(0.2)
    assert gateway.end(signal.SIGINT) < LIMIT_S
    gateway.assert_no_traceback()


@pytest.mark.needs("fio", "nbdkit")
@pytest.mark.parametrize("mode", MODES)
def test_under_load(fleet, mode):
    image = fleet.image("disk", 64 * MIB)
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    gateway = fleet.serve([server.uri(cache="lun") for server in servers], "--queue-mode", mode)
    load = fleet.run("fio", *fio.load_command(gateway.uri, 30))
    gateway.wait_until(lambda: "Open count:        1" in gateway.dm("info"), "fio is connected")
    time.sleep(0.5)
    assert gateway.end() < LIMIT_S
    gateway.assert_no_traceback()
    load.kill()


@pytest.mark.needs("nbdkit")
@pytest.mark.parametrize("mode", MODES)
def test_with_all_paths_dead_and_queueing_for_ever(fleet, mode):
    image = fleet.image("disk", 8 * MIB)
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    uris = [server.uri(cache="lun") for server in servers]
    gateway = fleet.serve(uris, "--queue-mode", mode, "--queue-timeout", "forever")
    client = fleet.client(gateway)
    client.write(0, b"w" * 4096)
    for server in servers:
        server.kill()
    gateway.wait_for_states("FF")
    cookies = [client.send_write(number * 4096, b"q" * 4096) for number in range(100)]
    cookies += [client.send_read(0, 4096), client.send_flush()]
    assert not client.has_answer(cookies[0], 0.3)
    assert gateway.end() < LIMIT_S
    assert set(outcomes(client, cookies)) == {protocol.EIO}
    gateway.assert_no_traceback()


@pytest.mark.needs("nbdkit")
@pytest.mark.parametrize("attributes", [{}, {"cache": "lun"}])
@pytest.mark.parametrize("mode", MODES)
def test_with_a_server_that_is_stopped(fleet, mode, attributes):
    image = fleet.image("disk", 8 * MIB)
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    gateway = fleet.serve([server.uri(**attributes) for server in servers], "--queue-mode", mode)
    client = fleet.client(gateway)
    for server in servers:
        server.freeze()
    cookies = [client.send_write(number * 4096, b"q" * 4096) for number in range(50)]
    cookies += [client.send_read(MIB + number * 4096, 4096) for number in range(50)]
    time.sleep(0.3)
    assert gateway.end() < LIMIT_S
    assert set(outcomes(client, cookies)) == {protocol.EIO}
    gateway.assert_no_traceback()


@pytest.mark.needs("nbdkit", "gcc")
def test_behind_a_fence(fleet):
    """Writes that wait for a proof which never comes are failed."""
    image = fleet.image("disk", 8 * MIB)
    environment, slow = fleet.slow_writes("one")
    one = fleet.nbdkit("one", "file", image, tcp=True, environment=environment)
    two = fleet.nbdkit("two", "file", image)
    relay = fleet.relay(one)
    gateway = fleet.serve([relay.uri(cache="lun"), two.uri(cache="lun")], "--grouping", "failover")
    client = fleet.client(gateway)
    slow.write_text("20")
    old = client.send_write(0, b"W" * 4096)
    time.sleep(0.3)
    relay.cut("reset")
    client.wait(old)
    waiting = client.send_write(0, b"N" * 4096)
    assert not client.has_answer(waiting, 0.5)
    assert gateway.end() < LIMIT_S
    assert outcomes(client, [waiting]) == [protocol.EIO]
    gateway.assert_no_traceback()


@pytest.mark.needs("nbdkit", "gcc")
def test_what_is_answered_in_time_is_told(fleet):
    image = fleet.image("disk", 8 * MIB)
    environment, slow = fleet.slow_writes("one")
    server = fleet.nbdkit("one", "file", image, environment=environment)
    gateway = fleet.serve([server.uri()])
    client = fleet.client(gateway)
    slow.write_text("1")
    cookies = [client.send_write(number * 4096, b"q" * 4096) for number in range(8)]
    time.sleep(0.3)
    assert gateway.end() < LIMIT_S
    assert set(outcomes(client, cookies)) == {0}
    assert image.read_bytes()[: 8 * 4096] == b"q" * 4096 * 8


@pytest.mark.parametrize("listen", ["", "nbd://127.0.0.1:0/d"])
def test_replies_in_the_outbox_are_not_cut_short(fleet, listen):
    """A slow reader has more replies coming than socket buffers hold when the server is told to stop."""
    gateway = fleet.serve(["ram:?size=64M"], listen=listen)
    client = fleet.client(gateway)
    cookies = [client.send_read(number << 20, 1 << 20) for number in range(48)]
    client.wait(cookies[0])
    gateway.signal(signal.SIGTERM)
    time.sleep(0.3)
    answered = sum(1 for cookie in cookies[1:] if client.has_answer(cookie, 3))
    assert client.held_bytes() == 0, "a reply was cut in its middle"
    assert answered > 0
    assert gateway.wait() == 0
    gateway.assert_no_traceback()


def test_a_client_that_reads_nothing_does_not_hold_it_up(fleet):
    gateway = fleet.serve(["ram:?size=64M"])
    client = fleet.client(gateway)
    for number in range(60):
        client.send_read(number << 20, 1 << 20)
    time.sleep(0.2)
    assert gateway.end() < LIMIT_S


def test_new_clients_and_handshakes_do_not_hold_it_up(fleet):
    gateway = fleet.serve(["ram:?size=1M"])
    over = threading.Event()

    def knock() -> None:
        while not over.is_set():
            try:
                gateway_client = NbdClient(gateway.address(), "d")
            except (OSError, AssertionError):
                time.sleep(0.02)
            else:
                gateway_client.close()

    thread = threading.Thread(target=knock)
    thread.start()
    try:
        time.sleep(0.3)
        assert gateway.end() < LIMIT_S
    finally:
        over.set()
        thread.join()
    gateway.assert_no_traceback()


@pytest.mark.needs("nbdkit")
def test_while_it_starts(fleet):
    """A server that never answers the handshake holds the start up, not the end."""
    silent = socket.socket(socket.AF_UNIX)
    path = fleet.directory / "silent.sock"
    silent.bind(str(path))
    silent.listen()
    listen = f"nbd+unix:///d?socket={fleet.directory}/h.sock"
    with silent, subprocess.Popen(serve_command([f"nbd+unix:///?socket={path}"], [listen])) as process:
        connection, _ = silent.accept()
        time.sleep(0.3)
        started = time.monotonic()
        process.terminate()
        process.wait(30)
        took = time.monotonic() - started
        connection.close()
        assert took < LIMIT_S


@pytest.mark.needs("nbdkit")
@pytest.mark.parametrize(("mode", "attributes"), [("rq", {}), ("bio", {"cache": "lun"})])
def test_a_forced_remove_does_not_wait_for_a_server_that_is_stopped(fleet, mode, attributes):
    """The map stays while a client has it, as with the kernel, but what was in flight has failed."""
    image = fleet.image("disk", 8 * MIB)
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    gateway = fleet.serve([server.uri(**attributes) for server in servers], "--queue-mode", mode)
    client = fleet.client(gateway)
    client.write(0, b"w" * 4096)
    for server in servers:
        server.freeze()
    cookies = [client.send_write(number * 4096, b"q" * 4096) for number in range(20)] + [client.send_read(0, 4096)]
    time.sleep(0.3)
    started = time.monotonic()
    reply = ask(str(gateway.control), "remove", ["--force", "mpatha"])
    assert time.monotonic() - started < LIMIT_S
    assert "Device or resource busy" in reply.err
    assert set(outcomes(client, cookies)) == {protocol.EIO}
    assert "error" in gateway.dm("table")
    assert gateway.end() < LIMIT_S
    gateway.assert_no_traceback()


@pytest.mark.needs("nbdkit")
@pytest.mark.parametrize(
    "verb", [["remove"], ["remove", "--force"], ["remove", "--deferred"], ["remove_all", "--force"]]
)
def test_no_remove_waits_for_a_path(fleet, verb):
    image = fleet.image("disk", 8 * MIB)
    server = fleet.nbdkit("one", "file", image)
    gateway = fleet.serve([server.uri(cache="lun")], "--queue-timeout", "forever")
    client = fleet.client(gateway)
    server.kill()
    gateway.wait_for_states("F")
    cookies = [client.send_write(number * 4096, b"q" * 4096) for number in range(20)]
    assert not client.has_answer(cookies[0], 0.2)
    started = time.monotonic()
    ask(str(gateway.control), verb[0], [*verb[1:], *(["mpatha"] if verb[0] == "remove" else [])])
    assert time.monotonic() - started < LIMIT_S
    if "--force" in verb:
        assert set(outcomes(client, cookies)) == {protocol.EIO}
    assert gateway.end() < LIMIT_S
    gateway.assert_no_traceback()


@pytest.mark.needs("nbdkit")
def test_a_client_that_is_not_read_is_watched_for_its_hang_up(fleet):
    """It has as much in flight as it may have, there is no path, and it dies: its commands die with it."""
    image = fleet.image("disk", 8 * MIB)
    server = fleet.nbdkit("one", "file", image)
    gateway = fleet.serve([server.uri(cache="lun")], "--queue-timeout", "forever")
    client = fleet.client(gateway)
    server.kill()
    gateway.wait_for_states("F")
    for number in range(IN_FLIGHT_MAX + 10):
        client.send_write(number * 4096, b"q" * 4096)
    # The gateway has read what it takes by then, and more is in its socket.
    time.sleep(0.5)
    client.close()
    gateway.wait_until(lambda: "Open count:        0" in gateway.dm("info"), "its end is noticed")
    server.start()
    gateway.wait_for_states("A")
    assert image.read_bytes() == bytes(8 * MIB), "what was not dispatched died with its client"
    gateway.assert_no_traceback()
