"""Which path next: groups, the current one, failing and reinstating. The multipath state machine without any I/O.

Linux: choose_pgpath(), fail_path(), reinstate_path(), bypass_pg(), switch_pg_num() of drivers/md/dm-mpath.c; `seeds.md` 3.14.
The order is that of 6.12: the group that was asked for, then the current one. With `current_first` it is that of 6.16: the
current one, then the one that was asked for; while paths are probed there (hawser.multipath.probe) the current group is not left.

What Linux does not have: a path may be *demoted* (hawser.manager.marginal says which and when). It is not failed: its letter
stays A. But as long as a path that is not demoted can be used in some group that is not bypassed, its selector does without
it, by the same calls by which it does without a failed one; when it is the last resort it is used as ever. multipathd regroups
such paths by a reload (marginal_pathgroups), whose suspend would wait for exactly the I/O that is slow, and everybody's with
it.
"""

from mypy_extensions import mypyc_attr

from hawser.block.device import BlockDevice
from hawser.core.clock import Clock
from hawser.core.log import LogSink
from hawser.dm.arguments import scan_uint
from hawser.dm.target import MessageError, TargetHost
from hawser.multipath.disk import PathDevice, has_own_cache
from hawser.multipath.path import Path, PriorityGroup


@mypyc_attr(allow_interpreted_subclasses=True)
class PathEvents:
    """Who decides about paths (hawser.manager) is told of what happened to them. Called within the engine's turn."""

    def path_failed(self, path: Path, reason: str) -> None:
        raise NotImplementedError

    def path_reinstated(self, path: Path) -> None:
        raise NotImplementedError

    def reinstatement_wanted(self, path: Path) -> bool:
        """A user wants a failed path back. True: it will be reinstated when it has been found to lead to this disk."""
        return False

    def path_demoted(self, path: Path, reason: str) -> None:
        """From now on it is used only where there is no other."""

    def path_promoted(self, path: Path) -> None:
        """It is a path like the others again."""

    def path_left(self, path: Path) -> None:
        """I/O goes another way, and `path` has unflushed writes in a cache of its own: it has to be flushed."""
        raise NotImplementedError

    def device_left(self, device: PathDevice) -> None:
        """The same of a device that is no path of this map: the table before used it, or another map does."""


class PathState:
    """The paths of one map. `current` is the group in use; `next_group` was asked for and is tried first."""

    def __init__(
        self,
        groups: list[PriorityGroup],
        initial: PriorityGroup | None,
        host: TargetHost,
        log: LogSink,
        clock: Clock,
    ) -> None:
        self.groups = groups
        self.host = host
        self.log = log
        self.paths = [path for group in groups for path in group.paths]
        self.valid_paths = len(self.paths)
        self.demoted_paths = 0
        self.current: PriorityGroup | None = None
        self.current_path: Path | None = None
        self.next_group = initial
        # Set for the order of 6.16.
        self.current_first = False
        # Linux: DELAY_PG_SWITCH, NEED_PG_SWITCH.
        self._is_probed = False
        self._leaves_later = False
        # How often the groups were gone through to choose a path: it is then, and only then, that Linux takes the target's lock.
        self.slow_choices = 0
        # Set until the first I/O has chosen a group, as Linux has it, and while the group is being activated.
        self.queue_io = True
        # With a hardware handler a group that is entered has to be activated first (hawser.multipath.activation). `init_count`:
        # how many rounds that has taken; `delay_retry`: the next one is put off.
        self.needs_init = False
        self.init_required = False
        self.init_count = 0
        self.delay_retry = False
        # Set when choosing has entered a group; whoever chose looks at the fences once more and clears it.
        self.entered = False
        self.events: list[PathEvents] = []
        for group in groups:
            group.selector.clock = clock
        # Whether a selector wants to know which CPU an I/O comes from, so that whoever asks for a path says so first.
        self.asks_cpu = any(group.selector.asks_cpu for group in groups)

    def over(self, device: BlockDevice) -> list[Path]:
        """The paths that lead over `device`."""
        return [path for path in self.paths if path.device is device]

    def uses(self, device: BlockDevice) -> bool:
        """Whether one of them is active."""
        return any(path.is_active for path in self.over(device))

    def comes_from(self, cpu: int) -> None:
        """The next I/O does."""
        for group in self.groups:
            group.selector.cpu = cpu

    def why(self, path: Path, size: int, elsewhere: bool) -> str:
        """Where an I/O goes and why there, for who watches."""
        group = path.group
        where = f"{path.device.devt} ({path.device.name})"
        if elsewhere:
            return f"to {where}: once more, on another path than the one that answered with an error"
        return f"to {where}: {group.selector.explain(path, size)}; group {group.number} of {len(self.groups)}"

    def choose(self, size: int) -> Path | None:
        """The path for an I/O of `size` bytes, or None when no path is usable. While the group is being activated it is the one
        by which the group was entered, as long as that is active."""
        if self.valid_paths and (self.next_group is None or self.current_first) and not self.queue_io:
            current = self.current
            if current is not None:
                path = current.selector.select(size)
                if path is not None:
                    self.current_path = path
                    return path
        elif self.queue_io and self.current_path is not None:
            return self.current_path
        return self._choose_group(size)

    def choose_other(self, size: int, avoid: Path) -> Path | None:
        """A usable path to another device than `avoid`, for the one retry of an error that was an answer: of its own
        group, or of any other unless a cache of a single path is in the way."""
        path = avoid.group.selector.select(size)
        if path is not None and path.device is not avoid.device:
            return path
        candidates = [path for path in [*avoid.group.paths, *self.paths] if self._may_stand_in(path, avoid)]
        for path in candidates:
            if not path.is_aside:
                return path
        return candidates[0] if candidates else None

    def has_other(self, avoid: Path) -> bool:
        """Whether `choose_other` would find one."""
        return any(self._may_stand_in(path, avoid) for path in self.paths)

    def _may_stand_in(self, path: Path, avoid: Path) -> bool:
        if not path.is_active or path.device is avoid.device:
            return False
        if self.needs_init and path.group is not avoid.group:
            # It would have to be activated first.
            return False
        return path.group is avoid.group or not (has_own_cache(path.device) or has_own_cache(avoid.device))

    def _choose_group(self, size: int) -> Path | None:
        self.slow_choices += 1
        if self.valid_paths == 0:
            self.queue_io = False
            self.current = None
            self.current_path = None
            return None
        if self.current_first and self.current is not None:
            path = self._choose_in(self.current, size)
            if path is not None:
                return path
        group = self.next_group
        if group is not None:
            self.next_group = None
            path = self._choose_in(group, size)
            if path is not None:
                return path
        if self.current is not None and not self.current_first:
            path = self._choose_in(self.current, size)
            if path is not None:
                return path
        for bypassed in (False, True):
            for group in self.groups:
                if group.bypassed == bypassed:
                    path = self._choose_in(group, size)
                    if path is not None:
                        self.delay_retry = self.delay_retry or bypassed
                        return path
        self.current = None
        self.current_path = None
        return None

    def _choose_in(self, group: PriorityGroup, size: int) -> Path | None:
        path = group.selector.select(size)
        if path is None:
            return None
        if group is not self.current:
            self._enter(group)
            self.current_path = path
        elif not self.queue_io:
            self.current_path = path
        return path

    def _enter(self, group: PriorityGroup) -> None:
        """Make `group` current. Caches of single paths that are left behind dirty fence the disk."""
        self.current = group
        self.entered = True
        self.queue_io = self.init_required = self.needs_init
        self.init_count = 0
        stays = [path.device for path in group.paths]
        for device in stays:
            if isinstance(device, PathDevice):
                device.is_left = False
        for path in self.paths:
            device = path.device
            if device not in stays and isinstance(device, PathDevice) and device.has_own_cache:
                device.leave()
                if device.left_behind is not None:
                    self.tell_left(path)
        self._leave_strangers(stays)

    def tell_left(self, path: Path) -> None:
        """The cache of `path` has to be flushed by somebody."""
        for listener in self.events:
            listener.path_left(path)

    def _leave_strangers(self, stays: list[BlockDevice]) -> None:
        """Devices of the same disk that this table does not name are left, too: the one before may have written through them."""
        first = stays[0]
        if not isinstance(first, PathDevice):
            return
        own = [path.device for path in self.paths]
        for device in first.shared.paths:
            if device.has_own_cache and device not in own:
                device.leave()
                if device.left_behind is not None:
                    for listener in self.events:
                        listener.device_left(device)

    def guess_group(self) -> PriorityGroup | None:
        """The group that the next I/O will probably use."""
        return self.next_group if self.next_group is not None and self.current is None else self.current

    def fail(self, path: Path, reason: str) -> None:
        """Take a path out of use. Idempotent."""
        if not path.is_active:
            return
        self.log.warning(f"multipath: {self.host.name()}: Failing path {path.device.devt}.")
        if reason:
            self.log.remark(f"multipath: {self.host.name()}: {path.device.devt} ({path.device.name}): {reason}")
        if path.is_aside:
            path.is_aside = False
        else:
            path.group.selector.fail_path(path)
        path.is_active = False
        path.fail_count += 1
        self.valid_paths -= 1
        if self.demoted_paths:
            self._sort_out()
        if self.current_path is path:
            self.current_path = None
        device = path.device
        if isinstance(device, PathDevice) and device.has_own_cache:
            device.leave()
        self.host.raise_event()
        for listener in self.events:
            listener.path_failed(path, reason)

    def must_look_first(self, path: Path) -> bool:
        """Whether somebody checks a path before it is put back as a user wishes, and has begun to."""
        for listener in self.events:
            if listener.reinstatement_wanted(path):
                return True
        return False

    def reinstate(self, path: Path) -> bool:
        """Put a path back in use. Whether it is now the only one (what was parked can go)."""
        if path.is_active:
            return False
        self.log.warning(f"multipath: {self.host.name()}: Reinstating path {path.device.devt}.")
        path.group.selector.reinstate_path(path)
        path.is_active = True
        device = path.device
        if path.group is self.current and isinstance(device, PathDevice):
            device.is_left = False
        path.failed_by_user = False
        self.valid_paths += 1
        if self.demoted_paths:
            self._sort_out()
        if self.valid_paths == 1:
            self.current_path = None
        self.host.raise_event()
        for listener in self.events:
            listener.path_reinstated(path)
        return self.valid_paths == 1

    def demote(self, path: Path, reason: str) -> None:
        """Use a path only where there is no other. Idempotent."""
        if path.is_demoted:
            return
        path.is_demoted = True
        self.demoted_paths += 1
        self._sort_out()
        self.host.raise_event()
        for listener in self.events:
            listener.path_demoted(path, reason)

    def promote(self, path: Path) -> None:
        """Use a path like any other again. Idempotent."""
        if not path.is_demoted:
            return
        path.is_demoted = False
        self.demoted_paths -= 1
        self._sort_out()
        self.host.raise_event()
        for listener in self.events:
            listener.path_promoted(path)

    def can_spare(self, device: BlockDevice) -> bool:
        """Whether a path that is not demoted would be left if those over `device` were."""
        return any(_is_first_choice(path) and path.device is not device for path in self.paths)

    def _sort_out(self) -> None:
        """Selectors do without demoted paths while, and only while, there is a first choice in any group."""
        spared = any(_is_first_choice(path) for path in self.paths)
        for path in self.paths:
            aside = spared and path.is_demoted and path.is_active
            if aside and not path.is_aside:
                path.is_aside = True
                path.group.selector.fail_path(path)
                if self.current_path is path:
                    self.current_path = None
            elif path.is_aside and not aside:
                path.is_aside = False
                path.group.selector.reinstate_path(path)

    def set_bypassed(self, number: str, bypassed: bool) -> None:
        """`disable_group` and `enable_group`."""
        self.bypass(self._group(number, "bypass_pg"), bypassed)

    def bypass(self, group: PriorityGroup, bypassed: bool) -> None:
        """Use a group only where there is no other, or use it again; the next I/O chooses anew."""
        group.bypassed = bypassed
        if self.demoted_paths:
            self._sort_out()
        self._leave_group()
        self.host.raise_event()

    def activated(self, group: PriorityGroup) -> None:
        """An activation has succeeded: whatever kept its group from being used is over."""
        if group.bypassed:
            group.bypassed = False
            if self.demoted_paths:
                self._sort_out()

    def switch_group(self, number: str) -> None:
        """`switch_group`: it is tried next, and no group is bypassed any more."""
        group = self._group(number, "switch_pg_num")
        for other in self.groups:
            other.bypassed = False
        self._leave_group()
        self.next_group = group
        if self.demoted_paths:
            self._sort_out()
        self.host.raise_event()

    def _leave_group(self) -> None:
        """The next I/O chooses a group anew, unless the paths of the current one are being probed: then that waits."""
        if self._is_probed:
            self._leaves_later = True
            return
        self.current = None
        self.current_path = None

    def probe_begins(self) -> None:
        self._is_probed = True

    def probe_ended(self) -> None:
        self._is_probed = False
        if self._leaves_later:
            self._leaves_later = False
            self._leave_group()

    def group_number(self) -> int:
        """The group number that status and table print."""
        group = self.next_group or self.current
        if self.current_first and self.current is not None:
            group = self.current
        if group is not None:
            return group.number
        return 1 if self.groups else 0

    def group_letter(self, group: PriorityGroup) -> str:
        if group.bypassed:
            return "D"
        return "A" if group is self.current else "E"

    def _group(self, number: str, user: str) -> PriorityGroup:
        index = scan_uint(number)
        if not 1 <= index <= len(self.groups):
            raise MessageError(f"invalid PG number supplied to {user}")
        return self.groups[index - 1]


def _is_first_choice(path: Path) -> bool:
    """A group that was disabled by hand is for when nothing else is left: slow is better than forbidden."""
    return path.is_active and not path.is_demoted and not path.group.bypassed
