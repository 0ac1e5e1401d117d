"""Answers: one-shot treatments of commands, armed by steps of the plan: late, never, twice, wrong, short, lost.

Fault model. A treatment takes the next command of its kind that arrives, and only that one. Whatever else is wrong with a server
goes on beside it: a server that is killed forgets the commands that it was to answer late.
"""

from hawser.block.ops import FLUSH, READ
from hawser.lab.devices.command import Command
from hawser.lab.plan import Step


class Treatment:
    def __init__(self, step: Step) -> None:
        self.kind = step.kind
        self.word = step.word
        self.duration_ns = step.duration_ns
        self.amount = step.amount

    def takes(self, command: Command) -> bool:
        """Whether this command is of the kind that it waits for."""
        word = self.word
        if word == "read":
            return command.op == READ
        if word == "write":
            return command.is_write
        return command.op == FLUSH if word == "flush" else True


class Treatments:
    """Those that are armed, oldest first."""

    def __init__(self) -> None:
        self.armed: list[Treatment] = []

    def arm(self, step: Step) -> None:
        self.armed.append(Treatment(step))

    def take(self, command: Command) -> Treatment | None:
        """What is to be done to this command, once."""
        for index, treatment in enumerate(self.armed):
            if treatment.takes(command):
                del self.armed[index]
                return treatment
        return None

    def clear(self) -> None:
        self.armed = []
