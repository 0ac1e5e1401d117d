"""The stage of the demonstration: a gateway with four RAM paths, behind an NBD socket; and the hands that pull cables."""

import os
import shutil
from dataclasses import dataclass
from time import monotonic_ns
from typing import Final

from hawser.core.log import LogSink
from hawser.core.units import SECTOR_SHIFT
from hawser.dm.dmsetup import brief as verbs
from hawser.exports.listen_uri import parse_listen_uri
from hawser.manager.policy import Policy
from hawser.multipath.path import Path
from hawser.multipath.state import PathEvents
from hawser.multipath.target import Multipath
from hawser.paths.ram import RamPathDriver
from hawser.paths.uri import parse_path_uri
from hawser.service.control import ControlServer
from hawser.service.demo_story import FAIL, PATHS, PLUG, PULL, UNDOES, Scene
from hawser.service.gateway import Gateway
from hawser.service.options import ServeOptions
from hawser.service.short_directory import short_directory

EXPORT: Final = "demo"
MAP: Final = "mpatha"
SIZE: Final = "64M"
# How long each path takes to answer, in seconds; not the same for all, so that there is something to balance.
DELAYS: Final = ("0.001", "0.0015", "0.002", "0.0025")


@dataclass(frozen=True, slots=True)
class PathView:
    """A path as it is now. `trouble`: what was done to it, in a word or two. `ios` and `bytes_done` are totals."""

    devt: str
    letter: str
    group: str
    trouble: str
    in_flight: int
    ios: int
    bytes_done: int
    failures: int


class Watch(PathEvents):
    """Counts the failures of paths, and the time in which there was none left (`dark`)."""

    def __init__(self, target: Multipath) -> None:
        self.target = target
        self.failures = 0
        self.dark_ns = 0
        self.dark_since_ns = 0
        self.last_dark_ns = 0

    def path_failed(self, path: Path, reason: str) -> None:
        self.failures += 1
        if self.target.state.valid_paths == 0:
            self.dark_since_ns = monotonic_ns()

    def path_reinstated(self, path: Path) -> None:
        if self.dark_since_ns:
            self.last_dark_ns = monotonic_ns()
            self.dark_ns += self.last_dark_ns - self.dark_since_ns
            self.dark_since_ns = 0

    def path_left(self, path: Path) -> None:
        pass

    def total_dark_ns(self) -> int:
        """How long there has been no path, in all."""
        return self.dark_ns + (monotonic_ns() - self.dark_since_ns if self.dark_since_ns else 0)

    def was_dark_since(self, moment_ns: int) -> bool:
        """Whether there was a time without any path after that moment."""
        return self.dark_since_ns != 0 or self.last_dark_ns > moment_ns


class Rig:
    """`start`, play, `stop`; all within a running asyncio loop. `directory` holds the sockets and is removed at the end."""

    def __init__(self) -> None:
        self.directory = short_directory("nbd.sock")
        self.nbd_socket = os.path.join(self.directory, "nbd.sock")
        self.control_socket = os.path.join(self.directory, "control")
        self.uri = f"nbd+unix:///{EXPORT}?socket={self.nbd_socket}"
        options = ServeOptions(
            [parse_path_uri(f"ram:?size={SIZE}&delay={delay}") for delay in DELAYS],
            [parse_listen_uri(self.uri, insecure=False)],
            MAP,
            policy=Policy(queue_timeout_ns=None),
        )
        self.gateway = Gateway(options, LogSink())
        self.control = ControlServer(self.gateway.common, self.control_socket)
        self._trouble: dict[int, list[str]] = {index: [] for index in range(PATHS)}

    async def start(self) -> None:
        await self.gateway.start()
        await self.control.start()
        self.watch = Watch(self.target())
        self.target().state.events.append(self.watch)

    async def stop(self) -> None:
        """Everything ends, whatever state it is in."""
        try:
            await self.control.stop()
            await self.gateway.stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def target(self) -> Multipath:
        target = self.gateway.target
        assert target is not None
        return target

    def paths(self) -> list[Path]:
        return self.target().state.paths

    def devts(self) -> list[str]:
        return [path.device.devt for path in self.paths()]

    def driver(self, index: int) -> RamPathDriver:
        driver = self.gateway.paths[index].driver
        assert isinstance(driver, RamPathDriver)
        return driver

    def play(self, scene: Scene) -> None:
        """Do what the scene says, to all its paths in one turn."""
        self.gateway.loop.run(lambda: self._play(scene))

    def _play(self, scene: Scene) -> None:
        for index in scene.paths:
            troubles = self._trouble[index]
            if scene.action in (PULL, FAIL):
                troubles.append(scene.action)
            elif UNDOES[scene.action] in troubles:
                troubles.remove(UNDOES[scene.action])
            if scene.action in (PULL, PLUG):
                self.driver(index).set_broken(scene.action == PULL)
            else:
                verbs.message(self.gateway.registry, MAP, 0, [scene.action, self.devts()[index]])

    def mend(self) -> None:
        """Undo whatever is done to any path."""
        for index, troubles in self._trouble.items():
            for undo, action in UNDOES.items():
                if action in troubles:
                    self.play(Scene(0.0, undo, (index,)))

    def views(self) -> list[PathView]:
        """The paths as they are now."""
        return [self._view(index, path) for index, path in enumerate(self.paths())]

    def _view(self, index: int, path: Path) -> PathView:
        words = {PULL: "pulled", FAIL: "failed by hand"}
        return PathView(
            path.device.devt,
            path.letter(),
            self.target().state.group_letter(path.group),
            ", ".join(words[action] for action in self._trouble[index]),
            path.queue().in_flight,
            path.ios,
            path.bytes_done,
            path.fail_count,
        )

    def size_bytes(self) -> int:
        device = self.gateway.device
        assert device is not None
        return device.size_sectors << SECTOR_SHIFT
