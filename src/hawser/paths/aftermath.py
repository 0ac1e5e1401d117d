"""Aftermath: what is left of a session that ended with commands of unknown fate, until something proves what became of them.

The proofs (DESIGN, Hard problems 1): the process at the other end of a unix socket is gone, with its system calls (a pidfd
tells); the end of file came from a server that is declared to drain (`eof=drains`); a fence agent has cut the server off. Where
the user declared how long a server may still execute what it was sent (`quiesce=SECONDS`), the fence is lifted after that time,
counted from the moment when our side can send nothing more, and it is said to be unproven.
"""

import errno
import os
import select
import socket
import struct
import time
from typing import TYPE_CHECKING, Final

from hawser.block.orphan import PROOF_EOF_DRAINS, PROOF_FENCE_AGENT, PROOF_PEER_GONE, UNPROVEN, Orphan
from hawser.core.clock import Timer
from hawser.core.reactor import Handler
from hawser.core.units import NS_PER_S
from hawser.paths.fence_agent import FenceCall

if TYPE_CHECKING:
    from hawser.paths.nbd import NbdDriver

_UCRED: Final = struct.Struct("=iII")
NO_PIDFD: Final = -1
# What lifts a fence that nothing is waited for to lift.
NOTHING_LIFTS: Final = "nothing: declare quiesce=SECONDS, or name a --fence-agent, at the next start"
# Linux 6.5: include/uapi/asm-generic/socket.h. It names the process itself, where a number may name another one by now.
_SO_PEERPIDFD: Final = 77
# proc(5): starttime, counted from the field behind the command's name.
_STAT_STARTTIME: Final = 19
_CLOCK_SLACK_S: Final = 1.0


def open_peer(sock: socket.socket) -> int:
    """A pidfd of the process that listens at the other end of a unix socket, or NO_PIDFD when it cannot be told.

    The kernel names the process that called listen(). One that is gone already (a daemon's launcher) proves nothing by that:
    somebody else has the socket. One of another pid namespace has the number 0.
    """
    if sock.family != socket.AF_UNIX:
        return NO_PIDFD
    try:
        pidfd = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        pidfd = _open_peer_by_number(sock) if error.errno == errno.ENOPROTOOPT else NO_PIDFD
    if pidfd != NO_PIDFD and is_gone(pidfd):
        os.close(pidfd)
        return NO_PIDFD
    return pidfd


def _open_peer_by_number(sock: socket.socket) -> int:
    """The same before Linux 6.5. A number may have gone to another process since: one younger than the socket is not the one."""
    pid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[0]
    if pid <= 0:
        return NO_PIDFD
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return NO_PIDFD
    try:
        if _start_time(pid) <= os.stat(sock.getpeername()).st_ctime + _CLOCK_SLACK_S:
            return pidfd
    except (OSError, ValueError, IndexError):
        # It has gone just now, or the socket has no name any more.
        pass
    os.close(pidfd)
    return NO_PIDFD


def _start_time(pid: int) -> float:
    """When a process began, in seconds of the wall clock."""
    boot = time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_BOOTTIME)
    return boot + start_ticks(pid) / os.sysconf("SC_CLK_TCK")


def start_ticks(pid: int) -> int:
    """The same in clock ticks since boot."""
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[_STAT_STARTTIME])


def is_gone(pidfd: int) -> bool:
    """Whether the process has exited, every thread of it."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return len(poll.poll(0)) > 0


class _Quiesce(Timer):
    def __init__(self, aftermath: "Aftermath") -> None:
        super().__init__()
        self.aftermath = aftermath

    def expire(self) -> None:
        self.aftermath.settle(UNPROVEN)


class _Agent(FenceCall):
    def __init__(self, aftermath: "Aftermath") -> None:
        self.aftermath = aftermath

    def fenced(self) -> None:
        self.aftermath.settle(PROOF_FENCE_AGENT)


class Aftermath(Handler):
    """`pidfd` is owned and closed here. `cache` stands for the cache that the session left behind with unflushed writes."""

    def __init__(self, driver: "NbdDriver", orphans: list[Orphan], pidfd: int, cache: Orphan | None) -> None:
        self.driver = driver
        self.orphans = orphans
        self.pidfd = pidfd
        self.cache = cache
        self._watches = False
        self._quiesce = _Quiesce(self)
        self._agent = _Agent(self)

    def begin(self, by_peer: bool, orderly: bool, reason: str) -> None:
        """Look for a proof at once; else wait for one. `by_peer`: the other side ended it; `orderly`: with an end of file;
        `reason`: why it ended, in words."""
        driver = self.driver
        if self.pidfd != NO_PIDFD and by_peer and is_gone(self.pidfd):
            self.settle(PROOF_PEER_GONE)
            return
        if orderly and driver.uri.eof_drains:
            if driver.device is not None:
                for _ in self.orphans:
                    driver.device.late_write()
                self.cache = self.cache or driver.device.left_behind
            self._resolve(PROOF_EOF_DRAINS)
        if not self.orphans and self.cache is None:
            self.settle("")
            return
        driver.aftermaths.append(self)
        if self.pidfd != NO_PIDFD and by_peer:
            driver.reactor.watch_reads(self.pidfd, self)
            self._watches = True
        if driver.agent is not None:
            driver.agent.ask(driver.name, reason, self._agent)
        if driver.uri.quiesce_ns is not None:
            driver.timers.arm(self._quiesce, driver.uri.quiesce_ns)
        elif (self.pidfd == NO_PIDFD or not by_peer) and driver.agent is None:
            what = f"{len(self.orphans)} writes" if self.orphans else "the writes in its cache"
            driver.log.warning(
                f"{driver.name}: nothing can prove what became of {what}; declare quiesce=SECONDS, or name a --fence-agent"
            )

    def readable(self) -> None:
        self.settle(PROOF_PEER_GONE)

    def lifts(self) -> str:
        """What is waited for, in words for people."""
        found: list[str] = []
        if self._watches:
            found.append("the end of the server's process")
        if self.driver.agent is not None:
            found.append("the success of the fence agent")
        if self._quiesce.is_armed():
            left_ns = max(0, self._quiesce.deadline_ns - self.driver.clock.now_ns)
            found.append(f"the declared quiesce time, in {left_ns / NS_PER_S:.1f} s")
        return " or ".join(found) or NOTHING_LIFTS

    def settle(self, proof: str) -> None:
        """The other side can do no more harm, by this proof (none where there was nothing to prove)."""
        driver = self.driver
        driver.timers.cancel(self._quiesce)
        if driver.agent is not None:
            driver.agent.withdraw(self._agent)
        if self.pidfd != NO_PIDFD:
            driver.reactor.ignore_reads(self.pidfd)
            os.close(self.pidfd)
            self.pidfd = NO_PIDFD
        if self in driver.aftermaths:
            driver.aftermaths.remove(self)
        if proof:
            self._resolve(proof)
            if self.cache is not None and not self.cache.proof:
                # It was not flushed meanwhile, by way of a later session.
                driver.path().cache_gone(proof)

    def close(self) -> None:
        """The driver shuts down: nothing is proved."""
        self.settle("")

    def unresolved(self) -> int:
        return sum(1 for orphan in self.orphans if not orphan.proof)

    def _resolve(self, proof: str) -> None:
        for orphan in self.orphans:
            orphan.resolve(proof)
        self.orphans = []
