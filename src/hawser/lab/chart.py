"""Chart: what a figure of a run shows, before anything is drawn: lanes, and in them bars, areas and moments.

One lane per client, for the map, and one per path and server. The chart ends with the first fault, or the clients' last I/O.
"""

import re
from typing import Final

from hawser.lab.axis import Axis
from hawser.lab.plan import ANSWER_STEPS, Plan, Step
from hawser.lab.spans import FOREVER, READER, Span, Spans
from hawser.lab.trace import Event
from hawser.lab.trial import Trial
from hawser.lab.words import lane_of_target

AFTER_NS: Final = 20_000

# Kinds of areas.
FENCE: Final = "fence"
DOWN: Final = "down"
FAILED: Final = "failed"
STEP: Final = "step"
SUSPENDED: Final = "suspended"

# Kinds of moments.
FAULT: Final = "fault"
HAPPENS: Final = "happens"
GHOST: Final = "ghost"

_FAILING: Final = re.compile(r": (Failing|Reinstating) path 259:(\d+)\.")
_FENCE: Final = re.compile(r": fence: (.*): fate unknown")
_LIFTED: Final = re.compile(r": fence lifted: (.*?\)): ")

# What a step is called in a figure, where its own name would not do.
_SHORT: Final = {
    "execute_late": "late",
    "answer_late": "late answer",
    "answer_never": "no answer",
    "error_after": "error",
}


class Bar:
    """`row` is its place within the lane. `ghost_ns`: from when on it was a ghost. `failed`: it ended badly."""

    def __init__(self, start_ns: int, end_ns: int, op: str, label: str) -> None:
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.op = op
        self.label = label
        self.row = 0
        self.failed = False
        self.ghost_ns = FOREVER


class Area:
    def __init__(self, kind: str, start_ns: int, end_ns: int, label: str) -> None:
        self.kind = kind
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.label = label


class Moment:
    def __init__(self, kind: str, time_ns: int, label: str) -> None:
        self.kind = kind
        self.time_ns = time_ns
        self.label = label


class Lane:
    """`rows`: how many bars lie above each other in it at most."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = 1
        self.bars: list[Bar] = []
        self.areas: list[Area] = []
        self.moments: list[Moment] = []

    def stack(self) -> None:
        """Give each bar the lowest row that is free."""
        ends: list[int] = []
        for bar in sorted(self.bars, key=lambda bar: bar.start_ns):
            free = [row for row, end_ns in enumerate(ends) if end_ns <= bar.start_ns]
            bar.row = free[0] if free else len(ends)
            if not free:
                ends.append(0)
            ends[bar.row] = bar.end_ns
        self.rows = max(1, len(ends))


class Chart:
    """`lanes` from top to bottom, `faults` across all of them."""

    def __init__(self, trial: Trial) -> None:
        self.plan: Plan = trial.plan
        self.lanes: list[Lane] = []
        self.faults: list[Moment] = []
        self._by_name: dict[str, Lane] = {}
        spans = Spans(trial.events)
        self.end_ns = _end_ns(trial, spans)
        self._add_lanes(trial.plan)
        for span in spans.ios:
            if span.lane != READER:
                self._add_io(span)
        for span in spans.commands:
            self._add_command(span)
        for event in trial.events:
            if event.time_ns <= self.end_ns:
                self._add_event(event)
        self._add_sessions(trial.events)
        for step in trial.plan.steps:
            self._add_step(step)
        for lane in self.lanes:
            lane.stack()
        self.axis = Axis(self._moments())

    def lane(self, name: str) -> Lane:
        return self._by_name[name]

    def _add_lanes(self, plan: Plan) -> None:
        names = [f"client {client.name}" for client in plan.clients]
        names.append("map")
        names += [f"path p{number}" for number in range(len(plan.paths))]
        names += [f"server s{number}" for number in range(len(plan.servers))]
        for name in names:
            lane = Lane(name)
            self.lanes.append(lane)
            self._by_name[name] = lane

    def _moments(self) -> list[int]:
        found: list[int] = [moment.time_ns for moment in self.faults]
        for lane in self.lanes:
            found += [moment.time_ns for moment in lane.moments]
            for bar in lane.bars:
                found += [bar.start_ns, bar.end_ns]
            for area in lane.areas:
                found += [area.start_ns, area.end_ns]
        found = [time_ns for time_ns in found if time_ns <= self.end_ns]
        start_ns = min(found, default=0)
        return [start_ns, *found, self.end_ns + AFTER_NS]

    # Bars.

    def _add_io(self, span: Span) -> None:
        lane = self._by_name.get(span.lane)
        if lane is None or span.start_ns > self.end_ns:
            return
        bar = Bar(span.start_ns, min(span.end_ns, self.end_ns), span.op, _label(span))
        bar.failed = not span.ok and span.end_ns != FOREVER
        lane.bars.append(bar)

    def _add_command(self, span: Span) -> None:
        if span.start_ns >= self.end_ns:
            return
        until_ns = min(span.end_ns, span.given_up_ns)
        bar = Bar(span.start_ns, min(until_ns, self.end_ns), span.op, _label(span))
        bar.failed = span.given_up_ns != FOREVER or (span.end_ns != FOREVER and not span.ok)
        self._by_name[span.lane].bars.append(bar)
        server = self._by_name.get(span.effect_lane)
        if server is not None:
            self._add_service(server, span)

    def _add_service(self, server: Lane, span: Span) -> None:
        """On the server's lane a command lasts from its sending to its effect, or to the moment when it is certain to have
        none.
        """
        effect_ns = min(span.effects[-1] if span.effects else span.dropped_ns, self.end_ns)
        bar = Bar(span.start_ns, effect_ns, span.op, _label(span))
        bar.failed = not span.effects
        if span.effects and span.given_up_ns < effect_ns:
            bar.ghost_ns = span.given_up_ns
            if span.op not in ("read", "flush"):
                server.moments.append(Moment(GHOST, effect_ns, "lands"))
        server.bars.append(bar)

    # Areas and moments.

    def _add_event(self, event: Event) -> None:
        if event.lane == "judge":
            self.faults.append(Moment(FAULT, event.time_ns, event.detail))
        elif event.lane == "map":
            self._add_map_event(event)

    def _add_map_event(self, event: Event) -> None:
        lane = self._by_name["map"]
        if event.what == "suspends":
            lane.areas.append(Area(SUSPENDED, event.time_ns, self.end_ns, "suspended"))
        elif event.what in ("resumes", "reloads"):
            _close(lane, SUSPENDED, "suspended", event.time_ns)
        fence = _FENCE.search(event.detail)
        if fence is not None:
            lane.areas.append(Area(FENCE, event.time_ns, self.end_ns, fence[1]))
        lifted = _LIFTED.search(event.detail)
        if lifted is not None:
            _close(lane, FENCE, lifted[1], event.time_ns)
        path = _FAILING.search(event.detail)
        if path is None:
            return
        own = self._by_name.get(f"path p{path[2]}")
        if own is None:
            return
        if path[1] == "Failing" and not _is_open(own, FAILED):
            own.areas.append(Area(FAILED, event.time_ns, self.end_ns, "failed"))
        elif path[1] == "Reinstating":
            _close(own, FAILED, "failed", event.time_ns)

    def _add_sessions(self, events: list[Event]) -> None:
        """Where a path has had a session and has none."""
        for event in events:
            lane = self._by_name.get(event.lane)
            if lane is None or event.time_ns > self.end_ns:
                continue
            if event.what == "ended" and not _is_open(lane, DOWN):
                lane.areas.append(Area(DOWN, event.time_ns, self.end_ns, "no session"))
            elif event.what == "open":
                _close(lane, DOWN, "no session", event.time_ns)

    def _add_step(self, step: Step) -> None:
        name = lane_of_target(step) or "map"
        # Whatever is done to a mapped device is in one lane.
        lane = self._by_name.get("map" if name.startswith("map ") else name)
        if lane is None or step.at_ns > self.end_ns:
            return
        label = _SHORT.get(step.kind, step.kind).replace("_", " ")
        one_shot = step.kind in ANSWER_STEPS or step.kind in ("message", "suspend", "reload")
        if step.duration_ns and not one_shot:
            lane.areas.append(Area(STEP, step.at_ns, min(step.at_ns + step.duration_ns, self.end_ns), label))
        else:
            if step.word and step.word != "any" and step.kind != "reload":
                label = f"{label}: {step.word}"
            lane.moments.append(Moment(HAPPENS, step.at_ns, label))


def _close(lane: Lane, kind: str, label: str, time_ns: int) -> None:
    """The oldest open area of this kind ends."""
    for area in lane.areas:
        if (
            area.kind == kind
            and area.label == label
            and area.start_ns <= time_ns < area.end_ns
            and not _is_closed(area)
        ):
            area.end_ns = time_ns
            area.label += " "
            return


def _is_open(lane: Lane, kind: str) -> bool:
    return any(area.kind == kind and not _is_closed(area) for area in lane.areas)


def _is_closed(area: Area) -> bool:
    return area.label.endswith(" ")


def _label(span: Span) -> str:
    """`W1`, `F`; `R1` of a read that found write 1."""
    numbers = [str(number) for number in span.writes if number] or span.found.split()[1:]
    return span.op[:1].upper() + ",".join(dict.fromkeys(numbers))


def _end_ns(trial: Trial, spans: Spans) -> int:
    """What comes after the first fault, or after the clients' last I/O, is of no interest."""
    faults = [event.time_ns for event in trial.events if event.lane == "judge"]
    if faults:
        return faults[0]
    return max([min(span.end_ns, trial.end_ns) for span in spans.ios if span.lane != READER], default=trial.end_ns)
