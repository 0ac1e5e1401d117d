"""A fence agent as the proof: where nothing else can tell that an old write will not land, a program cuts its server off."""

import shlex
from pathlib import Path

import pytest
from tests.support.fleet import MIB, Fleet
from tests.support.upstreams import Upstream, content

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit", "gcc")]

OLD, NEW = b"W" * 4096, b"N" * 4096


@pytest.fixture(params=["rq", "bio"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def agent(directory: Path, body: str) -> str:
    """A program that notes down its arguments, and does what `body` says; its command line."""
    script = directory / "agent.sh"
    script.write_text(f'#!/bin/sh\nprintf "%s|%s\\n" "$2" "$3" >> "$1"\n{body}\n')
    script.chmod(0o700)
    return f"{shlex.quote(str(script))} {shlex.quote(str(calls(directory)))}"


def calls(directory: Path) -> Path:
    return directory / "agent.calls"


class Scene:
    """Over TCP a connection is lost while a write of OLD is in the first server, which takes its time; then NEW is written."""

    def __init__(self, fleet: Fleet, body: str, mode: str) -> None:
        self.image = fleet.image("disk", 8 * MIB, b"0")
        environment, slow = fleet.slow_writes("first")
        self.first: Upstream = fleet.nbdkit("first", "file", self.image, tcp=True, environment=environment)
        second = fleet.nbdkit("second", "file", self.image, tcp=True)
        relay = fleet.relay(self.first)
        command = agent(fleet.directory, body.replace("PID", str(self.first.pid)))
        paths = [relay.uri(cache="lun"), second.uri(cache="lun")]
        self.gateway = fleet.serve(paths, "--fence-agent", command, "--queue-mode", mode)
        self.client = self.gateway.client()
        slow.write_text("60")
        old = self.client.send_write(0, OLD)
        self.gateway.wait_until(lambda: self.gateway.stats()[0]["in_flight"] == 1, "the old write is under way")
        relay.cut("reset")
        self.client.wait(old)
        self.new = self.client.send_write(0, NEW)


def test_its_success_lets_the_newer_write_go(fleet: Fleet, mode: str):
    scene = Scene(fleet, "kill -9 PID", mode)
    scene.client.wait(scene.new)
    assert content(scene.image, 0, 4096) == NEW
    (line,) = calls(fleet.directory).read_text().splitlines()
    path, _, reason = line.partition("|")
    assert path.startswith("nbd://127.") and reason
    assert "fence lifted: write of sectors 0..7" in scene.gateway.log()
    assert "the fence agent succeeded" in scene.gateway.log()
    assert "unproven" not in scene.gateway.log()
    scene.gateway.assert_no_traceback()


def test_while_it_fails_the_newer_write_waits_and_the_rest_goes_on(fleet: Fleet, mode: str):
    scene = Scene(fleet, "echo no power switch; exit 3", mode)
    scene.gateway.wait_for_log("the fence agent has failed: exit status 3 (try 1 of 5)")
    scene.client.write(MIB, NEW)
    assert not scene.client.has_answer(scene.new, 1.0)
    assert "the fence agent says: 'no power switch'" in scene.gateway.log()
    assert content(scene.image, 0, 4096) != NEW
    assert scene.gateway.end() < 5


def test_an_agent_that_hangs_does_not_keep_the_server_from_stopping(fleet: Fleet):
    scene = Scene(fleet, "exec sleep 600", "rq")
    scene.gateway.wait_until(lambda: calls(fleet.directory).exists(), "the agent runs")
    assert not scene.client.has_answer(scene.new, 0.5)
    assert scene.gateway.end() < 5
