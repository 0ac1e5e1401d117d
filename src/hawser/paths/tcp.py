"""What a TCP connection to storage is told: no delays, and how soon a peer that has vanished is noticed.

Nothing tells of a host that has lost its power, or of a wire that was cut somewhere, but answers that do not come. An idle
connection is probed by TCP itself (tcp(7): TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT), whose defaults are two hours; one with data
under way is given up after TCP_USER_TIMEOUT, whose default is a quarter of an hour or more. Both are made to fit the path's
timeout here. hawser.manager.keepalive asks the server on top of that: a host that lives may have one that does not answer.
"""

import socket
from typing import Final

from hawser.core.units import NS_PER_MS, NS_PER_S

PROBES: Final = 3
# What Linux takes.
KEEPALIVE_MAX_S: Final = 32767
USER_TIMEOUT_MAX_MS: Final = 2**31 - 1
# struct linger: on, for no time.
_NO_LINGER: Final = b"\x01\0\0\0\0\0\0\0"


def tune_tcp(sock: socket.socket, timeout_ns: int, patience_ns: int) -> None:
    """Idle, a vanished peer is noticed about `timeout_ns` after it was heard of last. With data under way the connection is given
    up after `patience_ns` without an acknowledgement: no earlier than who uses it would, as an answer that comes late is a
    proof. When it is closed, or this process is killed, the kernel resets it and forgets what is still in our send queue."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _seconds(timeout_ns // 2))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _seconds(timeout_ns // (2 * PROBES)))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, min(patience_ns // NS_PER_MS, USER_TIMEOUT_MAX_MS))


def _seconds(time_ns: int) -> int:
    """One at least."""
    return min(max(1, time_ns // NS_PER_S), KEEPALIVE_MAX_S)
