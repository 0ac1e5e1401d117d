"""The demonstration: verified I/O through NBD while paths fail and come back by a story.

The rig and its gateway run in this process, on this loop; the load in one of its own. Here the two are played together, watched,
and judged. Whoever wants to see it is an Audience.
"""

import asyncio
import os
from collections import deque
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.service.demo_load import LoadReport
from hawser.service.demo_process import LoadProcess, new_seed
from hawser.service.demo_rig import EXPORT, PathView, Rig
from hawser.service.demo_stamp import BLOCK
from hawser.service.demo_story import UNDOES, Scene
from hawser.service.demo_summary import Summary
from hawser.service.loop import keep_buffers, tune_garbage_collector

CLIENTS: Final = 4
DEPTH: Final = 16
TICK_SECONDS: Final = 0.1
START_SECONDS: Final = 20.0
MEND_SECONDS: Final = 5.0
# Rates are over the last so many ticks.
RATE_TICKS: Final = 6
HISTORY_MAX: Final = 150
# A wait that a report tells of ended so long ago at most.
REPORT_AGE_NS: Final = 300 * NS_PER_MS


@dataclass(slots=True)
class Moment:
    """A stretch of the run: I/Os per second, and the least number of usable paths."""

    iops: float
    usable: int


@dataclass(frozen=True, slots=True)
class Rate:
    """Per second."""

    ios: float = 0.0
    size_bytes: float = 0.0


@dataclass(frozen=True)
class Frame:
    """Everything there is to see at `at_s` of `seconds`. `history`: equal parts of the run, None for those that are to come."""

    at_s: float
    seconds: float
    paths: list[PathView]
    rates: list[Rate]
    total: Rate
    report: LoadReport
    summary: Summary
    history: list[Moment | None]
    events: list[tuple[float, str]]


class Audience:
    """Is told what happens."""

    def event(self, at_s: float, text: str) -> None:
        """Something was done to paths."""

    def frame(self, frame: Frame) -> None:
        """Ten times a second."""


class Demo:
    """One run. `run` it once, between `rig.start` and `rig.stop`."""

    def __init__(self, rig: Rig, seconds: float, scenes: list[Scene], audience: Audience) -> None:
        self.rig = rig
        self.seconds = seconds
        self.audience = audience
        self.summary = Summary(disk_blocks=rig.size_bytes() // BLOCK)
        self.load = LoadProcess(os.path.join(rig.directory, "load.log"), self._reported)
        self._scenes = deque(scenes)
        self._started = 0.0
        self._events: list[tuple[float, str]] = []
        self._history: list[Moment | None] = [None] * max(1, min(HISTORY_MAX, int(seconds / TICK_SECONDS)))
        self._reports: deque[LoadReport] = deque(maxlen=RATE_TICKS + 1)
        self._samples: deque[tuple[float, list[PathView]]] = deque(maxlen=RATE_TICKS + 1)
        self._in_flight: deque[list[int]] = deque(maxlen=RATE_TICKS)
        self._whole: list[Rate] = []
        # What was shown last.
        self._rates = [Rate() for _ in rig.views()]
        self._total = Rate()

    async def run(self, stop: asyncio.Event) -> Summary:
        """Play until the time is over or `stop` is set. The load is gone afterwards, all paths are mended."""
        try:
            await self.load.start(self.rig.nbd_socket, EXPORT, CLIENTS, DEPTH, new_seed())
            if await self._until_io_flows(stop):
                keep_buffers()
                tune_garbage_collector()
                await self._play(stop)
            await self._finish()
        finally:
            await self.load.end()
            self.rig.mend()
        return self.summary

    async def _until_io_flows(self, stop: asyncio.Event) -> bool:
        deadline = monotonic() + START_SECONDS
        while self.load.report.ios() == 0:
            if stop.is_set() or self.load.has_ended() or monotonic() > deadline:
                self.summary.cut_short = stop.is_set()
                return False
            await asyncio.sleep(TICK_SECONDS / 4)
        return True

    async def _play(self, stop: asyncio.Event) -> None:
        self._started = monotonic()
        self._tell("I/O flows over all paths")
        first = self.rig.views()
        while True:
            now = self._now()
            while self._scenes and self._is_due(self._scenes[0], now):
                self._scene(self._scenes.popleft())
            self._show(now)
            is_over = now >= self.seconds and not self._scenes
            if is_over or stop.is_set() or self.load.has_ended():
                break
            next_s = self._scenes[0].at_s if self._scenes else self.seconds
            await asyncio.sleep(min(TICK_SECONDS, max(TICK_SECONDS / 10, next_s - self._now())))
        self.summary.seconds = self._now()
        self.summary.cut_short = stop.is_set() and not is_over
        self._whole = _rates(first, self.rig.views(), self.summary.seconds)

    def _is_due(self, scene: Scene, now: float) -> bool:
        """A path cannot fail that is not back yet from the last time: on a slow machine the story waits for it, within reason."""
        if now < scene.at_s:
            return False
        is_undoing = scene.action in UNDOES
        return is_undoing or now > scene.at_s + MEND_SECONDS or all(self.rig.paths()[i].is_active for i in scene.paths)

    def _scene(self, scene: Scene) -> None:
        paths = self.rig.paths()
        devts = self.rig.devts()
        if scene.action in UNDOES:
            for index in scene.paths:
                if paths[index].is_active:
                    self.summary.problems.append(f"{devts[index]} was in use after {UNDOES[scene.action]}")
        else:
            self.summary.planned_failures += len(scene.paths)
        self.rig.play(scene)
        # What is shown from here on is not blurred by what was before.
        self._samples.clear()
        self._in_flight.clear()
        while len(self._reports) > 1:
            self._reports.popleft()
        self._tell(scene.text(devts))

    async def _finish(self) -> None:
        """All paths mended; the load ends, and has read everything back."""
        self.rig.mend()
        finishing = asyncio.create_task(self.load.finish())
        deadline = monotonic() + MEND_SECONDS
        while not finishing.done():
            await asyncio.sleep(TICK_SECONDS)
            self._show(self.summary.seconds)
        while monotonic() < deadline and not all(path.is_active for path in self.rig.paths()):
            await asyncio.sleep(TICK_SECONDS)
        summary = self.summary
        for path in self.rig.paths():
            if not path.is_active:
                summary.problems.append(f"{path.device.devt} did not come back")
        summary.report = self.load.report
        if summary.report.phase != "done" and self.load.complaint():
            summary.problems.append(self.load.complaint())
        self._show(summary.seconds, final=True)

    # Watching.

    def _now(self) -> float:
        return monotonic() - self._started

    def _tell(self, text: str) -> None:
        at_s = self._now()
        self._events.append((at_s, text))
        self.audience.event(at_s, text)

    def _reported(self, report: LoadReport) -> None:
        """A report of the load's: whose fault is its longest wait, and how fast did it go?"""
        summary = self.summary
        if self.rig.watch.was_dark_since(report.at_ns - report.worst_ns - REPORT_AGE_NS):
            summary.dark_ns = max(summary.dark_ns, report.worst_ns)
        else:
            summary.lit_ns = max(summary.lit_ns, report.worst_ns)
        if self._started and self._reports and report.phase == "running":
            self._remember(_rate(self._reports[-1], report).ios)
        self._reports.append(report)
        self._in_flight.append([path.queue().in_flight for path in self.rig.paths()])

    def _remember(self, iops: float) -> None:
        place = int(self._now() / self.seconds * len(self._history))
        if 0 <= place < len(self._history):
            usable = self.rig.target().state.valid_paths
            moment = self._history[place]
            self._history[place] = Moment(iops, min(usable, moment.usable) if moment is not None else usable)

    def _show(self, at_s: float, final: bool = False) -> None:
        """A frame: of now, or in the end, with the rates of the whole run."""
        summary = self.summary
        summary.failovers = self.rig.watch.failures
        summary.without_path_ns = self.rig.watch.total_dark_ns()
        views = self.rig.views()
        if not final:
            views = [replace(view, in_flight=held) for view, held in zip(views, self._held(), strict=True)]
        self._samples.append((monotonic(), views))
        then, old = self._samples[0]
        report = self.load.report
        if final and summary.seconds and self._whole:
            self._rates = self._whole
            self._total = Rate(report.ios() / summary.seconds, report.done_bytes() / summary.seconds)
        else:
            # Right after a scene there is nothing yet to tell a rate by, which is not to say that there is no I/O.
            if len(self._samples) > 1:
                self._rates = _rates(old, views, self._samples[-1][0] - then)
            if len(self._reports) > 1:
                self._total = _rate(self._reports[0], self._reports[-1])
        at_s = min(at_s, self.seconds)
        self.audience.frame(
            Frame(at_s, self.seconds, views, self._rates, self._total, report, summary, self._history, self._events)
        )

    def _held(self) -> list[int]:
        """In flight per path, the mean of the last samples: they come and go together in a few milliseconds."""
        samples = list(self._in_flight) or [[view.in_flight for view in self.rig.views()]]
        return [round(sum(column) / len(samples)) for column in zip(*samples, strict=True)]


def _rates(old: list[PathView], new: list[PathView], passed: float) -> list[Rate]:
    if passed <= 0:
        return [Rate() for _ in new]
    return [
        Rate((after.ios - before.ios) / passed, (after.bytes_done - before.bytes_done) / passed)
        for after, before in zip(new, old, strict=True)
    ]


def _rate(old: LoadReport, new: LoadReport) -> Rate:
    passed = (new.at_ns - old.at_ns) / NS_PER_S
    if passed <= 0:
        return Rate()
    return Rate((new.ios() - old.ios()) / passed, (new.done_bytes() - old.done_bytes()) / passed)
