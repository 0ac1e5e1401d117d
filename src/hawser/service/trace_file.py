"""Trace files: what a recorder has kept as trace-event JSON, the format that Perfetto and chrome://tracing open.

An I/O and a command are each an asynchronous event with a beginning (`b`) and an end (`e`), told apart by category and id;
what happens to an I/O in between are instants of it (`n`); commands in flight are counters (`C`). Times are microseconds
from the start of the trace. (Trace Event Format, "Async Events".)

What a replay in the laboratory (hawser.lab.model.trace_read) needs beside the I/Os stands in `otherData`; an I/O's beginning has
the number of its client's connection, and flags that its name does not say.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from hawser.block.ops import FUA, NOMERGE, NOUNMAP, PREFLUSH
from hawser.block.recorder import COMMAND_BEGINS, COMMAND_ENDS, IN_FLIGHT, IO_BEGINS, IO_ENDS, IO_STEP, Recorder, Row
from hawser.core.units import NS_PER_US

PROCESS: Final = 1
# A third of a millisecond's work: for that long clients wait meanwhile.
ROWS_PER_CHUNK: Final = 100

NOT_FOLLOWED: Final = "ios_not_followed_for_want_of_room"

FLAG_WORDS: Final = ((FUA, "fua"), (PREFLUSH, "preflush"), (NOMERGE, "nomerge"), (NOUNMAP, "nounmap"))

_PHASES: Final = {IO_BEGINS: "b", IO_STEP: "n", IO_ENDS: "e", COMMAND_BEGINS: "b", COMMAND_ENDS: "e", IN_FLIGHT: "C"}


def chunks(recorder: Recorder, start_ns: int, name: str, surroundings: dict[str, Any]) -> Iterator[str]:
    """The file's text, in pieces of bounded size. `name` is what the process is called, `surroundings` what it was recorded in
    (hawser.service.trace_facts)."""
    head = {"name": "process_name", "ph": "M", "pid": PROCESS, "args": {"name": name}}
    other = {NOT_FOLLOWED: recorder.passed_over, **surroundings}
    yield '{"displayTimeUnit":"ns","otherData":' + _json(other) + ',"traceEvents":[\n' + _json(head)
    # The name of an event that ends must be that of its beginning.
    names: dict[tuple[str, int], str] = {}
    for first in range(0, len(recorder.rows), ROWS_PER_CHUNK):
        rows = recorder.rows[first : first + ROWS_PER_CHUNK]
        yield "".join(",\n" + _json(_event(row, start_ns, names)) for row in rows)
    yield "\n]}\n"


def not_followed(beginning: str) -> int:
    """How many I/Os were passed over, by the first piece of a file."""
    found = re.search(rf'"{NOT_FOLLOWED}":(\d+)', beginning)
    return int(found[1]) if found is not None else 0


def _event(row: Row, start_ns: int, names: dict[tuple[str, int], str]) -> dict[str, Any]:
    phase = _PHASES[row.kind]
    event: dict[str, Any] = {"ph": phase, "ts": (row.at_ns - start_ns) / NS_PER_US, "pid": PROCESS, "tid": 1}
    if row.kind == IN_FLIGHT:
        return event | {"name": f"{row.name} in flight", "args": {"commands": row.number}}
    category = "command" if row.kind in (COMMAND_BEGINS, COMMAND_ENDS) else "io"
    key = (category, row.number)
    name = row.name
    if phase == "b":
        names[key] = name
    elif phase == "e":
        name = names.pop(key)
    args: dict[str, Any] = {}
    if row.detail:
        args["detail"] = row.detail
    if row.members is not None:
        args["ios"] = row.members
    if row.origin is not None:
        flags, args["client"] = row.origin
        if flags:
            args["flags"] = [word for bit, word in FLAG_WORDS if flags & bit]
    return event | {"cat": category, "id": f"0x{row.number:x}", "name": name, "args": args}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
