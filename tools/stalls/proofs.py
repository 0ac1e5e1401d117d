"""Overlapping writes behind a fence, by what lifts it: how long one waited after the moment at which the proof existed.

Always the same story: an older write is held below the first server, its path gives up, it is written again by the second one
and acknowledged; a newer write of the same sectors is sent, and has to wait. Then the proof comes into being, at a moment that is
known here.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.fleet import MIB, Fleet
from tests.support.gateway import Gateway
from tests.support.nbd_client import NbdClient
from tests.support.processes import run as run_program
from tests.support.processes import wait_for
from tests.support.programs import find_program
from tests.support.upstreams import Upstream

from hawser.core.units import KIB

BLOCK = 4 * KIB
IMAGE_BYTES = 64 * MIB
TIMEOUT_S = 0.5
REACHES_SERVER_S = 0.2
# How long the older write is held where it is to land, and where it never is to.
LANDS_S = 1.5
NEVER_S = 60.0
QUIESCE_S = 1.0
AGENT_S = 0.5
PATIENCE_S = 15.0
_LIFTED = re.compile(r"fence lifted: .*\(session \d+\): (.+)$", re.MULTILINE)

PROOFS = {
    "answer": "late answer",
    "peer": "peer process gone",
    "eof": "eof=drains",
    "agent": "fence agent",
    "file": "system call returned (file)",
    "quiesce": "quiesce (no proof)",
}


@dataclass
class Waited:
    """`existed_s` and `waited_s` are counted from when the newer write was sent. `said`: what the log says lifted the fence."""

    proof: str
    queue_mode: str
    existed_s: float = 0.0
    waited_s: float = 0.0
    said: str = ""
    unproven: int = 0
    error: str = ""

    def after_s(self) -> float:
        """How long the newer write was held back although it need not have been."""
        return self.waited_s - self.existed_s


class _Scene:
    """Both servers over one file; writes of its first block are held below the first one."""

    def __init__(
        self, fleet: Fleet, queue_mode: str, tcp: bool = False, options: tuple[str, ...] = (), **words: object
    ) -> None:
        self.fleet = fleet
        self.image = fleet.image("disk", IMAGE_BYTES)
        environment, self.slow = fleet.slow_writes("one")
        self.one: Upstream = fleet.nbdkit("one", "file", self.image, tcp=tcp, environment=environment)
        self.two = fleet.nbdkit("two", "file", self.image)
        self.relay = fleet.relay(self.one) if tcp else None
        self.options = ["--grouping", "failover", "--queue-mode", queue_mode, *options]
        words = {"cache": "lun", "timeout": TIMEOUT_S, **words}
        self.uris = [(self.relay or self.one).uri(**words), self.two.uri(cache="lun")]
        self.sent = 0.0
        self.began = 0.0

    def serve(self) -> Gateway:
        gateway = self.fleet.serve(self.uris, *self.options)
        if self.uris[0].startswith("nbd"):
            gateway.wait_for_paths("AA")
        self.client: NbdClient = gateway.client()
        return gateway

    def older(self, held_s: float) -> int:
        """Send it, held for so long below the first server."""
        self.slow.write_text(f"{held_s} 0 {BLOCK}")
        self.began = time.monotonic()
        cookie = self.client.send_write(0, b"W" * BLOCK)
        time.sleep(REACHES_SERVER_S)
        return cookie

    def newer(self, older: int) -> int:
        """Send it as soon as the older one is acknowledged; it must be made to wait, or there is nothing to see."""
        self.client.wait(older, PATIENCE_S)
        self.sent = time.monotonic()
        cookie = self.client.send_write(0, b"N" * BLOCK)
        assert not self.client.has_answer(cookie, 0.05), "the newer write did not have to wait"
        return cookie

    def answered(self, newer: int) -> float:
        assert self.client.has_answer(newer, PATIENCE_S), f"the newer write still waits after {PATIENCE_S:g} s"
        at = time.monotonic()
        self.client.wait(newer)
        return at

    def ends(self, gateway: Gateway, existed: float, answered: float, proof: str, queue_mode: str) -> Waited:
        log = gateway.log()
        said = "; ".join(dict.fromkeys(_LIFTED.findall(log)))
        return Waited(proof, queue_mode, existed - self.sent, answered - self.sent, said, log.count(": unproven"))


def _answer(fleet: Fleet, mode: str) -> Waited:
    """The server answers when the older write has landed."""
    scene = _Scene(fleet, mode)
    gateway = scene.serve()
    newer = scene.newer(scene.older(LANDS_S))
    return scene.ends(gateway, scene.began + LANDS_S, scene.answered(newer), "answer", mode)


def _peer(fleet: Fleet, mode: str) -> Waited:
    """The server is killed, and its process is gone when a pidfd says so."""
    scene = _Scene(fleet, mode)
    gateway = scene.serve()
    newer = scene.newer(scene.older(NEVER_S))
    gone: list[float] = []
    watcher = threading.Thread(target=_watch_end, args=(scene.one.pid, gone))
    watcher.start()
    os.killpg(scene.one.pid, signal.SIGKILL)
    answered = scene.answered(newer)
    watcher.join(PATIENCE_S)
    return scene.ends(gateway, gone[0], answered, "peer", mode)


def _watch_end(pid: int, gone: list[float]) -> None:
    pidfd = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll(PATIENCE_S * 1000)
    gone.append(time.monotonic())
    os.close(pidfd)


def _eof(fleet: Fleet, mode: str) -> Waited:
    """The older write has landed, its answer is lost, and then the connection is closed in an orderly way."""
    scene = _Scene(fleet, mode, tcp=True, eof="drains")
    gateway = scene.serve()
    assert scene.relay is not None
    scene.relay.mute()
    newer = scene.newer(scene.older(LANDS_S))
    time.sleep(max(0.0, scene.began + LANDS_S + REACHES_SERVER_S - time.monotonic()))
    existed = time.monotonic()
    scene.relay.cut("eof")
    return scene.ends(gateway, existed, scene.answered(newer), "eof", mode)


def _agent(fleet: Fleet, mode: str) -> Waited:
    """The connection is reset; the agent takes its time, kills the server, and says when."""
    noted = fleet.directory / "fenced"
    agent = fleet.directory / "agent"
    pid = fleet.directory / "one.number"
    agent.write_text(f"#!/bin/sh\nsleep {AGENT_S}\nkill -9 $(cat {pid})\ndate +%s.%N > {noted}\n")
    agent.chmod(0o755)
    scene = _Scene(fleet, mode, tcp=True, options=("--fence-agent", str(agent)))
    pid.write_text(str(scene.one.pid))
    gateway = scene.serve()
    assert scene.relay is not None
    older = scene.older(NEVER_S)
    scene.relay.cut("reset")
    answered = scene.answered(scene.newer(older))
    existed = float(noted.read_text()) - time.time() + time.monotonic()
    return scene.ends(gateway, existed, answered, "agent", mode)


def _file(fleet: Fleet, mode: str) -> Waited:
    """The first path is a file of a file system in user space, over the slow server: its system call really does not return."""
    scene = _Scene(fleet, mode)
    point = fleet.directory / "mounted"
    point.touch()
    mount = fleet.run("nbdfuse", "nbdfuse", point, "--unix", str(scene.one.address))
    try:
        wait_for(lambda: os.path.ismount(point), "nbdfuse has mounted its file")
        scene.uris = [f"file://{point}?timeout={TIMEOUT_S}", f"file://{scene.image}"]
        gateway = scene.serve()
        newer = scene.newer(scene.older(LANDS_S))
        return scene.ends(gateway, scene.began + LANDS_S, scene.answered(newer), "file", mode)
    finally:
        scene.slow.unlink(missing_ok=True)
        run_program(["fusermount3" if find_program("fusermount3") else "fusermount", "-u", "-z", point], check=False)
        mount.kill()


def _quiesce(fleet: Fleet, mode: str) -> Waited:
    """The connection is reset, and nothing but the declared time lets go."""
    scene = _Scene(fleet, mode, tcp=True, quiesce=QUIESCE_S)
    gateway = scene.serve()
    assert scene.relay is not None
    older = scene.older(REACHES_SERVER_S + QUIESCE_S / 2)
    scene.relay.cut("reset")
    reset = time.monotonic()
    newer = scene.newer(older)
    return scene.ends(gateway, reset + QUIESCE_S, scene.answered(newer), "quiesce", mode)


_STORIES: dict[str, Callable[[Fleet, str], Waited]] = {
    "answer": _answer,
    "peer": _peer,
    "eof": _eof,
    "agent": _agent,
    "file": _file,
    "quiesce": _quiesce,
}


def lacks(proof: str) -> str:
    """What this machine lacks for a row; empty if nothing."""
    programs = ["nbdkit", "gcc"] + (["nbdfuse"] if proof == "file" else [])
    missing = [f"the program {name} is not installed" for name in programs if find_program(name) is None]
    if proof == "file" and not os.access("/dev/fuse", os.W_OK):
        missing.append("/dev/fuse cannot be used")
    return "; ".join(missing)


def run(proof: str, queue_mode: str) -> Waited:
    """One trial, on servers of its own."""
    directory = Path(tempfile.mkdtemp(prefix="hw-", dir="/tmp"))
    fleet = Fleet(directory)
    try:
        return _STORIES[proof](fleet, queue_mode)
    except (AssertionError, OSError) as error:
        return Waited(proof, queue_mode, error=str(error).splitlines()[0] if str(error) else type(error).__name__)
    finally:
        fleet.close()
        shutil.rmtree(directory, ignore_errors=True)
