"""dmsetup's verbs on a running server: devices are made and removed, tables loaded, events waited for."""

import socket
import threading

import pytest
from tests.support.gateway import Gateway

from hawser.service.control import Reply, ask

pytestmark = pytest.mark.interop

SECTORS = 2048


@pytest.fixture
def gateway(fleet) -> Gateway:
    return fleet.serve(["ram:?size=1M", "ram:?size=1M"])


def test_devices_are_made_over_the_map_and_removed(gateway):
    gateway.dm("create", "top", "--table", f"0 {SECTORS} linear 254:0 0")
    assert gateway.dm("ls") == "mpatha\t(254:0)\ntop\t(254:1)\n"
    assert gateway.dm("table", "top") == f"0 {SECTORS} linear 254:0 0\n"
    assert gateway.dm("ls", "--tree").startswith("top (254:1)\n `-mpatha (254:0)\n")
    assert gateway.dm("info", "-c", "--noheadings", "-o", "name,open", "mpatha") == "mpatha:1\n"
    gateway.dm("remove", "top")
    assert gateway.dm("ls") == "mpatha\t(254:0)\n"
    gateway.assert_no_traceback()


def test_what_clients_have_is_not_removed(gateway):
    reply = ask(str(gateway.control), "remove", ["mpatha"])
    assert not reply.ok
    assert "Device or resource busy" in reply.err


def test_a_table_is_loaded_and_swapped_in(gateway):
    table = gateway.dm("table", "mpatha")
    line = table.strip().replace("service-time 0 2 2 259:0 1 1 259:1 1 1", "service-time 0 1 2 259:0 1 1")
    gateway.dm("load", "mpatha", "--table", line)
    assert "LI" in gateway.dm("info", "-c", "mpatha")
    gateway.dm("suspend", "mpatha")
    assert "SUSPENDED" in gateway.dm("info", "mpatha")
    gateway.dm("resume", "mpatha")
    assert "259:1" not in gateway.dm("table", "mpatha")
    client = gateway.client()
    client.write(0, b"x" * 512)
    assert client.read(0, 512) == b"x" * 512
    gateway.assert_no_traceback()


def test_a_table_may_come_by_standard_input(gateway):
    reply = ask(str(gateway.control), "create", ["top"], "0 1024 linear 254:0 0\n1024 1024 zero\n")
    assert reply.ok, reply.err
    assert gateway.dm("table", "top") == "0 1024 linear 254:0 0\n1024 1024 zero \n"


def test_an_event_is_waited_for(gateway):
    replies: list[Reply] = []
    asked = ["mpatha", gateway.dm("info", "-c", "--noheadings", "-o", "events", "mpatha").strip()]
    waiter = threading.Thread(target=lambda: replies.append(ask(str(gateway.control), "wait", asked)))
    waiter.start()
    gateway.dm("message", "mpatha", "0", "fail_path", "259:0")
    waiter.join(30)
    assert [reply.ok for reply in replies] == [True]


def test_who_goes_away_waits_no_longer(gateway):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(gateway.control))
        sock.sendall(b'{"verb": "wait", "args": ["mpatha", "0"]}\n')
    assert gateway.dm("ls") == "mpatha\t(254:0)\n"
    gateway.assert_no_traceback()


def test_the_command_prints_what_dmsetup_prints(gateway):
    done = gateway.dm_command("ls", "--tree", "-o", "ascii")
    assert done.returncode == 0
    assert done.stdout.startswith("mpatha (254:0)\n |-")
    wrong = gateway.dm_command("info", "nobody")
    assert (wrong.returncode, wrong.stderr) == (1, "Device does not exist.\nCommand failed.\n")
