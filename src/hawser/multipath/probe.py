"""Probing the active paths of the current group, as an ioctl asks for it: each has a block read, and fails if that fails.

Linux 6.16: DM_MPATH_PROBE_PATHS, probe_active_paths() of drivers/md/dm-mpath.c. It is for users who pass I/O through to a path
past the map (SG_IO), whose errors the map never sees. The paths are asked one after the other, each for one logical block at
sector 0. Meanwhile the group stays the current one: whoever switches groups is obeyed when the probe is over. Somebody who asks
while a probe of the group is under way gets its result.

As of any I/O, an error that is the answer of something that is alive fails no path (hawser.multipath.target).
"""

from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import READ
from hawser.block.request import ANSWERED
from hawser.core.status import IOERR, OK, is_path_error, status_name
from hawser.core.turn import Work
from hawser.multipath.path import Path, PriorityGroup

if TYPE_CHECKING:
    from hawser.multipath.target import Multipath


@mypyc_attr(allow_interpreted_subclasses=True)
class GroupProbeListener:
    """Who has asked for a probe."""

    def group_probed(self, errno_name: str) -> None:
        """It is over: an empty string, or ENOTCONN when no path of the map is left. Called within a turn, once."""
        raise NotImplementedError


class _Told(Work):
    def __init__(self, listener: GroupProbeListener, errno_name: str) -> None:
        self.listener = listener
        self.errno_name = errno_name

    def run(self) -> None:
        self.listener.group_probed(self.errno_name)


class GroupProbe(BioOwner):
    """The probes of one map, one at a time."""

    def __init__(self, target: "Multipath") -> None:
        super().__init__()
        self.target = target
        self._group: PriorityGroup | None = None
        self._left: list[Path] = []
        self._path: Path | None = None
        self._askers: list[GroupProbeListener] = []
        # Those who have asked since the group was left: they want the next one probed.
        self._later: list[GroupProbeListener] = []

    def ask(self, listener: GroupProbeListener) -> None:
        """Probe the current group for `listener`, who is told in a later turn."""
        if self._group is None:
            self._askers.append(listener)
            self._begin()
        elif self.target.state.current is self._group:
            self._askers.append(listener)
        else:
            self._later.append(listener)

    def _begin(self) -> None:
        state = self.target.state
        group = state.current
        if group is None or state.queue_io or self.target.is_leaving():
            self._tell()
            return
        state.probe_begins()
        self._group = group
        self._left = list(group.paths)
        self._next()

    def _next(self) -> None:
        """Ask the next path that is active, or end."""
        while self._left and self.target.state.current is self._group and not self.target.is_leaving():
            path = self._left.pop(0)
            if path.is_active:
                self._path = path
                path.device.submit_alone(Bio(READ, 0, path.device.limits.logical_block_size, self))
                return
        self._end()

    def bio_done(self, bio: Bio) -> None:
        path = self._path
        assert path is not None
        self._path = None
        is_answer = bio.status == IOERR and bio.fate == ANSWERED and path.device.answers_are_final()
        if bio.status != OK and is_path_error(bio.status) and not is_answer and not self.target.is_suspended:
            self.target.fail(path, f"probed: {status_name(bio.status)} error")
        self._next()

    def _end(self) -> None:
        self._group = None
        self._left = []
        self.target.state.probe_ended()
        self._tell()
        if self._later:
            self._askers, self._later = self._later, []
            self._begin()

    def _tell(self) -> None:
        errno_name = "" if self.target.state.valid_paths else "ENOTCONN"
        askers, self._askers = self._askers, []
        for asker in askers:
            self.target.context.turn.defer(_Told(asker, errno_name))
