"""Binding a unix socket by name; a stale file that nobody listens on is in nobody's way."""

import errno
import os
import socket
import stat
from typing import Final

PROBE_SECONDS: Final = 1.0


def bind_unix(name: str) -> socket.socket:
    """A stream socket bound to `name`, not listening yet. OSError says what is in the way, and nothing was removed then."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        try:
            sock.bind(name)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            mode = os.lstat(name).st_mode
            if not stat.S_ISSOCK(mode):
                what = "a directory" if stat.S_ISDIR(mode) else "a file"
                raise FileExistsError(errno.EEXIST, f"it is {what}, and no socket") from None
            if not _is_stale(name):
                raise
            os.unlink(name)
            sock.bind(name)
    except OSError:
        sock.close()
        raise
    return sock


def _is_stale(name: str) -> bool:
    """Whether nobody listens on the socket `name`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        return probe.connect_ex(name) == errno.ECONNREFUSED
