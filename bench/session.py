"""One run of the bench: the contenders are chosen, the heading printed, the races run, the report made."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM
from threading import Event

from rich.console import Console

from bench import against, heading, image, report, results
from bench.cases import ENGINE_GROUPS, RQ_SORTED, Row, select_rows
from bench.contenders import Contender, Edition, Places, hawser_contender, peers_of
from bench.engine_group import EngineLane, engine_lanes, run_engine
from bench.race import Lane, Settings, lanes_of, run_race

ROOT = Path(__file__).resolve().parent.parent
TITLES = {
    "file": "file: hawser over four paths to one file, against stock servers of that file",
    "proxy": "proxy: hawser over two `nbdkit file` upstreams, against stock proxies over the first of them",
    "engine": "engine: the engine alone over a null driver",
    "lab": f"lab: the engine over four simulated paths, unjudged; goal: {report.LAB_GOAL:,} I/Os per second, compiled",
    "model": f"model: the laboratory's model; goal of {RQ_SORTED}: {report.MODEL_GOAL:,} I/Os per second, compiled",
}
ENGINE_RUN_S = 2.0
Lanes = list[list[Lane]]


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, checked."""

    rounds: int
    seconds: float
    size_bytes: int
    rows: str
    groups: tuple[str, ...]
    modes: tuple[str, ...]
    engine_ios: int
    json_path: Path
    revision: str | None
    hawser: tuple[str, ...]
    peers_only: bool


class Session:
    """Holds what a run needs from its heading to its report."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.out = Console() if sys.stdout.isatty() else Console(width=report.WIDTH)
        self.progress = Console(stderr=True, highlight=False)
        self.started_s = time.monotonic()
        self.estimate_s = 0.0
        self.interrupted = False

    def run(self) -> int:
        """The exit status: 0 if everything was measured."""
        with tempfile.TemporaryDirectory(prefix="hawser-bench-") as name, ExitStack() as stack:
            places = Places(Path(name))
            settings = Settings(places, self.options.rounds, self.options.seconds, self.options.size_bytes)
            contenders = self._contenders(places, stack)
            races = {group: lanes_of(self._rows(group), who) for group, who in contenders.items()}
            races = {group: lanes for group, lanes in races.items() if lanes}
            local = [group for group in self.options.groups if group in ENGINE_GROUPS]
            engine = [lane for group in local for lane in engine_lanes(self.options.modes, group)]
            self._print_heading(settings, races, engine)
            self._measure(settings, races, engine)
        rows = [row for lanes in races.values() for row in results.race_rows(lanes)]
        rows += results.engine_rows(engine)
        rows = [row | heading.stamp() for row in rows]
        results.write_json(rows, self.options.json_path)
        report.print_report(self.out, rows, TITLES)
        if self.interrupted:
            self.out.print("interrupted: these are the measurements until then", style="red")
        return 1 if self.interrupted or any(row["errors"] for row in rows) else 0

    def _rows(self, group: str) -> Sequence[Row]:
        return select_rows(group, self.options.rows)

    def _contenders(self, places: Places, stack: ExitStack) -> dict[str, list[Contender]]:
        """Ours and its peers for each group; with `--against` the peers are another revision, built here."""
        options, editions = self.options, []
        if not options.peers_only:
            python = Path(options.hawser[0]).with_name("python")
            build = heading.build_of(python, places.directory)
            editions.append(Edition("hawser", options.hawser, build, ours=True))
        if options.revision is not None:
            self.progress.print(f"building {options.revision} ...")
            editions.append(stack.enter_context(against.built(ROOT, options.revision, places.directory)))
            self.started_s = time.monotonic()
        found: dict[str, list[Contender]] = {}
        for group in (group for group in options.groups if group not in ENGINE_GROUPS):
            modes = [(edition, mode) for edition in editions for mode in options.modes]
            found[group] = [hawser_contender(edition, places, group, mode) for edition, mode in modes]
            found[group] += peers_of(group, places) if options.revision is None else []
        return found

    def _print_heading(self, settings: Settings, races: dict[str, Lanes], engine: Sequence[EngineLane]) -> None:
        options = self.options
        lines = heading.machine_lines()
        contenders = {group: [lane.contender for lane in lanes[0]] for group, lanes in races.items()}
        builds = {c.name: c.build for who in contenders.values() for c in who if c.build}
        lines.append(heading.version_line(builds))
        for group, who in contenders.items():
            commands = {contender.label: contender.shown(settings.places) for contender in who}
            lines += heading.race_lines(TITLES[group], commands)
            self.estimate_s += settings.estimate_s(self._rows(group), len(who))
        self.estimate_s += len(engine) * options.rounds * ENGINE_RUN_S
        lines += [
            f"settings {options.rounds} rounds of {options.seconds:g} s, order rotated, one server at a time;"
            f" {options.size_bytes >> 20} MiB image, in the page cache before each run, flushed after writes",
            "         4 connections share the depth (8 each of 32); at depth 1 each has one I/O in flight",
            f"estimate {heading.format_minutes(self.estimate_s)} minutes",
        ]
        for line in lines:
            self.out.print(line, markup=False, highlight=False, soft_wrap=True)

    def _measure(self, settings: Settings, races: dict[str, Lanes], engine: Sequence[EngineLane]) -> None:
        if races:
            image.create(settings.places.image, settings.size_bytes)
        with stopping_between_measurements(settings.stop):
            for lanes in races.values():
                run_race(lanes, settings, self._on_row)
            if engine:
                rounds, ios = self.options.rounds, self.options.engine_ios
                run_engine(ROOT, engine, rounds, ios, settings.stop, self._on_engine)
        self.interrupted = settings.stop.is_set()

    def _on_row(self, round_number: int, lanes: Sequence[Lane]) -> None:
        said = [f"{lane.contender.label} {_latest(lane, round_number)}" for lane in lanes]
        self._say(round_number, f"{lanes[0].row.key}: {', '.join(said)}")

    def _on_engine(self, round_number: int, lanes: Sequence[EngineLane]) -> None:
        said = [
            f"{lane.group} {lane.build} {lane.mode} {report.short(min(lane.ns_per_io, default=None))}" for lane in lanes
        ]
        self._say(round_number, f"best ns per I/O so far: {', '.join(said)}")

    def _say(self, round_number: int, text: str) -> None:
        clock = heading.format_minutes(time.monotonic() - self.started_s)
        whole = heading.format_minutes(self.estimate_s)
        line = f"[{clock} of {whole}] round {round_number + 1}/{self.options.rounds} {text}"
        self.progress.print(line, markup=False, soft_wrap=True)


@contextmanager
def stopping_between_measurements(stop: Event) -> Iterator[None]:
    """SIGINT and SIGTERM set `stop` in the block: no server is left behind, and what was measured is reported."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (SIGINT, SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _latest(lane: Lane, round_number: int) -> str:
    last = lane.measurements[-1] if lane.measurements else None
    return f"{report.thousands(last.iops)}k" if last and last.round == round_number else "failed"
