"""Tasks: programs and kernel threads that run side by side in virtual time, each a generator of what it waits for.

A task is resumed as soon as its condition is met, in the order in which tasks were started; nothing is ever interrupted but by
being killed.
"""

from collections.abc import Generator
from typing import Final

from hawser.core.clock import NEVER, Clock
from hawser.dm.condition import Condition

STEPS_MAX: Final = 10_000_000

Run = Generator[Condition, None, int]


class Task:
    """`status` is what it ended with; None while it runs."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.condition: Condition | None = None
        self.status: int | None = None

    def is_ready(self, now_ns: int) -> bool:
        condition = self.condition
        if condition is None:
            return True
        if condition.deadline_ns != NEVER and condition.deadline_ns <= now_ns:
            return True
        return condition.ready()

    def step(self) -> None:
        """Go on until the next thing to wait for, or to the end."""
        try:
            self.condition = next(self.run)
        except StopIteration as end:
            self.status = int(end.value or 0)

    def kill(self) -> None:
        """End it where it is; what it had begun is undone as its `finally` says."""
        if self.status is None:
            self.run.close()
            self.status = -9


class Tasks:
    """Those that have not ended."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.running: list[Task] = []

    def start(self, run: Run) -> Task:
        """It begins at the next `step`."""
        task = Task(run)
        self.running.append(task)
        return task

    def step(self) -> bool:
        """Resume every task that is ready, once. Whether there was one."""
        resumed = False
        for task in list(self.running):
            if task.status is None and task.is_ready(self.clock.now_ns):
                task.step()
                resumed = True
        if resumed:
            self.running = [task for task in self.running if task.status is None]
        return resumed

    def next_deadline_ns(self) -> int:
        """The earliest end of a wait, or NEVER."""
        earliest = NEVER
        for task in self.running:
            condition = task.condition
            if condition is not None and condition.deadline_ns != NEVER:
                if earliest == NEVER or condition.deadline_ns < earliest:
                    earliest = condition.deadline_ns
        return earliest
