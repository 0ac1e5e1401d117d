"""Trace files as they are read for a replay: what is in them, and what is said of those that are wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.model_trace import record

from hawser.block.ops import FLUSH, FUA, NOUNMAP, READ, WRITE, WRITE_ZEROES
from hawser.lab.model import trace_read
from hawser.lab.model.scenario import LoadModel, PathModel, Scenario
from hawser.lab.model.trace_read import TraceError, read_trace

PATHS = [{"name": "/srv/a: b", "number": "259:0", "depth": 4}, {"name": "p1", "number": "259:1", "depth": 8}]
MAP = {
    "name": "mpatha",
    "number": "254:0",
    "sectors": 2048,
    "mode": "rq",
    "groups": [{"selector": "service-time 0", "paths": [{"number": "259:0", "words": "1 1"}, {"number": "259:1"}]}],
}
OTHER = {"maps": [MAP], "paths": PATHS, "batch": {"ios": 64, "bytes": 1024}, "seconds": 1.0}


def event(phase: str, cat: str, number: int, ts: float, name: str, **args: object) -> dict[str, Any]:
    return {"ph": phase, "cat": cat, "id": f"0x{number:x}", "ts": ts, "pid": 1, "tid": 1, "name": name, "args": args}


def an_io(number: int, name: str, ts: float, device: str = "mpatha", **args: object) -> list[dict[str, Any]]:
    """Up to where it is under way."""
    return [
        event("b", "io", number, ts, name, **{"client": 0, **args}),
        event("n", "io", number, ts, "queued", detail=device),
    ]


def count(queue: str, ts: float, commands: int) -> dict[str, Any]:
    return {"ph": "C", "ts": ts, "pid": 1, "tid": 1, "name": f"{queue} in flight", "args": {"commands": commands}}


def write(directory: Path, events: list[dict[str, Any]], other: dict[str, Any] = OTHER) -> Path:
    file = directory / "io.json"
    head = [{"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "hawser mpatha"}}]
    file.write_text(json.dumps({"displayTimeUnit": "ns", "otherData": other, "traceEvents": head + events}))
    return file


def test_ios_and_commands_are_what_the_recorder_has_seen(tmp_path: Path):
    scenario = Scenario(
        seconds=0.01,
        warm_up_s=0,
        paths=[PathModel(), PathModel()],
        loads=[LoadModel(depth=4, write_percent=50), LoadModel(depth=2, clients=2, pattern="sequential")],
    )
    record(scenario, 3, tmp_path / "io.json")
    found = read_trace(tmp_path / "io.json")
    recorded = found.map_named("")
    ios = found.asked_of(recorded)
    assert {io.client for io in ios} == {0, 1, 2}
    assert {io.op for io in ios} == {READ, WRITE}
    assert all(io.end_ns > io.at_ns >= 0 and io.size == 4096 and not io.outcome for io in ios)
    assert all(io.why.startswith("to 259:") and "service-time" in io.why for io in ios)
    sent = [command for command in found.commands if command.queue in ("p0", "p1")]
    # Each I/O was part of one command of a path; sequential ones share some.
    carried = sorted(number for command in sent for number in command.ios)
    assert carried == sorted(io.number for io in ios)
    assert len(sent) < len(ios)
    for command in sent:
        assert command.size == sum(found.ios[number - 1].size for number in command.ios)
        assert 1 <= command.in_flight <= 32 and command.end_ns > command.at_ns
    assert [path.name for path in found.paths_of(recorded)] == ["p0", "p1"]
    assert (recorded.sectors, found.batch_ios, found.passed_over) == (2097152, 64, 0)


def test_operations_flags_and_names_with_colons(tmp_path: Path):
    events = [
        *an_io(1, "write 4096 @ 8 fua", 0, flags=["fua"], client=3),
        *an_io(2, "write zeroes 512 @ 0", 1, flags=["nounmap"]),
        *an_io(3, "flush", 2),
        event("b", "command", 1, 3.5, "/srv/a: b: write 4096 @ 8 fua", ios=[1]),
        count("/srv/a: b", 3.5, 2),
        event("e", "command", 1, 10, "/srv/a: b: write 4096 @ 8 fua", detail="recoverable transport"),
        event("e", "io", 1, 11.25, "write 4096 @ 8 fua", detail="critical target"),
        event("e", "io", 3, 12, "flush", detail="was still open when the trace ended"),
    ]
    found = read_trace(write(tmp_path, events))
    first, second, third = found.ios
    assert (first.op, first.size, first.sector, first.flags, first.client) == (WRITE, 4096, 8, FUA, 3)
    assert (first.at_ns, first.end_ns, first.outcome) == (0, 11250, "critical target")
    assert (second.op, second.flags, second.end_ns) == (WRITE_ZEROES, NOUNMAP, -1)
    assert (third.op, third.size, third.end_ns) == (FLUSH, 0, -1)
    (command,) = found.commands
    assert (command.queue, command.in_flight, command.outcome) == ("/srv/a: b", 2, "recoverable transport")


def test_what_others_have_added_is_passed_over(tmp_path: Path):
    events = [
        {"ph": "X", "name": "something", "ts": 1, "dur": 2, "pid": 7, "tid": 7},
        event("b", "another", 1, 0.5, "no I/O"),
        *an_io(1, "read 512 @ 0", 1),
    ]
    assert len(read_trace(write(tmp_path, events)).ios) == 1


READS = an_io(1, "read 512 @ 0", 5)
WRONG = [
    ([{"name": "no phase"}], "event 1 of traceEvents: Object missing required field `ph`"),
    ([event("b", "io", 1, 0, "read 512", client=0)], "event 1 of traceEvents: 'read 512' is no operation such as"),
    ([event("b", "io", 1, 0, "chew 512 @ 0", client=0)], "'chew 512 @ 0' is no operation"),
    ([event("b", "io", 1, 0, "read 512 @ 0")], "no number of its client"),
    ([event("b", "io", 1, 0, "read 512 @ 0", client=0, flags=["hot"])], "flag 'hot' is none of fua, preflush"),
    ([event("b", "io", 1, -1, "read 512 @ 0", client=0)], "wants a time"),
    ([event("b", "io", 1, "soon", "read 512 @ 0", client=0)], "event 1 of traceEvents: Expected `float"),  # type: ignore[arg-type]
    ([*READS, *READS], "event 3 of traceEvents: io 0x1 has begun before"),
    ([*READS, *an_io(2, "read 512 @ 0", 4)], "event 3 of traceEvents: time goes backwards, from 5 to 4 microseconds"),
    ([event("e", "io", 9, 0, "read 512 @ 0")], "io 0x9 has no beginning"),
    ([{**READS[0], "id": "one"}], "id 'one' is no hexadecimal number"),
    ([event("b", "command", 1, 0, "read 512 @ 0")], "a command is called QUEUE: OPERATION"),
    ([event("b", "command", 1, 0, "p1: read 512 @ 0"), count("p1", 0, 0)], "p1 in flight: 0, though"),
    (an_io(1, "read 4096 @ 2047", 0), "I/O 0x1: sectors from 2047 on, 4096 bytes, are not on mpatha"),
    ([*READS, *[event("e", "io", 1, 6, "read 512 @ 0")] * 2], "event 4 of traceEvents: io 0x1 has ended before"),
]


@pytest.mark.parametrize(("events", "text"), WRONG, ids=[text[:40] for _, text in WRONG])
def test_it_says_which_event_is_wrong_and_in_what(tmp_path: Path, events: list[dict[str, Any]], text: str):
    with pytest.raises(TraceError) as caught:
        read_trace(write(tmp_path, events))
    assert text in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_what_is_no_trace_at_all(tmp_path: Path):
    file = tmp_path / "io.json"
    file.write_text("traceEvents")
    with pytest.raises(TraceError, match="no trace of `hawser trace`"):
        read_trace(file)
    file.write_text("[]")
    with pytest.raises(TraceError, match="Expected `object`, got `array`"):
        read_trace(file)
    with pytest.raises(TraceError, match="No such file"):
        read_trace(tmp_path / "none.json")


def test_one_that_does_not_say_what_it_was_recorded_from(tmp_path: Path):
    """As those of an earlier version."""
    with pytest.raises(TraceError, match=r"does not say which maps and paths.*record it once more"):
        read_trace(write(tmp_path, [], {"ios_not_followed_for_want_of_room": 0}))
    for wrong, text in (
        ({**OTHER, "maps": [{**MAP, "sectors": 0}]}, "mpatha has 0 sectors"),
        ({**OTHER, "paths": [{**PATHS[0], "depth": 0}]}, "has depth 0"),
        ({**OTHER, "maps": [{"name": "mpatha"}]}, "missing required field `sectors` - at `$.otherData.maps[0]`"),
    ):
        with pytest.raises(TraceError) as caught:
            read_trace(write(tmp_path, [], wrong))
        assert text in str(caught.value)


def test_one_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = write(tmp_path, READS)
    monkeypatch.setattr(trace_read, "FILE_BYTES_MAX", 10)
    with pytest.raises(TraceError, match="more than the 10 that are read; trace fewer seconds"):
        read_trace(file)
    monkeypatch.undo()
    monkeypatch.setattr(trace_read, "EVENTS_MAX", 2)
    with pytest.raises(TraceError, match="3 events are more than 2"):
        read_trace(file)


def test_which_map(tmp_path: Path):
    two = {**OTHER, "maps": [MAP, {**MAP, "name": "mpathb", "number": "254:1"}]}
    found = read_trace(write(tmp_path, [*READS, *an_io(2, "read 512 @ 0", 6, "mpathb")], two))
    assert found.map_named("254:1").name == "mpathb"
    assert [io.number for io in found.asked_of(found.map_named("mpathb"))] == [2]
    with pytest.raises(TraceError, match="several maps, mpatha, mpathb: say which, --map NAME"):
        found.map_named("")
    with pytest.raises(TraceError, match="no map 'mpathc'; it has mpatha, mpathb"):
        found.map_named("mpathc")


def test_io_that_came_to_what_stands_on_a_map_is_not_replayed(tmp_path: Path):
    events = [*an_io(1, "read 512 @ 0", 1, "lin"), *an_io(2, "read 512 @ 0", 2, "p1")]
    found = read_trace(write(tmp_path, events))
    with pytest.raises(TraceError, match="no I/O came to map mpatha itself, but to lin:"):
        found.asked_of(found.maps[0])
    found = read_trace(write(tmp_path, events[2:]))
    with pytest.raises(TraceError, match="no I/O came to map mpatha while it was recorded"):
        found.asked_of(found.maps[0])


def test_a_path_that_the_file_does_not_know(tmp_path: Path):
    found = read_trace(write(tmp_path, READS, {**OTHER, "paths": PATHS[:1]}))
    with pytest.raises(TraceError, match="there is no path 259:1, which map mpatha has"):
        found.paths_of(found.maps[0])
