"""Hardware: what everything outside the engine shares: time, its own timers, the trace, the marks and the dice.

Its timers are apart from the engine's, because a power loss or a crash of the gateway ends the engine's world and not this one.
"""

from collections.abc import Callable

from hawser.core.clock import Clock, Timer, Timers
from hawser.core.rng import Rng
from hawser.lab.devices.sightings import Sightings
from hawser.lab.marks import Marks
from hawser.lab.trace import Trace

_PRIME = 0x100000001B3
_BASIS = 0xCBF29CE484222325
_MASK = 0xFFFF_FFFF_FFFF_FFFF


def _times_prime(state: int) -> int:
    """`state * _PRIME`, 64 bits of it. With shifts: see hawser.core.rng for what a signal does to a long product."""
    return state + (state << 1) + (state << 4) + (state << 5) + (state << 7) + (state << 8) + (state << 40) & _MASK


class Call(Timer):
    """A timer that calls a method. For what is rare."""

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__()
        self.call = call

    def expire(self) -> None:
        self.call()


class Hardware:
    def __init__(self, seed: int, clock: Clock, trace: Trace, marks: Marks) -> None:
        self.seed = seed
        self.clock = clock
        self.timers = Timers(clock)
        self.trace = trace
        self.marks = marks
        self.sightings = Sightings(marks)
        # From when everything works on until something goes wrong nothing has a reason to fail.
        self.is_peaceful = False
        self._was_troubled = False
        self._streams: dict[str, int] = {}

    def calm(self) -> None:
        """Everything works."""
        self.is_peaceful = not self._was_troubled

    def trouble(self) -> None:
        """Something has gone wrong: what fails from now on may have its reasons."""
        self.is_peaceful = False
        self._was_troubled = True

    def dice(self, name: str, number: int) -> Rng:
        """The dice for the `number`th event of what is called `name`: whatever else happens, it rolls the same."""
        state = self._streams.get(name)
        if state is None:
            state = _BASIS ^ (self.seed & _MASK)
            for byte in name.encode():
                state = _times_prime(state ^ byte)
            self._streams[name] = state
        return Rng(state ^ (number * _PRIME))
