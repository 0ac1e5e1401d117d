"""Stopwatch: time that counts against the engine (invariant I4).

It runs only while nothing excuses a wait: some path can be used, no fence stands, the device is not suspended, no operator
is at work. A bio may then take `bound_ns`: what the path timeouts allow, once per path, plus what is served before it.
"""

from hawser.core.clock import Clock


class Stopwatch:
    def __init__(self, clock: Clock, bound_ns: int) -> None:
        self.clock = clock
        self.bound_ns = bound_ns
        self._is_excused = False
        self._since_ns = clock.now_ns
        self._counted_ns = 0

    def excuse(self, is_excused: bool) -> None:
        """From now on waiting is excused, or not."""
        if is_excused != self._is_excused:
            if not self._is_excused:
                self._counted_ns += self.clock.now_ns - self._since_ns
            self._since_ns = self.clock.now_ns
            self._is_excused = is_excused

    def begin(self) -> int:
        """A reading to give to `end`."""
        return self._reading_ns()

    def end(self, begun_ns: int) -> int:
        """How much of the time since `begin` counts."""
        return self._reading_ns() - begun_ns

    def _reading_ns(self) -> int:
        running = 0 if self._is_excused else self.clock.now_ns - self._since_ns
        return self._counted_ns + running
