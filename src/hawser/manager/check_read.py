"""CheckRead: one small read through a path, past the map: does it answer, and how long does that take?

multipathd's directio checker. It is what a path that is demoted, or that is idle, is looked at with; one that has failed is
looked at with more (hawser.manager.probe). An error that is an answer (DESIGN, Hard problems 5) is an answer here, too.
"""

from mypy_extensions import mypyc_attr

from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import READ
from hawser.block.request import ANSWERED, NOT_SENT
from hawser.core.clock import Clock
from hawser.core.status import IOERR, OK, RESOURCE, is_path_error, status_name
from hawser.manager.identity import sample_size
from hawser.multipath.disk import PathDevice


@mypyc_attr(allow_interpreted_subclasses=True)
class CheckReadListener:
    def check_read(self, device: PathDevice, took_ns: int, problem: str) -> None:
        """It has ended after `took_ns`; `problem` says why the path is down, and is empty when it is not."""
        raise NotImplementedError


class CheckRead(BioOwner):
    """Reads the first block of `device`; `start` it once."""

    def __init__(self, device: PathDevice, clock: Clock, listener: CheckReadListener) -> None:
        super().__init__()
        self.device = device
        self.clock = clock
        self.listener = listener
        self.start_ns = clock.now_ns

    def start(self) -> None:
        self.device.submit_alone(Bio(READ, 0, sample_size(self.device), self))

    def bio_done(self, bio: Bio) -> None:
        self.listener.check_read(self.device, self.clock.now_ns - self.start_ns, self._problem(bio))

    def _problem(self, bio: Bio) -> str:
        if bio.status == OK or not is_path_error(bio.status):
            return ""
        if bio.status == IOERR and bio.fate == ANSWERED and self.device.answers_are_final():
            return ""
        if bio.status == RESOURCE and bio.fate == NOT_SENT:
            # Given back by a queue that made room for something else: nothing was found out.
            return ""
        return f"{bio.describe()}: {status_name(bio.status)} error"
