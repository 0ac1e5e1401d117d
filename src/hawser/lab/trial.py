"""Trial: a run whose own errors are findings, too.

An assert that fails, or any other exception, in the engine or in the laboratory is a fault of that run, not the end of a batch:
it is kept in words, with the last lines of its traceback, and what had happened until then can still be told.
"""

import traceback
from typing import Final

from hawser.lab.plan import Plan
from hawser.lab.run import Run
from hawser.lab.trace import Event

TRACEBACK_LINES: Final = 12


class Trial:
    """`faults` is empty if everything was right. `crash` holds the end of a traceback where an exception ended the run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.faults: list[str] = []
        self.crash: list[str] = []
        self.events: list[Event] = []
        self.hits: dict[str, int] = {}
        self.digest = ""
        self.bios = 0
        self.end_ns = 0
        self.event_count = 0


def attempt(plan: Plan, keep_events: bool = False) -> Trial:
    """Play `plan` to its end, or to the exception that ends it."""
    trial = Trial(plan)
    try:
        run = Run(plan, keep_events)
    except Exception as error:
        _crashed(trial, error, "the plan cannot be set up: ")
        return trial
    try:
        run.go()
    except Exception as error:
        _crashed(trial, error, "")
    trial.faults += run.referee.faults
    trial.events = run.trace.events
    trial.hits = run.marks.hits
    trial.digest = run.trace.digest()
    trial.event_count = run.trace.count
    trial.bios = run.referee.bios
    trial.end_ns = run.hardware.clock.now_ns
    return trial


def _crashed(trial: Trial, error: Exception, when: str) -> None:
    where = traceback.extract_tb(error.__traceback__)
    place = f" in {where[-1].filename.rpartition('/')[2]}, {where[-1].name}" if where else ""
    trial.faults.append(f"{when}{type(error).__name__}{place}: {error}".rstrip(": "))
    text = "".join(traceback.format_exception(error)).rstrip().splitlines()
    trial.crash = text[-TRACEBACK_LINES:]
