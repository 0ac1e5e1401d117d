"""Path and PriorityGroup: what a multipath table is made of.

Linux: struct pgpath, struct path and struct priority_group (drivers/md/dm-mpath.c, dm-mpath.h). A path is also what a clone
remembers between map and end.
"""

from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from hawser.block.device import BlockDevice
from hawser.block.ops import FLUSH
from hawser.block.queue import RequestQueue
from hawser.block.request import ANSWERED, MapContext
from hawser.core.status import IOERR, is_path_error

if TYPE_CHECKING:
    from hawser.multipath.selectors.base import PathSelector


@mypyc_attr(allow_interpreted_subclasses=True)
class PathInfo:
    """What a selector of somebody else's keeps per path."""


class Path(MapContext):
    """One way to the disk, as one map sees it.

    `in_flight` and `in_flight_bytes` are kept by the selectors that look at them; `ios` and `bytes_done` count for people.
    """

    def __init__(self, device: BlockDevice, group: "PriorityGroup") -> None:
        self.device = device
        self.group = group
        self.is_active = True
        self.fail_count = 0
        self.in_flight = 0
        self.in_flight_bytes = 0
        self.relative_throughput = 1
        self.repeat_count = 1
        self.info: PathInfo | None = None
        self.ios = 0
        self.bytes_done = 0
        # Whether a user failed it by hand: the checker then leaves it alone.
        self.failed_by_user = False
        # Whether somebody has judged that it be used last, and whether its selector does without it for that, though it is
        # active.
        self.is_demoted = False
        self.is_aside = False

    def queue(self) -> RequestQueue:
        queue = self.device.queue
        assert queue is not None
        return queue

    def letter(self) -> str:
        return "A" if self.is_active else "F"


class PriorityGroup:
    """Paths among which the selector chooses; one group at a time is current. `number` counts from 1."""

    def __init__(self, number: int, selector: "PathSelector") -> None:
        self.number = number
        self.selector = selector
        self.paths: list[Path] = []
        self.bypassed = False


def may_be_anothers(path: Path, op: int, status: int, fate: int) -> bool:
    """Whether an answer to a merged request may speak of one of its bios alone; then each is asked for by itself.

    Unlike the kernel, which hears from SCSI disks how far they got: NBD servers do not say.
    """
    told = status == IOERR or not is_path_error(status)
    return told and fate == ANSWERED and op != FLUSH and path.device.answers_are_final()


def why_there(path: Path, size: int, elsewhere: bool, groups: int) -> str:
    """Where an I/O goes and why there, for who watches. `groups`: how many there are."""
    group = path.group
    where = f"{path.device.devt} ({path.device.name})"
    if elsewhere:
        return f"to {where}: once more, on another path than the one that answered with an error"
    return f"to {where}: {group.selector.explain(path, size)}; group {group.number} of {groups}"
