"""SimPath: the engine's driver of a simulated path, as hawser.paths.nbd (`tcp`, `unix`) and hawser.paths.file have it.

Sessions one after the other, reconnect with backoff, linger and reset, what old sessions left behind: the same rules, states and
order of calls, so that the engine above cannot tell. Where the rules are wrong, they are wrong here, too.

Fault model. Our side makes no mistakes: what goes wrong is on the wire or behind it. The gateway as a whole may end at any moment
(`detach`); what it has handed to the transport is on its way then, and nobody waits for it.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from hawser.block.driver import ORPHANS_MAX, Driver
from hawser.block.orphan import PROOF_ANSWER, PROOF_EOF_DRAINS, PROOF_PEER_GONE, UNPROVEN, Orphan
from hawser.block.request import NOT_SENT, Request
from hawser.core.clock import Timers
from hawser.core.log import LogSink
from hawser.core.status import OK, TRANSPORT
from hawser.core.turn import Turn
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.devices.aftermath import Aftermath
from hawser.lab.devices.command import Command
from hawser.lab.devices.file_calls import FileCalls
from hawser.lab.devices.hardware import Call, Hardware
from hawser.lab.devices.link import Link
from hawser.lab.devices.process import Process
from hawser.lab.devices.scsi_front import ScsiFront
from hawser.lab.devices.session import READY, Session
from hawser.lab.plan import FILE, UNIX, PathPlan
from hawser.multipath.disk import PathDevice

# As hawser.paths.nbd has them.
RECONNECT_MIN_NS: Final = 50 * NS_PER_MS
RECONNECT_MAX_NS: Final = 2 * NS_PER_S
HANDSHAKE_MAX_NS: Final = 10 * NS_PER_S
LINGERING_MAX: Final = 4

# What an administrator says who has made sure of it. Not one of the engine's own proofs.
FORBIDDEN: Final = "forbidden by an administrator"

_MARKS: Final = {
    PROOF_ANSWER: "orphan: answered",
    PROOF_PEER_GONE: "orphan: peer gone",
    PROOF_EOF_DRAINS: "orphan: end of file",
    UNPROVEN: "orphan: quiesced",
}


@mypyc_attr(allow_interpreted_subclasses=True)
class SimPath(Driver):
    """`device` is set by whoever makes it, before `connect`. `timers` are the engine's: they end with it."""

    def __init__(
        self, name: str, hardware: Hardware, turn: Turn, timers: Timers, log: LogSink, link: Link, plan: PathPlan
    ) -> None:
        super().__init__(turn)
        self.name = name
        self.lane = f"path {name}"
        self.hardware = hardware
        self.clock = hardware.clock
        self.timers = timers
        self.log = log
        self.link = link
        self.plan = plan
        self.timeout_ns = plan.io_timeout_ns
        self.linger_ns = plan.linger_ns
        self.can_fua = plan.can_fua
        self.is_unix = plan.transport == UNIX
        self.answers_are_final = True
        self.size_sectors = link.server.size_sectors
        self.device: PathDevice | None = None
        self.problem = "is not connected yet"
        self.aftermaths: list[Aftermath] = []
        self._session: Session | None = None
        self._lingering: list[Session] = []
        self._processes: dict[int, Process] = {}
        self._batch: list[Request] = []
        self._backoff_ns = RECONNECT_MIN_NS
        self._tries = 0
        self._closing = False
        self._forbids = False
        self.is_refused = False
        self._reconnect = Call(self.connect)
        self._handshake = Call(self._handshake_too_long)
        self._linger = Call(self._linger_over)
        self._said = ""
        # What is asked about each I/O where the path leads to a port that has states.
        self.front: ScsiFront | None = None
        self._file: FileCalls | None = None
        if plan.transport == FILE:
            self._file = FileCalls(self)
            self.problem = ""

    # Commands.

    def queue_rq(self, request: Request) -> int:
        return self.send_on(request)

    def send_on(self, request: Request) -> int:
        """Take a request, for the first time or once more."""
        if self.front is not None:
            if self.trouble():
                self.front.forget(request)
            else:
                status = self.front.status_of(request)
                if status != OK or not self.front.takes(request):
                    return status
        if self._file is not None:
            status = self._file.refuses()
            if status == OK:
                self._file.queued += 1
                self._batch.append(request)
            return status
        session = self._session
        if session is None or session.state != READY:
            request.finish(TRANSPORT, 0, NOT_SENT)
            self.complete(request)
            return OK
        self._batch.append(request)
        return OK

    def commit(self) -> None:
        batch = self._batch
        if not batch:
            return
        self._batch = []
        if self._file is not None:
            self._file.send(batch)
            return
        session = self._session
        if session is not None and session.state == READY:
            session.send(batch)
            return
        for request in batch:
            request.finish(TRANSPORT, 0, NOT_SENT)
            self.complete(request)

    def busy(self) -> bool:
        return self._file is not None and self._file.is_full()

    def outstanding(self) -> list[Request]:
        found = list(self._batch)
        if self.front is not None:
            found += self.front.requests()
        if self._file is not None:
            found.extend(self._file.requests())
        if self._session is not None:
            found.extend(self._session.requests())
        for session in self._lingering:
            found.extend(session.requests())
        return found

    def trouble(self) -> str:
        return self._file.trouble() if self._file is not None else self.problem

    # Connecting.

    def connect(self) -> None:
        """Try to open a session. Failures try again later, by themselves. A file is there already."""
        if self._file is not None or self._session is not None or self._closing or self.is_refused:
            return
        unresolved = sum(aftermath.unresolved() for aftermath in self.aftermaths)
        if unresolved >= ORPHANS_MAX:
            self._failed(f"{unresolved} commands of earlier sessions have an unknown fate")
            return
        self.epoch += 1
        self._session = Session(self, self.epoch)
        self.timers.arm(self._handshake, min(self.timeout_ns, HANDSHAKE_MAX_NS))

    def check_session(self, session: Session) -> str:
        """Is it the disk that it was? Why not, or nothing."""
        process = session.connection.process
        assert process is not None
        if self.is_unix and not process.is_gone:
            self._processes[session.epoch] = process
        if process.size_sectors != self.size_sectors:
            self.mismatch = (
                f"not the same disk: its size is {process.size_sectors << 9} bytes, not {self.size_sectors << 9}"
            )
        elif process.read_only:
            self.mismatch = "not the same disk: it is read-only"
        else:
            return ""
        self.is_refused = True
        return self.mismatch

    def look_again(self) -> None:
        super().look_again()
        self.is_refused = False
        self._said = ""
        self._backoff_ns = RECONNECT_MIN_NS
        if self._session is None:
            self.timers.cancel(self._reconnect)
            self.connect()

    def session_opened(self, session: Session) -> None:
        """Negotiated and checked: commands may go."""
        self.timers.cancel(self._handshake)
        self.problem = ""
        self._said = ""
        self._backoff_ns = RECONNECT_MIN_NS
        self.hardware.trace.note(self.lane, "open", f"session {session.epoch}")
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
            self.log.warning(f"{self.name}: {reason}")
        if self.is_refused:
            return
        self._tries += 1
        half_ns = self._backoff_ns // 2
        delay_ns = half_ns + self.hardware.dice(f"{self.name} backoff", self._tries).below(half_ns + 1)
        self._backoff_ns = min(2 * self._backoff_ns, RECONNECT_MAX_NS)
        if not self._closing:
            self.timers.arm(self._reconnect, delay_ns)

    def _handshake_too_long(self) -> None:
        session = self._session
        if session is not None and session.state != READY:
            session.end("no answer to the handshake", by_peer=False)

    # Ends of sessions.

    def session_closed(
        self, session: Session, reason: str, by_peer: bool, orderly: bool, ghosts: list[Command]
    ) -> None:
        """A session is over. Its orphans are resolved as soon as there is a proof; the path learns of it."""
        self.hardware.trouble()
        was_ready = session.has_facts
        present = session is self._session
        session.reset()
        if present:
            self._session = None
            self.timers.cancel(self._handshake)
            self.timers.cancel(self._linger)
        elif session in self._lingering:
            self._lingering.remove(session)
        device = self.device
        # The end of one that lingered was told when it began to: what was acknowledged since is the present session's.
        if device is not None and was_ready and present:
            device.session_ended()
        process = self._processes.pop(session.epoch, None)
        cache = device.left_behind if device is not None else None
        if cache is not None and cache.epoch != session.epoch:
            cache = None
        aftermath = Aftermath(self, ghosts, process, cache)
        aftermath.begin(by_peer, orderly)
        if self._forbids:
            aftermath.forbid(FORBIDDEN)
        if present:
            if session.problem:
                # It would answer the same again at once.
                self._backoff_ns = RECONNECT_MAX_NS
            self._failed(reason)
            if self.listener is not None:
                if self.is_refused:
                    self.listener.session_refused(self, reason)
                elif was_ready:
                    self.listener.session_lost(self, reason)

    def resolve(self, orphan: Orphan, proof: str) -> None:
        """What became of an orphan is known, or is declared to be."""
        if not orphan.proof:
            self.hardware.trace.note(self.lane, "proved", f"{orphan.describe()}: {proof}")
            mark = _MARKS.get(proof)
            if mark is not None and self._file is None:
                self.hardware.marks.hit(mark)
        orphan.resolve(proof)

    def cache_gone(self, proof: str) -> None:
        assert self.device is not None
        self.hardware.marks.hit("cache gone")
        self.hardware.trace.note(self.lane, "proved", f"its cache is gone: {proof}")
        self.device.cache_gone(proof)

    def timed_out(self, session: Session, commands: int) -> None:
        """Commands of a session were given up. If nothing comes within the linger time, the session is, too."""
        self.hardware.trouble()
        self.log.warning(f"{self.name}: {commands} commands without an answer for {self.timeout_ns / NS_PER_S:g} s")
        if session is self._session and not self._linger.is_armed():
            self.timers.arm(self._linger, self.linger_ns)

    def late_answer(self, session: Session) -> None:
        """An answer came after all: the session lives."""
        if session is self._session:
            if self._linger.is_armed():
                self.hardware.marks.hit("late answer in time")
            self.timers.cancel(self._linger)
            if session.late:
                self.timers.arm(self._linger, self.linger_ns)
        elif not session.late and not session.in_flight:
            session.end("all late answers have come", by_peer=False)
        if self.listener is not None and self._session is not None and self._session.state == READY:
            # It answers again: there may be a cache to flush, and a path to reinstate.
            self.listener.session_ready(self)

    def _linger_over(self) -> None:
        session = self._session
        if session is None:
            return
        reason = f"no late answer within {self.linger_ns / NS_PER_S:g} s"
        if self.is_unix and len(self._lingering) < LINGERING_MAX and not self._forbids:
            self.hardware.trace.note(self.lane, "lingers", f"session {session.epoch}: {reason}")
            self._lingering.append(session)
            self._session = None
            if self.device is not None:
                self.device.session_ended()
            self._failed(reason)
            if self.listener is not None:
                self.listener.session_lost(self, reason)
        else:
            session.end(reason, by_peer=False)

    def shut_down(self) -> None:
        self._closing = True
        if self.front is not None:
            for request in self.front.give_up():
                request.finish(TRANSPORT, 0, NOT_SENT)
                self.complete(request)
        self.timers.cancel(self._reconnect)
        if self._file is not None:
            self._file.shut_down()
        for session in [self._session, *self._lingering]:
            if session is not None:
                session.end("shutting down", by_peer=False)
        for aftermath in list(self.aftermaths):
            aftermath.settle("")
        self._processes = {}

    # What the laboratory does to it.

    def forbid_ghosts(self) -> None:
        """From now on an administrator sees to it that nothing which has been given up takes effect any more, and says so: every
        fence of this path falls. A session that still has late commands is given up first."""
        self._forbids = True
        for session in list(self._lingering):
            session.end("nobody waits for its late answers any more", by_peer=False)
        for aftermath in list(self.aftermaths):
            aftermath.forbid(FORBIDDEN)
        if self.listener is not None and not self.problem:
            # As after a late answer: there may be a cache to flush.
            self.listener.session_ready(self)

    def detach(self) -> None:
        """The gateway is gone, all at once: nothing may touch the engine afterwards. What was handed over is on its way."""
        self._closing = True
        if self.front is not None:
            self.front.give_up()
        for timer in (self._reconnect, self._handshake, self._linger):
            self.timers.cancel(timer)
        if self._file is not None:
            self._file.connection.let_go()
        for session in [self._session, *self._lingering]:
            if session is not None:
                session.connection.let_go()
        for aftermath in self.aftermaths:
            aftermath.detach()
        self._session = None
        self._lingering = []
        self.aftermaths = []
