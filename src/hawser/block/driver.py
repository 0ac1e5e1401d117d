"""Driver: what is below a request queue. It takes requests, sends a batch at a time, and answers by completions.

Linux: struct blk_mq_ops (queue_rq, commit_rqs, busy, complete). A driver writes its answer into the request
(`Request.finish`) and hands it to `complete`; that only notes it down. The queue hears of it in the same turn, after dispatch
has unwound, as one batch.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from hawser.block.orphan import Orphan
from hawser.block.request import Request
from hawser.core.turn import Turn, Work

ORPHANS_MAX: Final = 1024


@mypyc_attr(allow_interpreted_subclasses=True)
class SessionListener:
    """Who wants to know when the session with what is behind a driver begins and ends. Called within a turn."""

    def session_ready(self, driver: "Driver") -> None:
        raise NotImplementedError

    def session_lost(self, driver: "Driver", reason: str) -> None:
        raise NotImplementedError

    def session_refused(self, driver: "Driver", reason: str) -> None:
        """What answers is another disk: `reason` says by what (the driver's `mismatch`). It is not asked again by itself."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Driver(Work):
    """`epoch` numbers the sessions with what is behind; `answers_are_final`: an EIO came from something that is alive, so it is
    an answer and not a sign that the path is dead (DESIGN, Hard problems 5). `mismatch`: by what it was found to lead to another
    disk; it stays, whatever table uses the path, until a user has it looked at again (`look_again`)."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.plugged = False
        self.epoch = 0
        self.answers_are_final = False
        self.mismatch = ""
        self.listener: SessionListener | None = None
        self._finished: list[Request] = []

    def queue_rq(self, request: Request) -> int:
        """Take a request that is IN_FLIGHT. OK: it will be completed later, once. RESOURCE or DEV_RESOURCE: it was not taken,
        try again after a completion or a while. Any other status ends the request with it. Never completes anything itself."""
        raise NotImplementedError

    def commit(self) -> None:
        """Everything queued since the last commit may go out, preferably with one system call."""

    def busy(self) -> bool:
        """Whether a further request would only wait here. A dying driver is not busy: requests must reach it to be failed."""
        return False

    def has_budget(self, taken: int) -> bool:
        """Whether it would take another request beside `taken` ones that are about to be sent: else those stay in the elevator,
        where they merge. No only while requests of the same queue are with it, or among those taken: the end of one runs the
        queue again. Linux: get_budget, which only SCSI has."""
        return True

    def trouble(self) -> str:
        """Why a command sent now could not be answered; empty when it could."""
        return ""

    def lifts(self, orphan: Orphan) -> str:
        """What may still prove what became of a command of this driver's, in words for people; empty: it does not know it."""
        return ""

    def look_again(self) -> None:
        """A user says that it is worth a try: forget that it was another disk, and connect now if there is no connection. What
        is found then counts."""
        self.mismatch = ""

    def shut_down(self) -> None:
        """Close what is open; answer what is outstanding with TRANSPORT. Nothing is sent afterwards."""

    def close(self) -> None:
        """After `shut_down`, while the process goes on: give back what is still held."""

    def give_up(self) -> None:
        """Give up on every command that has no answer yet, as if its time were over; those that cannot time out stay."""

    def outstanding(self) -> list[Request]:
        """The requests that were taken and have no answer yet. Asked only when something went wrong."""
        return []

    def unreported(self) -> list[Request]:
        """The requests that have an answer of which nobody was told yet."""
        return list(self._finished)

    def complete(self, request: Request) -> None:
        """Deliver a request on which `finish` was called, once the stack has unwound."""
        if not self._finished:
            self.turn.defer(self)
        self._finished.append(request)

    def run(self) -> None:
        finished = self._finished
        self._finished = []
        for request in finished:
            request.queue.complete(request)
