"""Listening sockets: who may have the address, what is left behind, and what happens when no more clients can be let in."""

import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.export_bench import ExportBench

from hawser.core.units import NS_PER_S
from hawser.exports.listen_uri import ListenError, ListenUri, parse_listen_uri

Make = Callable[..., ExportBench]


@pytest.fixture
def bench(make: Make) -> ExportBench:
    return make()


def at(path: Path) -> ListenUri:
    return parse_listen_uri(f"nbd+unix:///d?socket={path}", insecure=False)


def connect(bench: ExportBench, family: int, address: str | tuple[str, int]) -> socket.socket:
    sock = socket.socket(family)
    sock.connect(address)
    bench.reactor.until(lambda: bench.server.connections)
    return sock


def test_clients_come_through_a_unix_socket_and_its_file_goes_with_it(bench: ExportBench, socket_dir: Path):
    path = socket_dir / "s"
    bench.server.listen(at(path))
    bench.reactor.run(bench.server.start)
    with connect(bench, socket.AF_UNIX, str(path)) as sock:
        assert bench.server.connections[0].name == f"client 1 of {path}"
        assert sock.recv(8) == b"NBDMAGIC"
        bench.reactor.run(bench.server.stop)
    bench.reactor.pass_time(2 * NS_PER_S)
    assert not path.exists()


def test_clients_come_through_tcp_and_are_named_by_their_address(bench: ExportBench):
    listener = bench.server.listen(parse_listen_uri("nbd://127.0.0.1:0/d", insecure=False))
    port = listener.sock.getsockname()[1]
    assert listener.shown == f"nbd://127.0.0.1:{port}/d"
    bench.reactor.run(bench.server.start)
    with connect(bench, socket.AF_INET, ("127.0.0.1", port)) as sock:
        assert bench.server.connections[0].name == f"client 127.0.0.1:{sock.getsockname()[1]}"
    bench.reactor.run(bench.server.stop)


def test_a_stale_socket_is_removed_and_one_in_use_is_not(bench: ExportBench, socket_dir: Path):
    path = socket_dir / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    bench.server.listen(at(path))
    with pytest.raises(ListenError, match=f"{path}: address already in use"):
        bench.server.listen(at(path))
    bench.reactor.run(bench.server.stop)


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_what_is_no_socket_is_left_alone(bench: ExportBench, socket_dir: Path, kind: str):
    path = socket_dir / "precious"
    if kind == "file":
        path.write_text("data")
    else:
        path.mkdir()
    with pytest.raises(ListenError, match=f"{path}: it is a {kind}, and no socket"):
        bench.server.listen(at(path))
    assert path.exists()


def test_what_cannot_be_bound_is_said(bench: ExportBench, socket_dir: Path):
    with pytest.raises(ListenError, match="no such file or directory"):
        bench.server.listen(at(socket_dir / "missing" / "s"))
    with pytest.raises(ListenError, match="cannot assign requested address"):
        bench.server.listen(parse_listen_uri("nbd://203.0.113.1:1/d", insecure=True))
    with pytest.raises(ListenError, match="label"):
        bench.server.listen(parse_listen_uri("nbd://a..b:1/d", insecure=True))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ListenError, match="address already in use"):
            bench.server.listen(parse_listen_uri(f"nbd://127.0.0.1:{other.getsockname()[1]}/d", insecure=False))


def test_a_socket_file_that_somebody_took_away_is_no_reason_to_fail(bench: ExportBench, socket_dir: Path):
    path = socket_dir / "s"
    bench.server.listen(at(path))
    os.unlink(path)
    bench.reactor.run(bench.server.stop)
    assert any("was removed by somebody else" in line for line in bench.lines())


def test_when_the_system_has_no_more_sockets_clients_wait_and_the_loop_rests(bench: ExportBench, socket_dir: Path):
    path = socket_dir / "s"
    bench.server.listen(at(path))
    bench.reactor.run(bench.server.start)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))
        hoard = [os.dup(0) for _ in range(highest)]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(hoard) + 1, limits[1]))
            while True:
                try:
                    hoard.append(os.dup(0))
                except OSError:
                    break
            bench.reactor.settle()
            assert bench.server.connections == []
            assert sum("cannot accept a client: Too many open files" in line for line in bench.lines()) == 1
        finally:
            for fd in hoard:
                os.close(fd)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        bench.reactor.pass_time(NS_PER_S)
        assert len(bench.server.connections) == 1
    bench.reactor.run(bench.server.stop)
