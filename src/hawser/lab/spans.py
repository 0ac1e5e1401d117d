"""Spans: what lasted in a run, put together from its events: an I/O from issue to answer, a command from sending to effect.

The trace has moments only. A story needs to know which of them belong together, and whether all went well with them; a figure
needs their beginnings and ends.
"""

import re
from typing import Final

from hawser.lab.plan import OP_WORDS
from hawser.lab.trace import Event

# Later than anything that happens.
FOREVER: Final = 1 << 62

CLIENT: Final = "client "
PATH: Final = "path "
SERVER: Final = "server "
READER: Final = "client reader"

_SECTORS: Final = re.compile(r"(\d+)\.\.(\d+)")
_COMMAND: Final = re.compile(r"(?P<key>\S+#\d+\.\d+) (?P<what>[^:]*)")
_WRITES: Final = re.compile(r"\(writes? ([\d ]+)\)")
_OP_OF_WORD: Final = {"zeroes": "zero", "zero": "zero"}


class Span:
    """`first` and `last` are sectors (-1 of a flush), `writes` the numbers of the writes in it, `places` those of its events in
    the trace.

    `end_ns` is FOREVER where there was none. `effects`: when a server executed a command. `trouble`: what was unusual about it,
    first thing first; empty where all went well. `found`: what a read found, in words.
    """

    def __init__(self, lane: str, key: str, op: str, start_ns: int, text: str) -> None:
        self.lane = lane
        self.key = key
        self.op = op
        self.text = text
        self.start_ns = start_ns
        self.end_ns = FOREVER
        self.ok = False
        self.first = -1
        self.last = -1
        self.writes: list[int] = []
        self.effects: list[int] = []
        self.found = ""
        self.effect_lane = ""
        self.given_up_ns = FOREVER
        self.dropped_ns = FOREVER
        self.places: list[int] = []
        self.trouble = ""
        found = _SECTORS.search(text)
        if found is not None:
            self.first, self.last = int(found[1]), int(found[2])

    def overlaps(self, other: "Span") -> bool:
        return self.first <= other.last and other.first <= self.last

    def note(self, trouble: str) -> None:
        if not self.trouble:
            self.trouble = trouble


class Spans:
    """`ios` of clients and `commands` of paths, each in order of their beginning."""

    def __init__(self, events: list[Event]) -> None:
        self.ios: list[Span] = []
        self.commands: list[Span] = []
        self.by_place: dict[int, Span] = {}
        self._open_ios: dict[str, list[Span]] = {}
        self._by_key: dict[str, Span] = {}
        for place, event in enumerate(events):
            span = self._take(event)
            if span is not None:
                span.places.append(place)
                self.by_place[place] = span
        self._find_out()

    def _take(self, event: Event) -> Span | None:
        lane = event.lane
        if lane.startswith(CLIENT):
            return self._take_client(event)
        if lane.startswith(PATH):
            return self._take_path(event)
        return self._take_server(event) if lane.startswith(SERVER) else None

    def _find_out(self) -> None:
        """A client's read found what the command of just this read has found. Of merged and split ones that is not told."""
        found: dict[tuple[int, int, int], str] = {}
        for command in self.commands:
            if command.found and command.ok:
                found[(command.end_ns, command.first, command.last)] = command.found
        for span in self.ios:
            if span.op == "read" and span.ok:
                span.found = found.get((span.end_ns, span.first, span.last), "")

    # Clients: `write 8..15 #3`, later `write 8..15 #3 -> ok`.

    def _take_client(self, event: Event) -> Span | None:
        if event.what == "disconnect":
            self._leave(event)
        if event.what not in OP_WORDS:
            return None
        detail, _, status = event.detail.rpartition("-> ")
        key = f"{event.lane} {event.what} {(detail if status and detail else event.detail).strip()}"
        if "->" not in event.detail:
            span = Span(event.lane, key, event.what, event.time_ns, event.detail)
            number = re.search(r"#(\d+)", event.detail)
            span.writes = [int(number[1])] if number is not None else []
            self.ios.append(span)
            self._open_ios.setdefault(key, []).append(span)
            return span
        return self._answer_client(event, f"{event.lane} {event.what} {detail.strip()}", status)

    def _answer_client(self, event: Event, key: str, status: str) -> Span | None:
        waiting = self._open_ios.get(key)
        if not waiting:
            return None
        span = waiting.pop(0)
        if span.end_ns == FOREVER:
            span.end_ns = event.time_ns
            span.ok = status == "ok"
            if not span.ok:
                span.note(f"fails: {status} error")
        return span

    def _leave(self, event: Event) -> None:
        """Nobody hears of what is open."""
        for spans in self._open_ios.values():
            for span in spans:
                if span.lane == event.lane and span.end_ns == FOREVER:
                    span.end_ns = event.time_ns
                    span.note("its client has gone")

    # Paths: `sent p0#1.15 write of sectors 8..15 (write 12)`, later `answered ...: ok`, `timeout ...`, or `ended session 1: ...`.

    def _take_path(self, event: Event) -> Span | None:
        if event.what == "ended":
            self._session_ended(event)
            return None
        found = _COMMAND.match(event.detail)
        if found is None:
            return None
        if event.what == "sent":
            return self._sent(event, found["key"], found["what"])
        span = self._by_key.get(found["key"])
        if span is None:
            return None
        if event.what in ("answered", "late"):
            _answered(span, event)
        elif event.what == "timeout":
            span.given_up_ns = min(span.given_up_ns, event.time_ns)
            span.note("given up")
        return span

    def _sent(self, event: Event, key: str, what: str) -> Span:
        word = what.replace("FUA ", "").split(" of ")[0].split()[-1]
        span = Span(event.lane, key, _OP_OF_WORD.get(word, word), event.time_ns, what)
        writes = _WRITES.search(what)
        span.writes = [int(word) for word in writes[1].split()] if writes is not None else []
        self.commands.append(span)
        self._by_key[key] = span
        return span

    def _session_ended(self, event: Event) -> None:
        """`session 3: ...`: what it has open is given up."""
        session = event.detail.split(":")[0].removeprefix("session ")
        start = f"{event.lane.removeprefix(PATH)}#{session}."
        for span in self._by_key.values():
            if span.end_ns == FOREVER and span.given_up_ns == FOREVER and span.key.startswith(start):
                span.given_up_ns = event.time_ns
                span.note("given up")

    # Servers: `executed p0#1.15 ...`, `dropped p0#1.15 ...: why`.

    def _take_server(self, event: Event) -> Span | None:
        found = _COMMAND.match(event.detail)
        span = self._by_key.get(found["key"]) if found is not None else None
        if span is None:
            return None
        if event.what == "executed":
            span.effects.append(event.time_ns)
            span.effect_lane = event.lane
            _, more, text = event.detail.partition(": ")
            if span.op == "read":
                span.found = text
            elif more:
                span.note("executed in a way of its own")
        else:
            span.note(event.what)
            if event.what == "dropped":
                span.effect_lane = event.lane
                span.dropped_ns = event.time_ns
        return span


def _answered(span: Span, event: Event) -> None:
    if span.end_ns != FOREVER:
        span.note("answered twice")
        return
    span.end_ns = event.time_ns
    span.ok = event.detail.endswith(": ok")
    if not span.ok:
        span.note("fails")
