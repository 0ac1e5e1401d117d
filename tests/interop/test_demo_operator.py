"""The demonstration for operators, played on real servers: nothing acknowledged is lost, and where something is, that is said."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tests.support.gateway import HAWSER

from hawser.cli.exit_status import INTERRUPTED
from hawser.core.units import MIB
from hawser.service.demo_child import ChildError
from hawser.service.demo_cost import measure
from hawser.service.demo_database import DATABASE_BYTES, KINDS
from hawser.service.demo_outage import Event, Outage
from hawser.service.demo_servers import Room

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit")]


def start(directory: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*HAWSER, "demo", "operator", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(directory)},
        start_new_session=True,
    )


def processes_about(directory: Path) -> list[str]:
    """Command lines that name the directory: of whatever was left running there."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{directory}/hawser-" in words:
            found.append(words)
    return found


def test_a_database_outlives_a_killed_and_a_black_holed_server(socket_dir: Path, tmp_path: Path):
    process = start(socket_dir, "--pace", "0.4", "--rounds", "0", "--into", str(tmp_path / "kept"))
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, out + err
    assert out.splitlines()[-2] == "nothing that was acknowledged is lost"
    for told in (
        "server A is killed (SIGKILL)",
        "the database goes on by way of server B",
        "Reinstating path 259:0 (server A)",
        "server B is black-holed",
        "hawser: server B: the fence agent has succeeded",
        "the database goes on by way of server A",
        "read through hawser, by way of server A: all there",
        "read from the disk itself, without any server: all there",
    ):
        assert told in out
    kept = json.loads((tmp_path / "kept" / "results.json").read_text())
    assert kept["good"] and [fault["kind"] for fault in kept["faults"]] == ["killed", "black hole"]
    # The time-out, and the wait for a late answer; what the machine does besides is not limited.
    assert kept["faults"][1]["longest_ms"] >= 6000 and kept["faults"][0]["longest_ms"] < 6000
    assert all(kept["latencies_ms"][kind] for kind in KINDS)
    assert list(socket_dir.iterdir()) == []
    assert processes_about(socket_dir) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ended_by_a_signal_it_leaves_nothing_behind(socket_dir: Path, number: int):
    process = start(socket_dir, "--pace", "30", "--rounds", "0")
    assert process.stdout is not None
    assert "the database writes and reads through hawser" in process.stdout.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (INTERRUPTED, "\ninterrupted\n"), out
    assert list(socket_dir.iterdir()) == []
    assert processes_about(socket_dir) == []


def test_ended_while_it_measures_it_tells_nothing_of_an_outage(socket_dir: Path):
    process = start(socket_dir, "--rounds", "1")
    assert process.stdout is not None
    assert "what it costs when nothing fails" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (INTERRUPTED, "", "\ninterrupted\n")
    assert list(socket_dir.iterdir()) == []
    assert processes_about(socket_dir) == []


@pytest.mark.parametrize("fault", ["server A is killed", "server B is black-holed"])
def test_ended_in_an_outage_it_tells_what_has_happened_alone(
    socket_dir: Path, monkeypatch: pytest.MonkeyPatch, fault: str
):
    monkeypatch.setattr("tempfile.tempdir", str(socket_dir))
    stop = threading.Event()
    told: list[str] = []

    def say(event: Event) -> None:
        told.append(event.text)
        if event.text.startswith(fault):
            stop.set()

    outcome = Outage(0.2, say, stop).play()
    assert outcome.problems == ["ended by hand"] and not outcome.is_good()
    (place,) = (place for place, text in enumerate(told) if text.startswith(fault))
    assert all(text.startswith("hawser: ") for text in told[place + 1 :]), told
    assert list(socket_dir.iterdir()) == []
    assert processes_about(socket_dir) == []


def test_killed_it_takes_everything_along(socket_dir: Path):
    process = start(socket_dir, "--pace", "30", "--rounds", "0")
    assert process.stdout is not None
    process.stdout.readline()
    assert len(processes_about(socket_dir)) >= 5
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while processes_about(socket_dir):
        assert time.monotonic() < deadline, processes_about(socket_dir)
        time.sleep(0.05)


@pytest.mark.soak
def test_what_is_lost_below_is_found(socket_dir: Path, monkeypatch: pytest.MonkeyPatch):
    """Between the end of the database and the audits a page of it goes back to zeroes, in the disk and so in what is read."""
    monkeypatch.setattr("tempfile.tempdir", str(socket_dir))
    told: list[Event] = []

    def interfere(room: Room) -> None:
        for server in room.servers:
            server.kill()
        with open(room.image, "r+b") as file:
            file.seek(DATABASE_BYTES * 2 + MIB // 4)
            file.write(bytes(MIB // 4))
        room.servers[0].start()

    outcome = Outage(0.3, told.append, threading.Event(), interfere).play()
    assert not outcome.is_good()
    assert len(outcome.audits) == 2 and not any(each.is_clean() for each in outcome.audits.values())
    assert any("read from the disk itself" in problem for problem in outcome.all_problems())
    assert list(socket_dir.iterdir()) == []


def test_what_it_costs(socket_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(socket_dir))
    costs = measure(2, 0.3)
    assert [cost.kind for cost in costs] == list(KINDS)
    for cost in costs:
        assert len(cost.ours) == len(cost.direct) == 2 and min(cost.ours + cost.direct) > 0
        assert cost.low <= cost.ratio <= cost.high
    assert list(socket_dir.iterdir()) == []


def test_what_cannot_start_is_said(socket_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(socket_dir))
    broken = socket_dir / "bin"
    broken.mkdir()
    (broken / "nbdkit").write_text("#!/bin/sh\necho no such luck >&2\nexit 3\n")
    (broken / "nbdkit").chmod(0o755)
    monkeypatch.setenv("PATH", str(broken), prepend=os.pathsep)
    outcome = Outage(0.3, lambda event: None, threading.Event()).play()
    assert outcome.problems == ["server-A has ended with 3: no such luck"]
    with pytest.raises(ChildError, match="no such luck"):
        measure(1, 0.3)
    assert list(socket_dir.iterdir()) == [broken]
