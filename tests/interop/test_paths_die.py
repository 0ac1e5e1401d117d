"""The line holds: three nbdkit servers over one file are killed one after another and all at once, while fio verifies
what it reads."""

import time

import pytest
from tests.support import fio
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import Gateway
from tests.support.nbd_client import NbdError
from tests.support.upstreams import Upstream

from hawser.nbd.protocol import EIO

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit", "fio")]

DOWN_S = 0.4
ALL_DOWN_S = 3.0


def three(fleet: Fleet) -> list[Upstream]:
    image = fleet.image("disk", 128 * MIB)
    return [fleet.nbdkit(name, "file", image) for name in ("one", "two", "three")]


def kill_and_restart(gateway: Gateway, servers: list[Upstream], index: int) -> None:
    """One path dies, is seen to be failed, and comes back by itself."""
    before = gateway.paths()[index]
    assert before[0] == "A"
    servers[index].kill()
    gateway.wait_until(lambda: gateway.paths()[index] == ("F", before[1] + 1), f"path {index} is failed, once more")
    time.sleep(DOWN_S)
    servers[index].start()
    gateway.wait_until(lambda: gateway.paths()[index] == ("A", before[1] + 1), f"path {index} is reinstated")


def kill_and_restart_all(gateway: Gateway, servers: list[Upstream]) -> None:
    for server in servers:
        server.kill()
    gateway.wait_for_states("FFF")
    time.sleep(ALL_DOWN_S)
    assert gateway.states() == "FFF"
    for server in servers:
        server.start()
    gateway.wait_for_states("AAA")


def verify_under_kills(fleet: Fleet, mode: str, runtime_s: int) -> None:
    servers = three(fleet)
    uris = [server.uri(cache="lun") for server in servers]
    gateway = fleet.serve(uris, "--queue-mode", mode, "--queue-timeout", "forever")
    assert gateway.paths() == [("A", 0)] * 3
    load = fleet.run("fio", *fio.verify_command(gateway.uri, runtime_s))
    ends = time.monotonic() + runtime_s
    time.sleep(0.5)
    all_at_once = 0
    while time.monotonic() < ends - ALL_DOWN_S or all_at_once == 0:
        for index in range(3):
            kill_and_restart(gateway, servers, index)
        if all_at_once == 0 or time.monotonic() < ends - 2 * ALL_DOWN_S:
            kill_and_restart_all(gateway, servers)
            all_at_once += 1
        if runtime_s < 10:
            break
    assert load.wait(runtime_s + 60) == 0, load.output()[-3000:] + load.log()[-3000:]
    job = fio.report(load.output())
    assert job["error"] == 0
    assert job["read"]["total_ios"] > 0 and job["write"]["total_ios"] > 0
    assert all(failures >= 2 for _, failures in gateway.paths())
    gateway.assert_no_traceback()
    assert gateway.end() < 5


@pytest.mark.parametrize("mode", ["rq", "bio", pytest.param("mq", marks=pytest.mark.soak)])
def test_killed_servers_cost_neither_an_error_nor_a_block(fleet, mode):
    verify_under_kills(fleet, mode, 8)


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize("mode", ["rq", "bio", "mq"])
def test_killed_servers_cost_neither_an_error_nor_a_block_for_thirty_seconds(fleet, mode):
    verify_under_kills(fleet, mode, 30)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_without_queueing_io_fails_at_once_and_the_server_lives(fleet, mode):
    servers = three(fleet)
    gateway = fleet.serve([server.uri(cache="lun") for server in servers], "--queue-mode", mode, "--queue-timeout", "0")
    client = fleet.client(gateway)
    client.write(0, b"w" * 4096)
    for server in servers:
        server.kill()
    gateway.wait_for_states("FFF")
    started = time.monotonic()
    for command in (client.send_read(0, 4096), client.send_write(8192, b"n" * 4096), client.send_flush()):
        with pytest.raises(NbdError) as caught:
            client.wait(command)
        assert caught.value.errno == EIO
    assert time.monotonic() - started < 5, "it was to fail at once"
    for server in servers:
        server.start()
    gateway.wait_for_states("AAA")
    assert client.read(0, 4096) == b"w" * 4096
    client.write(8192, b"n" * 4096)
    assert client.read(8192, 4096) == b"n" * 4096
    gateway.assert_no_traceback()


def test_the_queue_timeout_ends_the_wait_and_a_path_begins_it_anew(fleet):
    servers = three(fleet)
    gateway = fleet.serve([server.uri(cache="lun") for server in servers], "--queue-timeout", "1.5")
    client = fleet.client(gateway)
    for server in servers:
        server.kill()
    gateway.wait_for_states("FFF")
    waiting = client.send_write(0, b"w" * 4096)
    assert not client.has_answer(waiting, within_s=0.3), "it was to wait for a path first"
    with pytest.raises(NbdError) as caught:
        client.wait(waiting)
    assert caught.value.errno == EIO
    servers[0].start()
    gateway.wait_for_states("AFF")
    client.write(0, b"x" * 4096)
    servers[0].kill()
    gateway.wait_for_states("FFF")
    waiting = client.send_read(0, 4096)
    assert not client.has_answer(waiting, within_s=0.3)
    servers[1].start()
    assert client.wait(waiting) == b"x" * 4096


def test_the_dm_command_shows_the_paths_as_dmsetup_would(fleet):
    servers = three(fleet)
    gateway = fleet.serve([server.uri(cache="lun") for server in servers], "--name", "mpathz")
    sectors = 128 * MIB // 512
    assert gateway.dm_command("ls").stdout == "mpathz\t(254:0)\n"
    table = gateway.dm_command("table", "mpathz").stdout
    assert table.startswith(
        f"0 {sectors} multipath 1 queue_if_no_path 0 1 1 service-time 0 3 2 259:0 1 1 259:1 1 1 259:2"
    )
    status = gateway.dm_command("status", "mpathz").stdout
    assert status.startswith(f"0 {sectors} multipath 2 ") and " 259:1 A 0 " in status
    assert gateway.dm_command("message", "mpathz", "0", "fail_path", "259:1").returncode == 0
    assert gateway.paths() == [("A", 0), ("F", 1), ("A", 0)]
    time.sleep(2)
    assert gateway.states() == "AFA", "a path that a user failed stays failed"
    done = gateway.dm_command("message", "mpathz", "0", "reinstate_path", servers[1].uri(cache="lun"))
    assert done.returncode == 0, done.stderr
    assert gateway.states() == "AAA"
    failed = gateway.dm_command("message", "mpathz", "0", "fail_path", "9:9")
    assert failed.returncode != 0 and failed.stderr
    assert "State:" in gateway.dm_command("info").stdout
