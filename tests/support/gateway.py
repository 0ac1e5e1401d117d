"""`hawser serve` as tests run it: the installed package, started with options, asked by its control socket, ended by a signal."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hawser.service.control import ask
from tests.support.nbd_client import NbdClient
from tests.support.processes import PATIENCE_S, Process, run

HAWSER = (sys.executable, "-c", "from hawser.cli.main import main; main()")
_PATH = re.compile(r"(\d+:\d+) ([AF]) (\d+)")


def serve_command(paths: Sequence[str], listen: Sequence[str], *options: str) -> list[str]:
    command = [*HAWSER, "serve"]
    for path in paths:
        command += ["--path", path]
    for uri in listen:
        command += ["--listen", uri]
    return [*command, *options]


class Gateway(Process):
    """A running server. `socket` is where its export `d` is, `control` its control socket. `config` is the text of a file for
    several disks, in which `SOCKET` stands for that socket."""

    def __init__(
        self,
        name: str,
        directory: Path,
        paths: Sequence[str],
        options: Sequence[str],
        listen: str = "",
        config: str = "",
    ) -> None:
        self._clients: list[NbdClient] = []
        self._tracings: list[socket.socket] = []
        self.socket = directory / f"{name}.sock"
        self.control = directory / f"{name}.ctl"
        self.uri = listen or f"nbd+unix:///d?socket={self.socket}"
        command = serve_command(paths, [self.uri], "--control", str(self.control), *options)
        if config:
            file = directory / f"{name}.toml"
            file.write_text(f'control = "{self.control}"\n' + config.replace("SOCKET", str(self.socket)))
            command = [*HAWSER, "serve", "--config", str(file)]
        super().__init__(name, command, directory)
        try:
            self.wait_until(lambda: "ready " in self.output(), "says that it is ready")
        except BaseException:
            self.kill()
            raise
        # A port that it chose itself is in the line.
        self.uri = self.output().split("ready ", 1)[1].splitlines()[0]

    def client(self, export: str = "d") -> NbdClient:
        """A new client; it is closed with the gateway at the latest."""
        client = NbdClient(self.address(), export)
        self._clients.append(client)
        return client

    def address(self) -> str | tuple[str, int]:
        match = re.fullmatch(r"nbd://([^/]+):(\d+)/.*", self.uri)
        return (match[1], int(match[2])) if match else str(self.socket)

    def dm(self, verb: str, *args: str) -> str:
        reply = ask(str(self.control), verb, list(args))
        assert reply.ok, reply.err
        return reply.out

    def start_trace(self, seconds: float) -> socket.socket:
        """Ask for a trace, which has begun when this returns; `end_trace` takes what has become of it."""
        sock = socket.socket(socket.AF_UNIX)
        self._tracings.append(sock)
        sock.settimeout(seconds + PATIENCE_S)
        sock.connect(str(self.control))
        sock.sendall(json.dumps({"verb": "trace", "args": [f"{seconds:g}"]}).encode() + b"\n")
        # It came before what is asked now.
        for _ in range(2):
            self.dm("ls")
        return sock

    def end_trace(self, sock: socket.socket, file: Path) -> None:
        with sock, sock.makefile("rb") as lines, file.open("w") as output:
            is_last = False
            while not is_last:
                reply = json.loads(lines.readline())
                assert reply["ok"], reply
                output.write(reply.get("out", ""))
                is_last = not reply.get("more", False)

    def ask_all(self, verb: str, requests: list[list[str]]) -> list[bool]:
        """Many requests on one connection: which of them were done."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE_S)
            sock.connect(str(self.control))
            sock.sendall(b"".join(json.dumps({"verb": verb, "args": args}).encode() + b"\n" for args in requests))
            with sock.makefile("rb") as lines:
                return [json.loads(lines.readline())["ok"] for _ in requests]

    def hawser(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """`hawser` with these words, asking this server."""
        return run([*HAWSER, words[0], *words[1:], "--control", self.control], check=False)

    def dm_command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same by the command that people type."""
        return run([*HAWSER, "dm", "--control", self.control, *words], check=False)

    def stats(self) -> list[dict[str, Any]]:
        """Counters and histograms of every device, as `hawser stats --json` has them."""
        rows: list[dict[str, Any]] = json.loads(self.dm("stats", "json"))
        return rows

    def path_words(self) -> list[tuple[str, str, str]]:
        """Number, state (A or F) and fail count of each path, in the order of the table."""
        return _PATH.findall(self.dm("status"))

    def paths(self) -> list[tuple[str, int]]:
        """State and fail count of each path, in the order of the table."""
        return [(state, int(failures)) for _, state, failures in self.path_words()]

    def states(self) -> str:
        return "".join(state for state, _ in self.paths())

    def wait_for_states(self, states: str, seconds: float = PATIENCE_S) -> None:
        self.wait_until(lambda: self.states() == states, f"paths are {states}", seconds)

    def wait_for_paths(self, states: str) -> None:
        """Until those that work (`A`) have a connection: a short timeout is one of the handshake, too, which may take longer on a
        busy machine."""
        self.wait_until(lambda: self.log().count("is open") >= states.count("A"), f"{states} are connected")
        self.wait_for_states(states)

    def rss_kib(self) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def end(self, number: int = signal.SIGTERM) -> float:
        """Ask it to end, as an operator does; how long that took. Its exit status has to be 0."""
        started = time.monotonic()
        self.signal(number)
        status = self.wait()
        took = time.monotonic() - started
        assert status == 0, f"exit status {status}: {self.log()[-2000:]}"
        return took

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        for tracing in self._tracings:
            tracing.close()
        super().stop()

    def warnings(self) -> list[str]:
        """What it said that is more than information."""
        return [line for line in self.log().splitlines() if " warning: " in line or " error: " in line]

    def assert_no_traceback(self) -> None:
        assert "Traceback" not in self.log(), self.log()[-4000:]
