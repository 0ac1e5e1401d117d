"""Manager: what multipathd decides about one map, in its first cut: check failed paths, reinstate them, limit how
long I/O queues.

multipath-tools: multipathd/main.c (check_path, retry_count_tick). Events come in by `path_failed`, `session_ready`,
`session_lost`; commands go out as calls of the multipath target. A path that a user failed by hand stays failed until
a user reinstates it.
"""

from typing import Final

from hawser.block.driver import Driver, SessionListener
from hawser.core.clock import Timer, Timers
from hawser.core.log import LogSink
from hawser.core.units import NS_PER_S
from hawser.manager.policy import FIRST_CHECK_NS, Policy
from hawser.manager.probe import MISMATCH, UP, Probe, ProbeListener
from hawser.multipath.disk import PathDevice
from hawser.multipath.path import Path
from hawser.multipath.state import PathEvents
from hawser.multipath.target import Multipath

# A path that leads to another disk is looked at again this much less often.
MISMATCH_FACTOR: Final = 10


class _Check(Timer):
    def __init__(self, manager: "Manager", device: PathDevice) -> None:
        super().__init__()
        self.manager = manager
        self.device = device

    def expire(self) -> None:
        self.manager.check(self.device)


class _QueueTimeout(Timer):
    def __init__(self, manager: "Manager") -> None:
        super().__init__()
        self.manager = manager

    def expire(self) -> None:
        self.manager.queue_timed_out()


class _Ear(PathEvents):
    def __init__(self, manager: "Manager") -> None:
        self.manager = manager

    def path_failed(self, path: Path, reason: str) -> None:
        self.manager.path_failed(path)

    def path_reinstated(self, path: Path) -> None:
        self.manager.path_reinstated()

    def path_left(self, path: Path) -> None:
        self.manager.path_left(path)


class _SessionEar(SessionListener):
    def __init__(self, manager: "Manager", device: PathDevice) -> None:
        self.manager = manager
        self.device = device

    def session_ready(self, driver: Driver) -> None:
        self.manager.session_ready(self.device)

    def session_lost(self, driver: Driver, reason: str) -> None:
        self.manager.session_lost(self.device, reason)


class _ProbeEar(ProbeListener):
    def __init__(self, manager: "Manager") -> None:
        self.manager = manager

    def probed(self, device: PathDevice, verdict: str, reason: str) -> None:
        self.manager.probed(device, verdict, reason)


class Manager:
    """Looks after the paths of `target`, and only after those whose device it can probe."""

    def __init__(self, target: Multipath, policy: Policy, timers: Timers, log: LogSink) -> None:
        self.target = target
        self.policy = policy
        self.timers = timers
        self.log = log
        self.verdicts: dict[str, str] = {}
        self._probing: list[PathDevice] = []
        self._checks: dict[str, _Check] = {}
        self._timeout = _QueueTimeout(self)
        # Whether queueing was turned off here, and is to be turned on again: what a user decided is left alone.
        self._gave_up = False
        self._ear = _ProbeEar(self)
        target.state.events.append(_Ear(self))
        for device in target.devices():
            if isinstance(device, PathDevice):
                self._checks[device.devt] = _Check(self, device)
                device.requests.driver.listener = _SessionEar(self, device)
        for path in target.state.paths:
            if not path.is_active:
                self._check_path(path, FIRST_CHECK_NS)
        if target.state.paths and target.state.valid_paths == 0:
            self._no_path()

    # Events.

    def path_failed(self, path: Path) -> None:
        self._check_path(path, FIRST_CHECK_NS)
        if self.target.state.valid_paths == 0:
            self._no_path()

    def path_reinstated(self) -> None:
        self.timers.cancel(self._timeout)
        if self._gave_up:
            self._gave_up = False
            self.log.info(f"{self.target.host.name()}: a path is back: I/O queues again when there is none")
            self.target.set_queue_if_no_path(True)

    def path_left(self, path: Path) -> None:
        self._check_path(path, 0)

    def session_ready(self, device: PathDevice) -> None:
        """A path's other end can be talked to (again): find out at once whether it can be used."""
        if self._is_wanted(device):
            self._check_in(device, 0)

    def session_lost(self, device: PathDevice, reason: str) -> None:
        """A path's other end is gone: no need to wait until an I/O finds out."""
        for path in self._paths(device):
            self.target.fail(path, reason)

    def queue_timed_out(self) -> None:
        self.log.error(f"{self.target.host.name()}: no path for too long: queued I/O fails")
        self._gave_up = True
        self.target.set_queue_if_no_path(False)

    # Checking.

    def check(self, device: PathDevice) -> None:
        """Probe a device with failed paths (unless a user failed them all), or with a cache that has to be flushed."""
        if device in self._probing or not self._is_wanted(device):
            return
        self._probing.append(device)
        Probe(device, self._ear).start()

    def probed(self, device: PathDevice, verdict: str, reason: str) -> None:
        self._probing.remove(device)
        if verdict != self.verdicts.get(device.devt) and verdict == MISMATCH:
            self.log.error(f"{device.name}: {reason}; it is not used")
        self.verdicts[device.devt] = verdict
        if verdict != UP:
            delay_ns = self.policy.polling_ns * (MISMATCH_FACTOR if verdict == MISMATCH else 1)
            self._check_in(device, delay_ns)
            return
        for path in self._paths(device):
            if not path.is_active and not path.failed_by_user:
                self.target.reinstate(path)
        if device.left_behind is not None:
            # Writes were on their way when it was flushed.
            self._check_in(device, FIRST_CHECK_NS)

    def _is_wanted(self, device: PathDevice) -> bool:
        if device.left_behind is not None:
            return True
        return any(not path.is_active and not path.failed_by_user for path in self._paths(device))

    def _paths(self, device: PathDevice) -> list[Path]:
        return [path for path in self.target.state.paths if path.device is device]

    def _check_path(self, path: Path, delay_ns: int) -> None:
        device = path.device
        if isinstance(device, PathDevice):
            self._check_in(device, delay_ns)

    def _check_in(self, device: PathDevice, delay_ns: int) -> None:
        self.timers.arm(self._checks[device.devt], delay_ns)

    def _no_path(self) -> None:
        timeout_ns = self.policy.queue_timeout_ns
        if timeout_ns is None or not self.target.queue_if_no_path:
            return
        self.log.warning(f"{self.target.host.name()}: no path left: I/O waits for up to {timeout_ns / NS_PER_S:g} s")
        self.timers.arm(self._timeout, timeout_ns)
