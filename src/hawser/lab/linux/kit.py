"""Kit: what every simulated device is made with: clock, timers, turn, log, and the threads that run by themselves."""

from hawser.core.clock import NEVER, Clock, Timers
from hawser.core.turn import Turn
from hawser.lab.linux.kernel_log import KernelLog
from hawser.lab.linux.softirq import Softirq
from hawser.lab.linux.tasks import STEPS_MAX, Task, Tasks


class Kit:
    def __init__(self) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.turn = Turn()
        self.log = KernelLog()
        self.tasks = Tasks(self.clock)
        self.softirq = Softirq(self.turn)
        # The processor that the recorder has last bound itself to; what it starts inherits that.
        self.cpu = 0

    def settle(self) -> None:
        """Everything that the block layer can do without time passing."""
        while not self.turn.drain():
            pass

    def run(self, until_ns: int, watched: Task | None = None) -> None:
        """Let things happen until that moment, or until `watched` has ended."""
        for _ in range(STEPS_MAX):
            self.settle()
            if self.tasks.step():
                continue
            if self.turn.pending():
                continue
            if watched is not None and watched.status is not None:
                return
            next_ns = earliest(self.timers.next_deadline_ns(), self.tasks.next_deadline_ns())
            if next_ns == NEVER or next_ns > until_ns:
                self.clock.now_ns = max(self.clock.now_ns, until_ns)
                return
            self.clock.now_ns = max(self.clock.now_ns, next_ns)
            self.timers.advance()
        raise AssertionError(f"the machine did not come to rest within {STEPS_MAX} steps")


def earliest(first_ns: int, second_ns: int) -> int:
    """The earlier of two moments, either of which may be NEVER."""
    if first_ns == NEVER or second_ns == NEVER:
        return max(first_ns, second_ns)
    return min(first_ns, second_ns)
