"""How soon TCP itself notices that a peer has vanished."""

import socket

import pytest

from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.paths.tcp import KEEPALIVE_MAX_S, USER_TIMEOUT_MAX_MS, tune_tcp

NAMES = ("TCP_NODELAY", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")


@pytest.mark.parametrize(
    ("timeout_ns", "patience_ns", "expected"),
    [
        (30 * NS_PER_S, 36 * NS_PER_S, (15, 5, 3, 36_000)),
        (NS_PER_S // 2, 2 * NS_PER_S + 3 * NS_PER_MS, (1, 1, 3, 2003)),
        (10**9 * NS_PER_S, 2 * 10**9 * NS_PER_S, (KEEPALIVE_MAX_S, KEEPALIVE_MAX_S, 3, USER_TIMEOUT_MAX_MS)),
    ],
)
def test_the_times_fit_the_paths_timeout(timeout_ns: int, patience_ns: int, expected: tuple[int, ...]):
    with socket.socket() as sock:
        tune_tcp(sock, timeout_ns, patience_ns)
        found = [sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in NAMES]
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert (found[0], tuple(found[1:])) == (1, expected)
