"""The machine room of the demonstration for operators: two NBD servers over one disk, each with a cache of its own, and
hawser over both.

Server A is reached by its unix socket, server B over TCP by a cable (hawser.service.demo_relay) that can become a black hole.
Both are nbdkit with its cache filter (cache=writeback): what they have acknowledged and not written back is lost with their
process. The fence agent is a script that kills a server for good, as a power switch would.
"""

import os
import shlex
import shutil
import socket
from typing import Final

from hawser.service.control import ask
from hawser.service.demo_child import TIED_HAWSER, Child, ChildError, module
from hawser.service.demo_database import DISK_BYTES
from hawser.service.short_directory import short_directory

EXPORT: Final = "db"
# Of the names of sockets.
LONGEST: Final = "hawser.sock"
MAP: Final = "mpatha"
IO_TIMEOUT_SECONDS: Final = 1.0
NAMES: Final = ("A", "B")
# Program -> the Debian package that has it.
NEEDED: Final = {"nbdkit": "nbdkit"}

_AGENT: Final = """\
#!/bin/sh
# fence.sh DIRECTORY PORT PATH REASON: cut off the server behind that path.
case "$3" in *:"$2"*) name=B ;; *) name=A ;; esac
read -r pid < "$1/$name.pid"
kill -9 "$pid" 2>/dev/null
until grep -qs '^State:.Z' "/proc/$pid/status" || ! test -e "/proc/$pid"; do sleep 0.01; done
echo "server $name, process $pid, is off"
"""


def missing_packages() -> list[str]:
    """The Debian packages that this machine lacks."""
    return sorted({package for program, package in NEEDED.items() if shutil.which(program) is None})


class Server:
    """An nbdkit over the image. It can be killed and started again, at the same socket."""

    def __init__(self, name: str, directory: str, image: str) -> None:
        self.name = name
        self.directory = directory
        self.image = image
        self.socket = os.path.join(directory, f"{name}.sock")
        self.child: Child | None = None

    def start(self) -> None:
        """It takes connections when this returns. ChildError."""
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        command = ["nbdkit", "-f", "--exit-with-parent", "-U", self.socket, "--filter=cache", "file", self.image]
        self.child = Child(
            f"server-{self.name}", [*command, "cache=writeback", "cache-min-block-size=4k"], self.directory
        )
        with open(os.path.join(self.directory, f"{self.name}.pid"), "w") as file:
            file.write(f"{self.child.pid}\n")
        self.child.wait_until(lambda: _accepts(self.socket), "it takes connections")

    def kill(self) -> None:
        if self.child is not None:
            self.child.kill()

    def is_running(self) -> bool:
        return self.child is not None and self.child.is_running()


class Gateway:
    """`hawser serve` over the paths with these URIs."""

    def __init__(self, directory: str, paths: list[str], *options: str) -> None:
        self.socket = os.path.join(directory, "hawser.sock")
        self.control = os.path.join(directory, "control")
        self.uri = f"nbd+unix:///{EXPORT}?socket={self.socket}"
        words = ["serve", "--listen", self.uri, "--control", self.control, "--name", MAP, *options]
        for path in paths:
            words += ["--path", path]
        self.words = words
        self.child = Child("hawser", [*TIED_HAWSER, *words], directory)
        try:
            self.child.wait_until(lambda: "ready " in self.child.text(), "it is ready")
        except ChildError:
            self.child.kill()
            raise

    def status(self) -> str:
        """As `dmsetup status` has it; empty where nobody answers."""
        try:
            return ask(self.control, "status", [MAP]).out
        except OSError:
            return ""

    def message(self, words: str) -> None:
        ask(self.control, "message", [MAP, "0", *words.split()])


class Room:
    """The whole of it, in a directory of its own that is removed at the end. `start`, then what happens, then `close`."""

    def __init__(self) -> None:
        self.directory = short_directory(LONGEST)
        self.image = os.path.join(self.directory, "disk.img")
        with open(self.image, "wb") as file:
            file.truncate(DISK_BYTES)
        self.servers = [Server(name, self.directory, self.image) for name in NAMES]
        self.cable: Child | None = None
        self.gateway: Gateway | None = None
        self.paths: list[str] = []

    def start(self) -> None:
        """ChildError when something does not come up."""
        for server in self.servers:
            server.start()
        self.cable = Child("cable", module("hawser.service.demo_relay", self.servers[1].socket), self.directory, True)
        port = self.cable.output().readline().decode().strip()
        if not port:
            raise ChildError(f"the cable has ended: {self.cable.complaint()}")
        self.paths = [
            f"nbd+unix:///?socket={self.servers[0].socket}&cache=path",
            f"nbd://127.0.0.1:{port}/?cache=path",
        ]
        agent = os.path.join(self.directory, "fence.sh")
        with open(agent, "w") as file:
            file.write(_AGENT)
        os.chmod(agent, 0o700)
        self.gateway = Gateway(
            self.directory,
            self.paths,
            *("--io-timeout", f"{IO_TIMEOUT_SECONDS:g}"),
            *("--queue-timeout", "forever"),
            *("--fence-agent", shlex.join([agent, self.directory, port])),
        )

    def close(self) -> None:
        """Everything ends, by its id, whatever state it is in."""
        try:
            if self.gateway is not None:
                self.gateway.child.end()
            if self.cable is not None:
                self.cable.kill()
            for server in self.servers:
                server.kill()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
