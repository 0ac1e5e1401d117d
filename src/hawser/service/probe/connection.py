"""ProbeConnection: a blocking NBD client with deadlines that can leave in every way: NBD_CMD_DISC, a half-close, a reset.

Commands may be sent without waiting for their answers; `collect` takes what has come. The wire format is `hawser.nbd`'s. Every
wait is bounded by ANSWER_SECONDS or by what the caller says.
"""

import errno
import socket
from select import POLLIN, POLLOUT, poll
from time import monotonic
from typing import Final

from hawser.block.ops import Buffer
from hawser.nbd import protocol
from hawser.nbd.client_handshake import ClientHandshake, Negotiated, Refused
from hawser.nbd.client_questions import Answers, ClientQuestions
from hawser.nbd.replies import UNKNOWN_COOKIE, ReplyParser, ReplySink
from hawser.paths.uri import PathUri

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
RECEIVE_BYTES: Final = 256 * 1024
# struct linger: on, for no time.
_RESET: Final = b"\x01\0\0\0\0\0\0\0"


class ProbeError(Exception):
    """The probe cannot go on with this server; the message says where and why."""


class _Replies(ReplySink):
    def __init__(self) -> None:
        super().__init__()
        self.reads: dict[int, int] = {}
        self.waiting: set[int] = set()
        self.errors: dict[int, int] = {}
        self.data: dict[int, bytes] = {}
        self.fault = ""
        self._reading = 0

    def reply(self, cookie: int, error: int) -> int:
        if cookie not in self.waiting:
            return UNKNOWN_COOKIE
        size = self.reads.pop(cookie, 0)
        if error or not size:
            self.waiting.discard(cookie)
            self.errors[cookie] = error
            return 0
        self._reading = cookie
        return size

    def payload(self, data: bytearray) -> None:
        self.waiting.discard(self._reading)
        self.errors[self._reading] = 0
        self.data[self._reading] = bytes(data)

    def on_error(self, reason: str) -> None:
        self.fault = reason


class ProbeConnection:
    """Connected to the export that `uri` names. ProbeError when that is not possible within `within_s`."""

    def __init__(self, uri: PathUri, within_s: float = CONNECT_SECONDS) -> None:
        self.uri = uri
        self.sock = _connect(uri, within_s)
        self.ended_at: float | None = None
        # How it ended, in words; empty for an orderly end of file.
        self.end = ""
        self._cookie = 0
        self._replies = _Replies()
        self._parser = ReplyParser(self._replies)
        self._buffer = bytearray(RECEIVE_BYTES)
        try:
            self.export = _negotiate(uri, self.sock, within_s)
        except BaseException:
            self.sock.close()
            raise
        left = self.export.leftover
        self._buffer[: len(left)] = left
        self._end = len(left)

    # Sending.

    def send(self, command: int, offset: int, length: int, payload: Buffer = b"", flags: int = 0) -> int:
        """Hand one command to the transport, answers being taken in meanwhile; its cookie."""
        self._cookie += 1
        cookie = self._cookie
        self._replies.waiting.add(cookie)
        if command == protocol.CMD_READ:
            self._replies.reads[cookie] = length
        self._send_all(protocol.request_header(command, flags, cookie, offset, length))
        if len(payload):
            self._send_all(payload)
        return cookie

    def _send_all(self, data: Buffer) -> None:
        deadline = monotonic() + ANSWER_SECONDS
        view = memoryview(data)
        while len(view):
            try:
                view = view[self.sock.send(view) :]
            except (BlockingIOError, InterruptedError):
                if not self._wait(POLLIN | POLLOUT, deadline):
                    raise self._error(f"it has taken nothing for {ANSWER_SECONDS:g} s") from None
                self.collect(0)
                if self.ended_at is not None:
                    raise self._error(f"the connection ended ({self.end or 'end of file'}) while sending") from None
            except OSError as error:
                raise self._error(f"sending: {error.strerror or error}") from None

    # Receiving.

    def collect(self, within_s: float) -> bool:
        """Take in what the server sends, waiting so long for the first byte; whether anything came."""
        if self.ended_at is not None or not self._wait(POLLIN, monotonic() + within_s):
            return False
        parser = self._parser
        want = parser.want_payload
        room = memoryview(self._buffer)[self._end :] if want is None else memoryview(want)[parser.payload_have :]
        try:
            count = self.sock.recv_into(room)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._ended(error.strerror or str(error))
            return False
        if count == 0:
            self._ended("")
            return False
        if want is None:
            self._end += count
            start = parser.parse(self._buffer, 0, self._end)
            held = self._end - start
            self._buffer[:held] = self._buffer[start : self._end]
            self._end = held
        else:
            parser.payload_received(count)
        if self._replies.fault:
            raise self._error(self._replies.fault)
        return True

    def _ended(self, how: str) -> None:
        self.ended_at = monotonic()
        self.end = how

    def unanswered(self) -> int:
        return len(self._replies.waiting)

    def is_answered(self, cookie: int) -> bool:
        return cookie in self._replies.errors

    def wait(self, cookie: int) -> int:
        """Until that command is answered; the error of the wire, 0 for none."""
        deadline = monotonic() + ANSWER_SECONDS
        while cookie not in self._replies.errors:
            if self.ended_at is not None:
                raise self._error(f"the connection ended ({self.end or 'end of file'}) before an answer")
            left = deadline - monotonic()
            if left <= 0:
                raise self._error(f"no answer for {ANSWER_SECONDS:g} s")
            self.collect(left)
        return self._replies.errors.pop(cookie)

    def data_of(self, cookie: int) -> bytes:
        """What a read brought that was waited for."""
        return self._replies.data.pop(cookie)

    # The end.

    def say_goodbye(self) -> None:
        """NBD_CMD_DISC: nothing follows."""
        self._send_all(protocol.request_header(protocol.CMD_DISC, 0, 0, 0, 0))

    def half_close(self) -> None:
        """The server sees an end of file where the next command would begin."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise self._error(f"shutdown: {error.strerror or error}") from None

    def reset(self) -> None:
        """Over TCP the kernel forgets what it has not sent yet. A unix socket has no such queue."""
        if self.sock.family != socket.AF_UNIX:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.sock.close()

    def close(self) -> None:
        """An orderly end, as far as that is possible; nothing is waited for."""
        if self.sock.fileno() >= 0:
            try:
                self.sock.send(protocol.request_header(protocol.CMD_DISC, 0, 0, 0, 0))
            except OSError:
                pass
            self.sock.close()

    def _wait(self, events: int, deadline: float) -> bool:
        poller = poll()
        poller.register(self.sock, events)
        return len(poller.poll(max(0, round((deadline - monotonic()) * 1000)))) > 0

    def _error(self, problem: str) -> ProbeError:
        return ProbeError(f"{self.uri.place()}: {problem}")


def ask(uri: PathUri) -> Answers:
    """What the server says about itself, on a connection of its own. ProbeError when it says nothing."""
    sock = _connect(uri, CONNECT_SECONDS)
    try:
        questions = ClientQuestions(uri.export)
        deadline = monotonic() + CONNECT_SECONDS
        while questions.result is None:
            _exchange(uri, sock, questions, deadline)
        answer = questions.outgoing()
        try:
            sock.send(answer)
        except OSError:
            # It was the goodbye.
            pass
    finally:
        sock.close()
    if isinstance(questions.result, Refused):
        raise ProbeError(f"{uri.place()}: {questions.result.reason}")
    return questions.result


def _connect(uri: PathUri, within_s: float) -> socket.socket:
    try:
        if uri.scheme == "nbd+unix":
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            try:
                sock.settimeout(within_s)
                sock.connect(uri.socket)
            except BaseException:
                sock.close()
                raise
        else:
            sock = socket.create_connection((uri.host, uri.port), within_s)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, UnicodeError) as error:
        problem = str(error)
        if isinstance(error, OSError):
            problem = error.strerror or problem
        raise ProbeError(f"{uri.place()}: {problem.lower()}") from None
    sock.setblocking(False)
    return sock


def _negotiate(uri: PathUri, sock: socket.socket, within_s: float) -> Negotiated:
    handshake = ClientHandshake(uri.export)
    deadline = monotonic() + within_s
    while handshake.result is None:
        _exchange(uri, sock, handshake, deadline)
    if isinstance(handshake.result, Refused):
        raise ProbeError(f"{uri.place()}: {handshake.result.reason}")
    return handshake.result


def _exchange(uri: PathUri, sock: socket.socket, talk: ClientHandshake | ClientQuestions, deadline: float) -> None:
    """Send what is outgoing, and take in what comes."""
    sock.settimeout(max(0.001, deadline - monotonic()))
    try:
        outgoing = talk.outgoing()
        if outgoing:
            sock.sendall(outgoing)
        data = sock.recv(RECEIVE_BYTES)
    except TimeoutError:
        raise ProbeError(f"{uri.place()}: no answer to the handshake in time") from None
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "?")
        raise ProbeError(f"{uri.place()}: handshake: {error.strerror or name}") from None
    sock.setblocking(False)
    if data:
        talk.receive(data)
    else:
        talk.end_of_input()
