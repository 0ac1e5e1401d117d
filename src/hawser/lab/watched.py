"""A simulated path whose commands are watched on their way out: no client I/O may go to a path that has failed (invariant I5)."""

from hawser.block.bio import Bio
from hawser.block.request import Request
from hawser.block.split import SplitBio
from hawser.core.clock import Timers
from hawser.core.log import LogSink
from hawser.core.status import DEV_RESOURCE, RESOURCE
from hawser.core.turn import Turn
from hawser.dm.clone import CloneBio
from hawser.lab.clients import SimClient
from hawser.lab.devices.hardware import Hardware
from hawser.lab.devices.link import Link
from hawser.lab.devices.sim_path import SimPath
from hawser.lab.plan import PathPlan
from hawser.multipath.path import Path
from hawser.multipath.twins import BioPair


class Host:
    """What the paths to one server have in common here: `commands_max` at once (0: no limit), the tags of a host adapter."""

    def __init__(self, commands_max: int) -> None:
        self.commands_max = commands_max
        self.in_use = 0

    def is_full(self, taken: int = 0) -> bool:
        """Whether there is no room for another beside `taken` ones that are about to be sent."""
        return self.commands_max > 0 and self.in_use + taken >= self.commands_max


class WatchedPath(SimPath):
    """`taken` counts the commands without an answer. `breaches` say what was sent that must not be."""

    def __init__(
        self,
        name: str,
        hardware: Hardware,
        turn: Turn,
        timers: Timers,
        log: LogSink,
        link: Link,
        plan: PathPlan,
        host: Host,
    ) -> None:
        super().__init__(name, hardware, turn, timers, log, link, plan)
        self.host = host
        self.taken = 0
        self._last: Path | None = None
        self.breaches: list[str] = []

    def queue_rq(self, request: Request) -> int:
        is_up = not self.problem
        if is_up and self.host.is_full():
            self.hardware.marks.hit("host full")
            # Without a command of its own under way no answer of its own will run the queue again.
            return DEV_RESOURCE if self.taken else RESOURCE
        self._look_at(request)
        self.taken += 1
        self.host.in_use += 1
        status = super().queue_rq(request)
        if status != 0:
            self._gave_back()
        return status

    def complete(self, request: Request) -> None:
        self._gave_back()
        if 0 < request.good_bytes < request.size and len(request.bios) > 1:
            self.hardware.marks.hit("merged request done in part")
        super().complete(request)

    def _gave_back(self) -> None:
        self.taken -= 1
        self.host.in_use -= 1

    def busy(self) -> bool:
        return super().busy() or (not self.problem and self.host.is_full())

    def has_budget(self, taken: int) -> bool:
        # Where nothing of its own is under way it is asked, and refuses: nothing else would run the queue again.
        if self.problem or self.taken + taken == 0 or not self.host.is_full(taken):
            return True
        self.hardware.marks.hit("no budget")
        return False

    # Invariant I5.

    def _look_at(self, request: Request) -> None:
        if request.bios and isinstance(request.bios[0].client(), SimClient) and _is_second_try(request):
            self.hardware.marks.hit("answered error retried")
        context = request.context
        if isinstance(context, Path):
            self._check(request, context)
            return
        for bio in request.bios:
            found = path_of(bio)
            if found is not None:
                self._check(request, found)

    def _check(self, request: Request, path: Path) -> None:
        last = self._last
        if last is not path:
            if last is not None and last.device is path.device and self.taken:
                self.hardware.marks.hit("maps met on a path")
            self._last = path
        if not path.is_active:
            self.breaches.append(
                f"{path.device.name} has failed, and still was sent client I/O at sector {request.sector}"
            )


def path_of(bio: Bio) -> Path | None:
    """Which path of a map a bio has come by that arrives at a driver: that of the lowest map, if there are several."""
    while True:
        owner = bio.owner
        if isinstance(bio, CloneBio):
            if isinstance(bio.context, Path):
                return bio.context
            bio = bio.original
        elif isinstance(owner, SplitBio):
            bio = owner.whole
        elif isinstance(owner, BioPair):
            return owner.twin_path
        else:
            return None


def _is_second_try(request: Request) -> bool:
    """Whether it was answered with an error elsewhere."""
    original = request.original
    if original is not None:
        return original.answered_errors > 0
    first = request.bios[0]
    return isinstance(first, CloneBio) and first.answered_errors > 0
