"""MapWatch: a multipath map as the laboratory looks at it, whichever table is live."""

from hawser.dm.mapped_device import MappedDevice, TableListener
from hawser.dm.targets.delay import DelayTarget
from hawser.dm.targets.dust import DustTarget
from hawser.dm.targets.flakey import FlakeyTarget
from hawser.lab.devices.hardware import Hardware
from hawser.lab.devices.sim_path import SimPath
from hawser.manager.keepalive import CHECK
from hawser.manager.manager import Manager
from hawser.multipath.disk import PathDevice
from hawser.multipath.path import Path, PriorityGroup
from hawser.multipath.state import PathEvents
from hawser.multipath.target import Multipath


class Ear(PathEvents):
    """Counts what happens to the paths of one table, and hits marks. `unexplained`: those that failed while nothing was wrong."""

    def __init__(self, hardware: Hardware) -> None:
        self.hardware = hardware
        self.failed: dict[Path, int] = {}
        self.unexplained: list[str] = []

    def path_failed(self, path: Path, reason: str) -> None:
        self.failed[path] = self.failed.get(path, 0) + 1
        if reason.startswith(CHECK):
            self.hardware.marks.hit("idle path found down")
        if reason and self.hardware.is_peaceful:
            self.unexplained.append(f"{path.device.name} has failed although nothing is wrong: {reason}")
        queue = path.device.queue
        if queue is not None and queue.waiting():
            self.hardware.marks.hit("bounced")
        if isinstance(path.device, MappedDevice):
            self._look_at_targets(path.device)

    def _look_at_targets(self, device: MappedDevice) -> None:
        marks = self.hardware.marks
        for target in device.live_targets():
            if isinstance(target, FlakeyTarget) and target.is_down():
                marks.hit("flakey path down")
            elif isinstance(target, DustTarget) and target.fails_reads and target.bad:
                marks.hit("dust path failed")
            elif isinstance(target, DelayTarget) and not target.idle():
                marks.hit("delayed I/O bounced")

    def path_reinstated(self, path: Path) -> None:
        self.hardware.marks.hit("path reinstated")
        device = path.device
        if isinstance(device, PathDevice):
            driver = device.requests.driver
            assert isinstance(driver, SimPath)
            server = driver.link.server
            if server.is_wrong() and not device.shared.witness.testimonies():
                # No promise is made of a wrong disk where all is in doubt that was written last (docs/guarantees.md).
                server.be_right()

    def path_demoted(self, path: Path, reason: str) -> None:
        self.hardware.marks.hit("flaky path demoted" if "failed twice" in reason else "slow path demoted")
        queue = path.device.queue
        if path.is_aside and queue is not None and queue.waiting():
            self.hardware.marks.hit("given back by a demoted path")

    def path_promoted(self, path: Path) -> None:
        self.hardware.marks.hit("demoted path promoted")

    def path_left(self, path: Path) -> None:
        """The log tells of it."""


class MapWatch(TableListener):
    """`manager` looks after its paths, if somebody does. `group` is the one that was seen in use last."""

    def __init__(self, hardware: Hardware, name: str, device: MappedDevice) -> None:
        self.hardware = hardware
        self.name = name
        self.device = device
        self.manager: Manager | None = None
        self.ear = Ear(hardware)
        self.group: PriorityGroup | None = None
        self.table_swapped()
        # Before the manager: what it fails in a new table is counted.
        device.table_listeners.append(self)

    def target(self) -> Multipath:
        """The live one."""
        table = self.device.table
        assert table is not None
        target = table.targets[0]
        assert isinstance(target, Multipath)
        return target

    def table_swapped(self) -> None:
        """The live table is another one: the watch goes by it, as the manager does by itself."""
        self.group = None
        self.ear = Ear(self.hardware)
        self.target().state.events.append(self.ear)
