"""Manager: what multipathd decides about one map, in its first cut: check failed paths, reinstate them, limit how
long I/O queues.

multipath-tools: multipathd/main.c (check_path, retry_count_tick). Events come in by `path_failed`, `session_ready`,
`session_lost`; commands go out as calls of the multipath target. A path that a user failed by hand stays failed until
a user reinstates it. So does one that leads to another disk (a *mismatch*): it is not asked again before a user says so, by
`reinstate_path` or `hawser paths --recheck`; and what either does is to ask. Unlike the kernel, `reinstate_path` takes a user's
word only for a path that is in the very session in which it was used before.

A reload moves the manager to the new table's target before any I/O goes through it (`follow`). The kernel starts a new table with
all paths in use; here those that had failed, and may lead anywhere by now, are failed at once (multipathd: sync_map_state()) and
looked at.
"""

from typing import Final

from hawser.block.device import BlockDevice
from hawser.core.clock import Timers
from hawser.core.log import LogSink
from hawser.core.units import NS_PER_S
from hawser.dm.mapped_device import MappedDevice
from hawser.manager.ears import Check, PathEar, ProbeEar, QueueTimeout, ReplayEar, SessionEar, TableEar
from hawser.manager.keepalive import Keepalive
from hawser.manager.marginal import MarginalPaths
from hawser.manager.policy import FIRST_CHECK_NS, Policy
from hawser.manager.probe import DOWN, HOLD_PAUSE_NS, MISMATCH, UNTOLD, UP, Probe
from hawser.multipath.disk import PathDevice
from hawser.multipath.hedge import Hedger
from hawser.multipath.path import Path
from hawser.multipath.target import Multipath

# What the log says of a path to another disk.
UNTIL_TOLD: Final = "until a user has it looked at again"
_NO_SESSION: Final = -1


class _Record:
    """What is remembered of a device's paths in the table before."""

    def __init__(self) -> None:
        self.all_failed = True
        self.failed_by_user = False


class Manager:
    """Looks after the paths of `target`, and only after those whose device it can probe."""

    def __init__(self, target: Multipath, policy: Policy, timers: Timers, log: LogSink) -> None:
        self.target = target
        self.policy = policy
        self.timers = timers
        self.log = log
        # Of the last check of each device, and why that was not good.
        self.verdicts: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        # By device, the session in which it was used until it failed.
        self._trusted: dict[str, int] = {}
        # Devices whose content was another disk's: to say nothing against them is not enough any more.
        self._contradicted: list[str] = []
        self._probes: dict[str, Probe] = {}
        # When the next probe of a device may hold writes, if not at once.
        self._hold_again_ns: dict[str, int] = {}
        self._checks: dict[str, Check] = {}
        self._timeout = QueueTimeout(self)
        # Whether queueing was turned off here, and is to be turned on again: what a user decided is left alone.
        self._gave_up = False
        self._ear = ProbeEar(self)
        self._events = PathEar(self)
        self._replays = ReplayEar(self)
        # False while the map's live table has no multipath target.
        self._is_in_charge = False
        self._records: dict[str, _Record] = {}
        # Devices whose sessions are heard of. Of another one only the first is sure to lead where it should: whoever opened it
        # has seen to that.
        self._known: list[str] = []
        # Devices whose session ended while no table used them: nobody knows where the next one leads.
        self._unwatched: list[str] = []
        self._marginal: MarginalPaths | None = None
        self._keepalive: Keepalive | None = None
        if policy.marginal is not None:
            self._marginal = MarginalPaths(policy.marginal, timers, log)
        if policy.keepalive_ns:
            self._keepalive = Keepalive(policy.keepalive_ns, timers)
        # Asks twice for reads that take long; None: nobody does.
        self.hedger: Hedger | None = None
        if policy.hedge is not None:
            self.hedger = Hedger(policy.hedge.after_ns, policy.hedge.percent, timers)
        self._take_charge(target)

    @property
    def marginal(self) -> dict[str, str]:
        """Why each path (by device number) that is used last is."""
        return self._marginal.reasons() if self._marginal is not None else {}

    def _take_charge(self, target: Multipath) -> None:
        self.target = target
        self._is_in_charge = True
        target.state.events.append(self._events)
        target.disk.replay_listeners.append(self._replays)
        for device in target.devices():
            if isinstance(device, PathDevice):
                self._look_after(device)
        for path in target.state.paths:
            if not path.is_active:
                self._check_path(path, FIRST_CHECK_NS)
        self._replay_all()
        if target.state.paths and target.state.valid_paths == 0:
            self._no_path()
        if self._marginal is not None:
            self._marginal.follow(target)
        if self._keepalive is not None:
            self._keepalive.follow(target)
        if self.hedger is not None:
            self.hedger.follow(target)

    def _look_after(self, device: PathDevice) -> None:
        if device.devt not in self._checks:
            self._checks[device.devt] = Check(self, device)
        driver = device.requests.driver
        driver.listener = SessionEar(self, device)
        if device.devt not in self._known:
            self._known.append(device.devt)
        if driver.mismatch and self.verdicts.get(device.devt) != MISMATCH:
            # It was found out before anybody listened.
            self.mismatched(device, driver.mismatch)

    # Reloads.

    def follow(self, device: MappedDevice) -> None:
        """Go along with every table that becomes the live one of `device`."""
        device.table_listeners.append(TableEar(self, device))

    def adopt(self, target: Multipath) -> None:
        """Look after `target` from now on. What is known of devices is kept: verdicts, what a user failed by hand, and that a
        path had failed and was not reinstated since."""
        if target is self.target and self._is_in_charge:
            return
        if self._is_in_charge:
            self.release()
        for path in target.state.paths:
            self._carry_over(target, path)
        self._take_charge(target)

    def release(self) -> None:
        """The live table has no multipath target any more. Left caches are still flushed."""
        target = self.target
        if self._events in target.state.events:
            target.state.events.remove(self._events)
            target.disk.replay_listeners.remove(self._replays)
        self._records = {}
        for path in target.state.paths:
            record = self._records.setdefault(path.device.devt, _Record())
            record.all_failed = record.all_failed and not path.is_active
            record.failed_by_user = record.failed_by_user or (path.failed_by_user and not path.is_active)
        self._is_in_charge = False
        self._gave_up = False
        self.timers.cancel(self._timeout)
        if self._marginal is not None:
            self._marginal.leave()
        if self._keepalive is not None:
            self._keepalive.leave()
        if self.hedger is not None:
            self.hedger.leave()
        self._forget_strangers()

    def _carry_over(self, target: Multipath, path: Path) -> None:
        device = path.device
        record = self._records.get(device.devt)
        if record is not None and record.failed_by_user:
            path.failed_by_user = True
            target.fail(path, "")
        elif isinstance(device, PathDevice):
            reason = self._trouble(device)
            if record is not None and record.all_failed:
                target.fail(path, reason or "it had failed and was not checked since")
            elif record is None and reason:
                target.fail(path, reason)

    def _trouble(self, device: PathDevice) -> str:
        """Why a device is known to be bad, or not known to be good."""
        driver = device.requests.driver
        if driver.mismatch:
            return driver.mismatch
        if device.devt in self._unwatched or (device.devt not in self._known and driver.epoch > 1):
            return "its session ended while no table used it"
        is_down = self.verdicts.get(device.devt) == DOWN
        return driver.trouble() or ("the last check found it down" if is_down else "")

    def _forget_strangers(self) -> None:
        """Check no device of the table before any more, unless its cache has to be flushed."""
        for devt, check in list(self._checks.items()):
            if check.device.left_behind is None and not self._paths(check.device):
                self.timers.cancel(check)
                if not check.device.has_own_cache:
                    del self._checks[devt]

    def forget(self, device: PathDevice) -> None:
        """A device is gone for good: nothing of what was known of it counts for another one of its number."""
        check = self._checks.pop(device.devt, None)
        if check is not None:
            self.timers.cancel(check)
        for findings in (self.verdicts, self.reasons):
            findings.pop(device.devt, "")
        self._trusted.pop(device.devt, 0)
        self._hold_again_ns.pop(device.devt, 0)
        for listed in (self._contradicted, self._unwatched, self._known):
            if device.devt in listed:
                listed.remove(device.devt)

    # Events.

    def path_failed(self, path: Path) -> None:
        device = path.device
        if isinstance(device, PathDevice):
            driver = device.requests.driver
            # (With a connection that stands, it is the one that was used.)
            self._trusted[device.devt] = _NO_SESSION if driver.trouble() else driver.epoch
        self._check_path(path, FIRST_CHECK_NS)
        if self.target.state.valid_paths == 0:
            self._no_path()

    def path_reinstated(self) -> None:
        self.timers.cancel(self._timeout)
        if self._gave_up:
            self._gave_up = False
            self.log.info(f"{self.target.host.name()}: a path is back: I/O queues again when there is none")
            self.target.set_queue_if_no_path(True)
        self._replay_all()

    def reinstatement_wanted(self, path: Path) -> bool:
        """A user wants a path back. Whether it has to be checked first, which is begun then."""
        device = path.device
        if not isinstance(device, PathDevice):
            return False
        driver = device.requests.driver
        if not driver.mismatch and not driver.trouble() and self._trusted.get(device.devt) == driver.epoch:
            return False
        path.failed_by_user = False
        self.look_again(device)
        return True

    def look_again(self, device: PathDevice) -> None:
        """A user says that a failed path may be right again: check it now. What that finds counts."""
        driver = device.requests.driver
        if driver.mismatch:
            self.log.info(f"{device.name}: is looked at again, as a user wants it")
        for findings in (self.verdicts, self.reasons):
            findings.pop(device.devt, "")
        driver.look_again()
        self._check_in(device, 0)

    def device_left(self, device: BlockDevice) -> None:
        if isinstance(device, PathDevice):
            if device.devt not in self._checks:
                self._look_after(device)
            self._check_in(device, 0)

    def session_ready(self, device: PathDevice) -> None:
        """A path's other end can be talked to (again): find out at once whether it can be used."""
        if self._is_wanted(device):
            self._check_in(device, 0)

    def session_lost(self, device: PathDevice, reason: str) -> None:
        """A path's other end is gone: no need to wait until an I/O finds out."""
        paths = self._paths(device)
        for path in paths:
            self.target.fail(path, reason)
        if not paths and device.devt not in self._unwatched:
            self._unwatched.append(device.devt)

    def replay_wanted(self, device: PathDevice) -> None:
        """What the cache of `device` held is to be written again, as soon as there is a path."""
        path = self.target.state.choose(0)
        if path is not None and isinstance(path.device, PathDevice):
            device.replay_by(path.device)

    def _replay_all(self) -> None:
        for device in self.target.disk.paths:
            if device.replay is not None:
                self.replay_wanted(device)

    def queue_timed_out(self) -> None:
        self.log.error(f"{self.target.host.name()}: no path for too long: queued I/O fails")
        self._gave_up = True
        self.target.set_queue_if_no_path(False)

    # Checking.

    def check(self, device: PathDevice) -> None:
        """Probe a device with failed paths (unless a user failed them all), or with a cache that has to be flushed."""
        if device.devt in self._probes:
            return
        if not self._is_wanted(device):
            if device.requests.driver.mismatch and self._has_failed(device):
                # Nobody asks it; but of another map over this path a user may have it looked at.
                self._check_in(device, self.policy.polling_ns)
            return
        now_ns = self.timers.clock.now_ns
        may_hold = now_ns >= self._hold_again_ns.get(device.devt, 0)
        probe = Probe(device, self._ear, self.timers, may_hold)
        self._probes[device.devt] = probe
        probe.start()

    def probed(self, device: PathDevice, verdict: str, reason: str) -> None:
        probe = self._probes.pop(device.devt)
        if probe.has_held:
            self._hold_again_ns[device.devt] = self.timers.clock.now_ns + HOLD_PAUSE_NS
        if device.devt not in self._checks:
            # No table uses it any more.
            return
        if verdict == MISMATCH and device.devt not in self._contradicted:
            self._contradicted.append(device.devt)
        elif verdict == UP and device.devt in self._contradicted:
            if probe.agreed == 0 and self.target.state.valid_paths:
                verdict, reason = MISMATCH, "not the same disk before, and nothing that was written since can tell"
            else:
                self._contradicted.remove(device.devt)
        driver = device.requests.driver
        if verdict == MISMATCH or driver.mismatch:
            self.mismatched(device, reason if verdict == MISMATCH else driver.mismatch)
            return
        if verdict == UNTOLD and self.verdicts.get(device.devt) != UNTOLD:
            self.log.warning(f"{device.name}: {reason}; it is not used before its disk can be told")
        self.verdicts[device.devt] = verdict
        self.reasons[device.devt] = reason
        if verdict == UNTOLD and self.target.state.valid_paths == 0:
            self._leave_others(device)
        if verdict != UP:
            self._check_in(device, FIRST_CHECK_NS if verdict == UNTOLD else self.policy.polling_ns)
            return
        if device.devt in self._unwatched:
            self._unwatched.remove(device.devt)
        for path in self._paths(device):
            if not path.is_active and not path.failed_by_user:
                self.target.reinstate(path)
        if device.left_behind is not None:
            # Writes were on their way when it was flushed.
            self._check_in(device, FIRST_CHECK_NS)

    def _leave_others(self, device: PathDevice) -> None:
        """What would tell `device` may be in the cache of one that nothing goes through any more: it has to be flushed."""
        for other in device.shared.paths:
            if other is not device and other.has_own_cache:
                other.leave()
                if other.left_behind is not None:
                    self.device_left(other)

    def mismatched(self, device: PathDevice, reason: str) -> None:
        """A path leads to another disk. That is an event, and it is left alone until a user wants it to be looked at again."""
        driver = device.requests.driver
        driver.mismatch = reason
        self.reasons[device.devt] = reason
        if self.verdicts.get(device.devt) != MISMATCH:
            self.verdicts[device.devt] = MISMATCH
            self.log.error(f"{device.name}: {reason}; it is not used {UNTIL_TOLD}")
            if self._paths(device):
                self.target.host.raise_event()
        for path in self._paths(device):
            self.target.fail(path, reason)
        if device.left_behind is not None and not driver.trouble():
            # Its cache is everybody's business.
            self._check_in(device, self.policy.polling_ns)

    def _is_wanted(self, device: PathDevice) -> bool:
        if device.left_behind is not None:
            return True
        return not device.requests.driver.mismatch and self._has_failed(device)

    def _has_failed(self, device: PathDevice) -> bool:
        """Whether it has failed paths, by no user's wish."""
        return any(not path.is_active and not path.failed_by_user for path in self._paths(device))

    def _paths(self, device: PathDevice) -> list[Path]:
        if not self._is_in_charge:
            return []
        return self.target.state.over(device)

    def _check_path(self, path: Path, delay_ns: int) -> None:
        device = path.device
        if isinstance(device, PathDevice):
            self._check_in(device, delay_ns)

    def _check_in(self, device: PathDevice, delay_ns: int) -> None:
        check = self._checks.get(device.devt)
        if check is not None:
            self.timers.arm(check, delay_ns)

    def _no_path(self) -> None:
        timeout_ns = self.policy.queue_timeout_ns
        if timeout_ns is None or not self.target.wants_to_queue():
            return
        self.log.warning(f"{self.target.host.name()}: no path left: I/O waits for up to {timeout_ns / NS_PER_S:g} s")
        self.timers.arm(self._timeout, timeout_ns)
