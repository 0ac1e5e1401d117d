"""A simulated path whose commands are watched on their way out: no client I/O may go to a path that has failed (invariant I5)."""

from hawser.block.request import Request
from hawser.core.clock import Timers
from hawser.core.log import LogSink
from hawser.core.turn import Turn
from hawser.dm.clone import CloneBio
from hawser.lab.clients import SimClient
from hawser.lab.devices.hardware import Hardware
from hawser.lab.devices.link import Link
from hawser.lab.devices.sim_path import SimPath
from hawser.lab.plan import PathPlan
from hawser.multipath.path import Path


class WatchedPath(SimPath):
    """`stands_for` are the paths of the live table that lead here."""

    def __init__(
        self,
        name: str,
        hardware: Hardware,
        turn: Turn,
        timers: Timers,
        log: LogSink,
        link: Link,
        plan: PathPlan,
    ) -> None:
        super().__init__(name, hardware, turn, timers, log, link, plan)
        self.stands_for: list[Path] = []
        self.breaches: list[str] = []

    def queue_rq(self, request: Request) -> int:
        if request.bios and isinstance(request.bios[0].client(), SimClient):
            if _is_second_try(request):
                self.hardware.marks.hit("answered error retried")
            if self.stands_for and not any(path.is_active for path in self.stands_for):
                self.breaches.append(
                    f"{self.name} has failed, and still was sent client I/O at sector {request.sector}"
                )
        return super().queue_rq(request)


def _is_second_try(request: Request) -> bool:
    """Whether it was answered with an error elsewhere."""
    original = request.original
    if original is not None:
        return original.answered_errors > 0
    first = request.bios[0]
    return isinstance(first, CloneBio) and first.answered_errors > 0
