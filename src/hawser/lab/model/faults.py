"""Faults: what goes wrong in a scenario, and when."""

from typing import TYPE_CHECKING

from hawser.core.clock import Timer
from hawser.core.units import NS_PER_MS
from hawser.dm.target import MessageError
from hawser.lab.model.array import ModelPath
from hawser.lab.model.scenario import (
    BLACK_HOLE,
    DELAY,
    ERROR,
    FLAP,
    GRAY,
    KILL,
    MESSAGE,
    SLOW,
    Fault,
    ScenarioError,
)

if TYPE_CHECKING:
    from hawser.lab.model.bench import Bench


class _Strike(Timer):
    """A fault begins, or ends."""

    def __init__(self, faults: "Faults", fault: Fault, begins: bool) -> None:
        super().__init__()
        self.faults = faults
        self.fault = fault
        self.begins = begins

    def expire(self) -> None:
        self.faults.strike(self.fault, self.begins)


class _FlapAgain(Timer):
    def __init__(self, faults: "Faults", fault: Fault, left: int) -> None:
        super().__init__()
        self.faults = faults
        self.fault = fault
        self.left = left

    def expire(self) -> None:
        self.faults.flap(self.fault, self.left)


class Faults:
    """Arms all of a scenario's when it is made."""

    def __init__(self, bench: "Bench") -> None:
        self.bench = bench
        for fault in bench.scenario.faults:
            bench.timers.arm(_Strike(self, fault, True), fault.at_ns)
            if fault.duration_ns and fault.kind not in (BLACK_HOLE, FLAP, MESSAGE):
                bench.timers.arm(_Strike(self, fault, False), fault.at_ns + fault.duration_ns)

    def strike(self, fault: Fault, begins: bool) -> None:
        """A fault begins, or is over."""
        state = "begins" if begins else "is over"
        if fault.kind == MESSAGE:
            state = fault.words
        whom = ", ".join([f"p{number}" for number in fault.paths])
        self.bench.log.events.append((self.bench.clock.now_ns, f"{fault.kind} {whom}: {state}".replace(" :", ":")))
        if fault.kind == MESSAGE:
            self._message(fault.words)
            return
        if fault.kind == FLAP:
            self.flap(fault, fault.count)
            return
        for number in fault.paths:
            self._strike_path(fault, self.bench.paths[number], begins)

    def _strike_path(self, fault: Fault, path: ModelPath, begins: bool) -> None:
        kind = fault.kind
        if kind == SLOW:
            path.server.slowness = fault.factor if begins else 1.0
        elif kind == DELAY:
            path.extra_ns = int(fault.ms * NS_PER_MS) if begins else 0
        elif kind == GRAY:
            path.gray_percent = fault.percent if begins else 0.0
            path.gray_ns = int(fault.ms * NS_PER_MS)
        elif kind == ERROR:
            path.fails = begins
        elif kind == BLACK_HOLE:
            path.go_black(fault.duration_ns)
        else:
            assert kind == KILL, kind
            for other in self.bench.paths:
                # All that its server serves.
                if other.server is path.server:
                    if begins:
                        other.kill()
                    else:
                        other.revive()

    def flap(self, fault: Fault, left: int) -> None:
        """The sessions are lost, and again after a while."""
        for number in fault.paths:
            self.bench.paths[number].flap()
        if left > 1:
            self.bench.timers.arm(_FlapAgain(self, fault, left - 1), int(fault.ms * NS_PER_MS))

    def _message(self, words: str) -> None:
        for number in range(len(self.bench.paths)):
            words = words.replace(f"{{p{number}}}", f"259:{number}")
        try:
            self.bench.map.message(0, words.split())
        except MessageError as problem:
            raise ScenarioError(f"{self.bench.scenario.name}: message {words!r} is refused: {problem}") from None
