"""Clients that drop with writes in flight: what they left must not come over what others write later (DESIGN, Hard
problems 7)."""

import time

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.upstreams import content

from hawser.nbd import protocol

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit", "gcc")]

MODES = ["rq", "bio"]
WRITES = 400


def slow_server(fleet: Fleet):
    image = fleet.image("disk", 16 * MIB)
    environment, slow = fleet.slow_writes("one")
    return image, fleet.nbdkit("one", "file", image, environment=environment), slow


@pytest.mark.parametrize("mode", MODES)
def test_the_newest_write_wins_over_those_of_a_client_that_dropped(fleet, mode):
    image, server, slow = slow_server(fleet)
    gateway = fleet.serve([server.uri()], "--queue-mode", mode)
    dropping = fleet.client(gateway)
    heir = fleet.client(gateway)
    slow.write_text("0.3")
    for number in range(WRITES):
        dropping.send_write(number % 100 * 4096, b"O" * 4096)
    time.sleep(0.2)
    dropping.close()
    gateway.wait_until(lambda: "Open count:        1" in gateway.dm("info"), "sees that it is gone")
    slow.unlink()
    cookies = [heir.send_write(number * 4096, b"N" * 4096) for number in range(100)]
    for cookie in cookies:
        heir.wait(cookie)
    assert heir.read(0, 100 * 4096) == b"N" * 100 * 4096
    time.sleep(1)
    assert content(image, 0, 100 * 4096) == b"N" * 100 * 4096, "an old write came late"
    gateway.assert_no_traceback()


@pytest.mark.parametrize("mode", MODES)
def test_what_waits_for_a_path_dies_with_its_client(fleet, mode):
    image = fleet.image("disk", 16 * MIB)
    server = fleet.nbdkit("one", "file", image)
    gateway = fleet.serve([server.uri()], "--queue-mode", mode, "--queue-timeout", "forever")
    dropping = fleet.client(gateway)
    server.kill()
    gateway.wait_for_states("F")
    for number in range(50):
        dropping.send_write(number * 4096, b"O" * 4096)
    time.sleep(0.3)
    dropping.close()
    gateway.wait_until(lambda: "Open count:        0" in gateway.dm("info"), "sees that it is gone")
    server.start()
    gateway.wait_for_states("A")
    heir = fleet.client(gateway)
    heir.write(60 * 4096, b"N" * 4096)
    time.sleep(0.5)
    assert content(image, 0, 50 * 4096) == bytes(50 * 4096), "nobody was left who wanted this written"
    gateway.assert_no_traceback()


@pytest.mark.parametrize("mode", MODES)
def test_a_client_that_is_not_read_from_any_more_is_seen_to_drop(fleet, mode):
    """With as much in flight as a client may have nothing more is read from it; its end has to be noticed all the same."""
    image = fleet.image("disk", 16 * MIB)
    server = fleet.nbdkit("one", "file", image)
    gateway = fleet.serve([server.uri()], "--queue-mode", mode, "--queue-timeout", "forever")
    dropping = fleet.client(gateway)
    server.kill()
    gateway.wait_for_states("F")
    dropping.sock.settimeout(1)
    try:
        for number in range(2000):
            dropping.send(protocol.CMD_READ, number * 4096, 4096)
    except TimeoutError:
        pass
    time.sleep(0.3)
    dropping.close()
    gateway.wait_until(lambda: "Open count:        0" in gateway.dm("info"), "sees that it is gone", 8)
    gateway.assert_no_traceback()


@pytest.mark.parametrize("mode", MODES)
def test_an_orderly_end_drains_first(fleet, mode):
    image, server, slow = slow_server(fleet)
    gateway = fleet.serve([server.uri()], "--queue-mode", mode)
    client = fleet.client(gateway)
    slow.write_text("0.3")
    cookies = [client.send_write(number * 4096, b"O" * 4096) for number in range(20)]
    client.disconnect()
    for cookie in cookies:
        client.wait(cookie)
    assert client.sock.recv(1) == b""
    assert content(image, 0, 20 * 4096) == b"O" * 20 * 4096
    gateway.wait_until(lambda: "Open count:        0" in gateway.dm("info"), "it is gone")
    gateway.assert_no_traceback()


@pytest.mark.parametrize("mode", MODES)
def test_many_clients_come_and_go_under_load(fleet, mode):
    image = fleet.image("disk", 16 * MIB)
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    gateway = fleet.serve([server.uri(cache="lun") for server in servers], "--queue-mode", mode)
    steady = fleet.client(gateway)
    for number in range(60):
        passing = gateway.client()
        for step in range(40):
            passing.send_write(8 * MIB + step * 8192, bytes([number]) * 8192)
        if number % 3 == 0:
            passing.disconnect()
        if number == 30:
            servers[0].restart()
        passing.close()
        steady.write(number * 4096, bytes([number]) * 4096)
    for number in range(60):
        assert steady.read(number * 4096, 4096) == bytes([number]) * 4096
    gateway.wait_until(lambda: "Open count:        1" in gateway.dm("info"), "all others are gone")
    gateway.assert_no_traceback()
