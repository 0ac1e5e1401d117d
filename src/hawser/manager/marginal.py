"""MarginalPaths: paths that work, and had better not be used: slow ones, and ones that fail again and again.

multipath-tools: marginal_path_double_failed_time and its like, san_path_err_*, marginal_pathgroups. Those know checkers and
errors only, count in minutes, and reload the table. Here (DESIGN, Hard problems 10):

- a path is *slow* when its I/O takes many times as long as that of the others of its group, for some seconds (latency.py). The
  comparison is what tells a slow path from a slow disk. One that is alone in its group, or that carries all that the group does,
  is compared with paths that carry nothing by small reads through each (trial_record.py);
- a path is *flaky* when it fails a second time soon after the first. It is judged when it is reinstated: before it fails again;
- either is *demoted* (hawser.multipath.state), unless no other were left;
- while it is, small reads (check_read.py) find out how it is. When enough in a row are as quick as they should be, and it has
  been out for its time, it is *promoted*. The reads must be quicker than what had it demoted, by half, and the time doubles
  with each relapse: neither a path on the edge nor one whose fault the reads cannot see (slow under load, slow writes) swings
  to and fro.

A path with a cache of its own (DESIGN, Hard problems 2) is its group all by itself, and to leave it costs a flush, behind which
everything waits. So it must be slow for OWN_CACHE_FACTOR times as long; nobody goes back to it when it is promoted, only when the
path in use fails or is slow in turn. It is never demoted for its failures: I/O has left it by then, and stays where it is, while
putting it last would have I/O move once more whenever the other one is reinstated.
"""

from typing import Final

from hawser.core.clock import NEVER, Timer, Timers
from hawser.core.log import LogSink
from hawser.core.units import NS_PER_MS, NS_PER_S, three_digits
from hawser.manager.check_read import CheckRead, CheckReadListener
from hawser.manager.latency import KINDS, READS, UNKNOWN_NS, Meter, Slowness, bound_ns, find_slowness, median_ns
from hawser.manager.policy import MarginalPolicy
from hawser.manager.trial_record import Record, find_slow_trial, is_worth_a_look
from hawser.multipath.demotion import demote, promote
from hawser.multipath.disk import PathDevice
from hawser.multipath.path import Path
from hawser.multipath.state import PathEvents
from hawser.multipath.target import Multipath

# So many reads in a row must be quick.
TRIALS_GOOD: Final = 4
# A mean counts for so many looks, if nothing newer is known: I/O may be stuck on the slow path alone, or there may be none.
KNOWN_TICKS: Final = 120
# A suspicion for which nothing new speaks for so many times `after_ns` is dropped.
SUSPICION_FACTOR: Final = 10
# So many times `after_ns` a path with a cache of its own must be slow.
OWN_CACHE_FACTOR: Final = 3


class _Tick(Timer):
    def __init__(self, marginal: "MarginalPaths") -> None:
        super().__init__()
        self.marginal = marginal

    def expire(self) -> None:
        self.marginal.look()


class _Ear(PathEvents):
    def __init__(self, marginal: "MarginalPaths") -> None:
        self.marginal = marginal

    def path_failed(self, path: Path, reason: str) -> None:
        self.marginal.path_failed(path, reason)

    def path_reinstated(self, path: Path) -> None:
        self.marginal.path_reinstated(path)

    def path_left(self, path: Path) -> None:
        """A matter of caches."""

    def device_left(self, device: PathDevice) -> None:
        """A matter of caches."""


class _TrialEar(CheckReadListener):
    def __init__(self, marginal: "MarginalPaths") -> None:
        self.marginal = marginal

    def check_read(self, device: PathDevice, took_ns: int, problem: str) -> None:
        self.marginal.tried(device, took_ns, problem)


class MarginalPaths:
    """`follow` the target of the live table, `leave` it when it is live no more. Verdicts stay with the devices."""

    def __init__(self, policy: MarginalPolicy, timers: Timers, log: LogSink) -> None:
        self.policy = policy
        self.timers = timers
        self.log = log
        self.target: Multipath | None = None
        self.records: dict[str, Record] = {}
        self._tick = _Tick(self)
        self._events = _Ear(self)
        self._ear = _TrialEar(self)

    def follow(self, target: Multipath) -> None:
        self.target = target
        known = self.records
        self.records = {}
        for device in target.devices():
            if isinstance(device, PathDevice):
                record = known.get(device.devt)
                if record is None or record.device is not device:
                    record = Record(device)
                self.records[device.devt] = record
                record.meter.skip()
                record.clear()
        target.state.events.append(self._events)
        for record in self.records.values():
            if record.reason:
                self._keep_demoted(target, record)
        self.timers.arm(self._tick, self.policy.tick_ns)

    def leave(self) -> None:
        if self.target is not None:
            self.target.state.events.remove(self._events)
        self.target = None
        self.timers.cancel(self._tick)

    def reasons(self) -> dict[str, str]:
        """Why each device (by number) that is demoted is."""
        return {devt: record.reason for devt, record in self.records.items() if record.reason}

    def _keep_demoted(self, target: Multipath, record: Record) -> None:
        """The new table's path over a device that was demoted in the old one."""
        if target.state.can_spare(record.device):
            demote(target, record.device, record.reason)
        else:
            record.reason = ""

    # What happens.

    def look(self) -> None:
        """One tick: take the figures of all paths, then judge each."""
        self.timers.arm(self._tick, self.policy.tick_ns)
        now_ns = self.timers.clock.now_ns
        for record in self.records.values():
            record.look(now_ns, self._ios_of(record))
        for record in self.records.values():
            if record.reason:
                self._try(record)
            elif record.is_flaky and self._is_in_use(record.device):
                self._judge_failures(record)
            elif self.policy.factor and self._is_in_use(record.device):
                others = [other.meter for other in self._others(record)]
                is_like = not record.is_busy() or any(other.is_loaded(self._since_ns()) for other in others)
                if others and is_like:
                    self._compare(record, others, now_ns)
                else:
                    # It is alone in its group, or its selector sends everything its way.
                    self._compare_alone(record, now_ns)

    def path_failed(self, path: Path, reason: str) -> None:
        """`reason` is empty when a user has failed it, which says nothing of the path."""
        record = self.records.get(path.device.devt)
        now_ns = self.timers.clock.now_ns
        if record is None or not reason or path.failed_by_user or now_ns == record.failed_ns:
            # (Several paths of the map lead over one device: they fail together, once.)
            return
        before_ns = record.failed_ns
        record.failed_ns = now_ns
        record.clear()
        if self.policy.double_failed_ns and before_ns != NEVER and now_ns - before_ns <= self.policy.double_failed_ns:
            record.is_flaky = True
        if record.reason:
            # What it has shown so far counts no more.
            record.quick_trials = 0
            record.held_until_ns = now_ns + self._hold_ns(record)

    def path_reinstated(self, path: Path) -> None:
        record = self.records.get(path.device.devt)
        if record is not None:
            record.meter.skip()
            if record.is_flaky and not record.reason:
                self._judge_failures(record)

    def tried(self, device: PathDevice, took_ns: int, problem: str) -> None:
        """A trial read has ended. Of a path that is not demoted its time is in the figures by now."""
        record = self.records.get(device.devt)
        if record is None or record.device is not device:
            return
        record.answered(UNKNOWN_NS if problem else took_ns, self.timers.clock.now_ns)
        if not record.reason:
            return
        bound = self._trial_bound_ns(record)
        if problem or took_ns > bound or not self._is_in_use(device):
            record.quick_trials = 0
            return
        record.quick_trials += 1
        if record.quick_trials >= TRIALS_GOOD and self.timers.clock.now_ns >= record.held_until_ns:
            self._promote(record, took_ns)

    # Down.

    def _judge_failures(self, record: Record) -> None:
        """It has failed twice, lately or not so lately by now, and is in use."""
        window_ns = self.policy.double_failed_ns
        if self.timers.clock.now_ns - record.failed_ns > window_ns or record.device.has_own_cache:
            record.is_flaky = False
        else:
            self._demote(record, f"it failed twice within {window_ns / NS_PER_S:g} s")

    def _compare(self, record: Record, others: list[Meter], now_ns: int) -> None:
        policy = self.policy
        found = find_slowness(record.meter, others, policy.factor, policy.floor_ns, now_ns, self._since_ns())
        if found is None:
            if record.meter.has_ended() or now_ns - record.last_evidence_ns > SUSPICION_FACTOR * policy.after_ns:
                record.clear()
            return
        lasted_ns = record.add_evidence(found.samples, now_ns, policy.tick_ns)
        if lasted_ns >= policy.after_ns and record.samples >= policy.samples:
            self._demote(record, _figures(found, "its group", lasted_ns))

    def _compare_alone(self, record: Record, now_ns: int) -> None:
        """By reads through it and through the paths that carry nothing, as long as its I/O gives reason for that."""
        policy = self.policy
        if not is_worth_a_look(record.meter, policy.floor_ns, now_ns):
            record.clear()
            return
        others = self._elsewhere(record)
        # Those of the tick before, and of this one.
        since_ns = now_ns - 2 * policy.tick_ns
        found = find_slow_trial(record, others, policy.factor, policy.floor_ns, now_ns, since_ns)
        for asked in [record, *others] if others else []:
            self._ask(asked)
        if found is None:
            record.clear()
            return
        lasted_ns = record.add_evidence(found.samples, now_ns, policy.tick_ns)
        after_ns = policy.after_ns * (OWN_CACHE_FACTOR if record.device.has_own_cache else 1)
        if lasted_ns >= after_ns and record.samples >= policy.samples:
            self._demote(record, _figures(found, "idle paths", lasted_ns))

    def _demote(self, record: Record, reason: str) -> None:
        target = self.target
        assert target is not None
        if not target.state.can_spare(record.device):
            # Slow is better than not at all. It is judged again when another path is back.
            return
        now_ns = self.timers.clock.now_ns
        if record.promoted_ns == NEVER or now_ns - record.promoted_ns > self.policy.forget_ns:
            record.strikes = 0
        record.strikes += 1
        record.reason = reason
        record.clear()
        record.quick_trials = 0
        hold_ns = self._hold_ns(record)
        record.held_until_ns = now_ns + hold_ns
        self.log.warning(
            f"multipath: {target.host.name()}: path {record.device.devt} ({record.device.name}) is used last: {reason}; "
            f"for {hold_ns / NS_PER_S:g} s at least"
        )
        demote(target, record.device, reason)

    def _hold_ns(self, record: Record) -> int:
        """For how long it stays demoted: twice as long each time."""
        policy = self.policy
        hold_ns = policy.hold_ns
        for _ in range(record.strikes - 1):
            hold_ns = min(2 * hold_ns, policy.hold_max_ns)
        return hold_ns

    # Up.

    def _try(self, record: Record) -> None:
        """Ask a demoted path that is active; and the others, if nobody reads there just now: by them it is measured."""
        if not self._is_in_use(record.device):
            return
        self._ask(record)
        company = self._company(record)
        meters = [other.meter for other in company]
        if median_ns(meters, READS, self.timers.clock.now_ns - self.policy.tick_ns) == UNKNOWN_NS:
            for other in company:
                self._ask(other)

    def _ask(self, record: Record) -> None:
        """Read through a path, unless it has not answered the last time yet."""
        if not record.is_tried:
            record.asked(self.timers.clock.now_ns)
            CheckRead(record.device, self.timers.clock, self._ear).start()

    def _trial_bound_ns(self, record: Record) -> int:
        """Within which a read is quick: half of what would be slow, by what the others' reads take at present."""
        policy = self.policy
        others_ns = median_ns([other.meter for other in self._company(record)], READS, self._since_ns())
        return bound_ns(max(0, others_ns), policy.factor, policy.floor_ns) // 2

    def _promote(self, record: Record, took_ns: int) -> None:
        target = self.target
        assert target is not None
        self.log.info(
            f"multipath: {target.host.name()}: path {record.device.devt} ({record.device.name}) is used as before: "
            f"{record.quick_trials} reads in a row were quick, the last one took {_ms(took_ns)}"
        )
        record.reason = ""
        record.is_flaky = False
        record.promoted_ns = self.timers.clock.now_ns
        record.meter.skip()
        promote(target, record.device)

    # What both ask.

    def _others(self, record: Record) -> list[Record]:
        """What is in use beside it in its groups."""
        target = self.target
        if target is None:
            return []
        groups = [path.group for path in target.state.paths if path.device is record.device]
        return self._in_use(record, [path for group in groups for path in group.paths])

    def _elsewhere(self, record: Record) -> list[Record]:
        """What could be used instead of it in any group, but those that were disabled by hand."""
        target = self.target
        if target is None:
            return []
        return self._in_use(record, [path for path in target.state.paths if not path.group.bypassed])

    def _company(self, record: Record) -> list[Record]:
        """Whom it is to be as quick as."""
        return self._others(record) or self._elsewhere(record)

    def _in_use(self, record: Record, paths: list[Path]) -> list[Record]:
        """Those of `paths` that are, but for its own, each device once."""
        found: list[Record] = []
        for path in paths:
            other = self.records.get(path.device.devt)
            if other is not None and other is not record and path.is_active and not path.is_demoted:
                if other not in found:
                    found.append(other)
        return found

    def _ios_of(self, record: Record) -> int:
        """How many I/Os of the map have ended on its device by now."""
        target = self.target
        return sum(path.ios for path in target.state.over(record.device)) if target is not None else 0

    def _since_ns(self) -> int:
        """Means from before this moment are not known any more."""
        return max(0, self.timers.clock.now_ns - KNOWN_TICKS * self.policy.tick_ns)

    def _is_in_use(self, device: PathDevice) -> bool:
        target = self.target
        return target is not None and target.state.uses(device)


def _figures(found: Slowness, company: str, lasted_ns: int) -> str:
    kind = KINDS[found.kind]
    seconds = f"for {three_digits(lasted_ns / NS_PER_S)} s"
    if found.is_waiting:
        return (
            f"nothing ends, one of its {kind} has waited for {_ms(found.own_ns)}, those of {company} take "
            f"{_ms(found.others_ns)}; {seconds}"
        )
    return f"its {kind} take {_ms(found.own_ns)}, those of {company} {_ms(found.others_ns)}; {seconds}"


def _ms(time_ns: int) -> str:
    return f"{three_digits(time_ns / NS_PER_MS)} ms"
