"""Answer: a target that kept a clone ends it itself, once the stack has unwound."""

from hawser.core.status import OK
from hawser.core.turn import Work
from hawser.dm.clone import CloneBio
from hawser.dm.target import TargetHost


class Answer(Work):
    """Linux: bio_endio() and bio_io_error() from within map."""

    def __init__(self, host: TargetHost, clone: CloneBio, status: int = OK) -> None:
        self.host = host
        self.clone = clone
        self.status = status

    def run(self) -> None:
        self.clone.status = self.status
        self.host.finish_bio(self.clone)
