"""`alua`: arrays that tell by target port groups which of their ports serve a unit (SPC's asymmetric logical unit access).

One argument in a table, 0 or 1: do not ask for a better state where a non-optimized one will do. An activation asks for the
state of the device's group, sets it to active/optimized where the array lets itself be told (explicit), and asks once more; a
transition is waited for. The group's part is hawser.multipath.handlers.alua_group. Linux:
drivers/scsi/device_handler/scsi_dh_alua.c.
"""

from typing import Final

from hawser.core.status import IOERR, OK
from hawser.multipath.handlers.alua_group import PortGroup, port_groups
from hawser.multipath.handlers.base import register_handler
from hawser.scsi.device import (
    DH_DEV_UNSUPP,
    DH_OK,
    ActivationOwner,
    HardwareHandler,
    ScsiDevice,
    take_alone,
)
from hawser.scsi.disposition import NEEDS_RETRY, NOT_HANDLED, REQUEUE
from hawser.scsi.inquiry import TYPE_DISK, decode_standard, port_group_of, relative_port_of, unit_name
from hawser.scsi.port_groups import (
    EXPLICIT,
    IMPLICIT,
    LBA_DEPENDENT,
    NON_OPTIMIZED,
    OPTIMIZED,
    TRANSITIONING,
)
from hawser.scsi.sense import NOT_READY, UNIT_ATTENTION, Sense

# Unit attentions after which an I/O is sent again; after some of them the state is asked for, too.
_AGAIN: Final = ((0x29, 0x04), (0x2A, 0x01), (0x3F, 0x03), (0x3F, 0x0E))
_ASK_AND_AGAIN: Final = ((0x29, 0x00), (0x2A, 0x06), (0x2A, 0x07))
_TPGS: Final = {
    IMPLICIT: "supports implicit TPGS",
    EXPLICIT: "supports explicit TPGS",
    IMPLICIT | EXPLICIT: "supports implicit and explicit TPGS",
}


class Alua(HardwareHandler):
    def __init__(self, device: ScsiDevice) -> None:
        super().__init__(device)
        self.group: PortGroup | None = None
        self.problem = DH_OK

    def attach(self) -> int:
        return self._initialise()

    def _initialise(self) -> int:
        """Find out which group the device is in. Of the group's state nothing is asked as long as the handler is not attached."""
        self.problem = self._find_group()
        return self.problem

    def _find_group(self) -> int:
        device = self.device
        if decode_standard(device.inquiry()).device_type != TYPE_DISK:
            device.say("alua: disable for non-disk devices")
            return DH_DEV_UNSUPP
        tpgs = device.tpgs()
        device.say(f"alua: {_TPGS.get(tpgs, 'not supported')}")
        if not tpgs:
            return DH_DEV_UNSUPP
        designators = device.designators()
        group_id = port_group_of(designators)
        if group_id < 0:
            device.say("alua: No target port descriptors found")
            return DH_DEV_UNSUPP
        unit = unit_name(designators)
        group = port_groups(device).get(unit, group_id, tpgs, device)
        port = relative_port_of(designators) & 0xFFFFFFFF
        device.say(f"alua: {f'device {unit} ' if unit else ''}port group {group_id:x} rel port {port:x}")
        if group is not self.group:
            self._leave()
            group.members.append(device)
            self.group = group
        if device.handler is self:
            group.ask(device, None, True)
        return DH_OK

    def _leave(self) -> None:
        if self.group is not None:
            self.group.members.remove(self.device)
            self.group = None

    def detach(self) -> None:
        self._leave()

    def rescan(self) -> None:
        self._initialise()

    def activate(self, owner: ActivationOwner | None) -> None:
        if self.group is None:
            self.device.tell(owner, self.problem)
        else:
            self.group.ask(self.device, owner, True, activates=True)

    def set_parameters(self, words: list[str]) -> str:
        numbers = take_alone(words, 1)
        if numbers is None:
            return "EINVAL"
        if self.group is None:
            return "ENXIO"
        self.group.optimize_set = numbers[0] == 1
        return ""

    def prepare(self) -> int:
        state = self.group.state if self.group is not None else OPTIMIZED
        good = state == OPTIMIZED or state == NON_OPTIMIZED or state == LBA_DEPENDENT or state == TRANSITIONING
        return OK if good else IOERR

    def check_sense(self, sense: Sense) -> int:
        if sense.key not in (NOT_READY, UNIT_ATTENTION):
            return NOT_HANDLED
        if sense.is_code(0x04, 0x0A):
            if self.group is not None:
                self.group.state = TRANSITIONING
                self.group.ask(self.device, None, False)
            return NEEDS_RETRY
        if sense.key == NOT_READY:
            return NOT_HANDLED
        if (sense.asc, sense.ascq) in _ASK_AND_AGAIN:
            if self.group is not None:
                self.group.ask(self.device, None, True)
            return REQUEUE
        return REQUEUE if (sense.asc, sense.ascq) in _AGAIN else NOT_HANDLED


def make_alua(device: ScsiDevice) -> HardwareHandler:
    return Alua(device)


register_handler("alua", make_alua)
