"""The turn: work that was put off until the stack has unwound.

Nothing in the engine completes inside `submit`, `queue_rq` or `commit`. Whoever has a completion, a rerun or a requeue to
deliver defers it here, and the world drains the turn after dispatch has returned. So a million synchronous completions run at
constant stack depth, and no lock order or re-entrance has to be reasoned about. (Linux splits the same way, by softirq and
workqueue.)
"""

from collections import deque
from typing import Final

from mypy_extensions import mypyc_attr

from hawser.core.trace import Tracer

BUDGET_DEFAULT: Final = 4096


@mypyc_attr(allow_interpreted_subclasses=True)
class Work:
    """A piece of deferred work. `defer` may be called again from within `run`, or before it has run (it then runs twice)."""

    def run(self) -> None:
        raise NotImplementedError


class Turn:
    """First in, first out. `tracer` is who watches what happens in it, if somebody does."""

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        self._queue: deque[Work] = deque()

    def defer(self, work: Work) -> None:
        """Run `work` later in this turn, or in the next one when the budget is used up."""
        self._queue.append(work)

    def pending(self) -> bool:
        return len(self._queue) > 0

    def drain(self, budget: int = BUDGET_DEFAULT) -> bool:
        """Run deferred work, that which it defers included, up to `budget` pieces. True when nothing is left."""
        queue = self._queue
        while queue:
            if budget == 0:
                return False
            budget -= 1
            queue.popleft().run()
        return True
