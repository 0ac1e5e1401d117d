"""Story: what happened in a run, for people: who did what when, with everything left out that went well and explains nothing.

Told are steps, what the map says, sessions, proofs, verdicts, and each I/O that failed, waited long, met an unusual command, or
touched a sector that an oracle complained about, with its commands. The rest is counted: "... 12 reads and 3 writes went well".
"""

import re
from collections.abc import Iterator
from typing import Final

from hawser.lab.plan import Plan
from hawser.lab.spans import CLIENT, FOREVER, PATH, READER, SERVER, Span, Spans
from hawser.lab.stacks import Places, is_path
from hawser.lab.trace import Event
from hawser.lab.trial import Trial
from hawser.lab.words import describe_step, describe_world, milliseconds, plural, said_values, tidy

# So many I/Os are told one by one anyway.
FEW: Final = 16
# An I/O that waits for this part of the I/O timeout is worth telling.
LONG_PART: Final = 4

# Lanes of mapped devices beside the one in the middle.
MAP: Final = "map "

# Tones of a line: how a terminal shows it.
PLAIN: Final = ""
BAD: Final = "bad"
FAULT: Final = "fault"
GOOD: Final = "good"
STEP: Final = "step"
FOLD: Final = "fold"

_FAULT_SECTOR: Final = re.compile(r"\bsector (\d+)")
# The map's log says again what the path's own lane says.
_SAID_TWICE: Final = re.compile(r"p\d+: (session \d+ is open|no late answer)")


class Line:
    """`time_ns` is FOREVER where a line stands for a stretch of time."""

    def __init__(self, time_ns: int, lane: str, text: str, tone: str) -> None:
        self.time_ns = time_ns
        self.lane = lane
        self.text = text
        self.tone = tone

    def plain(self) -> str:
        """`    1100.204 ms  client c     write 1 of sector 0 is acknowledged`."""
        if self.time_ns == FOREVER:
            return f"{'':>12}     {'':<10}  {self.text}"
        return f"{milliseconds(self.time_ns):>12} ms  {self.lane:<10}  {self.text}"


def header(plan: Plan) -> list[str]:
    """Which run it is, and its configuration."""
    name = f" ({plan.name})" if plan.name else ""
    return [f"seed {plan.seed}{name}", *describe_world(plan)]


def verdict(trial: Trial) -> list[str]:
    """What the judge says in the end."""
    if not trial.faults:
        return [f"Everything was right: {plural(trial.bios, 'I/O')}, {trial.event_count} events. Digest {trial.digest}"]
    return [f"WRONG: {tidy(fault)}" for fault in trial.faults] + trial.crash + [f"Digest {trial.digest}"]


def tell(trial: Trial, everything: bool = False) -> list[Line]:
    """The events of a trial that kept them. `everything`: nothing is left out."""
    return _Teller(trial, everything).lines()


class _Teller:
    def __init__(self, trial: Trial, everything: bool) -> None:
        self.plan = trial.plan
        self.events = trial.events
        self.everything = everything
        self.spans = Spans(trial.events)
        self.steps = sorted(range(len(trial.plan.steps)), key=lambda number: trial.plan.steps[number].at_ns)
        # Where sectors have other numbers below: what is added to those of each client.
        self.places = Places(trial.plan)
        self.shifts: dict[str, int] = {}
        if trial.plan.below or trial.plan.above:
            for client in trial.plan.clients:
                self.shifts[f"{CLIENT}{client.name}"] = self.places.shift(client.device)
        self.told = self._choose(trial.faults)

    def lines(self) -> list[Line]:
        found: list[Line] = []
        well: dict[str, int] = {}
        steps = iter(self.steps)
        for place, event in enumerate(self.events):
            span = self.spans.by_place.get(place)
            if span is not None and span not in self.told and not self.everything:
                if span.lane.startswith(CLIENT) and span.lane != READER and place == span.places[-1]:
                    well[span.op] = well.get(span.op, 0) + 1
                continue
            line = self._line(event, span, steps)
            if line is not None:
                if well:
                    found.append(_went_well(well))
                    well = {}
                found.append(line)
        if well:
            found.append(_went_well(well))
        return found

    # What is worth telling.

    def _choose(self, faults: list[str]) -> set[Span]:
        """The I/Os and commands that are told. (A set that is only asked, never gone through.)"""
        sectors = [int(match) for fault in faults for match in _FAULT_SECTOR.findall(fault)]
        own = [span for span in self.spans.ios if span.lane != READER]
        odd_writes = {number for span in self.spans.commands if span.trouble for number in span.writes}
        long_ns = min((path.io_timeout_ns for path in self.plan.paths), default=0) // LONG_PART
        chosen: list[Span] = []
        for span in own:
            touches = any(span.first <= sector <= span.last for sector in sectors)
            waits = span.end_ns - span.start_ns > long_ns
            odd = any(number in odd_writes for number in span.writes)
            if len(own) <= FEW or touches or waits or odd or span.trouble:
                chosen.append(span)
        told = set(chosen)
        for command in self.spans.commands:
            if command.trouble or any(self._belongs(command, span) for span in chosen):
                told.add(command)
        return told

    def _belongs(self, command: Span, span: Span) -> bool:
        """Whether a command may be one for this I/O."""
        if span.writes or command.writes:
            return any(number in command.writes for number in span.writes)
        if span.op != command.op or not span.start_ns <= command.start_ns < span.end_ns:
            return False
        return command.overlaps(span) if not self.shifts else self._touches(command, span)

    def _touches(self, command: Span, span: Span) -> bool:
        """The same where sectors have other numbers below."""
        path = command.lane.removeprefix(PATH)
        if command.first < 0 or not is_path(path):
            return command.first == span.first
        first = self.plan.paths[int(path[1:])].lun * self.plan.size_sectors
        shift = self.shifts.get(span.lane, 0)
        for sector in range(first + command.first, first + command.last + 1):
            if span.first <= self.places.sector_of(sector) - shift <= span.last:
                return True
        return False

    # Words.

    def _line(self, event: Event, span: Span | None, steps: Iterator[int]) -> Line | None:
        text = tidy(event.detail)
        lane, what = event.lane, event.what
        if what == "lost" and text.endswith(": power loss") and not self.everything:
            return None
        if lane == "world":
            return self._world(event, steps)
        if lane == "judge":
            return Line(event.time_ns, lane, f"FAULT: {text}", FAULT)
        if lane == "map" or lane.startswith(MAP):
            return self._of_map(event, text)
        if lane.startswith(CLIENT):
            if lane == READER:
                return self._reader(event, span)
            return Line(event.time_ns, lane, *_of_client(event, span))
        if lane.startswith(PATH):
            return Line(event.time_ns, lane, *_of_path(event, span))
        if lane.startswith(SERVER):
            return Line(event.time_ns, lane, *_of_server(event, span))
        return Line(event.time_ns, lane, f"{what} {text}".rstrip(), BAD if what == "lost" else PLAIN)

    def _of_map(self, event: Event, text: str) -> Line | None:
        if event.what != "says":
            return Line(event.time_ns, event.lane, f"{event.what} {text}".rstrip(), PLAIN)
        # With the fences off there is none to be lifted.
        if _SAID_TWICE.match(event.detail) or (self.plan.unsafe_no_fence and "fence lifted" in text):
            return None
        bad = any(word in text for word in ("Failing path", "fence: ", "no path left", "fails"))
        return Line(event.time_ns, "map", text, BAD if bad else PLAIN)

    def _world(self, event: Event, steps: Iterator[int]) -> Line:
        if event.what == "step":
            number = next(steps, -1)
            step = self.plan.steps[number]
            text = describe_step(step) if number >= 0 and event.detail.startswith(step.kind) else tidy(event.detail)
            return Line(event.time_ns, "world", text, STEP)
        if event.what == "heals":
            return Line(
                event.time_ns, "world", "everything is repaired; from here on nothing goes wrong any more", STEP
            )
        return Line(event.time_ns, "world", f"{event.what} {tidy(event.detail)}".rstrip(), STEP)

    def _reader(self, event: Event, span: Span | None) -> Line | None:
        """The judge's own client, which reads the whole disk in the end."""
        if span is None and not self.everything:
            return Line(event.time_ns, "judge", "reads the whole disk", PLAIN) if event.what == "connect" else None
        return Line(event.time_ns, "judge", *_of_client(event, span))


def _of_client(event: Event, span: Span | None) -> tuple[str, str]:
    if span is None:
        what = "is held back" if event.what == "held back" else f"{event.what}s"
        return f"{what} {tidy(event.detail)}".rstrip(), PLAIN
    what = _io(span)
    if "->" not in event.detail:
        return f"asks: {what}", PLAIN
    if not span.ok:
        return f"{what} {span.trouble}", BAD
    if span.op == "read":
        return f"{what} is answered{f': {said_values(span.found)}' if span.found else ''}", GOOD
    return f"{what} is {'acknowledged' if span.op != 'flush' else 'done'}", GOOD


def _went_well(well: dict[str, int]) -> Line:
    words = [plural(count, "write zeroes" if op == "zero" else op) for op, count in well.items()]
    said = " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    return Line(FOREVER, "", f"... {said.replace('zeroess', 'zeroes')} went well ...", FOLD)


def _io(span: Span) -> str:
    """`write 1 of sectors 0..7`, `FUA write 3 of sector 2`, `read of sector 5`, `flush`."""
    if span.first < 0:
        return span.op
    word = "write zeroes" if span.op == "zero" else span.op
    number = f" {span.writes[0]}" if span.writes else ""
    where = f"sector {span.first}" if span.first == span.last else f"sectors {span.first}..{span.last}"
    flags = f"{'flushing ' if ' preflush' in span.text else ''}{'FUA ' if span.text.endswith(' fua') else ''}"
    return f"{flags}{word}{number} of {where}"


def _of_path(event: Event, span: Span | None) -> tuple[str, str]:
    text = tidy(event.detail)
    if event.what == "sent":
        return f"sends {text}", PLAIN
    if event.what == "answered":
        good = span is not None and span.ok
        return f"is answered: {text}", PLAIN if good else BAD
    if event.what == "timeout":
        return f"gives up {text}", BAD
    if event.what == "late":
        return f"is answered after all: {text}", PLAIN
    said = {
        "open": f"{text} is open",
        "ended": text.replace(":", " ends:", 1),
        "lingers": f"{text}; its connection stays for a late answer",
        "proved": f"proof: {text}",
        "lost": f"loses {text}",
        "black": text,
        "passes": text,
    }
    tone = BAD if event.what in ("ended", "lost", "black", "lingers") else PLAIN
    return said.get(event.what, f"{event.what} {text}".rstrip()), tone


def _of_server(event: Event, span: Span | None) -> tuple[str, str]:
    text = tidy(event.detail)
    if event.what == "executed":
        if "after it was given up" in text:
            return f"GHOST: executes {text}", FAULT
        if span is not None and span.found:
            text = f"{text.rpartition(': ')[0]}: {said_values(span.found)}"
        return f"executes {text}", PLAIN
    if event.what == "dropped":
        return f"never executes {text}", BAD
    if event.what == "treats":
        command, _, how = text.rpartition(": ")
        return f"takes {command}, as arranged: {how.split(',')[0].replace('_', ' ')}", STEP
    bad = event.what in ("killed", "hung", "failed", "refused")
    return f"{event.what} {text}".rstrip(), BAD if bad else PLAIN
