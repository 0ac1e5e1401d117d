"""What the manager hears, and from whom: each passes on what concerns it."""

from typing import TYPE_CHECKING

from hawser.block.driver import Driver, SessionListener
from hawser.core.clock import Timer
from hawser.dm.mapped_device import MappedDevice, TableListener
from hawser.manager.probe import ProbeListener
from hawser.multipath.disk import PathDevice
from hawser.multipath.path import Path
from hawser.multipath.replay import ReplayListener
from hawser.multipath.state import PathEvents
from hawser.multipath.target import Multipath

if TYPE_CHECKING:
    from hawser.manager.manager import Manager


class Check(Timer):
    def __init__(self, manager: "Manager", device: PathDevice) -> None:
        super().__init__()
        self.manager = manager
        self.device = device

    def expire(self) -> None:
        self.manager.check(self.device)


class QueueTimeout(Timer):
    def __init__(self, manager: "Manager") -> None:
        super().__init__()
        self.manager = manager

    def expire(self) -> None:
        self.manager.queue_timed_out()


class PathEar(PathEvents):
    def __init__(self, manager: "Manager") -> None:
        self.manager = manager

    def path_failed(self, path: Path, reason: str) -> None:
        self.manager.path_failed(path)

    def path_reinstated(self, path: Path) -> None:
        self.manager.path_reinstated()

    def reinstatement_wanted(self, path: Path) -> bool:
        return self.manager.reinstatement_wanted(path)

    def path_left(self, path: Path) -> None:
        self.manager.device_left(path.device)

    def device_left(self, device: PathDevice) -> None:
        self.manager.device_left(device)


class SessionEar(SessionListener):
    def __init__(self, manager: "Manager", device: PathDevice) -> None:
        self.manager = manager
        self.device = device

    def session_ready(self, driver: Driver) -> None:
        self.manager.session_ready(self.device)

    def session_lost(self, driver: Driver, reason: str) -> None:
        self.manager.session_lost(self.device, reason)

    def session_refused(self, driver: Driver, reason: str) -> None:
        self.manager.mismatched(self.device, reason)


class ProbeEar(ProbeListener):
    def __init__(self, manager: "Manager") -> None:
        self.manager = manager

    def probed(self, device: PathDevice, verdict: str, reason: str) -> None:
        self.manager.probed(device, verdict, reason)


class ReplayEar(ReplayListener):
    def __init__(self, manager: "Manager") -> None:
        self.manager = manager

    def replay_wanted(self, device: PathDevice) -> None:
        self.manager.replay_wanted(device)

    def replay_broke_off(self, by: PathDevice, reason: str) -> None:
        self.manager.session_lost(by, reason)


class TableEar(TableListener):
    def __init__(self, manager: "Manager", device: MappedDevice) -> None:
        self.manager = manager
        self.device = device

    def table_swapped(self) -> None:
        for target in self.device.live_targets():
            if isinstance(target, Multipath):
                self.manager.adopt(target)
                return
        self.manager.release()
