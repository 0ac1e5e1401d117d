"""Keepalive: a path that is up and idle is asked now and then, so that its end is noticed before a client's I/O needs it.

multipath-tools: check_path() of multipathd/main.c, with its interval: polling_interval at first, twice as long each time that
the path is found up, up to FACTOR_MAX times. Unlike there, a path that has answered I/O since the last look is not asked: it
is known to be up. One that does not answer is given up by its own driver, after its I/O timeout; whatever the reason, the
check then fails it.

Paths that have failed are the manager's (`Manager.check`), and those whose driver is in trouble have told of it.
"""

from typing import Final

from hawser.core.clock import Timer, Timers
from hawser.manager.check_read import CheckRead, CheckReadListener
from hawser.multipath.disk import PathDevice
from hawser.multipath.target import Multipath

# multipath.conf: max_polling_interval, in polling_intervals.
FACTOR_MAX: Final = 4
# What the reason of a failed path begins with.
CHECK: Final = "check: "


class _Tick(Timer):
    def __init__(self, keepalive: "Keepalive") -> None:
        super().__init__()
        self.keepalive = keepalive

    def expire(self) -> None:
        self.keepalive.look()


class _Ear(CheckReadListener):
    def __init__(self, keepalive: "Keepalive") -> None:
        self.keepalive = keepalive

    def check_read(self, device: PathDevice, took_ns: int, problem: str) -> None:
        self.keepalive.checked(device, problem)


class _Record:
    """`answered`: how many I/Os had ended at the last look. `factor`: the interval, in ticks, of which `waited` have passed."""

    def __init__(self, device: PathDevice) -> None:
        self.device = device
        self.answered = _answered(device)
        self.factor = 1
        self.waited = 0
        self.is_asked = False


class Keepalive:
    """`interval_ns` is the shortest time between two checks. `follow` the target of the live table, `leave` it when it is live no
    more."""

    def __init__(self, interval_ns: int, timers: Timers) -> None:
        assert interval_ns > 0
        self.interval_ns = interval_ns
        self.timers = timers
        self.target: Multipath | None = None
        self.checks = 0
        self._records: dict[str, _Record] = {}
        self._tick = _Tick(self)
        self._ear = _Ear(self)

    def follow(self, target: Multipath) -> None:
        self.target = target
        known = self._records
        self._records = {}
        for device in target.devices():
            if isinstance(device, PathDevice):
                record = known.get(device.devt)
                self._records[device.devt] = (
                    record if record is not None and record.device is device else _Record(device)
                )
        self.timers.arm(self._tick, self.interval_ns)

    def leave(self) -> None:
        self.target = None
        self.timers.cancel(self._tick)

    def look(self) -> None:
        """One tick: ask whoever has been silent for its interval."""
        self.timers.arm(self._tick, self.interval_ns)
        for record in list(self._records.values()):
            answered = _answered(record.device)
            if not self._is_in_use(record.device):
                record.factor, record.waited = 1, 0
            elif answered != record.answered:
                record.waited = 0
            elif not record.is_asked:
                record.waited += 1
                if record.waited >= record.factor:
                    self._ask(record)
            record.answered = answered

    def _ask(self, record: _Record) -> None:
        record.waited = 0
        record.is_asked = True
        self.checks += 1
        CheckRead(record.device, self.timers.clock, self._ear).start()

    def checked(self, device: PathDevice, problem: str) -> None:
        """A check has ended; `problem` is empty if the path is up."""
        record = self._records.get(device.devt)
        if record is None or record.device is not device:
            return
        record.is_asked = False
        # Its own read is no sign of use.
        record.answered = _answered(device)
        if not problem:
            record.factor = min(2 * record.factor, FACTOR_MAX)
            return
        record.factor = 1
        target = self.target
        if target is not None:
            for path in target.state.over(device):
                target.fail(path, CHECK + problem)

    def _is_in_use(self, device: PathDevice) -> bool:
        target = self.target
        return target is not None and target.state.uses(device)


def _answered(device: PathDevice) -> int:
    """How many I/Os have ended there."""
    stats = device.stats
    return int(stats.reads.ios + stats.writes.ios + stats.discards.ios + stats.flushes.ios)
