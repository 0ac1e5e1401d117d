"""The control socket: verbs of dmsetup, asked of a running server. One JSON object per line each way.

    {"verb": "status", "args": ["mpatha"]}   ->   {"ok": true, "out": "0 2048 multipath ...\n"}
                                                  {"ok": false, "err": "..."}
    {"verb": "resize", "map": "mpatha"}      ->   {"ok": true, "out": "...\n", "more": true}, ..., {"ok": true}

The verbs are those of dmsetup, with its options among the arguments, and the server's own. One that waits (suspend, wait, ...) is
answered when it is done, and given up when whoever asked goes away. The socket's mode is 0600: who may open it may fail paths.
"""

import asyncio
import os
import socket
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Final

import msgspec

from hawser.exports.unix_socket import bind_unix
from hawser.service.chosen import Chosen, choose
from hawser.service.common import Common
from hawser.service.control_error import ControlVerbError
from hawser.service.dm_verbs import DM_VERBS, DmRun
from hawser.service.parameters import parameters
from hawser.service.path_changes import change_paths
from hawser.service.path_states import paths
from hawser.service.probe_paths import probe_paths
from hawser.service.resize import resize
from hawser.service.statistics import stats
from hawser.service.tracing import trace

LINE_MAX: Final = 64 * 1024
CLIENTS_MAX: Final = 32
READ_SECONDS: Final = 30.0


class Request(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """`stdin`: what the verb would read, of those of dmsetup that read tables; `files`: the same of files, by their names.

    `map`: of which disk, for the server's own verbs; empty: of all, or of the only one.
    """

    verb: str
    args: list[str] = []
    stdin: str = ""
    files: dict[str, str] = {}
    map: str = ""


class Reply(msgspec.Struct, omit_defaults=True):
    """`more`: what is asked for comes in several replies, and this is not the last. `out` may say something though it failed.

    `nodes`: for which devices the program of dmsetup's `--exec` is to be run, by whoever asked.
    """

    ok: bool
    out: str = ""
    err: str = ""
    more: bool = False
    nodes: list[str] = []


# With all of dmsetup's arguments, options before the verb included; its verbs can be asked for by their own names, too.
DMSETUP: Final = "dmsetup"

Verb = Callable[[Chosen, list[str]], str]
# The last argument says whether whoever asked is gone.
StreamVerb = Callable[[Chosen, list[str], Callable[[], bool]], AsyncIterator[str]]


VERBS: Final[dict[str, Verb]] = {"stats": stats, "parameters": parameters, "paths": paths}

# Verbs that take their time, and answer in pieces.
STREAMS: Final[dict[str, StreamVerb]] = {
    "trace": trace,
    "resize": resize,
    "path": change_paths,
    "probe-paths": probe_paths,
}


class ControlServer:
    """Serves the verbs of all disks on a unix socket. `extra` verbs come from who runs the server."""

    def __init__(self, common: Common, path: str, extra: dict[str, Verb] | None = None) -> None:
        self.common = common
        self.path = path
        self.verbs = {**VERBS, **(extra or {})}
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen. OSError when the socket cannot be made; a stale file is removed."""
        sock = _bind(self.path)
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=LINE_MAX)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._clients):
                writer.close()
            try:
                os.unlink(self.path)
            except OSError:
                self.common.log.info(f"{self.path}: was removed by somebody else")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= CLIENTS_MAX:
            writer.close()
            return
        self._clients.add(writer)
        try:
            while True:
                line = await asyncio.wait_for(reader.readline(), READ_SECONDS)
                if not line:
                    break
                async with aclosing(self.replies(line, reader)) as replies:
                    async for reply in replies:
                        writer.write(msgspec.json.encode(reply) + b"\n")
                        await writer.drain()
        except (OSError, ValueError, TimeoutError, asyncio.CancelledError):
            # The client went away, sent a line without end, or fell silent; or the server stops.
            self.common.log.info("a control client was disconnected")
        finally:
            self._clients.discard(writer)
            writer.close()

    async def replies(self, line: bytes, reader: asyncio.StreamReader | None = None) -> AsyncGenerator[Reply, None]:
        """The reply to one line, or its pieces. `reader` tells when the client is gone."""
        try:
            request = msgspec.json.decode(line, type=Request)
        except msgspec.MsgspecError as error:
            yield Reply(False, err=f'a request is {{"verb": ..., "args": [...]}}: {error}')
            return
        try:
            async with aclosing(self._replies(request, reader)) as replies:
                async for reply in replies:
                    yield reply
        except Exception as error:
            # One verb's mistake is not the others' end, and whoever asked is to know.
            self.common.log.error("".join(traceback.format_exception(error)).rstrip("\n"))
            yield Reply(
                False, err=f"{request.verb}: a mistake of the server's, see its log: {type(error).__name__}: {error}"
            )

    async def _replies(self, request: Request, reader: asyncio.StreamReader | None) -> AsyncGenerator[Reply, None]:
        if request.verb == DMSETUP or request.verb in DM_VERBS:
            yield await self._dm(request, reader)
            return
        stream = STREAMS.get(request.verb)
        if stream is None:
            yield self._answer(request)
            return
        try:
            chosen = choose(self.common, request.map)
            async for piece in stream(chosen, request.args, lambda: reader is not None and reader.at_eof()):
                yield Reply(True, out=piece, more=True)
        except ControlVerbError as error:
            yield Reply(False, err=str(error))
        else:
            yield Reply(True)

    async def _dm(self, request: Request, reader: asyncio.StreamReader | None) -> Reply:
        argv = request.args if request.verb == DMSETUP else [request.verb, *request.args]
        run = DmRun(self.common, argv, request.stdin, request.files)
        await run.wait(lambda: reader is not None and reader.at_eof())
        answer = run.answer
        nodes = [words[-1] for words in answer.programs]
        if not run.is_done or answer.rc:
            return Reply(
                False, answer.stdout, f"{answer.stderr}{run.reason}".removesuffix("\n") or "interrupted", nodes=nodes
            )
        return Reply(True, answer.stdout, answer.stderr, nodes=nodes)

    def _answer(self, request: Request) -> Reply:
        verb = self.verbs.get(request.verb)
        if verb is None:
            known = ", ".join(sorted([*DM_VERBS, *self.verbs, *STREAMS]))
            return Reply(False, err=f"unknown verb {request.verb!r}; there are {known}")
        done: list[Reply] = []

        def call() -> None:
            try:
                done.append(Reply(True, out=verb(choose(self.common, request.map), request.args)))
            except ControlVerbError as error:
                done.append(Reply(False, err=str(error)))

        self.common.loop.run(call)
        return done[0]


def _bind(path: str) -> socket.socket:
    old = os.umask(0o177)
    try:
        return bind_unix(path)
    finally:
        os.umask(old)


def ask(
    path: str,
    verb: str,
    args: list[str],
    stdin: str = "",
    patience_s: float | None = READ_SECONDS,
    files: dict[str, str] | None = None,
    map_name: str = "",
) -> Reply:
    """Ask a running server. OSError when nobody answers there, or not in time (None: that may take for ever)."""
    for reply in ask_for_pieces(path, verb, args, patience_s, stdin, files, map_name):
        return reply
    raise OSError("it has closed the connection without an answer")


def ask_for_pieces(
    path: str,
    verb: str,
    args: list[str],
    patience_s: float | None = READ_SECONDS,
    stdin: str = "",
    files: dict[str, str] | None = None,
    map_name: str = "",
) -> Iterator[Reply]:
    """Ask for something that may come in several replies. OSError when nobody answers, or not to the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(patience_s)
        sock.connect(path)
        sock.sendall(msgspec.json.encode(Request(verb, args, stdin, files or {}, map_name)) + b"\n")
        lines = sock.makefile("rb")
        while True:
            line = lines.readline()
            if not line:
                raise OSError("it has closed the connection before the end of its answer")
            reply = msgspec.json.decode(line, type=Reply)
            yield reply
            if not reply.more:
                return
