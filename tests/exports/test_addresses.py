"""Several disks behind one listening socket: who is offered what, and whose client one becomes."""

import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.support.export_bench import ExportBench, Guest

from hawser.core.units import KIB, NS_PER_S
from hawser.exports.addresses import Addresses
from hawser.exports.listen_uri import ListenError, ListenUri, parse_listen_uri
from hawser.exports.server import Server
from hawser.exports.volume import Volume
from hawser.nbd import protocol

LARGE = 512 * KIB

Make = Callable[..., ExportBench]


class Harbour:
    """Two servers; `a` and `b` at one address, `c`, which is the second one's, at another."""

    def __init__(self, bench: ExportBench, directory: Path) -> None:
        self.bench = bench
        self.directory = directory
        self.first = bench.server
        self.second = Server(bench.reactor, bench.reactor.timers, bench.world.log)
        self.addresses = Addresses()
        self.guests: list[Guest] = []
        self.shown = [self.listen(self.first, "a", "s"), self.listen(self.second, "b", "s")]
        self.shown.append(self.listen(self.second, "c", "t"))
        bench.reactor.run(self.first.start)
        bench.reactor.run(self.second.start)

    def uri(self, export: str, name: str) -> ListenUri:
        return parse_listen_uri(f"nbd+unix:///{export}?socket={self.directory}/{name}", insecure=False)

    def listen(self, server: Server, export: str, name: str) -> str:
        return self.addresses.listen(server, self.uri(export, name), Volume(export, self.bench.device, server))

    def stranger(self, name: str) -> Guest:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(f"{self.directory}/{name}")
        before = len(self.connections())
        self.bench.reactor.until(lambda: len(self.connections()) > before)
        self.guests.append(Guest(self.bench, sock))
        return self.guests[-1]

    def guest(self, export: str, name: str) -> Guest:
        guest = self.stranger(name)
        guest.negotiate(export)
        return guest

    def connections(self) -> list[object]:
        return [*self.first.connections, *self.second.connections]

    def close(self) -> None:
        for guest in self.guests:
            guest.sock.close()
        self.bench.reactor.settle()
        for server in (self.first, self.second):
            self.bench.reactor.run(server.stop)
            self.bench.reactor.run(partial(server.drop_all, "the test is over"))
        assert self.connections() == []


@pytest.fixture
def harbour(make: Make, socket_dir: Path) -> Iterator[Harbour]:
    found = Harbour(make(), socket_dir)
    yield found
    found.close()


def listed(harbour: Harbour, name: str) -> list[str]:
    guest = harbour.stranger(name)
    guest.unsent += protocol.client_flags(3) + protocol.option_request(protocol.OPT_LIST)
    guest.push()
    guest.bench.reactor.settle()
    guest._recv()
    return [export for export in ("a", "b", "c", "d") if b"\0\0\0\1" + export.encode() in guest.received]


def test_an_address_has_the_exports_that_were_given_for_it_and_no_others(harbour: Harbour):
    assert listed(harbour, "s") == ["a", "b"]
    assert listed(harbour, "t") == ["c"]
    stranger = harbour.stranger("t")
    with pytest.raises(AssertionError, match="no export is named"):
        stranger.negotiate("a")


def test_each_is_shown_with_its_own_name(harbour: Harbour):
    place = harbour.directory
    assert harbour.shown == [
        f"nbd+unix:///a?socket={place}/s",
        f"nbd+unix:///b?socket={place}/s",
        f"nbd+unix:///c?socket={place}/t",
    ]


def test_a_client_is_one_of_the_disk_that_it_has_chosen(harbour: Harbour):
    guest = harbour.guest("b", "s")
    assert (harbour.first.connections, len(harbour.second.connections)) == ([], 1)
    assert guest.error(guest.write(0, b"x" * 4096)) == 0
    harbour.guest("a", "s")
    assert (len(harbour.first.connections), len(harbour.second.connections)) == (1, 1)
    harbour.bench.reactor.run(harbour.second.stop)
    harbour.bench.reactor.pass_time(2 * NS_PER_S)
    assert guest.is_dropped()
    assert (len(harbour.first.connections), harbour.second.connections) == (1, [])


def test_the_memory_of_one_disks_clients_is_no_other_disks(harbour: Harbour):
    harbour.second.budget.taken_bytes = harbour.second.budget.limit_bytes
    waits, goes = harbour.guest("b", "s"), harbour.guest("a", "s")
    cookie = waits.write(0, b"x" * LARGE)
    assert goes.error(goes.write(0, b"y" * LARGE)) == 0
    assert not waits.has(cookie)
    harbour.second.budget.taken_bytes -= harbour.second.budget.limit_bytes
    harbour.bench.reactor.run(harbour.second.feed)
    assert waits.error(cookie) == 0


def test_a_disk_that_has_no_room_for_a_client_says_so(harbour: Harbour):
    guests = [harbour.guest("c", "t") for _ in range(2)]
    harbour.second.clients_max = 2
    late = harbour.stranger("s")
    late.unsent += protocol.client_flags(3) + protocol.option_request(protocol.OPT_EXPORT_NAME, b"b")
    late.push()
    harbour.bench.reactor.until(late.is_dropped)
    assert harbour.bench.lines()[-1].endswith("too many clients have 'b' open; disconnected")
    assert guests[0].error(guests[0].read(0, 4096)) == 0
    assert harbour.guest("a", "s").is_open


def test_one_name_stands_at_one_address_once(harbour: Harbour):
    with pytest.raises(ListenError, match="there is an export 'b' at this address already"):
        harbour.listen(harbour.first, "b", "s")
    link = harbour.directory / "link"
    os.symlink(harbour.directory, link)
    with pytest.raises(ListenError, match="there is an export 'a' at this address already"):
        harbour.listen(harbour.first, "a", "link/s")


def test_ports_that_the_system_chooses_are_addresses_of_their_own(harbour: Harbour):
    uri = parse_listen_uri("nbd://127.0.0.1:0/e", insecure=False)
    shown = [harbour.addresses.listen(harbour.first, uri, Volume("e", harbour.bench.device)) for _ in range(2)]
    assert shown[0] != shown[1]
