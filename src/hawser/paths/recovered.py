"""Recovered: what a session of an earlier process left behind, until something proves that nothing of it comes any more.

The proofs are those of a living process (hawser.paths.aftermath), as far as they can be had from outside:

    unix socket  the server's process is gone (known by number and start), or this machine has been started anew
    TCP          none; where `quiesce=SECONDS` is declared, that time has passed since the old socket was gone from
                 /proc/net/tcp: one that its process has left to the kernel still sends what is in its queue

An end of file proves nothing here, as nobody saw it. A time that was declared counts from now for a unix socket, which has no
queue of ours.
"""

import os
from typing import Final

from hawser.block.orphan import PROOF_PEER_GONE, UNPROVEN, Orphan
from hawser.core.clock import Timer, Timers
from hawser.core.log import LogSink
from hawser.core.reactor import Handler, Reactor
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.paths.aftermath import NO_PIDFD
from hawser.paths.machine import Here, ProcessName, SocketName, find_process, may_send
from hawser.paths.write_table import TCP, SessionFacts

POLL_NS: Final = 200 * NS_PER_MS
# After this long without an end the log says what is waited for.
PATIENCE_NS: Final = 5 * NS_PER_S


class _Quiesce(Timer):
    def __init__(self, recovered: "Recovered") -> None:
        super().__init__()
        self.recovered = recovered

    def expire(self) -> None:
        self.recovered.settle(UNPROVEN)


class _Poll(Timer):
    def __init__(self, recovered: "Recovered") -> None:
        super().__init__()
        self.recovered = recovered

    def expire(self) -> None:
        self.recovered.look_at_socket()


class Recovered(Handler):
    """`orphans` are the session's, its cache among them. `quiesce_ns` is what is declared, -1 if nothing is."""

    def __init__(
        self,
        facts: SessionFacts,
        orphans: list[Orphan],
        quiesce_ns: int,
        reactor: Reactor,
        timers: Timers,
        log: LogSink,
    ) -> None:
        self.facts = facts
        self.orphans = orphans
        self.quiesce_ns = quiesce_ns
        self.reactor = reactor
        self.timers = timers
        self.log = log
        self._pidfd = NO_PIDFD
        self._quiesce = _Quiesce(self)
        self._poll = _Poll(self)
        self._waited_ns = 0

    def begin(self, here: Here) -> None:
        """Look for a proof at once; else wait for one."""
        if self.facts.kind == TCP:
            self._begin_tcp(here)
        elif self.facts.boot != here.boot:
            # The server was a process of this machine, which has been started anew since.
            self.settle(PROOF_PEER_GONE)
        else:
            self._begin_unix(here)

    def _begin_unix(self, here: Here) -> None:
        facts = self.facts
        if facts.pid and facts.pids == here.pids:
            try:
                self._pidfd = find_process(ProcessName(facts.pid, facts.started))
            except OSError as error:
                self.log.warning(f"{facts.place}: process {facts.pid} cannot be watched: {error.strerror}")
                self._wait_for_nothing("it cannot be told whether its server is gone")
                return
            if self._pidfd == NO_PIDFD:
                self.settle(PROOF_PEER_GONE)
                return
            self.reactor.watch_reads(self._pidfd, self)
            self._wait_for_nothing(f"its server, process {facts.pid}, is there still")
        else:
            self._wait_for_nothing("it cannot be told whether its server is gone")

    def _begin_tcp(self, here: Here) -> None:
        facts = self.facts
        if facts.boot != here.boot or not facts.local:
            # With the boot the socket is gone. Without a socket there was no session that could have sent anything.
            self._wait_for_nothing("nothing can prove what its server did")
        elif facts.net != here.net:
            self.log.warning(
                f"{self._what()}: the old connection was in another network namespace, where it may send still: the fence stays. "
                "Remove the state directory when you know that nothing can come any more"
            )
        else:
            self.look_at_socket()

    def look_at_socket(self) -> None:
        facts = self.facts
        if may_send(SocketName(facts.local, facts.remote, facts.inode)):
            if self._waited_ns == PATIENCE_NS:
                self.log.warning(f"{self._what()}: the old connection may send still; waiting for its end")
            self._waited_ns += POLL_NS
            self.timers.arm(self._poll, POLL_NS)
            return
        self._wait_for_nothing("nothing can prove what its server did")

    def _wait_for_nothing(self, reason: str) -> None:
        """There is no proof, or none yet: then the declared time. From now on nothing of ours is on its way."""
        if self.quiesce_ns >= 0:
            self.timers.arm(self._quiesce, self.quiesce_ns)
            self.log.info(f"{self._what()}: {reason}; {self.quiesce_ns / NS_PER_S:g} s are declared")
            return
        end = "end it, or declare" if self._pidfd != NO_PIDFD else "declare"
        self.log.warning(f"{self._what()}: {reason}; {end} quiesce=SECONDS and start again")

    def _what(self) -> str:
        session = (
            f" (session {self.facts.epoch} of an earlier process)" if self.facts.epoch else " (an earlier process)"
        )
        return self.facts.place + session

    def lifts(self) -> str:
        """What is waited for, in words for people."""
        found: list[str] = []
        if self._pidfd != NO_PIDFD:
            found.append(f"the end of process {self.facts.pid}")
        if self._poll.is_armed():
            found.append("the end of the old connection, and then the declared quiesce time")
        if self._quiesce.is_armed():
            left_ns = max(0, self._quiesce.deadline_ns - self.timers.clock.now_ns)
            found.append(f"the declared quiesce time, in {left_ns / NS_PER_S:.1f} s")
        return " or ".join(found) or "nothing: declare quiesce=SECONDS at the next start"

    def readable(self) -> None:
        self.settle(PROOF_PEER_GONE)

    def settle(self, proof: str) -> None:
        self.close()
        for orphan in self.orphans:
            orphan.resolve(proof)
        self.orphans = []

    def close(self) -> None:
        """Stop looking; nothing is proved."""
        self.timers.cancel(self._quiesce)
        self.timers.cancel(self._poll)
        if self._pidfd != NO_PIDFD:
            self.reactor.ignore_reads(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = NO_PIDFD
