"""The race: rounds over rows over contenders, one server at a time, in an order that changes every round.

Rounds are the outermost loop, so that the measurements of one row are spread over the whole run, while those
that are divided by each other (the contenders of one row in one round) follow one another within seconds.
Each server is started for its measurement and stopped after it: no peer idles beside it, and all meet the
same cache state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Event
from typing import TypeVar

from bench import image
from bench.cases import BenchError, Row
from bench.contenders import Contender, Places, upstreams
from bench.fio import fio_command, run_fio
from bench.servers import Server, serving

FIO_START_S = 0.35
SERVER_START_S = 0.25
WARM_S_PER_GIB = 0.15
SETTLE_S_PER_GIB = 0.8

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One server, one row, one round."""

    round: int
    iops: float
    p50_us: float
    p99_us: float
    p999_us: float
    cpu_us: float


@dataclass(slots=True)
class Lane:
    """All measurements of one contender in one row, and what went wrong in the rounds that have none."""

    row: Row
    contender: Contender
    measurements: list[Measurement] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Settings:
    """What every measurement has in common; once `stop` is set, none is begun any more."""

    places: Places
    rounds: int
    seconds: float
    size_bytes: int
    stop: Event = field(default_factory=Event)

    def estimate_s(self, rows: Sequence[Row], contenders: int) -> float:
        """How long a race over these rows takes, from what one measurement costs beside fio's run time."""
        gib = self.size_bytes / (1 << 30)
        each_s = self.seconds + FIO_START_S + SERVER_START_S + WARM_S_PER_GIB * gib
        writes_s = SETTLE_S_PER_GIB * gib * sum(row.case.writes for row in rows)
        return self.rounds * contenders * (each_s * len(rows) + writes_s)


OnRow = Callable[[int, Sequence[Lane]], None]


def lanes_of(rows: Sequence[Row], contenders: Sequence[Contender]) -> list[list[Lane]]:
    """For each row a lane for each contender, still empty."""
    return [[Lane(row, contender) for contender in contenders] for row in rows]


def run_race(lanes: Sequence[Sequence[Lane]], settings: Settings, on_row: OnRow) -> None:
    """Fills the lanes of one group, round by round, until done or told to stop."""
    with ExitStack() as stack:
        servers: list[Server] = []
        if lanes[0][0].row.group == "proxy":
            try:
                servers = _start_upstreams(stack, settings.places)
            except BenchError as error:
                for lane in (lane for row_lanes in lanes for lane in row_lanes):
                    lane.errors.append(f"upstream: {error}")
                return
        for round_number in range(settings.rounds):
            for row_lanes in lanes:
                for lane in rotated(row_lanes, round_number):
                    if settings.stop.is_set():
                        return
                    _measure_into(lane, round_number, settings, servers)
                on_row(round_number, row_lanes)


def _start_upstreams(stack: ExitStack, places: Places) -> list[Server]:
    return [stack.enter_context(serving(upstream, places.directory)) for upstream in upstreams(places)]


def rotated(items: Sequence[Item], round_number: int) -> list[Item]:
    """Each round starts with another one, and every other round goes on backwards: no fixed forerunner."""
    shift = round_number % max(1, len(items))
    first, *rest = [*items[shift:], *items[:shift]]
    return [first, *(rest[::-1] if round_number % 2 else rest)]


def _measure_into(lane: Lane, round_number: int, settings: Settings, upstream: Sequence[Server]) -> None:
    try:
        lane.measurements.append(measure(lane, round_number, settings, upstream))
    except BenchError as error:
        lane.errors.append(f"round {round_number + 1}: {error}")


def measure(lane: Lane, round_number: int, settings: Settings, upstream: Sequence[Server]) -> Measurement:
    """One server over one run of fio, with the image in the page cache and, after writes, flushed."""
    places, row = settings.places, lane.row
    command = fio_command(lane.contender.uri, row.case, row.connections, settings.size_bytes, settings.seconds)
    image.warm(places.image)
    with ExitStack() as stack:
        if lane.contender.command:
            server = stack.enter_context(serving(lane.contender, places.directory))
        else:
            server = upstream[0]
        cpu_before_s = server.cpu_s()
        try:
            result = run_fio(command, settings.seconds, places.directory)
        except BenchError as error:
            raise BenchError(f"{error}{server.epitaph()}") from error
        cpu_s = server.cpu_s() - cpu_before_s
    if row.case.writes:
        image.settle(places.image)
    cpu_us = cpu_s * 1e6 / result.ios
    return Measurement(round_number, result.iops, result.p50_us, result.p99_us, result.p999_us, cpu_us)
