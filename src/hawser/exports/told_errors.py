"""The errors that clients are told, in the log: the first at once, what follows as a number. Linux: blk_print_req_error()."""

from typing import Final

from hawser.block.bio import Bio
from hawser.block.ops import OP_NAMES
from hawser.core.clock import Timer, Timers
from hawser.core.log import LogSink
from hawser.core.status import NOTSUPP, status_name
from hawser.core.units import NS_PER_S

QUIET_NS: Final = 10 * NS_PER_S


class ToldErrors(Timer):
    """Of all clients of a disk. `tell` each; one line in QUIET_NS is the most that it writes."""

    def __init__(self, timers: Timers, log: LogSink) -> None:
        super().__init__()
        self.timers = timers
        self.log = log
        self._more = 0
        self._last = ""

    def tell(self, bio: Bio, export: str) -> None:
        # What a device cannot do is asked for to find out.
        if bio.status == NOTSUPP:
            return
        what = f"{status_name(bio.status)} error, {OP_NAMES[bio.op]} of {bio.size} bytes at sector {bio.sector}"
        self._last = f"export {export}: {what}: a client is told"
        if self.is_armed():
            self._more += 1
            return
        self.log.warning(self._last)
        self.timers.arm(self, QUIET_NS)

    def expire(self) -> None:
        if self._more:
            self.log.warning(f"{self._last}; {self._more} such errors within {QUIET_NS // NS_PER_S} s")
            self._more = 0
            self.timers.arm(self, QUIET_NS)
