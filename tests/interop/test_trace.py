"""A traced second under fio's load: a valid trace file, in which the life of each I/O is whole, and says why it took its path."""

import re
import time
from pathlib import Path

import pytest
from tests.support import fio
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import HAWSER, Gateway
from tests.support.lives import assert_complete
from tests.support.processes import run
from tests.support.trace_events import STILL_OPEN, Span, TraceFile

pytestmark = [pytest.mark.interop, pytest.mark.needs("fio")]

DEPTH = 3
OFFSET = 32 * MIB
# `to 259:1 (/tmp/disk): service-time: least bytes in flight by weight for 4096 more, of 259:0 4096/1, 259:1 0/1; group 1 of 1`
WHY = re.compile(
    r"to (?P<path>\S+) \(.*\): service-time: least bytes in flight by weight for \d+ more, of (?P<loads>.*); group 1 of 1"
)


def trace_command(gateway: Gateway, seconds: float, file: Path) -> list[str | Path]:
    return [*HAWSER, "trace", "--control", gateway.control, "--seconds", f"{seconds:g}", "-o", file]


def assert_chosen_for_its_load(detail: str) -> None:
    """The reason that is given is one: no path had less to do."""
    match = WHY.fullmatch(detail)
    assert match, detail
    loads = dict(re.findall(r"(\S+) (\d+)/1", match["loads"]))
    assert int(loads[match["path"]]) == min(int(load) for load in loads.values()), detail


def assert_commands_carry_their_ios(trace: TraceFile) -> None:
    """Each I/O has been part of a command that a path was sent while it lived."""
    carried: dict[str, list[Span]] = {}
    for command in trace.commands.values():
        if not command.name.startswith("mpatha: "):
            for number in command.ios:
                carried.setdefault(f"0x{number:x}", []).append(command)
    for key, io in trace.ios.items():
        assert any(io.begins_us <= command.begins_us <= command.ends_us <= io.ends_us for command in carried[key]), (
            io.tell()
        )


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_each_ios_life_is_whole(fleet: Fleet, mode: str):
    image = fleet.image("disk", 64 * MIB)
    paths = [f"file://{image}?depth={DEPTH}"] * 4
    gateway = fleet.serve(paths, "--queue-mode", mode, "--scheduler", "mq-deadline")
    load = fleet.run("fio", *fio.paced_command(gateway.uri))
    gateway.wait_until(lambda: gateway.stats()[0]["rd_ios"] > 100, "the load runs")
    file = fleet.directory / "trace.json"
    run(trace_command(gateway, 1, file))
    assert load.is_running(), load.log()
    load.kill()
    trace = TraceFile(file)
    assert trace.process == "hawser mpatha" and trace.passed_over == 0
    assert len(trace.ios) > 200
    assert {io.name.split()[0] for io in trace.ios.values()} == {"read", "write", "flush"}
    for io in trace.ios.values():
        assert_complete(io, mode, "mpatha")
        assert_chosen_for_its_load(io.details("mapped")[-1])
    assert_commands_carry_their_ios(trace)
    counted = {name: max(counts) for name, counts in trace.counters.items() if not name.startswith("mpatha")}
    assert len(counted) == 4 and max(counted.values()) <= DEPTH, counted
    gateway.assert_no_traceback()


@pytest.mark.needs("nbdkit")
@pytest.mark.parametrize("mode", ["rq", pytest.param("bio", marks=pytest.mark.soak)])
def test_a_path_that_fails_meanwhile_shows_in_the_lives_that_it_touched(fleet: Fleet, mode: str):
    """A server stands still with writes in flight: they go the other way, and what overlaps them waits behind a fence."""
    image = fleet.image("disk", 64 * MIB)
    servers = [fleet.nbdkit(name, "file", image) for name in ("one", "two")]
    gateway = fleet.serve([server.uri(cache="lun") for server in servers], "--queue-mode", mode, "--io-timeout", "0.5")
    gateway.wait_for_paths("AA")
    load = fleet.run("fio", *fio.paced_command(gateway.uri))
    client = gateway.client()
    gateway.wait_until(lambda: gateway.stats()[0]["wr_ios"] > 100, "the load runs")
    file = fleet.directory / "trace.json"
    tracing = gateway.start_trace(1.5)
    servers[0].freeze()
    # Where fio does not write: these get stuck, and the same sectors are asked for once more, when the first are done by the
    # other path (two at once have no order).
    gateway.dm("message", "mpatha", "0", "fail_path", "259:1")
    first = [client.send_write(OFFSET + number * MIB, b"1" * 4096) for number in range(8)]
    gateway.wait_until(lambda: gateway.stats()[0]["in_flight"] > 8, "they are on their way, beside fio's")
    gateway.dm("message", "mpatha", "0", "reinstate_path", "259:1")
    for command in first:
        client.wait(command)
    assert gateway.states() == "FA"
    second = [client.send_write(OFFSET + number * MIB, b"2" * 4096) for number in range(8)]
    time.sleep(0.3)
    servers[0].thaw()
    for command in second:
        client.wait(command)
    assert all(client.read(OFFSET + number * MIB, 4096) == b"2" * 4096 for number in range(8))
    gateway.end_trace(tracing, file)
    assert load.is_running(), load.log()
    load.kill()
    trace = TraceFile(file)
    ios = trace.of_clients("mpatha")
    for io in ios:
        assert_complete(io, mode, "mpatha")
    again = [io for io in ios if len(io.details("mapped")) > 1]
    failed = [
        io for io in again if any("one.sock" in detail and ": ok" not in detail for detail in io.details("answered"))
    ]
    assert failed, "nothing was on its way to the server that stood still"
    for io in failed:
        assert io.details("requeued" if mode == "rq" else "parked"), io.tell()
        assert io.details("mapped")[-1].startswith("to 259:1"), io.tell()
    fenced = [io for io in ios if io.details("fenced")]
    assert fenced, "nothing overlapped what was in doubt"
    for io in fenced:
        assert all(re.match(r"behind write of sectors \d+\.\.\d+ on ", detail) for detail in io.details("fenced")), (
            io.tell()
        )
    gateway.assert_no_traceback()


@pytest.mark.soak
def test_a_life_that_goes_on_behind_the_end_says_so(fleet: Fleet):
    """It takes a while: whatever began in time may end in five seconds more."""
    gateway = fleet.serve(["ram:?size=1M", "ram:?size=1M"], "--queue-timeout", "forever")
    client = gateway.client()
    for number in ("259:0", "259:1"):
        gateway.dm("message", "mpatha", "0", "fail_path", number)
    file = fleet.directory / "trace.json"
    tracing = gateway.start_trace(1)
    waiting = client.send_read(0, 512)
    gateway.end_trace(tracing, file)
    trace = TraceFile(file)
    (io,) = trace.ios.values()
    assert io.is_cut() and io.outcome == STILL_OPEN
    assert io.steps[0].name == "queued" and io.details("completed") == []
    gateway.dm("message", "mpatha", "0", "reinstate_path", "259:0")
    assert client.wait(waiting) == bytes(512)
