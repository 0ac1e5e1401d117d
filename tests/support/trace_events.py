"""A trace file, read as strictly as the Trace Event Format has it, and the lives of the I/Os in it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What an event of each phase has. ("Event Descriptions", "Async Events", "Counter Events", "Metadata Events".)
_TIMED = {"ph", "name", "ts", "pid", "tid"}
_ASYNC = _TIMED | {"cat", "id", "args"}
FIELDS = {
    "M": {"ph", "name", "pid", "args"},
    "C": _TIMED | {"args"},
    "b": _ASYNC,
    "n": _ASYNC,
    "e": _ASYNC,
}
STILL_OPEN = "was still open when the trace ended"


@dataclass
class Step:
    at_us: float
    name: str
    detail: str


@dataclass
class Span:
    """Something with a beginning and an end: an I/O (`cat` io) or a command."""

    cat: str
    name: str
    begins_us: float
    ios: list[int]
    steps: list[Step] = field(default_factory=list)
    ends_us: float = -1.0
    outcome: str = ""

    def is_cut(self) -> bool:
        return self.outcome == STILL_OPEN

    def details(self, name: str) -> list[str]:
        return [step.detail for step in self.steps if step.name == name]

    def tell(self) -> str:
        return "\n".join([self.name, *(f"  {step.at_us:.1f} {step.name}: {step.detail}" for step in self.steps)])


class TraceFile:
    """`ios` and `commands` by their ids. Reading it asserts that it is valid."""

    def __init__(self, path: Path) -> None:
        self.ios: dict[str, Span] = {}
        self.commands: dict[str, Span] = {}
        self.counters: dict[str, list[int]] = {}
        self.process = ""
        self._last_us = 0.0
        whole = json.loads(path.read_text(), parse_constant=_refuse)
        assert set(whole) == {"displayTimeUnit", "otherData", "traceEvents"}
        assert whole["displayTimeUnit"] == "ns"
        self.passed_over = whole["otherData"]["ios_not_followed_for_want_of_room"]
        for event in whole["traceEvents"]:
            self._take(event)
        for span in [*self.ios.values(), *self.commands.values()]:
            assert span.ends_us >= span.begins_us, f"it has no end: {span.tell()}"

    def of_clients(self, device: str) -> list[Span]:
        """The I/Os that came to `device`: checkers read from paths."""
        return [io for io in self.ios.values() if io.steps[0].detail == device]

    def _take(self, event: dict[str, Any]) -> None:
        phase = event["ph"]
        assert set(event) == FIELDS[phase], event
        assert isinstance(event["name"], str) and event["name"] and event["pid"] == 1, event
        if phase == "M":
            assert event["name"] == "process_name"
            self.process = event["args"]["name"]
            return
        assert isinstance(event["ts"], (int, float)) and event["tid"] == 1, event
        assert event["ts"] >= self._last_us, f"time goes backwards: {event}"
        self._last_us = event["ts"]
        if phase == "C":
            assert isinstance(event["args"]["commands"], int) and len(event["args"]) == 1, event
            self.counters.setdefault(event["name"], []).append(event["args"]["commands"])
        else:
            self._take_async(event)

    def _take_async(self, event: dict[str, Any]) -> None:
        assert int(event["id"], 16) > 0 and set(event["args"]) <= {"detail", "ios", "client", "flags"}, event
        spans = {"io": self.ios, "command": self.commands}[event["cat"]]
        detail = event["args"].get("detail", "")
        if event["ph"] == "b":
            assert event["id"] not in spans, f"the id is taken: {event}"
            ios = event["args"].get("ios", [])
            spans[event["id"]] = Span(event["cat"], event["name"], event["ts"], ios)
            return
        span = spans[event["id"]]
        assert span.ends_us < 0, f"it has ended before: {event}"
        if event["ph"] == "n":
            span.steps.append(Step(event["ts"], event["name"], detail))
        else:
            assert event["name"] == span.name, event
            span.ends_us = event["ts"]
            span.outcome = detail


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")
