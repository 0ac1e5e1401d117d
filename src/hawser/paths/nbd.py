"""NbdDriver: an NBD server as a path. Sessions, one after the other; reconnect with backoff; what old sessions left behind.

A command that timed out does not end its session at once: the late answer is the best proof of its fate. After LINGER
the session is given up. Over TCP it is reset, because bytes of ours may still sit in our own send queue and would go
out when a black hole heals (`black-hole-send-queue.py` of the hazards); only then does a declared quiesce time start.
A unix socket has no such queue: there the old connection is kept and watched beside the new one, for late answers and
for the end of its process.
"""

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from hawser.block.driver import ORPHANS_MAX, Driver
from hawser.block.ops import FLUSH, WRITE_ZEROES, is_write_class
from hawser.block.orphan import PROOF_FENCE_AGENT, Orphan
from hawser.block.request import NOT_SENT, Request
from hawser.core.clock import Clock, Timer, Timers
from hawser.core.log import INFO, WARNING, LogSink
from hawser.core.reactor import Reactor
from hawser.core.rng import Rng
from hawser.core.status import NOTSUPP, OK, RESOURCE, TRANSPORT
from hawser.core.turn import Turn
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.multipath.disk import CACHE_NONE, PathDevice
from hawser.paths.aftermath import NO_PIDFD, Aftermath, open_peer
from hawser.paths.facts import PathFacts
from hawser.paths.fence_agent import FenceAgent, FenceCall
from hawser.paths.nbd_facts import facts_of
from hawser.paths.nbd_session import CONNECTING, READY, NbdSession
from hawser.paths.tcp import tune_tcp
from hawser.paths.uri import PathUri
from hawser.paths.write_record import PathRecorder

RECONNECT_MIN_NS: Final = 50 * NS_PER_MS
RECONNECT_MAX_NS: Final = 2 * NS_PER_S
HANDSHAKE_MAX_NS: Final = 10 * NS_PER_S
NO_ANSWER: Final = "no answer to the handshake"
LINGER_NS: Final = 5 * NS_PER_S
# Old connections over unix sockets that are watched beside the present one.
LINGERING_MAX: Final = 4


class _Call(Timer):
    """A timer that calls a method."""

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__()
        self.call = call

    def expire(self) -> None:
        self.call()


class _Cut(FenceCall):
    """Cuts off the server of a session that is not used any more, but watched for late answers."""

    def __init__(self, driver: "NbdDriver", session: NbdSession) -> None:
        self.driver = driver
        self.session = session

    def fenced(self) -> None:
        self.driver.cut_off(self.session)


class NbdDriver(Driver):
    """`timeout_ns` bounds each command and each handshake. `facts` are what the first session said; later ones must agree, but
    for what has grown."""

    def __init__(
        self,
        uri: PathUri,
        timeout_ns: int,
        reactor: Reactor,
        turn: Turn,
        clock: Clock,
        timers: Timers,
        log: LogSink,
        rng: Rng,
        agent: FenceAgent | None = None,
    ) -> None:
        super().__init__(turn)
        self.uri = uri
        self.name = uri.place()
        self.timeout_ns = timeout_ns
        self.reactor = reactor
        self.clock = clock
        self.timers = timers
        self.log = log
        self.rng = rng
        self.agent = agent
        self.answers_are_final = True
        self.facts: PathFacts | None = None
        self.device: PathDevice | None = None
        self.problem = "is not connected yet"
        self.aftermaths: list[Aftermath] = []
        # Remembers its writes beyond the end of this process; set before the first `connect`, or never.
        self.recorder: PathRecorder | None = None
        # Whether nothing is to be written, whatever the server would allow; the same.
        self.read_only = False
        self._session: NbdSession | None = None
        self._pidfds: dict[int, int] = {}
        self._lingering: list[NbdSession] = []
        self._cuts: dict[int, _Cut] = {}
        self._is_cut_off = False
        # Whether it was told at the handshake that this is another disk: it is not asked again by itself.
        self._is_refused = False
        self._batch: list[Request] = []
        self._backoff_ns = RECONNECT_MIN_NS
        self._closing = False
        self._reconnect = _Call(self.connect)
        self._handshake = _Call(self._handshake_too_long)
        self._linger = _Call(self._linger_over)
        self._said = ""

    def path(self) -> PathDevice:
        assert self.device is not None
        return self.device

    # Commands.

    def queue_rq(self, request: Request) -> int:
        session = self._session
        if session is None or session.state != READY:
            request.finish(TRANSPORT, 0, NOT_SENT)
            self.complete(request)
            return OK
        facts = session.facts
        assert facts is not None
        if request.op >= FLUSH and not self._offers(request.op, facts):
            if request.op == FLUSH and self.uri.cache == CACHE_NONE:
                # Written through: there is nothing to flush.
                request.finish(OK, 0)
                self.complete(request)
                return OK
            return NOTSUPP
        if self.recorder is not None and is_write_class(request.op) and not self.recorder.reserve():
            # Rather than send what is not recorded.
            return RESOURCE
        self._batch.append(request)
        return OK

    def _offers(self, op: int, facts: PathFacts) -> bool:
        if op == FLUSH:
            return facts.can_flush
        return facts.can_zero if op == WRITE_ZEROES else facts.can_discard

    def commit(self) -> None:
        batch = self._batch
        if not batch:
            return
        self._batch = []
        session = self._session
        if session is not None and session.state == READY:
            session.send(batch)
            return
        if self.recorder is not None:
            self.recorder.give_back(batch)
        for request in batch:
            request.finish(TRANSPORT, 0, NOT_SENT)
            self.complete(request)

    def give_up(self) -> None:
        if self._session is not None and self._session.state == READY:
            self._session.give_up()

    def outstanding(self) -> list[Request]:
        found = list(self._batch)
        if self._session is not None:
            found.extend(self._session.in_flight.values())
        for session in self._lingering:
            found.extend(session.in_flight.values())
        return found

    def trouble(self) -> str:
        return self.problem

    def has_failed(self) -> bool:
        """Whether the last try to open a session came to nothing."""
        return self._said != ""

    def is_silent(self) -> bool:
        """Whether that try ended as there was somebody who did not say anything."""
        return self._said == NO_ANSWER

    # Connecting.

    def connect(self) -> None:
        """Try to open a session. Failures try again later, by themselves."""
        if self._session is not None or self._closing or self._is_refused:
            return
        unresolved = sum(aftermath.unresolved() for aftermath in self.aftermaths)
        if unresolved >= ORPHANS_MAX:
            self._failed(f"{unresolved} commands of earlier sessions have an unknown fate")
            return
        unix = self.uri.scheme == "nbd+unix"
        try:
            family, address = (socket.AF_UNIX, self.uri.socket) if unix else _resolve(self.uri)
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        except (OSError, UnicodeError) as error:
            # A host name that cannot be encoded is a UnicodeError.
            self._failed(getattr(error, "strerror", None) or str(error))
            return
        if not unix:
            tune_tcp(sock, self.timeout_ns, self.timeout_ns + LINGER_NS + NS_PER_S)
        number = sock.connect_ex(address)
        if number not in (0, errno.EINPROGRESS):
            sock.close()
            self._failed(_explain(number))
            return
        self.epoch += 1
        self._session = NbdSession(self, sock, self.epoch)
        self.timers.arm(self._handshake, min(self.timeout_ns, HANDSHAKE_MAX_NS))
        if number == 0:
            self.connected(self._session)
        else:
            self.reactor.watch_writes(self._session.fd, self._session)

    def connected(self, session: NbdSession) -> None:
        """The transport stands, or was refused."""
        number = session.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.reactor.ignore_writes(session.fd)
        if number:
            session.end(_explain(number), by_peer=True)
            return
        pidfd = open_peer(session.sock)
        if pidfd != NO_PIDFD:
            self._pidfds[session.epoch] = pidfd
        session.begin()

    def check_session(self, session: NbdSession) -> str:
        """Is it the disk that it was? Why not, or nothing. The first session's facts stand from then on."""
        assert session.negotiated is not None
        facts = facts_of(session.negotiated, self.uri.wwid)
        if self.read_only:
            facts = replace(facts, read_only=True)
        session.facts = facts
        if self.facts is None:
            self.facts = facts
        difference = facts.changed_from(self.facts)
        if difference:
            self.mismatch = f"not the same disk: {difference}"
            self._is_refused = True
            return self.mismatch
        if facts.size_bytes > self.facts.size_bytes:
            self.log.info(f"{self.name}: it has grown to {facts.size_bytes} bytes; `hawser resize` makes use of it")
        self.facts = facts.known_since(self.facts)
        if self.recorder is not None:
            session.record = self.recorder.open_session(
                session.epoch, session.sock, self._pidfds.get(session.epoch, NO_PIDFD)
            )
            if session.record is None:
                return "there is no room for another session in the table of writes"
        return ""

    def lifts(self, orphan: Orphan) -> str:
        for aftermath in self.aftermaths:
            if orphan in aftermath.orphans or orphan is aftermath.cache:
                return aftermath.lifts()
        for session in [self._session, *self._lingering]:
            if session is not None and session.has_late(orphan):
                return "its answer, or what the end of its connection brings"
        return ""

    def serve(self, size_bytes: int) -> None:
        """So much of the disk is served from now on: it may have more, and not less."""
        if self.facts is not None:
            self.facts = replace(self.facts, size_bytes=size_bytes)

    def session_bytes(self) -> int:
        """How large the disk was when the session that stands was opened; 0 when none does."""
        session = self._session
        if session is None or session.state != READY or session.facts is None:
            return 0
        return session.facts.size_bytes

    def renew(self) -> None:
        """Open another session, in which the server says anew how large the disk is. Nothing is to be in flight."""
        if self._session is not None:
            self._session.say_goodbye()
            self._session.end("the session is renewed", by_peer=False)
        self._backoff_ns = RECONNECT_MIN_NS
        self.timers.cancel(self._reconnect)
        self.connect()

    def look_again(self) -> None:
        super().look_again()
        self._is_refused = False
        self._said = ""
        self._backoff_ns = RECONNECT_MIN_NS
        if self._session is None:
            self.timers.cancel(self._reconnect)
            self.connect()

    def session_opened(self, session: NbdSession) -> None:
        """Negotiated and checked: commands may go."""
        self.timers.cancel(self._handshake)
        self.problem = ""
        self._said = ""
        self._backoff_ns = RECONNECT_MIN_NS
        self.log.info(f"{self.name}: session {session.epoch} is open")
        if self.listener is not None:
            self.listener.session_ready(self)

    def doubt(self) -> int:
        """How often acknowledged writes of the disk came into doubt."""
        return self.device.shared.doubt if self.device is not None else 0

    def flush_failed(self) -> None:
        """A flush that nobody waits for as such was answered with an error: a write that was acknowledged is lost."""
        if self.device is not None:
            self.device.shared.cast_doubt(f"{self.name} answered a flush with an error")

    def fua_failed(self, status: int) -> None:
        """A write with FUA was answered with an error by what makes it durable itself; see PathDevice.heard_fua_error."""
        if self.device is not None:
            self.device.heard_fua_error(status)

    def _failed(self, reason: str) -> None:
        """No session for now; try again after a while, with some jitter, twice as long each time."""
        self.problem = reason
        if reason != self._said:
            self._said = reason
            self.log.emit(INFO if self._closing else WARNING, f"{self.name}: {reason}")
        if self._is_refused:
            return
        delay_ns = self._backoff_ns // 2 + self.rng.below(self._backoff_ns // 2 + 1)
        self._backoff_ns = min(2 * self._backoff_ns, RECONNECT_MAX_NS)
        if not self._closing:
            self.timers.arm(self._reconnect, delay_ns)

    def _handshake_too_long(self) -> None:
        session = self._session
        if session is not None and session.state != READY:
            session.end(NO_ANSWER, by_peer=False)

    # Ends of sessions.

    def session_closed(
        self, session: NbdSession, reason: str, by_peer: bool, orderly: bool, orphans: list[Orphan]
    ) -> None:
        """A session is over. Its orphans are resolved as soon as there is a proof; the path learns of it."""
        was_ready = session.negotiated is not None
        present = session is self._session
        session.reset()
        if present:
            self._session = None
            self.timers.cancel(self._handshake)
            self.timers.cancel(self._linger)
        elif session in self._lingering:
            self._lingering.remove(session)
            cut = self._cuts.pop(session.epoch, None)
            if cut is not None and self.agent is not None:
                self.agent.withdraw(cut)
        device = self.device
        # The end of one that lingered was told when it began to: what was acknowledged since is the present session's.
        if device is not None and was_ready and present:
            device.session_ended()
        pidfd = self._pidfds.pop(session.epoch, NO_PIDFD)
        cache = device.left_behind if device is not None else None
        if cache is not None and cache.epoch != session.epoch:
            cache = None
        aftermath = Aftermath(self, orphans, pidfd, cache)
        if self._is_cut_off:
            aftermath.settle(PROOF_FENCE_AGENT)
        else:
            aftermath.begin(by_peer, orderly, reason)
        if present:
            if session.problem:
                # It would answer the same again at once.
                self._backoff_ns = RECONNECT_MAX_NS
            self._failed(reason)
            if self.listener is not None:
                if self._is_refused:
                    self.listener.session_refused(self, reason)
                elif was_ready:
                    self.listener.session_lost(self, reason)

    def timed_out(self, session: NbdSession, reason: str) -> None:
        """Commands of a session were given up. If nothing comes within LINGER, the session is, too."""
        self.log.warning(f"{self.name}: {reason}")
        if session is self._session and not self._linger.is_armed():
            self.timers.arm(self._linger, LINGER_NS)

    def late_answer(self, session: NbdSession) -> None:
        """An answer came after all: the session lives."""
        if session is self._session:
            self.timers.cancel(self._linger)
            if session.late:
                self.timers.arm(self._linger, LINGER_NS)
        elif not session.late and not session.in_flight:
            session.end("all late answers have come", by_peer=False)
        if self.listener is not None and self._session is not None and self._session.state == READY:
            # It answers again: there may be a cache to flush, and a path to reinstate.
            self.listener.session_ready(self)

    def _linger_over(self) -> None:
        session = self._session
        if session is None:
            return
        reason = f"no late answer within {LINGER_NS // NS_PER_S} s"
        if session.sock.family == socket.AF_UNIX and len(self._lingering) < LINGERING_MAX:
            self._lingering.append(session)
            if self.agent is not None:
                self._cuts[session.epoch] = _Cut(self, session)
                self.agent.ask(self.name, reason, self._cuts[session.epoch])
            self._session = None
            if self.device is not None:
                self.device.session_ended()
            self._failed(reason)
            if self.listener is not None:
                self.listener.session_lost(self, reason)
        else:
            session.end(reason, by_peer=False)

    def cut_off(self, session: NbdSession) -> None:
        """The fence agent has cut off the server of a session that lingers: what it has not answered will not take effect."""
        if session in self._lingering:
            self._is_cut_off = True
            session.end("cut off by the fence agent", by_peer=False)
            self._is_cut_off = False

    def shut_down(self) -> None:
        self._closing = True
        self.timers.cancel(self._reconnect)
        for session in [self._session, *self._lingering]:
            if session is not None:
                if session.state != CONNECTING:
                    session.say_goodbye()
                session.end("shutting down", by_peer=False)
        for aftermath in list(self.aftermaths):
            aftermath.close()
        for pidfd in self._pidfds.values():
            Aftermath(self, [], pidfd, None).close()
        self._pidfds = {}


def _resolve(uri: PathUri) -> tuple[int, tuple[str, int]]:
    """The first address of the host. It may block while a name server is asked; write numbers where that matters."""
    family, _, _, _, address = socket.getaddrinfo(uri.host, uri.port, type=socket.SOCK_STREAM)[0]
    return family, (str(address[0]), int(address[1]))


def _explain(number: int) -> str:
    return os.strerror(number).lower()
