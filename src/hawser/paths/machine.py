"""What this machine says of itself and of what an earlier process left on it: its boot, its namespaces, processes, TCP sockets.

Numbers of processes mean something only within one boot and one PID namespace, sockets only within one network namespace. The
number of a namespace may be given away again when it has ended; but then everything in it has ended, too (its processes were
killed, its sockets closed), so that to find something gone by a number that was given away is no error.
"""

import errno
import os
import socket
import sys
from dataclasses import dataclass
from typing import Any, Final

from hawser.paths.aftermath import NO_PIDFD, is_gone, start_ticks

# Linux: include/net/tcp_states.h. The states in which our side may still send data: not FIN_WAIT2, TIME_WAIT, CLOSE, LISTEN,
# where everything that was sent has been acknowledged.
_MAY_SEND: Final = ("01", "02", "04", "08", "09", "0B")
_ORPHANED: Final = "0"


@dataclass(frozen=True)
class Here:
    """This boot of this machine, and the namespaces that this process sees it from. `machine` is empty where nothing names it."""

    boot: str
    machine: str
    pids: int
    net: int


def look_around() -> Here:
    """Where this process runs. OSError where /proc is not mounted."""
    return Here(
        _first_line("/proc/sys/kernel/random/boot_id"),
        _first_line("/etc/machine-id", missing_ok=True),
        os.stat("/proc/self/ns/pid").st_ino,
        os.stat("/proc/self/ns/net").st_ino,
    )


def _first_line(name: str, missing_ok: bool = False) -> str:
    try:
        with open(name, encoding="ascii", errors="replace") as file:
            return file.readline().strip()[:64]
    except OSError:
        if missing_ok:
            return ""
        raise


# Processes.


@dataclass(frozen=True)
class ProcessName:
    """A process, told from all others of its boot and PID namespace: `started` in clock ticks since boot. `pid` 0 is none."""

    pid: int
    started: int


NOBODY: Final = ProcessName(0, 0)


def process_of(pidfd: int) -> ProcessName:
    """The process that a pidfd stands for; NOBODY when that cannot be told."""
    if pidfd == NO_PIDFD:
        return NOBODY
    try:
        with open(f"/proc/self/fdinfo/{pidfd}") as file:
            pid = next((int(line.split()[1]) for line in file if line.startswith("Pid:")), 0)
        started = start_ticks(pid) if pid > 0 else 0
    except (OSError, ValueError, IndexError):
        return NOBODY
    # Only now: the number was this process's as long as it had not ended.
    return NOBODY if started == 0 or is_gone(pidfd) else ProcessName(pid, started)


def find_process(name: ProcessName) -> int:
    """A pidfd of that process, or NO_PIDFD if it has ended: every thread of it, with its system calls.

    Of a process whose start cannot be seen nothing is said but by its end: if the number belongs to another one by now, that is
    later. OSError when it cannot be told at all.
    """
    try:
        pidfd = os.pidfd_open(name.pid)
    except OSError as error:
        # EINVAL, ENOENT: the number is that of another process's thread.
        if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
            return NO_PIDFD
        raise
    try:
        is_another = start_ticks(name.pid) != name.started
    except (OSError, ValueError, IndexError):
        is_another = False
    if is_another or is_gone(pidfd):
        os.close(pidfd)
        return NO_PIDFD
    return pidfd


# TCP sockets.


@dataclass(frozen=True)
class SocketName:
    """A TCP socket as /proc/net/tcp and tcp6 have it: `local` and `remote` in their notation, `inode` while a process has it
    open."""

    local: str
    remote: str
    inode: int


NO_SOCKET: Final = SocketName("", "", 0)


def socket_name(sock: socket.socket) -> SocketName:
    """Of a connected TCP socket. OSError if it is not connected any more."""
    return SocketName(_address(sock.getsockname()), _address(sock.getpeername()), os.fstat(sock.fileno()).st_ino)


def _address(name: tuple[Any, ...]) -> str:
    """Linux: get_tcp4_sock(), get_tcp6_sock(): words of 32 bits, each as the machine's own number."""
    host = name[0].partition("%")[0]
    raw = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    words = [int.from_bytes(raw[at : at + 4], sys.byteorder) for at in range(0, len(raw), 4)]
    return "".join(f"{word:08X}" for word in words) + f":{name[1]:04X}"


def may_send(name: SocketName) -> bool:
    """Whether the socket is still there and may send what is in its queue. When that cannot be told, it may.

    One that its process has left to the kernel has the inode 0; a third number is another socket that was given the same
    addresses since.
    """
    table = "/proc/net/tcp6" if len(name.local) > len("00000000:0000") else "/proc/net/tcp"
    try:
        with open(table) as file:
            for line in file:
                words = line.split(None, 10)
                if len(words) < 10 or words[1] != name.local or words[2] != name.remote:
                    continue
                if words[3] in _MAY_SEND and words[9] in (_ORPHANED, str(name.inode)):
                    return True
    except OSError:
        return True
    return False
