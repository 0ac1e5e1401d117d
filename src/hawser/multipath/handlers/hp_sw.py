"""`hp_sw`: arrays with an active and a passive side, which START STOP UNIT wakes.

Linux: drivers/scsi/device_handler/scsi_dh_hp_sw.c.
"""

from typing import Final

from hawser.core.status import IOERR, OK
from hawser.multipath.handlers.base import register_handler
from hawser.scsi.commands import (
    CHECK_CONDITION,
    GOOD,
    START_STOP_UNIT,
    Command,
    Result,
    start_stop_unit,
    test_unit_ready,
)
from hawser.scsi.device import (
    DH_IO,
    DH_OK,
    DH_RETRY,
    ActivationOwner,
    CommandOwner,
    HardwareHandler,
    ScsiDevice,
)
from hawser.scsi.sense import INITIALISATION_REQUIRED, MANUAL_INTERVENTION, UNIT_ATTENTION, Sense

UNINITIALIZED: Final = -1
ACTIVE: Final = 0
PASSIVE: Final = 1

# Unlike the kernel, which asks again for ever as long as it hears of unit attentions.
ATTENTIONS_MAX: Final = 64
START_RETRIES: Final = 3


class HpSw(HardwareHandler):
    def __init__(self, device: ScsiDevice) -> None:
        super().__init__(device)
        self.path_state = UNINITIALIZED

    def attach(self) -> int:
        result = self.look(self.device.readiness())
        if result == DH_OK:
            side = "active" if self.path_state == ACTIVE else "passive"
            self.device.say(f"hp_sw: attached to {side} path")
        return result

    def look(self, result: Result) -> int:
        """What an answer to TEST UNIT READY says of the side."""
        sense = result.sense
        if result.outcome == GOOD:
            self.path_state = ACTIVE
            return DH_OK
        if result.outcome == CHECK_CONDITION and sense == INITIALISATION_REQUIRED:
            self.path_state = PASSIVE
            return DH_OK
        self.device.say(f"hp_sw: sending tur failed, {_words(sense)}")
        return DH_IO

    def activate(self, owner: ActivationOwner | None) -> None:
        self.device.execute(test_unit_ready(), _Start(self, owner))

    def prepare(self) -> int:
        return OK if self.path_state == ACTIVE else IOERR


class _Start(CommandOwner):
    """One activation: look, and start the unit where it is passive."""

    def __init__(self, handler: HpSw, owner: ActivationOwner | None) -> None:
        self.handler = handler
        self.owner = owner
        self._tries = 0

    def command_done(self, command: Command, result: Result) -> None:
        if command.opcode() == START_STOP_UNIT:
            self._started(command, result)
        elif _is_attention(result) and self._tries < ATTENTIONS_MAX:
            self._again(command)
        else:
            self._looked(result)

    def _again(self, command: Command) -> None:
        self._tries += 1
        self.handler.device.execute(command, self)

    def _looked(self, result: Result) -> None:
        found = self.handler.look(result)
        if found == DH_OK and self.handler.path_state == PASSIVE:
            self._tries = 0
            self.handler.device.execute(start_stop_unit(True), self)
        else:
            self._end(found)

    def _started(self, command: Command, result: Result) -> None:
        """As in the kernel, it is the next look that finds the side active: an I/O before that fails the path, and putting it
        back looks."""
        if result.outcome == GOOD:
            self._end(DH_OK)
            return
        is_switching = result.sense == MANUAL_INTERVENTION
        if is_switching and self._tries < START_RETRIES:
            self._again(command)
            return
        if not is_switching:
            self.handler.device.say(f"hp_sw: sending start_stop_unit failed, {_words(result.sense)}")
        self._end(DH_RETRY if is_switching else DH_IO)

    def _end(self, result: int) -> None:
        if self.owner is not None:
            self.owner.activated(result)


def _is_attention(result: Result) -> bool:
    return result.sense is not None and result.sense.key == UNIT_ATTENTION


def _words(sense: Sense | None) -> str:
    return f"sense {sense.words()}" if sense is not None else "no sense available"


def make_hp_sw(device: ScsiDevice) -> HardwareHandler:
    return HpSw(device)


register_handler("hp_sw", make_hp_sw)
